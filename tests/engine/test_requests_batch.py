"""Several requests in one run: each by itself, one search for all, and none left without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from retention import lease as leases
from retention.errors import LeaseHeld, SourceError
from retention.execution.reporting import find_run
from retention.execution.run import acquire_lease
from retention.execution.work import Stopped, Work
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing import broken_off, carrying_out
from retention.requests.doing.attempting import own_run
from retention.requests.doing.broken_off import note_broken_off
from retention.requests.doing.carrying_out import Fate, Watch, carry_out, carry_out_many
from retention.requests.model import Kind, Outcome, Request, RequestError, RequestId, State
from retention.requests.proving.reading import RawTable
from tests.engine.asking import ask, customer
from tests.engine.crash import Crash
from tests.engine.lives import ACTIVE, AS_OF, BARE, CLEARED, DISPOSE
from tests.engine.lives import customer as row_of
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import ledger_rows
from tests.engine.test_requests_crash import SELDOM, installed, stop_everywhere
from tests.engine.test_requests_races import meanwhile

CUSTOMERS = "crm.customers"
PERSONS = (ACTIVE, CLEARED, DISPOSE)


def erasures(installation: Installation, persons: Sequence[int] = PERSONS) -> list[Request]:
    return [
        ask(installation, Kind.erasure, [customer(number)], email=f"person{number}@example.org")
        for number in persons
    ]


def batch(
    installation: Installation, requests: Sequence[Request], *, later: int = 1, **more: Any
) -> list[Fate]:
    ticks = clock(START + timedelta(minutes=10 * later))
    numbers = [request.request_id for request in requests]
    return carry_out_many(installation, numbers, as_of=AS_OF, today=AS_OF, clock=ticks, **more)


def now(installation: Installation, requests: Sequence[Request]) -> list[tuple[State, str | None]]:
    found = [casebook.get(installation, request.request_id) for request in requests]
    return [(request.state, request.failure) for request in found]


@contextmanager
def counted_passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each table was read from end to end by the search by value."""
    passes: Counter[str] = Counter()
    own = RawTable.rows

    def rows(table: RawTable, at: Any) -> Any:
        passes[table.name] += 1
        return own(table, at)

    with monkeypatch.context() as patch:
        patch.setattr(RawTable, "rows", rows)
        yield passes


def in_hand(number: int, requests: Sequence[Request], what: Callable[[Work], None]) -> Any:
    """As ``meanwhile``, when the n-th request of a batch is in hand."""
    wanted = requests[number].request_id[:12]

    def when(work: Work) -> None:
        if work.journal.run_id.endswith(wanted):
            what(work)

    return meanwhile("delete", CUSTOMERS, when, each=True)


