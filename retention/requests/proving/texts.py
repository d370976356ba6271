"""How texts are read by the re-scan: folded, unescaped, and taken apart.

What finds e-mails and numbers takes whole ones only, so that an address that merely ends or
begins like another is not that other.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from retention.identities import STREET_ABBREVIATIONS

_LETTERS = {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"}
_LETTER = re.compile(f"[{''.join(_LETTERS)}]")
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]+")
_WORD = re.compile(r"[^\W_]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[nrtbf\"/\\])")
BETWEEN = "\ue000"
"""Between the cells of a row: neither a blank nor part of a word, number or address."""
_LOCAL = re.compile(rf"[^\s@<>()\[\],;\"{BETWEEN}]*")
_DOMAIN = re.compile(r"[\w.-]+")
_NO_LOCAL_PART = re.compile(r"[=/:'`{}|&?!*#$%~^\\]")
_GROUP = re.compile(r"\d+")
_DIGITS = re.compile(r"\d(?:[\s().\-/+]{0,3}\d){6,}")

_ARRAY = re.compile(r"\s*\{[^:]*\}\s*")
"""As PostgreSQL writes one: braces, and commas between."""
_ITEM = re.compile(r"[{},\s\"]+")

_LONGEST_LOCAL, _LONGEST_DOMAIN = 100, 255
_NESTED = 1_000_000
"""A longer text, in characters, is not taken apart as JSON."""
_SHORTEST = 8
_SHORTEST_BARE = 9
"""Digits of a number without country and leading zero."""


def folded(text: str) -> list[str]:
    """The words of a text, in lower case and without accents; abbreviations written out."""
    if text.isascii():
        letters = text.lower()
    else:
        apart = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).casefold()
        letters = _LETTER.sub(lambda match: _LETTERS[match[0]], _ACCENTS.sub("", apart))
    return [STREET_ABBREVIATIONS.get(word, word) for word in _WORD.findall(letters)]


def plain(text: str) -> str:
    """Lower case, compatible forms made one; accents stay."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()


def readings(text: str) -> Iterator[str]:
    """The text, and what it says where it is written for a URL, HTML or JSON."""
    yield text
    if "%" in text and (found := unquote(text)) != text:
        yield found
    if "&" in text and ";" in text and (found := unescape(text)) != text:
        yield found
    if "\\" in text:
        yield _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", text)


def email_spellings(form: str) -> Iterator[str]:
    """As it stands, and with the domain in the mail system's own letters, or in people's."""
    yield form
    local, _, domain = form.rpartition("@")
    for change in (_to_ascii, _to_letters):
        if (other := change(domain)) is not None:
            yield f"{local}@{other}"


def _to_ascii(domain: str) -> str | None:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def _to_letters(domain: str) -> str | None:
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return None


def emails(plain: str) -> Iterator[str]:
    """Every e-mail address: whole ones only, so that one that ends like another is not it."""
    at = plain.find("@")
    while at >= 0:
        before = plain[max(0, at - _LONGEST_LOCAL) : at][::-1]
        match = _LOCAL.match(before)
        local = match[0][::-1] if match else ""
        domain = _DOMAIN.match(plain, at + 1, at + 1 + _LONGEST_DOMAIN)
        if local and domain:
            ends = {domain[0].rstrip("._-")}
            starts = [local, *(local[m.end() :] for m in _NO_LOCAL_PART.finditer(local))]
            for start in starts:
                for name in {start, start.lstrip("._-+")}:
                    yield from (f"{name}@{end}" for end in ends)
        at = plain.find("@", at + 1)


def numbers(text: str, lengths: Collection[int]) -> Iterator[str]:
    """Digits that can be a phone number: of one group, or of neighbouring groups.

    Only those of one of ``lengths``, in digits.
    """
    longest = max(lengths, default=0)
    for match in _DIGITS.finditer(text):
        groups = _GROUP.findall(match[0])
        for start in range(len(groups)):
            digits = ""
            for group in groups[start:]:
                digits += group
                if len(digits) in lengths:
                    yield digits
                if len(digits) >= longest:
                    break


def objects(cell: str) -> Iterator[list[str]]:
    """The texts of each object or list within a cell that holds JSON; the numbers of an array."""
    start = cell.lstrip()[:1]
    if start not in ("{", "[") or len(cell) > _NESTED:
        return
    try:
        todo: list[Any] = [json.loads(cell)]
    except (ValueError, RecursionError):
        if _ARRAY.fullmatch(cell):
            yield [item for item in _ITEM.split(cell) if item.isdigit()]
        return
    while todo:
        item = todo.pop()
        inside = list(item.values()) if isinstance(item, Mapping) else list(item)
        todo += [value for value in inside if isinstance(value, dict | list)]
        yield [str(value) for value in inside if isinstance(value, str | int | float)]


def phone_spellings(value: str, region: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """A number's form, its digits in every usual spelling, and those too short for a text.

    The last ones are the number without country and leading zero, as a column of numbers
    holds it: they count only where they are all that a cell holds.
    """
    digits = re.sub(r"\D", "", value)
    try:
        number = phonenumbers.parse(value, region)
    except NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        return (
            digits,
            frozenset({digits} if len(digits) >= _SHORTEST else ()),
            frozenset(),
        )
    country = str(number.country_code)
    bare = phonenumbers.national_significant_number(number)
    national = re.sub(r"\D", "", phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))
    spellings = {
        national,
        f"{country}{bare}",
        f"00{country}{bare}",
        f"{country}0{bare}",
        f"00{country}0{bare}",
    }
    enough = frozenset(item for item in spellings if len(item) >= _SHORTEST)
    alone = frozenset({bare} if len(bare) >= _SHORTEST_BARE else ())
    return f"{country}{bare}", enough, alone
