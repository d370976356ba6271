"""Texts of a request, cleaned: one spelling for what looks the same, and nothing hidden.

Pure. A ``BadText`` says what is wrong and never quotes the text.
"""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

LONGEST_EMAIL = 254
"""Characters of a mailbox (RFC 5321 with erratum 1690)."""
LONGEST_PHONE = 40

_JOINERS = "\u200c\u200d"
"""Invisible, and yet part of how some names are spelled."""
_PHONE = re.compile(r"\+?[0-9 ().\-/]+")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make a text look like another one."""


class BadText(ValueError):
    """A text that cannot be taken as it is. The message is safe to show."""


def clean(value: object, longest: int, *, lines: bool = False) -> str:
    """One line in NFC, runs of white space as one space; line ends are white space with ``lines``.

    Raises:
        BadText: no text, empty, longer than ``longest`` characters, or with invisible ones.
    """
    read = _text(value, longest)
    if lines:
        read = re.sub(r"[\t\r\n]", " ", read)
    for char in read:
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co") and char not in _JOINERS:
            raise BadText("it holds a control character or an invisible one")
    return _filled(" ".join(read.split()))


def text(value: object, longest: int) -> str:
    """Several lines in NFC, as they were written.

    Raises:
        BadText: no text, empty, longer than ``longest`` characters, or with control characters.
    """
    read = _text(value, longest).replace("\r\n", "\n").replace("\r", "\n")
    for char in read:
        hidden = unicodedata.category(char) in ("Cc", "Cs") or char in _TURNING
        if hidden and char not in "\n\t":
            raise BadText("it holds a control character")
    return _filled(read.strip())


def email(value: object) -> str:
    """An e-mail address in the form of ``email-validator``; the network is not asked.

    Raises:
        BadText: it is none.
    """
    read = clean(value, LONGEST_EMAIL)
    try:
        return validate_email(read, check_deliverability=False).normalized
    except (EmailNotValidError, UnicodeError):
        raise BadText("it is not an e-mail address") from None


def phone(value: object, region: str) -> str:
    """A phone number as E.164 (``+33612345678``); ``region`` is where one without a country is.

    Any number that the numbering plan has room for is taken: plans change, and a number that
    is not in use finds nobody.

    Raises:
        BadText: it is none.
    """
    read = unicodedata.normalize("NFKC", clean(value, LONGEST_PHONE))
    try:
        if not _PHONE.fullmatch(read):
            raise BadText("it is not a phone number")
        number = phonenumbers.parse(read, region)
    except phonenumbers.NumberParseException:
        raise BadText("it is not a phone number") from None
    if not phonenumbers.is_possible_number(number):
        raise BadText("it is not a phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _text(value: object, longest: int) -> str:
    if value is None:
        raise BadText("it is required")
    if not isinstance(value, str):
        raise BadText("it is not text")
    if len(value) > longest:
        raise BadText(f"it is longer than {longest} characters")
    return unicodedata.normalize("NFC", value)


def _filled(read: str) -> str:
    if not read:
        raise BadText("it is empty; leave it out")
    return read
