"""Everything that belongs to a person: rows in every system, and records in the archive."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from retention.catalogue.bound import BoundTable, Join
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.errors import StoreError
from retention.execution import vaulted
from retention.execution.sealing import PSEUDONYMS, RESTRICTED, unseal_identity, unseal_payload
from retention.execution.trees import Tree, read_trees
from retention.holds import HeldRows, Person, held_rows
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.planning.judge import Judged, judge
from retention.planning.memory import remembered
from retention.planning.pages import read_rows
from retention.stores import archive
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches


@dataclass(frozen=True)
class PersonTable:
    """A person's rows of one table with clocks of its own, each with its dependants.

    ``trees`` and ``judged`` (what the policy says of each, today) have the same keys.
    """

    name: TableName
    bound: BoundTable
    trees: Mapping[Key, Tree]
    judged: Mapping[Key, Judged]


@dataclass(frozen=True)
class Archived:
    """A record of the archive, unsealed: for restricted eyes only.

    A record whose columns expire on several days comes in as many parts.
    """

    table: TableName
    record_token: str
    unit_id: str
    subject_token: str
    expires_on: date
    purposes: tuple[str, ...]
    """The purposes that keep it."""
    values: Mapping[str, Any]
    """Columns; those of the owner that it carries along are called ``owner.NAME``."""
    incarnation: int = 1
    """How often the record had come to the archive by then."""
    restricted: bool = False
    """It is here whole, since a restriction took it from its source."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """By what its purposes were decided on, packed."""


def belonging(bound: BoundTable, persons: Sequence[Person]) -> ColumnElement[bool]:
    """Which rows of a table with clocks of its own belong to ``persons``."""
    path = bound.subject
    keys = sorted({key for table, key in persons if table == path.table and key}, key=repr)
    if not keys:
        return sa.false()
    found = _reached(path.joins, path.columns, keys)
    return sa.or_(found, _reached(path.all_joins, path.own, keys)) if path.own else found


def _reached(
    joins: Sequence[Join], columns: Sequence[ColumnElement[Any]], keys: Sequence[Key]
) -> ColumnElement[bool]:
    tests = [key_in(columns, batch) for batch in batches(keys, BATCH)]
    if not joins:
        return sa.or_(*tests)
    targets = [target for target, _ in joins]
    return (
        sa.select(sa.literal(1))
        .select_from(*targets)
        .where(*(on for _, on in joins), sa.or_(*tests))
        .correlate_except(*targets)
        .exists()
    )


def read_person(
    installation: Installation,
    persons: Sequence[Person],
    as_of: date,
    *,
    held: HeldRows | None = None,
    but: Collection[TableName] = (),
) -> Iterator[PersonTable]:
    """What every system holds of ``persons``, in the order in which a run takes the tables.

    A table in which nothing is theirs is left out, and so are those of ``but``. ``held`` says
    who is held; by default whoever is now. Raises SourceError: a system is out of reach.
    """
    binder = installation.binder(as_of)
    held = held_rows(installation) if held is None else held
    for name in installation.catalogue.clocked_tables():
        if name in but:
            continue
        with source_errors(name.partition(".")[0]):
            bound = binder.bind(name)
            with installation.sources.begin(bound.system) as connection:
                rows = read_rows(connection, bound, belonging(bound, persons))
                if not rows:
                    continue
                judged = judge(
                    connection, bound, rows, as_of, installation.sources,
                    held.keys(connection, bound, rows),
                    remembered(installation, connection, bound, rows),
                    held.frozen(connection, bound, rows),
                )  # fmt: skip
                trees = read_trees(connection, bound, [(item.key, item.row) for item in judged])
        yield PersonTable(name, bound, trees, {item.key: item for item in judged})


def archived_of(installation: Installation, tokens: Sequence[str]) -> Iterator[Archived]:
    """The records of the archive that belong to the subjects ``tokens``, unsealed.

    Raises StoreError: a record cannot be unsealed.
    """
    at, unit = archive.records.c, archive.units.c
    statement = (
        sa.select(archive.records, unit.expires_on)
        .join(archive.units, unit.unit_id == at.unit_id)
        .where(at.settled.is_(True), unit.destroyed_on.is_(None))
        .order_by(at.table_name, at.record_token, at.incarnation, at.unit_id)
    )
    for batch in batches(sorted(set(tokens)), BATCH):
        with reading(installation.stores.archive) as connection:
            rows = connection.execute(statement.where(unit.subject_token.in_(batch))).all()
        keys = installation.keyring.open_units({row.unit_id for row in rows})
        identities = vaulted.of_records(installation.stores, [row.record_token for row in rows])
        for row in rows:
            place = (row.record_token, row.incarnation, row.unit_id)
            if row.unit_id not in keys:
                raise StoreError(f"archive: the key of a {row.table_name} record is not there")
            key = keys[row.unit_id]
            values = unseal_payload(*place, key, row.payload)
            values.pop(PSEUDONYMS, None)
            if place in identities:
                values |= unseal_identity(*place, key, identities[place])
            yield Archived(
                TableName(row.table_name),
                row.record_token,
                row.unit_id,
                row.subject_token,
                row.expires_on,
                tuple(row.facts.get("purposes", ())),
                values,
                row.incarnation,
                RESTRICTED in row.facts,
                row.facts,
            )
