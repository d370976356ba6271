"""Holds and restrictions: they stop every transition of all that a person owns, anywhere.

A hold names a person by a record's key. It reaches the same person's records in other
systems through the declared links, and archived records by the subject's token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable, Join
from retention.catalogue.model import Link, TableName
from retention.catalogue.normalise import normalise, normalised
from retention.catalogue.sources import given_key, source_errors
from retention.errors import ConfigurationError
from retention.identities import names_nobody
from retention.installation import Installation
from retention.keys import Keyring
from retention.planning.facts import Key, key_in, key_is
from retention.planning.judge import Row
from retention.stores import archive, cases
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches

_SHORTEST = 6
"""Of a beginning by which a hold is named, in characters."""

HoldKind = Literal["legal_hold", "restriction"]
Person = tuple[TableName, Key]


def subject_token(keyring: Keyring, table: TableName, key: Key) -> str:
    """The opaque name of a person: who they are only the keyring can tell again.

    Made of the key as text: a reference can be stored in another type than the key it equals.
    """
    return keyring.token("subject", table, *(str(part) for part in key))


def subjects(connection: Connection, bound: BoundTable, rows: Sequence[Row]) -> dict[Key, Person]:
    """The person each of ``rows`` belongs to."""
    keys = [tuple(row[name] for name in bound.table.key) for row in rows]
    path = bound.subject
    if not path.joins:
        names = [str(column.name) for column in path.columns]
        found = {key: tuple(row[n] for n in names) for key, row in zip(keys, rows, strict=True)}
    else:
        found = dict(_by_join(connection, bound, path.joins, path.columns, keys))
    if path.own:
        # What points at a person may be written otherwise than their key: of one name is one token.
        found |= dict(_by_join(connection, bound, path.all_joins, path.own, keys))
    return {
        key: (bound.name, key)
        if None in (owner := found.get(key, (None,)))
        else (path.table, owner)
        for key in keys
    }


def _by_join(
    connection: Connection,
    bound: BoundTable,
    joins: Sequence[Join],
    columns: Sequence[sa.ColumnElement[Any]],
    keys: Sequence[Key],
) -> Iterator[tuple[Key, Key]]:
    statement = sa.select(*bound.key, *columns).select_from(bound.sql)
    for target, on in joins:
        statement = statement.join(target, on)
    width = len(bound.key)
    for batch in batches(keys, BATCH):
        for row in connection.execute(statement.where(key_in(bound.key, batch))):
            yield tuple(row[:width]), tuple(row[width:])


@dataclass(frozen=True)
class HeldRows:
    """The persons under a hold or a restriction now, by token."""

    keyring: Keyring
    tokens: frozenset[str]
    legal: frozenset[str] = frozenset()
    """Those of them under a legal hold, whatever else they are under."""
    restricted: frozenset[str] = frozenset()
    """Those under a restriction, whatever else they are under."""

    def __bool__(self) -> bool:
        return bool(self.tokens)

    def keys(self, connection: Connection, bound: BoundTable, rows: Sequence[Row]) -> set[Key]:
        """Which of ``rows`` belong to a held person."""
        return self._of(self.tokens, connection, bound, rows)

    def frozen(self, connection: Connection, bound: BoundTable, rows: Sequence[Row]) -> set[Key]:
        """Which of ``rows`` belong to a person under a restriction."""
        return self._of(self.restricted, connection, bound, rows)

    def _of(
        self,
        tokens: frozenset[str],
        connection: Connection,
        bound: BoundTable,
        rows: Sequence[Row],
    ) -> set[Key]:
        if not tokens or not rows:
            return set()
        return {
            key
            for key, person in subjects(connection, bound, rows).items()
            if subject_token(self.keyring, *person) in tokens
        }


def held_rows(installation: Installation) -> HeldRows:
    """Who is held, as last resolved by ``refresh``."""
    statement = sa.select(cases.held_subjects.c.subject_token, cases.holds.c.kind).join(
        cases.holds, cases.holds.c.hold_id == cases.held_subjects.c.hold_id
    )
    with reading(installation.stores.cases) as connection:
        rows = connection.execute(statement.where(cases.holds.c.released_at.is_(None))).all()
    tokens = frozenset(token for token, _ in rows)
    legal = frozenset(token for token, kind in rows if kind == "legal_hold")
    restricted = frozenset(token for token, kind in rows if kind == "restriction")
    return HeldRows(installation.keyring, tokens, legal, restricted)


@dataclass(frozen=True)
class Hold:
    """A hold as it is listed. ``reason`` and ``key`` are for restricted eyes."""

    hold_id: str
    table: TableName
    key: Key
    kind: HoldKind
    reason: str
    placed_at: datetime
    placed_by: str
    released_at: datetime | None
    persons: int


def add(
    installation: Installation,
    table: TableName,
    key: Sequence[str],
    *,
    kind: HoldKind,
    reason: str,
    by: str,
    now: datetime,
) -> Hold:
    """Hold everything the person behind a record owns.

    ``key`` may be given as text; it is matched as the database stores it.

    Raises:
        ConfigurationError: no such table, or no such record, in the source or the archive.
        SourceError: a linked system cannot be reached, so the hold could not be complete.
    """
    if table not in dict(installation.catalogue.tables()):
        raise ConfigurationError(f"there is no governed table '{table}'")
    width = len(installation.catalogue.table(table).key)
    if len(key) != width:
        raise ConfigurationError(f"{table} has a key of {width} column(s); {len(key)} given")
    person = _person(installation, table, key)
    if person is None:
        raise ConfigurationError(f"{table}: there is no record with that key")
    return place(installation, person, kind=kind, reason=reason, by=by, now=now)


def place(
    installation: Installation,
    person: Person,
    *,
    kind: HoldKind,
    reason: str,
    by: str,
    now: datetime,
    more: Iterable[Person] = (),
    tokens: Iterable[tuple[TableName, str]] = (),
) -> Hold:
    """Hold a known person, all that the links say is theirs, and ``more`` records of theirs.

    ``tokens`` are subjects of the archive besides; a ``person`` whom nothing else knows has no
    key.

    Raises:
        SourceError: a linked system cannot be reached, so the hold could not be complete.
    """
    persons = set(more).union(*(closure(installation, one) for one in (person, *more)))
    hold_id = uuid4().hex
    with writing(installation.stores.cases) as connection:
        connection.execute(
            cases.holds.insert(),
            {
                "hold_id": hold_id,
                "table_name": person[0],
                "key": json.dumps(list(person[1]), default=str),
                "kind": kind,
                "reason": reason,
                "placed_at": now,
                "placed_by": by,
            },
        )
        count = _store_persons(installation, connection, hold_id, persons, tokens)
    return Hold(hold_id, person[0], person[1], kind, reason, now, by, None, count)


def find_id(installation: Installation, hold_id: str) -> str:
    """The whole id of a hold in force, where its beginning (at least six characters) is unique.

    Raises:
        ConfigurationError: there is no such hold in force, or there are several.
    """
    found = [hold.hold_id for hold in holds(installation) if hold.hold_id.startswith(hold_id)]
    if len(hold_id) < _SHORTEST or not found:
        raise ConfigurationError(f"there is no hold '{hold_id}' in force")
    if len(found) > 1:
        raise ConfigurationError(f"several holds begin with '{hold_id}'; give more of the id")
    return found[0]


def release(
    installation: Installation, hold_id: str, *, reason: str, by: str, now: datetime
) -> None:
    """Lift a hold; the next plan takes up what it had stopped.

    Raises:
        ConfigurationError: there is no such hold, or it is released already.
    """
    statement = (
        cases.holds.update()
        .where(cases.holds.c.hold_id == hold_id, cases.holds.c.released_at.is_(None))
        .values(released_at=now, released_by=by, release_reason=reason)
    )
    with writing(installation.stores.cases) as connection:
        if connection.execute(statement).rowcount != 1:
            raise ConfigurationError(f"there is no hold '{hold_id}' in force")


def holds(installation: Installation, *, released: bool = False) -> list[Hold]:
    """The holds in force, oldest first; the released ones too where asked."""
    table = cases.holds
    statement = sa.select(table).order_by(table.c.placed_at, table.c.hold_id)
    if not released:
        statement = statement.where(table.c.released_at.is_(None))
    counted = sa.select(cases.held_subjects.c.hold_id, sa.func.count()).group_by(
        cases.held_subjects.c.hold_id
    )
    with reading(installation.stores.cases) as connection:
        persons = {row[0]: row[1] for row in connection.execute(counted)}
        return [
            Hold(
                row.hold_id,
                TableName(row.table_name),
                tuple(json.loads(row.key)),
                row.kind,
                row.reason,
                row.placed_at,
                row.placed_by,
                row.released_at,
                persons.get(row.hold_id, 0),
            )
            for row in connection.execute(statement)
        ]


def refresh(installation: Installation) -> None:
    """Follow the links again: a held person may have got a further account since.

    Persons once covered stay covered until the hold is released.
    """
    for hold in holds(installation):
        persons = closure(installation, (hold.table, hold.key))
        with writing(installation.stores.cases) as connection:
            _store_persons(installation, connection, hold.hold_id, persons)


def _store_persons(
    installation: Installation,
    connection: Connection,
    hold_id: str,
    persons: Iterable[Person],
    tokens: Iterable[tuple[TableName, str]] = (),
) -> int:
    """Put a hold's persons by, those it has already excepted; how many it has then."""
    table = cases.held_subjects
    known = {
        (row.table_name, row.subject_token)
        for row in connection.execute(sa.select(table).where(table.c.hold_id == hold_id))
    }
    wanted = {(str(name), subject_token(installation.keyring, name, key)) for name, key in persons}
    wanted |= {(str(name), token) for name, token in tokens}
    new = [
        {"hold_id": hold_id, "table_name": name, "subject_token": token}
        for name, token in sorted(wanted - known)
    ]
    if new:
        connection.execute(table.insert(), new)
    return len(known | wanted)


