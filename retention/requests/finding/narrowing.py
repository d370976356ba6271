"""Which rows a database is asked for: those that may be a person's, and few others.

By equality of plain spellings, and by patterns that every spelling of a telephone number or
an address fits. What is written with other than ASCII characters is fetched as well where it
is compared: databases fold it differently, and it is rare where it matters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from retention.catalogue.model import Table, TableName
from retention.catalogue.normalise import normalised
from retention.identities import STREET_WORDS, field_of, reference_columns
from retention.installation import Installation
from retention.requests.finding.likeness import NAMES, Sought

POSTCODE = "user.contact.address.postal_code"
_BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "


def columns_by_field(table: Table) -> dict[str, list[str]]:
    """The columns that are compared, by field; ``postcode`` is one more."""
    found: dict[str, list[str]] = defaultdict(list)
    for column, declared in table.columns.items():
        if declared.category == POSTCODE:
            found["postcode"].append(column)
        elif (what := field_of(declared)) and what not in ("customer_ref", "iban"):
            found[what].append(column)
    if table.subject:
        found["customer_ref"] += reference_columns(table)
    return found


def narrowed(
    installation: Installation, name: TableName, sought: Sought
) -> ColumnElement[bool] | None:
    """What rows are fetched: more than the person's, but few; ``None`` where none can be."""
    sql = installation.sources.table(name)
    spelling = _Spelling(installation.sources.engine(name.partition(".")[0]).dialect.name)
    columns = {
        what: [sql.c[column] for column in found]
        for what, found in columns_by_field(installation.catalogue.table(name)).items()
    }
    said = sought.said
    ways: list[ColumnElement[bool]] = []
    if references := sorted(sought.references):
        ways += [
            spelling.trimmed(column).in_(references) for column in columns.get("customer_ref", ())
        ]
    if email := said.get("email"):
        ways += [spelling.is_email(column, email) for column in columns.get("email", ())]
    if phone := said.get("phone"):
        ways += [spelling.is_phone(column, phone) for column in columns.get("phone", ())]
    named = [column for what in (*NAMES, "full_name") for column in columns.get(what, ())]
    streets = columns.get("address", ())
    if "family_name" in said and "address" in said and named and streets:
        family = said["family_name"].split()
        at = sa.or_(*(spelling.is_street(column, said["address"]) for column in streets))
        ways.append(sa.and_(sa.or_(*(spelling.has_any(column, family) for column in named)), at))
        if sought.postcode and (towns := columns.get("postcode", ())):
            ways[-1] = sa.and_(ways[-1], spelling.is_town([*towns, *streets], sought.postcode))
    return sa.or_(*ways) if ways else None


def linked(
    installation: Installation,
    name: TableName,
    column: ColumnElement[Any],
    normaliser: str,
    value: str,
) -> ColumnElement[bool]:
    """What rows of a table may be equal to ``value`` under a link's normaliser.

    All that are, and few others: on SQLite the normaliser itself is a function of Python's,
    which takes seconds for a million rows.
    """
    dialect = installation.sources.engine(name.partition(".")[0]).dialect.name
    if dialect != "sqlite":
        return normalised(column, normaliser, dialect) == value
    text = sa.cast(column, sa.Text)
    if normaliser == "digits":
        return text.like("%" + "%".join(value) + "%")
    return (sa.func.lower(sa.func.trim(text)) if normaliser == "email" else text) == value


@dataclass(frozen=True)
class _Spelling:
    """Conditions that every spelling of a value fulfils, and few other values do."""

    dialect: str

    def trimmed(self, column: ColumnElement[Any]) -> ColumnElement[str]:
        trim = sa.func.trim if self.dialect == "sqlite" else sa.func.btrim
        return trim(sa.cast(column, sa.Text), _BLANKS, type_=sa.Text)

    def lower(self, text: ColumnElement[str]) -> ColumnElement[str]:
        # ASCII letters only, on every database and fast: the others are fetched anyhow.
        plain = text if self.dialect == "sqlite" else sa.collate(text, "C")
        return sa.func.lower(plain, type_=sa.Text)

    def beyond_ascii(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        text = sa.cast(column, sa.Text)
        if self.dialect == "sqlite":
            return sa.func.length(sa.cast(text, sa.LargeBinary)) != sa.func.length(text)
        return sa.func.octet_length(text) != sa.func.length(text)

    def is_email(self, column: ColumnElement[Any], email: str) -> ColumnElement[bool]:
        # Found within the text: quicker than taking every kind of blank away first.
        find = sa.func.instr if self.dialect == "sqlite" else sa.func.strpos
        found = find(self.lower(sa.cast(column, sa.Text)), email, type_=sa.Integer)
        return sa.or_(found > 0, self.beyond_ascii(column))

    def is_phone(self, column: ColumnElement[Any], phone: str) -> ColumnElement[bool]:
        # The digits within its country in their order, whatever stands between them.
        digits = phonenumbers.national_significant_number(phonenumbers.parse(phone))
        pattern = "%" + "%".join(digits) + "%"
        return sa.or_(sa.cast(column, sa.Text).like(pattern), self.beyond_ascii(column))

    def has_any(self, column: ColumnElement[Any], found: Iterable[str]) -> ColumnElement[bool]:
        return sa.or_(*(self._has(column, word) for word in found), self.beyond_ascii(column))

    def is_street(self, column: ColumnElement[Any], street: str) -> ColumnElement[bool]:
        # Words that are often abbreviated may be spelled otherwise; numbers hardly ever are.
        found = [word for word in street.split() if word not in STREET_WORDS]
        numbers = [self._has(column, word) for word in found if word.isdecimal()]
        longest = max((word for word in found if not word.isdecimal()), key=len, default="")
        name = sa.or_(self._has(column, longest), self.beyond_ascii(column))
        return sa.and_(*numbers, name)

    def is_town(self, columns: Sequence[ColumnElement[Any]], code: str) -> ColumnElement[bool]:
        found = [self._has(column, code) for column in columns]
        return sa.or_(*found, *(sa.func.coalesce(self.trimmed(c), "") == "" for c in columns))

    def _has(self, column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
        return self.lower(sa.cast(column, sa.Text)).like(f"%{word}%")
