"""Objection and rectification: rows that stay where they are, and change."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from retention.requests.book import casebook
from retention.requests.doing import opposition
from retention.requests.model import Kind, RequestError, State
from tests.engine.asking import account, ask, customer, done, said
from tests.engine.lives import ACTIVE, ANNA, AS_OF, BY_LOGIN, LONG_GONE, OF_ARCHIVE
from tests.engine.small import START, Small

CATEGORY = "user.contact.email"


def opposing(small: Small) -> Small:
    """An installation whose customers can say no, and of whom one is up for prospecting."""
    small.catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    small.write_documents()
    small.update(
        "crm.customers", {"customer_id": ACTIVE}, opted="yes", segment="golf",
        collected_on=date(2026, 5, 5),
    )  # fmt: skip
    return small


def test_an_objection_stops_prospecting_and_clears_what_it_alone_needed(either: Small) -> None:
    small = opposing(either)
    before = small.everything()
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.objection, [customer(ACTIVE)]))
        assert request.state is State.answered
        outcomes = said(installation, request)
        assert outcomes["crm.customers", "prospecting", "corrected"][2] == "other_purpose"
        assert opposition.is_listed(installation, "email", "person1@example.org", AS_OF)
        assert opposition.is_listed(installation, "email", "SOMEONE@example.org ", AS_OF)
        again = ask(installation, Kind.objection, [customer(ACTIVE)])
        done(installation, again, later=4)
    for row in before["crm.customers"]:
        if row["customer_id"] == ACTIVE:
            row |= {"opted": "no", "segment": None}
    assert small.everything() == before


def test_who_opposed_and_comes_back_as_a_prospect_is_noticed(small: Small) -> None:
    opposing(small)
    with small.opened() as installation:
        done(installation, ask(installation, Kind.objection, [customer(ACTIVE)]))
        table = customer(0)[0]
        assert opposition.count_opposed(installation, table, AS_OF) == 0
        small.insert("crm.customers", {"customer_id": 99, "name": "Imported", "opted": "yes",
            "email": "Person1@Example.org", "segment": None, "collected_on": AS_OF})  # fmt: skip
        assert opposition.count_opposed(installation, table, AS_OF) == 1


@pytest.mark.parametrize("kind", [Kind.objection, Kind.erasure])
def test_what_others_have_too_is_listed_only_if_the_person_says_it(either: Small, kind: Kind):
    nobodys = "unknown@example.com"
    opposing(either)
    either.update("crm.customers", {"customer_id": ACTIVE}, email=nobodys)
    for number in (98, 99):
        either.insert("crm.customers", {"customer_id": number, "name": f"Other {number}",
            "email": nobodys, "opted": "yes", "segment": None, "collected_on": AS_OF})  # fmt: skip
    with either.opened() as installation:
        done(installation, ask(installation, kind, [customer(ACTIVE)]))
        assert opposition.is_listed(installation, "email", "someone@example.org", AS_OF)
        assert not opposition.is_listed(installation, "email", nobodys, AS_OF)
        assert opposition.count_opposed(installation, customer(0)[0], AS_OF) == 0
        said_by_them = ask(installation, kind, [customer(ACTIVE)], email=nobodys)
        done(installation, said_by_them, later=4)
        assert opposition.count_opposed(installation, customer(0)[0], AS_OF) == 2


def test_a_correction_does_not_tie_the_person_to_somebody_elses_account(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        request = ask(installation, Kind.rectification, [customer(ACTIVE)],
                      corrections={CATEGORY: "Long.Gone@example.org"})  # fmt: skip
        with pytest.raises(RequestError, match="not known to be this person") as raised:
            done(installation, request)
        assert "long.gone" not in str(raised.value).casefold()
        assert either.everything() == before
        theirs = ask(installation, Kind.rectification, [customer(ACTIVE), account(LONG_GONE)],
                     email="else@example.org", corrections={CATEGORY: "long.gone@example.org"})  # fmt: skip
        assert done(installation, theirs, later=2).state is State.answered
    (row,) = [row for row in either.rows("crm.customers") if row["customer_id"] == ACTIVE]
    assert row["email"] == "long.gone@example.org"


def test_a_rectification_reaches_every_system_and_completes_what_is_missing(
    either: Small,
) -> None:
    either.update("crm.customers", {"customer_id": BY_LOGIN}, email=None)
    before = either.everything()
    with either.opened() as installation:
        asked = ask(
            installation, Kind.rectification, [customer(BY_LOGIN), account(ANNA)],
            corrections={CATEGORY: "anna.new@example.org"},
        )  # fmt: skip
        request = done(installation, asked)
        outcomes = said(installation, request)
    assert outcomes["crm.customers", "", "corrected"][0] == 1
    assert outcomes["web.accounts", "", "corrected"][0] == 1
    for name, key, number in (
        ("crm.customers", "customer_id", BY_LOGIN), ("web.accounts", "account_id", ANNA),
    ):  # fmt: skip
        for row in before[name]:
            if row[key] == number:
                row["email"] = "anna.new@example.org"
    assert either.everything() == before


def test_an_invoice_is_not_rewritten_and_that_is_said(either: Small) -> None:
    invoices = either.rows("crm.invoices")
    with either.opened() as installation:
        asked = ask(
            installation, Kind.rectification, [customer(ACTIVE)],
            corrections={"user.name": "Person One"},
        )  # fmt: skip
        outcomes = said(installation, done(installation, asked))
    assert outcomes["crm.invoices", "", "kept"] == (1, None, "evidence")
    assert either.rows("crm.invoices") == invoices
    mine = [row for row in either.rows("crm.customers") if row["customer_id"] == ACTIVE]
    assert mine[0]["name"] == "Person One"


def test_a_value_that_does_not_fit_changes_nothing_and_names_the_column(small: Small) -> None:
    small.catalogue["systems"]["crm"]["tables"]["customers"]["columns"]["collected_on"] = {
        "category": "user.demographic.date_of_birth"
    }
    small.write_documents()
    before = small.everything()
    with small.opened() as installation:
        asked = ask(
            installation, Kind.rectification, [customer(ACTIVE)],
            corrections={"user.demographic.date_of_birth": "Canari"},
        )  # fmt: skip
        with pytest.raises(RequestError) as caught:
            done(installation, asked)
        failed = casebook.get(installation, asked.request_id)
    assert "crm.customers.collected_on" in str(caught.value)
    assert "Canari" not in str(caught.value)
    assert failed.failure == str(caught.value)
    assert small.everything() == before


def test_another_person_with_the_same_name_keeps_theirs(small: Small) -> None:
    small.update("crm.customers", {"customer_id": OF_ARCHIVE}, name="Person 1")
    with small.opened() as installation:
        asked = ask(
            installation, Kind.rectification, [customer(ACTIVE)],
            corrections={"user.name": "Person One"},
        )  # fmt: skip
        done(installation, asked)
    names: dict[Any, str] = {row["customer_id"]: row["name"] for row in small.rows("crm.customers")}
    assert names[ACTIVE] == "Person One"
    assert names[OF_ARCHIVE] == "Person 1"


def test_the_next_daily_run_leaves_a_request_be(either: Small) -> None:
    opposing(either)
    with either.opened() as installation:
        done(installation, ask(installation, Kind.objection, [customer(ACTIVE)]))
    mine = [row for row in either.rows("crm.customers") if row["customer_id"] == ACTIVE]
    either.run(AS_OF, start=START + timedelta(hours=4))
    assert [row for row in either.rows("crm.customers") if row["customer_id"] == ACTIVE] == mine


def test_who_supplied_nothing_portable_is_not_told_to_be_unknown(small: Small) -> None:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.portability, [customer(ACTIVE)]))
        outcomes = said(installation, request)
        nobody = done(
            installation, ask(installation, Kind.portability, [], email="a@b.fr"), later=3
        )
        assert said(installation, nobody) == {("", "", "nothing"): (0, None, None)}
    assert outcomes["crm.customers", "", "copied"][0] == 0
    assert ("", "", "nothing") not in outcomes
