"""What a request could not decide is done once it can be: a date that is mended is noticed."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from retention import holds
from retention.installation import Installation
from retention.requests.answering.letters import letter
from retention.requests.book import casebook
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, Outcome, Request, State
from retention.review import review_cases
from tests.engine.asking import ask, customer, done, said, tables_with
from tests.engine.lives import ACTIVE, AS_OF, IN_REVIEW, invoice, order
from tests.engine.lives import customer as life
from tests.engine.small import START, Small
from tests.engine.test_requests_changes import opposing

INVOICES, CUSTOMERS, ORDERS = "crm.invoices", "crm.customers", "crm.orders"
FUTURE = date(2028, 1, 1)
"""Nothing can have been bought or invoiced then."""
UNDECIDED = "a person will decide"


def again(installation: Installation, request: Request, later: int) -> Request:
    return done(installation, casebook.get(installation, request.request_id), later=later)


def written(installation: Installation, request: Request) -> str:
    lines = casebook.outcomes(installation, request.request_id)
    return letter(request, lines, installation, lang="en", as_of=AS_OF)


def state(installation: Installation, request: Request) -> State:
    return casebook.get(installation, request.request_id).state


def test_what_is_mended_is_carried_out_and_told(either: Small) -> None:
    either.insert(INVOICES, invoice(20, IN_REVIEW, date(2025, 5, 5)))
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_REVIEW)]))
        assert tables_with(said(installation, request), Outcome.review) >= {CUSTOMERS, INVOICES}
        assert UNDECIDED in written(installation, request)
        assert either.everything() == before
        assert take_up(installation, START) == []
        either.update(ORDERS, {"order_id": 8}, ordered_on=date(2025, 5, 5))
        assert take_up(installation, START) == [request.request_id]
        assert take_up(installation, START) == []
        request = again(installation, request, 3)
        outcomes = said(installation, request)
        assert request.state is State.answered
        assert request.attempt == 2
        assert outcomes[INVOICES, "accounting", "archived"] == (1, date(2035, 12, 31), "statute")
        assert outcomes[CUSTOMERS, "contract", "deleted"][0] == 1
        assert tables_with(outcomes, Outcome.review) == set()
        assert UNDECIDED not in written(installation, request)
        number = request.request_id
        assert (
            casebook.sent(installation, number, by="dpo", now=START + timedelta(days=1)).asked
            is None
        )
        assert take_up(installation, START + timedelta(days=1)) == []
    assert IN_REVIEW not in either.ids(CUSTOMERS)
    assert 20 not in either.ids(INVOICES)
    assert {item["table"] for item in either.archived()} == {INVOICES}


def test_an_invoice_that_cannot_be_decided_on_keeps_its_customer_until_it_is_mended(
    either: Small,
) -> None:
    """The customer's data can only go with it, since it refers to them."""
    opposing(either)
    either.update(INVOICES, {"invoice_id": 1}, issued_on=FUTURE)
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        outcomes = said(installation, request)
        assert request.state is State.answered
        assert outcomes[INVOICES, "accounting", "review"] == (1, None, "undecidable")
        assert outcomes[CUSTOMERS, "contract", "review"] == (1, None, "undecidable")
        assert Outcome.deleted not in {outcome for _, _, outcome in outcomes}
        assert UNDECIDED in written(installation, request)
        for row in before[CUSTOMERS]:
            if row["customer_id"] == ACTIVE:
                row |= {"opted": "no"}  # meanwhile it is for nothing else
        assert either.everything() == before
        assert take_up(installation, START) == []
        either.update(INVOICES, {"invoice_id": 1}, issued_on=date(2026, 10, 1))
        assert take_up(installation, START) == [request.request_id]
        request = again(installation, request, 3)
        outcomes = said(installation, request)
        assert request.state is State.answered
        assert outcomes[INVOICES, "accounting", "archived"] == (1, date(2036, 12, 31), "statute")
        assert outcomes[CUSTOMERS, "contract", "deleted"][0] == 1
        assert tables_with(outcomes, Outcome.review) == set()
        assert UNDECIDED not in written(installation, request)
        assert take_up(installation, START) == []
    assert ACTIVE not in either.ids(CUSTOMERS)
    assert {item["table"] for item in either.archived()} == {INVOICES, "crm.lines"}