def _person(installation: Installation, table: TableName, key: Sequence[str]) -> Person | None:
    """The person behind a record, found in the source or, gone from there, in the archive."""
    binder_table = installation.catalogue.clock_of(table)
    sql = installation.sources.table(table)
    columns = [sql.c[name] for name in installation.catalogue.table(table).key]
    with source_errors(table), installation.sources.engine(table.partition(".")[0]).connect() as at:
        owned = installation.catalogue.table(table)
        statement = sa.select(*sql.columns).where(key_is(columns, key))
        with given_key(table):
            found = at.execute(statement).mappings().first()
        if found is not None:
            while binder_table != table and owned.owner is not None:
                table, found, owned = _parent(installation, at, table, found)
            bound = installation.binder(_ANY_DAY).bind(binder_table)
            row = dict(found)
            return next(iter(subjects(at, bound, [row]).values()))
    token = subject_token(installation.keyring, table, tuple(key))
    statement = sa.select(archive.units.c.unit_id).where(
        archive.units.c.subject_token == token, archive.units.c.destroyed_on.is_(None)
    )
    with reading(installation.stores.archive) as connection:
        archived = connection.execute(statement.limit(1)).first()
    return (table, tuple(key)) if archived else None


def _parent(
    installation: Installation, connection: Connection, table: TableName, row: Any
) -> tuple[TableName, Any, Any]:
    owner_name = installation.catalogue.owner_of(table)
    owned = installation.catalogue.table(table)
    assert owner_name is not None
    assert owned.owner is not None
    owner = installation.catalogue.table(owner_name)
    sql = installation.sources.table(owner_name)
    match = [sql.c[k] == row[v] for k, v in zip(owner.key, owned.owner.via, strict=True)]
    found = connection.execute(sa.select(*sql.columns).where(*match)).mappings().first()
    if found is None:
        raise ConfigurationError(f"{table}: the record's owner is not in {owner_name}")
    return owner_name, found, owner


