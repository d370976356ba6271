"""Requests, holds and restrictions of one person that meet: none undoes another's promise."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from retention import holds
from retention.errors import LeaseHeld
from retention.execution.run import acquire_lease
from retention.execution.work import Work
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, Outcome, Request, State
from tests.engine.asking import account, ask, customer, done, lifted, said, tables_with
from tests.engine.lives import ACTIVE, ANNA, ARCHIVE, AS_OF, BY_LOGIN, invoice, order
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.test_requests_changes import CATEGORY, opposing
from tests.engine.test_requests_races import meanwhile

CUSTOMERS = "crm.customers"


def under_hold(installation: Installation, number: int) -> holds.Hold:
    return holds.add(
        installation, customer(number)[0], [str(number)], kind="legal_hold", reason="a lawsuit",
        by="dpo", now=START,
    )  # fmt: skip


def released(installation: Installation, hold: holds.Hold) -> None:
    holds.release(installation, hold.hold_id, reason="over", by="dpo", now=START)


def again(installation: Installation, request: Request, later: int) -> Request:
    return done(installation, casebook.get(installation, request.request_id), later=later)


def test_a_restriction_that_a_hold_had_stopped_is_taken_up_when_the_hold_ends(
    small: Small,
) -> None:
    with small.opened() as installation:
        hold = under_hold(installation, ACTIVE)
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        assert tables_with(said(installation, request), Outcome.held)
        assert take_up(installation, START) == []
        released(installation, hold)
        assert take_up(installation, START) == [request.request_id]
        again(installation, request, 3)
        assert ACTIVE not in small.ids(CUSTOMERS)
        lifted(installation, request)
    assert ACTIVE in small.ids(CUSTOMERS)


def test_of_two_restrictions_the_first_to_be_lifted_leaves_the_other_in_force(
    small: Small,
) -> None:
    before = small.everything()
    with small.opened() as installation:
        persons = [customer(BY_LOGIN), account(ANNA)]
        first = done(installation, ask(installation, Kind.restriction, persons))
        second = ask(installation, Kind.restriction, persons[:1], email="other@example.org")
        second = done(installation, second, later=2)
        lifted(installation, first, later=4)
        assert BY_LOGIN not in small.ids(CUSTOMERS), "the second restriction is in force"
        assert ANNA in small.ids("web.accounts"), "of this record only the first one spoke"
        lifted(installation, second, later=6)
        assert holds.holds(installation) == []
    assert small.everything() == before


def test_of_two_restrictions_the_second_can_be_lifted_first(small: Small) -> None:
    before = small.everything()
    with small.opened() as installation:
        persons = [customer(BY_LOGIN), account(ANNA)]
        first = done(installation, ask(installation, Kind.restriction, persons[:1]))
        second = ask(installation, Kind.restriction, persons, email="other@example.org")
        second = done(installation, second, later=2)
        lifted(installation, second, later=4)
        assert BY_LOGIN not in small.ids(CUSTOMERS)
        lifted(installation, first, later=6)
    assert small.everything() == before


def test_an_objection_of_a_restricted_person_waits_and_is_taken_up(small: Small) -> None:
    opposing(small)
    with small.opened() as installation:
        restriction = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        request = ask(installation, Kind.objection, [customer(ACTIVE)])
        request = done(installation, request, later=2)
        assert CUSTOMERS in tables_with(said(installation, request), Outcome.held)
        lifted(installation, restriction)
        assert casebook.get(installation, request.request_id).state is State.verified
        again(installation, request, 7)
    mine = next(row for row in small.rows(CUSTOMERS) if row["customer_id"] == ACTIVE)
    assert (mine["opted"], mine["segment"]) == ("no", None)


def test_a_rectification_of_a_restricted_person_waits_and_is_taken_up(small: Small) -> None:
    with small.opened() as installation:
        restriction = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        request = ask(
            installation, Kind.rectification, [customer(ACTIVE)],
            corrections={CATEGORY: "right@example.org"},
        )  # fmt: skip
        request = done(installation, request, later=2)
        assert CUSTOMERS in tables_with(said(installation, request), Outcome.held)
        lifted(installation, restriction)
        again(installation, request, 7)
    mine = next(row for row in small.rows(CUSTOMERS) if row["customer_id"] == ACTIVE)
    assert mine["email"] == "right@example.org"


def test_who_is_only_in_the_archive_can_have_that_frozen_too(small: Small) -> None:
    small.run()
    inside = small.archived()
    much_later = AS_OF + timedelta(days=366 * 20)
    with small.opened() as installation:
        request = ask(installation, Kind.restriction, [], archived=[customer(ARCHIVE)])
        request = done(installation, request)
        assert tables_with(said(installation, request), Outcome.restricted)
        mine = set(casebook.tokens(installation, request.request_id))
        assert mine <= holds.held_rows(installation).tokens
    small.run(much_later, start=START + LONG_AFTER)
    left = small.archived()
    theirs = [item for item in inside if item["values"].get("customer_id") == ARCHIVE]
    assert theirs
    assert [item for item in theirs if item not in left] == []
    with small.opened() as installation:
        lifted(installation, request, later=60)
        assert holds.holds(installation) == []
    small.run(much_later, start=START + 3 * LONG_AFTER)
    assert [item for item in small.archived() if item in theirs] == []


def test_a_restriction_that_is_refused_after_all_holds_nobody(small: Small) -> None:
    """While another run is at work it is only placed; then it is refused."""
    with small.opened() as installation:
        request = ask(installation, Kind.restriction, [customer(ACTIVE)])
        lease = acquire_lease(installation, "another", clock(START + timedelta(minutes=9)))
        with pytest.raises(LeaseHeld):
            done(installation, request)
        assert casebook.get(installation, request.request_id).state is State.verified
        lease.release()
        casebook.refuse(installation, request.request_id, by="dpo", reason="unfounded", now=START)
        assert holds.holds(installation) == []


def test_what_a_hold_kept_after_all_is_not_said_to_be_deleted(small: Small) -> None:
    """The hold comes between plan and deletion: the letter tells what is, not what was meant."""
    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(BY_LOGIN), account(ANNA)])

        def held(_work: Work) -> None:
            under_hold(installation, BY_LOGIN)

        with meanwhile("archive", CUSTOMERS, held):
            request = done(installation, request)
        outcomes = said(installation, request)
    assert request.state is State.answered
    assert BY_LOGIN in small.ids(CUSTOMERS)
    assert CUSTOMERS in tables_with(outcomes, Outcome.held)
    assert CUSTOMERS not in tables_with(outcomes, Outcome.deleted)


def test_a_unit_that_is_about_to_go_takes_nothing_in(small: Small) -> None:
    """Two lives of one person under one key: what must stay of the second has the day of all of the first."""
    small.insert(CUSTOMERS, {"customer_id": 50, "name": "Twice Here", "email": None,
        "opted": None, "segment": None, "collected_on": date(2018, 1, 1)})  # fmt: skip
    small.insert("crm.orders", order(50, 50, date(2021, 12, 31)))
    small.run()
    small.insert(CUSTOMERS, {"customer_id": 50, "name": "Twice Here", "email": None,
        "opted": None, "segment": None, "collected_on": date(2018, 1, 1)})  # fmt: skip
    small.insert("crm.orders", order(51, 50, date(2022, 6, 6)))
    small.insert("crm.invoices", invoice(50, 50, date(2016, 6, 6)))
    small.run(start=START + LONG_AFTER)
    assert small.archived_ids("crm.invoices")[50] == 1
    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [], archived=[customer(50)])
        request = done(installation, request, later=60)
        outcomes = said(installation, request)
    assert outcomes["crm.invoices", "accounting", "archived"][1] == date(2026, 12, 31)
    assert small.archived_ids("crm.invoices")[50] == 1
    assert small.archived_ids(CUSTOMERS)[50] == 0


def test_a_request_made_while_the_person_is_sealed_finds_the_rows_that_come_back(
    small: Small,
) -> None:
    """Whoever looks for them meanwhile finds them in the archive only, without a key."""
    opposing(small)
    with small.opened() as installation:
        restriction = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        request = ask(
            installation, Kind.objection, [], archived=[customer(ACTIVE)],
            email="person1@example.org",
        )  # fmt: skip
        request = done(installation, request, later=2)
        lifted(installation, restriction)
        again(installation, request, 9)
    mine = next(row for row in small.rows(CUSTOMERS) if row["customer_id"] == ACTIVE)
    assert (mine["opted"], mine["segment"]) == ("no", None)


def test_a_request_that_comes_to_nothing_after_a_hold_waits_no_more(small: Small) -> None:
    """Else it would be taken up for ever: its rows have gone to the archive by another way."""
    with small.opened() as installation:
        hold = under_hold(installation, ACTIVE)
        request = done(installation, ask(installation, Kind.objection, [customer(ACTIVE)]))
        assert tables_with(said(installation, request), Outcome.held)
        released(installation, hold)
        assert take_up(installation, START) == [request.request_id]
        again(installation, request, 3)
        assert not tables_with(said(installation, request), Outcome.held)
        assert take_up(installation, START) == []
