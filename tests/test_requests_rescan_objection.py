"""The re-scan after an objection: prospecting has stopped everywhere, and what stays says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.holds import Person
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.model import Kind, Request, RequestError, State
from retention.requests.proving import proof
from retention.requests.proving.rescan import Trace
from tests.engine import lives
from tests.engine.asking import account, ask, customer, done, said
from tests.engine.lives import ACTIVE, ANNA, ARCHIVE, AS_OF, BY_LOGIN, IN_FORCE
from tests.engine.small import START, Small, clock
from tests.test_requests_rescan import make_table, text_column

LEADS = TableName("crm.leads")
EMAIL, NAME = "Person1@example.org", "Person Un"
WITH_LEADS = {
    "label": "Leads",
    "subject": "prospect",
    "key": "lead_id",
    "purposes": {"prospecting": "always"},
    "events": {"collected": {"column": "seen_on"}, "withdrawn": {"column": "withdrawn_on"}},
    "on_objection": {"withdrawn_on": "today"},
    "columns": {
        "lead_id": {"category": "user.unique_id"},
        "name": {"category": "user.name", "identifies": True},
        "email": {"category": "user.contact.email", "identifies": True},
        "seen_on": {"category": "system.operations"},
        "withdrawn_on": {"category": "user.privacy_preferences"},
        "remarks": {"category": "user.content.private", "identifies": True},
    },
}

BOTH = pytest.mark.parametrize(
    "place", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    """A customer with an order, up for prospecting, who is a lead too."""
    server = getattr(request, "param", "") == "postgresql"
    small = Small(tmp_path / "s", request.getfixturevalue("postgres_url") if server else None)
    small.write().fill()
    tables = small.catalogue["systems"]["crm"]["tables"]
    tables["customers"]["on_objection"] = {"opted": "no"}
    tables["leads"] = WITH_LEADS
    small.write_documents()
    key = sa.Column("lead_id", sa.Integer, primary_key=True)
    days = [sa.Column(name, sa.Date) for name in ("seen_on", "withdrawn_on")]
    texts = [text_column(name) for name in ("name", "email", "remarks")]
    make_table(small, "leads", key, *texts, *days, **lead(1))
    up = {"opted": "yes", "collected_on": date(2026, 5, 5)}
    small.update("crm.customers", {"customer_id": ACTIVE}, name=NAME, email=EMAIL, **up)
    return small


def lead(number: int, **values: Any) -> dict[str, Any]:
    days = {"seen_on": date(2026, 6, 6), "withdrawn_on": None}
    return {"lead_id": number, "name": NAME, "email": EMAIL.lower(), **days, **values}


def insert_lead(small: Small, number: int, **values: Any) -> None:
    row = lead(number, **values)
    with small.source("crm") as connection:
        table = sa.table("leads", *map(sa.column, row))
        if small.server:
            table = sa.table("leads", *map(sa.column, row), schema="crm")
        connection.execute(table.insert(), row)


def object_to(
    installation: Installation, *persons: Person, email: str = EMAIL
) -> tuple[Request, Callable[[], Request]]:
    asked = ask(installation, Kind.objection, persons, email=email)
    return asked, lambda: done(installation, asked)


def both() -> list[Person]:
    return [customer(ACTIVE), (LEADS, (1,))]


def stays_open(installation: Installation, *persons: Person, at: str) -> str:
    """Carries an objection out, which must not be answered, because of what is ``at`` a place."""
    asked, carry_out = object_to(installation, *persons)
    with pytest.raises(RequestError) as caught:
        carry_out()
    text = str(caught.value)
    assert at in text
    assert "person1" not in text.lower() and "Person Un" not in text
    kept = casebook.get(installation, asked.request_id)
    assert kept.state is not State.answered
    assert kept.failure == text
    return text


def left(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Trace]]:
    """Every trace that the next search will find, explained or not; filled when it is made."""
    found: dict[str, list[Trace]] = {"all": []}
    original = proof.rescan_many

    def kept(*given: Any) -> list[list[Trace]]:
        many = original(*given)
        found["all"] = [trace for traces in many for trace in traces]
        return many

    monkeypatch.setattr(proof, "rescan_many", kept)
    return found


def before_the_search(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    original = proof.prove

    def acted(*given: Any, **named: Any) -> Any:
        act()
        return original(*given, **named)

    monkeypatch.setattr(proof, "prove", acted)


@BOTH
def test_who_objects_and_stays_a_customer_is_answered(place, monkeypatch):
    with place.opened() as installation:
        found = left(installation, monkeypatch)
        _, carry_out = object_to(installation, *both())
        request = carry_out()
        assert request.state is State.answered
        outcomes = said(installation, request)
    assert outcomes["crm.leads", "prospecting", "deleted"][0] == 1
    assert outcomes["crm.customers", "prospecting", "corrected"][0] == 1
    whys = {trace.why for trace in found["all"]}
    assert any("held for other purposes" in why for why in whys)
    assert {t.place for t in found["all"]} >= {"crm.customers.email", "crm.orders.customer_id"}
    [row] = [row for row in place.rows("crm.customers") if row["customer_id"] == ACTIVE]
    assert row["opted"] == "no"


@BOTH
def test_a_second_lead_that_was_not_linked_is_found_by_its_email(place):
    insert_lead(place, 2, name=None)
    with place.opened() as installation:
        text = stays_open(installation, *both(), at="crm.leads.email (email)")
        assert "crm.customers" not in text


def test_a_second_lead_is_found_though_it_has_withdrawn_already(place):
    """It is held for nothing else: the data have to go."""
    insert_lead(place, 2, withdrawn_on=date(2026, 7, 7))
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.leads.email (email)")


def test_a_lead_of_another_person_who_shares_the_address_is_no_trace(place):
    insert_lead(place, 2, name="Somebody Else")
    with place.opened() as installation:
        assert object_to(installation, *both())[1]().state is State.answered


@pytest.mark.parametrize(("opted", "answered"), [("no", True), (None, True), ("yes", False)])
def test_a_second_customer_record_is_explained_only_where_prospecting_has_stopped(
    place, opted, answered
):
    more = {"name": NAME, "email": EMAIL, "opted": opted, "collected_on": date(2026, 5, 5)}
    place.insert("crm.customers", lives.customer(90, **more))
    place.insert("crm.orders", lives.order(90, 90, date(2026, 5, 5)))
    with place.opened() as installation:
        if answered:
            assert object_to(installation, *both())[1]().state is State.answered
        else:
            stays_open(installation, *both(), at="crm.customers.email (email)")


@pytest.mark.parametrize(
    ("columns", "found_as"),
    [({"mail": EMAIL.upper()}, "crm.mailing.mail (email)"), ({"who": NAME}, "crm.mailing.who")],
)
def test_a_copy_that_nobody_governs_may_be_a_mailing_list(place, columns, found_as):
    make_table(place, "mailing", *(text_column(name) for name in columns), **columns)
    with place.opened() as installation:
        stays_open(installation, *both(), at=found_as)


def test_a_bare_key_counts_as_the_record_that_it_names(place):
    number = sa.Column("customer_id", sa.Integer)
    make_table(place, "visits", number, customer_id=ACTIVE)
    with place.opened() as installation:
        assert object_to(installation, *both())[1]().state is State.answered
    make_table(place, "sendings", sa.Column("lead_id", sa.Integer), lead_id=1)
    insert_lead(place, 1)
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.sendings.lead_id (key)")


@BOTH
@pytest.mark.parametrize("number", [1, 7])
def test_a_lead_that_an_import_puts_back_before_the_search_is_found(place, monkeypatch, number):
    before_the_search(monkeypatch, lambda: insert_lead(place, number))
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.leads.email (email)")


def test_an_import_that_brings_the_consent_back_is_found(place, monkeypatch):
    def imported() -> None:
        place.update("crm.customers", {"customer_id": ACTIVE}, opted="yes")

    before_the_search(monkeypatch, imported)
    with place.opened() as installation:
        text = stays_open(installation, *both(), at="crm.customers.email (email)")
        # nor is anything else of that customer explained
        assert "crm.orders.customer_id (key)" in text


def test_a_consent_too_old_to_be_used_must_still_say_that_its_owner_objected(place, monkeypatch):
    def imported() -> None:
        old = {"opted": "yes", "collected_on": date(2015, 1, 1)}
        place.update("crm.customers", {"customer_id": ACTIVE}, **old)

    before_the_search(monkeypatch, imported)
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.customers.email (email)")


def test_a_customer_whose_record_cannot_say_no_is_not_answered(place):
    del place.catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"]
    place.write_documents()
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.customers.email (email)")


def test_what_is_mentioned_where_another_purpose_holds_it_is_explained(place, monkeypatch):
    place.update("crm.notes", {"note_id": 2}, body=f"recommended by {EMAIL}")
    with place.opened() as installation:
        found = left(installation, monkeypatch)
        assert object_to(installation, *both())[1]().state is State.answered
    [why] = {trace.why for trace in found["all"] if trace.place == "crm.notes.body"}
    assert why.startswith("mentioned in a record")


def test_what_is_mentioned_in_the_record_of_another_lead_is_not(place):
    remarks = f"recommended by {EMAIL}"
    insert_lead(place, 2, name="Somebody Else", email="else@example.org", remarks=remarks)
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.leads.remarks (email)")


def test_an_account_of_theirs_that_was_not_linked_stands_for_its_contract(place):
    place.insert("web.accounts", lives.account(70, EMAIL, AS_OF))
    with place.opened() as installation:
        assert object_to(installation, *both())[1]().state is State.answered


def test_what_was_archived_before_is_held_for_other_purposes(place):
    place.run()
    assert place.archived_ids("crm.customers")[ARCHIVE]
    with place.opened() as installation:
        asked = ask(installation, Kind.objection, [], archived=[customer(ARCHIVE)],
                    email="person3@example.org")  # fmt: skip
        assert done(installation, asked).state is State.answered


def test_a_held_lead_waits_and_no_further_one_with_it(place):
    with place.opened() as installation:
        holds.add(installation, LEADS, ["1"], kind="legal_hold", reason="x", by="dpo", now=START)
        request = object_to(installation, *both())[1]()
        assert request.state is State.answered
        assert said(installation, request)["crm.leads", "", "held"] == (1, None, "legal_hold")
    insert_lead(place, 2)
    with place.opened() as installation:
        stays_open(installation, *both(), at="crm.leads.email (email)")


@BOTH
@pytest.mark.parametrize("unknown", [date(1900, 1, 1), None])
def test_a_held_lead_says_no_though_its_consent_has_run_out_by_itself(place, unknown):
    """Or a later import could bring it to life again; a day that says nothing is no day."""
    columns = {**WITH_LEADS["columns"]}
    columns["withdrawn_on"] = columns["withdrawn_on"] | {"sentinels": {"unknown": ["1900-01-01"]}}
    place.catalogue["systems"]["crm"]["tables"]["leads"] = WITH_LEADS | {"columns": columns}
    place.write_documents()
    insert_lead(place, 2, seen_on=date(2015, 1, 1), withdrawn_on=unknown)
    insert_lead(place, 3, seen_on=date(2015, 1, 1), withdrawn_on=date(2014, 1, 1))
    leads = [(LEADS, (number,)) for number in (1, 2, 3)]
    with place.opened() as installation:
        for _, (number,) in leads:
            holds.add(installation, LEADS, [str(number)], kind="legal_hold", reason="x", by="dpo",
                      now=START)  # fmt: skip
        request = object_to(installation, customer(ACTIVE), *leads)[1]()
        assert request.state is State.answered
        assert said(installation, request)["crm.leads", "prospecting", "corrected"][0] == 2
    with place.source("crm") as connection:
        days = sa.select(sa.column("withdrawn_on", sa.Date)).order_by(sa.text("lead_id"))
        table = sa.table("leads", schema="crm" if place.server else None)
        found = list(connection.scalars(days.select_from(table)))
    assert found == [AS_OF, AS_OF, date(2014, 1, 1)]


@pytest.mark.parametrize("name", ["statistics/r/2026-10/rows.csv", "quarantine/r/2026-10/x.json"])
def test_a_release_that_holds_their_address_is_found(place, name):
    place.change_settings(statistics={"declaration": "statistics.yaml"})
    (place.home / "statistics.yaml").write_text("{}")
    file = place.home / name
    file.parent.mkdir(parents=True)
    file.write_text(f"who,n\n{EMAIL},1\n")
    with place.opened() as installation:
        stays_open(installation, *both(), at=f"release:{name} (email)")


def test_who_is_known_to_nobody_is_looked_for_by_what_they_said(place):
    with place.opened() as installation:
        stays_open(installation, at="crm.leads.email (email)")


def test_once_it_is_seen_to_the_same_request_is_answered(place):
    insert_lead(place, 2)
    with place.opened() as installation:
        asked, carry_out = object_to(installation, *both())
        with pytest.raises(RequestError):
            carry_out()
        with place.source("crm") as connection:
            connection.execute(sa.text("DELETE FROM leads WHERE lead_id = 2"))
        casebook.retry(installation, asked.request_id, by="dpo", reason="seen to", now=clock()())
        request = done(installation, asked, later=3)
        assert request.state is State.answered
        outcomes = said(installation, request)
    assert outcomes["crm.leads", "prospecting", "deleted"][0] == 1
    assert outcomes["crm.customers", "prospecting", "corrected"][0] == 1


def test_objections_and_erasures_are_proved_in_one_pass(place, monkeypatch):
    """Each by its own rule: what an objection leaves, an erasure does not."""
    read: list[str] = []
    with place.opened() as installation:
        requests = [
            ask(installation, kind, persons, email=email)
            for kind, persons, email in (
                (Kind.objection, both(), EMAIL),
                (Kind.erasure, [customer(IN_FORCE)], "person2@example.org"),
                (Kind.objection, [customer(BY_LOGIN), account(ANNA)], "anna@example.org"),
            )
        ]
        numbers = [request.request_id for request in requests]
        for request in requests:
            persons = casebook.persons(installation, request.request_id)
            tokens = casebook.tokens(installation, request.request_id)
            assert request.asked is not None
            proof.remember(
                installation, request.request_id, request.kind, request.asked, persons, tokens
            )
        found = proof.prove(installation, numbers, read.append, as_of=AS_OF)
    assert len(read) == len(set(read))
    places = [{trace.place for trace in found[number]} for number in numbers]
    assert "crm.customers.email" in places[0] and "crm.leads.email" in places[0]
    assert "crm.contracts.customer_id" in places[1] and "crm.customers.email" in places[1]
    assert places[2] == set()
