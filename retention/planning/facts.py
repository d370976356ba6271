"""Loading the facts of a page of rows, local and remote, for the decision in Python.

Rows come in by key; only civil days go out. What is fetched is bounded by the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement, FromClause
from sqlalchemy.types import NullType

from retention.catalogue.bound import (
    BoundTable,
    Join,
    Lent,
    LentAfar,
    LocalSource,
    RemoteSource,
)
from retention.catalogue.dates import DateColumn, NoDay
from retention.catalogue.model import TableName
from retention.catalogue.normalise import normalise, normalised
from retention.catalogue.sources import Sources
from retention.policy.decide import Contract, Facts
from retention.stores.sql import BATCH, batches

Key = tuple[Any, ...]
"""A row's key values, in the catalogue's order."""


@dataclass
class _Gathered:
    days: dict[str, list[date]] = field(default_factory=lambda: defaultdict(list))
    contracts: dict[str, list[Contract]] = field(default_factory=lambda: defaultdict(list))
    unreadable: set[str] = field(default_factory=set)

    def add(
        self,
        kind: str,
        source: LocalSource | RemoteSource,
        values: Sequence[object],
        *,
        joined: bool = False,
    ) -> None:
        if source.point is not None:
            self._add_day(kind, source.point, values[0])
        else:
            joined = joined or not isinstance(source, LocalSource) or source.joined
            self._add_contract(kind, source, values, joined=joined)

    def _add_day(self, kind: str, column: DateColumn, value: object) -> None:
        day = column.read(value)
        if isinstance(day, date):
            self.days[kind].append(day)
        elif day is NoDay.unreadable:
            self.unreadable.add(kind)

    def _add_contract(
        self,
        kind: str,
        source: LocalSource | RemoteSource,
        values: Sequence[object],
        *,
        joined: bool,
    ) -> None:
        assert source.start is not None
        assert source.end is not None
        start, end = source.start.read(values[0]), source.end.read(values[1])
        nothing = not isinstance(start, date) and end is NoDay.unknown and values[1] is None
        if not joined and nothing and start is not NoDay.unreadable:
            return
        if NoDay.unreadable in (start, end) or (end is NoDay.unknown and values[1] is not None):
            self.unreadable.add(kind)
            return
        self.contracts[kind].append(
            Contract(
                start if isinstance(start, date) else None, end if isinstance(end, date) else None
            )
        )

    def facts(self) -> Facts:
        return Facts(dict(self.days), dict(self.contracts), frozenset(self.unreadable))


def load_facts(
    connection: Connection,
    bound: BoundTable,
    rows: Mapping[Key, Mapping[str, Any]],
    sources: Sources | None,
) -> dict[Key, Facts]:
    """The facts of ``rows`` (key to row): the row's own dates, those joined, those linked.

    ``sources`` reaches the other systems; ``None`` leaves remote evidence out.
    """
    gathered: dict[Key, _Gathered] = {key: _Gathered() for key in rows}
    for kind, found in bound.evidence.items():
        for source in found:
            assert isinstance(source, LocalSource)
            if source.joined:
                _load_joined(connection, bound, kind, source, gathered)
            else:
                names = [str(column.expression.name) for column in source.columns]
                for key, row in rows.items():
                    gathered[key].add(kind, source, [row[name] for name in names])
    if sources is not None:
        for remote in bound.remote:
            _load_remote(connection, bound, remote, gathered, sources)
    return {key: item.facts() for key, item in gathered.items()}


def _load_joined(
    connection: Connection,
    bound: BoundTable,
    kind: str,
    source: LocalSource,
    gathered: Mapping[Key, _Gathered],
) -> None:
    columns = [column.expression for column in source.columns]
    for key, values in _joined_values(connection, bound, source.joins, columns, gathered):
        gathered[key].add(kind, source, values)


def _joined_values(
    connection: Connection,
    bound: BoundTable,
    joins: Sequence[Join],
    columns: Sequence[ColumnElement[Any]],
    keys: Iterable[Key],
) -> Iterator[tuple[Key, Sequence[Any]]]:
    width = len(bound.key)
    from_clause: FromClause = bound.sql
    for target, on in joins:
        from_clause = from_clause.join(target, on)
    statement = sa.select(*bound.key, *columns).select_from(from_clause)
    for batch in batches(keys, BATCH):
        for row in connection.execute(statement.where(key_in(bound.key, batch))):
            yield tuple(row[:width]), row[width:]


def _load_remote(
    connection: Connection,
    bound: BoundTable,
    remote: RemoteSource,
    gathered: Mapping[Key, _Gathered],
    sources: Sources,
) -> None:
    persons: dict[str, list[Key]] = defaultdict(list)
    near = _joined_values(connection, bound, remote.near_joins, [remote.near], gathered)
    for key, values in near:
        name = normalise(values[0], remote.link.normaliser)
        if name is not None:
            persons[name].append(key)
    if not persons:
        return
    far_value = _far_value(remote, sources.engine(remote.system).dialect.name)
    statement = _far_side(remote, far_value)
    with sources.begin(remote.system) as far:
        for batch in batches(persons, BATCH):
            for row in far.execute(statement.where(far_value.in_(batch))):
                for key in persons[row[0]]:
                    gathered[key].add(remote.kind, remote, row[1:])


def _far_value(remote: RemoteSource, dialect_name: str) -> ColumnElement[Any]:
    return normalised(remote.far_value, remote.link.normaliser, dialect_name)


def _far_side(remote: RemoteSource, *before: ColumnElement[Any]) -> sa.Select[Any]:
    """``before`` and the event's columns, of the far side's rows."""
    from_clause: FromClause = remote.far_table
    for target, on in remote.far_joins:
        from_clause = from_clause.join(target, on)
    columns = [column.expression for column in remote.columns]
    return sa.select(*before, *columns).select_from(from_clause)


_AT_ONCE = 10 * BATCH
"""Values asked for in one statement that may have to read a whole table, for want of an index."""


def load_lent_afar(
    connection: Connection,
    afar: LentAfar,
    keys: Mapping[TableName, Mapping[Key, Key]],
    sources: Sources,
) -> Iterator[tuple[Key, Key, Facts]]:
    """Whom rows prolong through a link: the key there, the key of the row's root, the facts.

    ``keys`` are the rows' keys by table, each with the key of its root.
    """
    remote, width = afar.remote, len(afar.near_key)
    far_value = _far_value(remote, connection.dialect.name)
    gathered: dict[str, dict[Key, _Gathered]] = defaultdict(lambda: defaultdict(_Gathered))
    for table, columns in afar.places:
        roots = keys.get(table, {})
        statement = _far_side(remote, *columns, far_value).where(far_value.is_not(None))
        for batch in batches(roots, BATCH):
            for row in connection.execute(statement.where(key_in(columns, batch))):
                key, (value, *days) = tuple(row[: len(columns)]), row[len(columns) :]
                if value:
                    gathered[value][roots[key]].add(remote.kind, remote, days)
    system = afar.near.partition(".")[0]
    near_value = normalised(
        remote.near, remote.link.normaliser, sources.engine(system).dialect.name
    )
    statement = sa.select(*afar.near_key, near_value)
    for values in batches(gathered, _AT_ONCE):
        with sources.begin(system) as near:
            found = near.execute(statement.where(near_value.in_(values))).all()
        for row in found:
            for root, item in gathered[row[width]].items():
                yield tuple(row[:width]), root, item.facts()


def load_joined(
    connection: Connection,
    bound: BoundTable,
    joins: Sequence[Join],
    columns: Sequence[ColumnElement[Any]],
    keys: Iterable[Key],
) -> Iterator[tuple[Key, Key]]:
    """``columns``, reached by ``joins``, of the rows ``keys``."""
    for key, values in _joined_values(connection, bound, joins, columns, keys):
        yield key, tuple(values)


def lent_facts(lent: Sequence[Lent], row: Mapping[str, Any]) -> dict[str, Facts]:
    """What a row's own columns say, by kind of event, of the clock of its owner."""
    found: dict[str, _Gathered] = defaultdict(_Gathered)
    for item in lent:
        names = [str(column.expression.name) for column in item.source.columns]
        found[item.kind].add(item.kind, item.source, [row[name] for name in names], joined=True)
    return {kind: gathered.facts() for kind, gathered in found.items()}


