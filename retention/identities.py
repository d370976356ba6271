"""What a person is recognised by: normal forms, and keyed fingerprints of them.

The archive keeps fingerprints, so that a person can be found there without unsealing; the
opposition list keeps nothing else. Two values name the same person's e-mail, phone, … exactly
where their normal forms are equal. Pure, and below the engine: the archive stage uses it too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Any

import idna
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

from retention.catalogue.declarations import Column
from retention.catalogue.model import Table
from retention.keys import Keyring

VERSION = 1
"""Of the normal forms. Whoever changes one raises it, and looks for the earlier ones too."""

FIELDS = (
    "family_name",
    "first_name",
    "full_name",
    "email",
    "phone",
    "address",
    "customer_ref",
    "iban",
)
"""By what a row can tell whose it is."""

LONGEST = 1_000
"""A longer value, in characters, is none of ``FIELDS`` but a text."""

_OF_CATEGORY = {
    "user.name": "full_name",
    "user.name.last": "family_name",
    "user.name.first": "first_name",
    "user.contact.email": "email",
    "user.contact.phone_number": "phone",
    "user.contact.address": "address",
    "user.contact.address.street": "address",
    "user.contact.address.mailing_address": "address",
    "user.financial.bank_account": "iban",
    "user.unique_id": "customer_ref",
}
# Letters that Unicode does not take apart, although people write them both ways.
_LETTERS = str.maketrans(
    {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
_CIVILITIES = frozenset(("m", "mr", "mme", "mlle", "monsieur", "madame", "mademoiselle"))
STREET_ABBREVIATIONS = {
    "av": "avenue",
    "ave": "avenue",
    "bd": "boulevard",
    "bld": "boulevard",
    "blvd": "boulevard",
    "ch": "chemin",
    "imp": "impasse",
    "pl": "place",
    "rte": "route",
    "sq": "square",
    "st": "saint",
    "ste": "sainte",
}
"""How the words of a street are shortened, and what they are in full."""
STREET_WORDS = frozenset(STREET_ABBREVIATIONS.values())
"""Words of the normal form of an address that may be abbreviated where it is stored."""

_WORD = re.compile(r"[^\W_]+")
_POSTCODE = re.compile(r"[0-9]{5}", re.ASCII)
# The library knows every other word for it.
_EXTENSION = re.compile(r"[\s,;]*\bposte\s*[0-9]{1,6}\s*$", re.IGNORECASE)
_MAILBOX = re.compile(r"[^<>@]*<([^<>]*)>")
"""An address as mail programs write it: with a name before it."""
_AROUND = re.compile("^[\\s\u200b\u2060\ufeff]+|[\\s\u200b\u2060\ufeff]+$")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)


def field_of(column: Column) -> str | None:
    """Which of ``FIELDS`` a column holds, by its category; ``None`` for all other columns."""
    return field_of_category(column.category)


def field_of_category(category: str) -> str | None:
    """Which of ``FIELDS`` data of a category are; ``None`` for all other categories."""
    return _OF_CATEGORY.get(category)


def names_nobody(column: Column, value: object, region: str = "FR") -> bool:
    """Whether a column of e-mails or telephones holds what is none (``N/A``)."""
    field = field_of(column)
    return field in ("email", "phone") and normal(field, value, region) is None


def normal(field: str, value: object, region: str = "FR") -> str | None:
    """The normal form of a value; ``None`` where it is none of that field.

    The normal form of a normal form is itself. ``region`` is the country of phone numbers
    that are written without one (ISO 3166, two letters).

    - ``email``: NFKC, lower case, nothing blank or invisible around it, without ``mailto:``
      or the name of ``Name <address>``, the domain as IDNA writes it. Dots and
      what follows a ``+`` are the mail server's business: they are kept.
    - ``phone``: E.164 (``+33612345678``), without an extension.
    - ``family_name``, ``first_name``: words without accents and punctuation, in lower case.
    - ``full_name``: such words in alphabetical order, since some write the family name first;
      without forms of address (``Mme``).
    - ``address``: such words up to the postcode, common abbreviations written out: the street
      line, with which of several spellings of a town it is followed by making no difference.
    - ``customer_ref``: without blanks around it.
    - ``iban``: upper case without blanks; ``None`` where its check digits are wrong.

    Raises:
        ValueError: there is no such field.
    """
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        return None
    text = str(value)
    if len(text) > LONGEST:
        return None
    form = _FORMS.get(field)
    if field == "phone":
        return _phone(text, region)
    if form is None:
        raise ValueError(f"'{field}' is no field by which a person is recognised")
    return form(text) or None


def words(text: str) -> list[str]:
    """The words of a text without accents and punctuation, in lower case."""
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", folded)
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


def postcode(address: object) -> str | None:
    """The postcode within a whole address: the first word of five digits after the street."""
    if address is None or len(text := str(address)) > LONGEST:
        return None
    found = words(text)
    place = _postcode_place(found)
    return None if place is None else found[place]


def identities(
    table: Table, row: Mapping[str, Any], region: str = "FR"
) -> Iterator[tuple[str, str]]:
    """What a row says of whose it is: fields and normal forms, each pair once.

    A row that has its family name and first name in two columns also has a full name. The key
    of a subject's table is a customer reference; other tables' numbers are where their column
    is annotated as ``user.unique_id``.
    """
    return _identities(table, row, region, own_key=table.owner is None and bool(table.subject))


def carried_identities(
    owner_table: Table, values: Mapping[str, Any], region: str = "FR"
) -> Iterator[tuple[str, str]]:
    """As ``identities``, of the owner's columns that an archived row carries along.

    ``values`` may be named as the owner's columns are, or ``owner.NAME`` as in the archive;
    anything else in it is not looked at.
    """
    named = {
        name.removeprefix("owner."): value
        for name, value in values.items()
        if name.removeprefix("owner.") in owner_table.columns
    }
    return identities(owner_table, named, region)


def fingerprint(keyring: Keyring, field: str, value: str, version: int = VERSION) -> str:
    """64 hexadecimal characters that stand for a normal form; they say nothing without the key.

    ``value`` is what ``normal`` made. Two fields with the same value have different ones.
    """
    return keyring.token(f"identity/{version}/{field}", value)


def fingerprints(
    keyring: Keyring, found: Iterable[tuple[str, str]], version: int = VERSION
) -> set[tuple[str, str]]:
    """Fields and fingerprints of what ``identities`` found."""
    return {(field, fingerprint(keyring, field, value, version)) for field, value in found}


def reference_columns(table: Table) -> tuple[str, ...]:
    """The columns of a subject's table that hold the person's own reference number.

    A column that refers to another row (who recommended this customer) is somebody else's.
    """
    elsewhere = {name for pointer in table.references for name in pointer.via}
    own = [name for name in table.key if len(table.key) == 1]
    own += [name for name, column in table.columns.items() if field_of(column) == "customer_ref"]
    return tuple(dict.fromkeys(name for name in own if name not in elsewhere or name in table.key))


def _identities(
    table: Table, row: Mapping[str, Any], region: str, *, own_key: bool
) -> Iterator[tuple[str, str]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    references = reference_columns(table) if own_key else _owner_columns(table)
    for name, value in row.items():
        column = table.columns.get(name)
        field = "customer_ref" if name in references else column and field_of(column)
        if not field or (field == "customer_ref" and name not in references):
            continue
        if form := normal(field, value, region):
            found[field][form] = None
    for names in product(found["family_name"], found["first_name"]):
        if form := normal("full_name", " ".join(names)):
            found["full_name"][form] = None
    yield from ((field, form) for field in FIELDS for form in found[field])


def _owner_columns(table: Table) -> tuple[str, ...]:
    """The column of an owned or event table's row that is its person's reference."""
    pointers = [pointer.via for pointer in table.pointers[:1] if len(pointer.via) == 1]
    return tuple(name for (name,) in pointers if field_of(table.columns[name]) == "customer_ref")


def _email(text: str) -> str | None:
    once = unicodedata.normalize("NFKC", text).lower()
    plain = unicodedata.normalize("NFKC", once)
    while (inner := _unframed(plain)) != plain:
        plain = inner
    local, at, domain = plain.rpartition("@")
    if not (local and at and domain):
        return None
    if not domain.isascii():
        # One that IDNA refuses is no mail's destination, but it still equals itself.
        with suppress(idna.IDNAError, UnicodeError):
            domain = idna.encode(domain, uts46=True).decode("ascii")
    return f"{local}@{domain}"


def _unframed(text: str) -> str:
    """An address without one layer of what programs write around it."""
    plain = _AROUND.sub("", text).removeprefix("mailto:")
    framed = _MAILBOX.fullmatch(plain)
    return framed[1] if framed else plain


def _phone(whole: str, region: str) -> str | None:
    text = _EXTENSION.sub("", whole)
    number = _parsed(text, region)
    if number is None or not phonenumbers.is_possible_number(number):
        # The country's number without the sign before it, as columns of numbers hold it.
        digits = text.strip()
        number = _parsed(f"+{digits}", region) if digits.isdecimal() else None
        if number is None or not phonenumbers.is_valid_number(number):
            return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _parsed(text: str, region: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _name(text: str) -> str:
    return " ".join(words(text))


def _full_name(text: str) -> str:
    found = words(text)
    plain = [word for word in found if word not in _CIVILITIES]
    return " ".join(sorted(plain if len(plain) > 1 else found))


def _postcode_place(found: list[str]) -> int | None:
    # What precedes is a number and a name of a street at least.
    places = (place for place, word in enumerate(found) if _POSTCODE.fullmatch(word))
    return next((place for place in places if place >= 2), None)


def _address(text: str) -> str:
    found = words(text)
    return " ".join(
        STREET_ABBREVIATIONS.get(word, word) for word in found[: _postcode_place(found)]
    )


def _iban(text: str) -> str | None:
    plain = "".join(character for character in text if character.isalnum()).upper()
    if not _IBAN.fullmatch(plain):
        return None
    digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return plain if int(digits) % 97 == 1 else None


_FORMS: Mapping[str, Callable[[str], str | None]] = {
    "family_name": _name,
    "first_name": _name,
    "full_name": _full_name,
    "email": _email,
    "address": _address,
    "customer_ref": str.strip,
    "iban": _iban,
}
