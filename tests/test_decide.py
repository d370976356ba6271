"""The decision: decided cases, and what must hold of every decision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from retention.policy.calendar import parse_day
from retention.policy.decide import (
    Action,
    Contract,
    Decision,
    Facts,
    Location,
    Phase,
    PurposeDecision,
    ReviewReason,
    decide,
)
from retention.policy.table import Policy, Purpose, read_policy

ROOT = Path(__file__).parent.parent
POLICY = read_policy(ROOT / "policies" / "callimedia.yaml")
PARIS = ZoneInfo("Europe/Paris")
CASES = [
    json.loads(line)
    for line in (ROOT / "tests" / "data" / "decisions.jsonl").read_text("utf-8").splitlines()
]
PURPOSES = {
    name: purpose
    for name, purpose in POLICY.versions[0].purposes.items()
    if not purpose.anonymous_only
}
LATEST_EVENT_PURPOSES = [item for item in PURPOSES.values() if item.only_prolonged_by_evidence]
RANK = {Phase.expired: 0, Phase.archive: 1, Phase.active: 2}


def facts_of(events: Mapping[str, Any]) -> Facts:
    """The facts of a case: an ISO day or instant, or a list of them; contracts as pairs."""
    days = {
        kind: [parse_day(text, PARIS) for text in ([value] if isinstance(value, str) else value)]
        for kind, value in events.items()
        if kind != "contracts"
    }
    contracts = [
        Contract(*(parse_day(pair[end], PARIS) if pair[end] else None for end in ("start", "end")))
        for pair in events.get("contracts", [])
    ]
    return Facts(days, {"contracts": contracts})


def closing_on(financial_year_end: str) -> Policy:
    """CALLIMEDIA's policy for a company whose financial year closes on another day."""
    document = POLICY.model_dump(mode="json", by_alias=True)
    return Policy.model_validate({**document, "financial_year_end": financial_year_end})


def decide_case(case: Mapping[str, Any]) -> Decision:
    policy = closing_on(case["financial_year_end"]) if "financial_year_end" in case else POLICY
    as_of = date.fromisoformat(case["as_of"])
    purposes = policy.version_on(as_of).purposes
    return decide(
        [purposes[name] for name in case["purposes"]],
        facts_of(case["events"]),
        as_of,
        location=Location(case.get("location", "active")),
        held=any(case.get("flags", {}).values()),
        uncovered=case.get("uncovered", False),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_decided_case_is_decided_so(case: dict[str, Any]) -> None:
    decision = decide_case(case)

    assert {
        "phase": decision.phase,
        "action": decision.action,
        "changes_on": decision.changes_on.isoformat() if decision.changes_on else None,
        "live_purposes": list(decision.live_purposes),
    } == case["expected"]


def test_the_decided_cases_reach_every_purpose_phase_action_and_location() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES) >= 83
    assert {name for case in CASES for name in case["purposes"]} == set(PURPOSES)
    assert {case["expected"]["phase"] for case in CASES} == set(Phase)
    # A restriction is no decision of the policy's: a person's request makes it.
    assert {case["expected"]["action"] for case in CASES} == set(Action) - {Action.restrict}
    assert {case.get("location", "active") for case in CASES} == set(Location)


@pytest.mark.parametrize(
    ("purpose", "facts", "reason"),
    [
        ("prospecting", Facts(), ReviewReason.no_event),
        ("prospecting", Facts({"login": [date(2026, 1, 1)]}), ReviewReason.no_event),
        (
            "prospecting",
            Facts({"collected": [date(2026, 1, 1)]}, unreadable={"enquiry"}),
            ReviewReason.unreadable,
        ),
        ("trackers", Facts({"deposit": [date(2026, 11, 25)]}), ReviewReason.future_event),
        (
            "payment",
            Facts({}, {"contracts": [Contract(date(2020, 1, 2), date(2020, 1, 1))]}),
            ReviewReason.ends_before_start,
        ),
    ],
)
def test_a_purpose_in_review_says_why(purpose: str, facts: Facts, reason: ReviewReason) -> None:
    decision = decide([PURPOSES[purpose]], facts, date(2026, 11, 23))

    assert decision.phase is Phase.review
    assert [item.reason for item in decision.purposes] == [reason]


