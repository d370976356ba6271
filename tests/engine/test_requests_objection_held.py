"""An objection to prospecting that a legal hold does not delay."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.requests.doing import attempting, opposition
from retention.requests.doing.carrying_out import foresee
from retention.requests.model import Kind, RequestError, State
from retention.requests.proving import proof
from tests.engine import lives
from tests.engine.asking import account, ask, customer, done, said, tables_with
from tests.engine.lives import ACTIVE, ANNA, AS_OF
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.test_requests_crash import SWEEP, carried_out, stop_everywhere
from tests.engine.test_requests_objection import LATER, hold, letters, release, row_of


def prospects(small: Small) -> Small:
    """Two who are up for prospecting: ACTIVE is a customer, BARE has not been one for long."""
    tables = small.catalogue["systems"]["crm"]["tables"]
    tables["customers"]["on_objection"] = {"opted": "no"}
    small.write_documents()
    up = {"opted": "yes", "segment": "golf", "collected_on": date(2026, 5, 5)}
    small.update("crm.customers", {"customer_id": ACTIVE}, **up)
    small.update("crm.customers", {"customer_id": lives.BARE}, **up)
    return small


@pytest.mark.parametrize("number", [ACTIVE, lives.BARE])
def test_prospecting_stops_though_a_legal_hold_keeps_the_data(either: Small, number: int) -> None:
    small = prospects(either)
    before = row_of(small, number)
    with small.opened() as installation:
        held = hold(installation, customer(number))
        asked = ask(installation, Kind.objection, [customer(number)])
        foreseen = foresee(installation, asked.request_id, AS_OF)
        assert foreseen and {item.transition for item in foreseen.plan.items} == {"oppose", "hold"}
        request = done(installation, asked)
        assert request.state is State.answered
        outcomes = said(installation, request)
        assert outcomes["crm.customers", "prospecting", "corrected"] == (1, None, None)
        assert outcomes["crm.customers", "", "held"] == (1, None, "legal_hold")
        assert "deleted" not in {outcome for *_, outcome in outcomes}
        assert row_of(small, number) == before | {"opted": "no"}
        assert opposition.is_listed(installation, "email", "someone@example.org", AS_OF)
        english, french = letters(installation, request)
        assert "prospecting has stopped:\n- Customers" in english
        assert "Nothing may be deleted for now:\n- Customers" in english
        assert "la prospection a cessé :\n- C" in french
        assert "Rien ne peut être supprimé pour l'instant :\n- C" in french
        small.run()
        assert row_of(small, number) == before | {"opted": "no"}

        release(installation, held)
        request = done(installation, asked, as_of=LATER, later=70)
        assert request.state is State.answered
        after = said(installation, request)
        assert after["crm.customers", "prospecting", "corrected"] == (1, None, None)
        assert not tables_with(after, "held")
        english, _ = letters(installation, request)
        assert "Nothing may be deleted for now" not in english
    left = {row["customer_id"]: row for row in small.rows("crm.customers")}
    if number == ACTIVE:
        assert left[number] == before | {"opted": "no", "segment": None}
    else:
        assert number not in left


def test_what_is_restricted_is_out_of_use_anyway_and_not_changed(either: Small) -> None:
    small = prospects(either)
    before = small.everything()
    with small.opened() as installation:
        hold(installation, customer(ACTIVE))
        hold(installation, customer(ACTIVE), "restriction")
        request = done(installation, ask(installation, Kind.objection, [customer(ACTIVE)]))
        assert request.state is State.answered
        outcomes = said(installation, request)
        assert outcomes["crm.customers", "", "held"] == (1, None, "restriction")
        assert not tables_with(outcomes, "corrected")
    assert small.everything() == before


@pytest.mark.parametrize("kind", [Kind.erasure, Kind.rectification])
def test_any_other_request_waits_for_the_legal_hold(either: Small, kind: Kind) -> None:
    small = prospects(either)
    before = small.everything()
    right = {"user.name": "Right"} if kind is Kind.rectification else {}
    with small.opened() as installation:
        hold(installation, customer(ACTIVE))
        asked = ask(installation, kind, [customer(ACTIVE)], corrections=right)
        assert done(installation, asked).state is State.answered
    assert small.everything() == before


@pytest.mark.parametrize("kind", ["legal_hold", "restriction"])
def test_what_is_held_once_it_is_planned_is_looked_at_again_with_the_rows(
    either: Small, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The row was to go, with its dependants: of a legal hold it still says no."""
    small = prospects(either)
    before = row_of(small, lives.BARE)
    original = attempting._execute

    def held_before(work: Any, *more: Any) -> None:
        hold(work.installation, customer(lives.BARE), kind)
        original(work, *more)

    monkeypatch.setattr(attempting, "_execute", held_before)
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.objection, [customer(lives.BARE)]))
        assert request.state is State.answered
        outcomes = said(installation, request)
    assert row_of(small, lives.BARE) == before | ({"opted": "no"} if kind == "legal_hold" else {})
    assert outcomes["crm.customers", "", "held"] == (1, None, kind)


