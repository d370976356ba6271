"""A table as planning and execution work with it: SQL, key, purposes, evidence, dependants.

``binding`` makes these; nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement, FromClause

from retention.catalogue.dates import DateColumn
from retention.catalogue.model import Link, Table, TableName
from retention.policy.decide import Phase
from retention.policy.predicates import (
    PHASE_NUMBER,
    Evidence,
    HeldPurpose,
    held_phase,
    phase_of_record,
)
from retention.policy.table import Purpose

Join = tuple[FromClause, ColumnElement[bool]]


@dataclass(frozen=True)
class LocalSource:
    """An event's columns, reached from the row by ``joins`` (none: the row's own)."""

    point: DateColumn | None
    start: DateColumn | None
    end: DateColumn | None
    joins: tuple[Join, ...] = ()

    @property
    def joined(self) -> bool:
        return bool(self.joins)

    @property
    def null_end(self) -> ColumnElement[bool]:
        assert self.end is not None
        return self.end.expression.is_(None)

    @property
    def columns(self) -> tuple[DateColumn, ...]:
        return tuple(column for column in (self.point, self.start, self.end) if column)

    def exists(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether ``condition`` holds on the row, or on some row joined to it."""
        if not self.joins:
            return condition
        return (
            sa.select(sa.literal(1))
            .select_from(*(target for target, _ in self.joins))
            .where(*(on for _, on in self.joins), condition)
            .correlate_except(*(target for target, _ in self.joins))
            .exists()
        )


@dataclass(frozen=True)
class RemoteSource:
    """An event in another system, for the persons a link says are the same."""

    kind: str
    link: Link
    system: str
    near: ColumnElement[Any]
    near_joins: tuple[Join, ...]
    far_table: FromClause
    far_value: ColumnElement[Any]
    far_joins: tuple[Join, ...]
    point: DateColumn | None
    start: DateColumn | None
    end: DateColumn | None

    @property
    def columns(self) -> tuple[DateColumn, ...]:
        return tuple(column for column in (self.point, self.start, self.end) if column)


@dataclass(frozen=True)
class Remembered:
    """Events of ``kind`` that lie in rows which can leave before the row whose clock they run.

    ``columns``, reached by ``joins``, hold the key of the row of ``owner`` that declares them.
    """

    kind: str
    owner: TableName
    columns: tuple[ColumnElement[Any], ...]
    joins: tuple[Join, ...] = ()


@dataclass(frozen=True)
class Lent:
    """An event that a row's own columns hold for the clock of its owner."""

    kind: str
    source: LocalSource


@dataclass(frozen=True)
class LentAfar:
    """An event that rows of a tree hold, through a link, for the clock of rows elsewhere."""

    near: TableName
    """The table whose rows it prolongs."""
    near_key: tuple[ColumnElement[Any], ...]
    remote: RemoteSource
    """The event as ``near`` sees it."""
    places: tuple[tuple[TableName, tuple[ColumnElement[Any], ...]], ...]
    """The tables of the tree it is read from, and their keys in ``remote``'s far side."""


@dataclass(frozen=True)
class Follower:
    """A dependant table and the way from its rows to the row they follow."""

    name: TableName
    table: Table
    sql: sa.Table
    parent: TableName
    via: tuple[sa.Column[Any], ...]

    @property
    def key(self) -> tuple[sa.Column[Any], ...]:
        return tuple(self.sql.c[name] for name in self.table.key)


@dataclass(frozen=True)
class SubjectPath:
    """The way from a row to the person it belongs to: ``columns`` hold that person's key.

    A row whose ``columns`` are null belongs to nobody else: it stands for itself.
    """

    table: TableName
    columns: tuple[ColumnElement[Any], ...]
    joins: tuple[Join, ...] = ()
    own: tuple[ColumnElement[Any], ...] = ()
    """The key as the person's own row holds it, where ``columns`` may hold what only equals it."""
    own_join: Join | None = None
    """The way from ``columns`` to ``own``."""

    @property
    def all_joins(self) -> tuple[Join, ...]:
        return self.joins if self.own_join is None else (*self.joins, self.own_join)


@dataclass(frozen=True)
class BoundTable:
    """A table with clocks of its own, ready to be asked about."""

    name: TableName
    table: Table
    sql: sa.Table
    dialect: str
    purposes: tuple[HeldPurpose, ...]
    evidence: Evidence
    remote: tuple[RemoteSource, ...]
    remembered: tuple[Remembered, ...]
    lent: tuple[Lent, ...]
    followers: tuple[Follower, ...]
    owner: TableName | None
    subject: SubjectPath
    blockers: tuple[tuple[TableName, Follower], ...]
    """Tables whose rows keep a row of this tree in place while they refer to it."""
    uncovered: bool

    @property
    def system(self) -> str:
        return self.name.partition(".")[0]

    @property
    def partial(self) -> bool:
        """Whether evidence can lie elsewhere than in the rows joined here: it only prolongs."""
        return bool(self.remote or self.remembered)

    @cached_property
    def key(self) -> tuple[sa.Column[Any], ...]:
        return tuple(self.sql.c[name] for name in self.table.key)

    @property
    def all_purposes(self) -> dict[str, Purpose]:
        return {held.purpose.id: held.purpose for held in self.purposes}

    def phases(self, as_of: date) -> dict[str, ColumnElement[int]]:
        """The number of each purpose's phase for a row, by local evidence."""
        if self.uncovered:
            review = sa.literal(PHASE_NUMBER[Phase.review])
            expired = PHASE_NUMBER[Phase.expired]
            return {
                held.purpose.id: review
                if held.applies is None
                else sa.case((held.applies, review), else_=expired)
                for held in self.purposes
            }
        return {held.purpose.id: held_phase(held, self.evidence, as_of) for held in self.purposes}

    def joint(self, phases: Sequence[ColumnElement[int]]) -> ColumnElement[int]:
        return phase_of_record(phases, self.dialect)

    @property
    def dates(self) -> Iterator[DateColumn]:
        """Every local date column the decision reads."""
        for sources in self.evidence.values():
            for source in sources:
                yield from source.columns  # type: ignore[attr-defined]