def test_an_unreadable_date_of_another_purpose_does_not_matter() -> None:
    facts = Facts({"collected": [date(2026, 1, 1)]}, unreadable={"login"})

    assert decide([PURPOSES["prospecting"]], facts, date(2026, 11, 23)).phase is Phase.active


def test_a_record_without_purpose_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one purpose"):
        decide([], Facts(), date(2026, 11, 23))


def test_a_record_held_for_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="'statistics' may hold anonymous output only"):
        decide([POLICY.versions[0].purposes["statistics"]], Facts(), date(2026, 11, 23))


def test_facts_of_two_systems_are_merged() -> None:
    one = Facts({"login": [date(2024, 1, 1)]}, {"contracts": [Contract(None, None)]}, {"contact"})
    two = Facts({"login": [date(2025, 1, 1)], "purchase": [date(2023, 1, 1)]}, {}, {"service"})

    merged = one.merged(two)

    assert merged == Facts(
        {"login": (date(2024, 1, 1), date(2025, 1, 1)), "purchase": (date(2023, 1, 1),)},
        {"contracts": (Contract(None, None),)},
        frozenset({"contact", "service"}),
    )


def test_an_open_contract_under_a_financial_year_of_june_has_no_end() -> None:
    """A year that closes after the calendar's last day must not stop a run."""
    document = closing_on("06-30").model_dump(mode="json", by_alias=True)
    document["versions"][0]["purposes"]["accounting"]["archive"]["from_latest"] = ["contracts"]
    accounting = Policy.model_validate(document).versions[0].purposes["accounting"]
    facts = Facts({}, {"contracts": [Contract(date(2020, 1, 1), None)]})

    decision = decide([accounting], facts, date(2026, 11, 23))

    assert (decision.phase, decision.changes_on) == (Phase.archive, None)


# What must hold of every decision. Days lie within some years of the day of decision, thickly
# around it, so that the days on which a phase changes are hit.

as_ofs = st.dates(date(2019, 1, 1), date(2032, 12, 31))


def days_until(latest: date) -> st.SearchStrategy[date]:
    return st.one_of(
        st.integers(0, 12 * 366).map(lambda ago: latest - timedelta(days=ago)),
        st.builds(
            lambda years, ago: latest - timedelta(days=ago + (years * 1461) // 4),
            st.sampled_from([0, 1, 3, 5, 10]),
            st.integers(0, 3),
        ),
    )


@st.composite
def contracts(draw: st.DrawFn, as_of: date) -> Contract:
    start = draw(st.none() | days_until(as_of + timedelta(days=1)))
    end = draw(st.none() | days_until(as_of + timedelta(days=4 * 365)))
    return Contract(start, max(start, end) if start and end else end)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Purpose], Facts, date]:
    """A record with no event further ahead than tomorrow, and no impossible contract."""
    as_of = draw(as_ofs)
    days = draw(
        st.dictionaries(
            st.sampled_from(sorted(set(POLICY.events) - {"contracts"})),
            st.lists(days_until(as_of + timedelta(days=1)), min_size=1, max_size=3),
            max_size=6,
        )
    )
    agreements = draw(st.lists(contracts(as_of), max_size=2))
    names = draw(st.lists(st.sampled_from(sorted(PURPOSES)), min_size=1, max_size=4, unique=True))
    return [PURPOSES[name] for name in names], Facts(days, {"contracts": agreements}), as_of


def days_that_tell(item: PurposeDecision, as_of: date) -> list[date]:
    """``as_of``, and the days on both sides of each end that lies ahead."""
    ends = [end for end in (item.active_through, item.archive_through) if end and end < date.max]
    return [as_of, *(end + timedelta(days=by) for end in ends for by in (0, 1) if end >= as_of)]


