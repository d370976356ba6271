"""What a rectification writes: by row, and by record of the archive, what is wrong or missing.

In a subject's own table a corrected category of data is set wherever it differs, and completed
where the row has none; of several values in one row only the one that the request names. In rows
that belong to the person, a column of that category is corrected where it holds the old value, and
so is a whole name wherever it stands by itself. Accounting evidence is left as it was issued, an
account's identifier as the person signs in with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from retention.catalogue.live import LiveTable
from retention.catalogue.model import Role, Table, TableName
from retention.execution.correcting import Correction
from retention.execution.sealing import OWNER_PREFIX
from retention.execution.trees import Tree, TreeRow
from retention.holds import Person
from retention.installation import Installation
from retention.policy.decide import Action
from retention.requests.book import casebook
from retention.requests.doing import opposition
from retention.requests.doing.aims import Place
from retention.requests.doing.fitting import (
    fitting,
    live_tables,
    refuse_broken_links,
    refuse_taken,
    refuse_unnamed,
)
from retention.requests.doing.persons import Archived, PersonTable, archived_of, read_person
from retention.requests.doing.right_values import (
    EMAIL,
    PHONE,
    USERNAME,
    RightValues,
    carried_by,
    is_key,
    known_to,
    missing_in,
    old_values,
    own_records,
    own_rows,
    several_in,
)
from retention.requests.doing.tying import refuse_new_ties
from retention.requests.model import Asked, Outcome, OutcomeLine, RequestId

WRONG = "wrong"
"""Where what a request remembers has the values that were wrong."""


@dataclass(frozen=True)
class Rectification:
    """All that a rectification has to write, and what it leaves as it is."""

    rows: Mapping[Place, Mapping[str, Any]]
    archived: tuple[Correction, ...]
    evidence: tuple[OutcomeLine, ...]


def planned(
    installation: Installation,
    request_id: RequestId,
    persons: Sequence[Person],
    tokens: Sequence[str],
    asked: Asked,
    as_of: date,
) -> Rectification:
    """What is left to do, now. Reads sources and archive; touches nothing.

    Raises:
        RequestError: a system could not take it: nothing is to be changed then. SourceError: a
            system is out of reach. StoreError: a record cannot be unsealed.
    """
    tables = list(read_person(installation, persons, as_of))
    archived = list(archived_of(installation, tokens))
    right = _right(installation, request_id, tables, archived, asked)
    return Rectification(
        _corrections(installation, tables, right, as_of, persons, tokens),
        tuple(_of_archive(installation, archived, right, as_of)),
        tuple(_evidence(installation, tables, archived, right, as_of)),
    )


def left_in_archive(
    installation: Installation,
    request_id: RequestId,
    persons: Sequence[Person],
    tokens: Sequence[str],
    asked: Asked,
    as_of: date,
) -> tuple[Correction, ...]:
    """As ``planned``, once the sources are done: what there is to do in the archive."""
    tables = read_person(installation, persons, as_of)
    archived = list(archived_of(installation, tokens))
    right = _right(installation, request_id, list(tables), archived, asked)
    return tuple(_of_archive(installation, archived, right, as_of))


def _right(
    installation: Installation,
    request_id: RequestId,
    tables: Sequence[PersonTable],
    archived: Sequence[Archived],
    asked: Asked,
) -> RightValues:
    own = [*own_rows(tables), *own_records(installation.catalogue, archived)]
    before = (casebook.sought(installation, request_id) or {}).get(WRONG)
    region = installation.settings.requests.region
    now = old_values(own, asked, region)
    known = [now, before] if before else [now]
    return RightValues.of(asked.corrections, *known, region=region)


# --- rows of the sources ---------------------------------------------------------------


def _corrections(
    installation: Installation,
    tables: Sequence[PersonTable],
    right: RightValues,
    as_of: date,
    persons: Sequence[Person],
    tokens: Sequence[str],
) -> dict[Place, dict[str, Any]]:
    """What each row's columns become.

    Raises:
        RequestError: a column cannot hold the value, or it would be somebody else's as well; it
            names the column, never the value.
    """
    live = live_tables(installation, known_to(tables))
    changes: dict[Place, dict[str, Any]] = {}
    present: dict[Place, Mapping[str, Any]] = {}
    held: set[Place] = set()
    for table in tables:
        issued = as_issued(installation, table.name, as_of)
        for key, tree in table.trees.items():
            places = {(row.name, row.key): row.row for row in tree.rows}
            present |= places
            if table.judged[key].decision.action is Action.hold:
                held |= set(places)
            for row in () if issued else tree.rows:
                if values := dict(_of_row(installation, row, tree, right, live.get(row.name))):
                    changes[row.name, row.key] = values
    refuse_broken_links(installation.catalogue, present, changes, held)
    going = {place: values for place, values in changes.items() if place not in held}
    refuse_taken(installation, live, present, going)
    refuse_new_ties(installation, going, persons, tokens)
    return changes


def _of_row(
    installation: Installation, row: TreeRow, tree: Tree, right: RightValues, live: LiveTable | None
) -> Iterator[tuple[str, Any]]:
    own = row is tree.root and row.table.role is Role.subject
    several = several_in(row.table, row.row, right.region) if own else set()
    missing = missing_in(row.table, row.row, right.region)
    refuse_unnamed(row.name, row.table, row.row, several, right)
    for name, column in row.table.columns.items():
        second = row.row[name] is None and column.category not in missing
        computed = live is not None and name in live.columns and live.columns[name].generated
        if is_key(row.table, name) or second or computed:
            continue
        shown = live is not None and not live.constrains(name)
        mine = own and column.category not in several
        wanted = right.wanted(column.category, row.row[name], own=mine, username=shown)
        if wanted is not None:
            value = fitting(installation, row.name, name, row.row[name], wanted)
            if value != row.row[name]:
                yield name, value


def corrects(table: Table, column: str, right: RightValues) -> bool:
    """Whether what is wrong in a column is put right, so that none of it may be left."""
    category = table.columns[column].category
    return (
        not is_key(table, column)
        and category != USERNAME
        and (category in right.asked or (bool(right.names) and category == "user.name"))
    )


# --- records of the archive ------------------------------------------------------------


def _of_archive(
    installation: Installation, archived: Sequence[Archived], right: RightValues, as_of: date
) -> Iterator[Correction]:
    """What each record becomes; one that a restriction took away stays for the day it ends."""
    becomes: dict[tuple[str, int], tuple[Archived, dict[str, Any]]] = {}
    known = dict(installation.catalogue.tables())
    for record in archived:
        if record.restricted or record.table not in known:
            continue
        values = dict(_of_record(installation, known[record.table], record, right, as_of))
        if values:
            place = (record.record_token, record.incarnation)
            becomes.setdefault(place, (record, {}))[1].update(values)
    for record, values in becomes.values():
        owner = installation.catalogue.owner_of(record.table)
        carried = owner is not None and all(name.startswith(OWNER_PREFIX) for name in values)
        yield Correction(
            owner if owner is not None and carried else record.table,
            record.record_token,
            record.incarnation,
            record.subject_token,
            values,
        )


def _of_record(
    installation: Installation, table: Table, record: Archived, right: RightValues, as_of: date
) -> Iterator[tuple[str, Any]]:
    if not as_issued(installation, record.table, as_of):
        own = {name: value for name, value in record.values.items() if name in table.columns}
        subject = table.role is Role.subject
        yield from _archived_values(installation, record.table, own, right, subject=subject)
    owner = installation.catalogue.owner_of(record.table)
    if owner is not None:
        carried = _archived_values(installation, owner, carried_by(record), right, subject=True)
        yield from ((OWNER_PREFIX + name, value) for name, value in carried)


def _archived_values(
    installation: Installation,
    name: TableName,
    values: Mapping[str, Any],
    right: RightValues,
    *,
    subject: bool,
) -> Iterator[tuple[str, Any]]:
    table = installation.catalogue.table(name)
    several = several_in(table, values, right.region) if subject else set()
    missing = missing_in(table, values, right.region)
    refuse_unnamed(name, table, values, several, right)
    for column, present in values.items():
        if column not in table.columns or is_key(table, column):
            continue
        category = table.columns[column].category
        if present is None and category not in missing:
            continue
        own = subject and category not in several
        # Nobody signs in with what is in the archive, yet it may go back one day.
        wanted = right.wanted(category, present, own=own, username=False)
        if wanted is not None:
            value = fitting(installation, name, column, present, wanted)
            if value != present:
                yield column, value


# --- the opposition list ---------------------------------------------------------------


def follow_opposition(
    installation: Installation, request_id: RequestId, asked: Mapping[str, str], as_of: date
) -> None:
    """Whoever has objected under an address that was wrong has objected under the right one."""
    known = (casebook.sought(installation, request_id) or {}).get(WRONG, {"values": []})
    for field, category in (("email", EMAIL), ("phone", PHONE)):
        if category in asked and any(
            opposition.is_listed(installation, field, value, as_of)
            for of, value in known["values"]
            if of == category
        ):
            opposition.add(installation, [(field, asked[category])], as_of=as_of)


# --- what stays ------------------------------------------------------------------------


def as_issued(installation: Installation, name: TableName, as_of: date) -> bool:
    """Whether rows are evidence that the law obliges to keep (and not bank details, say)."""
    table = installation.catalogue.table(installation.catalogue.clock_of(name))
    known = installation.policy.version_on(as_of).purposes
    bases = {known[purpose].legal_basis for purpose in table.purposes if purpose in known}
    return "legal_obligation" in bases and table.role is Role.evidence


def _evidence(
    installation: Installation,
    tables: Sequence[PersonTable],
    archived: Sequence[Archived],
    right: RightValues,
    as_of: date,
) -> Iterator[OutcomeLine]:
    """Evidence that holds a corrected category, and is left as it was issued."""
    catalogue = installation.catalogue
    rows: Counter[TableName] = Counter()
    for table in tables:
        rows[table.name] += len(table.trees)
    known = {name for name, _ in catalogue.tables()}
    records = {(record.table, record.record_token, record.incarnation) for record in archived}
    rows.update(name for name, *_ in records if name in known and catalogue.clock_of(name) == name)
    for name, count in sorted(rows.items()):
        if as_issued(installation, name, as_of) and right.concerns(catalogue.table(name)):
            yield OutcomeLine(name, "", Outcome.kept, count, None, "evidence")
