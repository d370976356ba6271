"""The decision: what phase a record is in on a day, and what is to be done with it.

``decide`` is the reference. ``predicates`` compiles the same table to SQL, and a property
test holds the two equal. Only civil days come in: turning instants into days is the
caller's work (``calendar.day_in``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from retention.policy.calendar import ONE_DAY
from retention.policy.table import ActiveRule, Purpose, Rule


class Phase(StrEnum):
    """Where a record stands between collection and disappearance."""

    active = "active"
    review = "review"
    archive = "archive"
    expired = "expired"


class Action(StrEnum):
    """What a run does with a record."""

    keep = "keep"
    archive = "archive"
    pseudonymise = "pseudonymise"
    dispose = "dispose"
    review = "review"
    hold = "hold"
    restrict = "restrict"
    """Sealed in the archive until the restriction is lifted; only a person's request says so."""


class Location(StrEnum):
    """Where the record lies now."""

    active = "active"
    pseudonymised = "pseudonymised"
    archive = "archive"


class ReviewReason(StrEnum):
    """Why a purpose cannot be decided without a person."""

    no_event = "no event known"
    future_event = "an event lies in the future"
    ends_before_start = "a contract ends before it starts"
    unreadable = "a date cannot be read"
    uncovered = "the policy has no duration for a category of data held"
    referred_to = "a record of the person that cannot be decided on refers to it"


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract's civil days. An absent end means that it is in force."""

    start: date | None
    end: date | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a record's events, by kind."""

    days: Mapping[str, Sequence[date]] = field(default_factory=dict)
    contracts: Mapping[str, Sequence[Contract]] = field(default_factory=dict)
    unreadable: Collection[str] = ()
    """Kinds of which a value could not be read as a date."""

    def knows(self, kind: str) -> bool:
        return bool(self.days.get(kind)) or bool(self.contracts.get(kind))

    def merged(self, other: Facts) -> Facts:
        """These facts and those of another system together."""
        days = {
            kind: (*self.days.get(kind, ()), *other.days.get(kind, ()))
            for kind in {*self.days, *other.days}
        }
        contracts = {
            kind: (*self.contracts.get(kind, ()), *other.contracts.get(kind, ()))
            for kind in {*self.contracts, *other.contracts}
        }
        return Facts(days, contracts, frozenset(self.unreadable) | frozenset(other.unreadable))