@given(st.data(), st.sampled_from(LATEST_EVENT_PURPOSES))
@settings(deadline=None)
def test_a_further_event_never_shortens_a_latest_event_purpose(
    data: st.DataObject, purpose: Purpose
) -> None:
    _, facts, as_of = data.draw(cases())
    kind = data.draw(st.sampled_from(sorted(purpose.starting_kinds)))
    if kind == "contracts":
        more = Facts({}, {kind: [data.draw(contracts(as_of))]})
    else:
        more = Facts({kind: [data.draw(days_until(as_of + timedelta(days=1)))]})
    (before,) = decide([purpose], facts, as_of).purposes
    (after,) = decide([purpose], facts.merged(more), as_of).purposes
    assume(before.phase is not Phase.review)

    for day in (*days_that_tell(before, as_of), *days_that_tell(after, as_of)):
        assert RANK[after.phase_on(day)] >= RANK[before.phase_on(day)], day


@given(cases(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_purposes_and_of_events_is_irrelevant(case, random) -> None:
    purposes, facts, as_of = case
    others = random.sample(purposes, len(purposes))
    turned = Facts(
        {kind: random.sample(days, len(days)) for kind, days in facts.days.items()},
        {kind: list(reversed(items)) for kind, items in facts.contracts.items()},
    )

    assert told(decide(others, turned, as_of)) == told(decide(purposes, facts, as_of))


def told(decision: Decision) -> tuple[object, ...]:
    by_name = sorted(decision.purposes, key=lambda item: item.purpose)
    return (
        decision.phase,
        decision.action,
        decision.changes_on,
        decision.live_purposes,
        decision.archive_through,
        tuple(by_name),
    )


@given(cases())
@settings(deadline=None)
def test_the_same_facts_give_the_same_decision(case) -> None:
    purposes, facts, as_of = case

    assert decide(purposes, facts, as_of) == decide(purposes, facts, as_of)


@given(cases(), st.lists(st.floats(0, 1), min_size=8, max_size=8))
@settings(deadline=None)
def test_the_phase_changes_on_the_day_foretold_and_not_before(case, shares) -> None:
    purposes, facts, as_of = case
    decision = decide(purposes, facts, as_of)
    horizon = decision.changes_on or as_of + timedelta(days=30 * 365)
    span = (horizon - as_of).days - 1
    sampled = {round(share * span) for share in shares} | {0, min(1, span), span}

    for ahead in sampled:
        day = as_of + timedelta(days=ahead)
        assert decide(purposes, facts, day).phase is decision.phase, day
    if decision.changes_on:
        assert decision.changes_on > as_of
        assert decide(purposes, facts, decision.changes_on).phase is not decision.phase


@given(cases())
@settings(deadline=None)
def test_the_joint_phase_follows_the_purposes(case) -> None:
    purposes, facts, as_of = case
    decision = decide(purposes, facts, as_of)
    alone = {purpose.id: decide([purpose], facts, as_of).phase for purpose in purposes}

    assert decision.phase is first_of(
        [Phase.active, Phase.review, Phase.archive, Phase.expired], list(alone.values())
    )
    assert decision.live_purposes == tuple(
        sorted(name for name, phase in alone.items() if phase is not Phase.expired)
    )


def first_of(order: Sequence[Phase], present: Sequence[Phase]) -> Phase:
    return next(phase for phase in order if phase in present)


@given(cases(), st.sampled_from(Location))
@settings(deadline=None)
def test_the_action_follows_the_phase_and_the_place(case, location: Location) -> None:
    purposes, facts, as_of = case
    decision = decide(purposes, facts, as_of, location=location)
    held = decide(purposes, facts, as_of, location=location, held=True)

    assert held.action is Action.hold
    assert (held.phase, held.changes_on) == (decision.phase, decision.changes_on)
    assert (decision.action is Action.dispose) == (decision.phase is Phase.expired)
    assert (decision.action is Action.review) == (decision.phase is Phase.review)
    if decision.action in (Action.archive, Action.pseudonymise):
        assert decision.phase is Phase.archive
        assert location is not Location.archive