def latest(facts: Facts) -> Facts:
    """What is left to say where evidence only prolongs: of single days the last."""
    days = {kind: (max(found),) for kind, found in facts.days.items() if found}
    contracts = {kind: tuple(dict.fromkeys(found)) for kind, found in facts.contracts.items()}
    return Facts(days, contracts, facts.unreadable)


def pack(facts: Facts) -> dict[str, Any]:
    """Facts as JSON."""
    return {
        "days": {kind: [day.isoformat() for day in days] for kind, days in facts.days.items()},
        "contracts": {
            kind: [
                [item.start and item.start.isoformat(), item.end and item.end.isoformat()]
                for item in items
            ]
            for kind, items in facts.contracts.items()
        },
        "unreadable": sorted(facts.unreadable),
    }


def unpack(packed: Mapping[str, Any]) -> Facts:
    """What ``pack`` put away."""

    def day(text: str | None) -> date | None:
        return date.fromisoformat(text) if text else None

    days = {
        kind: tuple(date.fromisoformat(text) for text in texts)
        for kind, texts in packed["days"].items()
    }
    contracts = {
        kind: tuple(Contract(day(start), day(end)) for start, end in pairs)
        for kind, pairs in packed["contracts"].items()
    }
    return Facts(days, contracts, frozenset(packed["unreadable"]))


def key_in(columns: Sequence[ColumnElement[Any]], keys: Sequence[Key]) -> ColumnElement[bool]:
    """``columns`` equal one of ``keys``."""
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return sa.tuple_(*columns).in_(list(keys))


def key_is(columns: Sequence[ColumnElement[Any]], key: Sequence[object]) -> ColumnElement[bool]:
    """``columns`` equal ``key``, parts of which may be text whatever the columns' types are.

    SQLite compares by the column's affinity; other databases want the text cast.
    """

    def part(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
        untyped = isinstance(column.type, NullType | sa.String)
        if untyped or not isinstance(value, str):
            return column == value
        return column == sa.cast(sa.literal(value, sa.Text), column.type)

    return sa.and_(*(part(column, value) for column, value in zip(columns, key, strict=True)))
