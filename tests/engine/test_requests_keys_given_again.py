"""A key says nothing of who has it: rows go, and their numbers are given to somebody else."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.copies.access import gather
from retention.requests.doing.about import known_of
from retention.requests.doing.carrying_out import carry_out
from retention.requests.model import Asked, Kind, Request, RequestError, State
from retention.requests.taking_in import receiving
from retention.requests.taking_in.intake import NewRequest
from tests.engine.asking import said
from tests.engine.lives import AS_OF, account, customer, invoice, order
from tests.engine.small import START, Small, clock

NUMBER = 50
ANNA, LUC = "anna.roux@example.org", "luc.petit@example.org"
LONG_AGO, LATELY = date(2022, 5, 1), date(2026, 5, 1)
OLD_INVOICE = {**invoice(70, NUMBER, LONG_AGO), "billed_to": "Anna Roux"}


def anna(**more: Any) -> dict[str, Any]:
    return customer(NUMBER, **{"name": "Anna Roux", "email": ANNA, **more})


def luc(**more: Any) -> dict[str, Any]:
    return customer(NUMBER, **{"name": "Luc Petit", "email": LUC, **more})


def received(installation: Installation, kind: Kind, **asked: Any) -> Request:
    new = NewRequest(kind, Asked(**asked), AS_OF)
    return receiving.receive(installation, new, channel="inbox", by="dpo", now=START)


def verified(installation: Installation, kind: Kind, **asked: Any) -> Request:
    request = received(installation, kind, **asked)
    return receiving.verify(
        installation, request.request_id, by="dpo", how="identity card", now=START
    )


def done(installation: Installation, request: Request, *, later: int = 1) -> Request:
    ticks = clock(START + timedelta(minutes=10 * later))
    return carry_out(installation, request.request_id, as_of=AS_OF, today=AS_OF, clock=ticks)


def shown(installation: Installation, request: Request) -> str:
    """All that a copy for the request would hold."""
    known = known_of(installation, request.request_id)
    return repr(gather(installation, known.persons, known.tokens, AS_OF))


def choose(installation: Installation, request: Request, table: str, *, yes: bool) -> None:
    (subject,) = [
        item
        for item in casebook.subjects(installation, request.request_id)
        if item.table == table
    ]  # fmt: skip
    receiving.choose(
        installation, request.request_id, table, subject.token, yes=yes, by="dpo", now=START
    )


# --- between the day a record was found and the day something is done ------------------------


@pytest.mark.parametrize("kind", [Kind.erasure, Kind.restriction, Kind.objection])
def test_whoever_has_the_key_by_now_is_not_touched(either: Small, kind: Kind) -> None:
    either.insert("crm.customers", anna(opted="yes"))
    with either.opened() as installation:
        request = verified(installation, kind, email=ANNA)
        either.delete("crm.customers", customer_id=NUMBER)
        either.insert("crm.customers", luc(opted="yes"))
        before = either.everything()
        assert done(installation, request).state is State.answered
    assert either.everything() == before


def test_whoever_has_the_key_by_now_is_not_shown(either: Small) -> None:
    either.insert("crm.customers", anna())
    with either.opened() as installation:
        request = verified(installation, Kind.access, email=ANNA)
        either.delete("crm.customers", customer_id=NUMBER)
        either.insert("crm.customers", luc())
        assert "Luc" not in shown(installation, request)
        done(installation, request)
        assert said(installation, request) == {("", "", "nothing"): (0, None, None)}


def test_a_new_address_of_the_same_person_makes_no_difference(small: Small) -> None:
    small.insert("crm.customers", anna())
    with small.opened() as installation:
        request = verified(installation, Kind.erasure, email=ANNA)
        small.update("crm.customers", {"customer_id": NUMBER}, email="anna@example.net")
        assert done(installation, request).state is State.answered
    assert NUMBER not in small.ids("crm.customers")


def test_a_person_can_say_that_what_the_archive_has_under_other_names_is_theirs(
    either: Small,
) -> None:
    either.insert("crm.customers", anna(collected_on=LONG_AGO))
    either.insert("crm.orders", order(70, NUMBER, LONG_AGO))
    either.run()
    assert NUMBER not in either.ids("crm.customers")
    with either.opened() as installation:
        married = {"family_name": "Martin", "first_name": "Zoe", "email": "zoe@example.net"}
        request = received(installation, Kind.erasure, customer_ref=str(NUMBER), **married)
        choose(installation, request, "crm.customers", yes=True)
        receiving.verify(installation, request.request_id, by="dpo", how="record", now=START)
        done(installation, request)
        outcomes = {outcome for _, _, outcome in said(installation, request)}
    assert outcomes == {"deleted"}


def test_a_record_that_says_nothing_of_what_it_said_waits_for_a_person(small: Small) -> None:
    small.insert("web.accounts", account(60, ANNA, LATELY))
    with small.opened() as installation:
        request = verified(installation, Kind.erasure, email=ANNA)
        small.update("web.accounts", {"account_id": 60}, email="anna@example.net")
        with pytest.raises(RequestError, match=r"the record says none of what it said"):
            done(installation, request)
        assert 60 in small.ids("web.accounts")
        choose(installation, request, "web.accounts", yes=True)
        casebook.retry(installation, request.request_id, by="dpo", reason="asked", now=START)
        assert done(installation, request, later=2).state is State.answered
    assert 60 not in small.ids("web.accounts")


def test_an_address_that_was_given_to_somebody_else_is_chosen_anew(either: Small) -> None:
    either.insert("crm.customers", anna(), customer(51, name="Luc Petit", email=LUC))
    with either.opened() as installation:
        request = received(installation, Kind.erasure, email=ANNA)
        either.update("crm.customers", {"customer_id": NUMBER}, email="anna@example.net")
        either.update("crm.customers", {"customer_id": 51}, email=ANNA)
        with pytest.raises(RequestError, match=r"1 record\(s\) may be the person's"):
            receiving.verify(installation, request.request_id, by="dpo", how="asked", now=START)
        open_ = [s.key for s in casebook.subjects(installation, request.request_id) if not s.chosen]
        assert open_ == [(NUMBER,)]


def test_nothing_is_done_while_a_choice_is_open(small: Small) -> None:
    small.insert("crm.customers", anna())
    with small.opened() as installation:
        asked = {"family_name": "Roux", "first_name": "Anna", "email": ANNA}
        request = verified(installation, Kind.access, **asked)
        small.insert("web.accounts", account(60, ANNA, LATELY), account(61, ANNA, LATELY))
        small.insert("crm.customers", customer(51, name="Anna Martin", email=ANNA))
        (first,) = casebook.subjects(installation, request.request_id)
        receiving.choose(
            installation, request.request_id, first.table, first.token, yes=True, by="dpo", now=START
        )  # fmt: skip
        with pytest.raises(RequestError, match="wait for a choice"):
            done(installation, request)
        assert casebook.get(installation, request.request_id).state is State.verified


# --- what an earlier holder of the key has left in the archive -------------------------------


@pytest.fixture
def succeeded(either: Small) -> Small:
    """Anna has gone to the archive, with an order and an invoice; Luc has her number."""
    either.insert("crm.customers", anna(collected_on=date(2020, 1, 1)))
    either.insert("crm.orders", order(70, NUMBER, LONG_AGO))
    either.insert("crm.invoices", OLD_INVOICE)
    either.run()
    assert NUMBER not in either.ids("crm.customers")
    either.insert("crm.customers", luc())
    either.insert("crm.orders", order(71, NUMBER, LATELY))
    return either


def annas(small: Small) -> list[dict[str, Any]]:
    return [item["values"] for item in small.archived() if "Anna Roux" in repr(item["values"])]


def test_a_copy_holds_nothing_of_an_earlier_holder_of_the_key(succeeded: Small) -> None:
    with succeeded.opened() as installation:
        for asked in ({"email": LUC}, {"customer_ref": str(NUMBER), "family_name": "Petit",
                                       "first_name": "Luc"}):  # fmt: skip
            request = verified(installation, Kind.access, **asked)
            copy = shown(installation, request)
            assert "Luc Petit" in copy
            assert "Roux" not in copy
            assert "'order_id': 70" not in copy


@pytest.mark.parametrize("kind", [Kind.erasure, Kind.rectification, Kind.restriction])
def test_what_an_earlier_holder_left_is_not_touched(succeeded: Small, kind: Kind) -> None:
    before = annas(succeeded)
    assert len(before) == 2
    right = {"user.name": "Lucien Petit"} if kind is Kind.rectification else {}
    with succeeded.opened() as installation:
        request = verified(installation, kind, email=LUC, corrections=right)
        assert done(installation, request).state is State.answered
    assert annas(succeeded) == before
    left = [row["name"] for row in succeeded.rows("crm.customers") if row["customer_id"] == NUMBER]
    assert left == (["Lucien Petit"] if kind is Kind.rectification else [])


def test_the_earlier_holder_is_found_and_whoever_came_after_is_not(succeeded: Small) -> None:
    with succeeded.opened() as installation:
        for asked in ({"email": ANNA}, {"customer_ref": str(NUMBER), "email": ANNA}):
            request = verified(installation, Kind.access, **asked)
            copy = shown(installation, request)
            assert "Anna Roux" in copy
            assert "Luc" not in copy
        request = verified(installation, Kind.erasure, email=ANNA)
        assert done(installation, request).state is State.answered
    assert NUMBER in succeeded.ids("crm.customers")
    assert 71 in succeeded.ids("crm.orders")
    assert [
        item["table"] for item in succeeded.archived() if item["values"].get("invoice_id") == 70
    ]


def test_two_holders_of_a_key_in_the_archive_stop_the_request(succeeded: Small) -> None:
    succeeded.update("crm.orders", {"order_id": 71}, ordered_on=LONG_AGO)
    succeeded.run(start=START + timedelta(hours=1))
    assert NUMBER not in succeeded.ids("crm.customers")
    with succeeded.opened() as installation:
        for email in (ANNA, LUC):
            request = verified(installation, Kind.access, email=email)
            with pytest.raises(RequestError, match="another person's") as raised:
                done(installation, request, later=9)
            assert "Roux" not in str(raised.value)
            assert "Petit" not in str(raised.value)
