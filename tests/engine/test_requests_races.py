"""What others do while a request is carried out: nothing is done twice, halfway, or wrongly said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from retention import holds
from retention.errors import LeaseHeld, RetentionError
from retention.execution.run import STAGES, Stage
from retention.execution.work import Work
from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.book import casebook
from retention.requests.doing import carrying_out
from retention.requests.doing.carrying_out import carry_out
from retention.requests.model import Kind, Outcome, Request, RequestError, State
from tests.engine.asking import ask, customer, done, lifted, said, tables_with
from tests.engine.lives import ACTIVE, AS_OF, CLEARED, invoice, order
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import ledger_rows

CUSTOMERS, INVOICES = "crm.customers", "crm.invoices"


@contextmanager
def meanwhile(
    stage: Stage, table: str, what: Callable[[Work], None], *, each: bool = False
) -> Iterator[None]:
    """Once (or ``each`` time), when ``stage`` of ``table`` begins, somebody does ``what``."""
    own, done_once = STAGES[stage], []

    def patched(work: Work, name: Any) -> Any:
        if name == table and (each or not done_once):
            done_once.append(True)
            what(work)
        return own(work, name)

    STAGES[stage] = patched
    try:
        yield
    finally:
        STAGES[stage] = own
    assert done_once, "the stage was never reached"


def tried_again(installation: Installation, request: Request, later: int = 20) -> Request:
    """As a person would: with the cause gone, 'retention request retry' and once more."""
    casebook.retry(installation, request.request_id, by="dpo", reason="seen to", now=START)
    return done(installation, request, later=later)


def test_a_request_waits_for_a_daily_run_and_is_as_it_was(either: Small) -> None:
    tried: list[str] = []

    def ask_now(stage: str, name: str, _work: Work) -> None:
        if (stage, name) != ("delete", CUSTOMERS):
            return
        with either.opened() as installation:
            for kind in (Kind.erasure, Kind.restriction):
                request = ask(installation, kind, [customer(ACTIVE)])
                with pytest.raises(LeaseHeld):
                    done(installation, request, later=0)
                assert casebook.get(installation, request.request_id) == request
                tried.append(request.request_id)
            assert holds.holds(installation) == []

    either.run(before=ask_now)
    assert len(tried) == 2
    with either.opened() as installation:
        for later, number in enumerate(reversed(tried), start=40):
            answered = done(installation, casebook.get(installation, number), later=later)
            assert answered.state is State.answered
        assert Outcome.held in {line.outcome for line in casebook.outcomes(installation, tried[0])}


def test_a_daily_run_waits_for_a_request(either: Small) -> None:
    def run_now(_work: Work) -> None:
        with pytest.raises(LeaseHeld):
            either.run(start=START + timedelta(minutes=10))

    with either.opened() as installation, meanwhile("delete", CUSTOMERS, run_now):
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
    assert request.state is State.answered
    either.run(start=START + LONG_AFTER)


def test_the_end_of_a_restriction_waits_for_a_daily_run(small: Small) -> None:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))

    def lift_now(stage: str, name: str, _work: Work) -> None:
        if (stage, name) == ("delete", CUSTOMERS):
            with small.opened() as other, pytest.raises(LeaseHeld):
                lifted(other, request, later=12)

    small.run(start=START + timedelta(hours=2), before=lift_now)
    assert ACTIVE not in small.ids(CUSTOMERS)
    with small.opened() as installation:
        assert holds.holds(installation)
        lifted(installation, request, later=90)
    assert ACTIVE in small.ids(CUSTOMERS)


def test_of_two_processes_with_one_request_one_carries_it_out(either: Small) -> None:
    with either.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
    ready, results = threading.Barrier(2), list[object]()

    def process(installation: Installation) -> None:
        ready.wait(timeout=30)
        try:
            results.append(done(installation, request, later=0).state)
        except RetentionError as error:
            results.append(error)

    with either.opened() as one, either.opened() as other:
        threads = [threading.Thread(target=process, args=(each,)) for each in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
    assert len(results) == 2
    assert results.count(State.answered) == 1
    with either.opened() as installation:
        now = casebook.get(installation, request.request_id)
        assert (now.state, now.failure, now.attempt) == (State.answered, None, 1)
        what = [change.what for change in casebook.changes(installation, request.request_id)]
        assert what.count("executing") == what.count("answered") == 1
        assert ledger_rows(installation, "dispose", CUSTOMERS) == 1
        assert ledger_rows(installation, "archive", INVOICES) == 1
    assert either.archived_ids(INVOICES)[1] == 1


def test_a_process_that_knows_an_answered_request_as_verified_does_nothing(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        done(installation, request)
        before = small.everything(), casebook.outcomes(installation, request.request_id)
        get, stale = casebook.get, [request]

        def as_it_was(book: Installation, number: str) -> Request:
            return stale.pop() if stale else get(book, number)

        monkeypatch.setattr(carrying_out.casebook, "get", as_it_was)
        with pytest.raises(RequestError):
            done(installation, request, later=5)
        monkeypatch.undo()
        now = casebook.get(installation, request.request_id)
        assert (now.state, now.failure) == (State.answered, None)
        assert (small.everything(), casebook.outcomes(installation, now.request_id)) == before
        done(installation, ask(installation, Kind.access, [customer(CLEARED)]), later=9)


def test_a_row_that_changes_between_copy_and_deletion_is_kept_and_then_goes_as_it_is(
    either: Small,
) -> None:
    def changed(_work: Work) -> None:
        either.update(INVOICES, {"invoice_id": 1}, amount=777)

    with either.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        with meanwhile("delete", INVOICES, changed), pytest.raises(RequestError, match=INVOICES):
            done(installation, request)
        failed = casebook.get(installation, request.request_id)
        assert failed.state is State.executing
        assert failed.failure
        assert either.ids(INVOICES) >= {1}
        assert either.archived_ids(INVOICES)[1] == 0
        answered = tried_again(installation, failed)
        assert said(installation, answered)[INVOICES, "accounting", "archived"][0] == 1
    (copy,) = [item for item in either.archived() if item["table"] == INVOICES]
    assert copy["values"]["amount"] == 777


def test_an_order_that_arrives_meanwhile_goes_with_its_customer(either: Small) -> None:
    def arrives(_work: Work) -> None:
        either.insert("crm.orders", order(99, ACTIVE, AS_OF))

    with either.opened() as installation, meanwhile("delete", CUSTOMERS, arrives):
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
    assert request.state is State.answered
    assert 99 not in either.ids("crm.orders")


def test_an_invoice_that_arrives_meanwhile_is_not_lost(either: Small) -> None:
    def arrives(_work: Work) -> None:
        either.insert(INVOICES, invoice(99, ACTIVE, date(2026, 11, 20)))

    with either.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        with meanwhile("archive", CUSTOMERS, arrives), pytest.raises(RequestError, match="retry"):
            done(installation, request)
        assert {ACTIVE} <= either.ids(CUSTOMERS)
        answered = tried_again(installation, request)
        assert said(installation, answered)[INVOICES, "accounting", "archived"][0] == 2
    assert ACTIVE not in either.ids(CUSTOMERS)
    assert either.archived_ids(INVOICES) == {1: 1, 99: 1}


def test_a_legal_hold_that_comes_meanwhile_stops_a_restriction_too(either: Small) -> None:
    before = either.everything()

    def held(work: Work) -> None:
        holds.place(
            work.installation, customer(ACTIVE), kind="legal_hold", reason="a lawsuit", by="dpo",
            now=START,
        )  # fmt: skip

    with either.opened() as installation:
        request = ask(installation, Kind.restriction, [customer(ACTIVE)])
        with meanwhile("archive", INVOICES, held):
            assert done(installation, request).state is State.answered
        assert either.everything() == before
        assert CUSTOMERS in tables_with(said(installation, request), Outcome.held)
        assert not tables_with(said(installation, request), Outcome.restricted)


def test_a_row_that_changes_while_it_is_restricted_comes_back_as_it_was_last(
    either: Small,
) -> None:
    def corrected(_work: Work) -> None:
        either.update("crm.notes", {"note_id": 1}, body="changed at the last moment")

    with either.opened() as installation:
        request = ask(installation, Kind.restriction, [customer(ACTIVE)])
        with meanwhile("delete", CUSTOMERS, corrected), pytest.raises(RequestError):
            done(installation, request)
        before = either.rows("crm.notes")
        tried_again(installation, request)
        assert 1 not in either.ids("crm.notes")
        lifted(installation, request, later=60)
    assert either.rows("crm.notes") == before


def test_a_restriction_that_stopped_halfway_can_be_lifted_and_then_refused(small: Small) -> None:
    before = small.everything()

    def corrected(_work: Work) -> None:
        small.update("crm.notes", {"note_id": 1}, body="changed at the last moment")

    with small.opened() as installation:
        request = ask(installation, Kind.restriction, [customer(ACTIVE)])
        with meanwhile("delete", CUSTOMERS, corrected), pytest.raises(RequestError):
            done(installation, request)
        assert 1 not in small.ids(INVOICES), "a part is sealed already"
        casebook.retry(installation, request.request_id, by="dpo", reason="no more", now=START)
        with pytest.raises(RequestError, match="lift"):
            casebook.refuse(installation, request.request_id, by="dpo", reason="no", now=START)
        lifted(installation, request, later=40)
        casebook.refuse(installation, request.request_id, by="dpo", reason="no", now=START)
        assert holds.holds(installation) == []
        assert outbox.listed(installation, unsent_only=True) == []
    small.update("crm.notes", {"note_id": 1}, body="what person 1 said, note 1")
    assert small.everything() == before


def test_a_run_that_lost_its_lease_leaves_the_request_to_be_retried(small: Small) -> None:
    """It slept too long, and another run began: it stops before it commits anything more."""

    def taken_over(_work: Work) -> None:
        small.run(start=START + LONG_AFTER)

    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        with meanwhile("delete", CUSTOMERS, taken_over), pytest.raises(LeaseHeld):
            done(installation, request)
        left = casebook.get(installation, request.request_id)
        assert left.state is State.executing
        ticks = clock(START + 2 * LONG_AFTER)
        casebook.retry(installation, left.request_id, by="dpo", reason="slept", now=ticks())
        answered = carry_out(installation, left.request_id, as_of=AS_OF, today=AS_OF, clock=ticks)
        assert answered.state is State.answered
        assert ledger_rows(installation, "archive", INVOICES) >= 1
    assert ACTIVE not in small.ids(CUSTOMERS)
    assert small.archived_ids(INVOICES)[1] == 1