def test_an_unreadable_date_that_is_not_mended_stays_answered(small: Small) -> None:
    with small.source("crm") as source:
        source.execute(sa.text("UPDATE orders SET ordered_on = '31/12/2019' WHERE order_id = 8"))
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_REVIEW)]))
        changes = casebook.changes(installation, request.request_id)
        told = casebook.outcomes(installation, request.request_id)
        small.insert(ORDERS, order(30, IN_REVIEW, FUTURE))  # one more to look at
        for days in (0, 1, 40):
            assert take_up(installation, START + timedelta(days=days)) == []
        assert state(installation, request) is State.answered
        assert casebook.changes(installation, request.request_id) == changes
        assert casebook.outcomes(installation, request.request_id) == told


def test_what_is_mended_in_part_is_taken_up_once_for_that_part(small: Small) -> None:
    other = IN_REVIEW + 1000
    small.insert(CUSTOMERS, life(other))
    small.insert(ORDERS, order(31, other, FUTURE))
    with small.opened() as installation:
        persons = [customer(IN_REVIEW), customer(other)]
        request = done(installation, ask(installation, Kind.erasure, persons))
        assert said(installation, request)[CUSTOMERS, "contract", "review"][0] == 2
        small.update(ORDERS, {"order_id": 31}, ordered_on=date(2025, 1, 1))
        assert take_up(installation, START) == [request.request_id]
        request = again(installation, request, 3)
        assert request.state is State.answered
        assert said(installation, request)[CUSTOMERS, "contract", "review"][0] == 1
        assert said(installation, request)[CUSTOMERS, "contract", "deleted"][0] == 1
        assert take_up(installation, START) == []
    assert other not in small.ids(CUSTOMERS)
    assert IN_REVIEW in small.ids(CUSTOMERS)


def test_a_hold_or_a_system_out_of_reach_makes_nothing_decidable(small: Small) -> None:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_REVIEW)]))
        hold = holds.add(
            installation, customer(IN_REVIEW)[0], [str(IN_REVIEW)], kind="legal_hold",
            reason="a lawsuit", by="dpo", now=START,
        )  # fmt: skip
        small.update(ORDERS, {"order_id": 8}, ordered_on=date(2025, 5, 5))
        assert take_up(installation, START) == []
        holds.release(installation, hold.hold_id, reason="over", by="dpo", now=START)
    (small.home / "crm.sqlite").rename(small.home / "away")
    with small.opened() as installation:
        assert take_up(installation, START) == []
        assert state(installation, request) is State.answered
    (small.home / "crm.sqlite").unlink(missing_ok=True)
    (small.home / "away").rename(small.home / "crm.sqlite")
    with small.opened() as installation:
        assert take_up(installation, START) == [request.request_id]


def test_the_case_of_a_row_that_has_left_goes_with_it(small: Small) -> None:
    """A key can be an e-mail address: the queue is no place to stay for who was erased."""
    small.run()
    with small.opened() as installation:
        queued = [case for case in review_cases(installation) if case.table == CUSTOMERS]
        assert [case.key for case in queued] == [(IN_REVIEW,)]
        others = len(review_cases(installation)) - 1
        small.update(ORDERS, {"order_id": 8}, ordered_on=date(2025, 5, 5))
        done(installation, ask(installation, Kind.erasure, [customer(IN_REVIEW)]))
        left = review_cases(installation, resolved=True)
    assert CUSTOMERS not in {case.table for case in left}
    assert len(left) == others
