"""Identifiers that are numbers: accounts, cards, social security, companies, dates.

Patterns run on folded texts in lower case (``folding``): "[0-9]" is every digit there is. They
begin with what they look for and say what must not stand before it after that: so the search
goes from digit to digit, not from letter to letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from anonymizers.texts.checksums import (
    iban_length,
    is_card,
    is_iban,
    is_nir,
    is_rib,
    is_siren,
    is_siret,
)
from anonymizers.texts.spans import Span, matches

# Between two digits of one number people write nothing, a space or two, a dot, a dash.
_GAP = r"[ .\-]{0,2}"
_NOT_DIGIT = re.compile(r"[^0-9]+")
_NOT_ALNUM = re.compile(r"[^0-9a-z]+")

# The two check digits, with the country before them.
_IBAN_CHECK = re.compile(r"[0-9](?:(?<=[a-z]{2}.)|(?<=[a-z]{2} .))[0-9](?=[ .\-]{0,2}[0-9a-z])")
_FRENCH_IBAN = re.compile(
    rf"fr ?[0-9]{{2}}(?:{_GAP}[0-9]){{10}}(?:{_GAP}[0-9a-z]){{11}}(?:{_GAP}[0-9]){{2}}(?![0-9a-z])"
)
_IN_FOURS = re.compile(r"[a-z]{2}[0-9]{2}(?: [0-9a-z]{4}){2,7}(?: [0-9a-z]{1,3})?")
_LONGEST_IBAN = 2 * 34 + 8
_ALNUM = re.compile(r"[0-9a-z]")
_RIB = re.compile(
    rf"[0-9](?<![0-9a-z].)[0-9]{{4}}{_GAP}[0-9]{{5}}{_GAP}[0-9a-z]{{11}}{_GAP}[0-9]{{2}}(?![0-9a-z])"
)
_NIR = re.compile(
    r"[1-478](?<![0-9a-z].)(G)[0-9]{2}G(?:0[1-9]|1[0-2]|[2-9][0-9])G(?:[0-9]{2}|2[ab])"
    r"G[0-9]{3}G[0-9]{3}(G[0-9]{2})?(?![0-9])".replace("G", r"[ .\-/]{0,2}")
)
_SOCIAL = re.compile(r"(?:secu|social|\bnir\b|\binsee\b|\bss\b)[^0-9\x01]{0,30}\Z")
_SIRET = re.compile(
    rf"[0-9](?<![0-9].)[0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}} ?[0-9]{{2}}(?![0-9])"
)
_NOT_COMPANY = r"(?![0-9])(?! ?(?:€|eur\b|euros?\b|[.,\-][0-9]| [0-9]{3}\b))"
_SIREN = re.compile(
    rf"[0-9](?<![0-9].)(?<![0-9][ .,\-].)[0-9]{{2}}([ .\-]?)[0-9]{{3}}\1[0-9]{{3}}{_NOT_COMPANY}"
)
_VAT = re.compile(
    rf"f(?<![0-9a-z].)r ?[0-9]{{2}} ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{3}}{_NOT_COMPANY}"
)
_COMPANY = re.compile(r"(?:siren|siret|\brcs\b|\btva\b|intracom)[^0-9\x01]{0,30}\Z")
_CARD = re.compile(
    r"[0-9](?<![0-9].)(?:[0-9]{3}([ .\-]{0,2})[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{3})?"
    r"|(?<=3)[0-9]{3}([ .\-]{1,2})[0-9]{6}\2[0-9]{4,5})(?![0-9])"
)

_PAYMENT = re.compile(r"(?:\bcartes?\b|\bcb\b|visa|master ?card|maestro|paie)[^0-9\x01]{0,30}\Z")

_MONTHS = (
    r"janvier|janv\.?|fevrier|fevr?\.?|mars|avril|avr\.|mai|juin|juillet|juil\.?|aout"
    r"|septembre|sept\.?|octobre|oct\.|novembre|nov\.|decembre|dec\."
)
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20|21)[0-9]{2}"
# A digit with what it takes to be part of a date: a text without one holds no date.
_DATE_SIGN = re.compile(
    r"[0-9](?: ?[./\-] ?[0-9]| (?:19|20)[0-9]{2}(?![0-9])"
    r"|(?: ?er)? ?(?:janv|fev|mars|avr|mai|jui|aout|sep|oct|nov|dec))"
)
_RUN = re.compile("[0-9]{1,4}(?![0-9])(?<![0-9]{5})")
_DATE = re.compile(
    # 2027-02-28
    rf"(?<![0-9][.\-]){_YEAR}([./\-]){_MONTH}\1{_DAY}(?![0-9])(?!\1[0-9])"
    # 28/02/2027, 28.02.2027, 28-02-27; a dash may stand between two dates
    rf"|(?:(?<![0-9][./\-])|(?<=[0-9]{{4}}-)(?=[0-9]{{1,2}}[./]))"
    rf"{_DAY} ?([./\-]) ?{_MONTH} ?\2 ?(?:{_YEAR}|(?<!\.)[0-9]{{2}})(?![0-9])(?!\2[0-9])"
    # 28 02 1985
    r"|(?<![0-9] )(?:0[1-9]|[12][0-9]|3[01]) (?:0[1-9]|1[0-2]) (?:19|20)[0-9]{2}(?![0-9])(?! [0-9])"
    # 1er mars 2027, 3 sept. '85
    rf"|(?<![0-9][.,])(?:1 ?er|{_DAY}) ?(?:{_MONTHS})(?![a-z])"
    rf"(?:,? ?{_YEAR}(?![0-9])(?![./\-][0-9])| ?'[0-9]{{2}}(?![0-9]))?"
)


def account_spans(text: str) -> Iterator[Span]:
    """IBANs, and French accounts in their older form (RIB).

    An IBAN must be right modulo 97, unless it has the French structure or is written in groups
    of four: then it is an account's number, with a typing error at worst.
    """
    at = 0
    while check := _IBAN_CHECK.search(text, at):
        at = check.end()
        start = check.start() - (3 if text[check.start() - 1] == " " else 2)
        glued = text[start - 1 : start].isalnum() and text[max(0, start - 4) : start] != "iban"
        end = None if glued else _iban_end(text, start)
        if end is not None:
            yield Span("iban", start, end)
            at = end
    for match in matches(_RIB, text, lambda match: is_rib(_NOT_ALNUM.sub("", match[0]))):
        yield Span("iban", *match.span())


def _iban_end(text: str, start: int) -> int | None:
    country = text[start : start + 2]
    if country == "fr":
        french = _FRENCH_IBAN.match(text, start)
        return french.end() if french else None
    length = iban_length(country)
    if length is None:
        return None
    places = [match.end() for match in _ALNUM.finditer(text, start, start + _LONGEST_IBAN)]
    if len(places) < length:
        return None
    end = places[length - 1]
    whole = text[start:end]
    if end < len(text) and _ALNUM.match(text, end):
        return None
    return end if _IN_FOURS.fullmatch(whole) or is_iban(_NOT_ALNUM.sub("", whole)) else None


def company_spans(text: str) -> Iterator[Span]:
    """Companies: a SIREN in groups or called so, and what a French VAT number makes of it."""
    for match in matches(_SIREN, text, lambda match: _is_company(text, match)):
        yield Span("siren", *match.span())
    for match in matches(_VAT, text, lambda match: is_siren(_digits(match[0])[2:])):
        yield Span("siren", *match.span())


def number_spans(text: str) -> Iterator[Span]:
    """Numbers of thirteen digits and more: social security, establishments, payment cards."""
    for match in matches(_NIR, text, lambda match: _is_person(text, match)):
        yield Span("nir", *match.span())
    for match in matches(_SIRET, text, lambda match: is_siret(_digits(match[0]))):
        yield Span("siret", *match.span())
    for match in matches(_CARD, text, lambda match: _is_payment(text, match)):
        yield Span("card", *match.span())


def date_spans(text: str) -> Iterator[Span]:
    """Dates with a day: ISO, and as French is written, with or without the year."""
    if not _DATE_SIGN.search(text):
        return
    end = 0
    for run in _RUN.finditer(text):
        if run.start() >= end and (date := _DATE.match(text, run.start())):
            end = date.end()
            yield Span("date", *date.span())


def _is_person(text: str, match: re.Match[str]) -> bool:
    # In groups, or after the words for it, it is a person's even with a typing error or without
    # its key; so many digits in a row may be anything, and it takes the key to tell.
    if match[1] or _said_before(_SOCIAL, text, match):
        return True
    return match[2] is not None and is_nir(_NOT_ALNUM.sub("", match[0]))


def _is_company(text: str, match: re.Match[str]) -> bool:
    # One number of nine digits in ten passes Luhn's test: it takes a sign more to be a company.
    return is_siren(_digits(match[0])) and (match[1] != "" or _said_before(_COMPANY, text, match))


def _is_payment(text: str, match: re.Match[str]) -> bool:
    digits = _digits(match[0])
    if not is_card(digits):
        return False
    # Cards of thirteen digits are hardly issued any more; goods and times have as many.
    return len(digits) > 13 or len(match[0]) > 13 or _said_before(_PAYMENT, text, match)


def _said_before(words: re.Pattern[str], text: str, match: re.Match[str]) -> bool:
    return words.search(text, max(0, match.start() - 45), match.start()) is not None


def _digits(text: str) -> str:
    return _NOT_DIGIT.sub("", text)
