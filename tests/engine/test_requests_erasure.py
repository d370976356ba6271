"""Erasure by the executor of the daily run: what goes, what stays, and what is said of it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.requests.book import casebook
from retention.requests.copies import package
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, Outcome, RequestError, State
from tests.engine.asking import account, ask, customer, done, said, tables_with
from tests.engine.lives import (
    ACTIVE,
    ANNA,
    ARCHIVE,
    AS_OF,
    BY_LOGIN,
    IN_FORCE,
    IN_REVIEW,
    OF_ARCHIVE,
)
from tests.engine.small import LONG_AFTER, START, Small


def without(rows: dict[str, Any], name: str, *owners: int) -> list[dict[str, Any]]:
    return [row for row in rows[name] if row.get("customer_id") not in owners]


def test_an_active_customer_goes_and_the_invoice_stays_in_the_archive(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        outcomes = said(installation, request)
    assert request.state is State.answered
    after = either.everything()
    for name in ("crm.customers", "crm.orders", "crm.notes", "crm.invoices", "crm.contracts"):
        assert after[name] == without(before, name, ACTIVE), name
    assert {row["note_id"] for row in after["crm.replies"]} == {2, 4}
    for name in ("web.accounts", "web.logins", "web.connections"):
        assert after[name] == before[name]
    until = date(2036, 12, 31)
    assert outcomes["crm.invoices", "accounting", "archived"] == (1, until, "statute")
    assert outcomes["crm.customers", "contract", "deleted"][0] == 1
    assert {item["table"] for item in either.archived()} == {"crm.invoices", "crm.lines"}


def test_a_running_contract_keeps_its_customer_and_nothing_else(either: Small) -> None:
    either.update(
        "crm.customers", {"customer_id": IN_FORCE}, opted="yes", segment="golf",
        collected_on=date(2026, 5, 5),
    )  # fmt: skip
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_FORCE)]))
        outcomes = said(installation, request)
    after = either.everything()
    mine = next(row for row in after["crm.customers"] if row["customer_id"] == IN_FORCE)
    assert mine["segment"] is None
    assert outcomes["crm.customers", "contract", "kept"] == (1, None, "contract_in_force")
    assert outcomes["crm.customers", "prospecting", "deleted"][0] == 1
    assert after["crm.contracts"] == before["crm.contracts"]
    assert request.state is State.answered


def test_a_person_in_two_systems_goes_from_both(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        persons = [customer(BY_LOGIN), account(ANNA)]
        request = done(installation, ask(installation, Kind.erasure, persons))
        outcomes = said(installation, request)
    after = either.everything()
    assert after["crm.customers"] == without(before, "crm.customers", BY_LOGIN)
    assert [row["account_id"] for row in after["web.accounts"]] == [2, 3]
    assert [row["login_id"] for row in after["web.logins"]] == [2]
    assert [row["connection_id"] for row in after["web.connections"]] == [2, 3]
    assert tables_with(outcomes, Outcome.deleted) == {
        "crm.customers", "crm.orders", "web.accounts", "web.logins", "web.connections",
    }  # fmt: skip
    assert request.state is State.answered


def test_who_is_only_in_the_archive_goes_from_there(either: Small) -> None:
    either.run()
    inside = Counter(item["table"] for item in either.archived())
    with either.opened() as installation:
        request = done(
            installation, ask(installation, Kind.erasure, [], archived=[customer(ARCHIVE)])
        )
        outcomes = said(installation, request)
    left = Counter(item["table"] for item in either.archived())
    assert request.state is State.answered
    assert outcomes["crm.customers", "contract", "deleted"][0] >= 1
    assert outcomes["crm.invoices", "accounting", "archived"][2] == "statute"
    assert inside["crm.invoices"]
    assert left["crm.invoices"] == inside["crm.invoices"]
    assert left["crm.customers"] == inside["crm.customers"] - 1
    assert left["crm.notes"] == inside["crm.notes"] - 2


def test_a_hold_stops_it_and_its_release_takes_it_up_again(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        hold = holds.add(
            installation, customer(ACTIVE)[0], [str(ACTIVE)], kind="legal_hold",
            reason="a lawsuit", by="dpo", now=START,
        )  # fmt: skip
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        assert request.state is State.answered
        assert said(installation, request)["crm.customers", "", "held"] == (1, None, "legal_hold")
        assert either.everything() == before
        assert take_up(installation, START) == []
        holds.release(installation, hold.hold_id, reason="over", by="dpo", now=START)
        assert take_up(installation, START) == [request.request_id]
        again = done(installation, casebook.get(installation, request.request_id), later=3)
        assert again.state is State.answered
        assert again.attempt == 2
        assert tables_with(said(installation, again), Outcome.held) == set()
    assert ACTIVE not in either.ids("crm.customers")


def test_what_cannot_be_decided_waits_for_a_person(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_REVIEW)]))
        outcomes = said(installation, request)
    assert outcomes["crm.customers", "contract", "review"][2] == "undecidable"
    assert either.everything() == before


def test_nobody_known_is_said_and_nothing_touched(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, []))
        assert said(installation, request) == {("", "", "nothing"): (0, None, None)}
    assert either.everything() == before


def test_a_second_erasure_finds_nothing_to_do(either: Small) -> None:
    with either.opened() as installation:
        persons = [customer(ARCHIVE), account(OF_ARCHIVE)]
        done(installation, ask(installation, Kind.erasure, persons))
        before = either.everything()
        again = ask(installation, Kind.erasure, persons)
        assert done(installation, again, later=3).state is State.answered
    assert either.everything() == before


def test_only_a_verified_request_is_carried_out(small: Small) -> None:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        with pytest.raises(RequestError, match="answered"):
            done(installation, request, AS_OF)


def test_copies_made_for_the_person_go_with_them_and_no_others(small: Small) -> None:
    with small.opened() as installation:
        mine = done(installation, ask(installation, Kind.access, [customer(ACTIVE)]))
        theirs = done(
            installation,
            ask(installation, Kind.access, [customer(IN_FORCE)], email="x@y.fr"),
            later=2,
        )
        done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]), later=3)
        [gone] = package.packages_of(installation, mine.request_id)
        [left] = package.packages_of(installation, theirs.request_id)
        assert not gone.open
        with pytest.raises(RequestError, match="expired"):
            package.open_package(installation, gone.package_id)
        assert package.open_package(installation, left.package_id)


def test_what_was_erased_while_a_table_could_not_be_touched_is_told(either: Small) -> None:
    either.run(start=START - LONG_AFTER)
    place = "crm.orders" if either.server else "orders"

    def orders(told: str) -> None:
        with either.source("crm") as connection:
            connection.execute(sa.text(f"ALTER TABLE {place} {told}"))

    orders("ADD COLUMN unknown TEXT")
    with either.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)], archived=[customer(ARCHIVE)])
        with pytest.raises(RequestError, match="could not be touched"):
            done(installation, request)
    orders("DROP COLUMN unknown")
    with either.opened() as installation:
        casebook.retry(
            installation, request.request_id, by="dpo", reason="mended", now=START + LONG_AFTER
        )
        assert done(installation, request, later=30).state is State.answered
        assert said(installation, request)["crm.customers", "contract", "deleted"][0] == 2