def test_each_is_done_by_itself_and_one_search_serves_all(
    either: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    with either.opened() as installation:
        requests = erasures(installation)
        with counted_passes(monkeypatch) as passes:
            fates = batch(installation, requests, run_id="the-run")
        assert [fate.error for fate in fates] == [None, None, None]
        assert now(installation, requests) == [(State.answered, None)] * 3
        assert set(passes.values()) == {1}
        for request in requests:
            assert casebook.get(installation, request.request_id).run_id == "the-run"
            own = find_run(installation.stores.control, own_run("the-run", request.request_id))
            assert own is not None and own.status == "done"
        leases.Lease.acquire(
            installation.stores.control, holder="next", host="h", pid=1, now=START, seconds=9,
            alive=lambda *_: True,
        ).release()  # fmt: skip
    assert not either.ids(CUSTOMERS) & set(PERSONS)


def test_fifty_are_searched_for_in_one_pass(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    people = range(700, 750)
    small.insert("crm.customers", *(row_of(number) for number in people))
    with small.opened() as installation:
        requests = erasures(installation, people)
        with counted_passes(monkeypatch) as passes:
            fates = batch(installation, requests)
        assert {fate.error for fate in fates} == {None}
        assert set(passes.values()) == {1} and CUSTOMERS in passes
    assert not small.ids(CUSTOMERS) & set(people)


def test_one_that_fails_is_marked_and_the_others_are_answered(small: Small) -> None:
    def fails(_work: Work) -> None:
        raise SourceError("crm: out of reach")

    with small.opened() as installation:
        requests = erasures(installation)
        with in_hand(1, requests, fails):
            first, second, third = batch(installation, requests)
        assert (first.error, third.error) == (None, None)
        assert second.failed and "crm: out of reach" in str(second.error)
        states = now(installation, requests)
        assert states[0] == states[2] == (State.answered, None)
        assert states[1] == (
            State.executing, "a part could not be touched: crm: out of reach",
        )  # fmt: skip
    assert small.ids(CUSTOMERS) & set(PERSONS) == {CLEARED}


def test_an_error_nobody_foresaw_is_kept_without_its_text(small: Small) -> None:
    def breaks(_work: Work) -> None:
        raise ZeroDivisionError("person2@example.org")

    with small.opened() as installation:
        requests = erasures(installation)
        with in_hand(0, requests, breaks):
            first, *others = batch(installation, requests)
        assert isinstance(first.error, ZeroDivisionError) and first.failed
        assert [fate.error for fate in others] == [None, None]
        assert now(installation, requests)[0] == (
            State.executing, "unexpected ZeroDivisionError",
        )  # fmt: skip
        casebook.retry(
            installation, requests[0].request_id, by="dpo", reason="mended", now=START + LONG_AFTER
        )
        assert batch(installation, requests[:1], later=20)[0].error is None
    assert not small.ids(CUSTOMERS) & set(PERSONS)


def test_what_is_left_of_one_does_not_keep_the_others_open(small: Small) -> None:
    """Their own search is strict, though it is the same pass."""
    with small.opened() as installation:
        requests = erasures(installation)

        def comes_back(_place: str) -> None:
            if CLEARED not in small.ids(CUSTOMERS):
                small.insert(CUSTOMERS, row_of(CLEARED))

        fates = batch(installation, requests, watch=Watch(searches=comes_back))
        assert [fate.failed for fate in fates] == [False, True, False]
        assert "a search by value finds more" in str(fates[1].error)
        assert [state for state, _ in now(installation, requests)] == [
            State.answered, State.executing, State.answered,
        ]  # fmt: skip


def test_while_another_run_is_at_work_none_is_begun(small: Small) -> None:
    with small.opened() as installation:
        requests = erasures(installation)
        copies = [ask(installation, Kind.access, [customer(ACTIVE)])]
        with acquire_lease(installation, "another", clock(START)):
            fates = batch(installation, [*requests, *copies], later=0)
        assert all(fate.left and isinstance(fate.error, LeaseHeld) for fate in fates)
        assert now(installation, requests) == [(State.verified, None)] * 3
        assert all(fate.error is None for fate in batch(installation, [*requests, *copies]))


def test_a_lease_that_is_lost_leaves_nothing_without_a_word(small: Small) -> None:
    def taken_over(_work: Work) -> None:
        small.run(start=START + LONG_AFTER)

    with small.opened() as installation:
        requests = erasures(installation, (ACTIVE, CLEARED, BARE))
        with in_hand(1, requests, taken_over):
            first, second, third = batch(installation, requests)
        assert first.failed and second.failed and third.left
        (_, of_first), (state, why), last = now(installation, requests)
        assert of_first is not None and "has lost its lease" in of_first
        assert state is State.executing and why is not None and "has lost its lease" in why
        assert last == (State.verified, None)
        for request in requests[:2]:
            casebook.retry(
                installation, request.request_id, by="dpo", reason="slept",
                now=START + 2 * LONG_AFTER,
            )  # fmt: skip
        ticks = clock(START + 3 * LONG_AFTER)
        numbers = [request.request_id for request in requests]
        again = carry_out_many(installation, numbers, as_of=AS_OF, today=AS_OF, clock=ticks)
        assert [fate.error for fate in again] == [None, None, None]


def test_a_person_who_stops_it_is_heard_between_two_chunks(small: Small) -> None:
    asked: list[bool] = []

    def stops(_work: Work) -> None:
        asked.append(True)

    with small.opened() as installation:
        requests = erasures(installation)
        with in_hand(1, requests, stops):
            first, second, third = batch(
                installation, requests, watch=Watch(stop_asked=lambda: bool(asked))
            )
        assert first.error is None
        assert second.failed and isinstance(second.error, Stopped)
        assert third.left
        assert now(installation, requests) == [
            (State.answered, None), (State.executing, carrying_out.STOPPED), (State.verified, None),
        ]  # fmt: skip
        own = own_run(
            str(casebook.get(installation, requests[1].request_id).run_id), requests[1].request_id
        )
        found = find_run(installation.stores.control, own)
        assert found is not None and found.status == "stopped"
        assert small.ids(CUSTOMERS) & set(PERSONS) == {CLEARED, DISPOSE}
        casebook.retry(
            installation, requests[1].request_id, by="dpo", reason="go on", now=START + LONG_AFTER
        )
        assert [fate.error for fate in batch(installation, requests[1:], later=20)] == [None, None]
        assert ledger_rows(installation, "dispose", CUSTOMERS) == 3


def test_the_same_person_twice_is_proved_before_the_next_begins(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the restriction seals is not held against the erasure, nor the other way round."""
    with small.opened() as installation:
        first = ask(installation, Kind.erasure, [customer(ACTIVE)])
        second = ask(installation, Kind.restriction, [customer(ACTIVE)])
        (other,) = erasures(installation, [CLEARED])
        with counted_passes(monkeypatch) as passes:
            fates = batch(installation, [first, second, other])
        assert [fate.error for fate in fates] == [None, None, None]
        assert set(passes.values()) == {2}


def test_what_was_refused_meanwhile_is_not_carried_out(small: Small) -> None:
    with small.opened() as installation:
        requests = erasures(installation)

        def refuses(request: Request) -> None:
            if request.request_id == requests[0].request_id:
                casebook.refuse(
                    installation, requests[1].request_id, by="dpo", reason="withdrawn", now=START
                )

        fates = batch(installation, requests, watch=Watch(begins=refuses))
        assert isinstance(fates[1].error, RequestError)
        assert [state for state, _ in now(installation, requests)] == [
            State.answered, State.refused, State.answered,
        ]  # fmt: skip
    assert small.ids(CUSTOMERS) & set(PERSONS) == {CLEARED}


# --- broken off ---------------------------------------------------------------------------


def dies(_place: str) -> None:
    raise Crash


@pytest.mark.parametrize("lives", [True, False])
def test_a_process_that_died_between_execution_and_proof_is_noted(
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
    lives: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    monkeypatch.setattr(broken_off, "process_alive", lambda *_: lives)
    monkeypatch.setattr("retention.execution.run.process_alive", lambda *_: lives)
    with small.opened() as installation:
        requests = erasures(installation)
        dead = _left_by_a_crash(small, requests)
        assert dead
        ticks = clock(START + timedelta(hours=20))
        noted = note_broken_off(installation, ticks)
        if lives:
            assert noted == [] and now(installation, requests) == [(State.executing, None)] * 3
            return
        assert set(noted) == {request.request_id for request in requests}
        assert now(installation, requests) == [(State.executing, broken_off.NOTE)] * 3
        assert note_broken_off(installation, ticks) == []
        for request in requests:
            casebook.retry(
                installation, request.request_id, by="dpo", reason="power cut", now=ticks()
            )
        fates = batch(installation, requests, later=200)
        assert [fate.error for fate in fates] == [None, None, None]
        deleted = [
            {line.outcome for line in casebook.outcomes(installation, request.request_id)}
            for request in requests
        ]
        assert all(Outcome.deleted in found for found in deleted)
        assert ledger_rows(installation, "dispose", CUSTOMERS) == 3
    assert not small.ids(CUSTOMERS) & set(PERSONS)


def _left_by_a_crash(small: Small, requests: Sequence[Request]) -> bool:
    """A process that dies in the search by value: its lease stays behind."""
    with small.reopened() as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases.Lease, "release", lambda _: None)
        try:
            batch(other, requests, watch=Watch(searches=dies))
        except Crash:
            return True
    return False


def test_one_whose_run_another_has_taken_over_is_noted(small: Small) -> None:
    with small.opened() as installation:
        requests = erasures(installation)
        assert _left_by_a_crash(small, requests)
        ticks = clock(START + timedelta(hours=20))
        with acquire_lease(installation, "another", ticks):
            assert len(note_broken_off(installation, ticks)) == 3


@pytest.mark.slow
def test_a_batch_that_is_stopped_at_any_commit(tmp_path: Path) -> None:
    """Whoever takes it up again, request by request, comes to the same end."""
    start = installed(tmp_path / "start")
    with start.reopened() as installation:
        requests = erasures(installation, (ACTIVE, BARE))
    numbers = [request.request_id for request in requests]

    def step(installation: Installation, _number: str, attempt: int) -> None:
        ticks = clock(START + attempt * LONG_AFTER)
        for number in numbers:
            if casebook.get(installation, number).state in (State.planned, State.executing):
                casebook.retry(installation, number, by="dpo", reason="power cut", now=ticks())
        fates = carry_out_many(installation, numbers, as_of=AS_OF, today=AS_OF, clock=ticks)
        assert all(fate.request.state is State.answered for fate in fates)

    for number in numbers:
        (scratch := tmp_path / number).mkdir()
        wanted = stop_everywhere(start, number, step, scratch, every=2 * SELDOM)
        assert wanted["request"][0] is State.answered


def test_a_single_request_raises_what_went_wrong(small: Small) -> None:
    with small.opened() as installation:
        (request,) = erasures(installation, [ACTIVE])
        with acquire_lease(installation, "another", clock(START)), pytest.raises(LeaseHeld):
            carry_out(
                installation, request.request_id, as_of=AS_OF, today=AS_OF, clock=clock(START)
            )
        unknown = replace(request, request_id=RequestId("0" * 32))
        with pytest.raises(RequestError, match="there is no request"):
            batch(installation, [request, unknown])
        assert now(installation, [request]) == [(State.verified, None)]