@dataclass(frozen=True, slots=True)
class PurposeDecision:
    """Where one purpose stands. Ends are last days; ``None`` with ``open_ended`` means no end."""

    purpose: str
    phase: Phase
    active_through: date | None = None
    archive_through: date | None = None
    open_ended: bool = False
    in_place: bool = False
    reason: ReviewReason | None = None

    @property
    def live(self) -> bool:
        """Whether the purpose still allows the record to be kept."""
        return self.phase is not Phase.expired

    def phase_on(self, day: date) -> Phase:
        """The phase on a later day, when nothing new happens."""
        if self.phase is Phase.review:
            return Phase.review
        if self.open_ended or (self.active_through and day <= self.active_through):
            return Phase.active
        if self.archive_through and day <= self.archive_through:
            return Phase.archive
        return Phase.expired


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a record."""

    phase: Phase
    action: Action
    changes_on: date | None
    live_purposes: tuple[str, ...]
    purposes: tuple[PurposeDecision, ...]

    @property
    def archive_through(self) -> date | None:
        """The last day any of its purposes keeps the record in the archive."""
        ends = [item.archive_through for item in self.purposes if item.archive_through]
        return max(ends, default=None)


def decide(
    purposes: Sequence[Purpose],
    facts: Facts,
    as_of: date,
    *,
    location: Location = Location.active,
    held: bool = False,
    uncovered: bool = False,
) -> Decision:
    """Decide on a record held for ``purposes``, on the civil day ``as_of``.

    ``held`` covers legal holds and restrictions (GDPR art. 18); ``uncovered`` says that the
    record has data for which the policy names no duration.

    Raises:
        ValueError: the record is held for no purpose, or for one that has no clock.
    """
    if not purposes:
        raise ValueError("a record must be held for at least one purpose")
    decisions = tuple(
        _uncovered(purpose) if uncovered else _decide_purpose(purpose, facts, as_of)
        for purpose in purposes
    )
    phase = joint_phase([item.phase for item in decisions])
    return Decision(
        phase=phase,
        action=action_of(phase, decisions, location, held=held),
        changes_on=_changes_on(phase, decisions, as_of),
        live_purposes=tuple(sorted(item.purpose for item in decisions if item.live)),
        purposes=decisions,
    )


def _uncovered(purpose: Purpose) -> PurposeDecision:
    return PurposeDecision(purpose.id, Phase.review, reason=ReviewReason.uncovered)


def _decide_purpose(purpose: Purpose, facts: Facts, as_of: date) -> PurposeDecision:
    if purpose.anonymous_only:
        raise ValueError(f"purpose '{purpose.id}' may hold anonymous output only")
    reason = _review_reason(purpose, facts, as_of)
    if reason:
        return PurposeDecision(purpose.id, Phase.review, reason=reason)
    active, archive = purpose.active, purpose.archive
    open_ended = active is not None and _in_force(active, facts)
    active_through = None
    if active and not open_ended:
        anchor = _anchor(active, facts)
        active_through = purpose.active_end(anchor) if anchor else None
    ended_from = _ended_from(active, facts) if active else None
    if ended_from and (open_ended or active_through):
        open_ended = False
        last = ended_from - ONE_DAY
        active_through = min(active_through or last, last)
    archive_through = None
    if archive:
        anchor = _anchor(archive, facts)
        archive_through = purpose.archive_end(anchor) if anchor else None
    dated = PurposeDecision(
        purpose.id,
        Phase.expired,
        active_through,
        archive_through,
        open_ended,
        bool(archive and archive.in_place),
    )
    return replace(dated, phase=dated.phase_on(as_of))


def _review_reason(purpose: Purpose, facts: Facts, as_of: date) -> ReviewReason | None:
    kinds = purpose.kinds
    if any(kind in facts.unreadable for kind in kinds):
        return ReviewReason.unreadable
    if not any(facts.knows(kind) for kind in kinds):
        return ReviewReason.no_event
    contracts = [item for kind in kinds for item in facts.contracts.get(kind, ())]
    if any(item.start and item.end and item.end < item.start for item in contracts):
        return ReviewReason.ends_before_start
    days = [day for kind in kinds for day in facts.days.get(kind, ())]
    days += [item.start for item in contracts if item.start]
    if any(day > as_of + ONE_DAY for day in days):
        return ReviewReason.future_event
    return None


def _in_force(rule: Rule, facts: Facts) -> bool:
    return any(item.end is None for kind in rule.kinds for item in facts.contracts.get(kind, ()))


def _anchor(rule: Rule, facts: Facts) -> date | None:
    """The day the clock of ``rule`` starts; ``None`` where none of its events is known."""
    if rule.from_first is None:
        days = [day for kind in rule.from_latest for day in _days(facts, kind)]
        return max(days, default=None)
    firsts = facts.days.get(rule.from_first, ())
    since = facts.days.get(rule.since_latest, ()) if rule.since_latest else ()
    latest_since = max(since, default=None)
    if latest_since is None:
        return min(firsts, default=None)
    return min((day for day in firsts if day >= latest_since), default=latest_since)


def _days(facts: Facts, kind: str) -> list[date]:
    """Single events, and the ends of contracts; a contract in force never ends."""
    ends = [item.end or date.max for item in facts.contracts.get(kind, ())]
    return [*facts.days.get(kind, ()), *ends]


def _ended_from(rule: ActiveRule, facts: Facts) -> date | None:
    """The first day on which an ending event closed the phase for good."""
    latest = max((day for kind in rule.from_latest for day in _days(facts, kind)), default=date.min)
    endings = (day for kind in rule.ended_by for day in facts.days.get(kind, ()) if day >= latest)
    return min(endings, default=None)


def joint_phase(phases: Collection[Phase]) -> Phase:
    """The phase of a record whose purposes are in ``phases``."""
    for phase in (Phase.active, Phase.review, Phase.archive):
        if phase in phases:
            return phase
    return Phase.expired


def action_of(
    phase: Phase, decisions: Sequence[PurposeDecision], location: Location, *, held: bool
) -> Action:
    """What is to be done with a record in ``phase`` that lies at ``location``."""
    if held:
        return Action.hold
    if phase is Phase.expired:
        return Action.dispose
    if phase is Phase.review:
        return Action.review
    if phase is Phase.archive:
        in_place = all(item.in_place for item in decisions if item.live)
        if in_place and location is Location.active:
            return Action.pseudonymise
        if not in_place and location is not Location.archive:
            return Action.archive
    return Action.keep


def _changes_on(phase: Phase, decisions: Sequence[PurposeDecision], as_of: date) -> date | None:
    if phase in (Phase.review, Phase.expired):
        return None
    ends = {
        end
        for item in decisions
        for end in (item.active_through, item.archive_through)
        if end and as_of <= end < date.max
    }
    for end in sorted(ends):
        day = end + ONE_DAY
        if joint_phase([item.phase_on(day) for item in decisions]) is not phase:
            return day
    return None
