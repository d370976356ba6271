"""Finding a person's records in the source systems, without fetching the others.

The database narrows down: by equality of plain spellings, and by patterns that every
spelling of a telephone number or an address fits. What is written with other than ASCII
characters is fetched as well where the field is compared: databases fold it differently, and
it is rare where it matters. Python confirms each record by its normal forms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from anonymizers.pseudonyms import looks_like_pseudonym
from retention.catalogue.model import Link, Role, Table, TableName
from retention.catalogue.normalise import normalised
from retention.holds import subject_token
from retention.identities import (
    STREET_WORDS,
    field_of,
    identities,
    postcode,
    reference_columns,
    words,
)
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.requests.likeness import NAMES, Likeness, Sought, Values, compare
from retention.requests.model import RequestError

CROWD = 100
"""More records of one table that share an e-mail or a telephone are no person's: it is a
placeholder. Only those that agree in something else too are looked at."""

_POSTCODE = "user.contact.address.postal_code"
_BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
_FETCH = 1_000


@dataclass(frozen=True)
class Candidate:
    """A record that may be the person's. Personal data: it does not leave memory."""

    table: TableName
    key: Key
    """Empty where only the archive knows the person."""
    token: str
    likeness: Likeness
    values: Values = field(default_factory=dict, repr=False)
    links: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The values of columns that a link names."""
    prints: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    """Fields and fingerprints of the person's records in the archive."""


@dataclass
class Crowd:
    """What a table answered: records, and fields that far too many records share."""

    candidates: list[Candidate] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)


def persons_tables(installation: Installation) -> list[TableName]:
    """The tables whose rows are persons: subjects, and logs of addresses that are nobody's."""
    return [
        name
        for name, table in installation.catalogue.tables()
        if table.role is Role.subject
        or (
            table.role is Role.event
            and not table.references
            and {"email", "phone"} & set(_columns_by_field(table))
        )
    ]


def search(installation: Installation, name: TableName, sought: Sought) -> Crowd:
    """The records of a table that may be the person's.

    Raises:
        SourceError: the system cannot be reached.
        RequestError: far too many records answer to what the request says.
    """
    found = Crowd()
    condition = _condition(installation, name, sought)
    if condition is None:
        return found
    weak: dict[str, list[Candidate]] = defaultdict(list)
    for item in read(installation, name, condition, sought):
        if not item.likeness.worth_a_look:
            continue
        agrees = item.likeness.agrees
        if agrees in ({"email"}, {"phone"}):
            (only,) = agrees
            if len(weak[only]) <= CROWD:
                weak[only].append(item)
        else:
            found.candidates.append(item)
    found.shared = {key for key, items in weak.items() if len(items) > CROWD}
    kept = [item for key, items in weak.items() if key not in found.shared for item in items]
    found.candidates += kept
    if len(found.candidates) > CROWD or (found.shared and not found.candidates):
        raise RequestError(
            f"{name}: more than {CROWD} records answer to what the request says; "
            "ask the person for more, such as the customer reference"
        )
    return found


def read(
    installation: Installation, name: TableName, condition: ColumnElement[bool], sought: Sought
) -> Iterator[Candidate]:
    """The records of a table that fulfil a condition, compared with what is sought."""
    table = installation.catalogue.table(name)
    sql = installation.sources.table(name)
    fields = {column for columns in _columns_by_field(table).values() for column in columns}
    wanted = [*table.key, *sorted(fields - set(table.key))]
    wanted += sorted(_link_columns(installation, name) - set(wanted))
    statement = sa.select(*(sql.c[column] for column in wanted)).where(condition)
    with installation.sources.begin(name.partition(".")[0]) as connection:
        rows = connection.execution_options(yield_per=_FETCH).execute(statement)
        for row in rows.mappings():
            yield _candidate(installation, name, dict(row), sought)


def by_link(
    installation: Installation, link: Link, value: str, sought: Sought, *, far: bool
) -> Iterator[Candidate]:
    """The records at one end of a link whose normalised value is ``value``."""
    name, column = (link.far_table, link.far_column) if far else (link.near_table, link.near_column)
    sql = installation.sources.table(name)
    dialect = installation.sources.engine(name.partition(".")[0]).dialect.name
    condition = normalised(sql.c[column], link.normaliser, dialect) == value
    return read(installation, name, condition, sought)


def by_tokens(
    installation: Installation, name: TableName, tokens: Collection[str], sought: Sought
) -> list[Candidate]:
    """The records of a table whose subjects' tokens are among ``tokens``.

    A token cannot be turned back: every key of the table is looked at.
    """
    table = installation.catalogue.table(name)
    sql = installation.sources.table(name)
    columns = [sql.c[column] for column in table.key]
    with installation.sources.begin(name.partition(".")[0]) as connection:
        rows = connection.execution_options(yield_per=_FETCH).execute(sa.select(*columns))
        keys = [
            key
            for key in map(tuple, rows)
            if subject_token(installation.keyring, name, key) in tokens
        ]
    return list(read(installation, name, key_in(columns, keys), sought)) if keys else []


