"""The decision as SQL: the same table as ``decide``, compiled to expressions on a row.

A phase is a small number, so that the phase of a record is the greatest of its purposes'
phases. ``Source`` says where an event's dates are in the database; the catalogue makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from retention.policy.calendar import ONE_DAY, cut_off
from retention.policy.decide import Phase
from retention.policy.table import Purpose, Rule

PHASE_NUMBER: Mapping[Phase, int] = {
    Phase.expired: 0,
    Phase.archive: 1,
    Phase.review: 2,
    Phase.active: 3,
}
PHASE_OF_NUMBER: Mapping[int, Phase] = {number: phase for phase, number in PHASE_NUMBER.items()}

Test = ColumnElement[bool]


class Dates(Protocol):
    """A column of dates; every expression is two-valued."""

    def known(self) -> Test: ...
    def is_open(self) -> Test: ...
    def is_unknown_sentinel(self) -> Test: ...
    def unreadable(self) -> Test: ...
    def on_or_before(self, day: date) -> Test: ...
    def after(self, day: date) -> Test: ...
    def day(self) -> ColumnElement[Any]: ...


class Source(Protocol):
    """Where an event is found: on the row itself, or on rows joined to it."""

    @property
    def point(self) -> Dates | None: ...
    @property
    def start(self) -> Dates | None: ...
    @property
    def end(self) -> Dates | None: ...
    @property
    def null_end(self) -> Test: ...
    @property
    def joined(self) -> bool: ...
    def exists(self, condition: Test) -> Test: ...


Evidence = Mapping[str, Sequence[Source]]


@dataclass(frozen=True)
class HeldPurpose:
    """A purpose, and the condition under which a row is held for it."""

    purpose: Purpose
    applies: Test | None = None


def phase_of_purpose(purpose: Purpose, evidence: Evidence, as_of: date) -> ColumnElement[int]:
    """The number of the phase in which ``purpose`` stands for the row, on ``as_of``."""
    compiler = _Compiler(purpose, evidence, as_of)
    return sa.case(
        (compiler.review(), PHASE_NUMBER[Phase.review]),
        (compiler.active(), PHASE_NUMBER[Phase.active]),
        (compiler.archive(), PHASE_NUMBER[Phase.archive]),
        else_=PHASE_NUMBER[Phase.expired],
    )


def phase_of_record(phases: Sequence[ColumnElement[int]], dialect_name: str) -> ColumnElement[int]:
    """The joint phase: active, else review, else archive, else expired."""
    if not phases:
        return sa.literal(PHASE_NUMBER[Phase.expired])
    if len(phases) == 1:
        return phases[0]
    greatest = sa.func.max if dialect_name == "sqlite" else sa.func.greatest
    return greatest(*phases, type_=sa.Integer)


def held_phase(held: HeldPurpose, evidence: Evidence, as_of: date) -> ColumnElement[int]:
    """The phase of a purpose for the rows held for it; expired for the others."""
    phase = phase_of_purpose(held.purpose, evidence, as_of)
    if held.applies is None:
        return phase
    return sa.case((held.applies, phase), else_=PHASE_NUMBER[Phase.expired])


def _any(tests: Iterable[Test]) -> Test:
    return sa.or_(sa.false(), *tests)


class _Compiler:
    def __init__(self, purpose: Purpose, evidence: Evidence, as_of: date) -> None:
        self.purpose = purpose
        self.evidence = evidence
        self.as_of = as_of

    def _sources(self, kinds: Iterable[str]) -> Iterator[Source]:
        for kind in sorted(kinds):
            yield from self.evidence.get(kind, ())

    def review(self) -> Test:
        """As ``decide``: unreadable, nothing known, ends before start, in the future."""
        tests: list[Test] = []
        known: list[Test] = []
        tomorrow = self.as_of + ONE_DAY
        for source in self._sources(self.purpose.kinds):
            if source.point is not None:
                known.append(source.exists(source.point.known()))
                tests.append(
                    source.exists(sa.or_(source.point.unreadable(), source.point.after(tomorrow)))
                )
                continue
            start, end = _pair(source)
            known.append(source.exists(_present(source)))
            tests.append(
                source.exists(
                    sa.or_(
                        start.unreadable(),
                        end.unreadable(),
                        end.is_unknown_sentinel(),
                        start.after(tomorrow),
                        sa.and_(start.known(), end.known(), end.day() < start.day()),
                    )
                )
            )
        return sa.or_(_any(tests), sa.not_(_any(known)))

    def active(self) -> Test:
        """Whether the active phase runs, given that the purpose is not in review."""
        rule = self.purpose.active
        if rule is None:
            return sa.false()
        cut = cut_off(self.purpose.active_end, self.as_of)
        if not rule.ended_by:
            return self._runs(rule, cut)
        return sa.and_(self._runs(rule, cut), sa.not_(self._ended(rule.from_latest, rule.ended_by)))

    def archive(self) -> Test:
        """Whether the archive phase runs, given neither review nor active."""
        rule = self.purpose.archive
        if rule is None:
            return sa.false()
        return self._runs(rule, cut_off(self.purpose.archive_end, self.as_of))

    def _runs(self, rule: Rule, cut: date) -> Test:
        if rule.from_first is None:
            return _any(
                source.exists(_later(source, cut)) for source in self._sources(rule.from_latest)
            )
        return sa.not_(self._first_is_over(rule.from_first, rule.since_latest, cut))

    def _first_is_over(self, first: str, since: str | None, cut: date) -> Test:
        """Whether the first ``first`` on or after the latest ``since`` lies on or before ``cut``.

        With no ``first`` since then, the latest ``since`` itself counts.
        """
        since_sources = list(self._sources([since])) if since else []
        first_sources = list(self._sources([first]))
        if not since_sources:
            return _any(s.exists(_point(s).on_or_before(cut)) for s in first_sources)

        def not_superseded(source: Source) -> Test:
            return sa.not_(
                _any(
                    other.exists(
                        sa.and_(_point(other).known(), _point(other).day() > _point(source).day())
                    )
                    for other in since_sources
                )
            )

        since_known = _any(s.exists(_point(s).known()) for s in since_sources)
        recent = _any(s.exists(_point(s).after(cut)) for s in since_sources)
        some_over = _any(
            s.exists(sa.and_(_point(s).on_or_before(cut), not_superseded(s))) for s in first_sources
        )
        none_since = sa.not_(
            _any(s.exists(sa.and_(_point(s).known(), not_superseded(s))) for s in first_sources)
        )
        return sa.and_(sa.not_(recent), sa.or_(some_over, sa.and_(since_known, none_since)))

    def _ended(self, starts: Sequence[str], endings: Sequence[str]) -> Test:
        """Whether an ending that has come is on or after every starting event."""

        def no_later_start(ending: Source) -> Test:
            return sa.not_(
                _any(
                    source.exists(_on_later_day(source, _point(ending)))
                    for source in self._sources(starts)
                )
            )

        return _any(
            ending.exists(sa.and_(_point(ending).on_or_before(self.as_of), no_later_start(ending)))
            for ending in self._sources(endings)
        )


def _point(source: Source) -> Dates:
    assert source.point is not None, "the policy model refuses intervals here"
    return source.point


def _pair(source: Source) -> tuple[Dates, Dates]:
    assert source.start is not None
    assert source.end is not None
    return source.start, source.end


def _present(source: Source) -> Test:
    """A joined row is a contract; a row's own pair is one only where a date is given."""
    start, end = _pair(source)
    if source.joined:
        return sa.true()
    return sa.or_(start.known(), end.known(), end.is_open(), end.is_unknown_sentinel())


def _in_force(source: Source) -> Test:
    _, end = _pair(source)
    return sa.and_(_present(source), sa.or_(source.null_end, end.is_open()))


def _later(source: Source, day: date) -> Test:
    if source.point is not None:
        return source.point.after(day)
    _, end = _pair(source)
    return sa.or_(_in_force(source), end.after(day))


def _on_later_day(source: Source, other: Dates) -> Test:
    if source.point is not None:
        return sa.and_(source.point.known(), source.point.day() > other.day())
    _, end = _pair(source)
    return sa.or_(_in_force(source), sa.and_(end.known(), end.day() > other.day()))
