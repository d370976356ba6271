"""Finding a person's records in the source systems, without fetching the others.

The database narrows down (``narrowing``), Python confirms each record by its normal forms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from anonymizers.pseudonyms import looks_like_pseudonym
from retention.catalogue.model import Link, Role, Table, TableName
from retention.catalogue.normalise import normalise
from retention.holds import subject_token
from retention.identities import (
    field_of,
    identities,
    postcode,
)
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.requests.finding.likeness import NAMES, Likeness, Sought, Values, compare
from retention.requests.finding.narrowing import POSTCODE, columns_by_field, linked, narrowed
from retention.requests.model import RequestError

CROWD = 100
"""More records of one table that share an e-mail or a telephone are no person's: it is a
placeholder. Only those that agree in something else too are looked at."""

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
            and {"email", "phone"} & set(columns_by_field(table))
        )
    ]


def search(installation: Installation, name: TableName, sought: Sought) -> Crowd:
    """The records of a table that may be the person's.

    Raises:
        SourceError: the system cannot be reached.
        RequestError: far too many records answer to what the request says.
    """
    found = Crowd()
    condition = narrowed(installation, name, sought)
    if condition is None:
        return found
    weak: dict[str, list[Candidate]] = defaultdict(list)
    for item in read(installation, name, condition, sought, likely=True):
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
    installation: Installation,
    name: TableName,
    condition: ColumnElement[bool],
    sought: Sought,
    *,
    likely: bool = False,
) -> Iterator[Candidate]:
    """The records of a table that fulfil a condition, compared with what is sought.

    With ``likely`` those only that are worth a look.
    """
    table = installation.catalogue.table(name)
    sql = installation.sources.table(name)
    fields = {column for columns in columns_by_field(table).values() for column in columns}
    wanted = [*table.key, *sorted(fields - set(table.key))]
    wanted += sorted(_link_columns(installation, name) - set(wanted))
    statement = sa.select(*(sql.c[column] for column in wanted)).where(condition)
    compared = _compared_columns(table, sought)
    with installation.sources.begin(name.partition(".")[0]) as connection:
        rows = connection.execution_options(yield_per=_FETCH).execute(statement)
        for row in rows:
            values = dict(zip(wanted, row, strict=True))
            if likely:
                # Most rows that were fetched for their spelling fail here, at little expense.
                part = {column: values[column] for column in compared}
                if not compare(sought, _values(table, part, sought)).worth_a_look:
                    continue
            yield _candidate(installation, name, values, sought)


def by_link(
    installation: Installation, link: Link, value: str, sought: Sought, *, far: bool
) -> Iterator[Candidate]:
    """The records at one end of a link whose normalised value is ``value``."""
    name, column = (link.far_table, link.far_column) if far else (link.near_table, link.near_column)
    sql = installation.sources.table(name)
    condition = linked(installation, name, sql.c[column], link.normaliser, value)
    for item in read(installation, name, condition, sought):
        if normalise(item.links[column], link.normaliser) == value:
            yield item


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
    values = _values(table, row, sought)
    links = {column: row[column] for column in _link_columns(installation, name)}
    token = subject_token(installation.keyring, name, key)
    return Candidate(name, key, token, compare(sought, values), values, links)


def _values(table: Table, row: Mapping[str, Any], sought: Sought) -> Values:
    # What was pseudonymised in place says nothing of who it was.
    plain = {
        column: None if isinstance(value, str) and looks_like_pseudonym(value) else value
        for column, value in row.items()
    }
    values: dict[str, set[str]] = defaultdict(set)
    for what, form in identities(table, plain, sought.region):
        values[what].add(form)
    for column, value in plain.items():
        declared = table.columns[column]
        if declared.category == POSTCODE:
            town = None if value is None else str(value).strip()
        else:
            town = postcode(value) if field_of(declared) == "address" else None
        if town:
            values["postcode"].add(town)
    return {what: frozenset(forms) for what, forms in values.items()}


def _compared_columns(table: Table, sought: Sought) -> list[str]:
    """The columns whose values are compared with what is said."""
    wanted = set(sought.said)
    wanted |= {"full_name", *NAMES} if wanted & set(NAMES) else set()
    wanted |= {"postcode"} if "address" in wanted else set()
    columns = columns_by_field(table)
    return list(
        dict.fromkeys(column for what in columns if what in wanted for column in columns[what])
    )


def _link_columns(installation: Installation, name: TableName) -> set[str]:
    links = installation.catalogue.links.values()
    near = {link.near_column for link in links if link.near_table == name}
    return near | {link.far_column for link in links if link.far_table == name}