def test_a_held_row_that_goes_on_being_solicited_is_found(either: Small, monkeypatch) -> None:
    small = prospects(either)
    original = proof.prove

    def imported(*given: Any, **named: Any) -> Any:
        small.update("crm.customers", {"customer_id": ACTIVE}, opted="yes")
        return original(*given, **named)

    monkeypatch.setattr(proof, "prove", imported)
    with small.opened() as installation:
        hold(installation, customer(ACTIVE))
        asked = ask(installation, Kind.objection, [customer(ACTIVE)], email="person1@example.org")
        with pytest.raises(RequestError, match=r"crm\.customers\.email"):
            done(installation, asked)


def test_the_day_of_an_objection_stays_when_it_is_taken_up(either: Small) -> None:
    """Not the day on which the hold ended, unless somebody had consented anew meanwhile."""
    small = prospects(either)
    tables = small.catalogue["systems"]["web"]["tables"]
    tables["accounts"] |= {
        "purposes": {"contract": "always", "prospecting": "always"},
        "on_objection": {"last_login_on": "today"},
    }
    tables["accounts"]["events"] = {
        "withdrawn": {"column": "last_login_on"},
        "login": {"table": "logins", "column": "logged_in_on"},
        "collected": {"table": "logins", "column": "logged_in_on"},
    }
    del small.catalogue["systems"]["crm"]["tables"]["customers"]["events"]["login"]
    del small.catalogue["links"]
    small.write_documents()
    with small.opened() as installation:
        held = hold(installation, account(ANNA))
        asked = ask(installation, Kind.objection, [account(ANNA)])
        done(installation, asked)
        assert day_of(small) == AS_OF
        release(installation, held)
        request = done(installation, asked, as_of=LATER, later=70)
        assert set(said(installation, request)) == {("web.accounts", "prospecting", "corrected")}
        assert day_of(small) == AS_OF
        small.insert("web.logins", lives.login(9, ANNA, LATER - timedelta(days=2)))
        anew = ask(installation, Kind.objection, [account(ANNA)])
        done(installation, anew, as_of=LATER, later=90)
        assert day_of(small) == LATER


def day_of(small: Small) -> Any:
    return next(r["last_login_on"] for r in small.rows("web.accounts") if r["account_id"] == ANNA)


@pytest.mark.slow
@pytest.mark.parametrize("number", [ACTIVE, lives.BARE])
def test_an_objection_under_a_hold_that_is_stopped_at_any_commit(
    tmp_path: Path, number: int
) -> None:
    start = prospects(Small(tmp_path / "start").write().fill())
    with start.reopened() as installation:
        hold(installation, customer(number))
        asked = ask(installation, Kind.objection, [customer(number)], now=clock(START - LONG_AFTER))
    wanted = stop_everywhere(
        start, asked.request_id, carried_out, tmp_path, every=1 if SWEEP else 9
    )
    assert wanted["request"][0] is State.answered
    assert any("corrected" in line for line in wanted["outcomes"])
