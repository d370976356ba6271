"""The active base on a day, as releases read it: page by page, and only the columns they need.

A row is in a release when the day's decision keeps it active and nobody holds it. Rows in
review, held or restricted, due to leave, or pseudonymised in place are left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable, Follower
from retention.catalogue.declarations import Pseudonymise
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.execution.counting import counted_before, person, persons
from retention.holds import HeldRows, held_rows
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.planning.judge import Candidates, Row, candidates, judge
from retention.planning.pages import Bounds, pages, read_rows, within
from retention.policy.decide import Action, Phase
from retention.policy.predicates import PHASE_NUMBER
from retention.stores.sql import BATCH, batches

PAGE_ROWS = 10_000
"""Rows read at once: what bounds the memory."""


@dataclass(frozen=True)
class Page:
    """Active rows: the values of each wanted column, and whose they are, in the same order."""

    columns: Mapping[str, Sequence[Any]]
    persons: Sequence[object]
    """Equal where the person is; for this process only, never written."""

    def __len__(self) -> int:
        return len(self.persons)


@dataclass
class ActiveBase:
    """Reads the active rows of one table on one day."""

    installation: Installation
    table: TableName
    as_of: date
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows of the table that are not active, by why; owned ones go with their owner."""

    @cached_property
    def _found(self) -> Candidates:
        clock = self.installation.catalogue.clock_of(self.table)
        bound = self.installation.binder(self.as_of).bind(clock)
        return candidates(bound, self.as_of, self.installation.sources)

    @cached_property
    def _held(self) -> HeldRows:
        return held_rows(self.installation)

    def pages(self, wanted: Sequence[str], subject: Sequence[str] | None) -> Iterator[Page]:
        """The active rows, with the ``wanted`` columns.

        ``subject`` are columns that name the person, the first that is not null; by default
        a row belongs to its owner, or stands for itself. All rows of a person that owns them
        are in one page.

        Raises:
            SourceError: a source cannot be reached or read.
        """
        with source_errors(self.table.partition(".")[0]):
            bound = self._found.bound
            chain = _chain(bound, self.table)
            engine = self.installation.sources.engine(bound.system)
            with engine.connect() as connection:
                for bounds in pages(connection, bound, sa.true(), PAGE_ROWS):
                    if chain:
                        owners = self._active(connection, bounds, ())
                        yield self._owned(connection, bounds, chain, owners, wanted)
                    else:
                        rows = self._active(connection, bounds, (*wanted, *(subject or ())))
                        yield self._page(connection, rows, wanted, subject)

    def _page(
        self,
        connection: Connection,
        rows: Mapping[Key, Row],
        wanted: Sequence[str],
        subject: Sequence[str] | None,
    ) -> Page:
        if subject:
            whose = [person(row, subject, key) for key, row in rows.items()]
        else:
            people = persons(connection, self._found.bound, list(rows.values()))
            whose = [people[key] for key in rows]
        return Page({name: [row[name] for row in rows.values()] for name in wanted}, whose)

    def _owned(
        self,
        connection: Connection,
        bounds: Bounds,
        chain: Sequence[Follower],
        owners: Mapping[Key, Row],
        wanted: Sequence[str],
    ) -> Page:
        """The rows that are owned by active ones: ``chain`` leads from them to their owners."""
        bound, table = self._found.bound, chain[0].sql
        from_clause: sa.FromClause = table
        parents = [
            *((item.sql, item.table.key) for item in chain[1:]),
            (bound.sql, bound.table.key),
        ]
        for follower, (parent, key) in zip(chain, parents, strict=True):
            pairs = zip(follower.via, (parent.c[name] for name in key), strict=True)
            from_clause = from_clause.join(parent, sa.and_(*(one == other for one, other in pairs)))
        columns = [table.c[name] for name in wanted]
        statement = (
            sa.select(*bound.key, *columns)
            .select_from(from_clause)
            .where(within(bound.key, bounds))
        )
        width = len(bound.key)
        values: list[list[Any]] = [[] for _ in wanted]
        whose: list[object] = []
        for row in connection.execute(statement):
            key = tuple(row[:width])
            if key not in owners:
                self.left_out["with_their_owner"] += 1
                continue
            whose.append(key)
            for place, value in enumerate(row[width:]):
                values[place].append(value)
        return Page(dict(zip(wanted, values, strict=True)), whose)

    def _active(
        self, connection: Connection, bounds: Bounds, wanted: Sequence[str]
    ) -> dict[Key, Row]:
        """The active rows of a page by key: their key, the ``wanted`` columns, whose they are."""
        bound = self._found.bound
        names = list(dict.fromkeys([*_always(bound), *wanted]))
        columns = [bound.sql.c[name] for name in names]
        statement = sa.select(*columns, self._doubtful.label("retention_doubtful")).where(
            within(bound.key, bounds)
        )
        rows: dict[Key, Row] = {}
        doubtful: list[Key] = []
        for values in connection.execute(statement):
            row = dict(zip(names, values[:-1], strict=True))
            key = tuple(row[name] for name in bound.table.key)
            rows[key] = row
            if values[-1]:
                doubtful.append(key)
        self._drop(rows, "pseudonymised", _counted(bound, rows))
        for reason, keys in self._not_active(connection, doubtful).items():
            self._drop(rows, reason, keys)
        self._drop(rows, "held", self._held.keys(connection, bound, list(rows.values())))
        return rows

    def _drop(self, rows: dict[Key, Row], reason: str, keys: Iterable[Key]) -> None:
        for key in keys:
            if rows.pop(key, None) is not None and self.table == self._found.bound.name:
                self.left_out[reason] += 1

    @cached_property
    def _doubtful(self) -> sa.ColumnElement[bool]:
        """Rows that may not be active: every other one is, by local evidence alone."""
        tests = [self._found.phase < PHASE_NUMBER[Phase.active]]
        if self._found.bound.partial:
            keys = self._found.bound.key
            tests += [key_in(keys, batch) for batch in batches(self._found.suspects, BATCH)]
        return sa.or_(*tests)

    def _not_active(self, connection: Connection, keys: Sequence[Key]) -> dict[str, list[Key]]:
        """Which of ``keys`` the decision with all evidence does not keep active, by why.

        What rows that have left said of these is in the archive, which statistics do not open:
        a row that only such evidence keeps active is left out.
        """
        bound = self._found.bound
        left: dict[str, list[Key]] = {}
        for batch in batches(keys, BATCH):
            rows = read_rows(connection, bound, key_in(bound.key, batch))
            for item in judge(connection, bound, rows, self.as_of, self.installation.sources):
                if item.decision.phase is not Phase.active:
                    review = item.decision.action is Action.review
                    left.setdefault("review" if review else "due", []).append(item.key)
        return left


def _always(bound: BoundTable) -> Iterator[str]:
    """Columns that every page needs: the key, whose the row is, what may be a pseudonym."""
    yield from bound.table.key
    if not bound.subject.joins and bound.subject.table != bound.name:
        yield from (str(column.name) for column in bound.subject.columns)
    for name, column in bound.table.columns.items():
        if column.pseudonymise is Pseudonymise.token:
            yield name


def _counted(bound: BoundTable, rows: Mapping[Key, Row]) -> list[Key]:
    tokens = [
        name
        for name, column in bound.table.columns.items()
        if column.pseudonymise is Pseudonymise.token
    ]
    if not tokens:
        return []
    return [key for key, row in rows.items() if counted_before(bound.table, row)]


def _chain(bound: BoundTable, table: TableName) -> list[Follower]:
    """The tables from ``table`` up to the last before ``bound``; none where it is ``bound``."""
    followers = {follower.name: follower for follower in bound.followers}
    chain: list[Follower] = []
    while table != bound.name:
        chain.append(followers[table])
        table = chain[-1].parent
    return chain
