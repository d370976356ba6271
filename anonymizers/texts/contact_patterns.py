"""Identifiers by which a person or a machine is reached: e-mail, telephone, address on the net.

Patterns run on folded texts in lower case (``folding``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from anonymizers.texts.spans import Span, matches

# "@" and "." as people write them who fear machines; in words only between spaces or brackets.
_OPEN, _CLOSE = r"[(\[{<]", r"[)\]}>]"
AT_WORDS = frozenset({"at", "arobase", "arobas"})
"""Words that may stand for "@"."""
_AT = re.compile(
    rf" ?(?:@|%40) ?| ?{_OPEN} ?(?:at|a|arobase|arobas|@) ?{_CLOSE} ?| (?:arobase|arobas|at) "
)
_DOT = rf"(?:\.| \. | ?{_OPEN} ?(?:\.|dot|point) ?{_CLOSE} ?| (?:dot|point) )"
_DOT_BEFORE = re.compile(rf"(?: ?{_OPEN} ?(?:\.|dot|point) ?{_CLOSE} ?| (?:dot|point) )\Z")
_LABEL = r"[^\W_](?:[\w\-]{0,61}[^\W_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}{_DOT}){{1,8}}[^\W\d_]{{2,24}}(?![\w@])")
# What nearly every domain is.
_PLAIN_DOMAIN = re.compile(r"(?:[a-z0-9_\-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@])")
_HOST = re.compile(r"(?:[a-z][a-z0-9\-]{2,62}|\[?[0-9]{1,3}(?:\.[0-9]{1,3}){3}\]?)(?![\w@])")
_LOCAL_ONLY = re.compile(r"[._0-9]")
_LOCAL_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-"
_LONGEST_LOCAL = 96
_MOST_DOT_WORDS = 3
_CLOSED, _DOT_ENDS = frozenset(")]}>"), frozenset("t)]}>")

_FRENCH_PHONE = re.compile(
    r"0(?:(?<![0-9a-z_+]0)|(?<=tel0)|(?<=gsm0))(?:[ .,\-/_)]{0,3}[0-9]){9}(?![0-9])"
)
_IN_PAIRS = re.compile(r"0[1-9]([ .\-]?)(?:[0-9]{2}\1){3}[0-9]{2}")
_NUMBERING = frozenset(".,-")
_NUMBERED_BEFORE = re.compile(r"(?<![0-9])[0-9]{1,6}[.,\-]\Z")
_PHONE_GAPS = re.compile(r"[^0-9]+")
_FROM_ABROAD = re.compile(
    r"(?:[+0](?<![0-9a-z_+].)(?:(?<=\+)|0) ?33|3(?<![0-9a-z_+.,\-].)3(?=[ .]?[67]))"
    r"[ .\-/]{0,2}(?:\( ?0? ?\)|0(?=[ .\-/]?[1-9]))?[ .\-/]{0,2}"
    r"[1-9](?:[ .\-/_]{0,3}[0-9]){8}(?![0-9])"
)
_FOREIGN_PHONE = re.compile(
    r"[+0](?<![0-9a-z_+].)(?:(?<=\+)|0) ?[1-9](?:[ .\-()/]{0,3}[0-9]){6,14}(?![0-9])"
)

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(
    # "Chrome/130.0.0.0" is a version.
    r"(?=[0-9])(?<![0-9a-z_])(?<![0-9a-z]\.)(?<![a-z]/)"
    rf"(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9a-z_])(?!\.[0-9])"
)
_IPV6 = re.compile(
    r"(?<![0-9a-z_:.])(?=[0-9a-f:.]*[0-9])(?:[0-9a-f]{0,4}:){2,8}"
    r"(?:[0-9a-f]{1,4}|(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?![0-9a-z_:])"
)

_PREFIX = re.compile(r"/([0-9]{1,3})(?![0-9])")

_URL = re.compile(r"(?:https?|ftp|wss?)://[^\s<>\"\x01]{1,2000}")
_USER_INFO = re.compile(r"[a-z]{2,5}://[^/?#@]*@")
_TELLING = re.compile(
    r"[?&;#/](?:[\w.\-]*[_.\-])?(?:token|key|apikey|sig|signature|session|sid|sessid|phpsessid"
    r"|jsessionid|auth|password|passwd|pwd|pass|secret|code|otp|hash|ticket|jwt|mail|email|e-mail"
    r"|user|username|login|uid|userid|name|nom|prenom|phone|tel|telephone)=[^&#;\s]"
    r"|@|%40|/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[/=](?=[\w\-]*[0-9])(?=[\w\-]*[a-z])[\w\-]{24,}|eyj[\w\-]{8,}\.[\w\-]+"
)


def email_spans(text: str) -> Iterator[Span]:
    """E-mail addresses, also "name (at) host (dot) fr" and "name arobase host point fr"."""
    for at in _AT.finditer(text):
        plain = at[0] in {"@", "%40"}
        end = at.end()
        domain = _PLAIN_DOMAIN.match(text, end) or _DOMAIN.match(text, end)
        if domain is None and plain:
            domain = _HOST.match(text, end)
        start = None if domain is None else _local_start(text, at.start())
        if domain is None or start is None:
            continue
        local = text[start : at.start()]
        if "." not in domain[0] and local.isdecimal():
            continue
        # "look at example.org": the word is one of a sentence, unless the other sign or the name
        # before it says otherwise.
        if at[0] == " at " and "." in domain[0] and not _LOCAL_ONLY.search(local):
            continue
        yield Span("email", start, domain.end())


def phone_spans(text: str) -> Iterator[Span]:
    """Telephone numbers: French by their shape, others as ``phonenumbers`` knows them."""
    for match in matches(_FRENCH_PHONE, text, lambda match: _is_french_phone(text, match)):
        yield Span("phone", *match.span())
    if "33" in text:
        for match in _FROM_ABROAD.finditer(text):
            yield Span("phone", *match.span())
    if "+" in text or "00" in text:
        for match in matches(_FOREIGN_PHONE, text, lambda match: _is_foreign_phone(match[0])):
            yield Span("phone", *match.span())


def ip_spans(text: str) -> Iterator[Span]:
    """Addresses of machines, IPv4 and IPv6; networks ("192.0.2.0/24") are none."""
    if text.count(".") >= 3:
        for match in matches(_IPV4, text, lambda match: _is_address(text, match)):
            yield Span("ip", *match.span())
    if text.count(":") >= 2:
        for match in matches(_IPV6, text, lambda match: _is_address(text, match)):
            yield Span("ip", *match.span())


def url_spans(text: str) -> Iterator[Span]:
    """Addresses of pages that name a user, or carry a secret or an identifier of somebody."""
    for match in _URL.finditer(text):
        # What ends the sentence is not part of it.
        url = match[0].rstrip(".,;:!?)'")
        if _USER_INFO.match(url) or _TELLING.search(url):
            yield Span("url", match.start(), match.start() + len(url))


def _local_start(text: str, end: int) -> int | None:
    """Where the part of an address before its "@" begins, also where dots in it are words."""
    start = _run_start(text, end)
    if start == end:
        opening = text.rfind('"', max(0, end - _LONGEST_LOCAL), end - 1)
        return opening if opening >= 0 and text[end - 1] == '"' else None
    for _ in range(_MOST_DOT_WORDS):
        # "dot ", "point ", a bracket
        if text[start - 2 : start - 1] not in _DOT_ENDS and text[start - 1 : start] not in _CLOSED:
            break
        dot = _DOT_BEFORE.search(text, max(0, start - 10), start)
        before = start if dot is None else _run_start(text, dot.start())
        if dot is None or before == dot.start():
            break
        start = before
    return start


def _run_start(text: str, end: int) -> int:
    """Where the letters and signs of an address that end at ``end`` begin."""
    low, start = max(0, end - _LONGEST_LOCAL), end
    while True:
        run = low + len(text[low:start].rstrip(_LOCAL_SIGNS))
        # Letters beyond ASCII ("ß") are left by folding.
        while run > low and text[run - 1].isalnum():
            run -= 1
        if run == start:
            return start
        start = run


def _is_french_phone(text: str, match: re.Match[str]) -> bool:
    """Whether ten digits are one number: in pairs, or by one sign throughout.

    "01/02/2027 10" has ten digits too, and "2027-0123456789" is a number of something else.
    """
    start = match.start()
    if text[start - 1 : start] in _NUMBERING and _NUMBERED_BEFORE.search(
        text, max(0, start - 8), start
    ):
        return False
    if _IN_PAIRS.fullmatch(match[0]):
        return True
    gaps = _PHONE_GAPS.findall(match[0])
    groups = _PHONE_GAPS.split(match[0])
    if groups[0] == "0" and len(groups) > 1:
        groups = [groups[0] + groups[1], *groups[2:]]
    # "00…" is a way abroad, "0,…" an amount, "0.123456789" a fraction.
    if match[0][1] in "0," or (match[0][1] == "." and len(gaps) == 1):
        return False
    return all(len(group) == 2 for group in groups) or (len(set(gaps)) <= 1 and "/" not in gaps)


def _is_foreign_phone(text: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - heavy, and French numbers do without it

    digits = _PHONE_GAPS.sub("", text)
    plus = text.startswith("+")
    try:
        number = phonenumbers.parse("+" + (digits if plus else digits[2:]))
    except phonenumbers.NumberParseException:
        return False
    # After a plus nobody writes anything else; "00…" may be any number that begins so.
    known = phonenumbers.is_possible_number if plus else phonenumbers.is_valid_number
    return bool(known(number))


def _is_address(text: str, match: re.Match[str]) -> bool:
    try:
        address = ip_address(match[0])
    except ValueError:
        return False
    length = _PREFIX.match(text, match.end())
    if length is None or int(length[1]) > (24 if address.version == 4 else 48):
        return True
    # With bits beyond the prefix it is one machine's address all the same.
    try:
        ip_network((match[0], int(length[1])))
    except ValueError:
        return True
    return False
