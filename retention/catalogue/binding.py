"""Binding the catalogue to live tables: where, seen from a row, each event is found.

A ``BoundTable`` is what planning and execution work with: a SQL table, its key, the
purposes its rows are held for, and its evidence: local (joined in the same database) and
remote (through a link, in another one).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement, FromClause

from retention.catalogue.bound import (
    BoundTable,
    Follower,
    Join,
    Lent,
    LentAfar,
    LocalSource,
    Remembered,
    RemoteSource,
    SubjectPath,
)
from retention.catalogue.dates import DateColumn
from retention.catalogue.declarations import Condition, EventSource
from retention.catalogue.model import Catalogue, Role, Table, TableName
from retention.catalogue.reflection import equal_is_same
from retention.catalogue.sources import Sources
from retention.policy.calendar import zone
from retention.policy.predicates import (
    HeldPurpose,
)
from retention.policy.table import Policy


class Binder:
    """Makes ``BoundTable``s of a catalogue, a policy version and live sources."""

    def __init__(self, catalogue: Catalogue, policy: Policy, as_of: date, sources: Sources) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._purposes = policy.version_on(as_of).purposes
        self._sources = sources
        self._policy_zone = zone(policy.time_zone)

    def bind(self, name: TableName) -> BoundTable:
        """Bind a table with clocks of its own.

        Raises:
            SourceError: the table cannot be reached or is not there.
        """
        table = self._catalogue.table(name)
        if table.role is Role.dependant:
            raise ValueError(f"{name} follows {self._catalogue.clock_of(name)}; bind that")
        sql = self._sources.table(name)
        held = tuple(
            HeldPurpose(self._purposes[purpose], _applies(sql, condition))
            for purpose, condition in table.purposes.items()
        )
        kinds = frozenset().union(*(item.purpose.kinds for item in held))
        local, remote, remembered = self._evidence(name, sql, (), kinds)
        return BoundTable(
            name=name,
            table=table,
            sql=sql,
            dialect=self._sources.engine(_system(name)).dialect.name,
            purposes=held,
            evidence=local,
            remote=tuple(remote),
            remembered=tuple(remembered),
            lent=tuple(self._lent(name, sql)),
            followers=tuple(self._follower(other) for other in self._catalogue.followers(name)),
            owner=self._catalogue.owner_of(name),
            subject=self._subject(name, sql, ()),
            blockers=tuple(self._blockers(name)),
            uncovered=any(
                self._is_uncovered(self._catalogue.table(other))
                for other in (name, *self._catalogue.followers(name))
            ),
        )

    def _is_uncovered(self, table: Table) -> bool:
        named = {c for item in self._policy.uncovered.values() for c in item.categories}
        return any(
            column.category == category or column.category.startswith(category + ".")
            for column in table.columns.values()
            for category in named
        )

    def _follower(self, name: TableName) -> Follower:
        table = self._catalogue.table(name)
        sql = self._sources.table(name)
        parent = self._catalogue.owner_of(name)
        assert table.owner is not None
        assert parent is not None
        return Follower(
            name, table, sql, parent, tuple(sql.c[column] for column in table.owner.via)
        )

    def _subject(self, name: TableName, at: FromClause, joins: tuple[Join, ...]) -> SubjectPath:
        """Owners are followed up to a subject; a log's row belongs to the subject it refers to.

        A person's own row is theirs, whomever it refers to: who recommended them is another.
        """
        table = self._catalogue.table(name)
        up = [(table.owner.table, table.owner.via)] if table.owner else []
        if table.role is not Role.subject:
            up += [(reference.table, reference.via) for reference in table.references]
        for other, via in up:
            owner = TableName(f"{_system(name)}.{other}")
            if self._catalogue.table(owner).role is Role.subject:
                columns = tuple(at.c[column] for column in via)
                return SubjectPath(owner, columns, joins, *self._own_key(owner, at, via))
            if table.owner:
                owner_at = self._sources.table(owner).alias()
                on = _equal(at, via, owner_at, self._catalogue.table(owner).key)
                return self._subject(owner, owner_at, (*joins, (owner_at, on)))
        return SubjectPath(name, tuple(at.c[column] for column in table.key), joins)

    def _own_key(
        self, owner: TableName, at: FromClause, via: Sequence[str]
    ) -> tuple[tuple[ColumnElement[Any], ...], Join | None]:
        """The owner's key in its own row, where what points at it can be written otherwise."""
        owner_at = self._sources.table(owner).alias()
        key = self._catalogue.table(owner).key
        own = tuple(owner_at.c[column] for column in key)
        pairs = zip((at.c[column] for column in via), own, strict=True)
        if all(equal_is_same(one.type, other.type) for one, other in pairs):
            return (), None
        return own, (owner_at, _equal(at, via, owner_at, key))

    def _blockers(self, name: TableName) -> Iterator[tuple[TableName, Follower]]:
        """Declared references into this tree from tables that do not go along with it."""
        tree = {name, *self._catalogue.followers(name)}
        for other, table in self._catalogue.tables():
            if _system(other) != _system(name):
                continue
            pointing = [(reference.table, reference.via) for reference in table.references]
            if table.owner and other not in tree:
                pointing.append((table.owner.table, table.owner.via))
            for target_name, via in pointing:
                target = TableName(f"{_system(name)}.{target_name}")
                if target in tree:
                    sql = self._sources.table(other)
                    columns = tuple(sql.c[column] for column in via)
                    yield target, Follower(other, table, sql, target, columns)

    def _evidence(
        self, name: TableName, at: FromClause, joins: tuple[Join, ...], kinds: frozenset[str]
    ) -> tuple[dict[str, list[LocalSource]], list[RemoteSource], list[Remembered]]:
        """The evidence of ``kinds``: the table's own declarations first, else its owner's."""
        table = self._catalogue.table(name)
        local: dict[str, list[LocalSource]] = {}
        remote: list[RemoteSource] = []
        remembered: list[Remembered] = []
        for kind in sorted(kinds & set(table.events)):
            if any(self._leaves_first(name, source) for source in table.events[kind]):
                key = tuple(at.c[column] for column in table.key)
                remembered.append(Remembered(kind, name, key, joins))
            for source in table.events[kind]:
                if source.link is not None:
                    remote.append(self._remote(at, joins, kind, source))
                else:
                    local.setdefault(kind, []).append(self._local(name, at, joins, source))
        missing = kinds - set(table.events)
        owner = self._catalogue.owner_of(name)
        if missing and owner is not None and table.owner is not None:
            owner_at = self._sources.table(owner).alias()
            on = _equal(at, table.owner.via, owner_at, self._catalogue.table(owner).key)
            theirs, far, gone = self._evidence(owner, owner_at, (*joins, (owner_at, on)), missing)
            local |= theirs
            remote += far
            remembered += gone
        return local, remote, remembered

    def lent_afar(self, name: TableName) -> tuple[LentAfar, ...]:
        """What rows of ``name`` and their dependants hold for the clocks of rows elsewhere.

        Apart from ``bind``, since the tables that they prolong can be out of reach.

        Raises:
            SourceError: one of these cannot be reached or is not there.
        """
        tree = {name, *self._catalogue.followers(name)}
        return tuple(
            self._afar(near, kind, source, tree)
            for near, table in self._catalogue.tables()
            for kind, sources in table.events.items()
            for source in sources
            if source.link is not None and self._catalogue.read_through(source) & tree
        )

    def _afar(
        self, near: TableName, kind: str, source: EventSource, tree: set[TableName]
    ) -> LentAfar:
        near_at = self._sources.table(near)
        remote = self._remote(near_at, (), kind, source)
        far = remote.link.far_table
        sides = [(far, remote.far_table)]
        for other in self._catalogue.read_through(source) - {far}:
            sides += [(other, target) for target, _ in remote.far_joins]
        return LentAfar(
            near,
            tuple(near_at.c[column] for column in self._catalogue.table(near).key),
            remote,
            tuple(
                (table, tuple(at.c[column] for column in self._catalogue.table(table).key))
                for table, at in sides
                if table in tree
            ),
        )

    def _leaves_first(self, name: TableName, source: EventSource) -> bool:
        """Whether the event is in rows that can leave before those of ``name`` that it prolongs.

        Those that a link leads to, and those of a table that ``name`` owns with its own clocks.
        """
        if source.link is not None:
            return True
        if source.table is None:
            return False
        holder = TableName(f"{_system(name)}.{source.table}")
        return self._catalogue.table(holder).role is Role.evidence

    def _lent(self, name: TableName, sql: FromClause) -> Iterator[Lent]:
        owner = self._catalogue.owner_of(name)
        if owner is None or self._catalogue.table(name).role is not Role.evidence:
            return
        for kind, sources in self._catalogue.table(owner).events.items():
            for source in sources:
                if source.link is None and f"{_system(owner)}.{source.table}" == name:
                    yield Lent(kind, LocalSource(*self._dates(name, sql, source)))

    def _local(
        self, name: TableName, at: FromClause, joins: tuple[Join, ...], source: EventSource
    ) -> LocalSource:
        if source.table is None:
            return LocalSource(*self._dates(name, at, source), joins=joins)
        child, child_at, on = self._owned(name, at, source.table)
        return LocalSource(*self._dates(child, child_at, source), joins=(*joins, (child_at, on)))

    def _remote(
        self,
        at: FromClause,
        joins: tuple[Join, ...],
        kind: str,
        source: EventSource,
    ) -> RemoteSource:
        link = self._catalogue.links[source.link or ""]
        far = link.far_table
        far_at: FromClause = self._sources.table(far).alias()
        dates_table, dates_at = far, far_at
        far_joins: tuple[Join, ...] = ()
        if source.table and source.table != far.partition(".")[2]:
            dates_table, dates_at, on = self._owned(far, far_at, source.table)
            far_joins = ((dates_at, on),)
        return RemoteSource(
            kind,
            link,
            _system(far),
            at.c[link.near_column],
            joins,
            far_at,
            far_at.c[link.far_column],
            far_joins,
            *self._dates(dates_table, dates_at, source),
        )

    def _owned(
        self, owner: TableName, at: FromClause, table_name: str
    ) -> tuple[TableName, FromClause, ColumnElement[bool]]:
        child = TableName(f"{_system(owner)}.{table_name}")
        declared = self._catalogue.table(child).owner
        assert declared is not None, "the catalogue model refuses tables that are not owned"
        child_at = self._sources.table(child).alias()
        on = _equal(child_at, declared.via, at, self._catalogue.table(owner).key)
        return child, child_at, on

    def _dates(
        self, name: TableName, at: FromClause, source: EventSource
    ) -> tuple[DateColumn | None, DateColumn | None, DateColumn | None]:
        def bound(column: str | None) -> DateColumn | None:
            if column is None:
                return None
            system = self._catalogue.systems[_system(name)]
            return DateColumn.bind(
                at.c[column],
                self._catalogue.table(name).columns[column],
                self._sources.engine(_system(name)).dialect.name,
                zone(system.time_zone),
                self._policy_zone,
            )

        return bound(source.column), bound(source.start), bound(source.end)


def _system(name: TableName) -> str:
    return name.partition(".")[0]


def _equal(
    near: FromClause, near_columns: Sequence[str], far: FromClause, far_columns: Sequence[str]
) -> ColumnElement[bool]:
    pairs = zip(near_columns, far_columns, strict=True)
    return sa.and_(*(near.c[one] == far.c[other] for one, other in pairs))


def _applies(sql: sa.Table, condition: Condition | None) -> ColumnElement[bool] | None:
    """The condition in SQL, two-valued."""
    if condition is None:
        return None
    column = sql.c[condition.column]
    if condition.is_null is not None:
        return column.is_(None) if condition.is_null else column.is_not(None)
    values = condition.one_of or (condition.equals,)
    return sa.and_(column.is_not(None), column.in_(values))