def closure(installation: Installation, person: Person) -> set[Person]:
    """The person's records in all systems, following links both ways: more rather than less.

    Raises:
        SourceError: a linked system cannot be reached.
    """
    found: set[Person] = set()
    todo = [person] if person[1] else []
    while todo:
        table, key = todo.pop()
        if (table, key) in found:
            continue
        found.add((table, key))
        for link in installation.catalogue.links.values():
            if link.near_table == table:
                todo += _follow(installation, link, key, forward=True)
            if link.far_table == table:
                todo += _follow(installation, link, key, forward=False)
    return found


def _follow(installation: Installation, link: Link, key: Key, *, forward: bool) -> Iterator[Person]:
    here, there = (
        (link.near_table, link.far_table) if forward else (link.far_table, link.near_table)
    )
    column, other = (
        (link.near_column, link.far_column) if forward else (link.far_column, link.near_column)
    )
    near, far = installation.sources.table(here), installation.sources.table(there)
    near_key = [near.c[name] for name in installation.catalogue.table(here).key]
    far_key = [far.c[name] for name in installation.catalogue.table(there).key]
    here_engine = installation.sources.engine(here.partition(".")[0])
    there_engine = installation.sources.engine(there.partition(".")[0])
    with source_errors(here), here_engine.connect() as connection:
        row = connection.execute(sa.select(near.c[column]).where(key_is(near_key, key))).first()
    name = normalise(row[0], link.normaliser) if row else None
    declared = installation.catalogue.table(here).columns[column]
    if name is None or names_nobody(declared, name, installation.settings.requests.region):
        return
    value = normalised(far.c[other], link.normaliser, there_engine.dialect.name)
    with source_errors(there), there_engine.connect() as connection:
        for found in connection.execute(sa.select(*far_key).where(value == name)):
            yield there, tuple(found)


_ANY_DAY = datetime(2000, 1, 1).date()  # noqa: DTZ001 - binding for the shape, not for a day
