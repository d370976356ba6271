"""Deciding on a page of rows with all their evidence, local and remote.

SQL finds candidates; ``decide`` has the last word on every row that is going to be touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from anonymizers.pseudonyms import TOKEN_LENGTH, TOKEN_PREFIX
from retention.catalogue.bound import BoundTable, RemoteSource
from retention.catalogue.declarations import Pseudonymise
from retention.catalogue.normalise import normalised
from retention.catalogue.sources import Sources
from retention.errors import SourceError
from retention.planning.facts import Key, key_in, load_facts
from retention.policy.calendar import ONE_DAY
from retention.policy.decide import Decision, Facts, Location, Phase, decide
from retention.policy.predicates import PHASE_NUMBER
from retention.stores.sql import BATCH, batches

Row = Mapping[str, Any]

SUSPECTS_LIMIT = 10_000
"""Rows whose remote evidence lies in the future or cannot be read: more than this is a fault."""


@dataclass(frozen=True)
class Judged:
    """A row, what is known of it, and what is to be done with it."""

    key: Key
    row: Row
    facts: Facts
    purposes: tuple[str, ...]
    decision: Decision
    frozen: bool = False
    """It is under a restriction, whatever else holds it: nothing of it may change."""


@dataclass(frozen=True)
class Candidates:
    """The SQL side of the decision on one table for one day.

    ``phase`` is the joint phase by local evidence; ``condition`` holds for every row that
    may have to be moved, pseudonymised or reviewed: a superset where evidence is remote.
    """

    bound: BoundTable
    as_of: date
    phases: Mapping[str, ColumnElement[int]]
    phase: ColumnElement[int]
    done: ColumnElement[bool]
    suspects: tuple[Key, ...] = ()

    @property
    def stays_in_place(self) -> ColumnElement[bool]:
        """The archive phase is kept where the row lies: every live purpose says so."""
        moving = [
            self.phases[purpose.id]
            for purpose in self.bound.all_purposes.values()
            if not (purpose.archive and purpose.archive.in_place)
        ]
        if len(moving) == len(self.phases):
            return sa.false()
        archived = self.phase == PHASE_NUMBER[Phase.archive]
        if not moving:
            return archived
        return sa.and_(archived, self.bound.joint(moving) == PHASE_NUMBER[Phase.expired])

    @property
    def condition(self) -> ColumnElement[bool]:
        candidate = self.phase < PHASE_NUMBER[Phase.active]
        if self.bound.partial:
            tests = [candidate]
            tests += [key_in(self.bound.key, batch) for batch in batches(self.suspects, BATCH)]
            return sa.or_(*tests)
        return sa.and_(candidate, sa.not_(self.stays_in_place))

    @property
    def to_pseudonymise(self) -> ColumnElement[bool]:
        """Rows to be pseudonymised where they lie (a superset where evidence is remote)."""
        purposes = self.bound.all_purposes.values()
        if not any(purpose.archive and purpose.archive.in_place for purpose in purposes):
            return sa.false()
        if self.bound.partial:
            return sa.and_(self.phase < PHASE_NUMBER[Phase.active], sa.not_(self.done))
        return sa.and_(self.stays_in_place, sa.not_(self.done))


def candidates(bound: BoundTable, as_of: date, sources: Sources) -> Candidates:
    """The candidates of ``bound`` on ``as_of``."""
    phases = bound.phases(as_of)
    return Candidates(
        bound=bound,
        as_of=as_of,
        phases=phases,
        phase=bound.joint(list(phases.values())),
        done=pseudonymised(bound),
        suspects=tuple(_suspects(bound, as_of, sources)),
    )


def pseudonymised(bound: BoundTable) -> ColumnElement[bool]:
    """Whether a row has been pseudonymised in place: nothing is left to replace or clear."""
    tests: list[ColumnElement[bool]] = []
    for name, column in bound.table.columns.items():
        at = bound.sql.c[name]
        if column.pseudonymise is Pseudonymise.token:
            token = sa.and_(
                sa.func.length(at) == TOKEN_LENGTH,
                at.like(TOKEN_PREFIX.replace("_", r"\_") + "%", escape="\\"),
            )
            tests.append(sa.or_(at.is_(None), token))
        elif column.pseudonymise is Pseudonymise.clear:
            tests.append(cleared(at, column.cleared_as))
    return sa.and_(sa.true(), *tests) if tests else sa.false()


def cleared(at: ColumnElement[Any], cleared_as: object) -> ColumnElement[bool]:
    """Whether a column holds what it is cleared to; two-valued."""
    if cleared_as is None:
        return at.is_(None)
    return sa.and_(at.is_not(None), at == cleared_as)


def _suspects(bound: BoundTable, as_of: date, sources: Sources) -> Iterator[Key]:
    """Rows that look active, but whose remote evidence sends a purpose to review."""
    found: set[Key] = set()
    for remote in bound.remote:
        names = _suspect_names(remote, as_of, sources)
        near = normalised(remote.near, remote.link.normaliser, bound.dialect)
        with sources.begin(bound.system) as connection:
            for batch in batches(names, BATCH):
                statement = sa.select(*bound.key).select_from(bound.sql)
                for target, on in remote.near_joins:
                    statement = statement.join(target, on)
                found.update(
                    tuple(row) for row in connection.execute(statement.where(near.in_(batch)))
                )
    if len(found) > SUSPECTS_LIMIT:
        raise SourceError(
            f"{bound.name}: the linked systems hold impossible dates for {len(found)} rows"
        )
    yield from sorted(found, key=repr)


def _suspect_names(remote: RemoteSource, as_of: date, sources: Sources) -> list[str]:
    engine = sources.engine(remote.system)
    name = normalised(remote.far_value, remote.link.normaliser, engine.dialect.name)
    tests = [
        sa.or_(column.unreadable(), column.after(as_of + ONE_DAY)) for column in remote.columns
    ]
    if remote.start is not None and remote.end is not None:
        start, end = remote.start, remote.end
        tests = [
            start.unreadable(), end.unreadable(), end.is_unknown_sentinel(),
            start.after(as_of + ONE_DAY),
            sa.and_(start.known(), end.known(), end.day() < start.day()),
        ]  # fmt: skip
    statement = sa.select(name).distinct().select_from(remote.far_table)
    for target, on in remote.far_joins:
        statement = statement.join(target, on)
    with sources.begin(remote.system) as far:
        rows = far.execute(statement.where(sa.or_(*tests)).limit(SUSPECTS_LIMIT + 1))
        return [row[0] for row in rows if row[0]]


def judge(
    connection: Connection,
    bound: BoundTable,
    rows: Sequence[Row],
    as_of: date,
    sources: Sources | None,
    held: Collection[Key] = (),
    remembered: Mapping[Key, Facts] | None = None,
    frozen: Collection[Key] = (),
) -> list[Judged]:
    """Decide on fetched ``rows`` (every column by name) with their complete facts.

    ``held`` are the keys under a hold or a restriction, ``frozen`` those under a restriction;
    ``remembered`` is what rows that have left said of these (``memory.remembered``).
    """
    by_key: dict[Key, Row] = {tuple(row[name] for name in bound.table.key): row for row in rows}
    facts = load_facts(connection, bound, by_key, sources)
    for key, more in (remembered or {}).items():
        facts[key] = facts[key].merged(more)
    purposes = bound.all_purposes
    held_for = _held_for(connection, bound, by_key)
    judged = []
    for key, row in by_key.items():
        names = held_for[key]
        decision = decide(
            [purposes[name] for name in names],
            facts[key],
            as_of,
            location=Location.pseudonymised if is_pseudonymised(bound, row) else Location.active,
            held=key in held,
            uncovered=bound.uncovered,
        )
        judged.append(Judged(key, row, facts[key], names, decision, key in frozen))
    return judged


def _held_for(
    connection: Connection, bound: BoundTable, keys: Iterable[Key]
) -> dict[Key, tuple[str, ...]]:
    """The purposes each row is held for; a row that has gone meanwhile, for every one.

    The database compares, as it does in the plan: padding, affinity and collation are its own.
    """
    every = {key: tuple(bound.all_purposes) for key in keys}
    if all(held.applies is None for held in bound.purposes):
        return every
    tests = [sa.true() if held.applies is None else held.applies for held in bound.purposes]
    labelled = [test.label(f"held_{place}") for place, test in enumerate(tests)]
    found = dict(every)
    for batch in batches(every, BATCH):
        statement = sa.select(*bound.key, *labelled).where(key_in(bound.key, batch))
        for row in connection.execute(statement):
            answers = zip(bound.purposes, row[len(bound.key) :], strict=True)
            key = tuple(row[: len(bound.key)])
            found[key] = tuple(held.purpose.id for held, answer in answers if answer)
    return found


def is_pseudonymised(bound: BoundTable, row: Row) -> bool:
    """As :func:`pseudonymised`, on a fetched row."""
    relevant = False
    for name, column in bound.table.columns.items():
        value = row[name]
        if column.pseudonymise is Pseudonymise.token:
            relevant = True
            if value is not None and not (
                isinstance(value, str)
                and len(value) == TOKEN_LENGTH
                and value.startswith(TOKEN_PREFIX)
            ):
                return False
        elif column.pseudonymise is Pseudonymise.clear:
            relevant = True
            if value != column.cleared_as:
                return False
    return relevant
