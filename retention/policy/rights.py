"""What a person's request makes of the decision on one of their records.

Pure, like ``decide``: the policy says what would be done today; a right changes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

from retention.policy.calendar import ONE_DAY
from retention.policy.decide import (
    Action,
    Contract,
    Decision,
    Facts,
    Location,
    Phase,
    PurposeDecision,
    ReviewReason,
    action_of,
    joint_phase,
)
from retention.policy.table import Purpose


def erased(
    purposes: Sequence[Purpose],
    facts: Facts,
    decision: Decision,
    as_of: date,
    *,
    location: Location = Location.active,
) -> Decision:
    """The decision once the person has asked for erasure (GDPR art. 17).

    What a running contract needs stays; what a statute obliges to keep goes to the archive, or
    stays there; everything else ends the day before ``as_of``. A purpose of which no event is
    known obliges to nothing. A hold stays a hold, and what cannot be decided stays in review.
    """
    ended = as_of - ONE_DAY
    by_id = {purpose.id: purpose for purpose in purposes}
    found = [_erased(by_id[item.purpose], item, facts, as_of, ended) for item in decision.purposes]
    return _decided(decision, found, location)


def opposed(
    ended: Collection[str],
    decision: Decision,
    as_of: date,
    *,
    location: Location = Location.active,
) -> Decision:
    """The decision once the person has objected to the purposes ``ended``, or withdrawn consent.

    What is held for other purposes stays as it is; what is held only for these goes.
    """
    found = [
        _over(item, as_of - ONE_DAY) if item.purpose in ended else item
        for item in decision.purposes
    ]
    return _decided(decision, found, location)


def restricted(decision: Decision) -> Decision:
    """The decision once processing is restricted (GDPR art. 18): the record leaves active use."""
    return replace(decision, action=Action.restrict)


def waiting(decision: Decision) -> Decision:
    """The decision on a record that would go, but that an undecided record refers to.

    It waits with that one, for every purpose.
    """
    found = [
        replace(item, phase=Phase.review, reason=ReviewReason.referred_to)
        for item in decision.purposes
    ]
    return _decided(decision, found, Location.active)


def is_prospecting(purpose: Purpose) -> bool:
    """Whether the purpose rests on consent that an event withdraws."""
    return bool(purpose.legal_basis == "consent" and purpose.active and purpose.active.ended_by)


def ended_by_objection(
    purposes: Mapping[str, Purpose], named: Collection[str] = ()
) -> frozenset[str]:
    """The purposes that an objection ends: those that it names, by default prospecting."""
    return frozenset(named) or frozenset(
        name for name, purpose in purposes.items() if is_prospecting(purpose)
    )


def why_not_opposed(purpose: Purpose) -> str | None:
    """Why nobody can object to a purpose nor withdraw consent to it; ``None``: they can.

    A consent can be withdrawn (GDPR art. 7(3)), a legitimate interest objected to (art. 21(1)).
    """
    return _NOT_OPPOSED.get(purpose.legal_basis)


_NOT_OPPOSED = {
    "contract": "it rests on a contract",
    "legal_obligation": "it rests on a legal obligation",
    "not_applicable": "it needs no legal basis",
}


def contract_in_force(purpose: Purpose, facts: Facts, as_of: date) -> bool:
    """Whether a contract that keeps the purpose alive runs on ``as_of``."""
    kinds: Collection[str] = purpose.active.kinds if purpose.active else ()
    contracts = [item for kind in kinds for item in facts.contracts.get(kind, ())]
    return any(_runs(item, as_of) for item in contracts)


def _runs(contract: Contract, as_of: date) -> bool:
    return contract.end is None or contract.end >= as_of


def _erased(
    purpose: Purpose, item: PurposeDecision, facts: Facts, as_of: date, ended: date
) -> PurposeDecision:
    if item.phase is Phase.review:
        return _over(item, ended) if item.reason is ReviewReason.no_event else item
    if contract_in_force(purpose, facts, as_of):
        return item
    if purpose.archive and purpose.archive.outlives_erasure and item.archive_through:
        active = min(item.active_through, ended) if item.active_through else None
        kept = replace(item, active_through=active, open_ended=False)
        return replace(kept, phase=kept.phase_on(as_of))
    return _over(item, ended)


def _over(item: PurposeDecision, ended: date) -> PurposeDecision:
    """The purpose, ended: nothing of it is live."""
    return replace(
        item,
        phase=Phase.expired,
        active_through=min(item.active_through or ended, ended),
        archive_through=min(item.archive_through, ended) if item.archive_through else None,
        open_ended=False,
        reason=None,
    )


def _decided(decision: Decision, found: Sequence[PurposeDecision], location: Location) -> Decision:
    phase = joint_phase([item.phase for item in found])
    held = decision.action is Action.hold
    return Decision(
        phase=phase,
        action=action_of(phase, found, location, held=held),
        changes_on=None,
        live_purposes=tuple(sorted(item.purpose for item in found if item.live)),
        purposes=tuple(found),
    )