def by_keys(
    installation: Installation, name: TableName, keys: Iterable[Key], sought: Sought
) -> list[Candidate]:
    """The records of a table with these keys."""
    table = installation.catalogue.table(name)
    columns = [installation.sources.table(name).c[column] for column in table.key]
    return list(read(installation, name, key_in(columns, list(keys)), sought))


def _candidate(
    installation: Installation, name: TableName, row: Mapping[str, Any], sought: Sought
) -> Candidate:
    table = installation.catalogue.table(name)
    key = tuple(row[column] for column in table.key)
    # What was pseudonymised in place says nothing of who it was.
    plain = {
        column: None if isinstance(value, str) and looks_like_pseudonym(value) else value
        for column, value in row.items()
    }
    values: dict[str, set[str]] = defaultdict(set)
    for what, form in identities(table, plain, sought.region):
        values[what].add(form)
    for column, declared in table.columns.items():
        if declared.category == _POSTCODE and plain.get(column) is not None:
            values["postcode"].add(str(plain[column]).strip())
        elif field_of(declared) == "address" and (town := postcode(plain.get(column))):
            values["postcode"].add(town)
    frozen = {what: frozenset(forms) for what, forms in values.items()}
    links = {column: plain[column] for column in _link_columns(installation, name)}
    token = subject_token(installation.keyring, name, key)
    return Candidate(name, key, token, compare(sought, frozen), frozen, links)


def _link_columns(installation: Installation, name: TableName) -> set[str]:
    links = installation.catalogue.links.values()
    near = {link.near_column for link in links if link.near_table == name}
    return near | {link.far_column for link in links if link.far_table == name}


def _columns_by_field(table: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for column, declared in table.columns.items():
        if declared.category == _POSTCODE:
            found["postcode"].append(column)
        elif (what := field_of(declared)) and what not in ("customer_ref", "iban"):
            found[what].append(column)
    if table.subject:
        found["customer_ref"] += reference_columns(table)
    return found


def _condition(
    installation: Installation, name: TableName, sought: Sought
) -> ColumnElement[bool] | None:
    """What rows are fetched: more than the person's, but few; ``None`` where none can be."""
    sql = installation.sources.table(name)
    spelling = _Spelling(installation.sources.engine(name.partition(".")[0]).dialect.name)
    columns = {
        what: [sql.c[column] for column in found]
        for what, found in _columns_by_field(installation.catalogue.table(name)).items()
    }
    said = sought.said
    ways: list[ColumnElement[bool]] = []
    if reference := said.get("customer_ref"):
        ways += [
            spelling.trimmed(column) == reference for column in columns.get("customer_ref", ())
        ]
    if email := said.get("email"):
        ways += [spelling.is_email(column, email) for column in columns.get("email", ())]
    if phone := said.get("phone"):
        ways += [spelling.is_phone(column, phone) for column in columns.get("phone", ())]
    named = [column for what in (*NAMES, "full_name") for column in columns.get(what, ())]
    streets = columns.get("address", ())
    if "family_name" in said and "address" in said and named and streets:
        names = [max(words(said[what]), key=len) for what in NAMES if what in said]
        ways.append(
            sa.and_(
                sa.or_(*(spelling.has_any(column, names) for column in named)),
                sa.or_(*(spelling.is_street(column, said["address"]) for column in streets)),
            )
        )
    return sa.or_(*ways) if ways else None


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
        same = self.lower(self.trimmed(column)) == email
        return sa.or_(same, self.beyond_ascii(column))

    def is_phone(self, column: ColumnElement[Any], phone: str) -> ColumnElement[bool]:
        # The digits within its country in their order, whatever stands between them.
        digits = phonenumbers.national_significant_number(phonenumbers.parse(phone))
        pattern = "%" + "%".join(digits) + "%"
        return sa.or_(sa.cast(column, sa.Text).like(pattern), self.beyond_ascii(column))

    def has_any(self, column: ColumnElement[Any], found: Iterable[str]) -> ColumnElement[bool]:
        return sa.or_(*(self._has(column, word) for word in found), self.beyond_ascii(column))

    def is_street(self, column: ColumnElement[Any], street: str) -> ColumnElement[bool]:
        # Words that are often abbreviated may be spelled otherwise.
        found = [word for word in street.split() if word not in STREET_WORDS]
        needed = [word for word in found if word.isdecimal()]
        needed += sorted((word for word in found if not word.isdecimal()), key=len)[-1:]
        every = sa.and_(sa.true(), *(self._has(column, word) for word in needed))
        return sa.or_(every, self.beyond_ascii(column))

    def _has(self, column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
        return self.lower(sa.cast(column, sa.Text)).like(f"%{word}%")
