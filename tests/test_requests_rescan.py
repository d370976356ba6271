"""The re-scan: whatever is left of a person is found, whatever is another's is not theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention.encoding import decode, encode
from retention.errors import RetentionError
from retention.holds import subject_token
from retention.installation import Installation
from retention.requests.model import Asked, OutcomeLine
from retention.requests.proving.rescan import (
    Case,
    Trace,
    contacts,
    gather_sought,
    rescan,
    rescan_many,
)
from tests.engine import lives, tables
from tests.engine.small import Small

PERSON, BYSTANDER = 4, 9
CUSTOMER = ("crm.customers", (PERSON,))
EMAIL, PHONE, NAME = "Marie.Martin@example.org", "06 12 34 56 78", "Marie MARTIN"


def catalogued(small: Small) -> Small:
    """With phone numbers in the column ``segment``."""
    small.catalogue = tables.catalogue(small._address("crm"), small._address("web"))
    columns = small.catalogue["systems"]["crm"]["tables"]["customers"]["columns"]
    columns["segment"] = {"category": "user.contact.phone_number", "identifies": True}
    return small.write().fill()


BOTH = pytest.mark.parametrize(
    "place", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    url = (
        request.getfixturevalue("postgres_url")
        if getattr(request, "param", "") == "postgresql"
        else None
    )
    small = catalogued(Small(tmp_path / "small", url))
    small.update("crm.customers", {"customer_id": PERSON}, name=NAME, email=EMAIL, segment=PHONE)
    small.insert("web.accounts", lives.account(7, EMAIL.lower(), date(2020, 1, 1)))
    small.insert("crm.invoices", lives.invoice(40, PERSON, date(2020, 2, 2)))
    return small


@pytest.fixture
def opened(place: Small) -> Iterator[Installation]:
    with place.opened() as installation:
        yield installation


PERSONS = [CUSTOMER, ("web.accounts", (7,))]


def tokens_of(installation: Installation) -> list[str]:
    return [subject_token(installation.keyring, *person) for person in PERSONS]


def gathered(installation: Installation) -> dict[str, Any]:
    sought = gather_sought(installation, PERSONS, tokens_of(installation))
    kept: dict[str, Any] = decode(encode(sought))
    assert kept == sought
    return kept


def erase(small: Small) -> None:
    small.delete("crm.replies", note_id=4)
    small.delete("crm.notes", customer_id=PERSON)
    small.delete("crm.orders", customer_id=PERSON)
    small.delete("crm.invoices", customer_id=PERSON)
    small.delete("crm.customers", customer_id=PERSON)
    small.delete("web.accounts", account_id=7)


def look(installation: Installation, sought: Any, *lines: OutcomeLine, **more: Any) -> list[Trace]:
    return rescan(installation, sought, lines, tokens_of(installation), **more)


def unexplained(traces: list[Trace]) -> set[tuple[str, str]]:
    return {(trace.place, trace.what) for trace in traces if not trace.explained}


def make_table(small: Small, name: str, /, *columns: sa.Column[Any], **values: Any) -> None:
    table = sa.Table(name, sa.MetaData(), *columns)
    with small.source("crm") as connection:
        table.create(connection)
        connection.execute(table.insert(), values)


def text_column(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text)


@BOTH
def test_what_is_sought_says_what_the_person_is_recognised_by(opened):
    sought = gathered(opened)
    values = {(field, value, place) for field, value, place in sought["values"]}
    assert values == {
        ("email", EMAIL, "crm.customers.email"),
        ("email", EMAIL.lower(), "web.accounts.email"),
        ("phone", PHONE, "crm.customers.segment"),
        ("full_name", NAME, "crm.customers.name"),
    }
    assert sought["keys"] == [["crm.customers", ["4"]], ["web.accounts", ["7"]]]
    assert {name for name, _ in sought["records"]} == {
        "crm.customers", "crm.orders", "crm.notes", "crm.replies", "crm.invoices", "web.accounts",
    }  # fmt: skip


@BOTH
def test_after_a_clean_erasure_nothing_is_found(place, opened):
    sought = gathered(opened)
    before = look(opened, sought)
    assert not any(trace.may_be_anothers for trace in before), "nobody can say so of their own rows"
    assert unexplained(before) >= {
        ("crm.customers.email", "email"),
        ("crm.customers.segment", "phone"),
        ("crm.customers.name", "name"),
        ("crm.customers.customer_id", "key"),
        ("crm.orders.customer_id", "key"),
        ("web.accounts.email", "email"),
    }
    erase(place)
    assert look(opened, sought) == []


def leftover_table(**values: Any) -> Callable[[Small], None]:
    return lambda small: make_table(
        small, "old_backup", *(text_column(name) for name in values), **values
    )


def blob_table(small: Small) -> None:
    content = sa.Column("content", sa.LargeBinary)
    make_table(small, "files", content, content=b"\x00\xff " + EMAIL.encode("utf-16-le"))


LEFTOVERS: list[tuple[Callable[[Small], None], set[tuple[str, str]]]] = [
    (
        leftover_table(who="x", mail=EMAIL.upper()),
        {("crm.old_backup.mail", "email"), ("crm.old_backup.mail", "name")},
    ),
    (leftover_table(a="MARTIN", b="Marie"), {("crm.old_backup", "name")}),
    (leftover_table(line=f"2026-01-01 INFO call to +33 6 12345678 ok {'x' * 9_000}"),
     {("crm.old_backup.line", "phone")}),
    (leftover_table(doc='{"a": {"tel": "0033612345678"}}'), {("crm.old_backup.doc", "phone")}),
    (leftover_table(url="/u?e=marie.martin%40example.org"),
     {("crm.old_backup.url", "email"), ("crm.old_backup.url", "name")}),
    (blob_table, {("crm.files.content", "email"), ("crm.files.content", "name")}),
    (
        lambda small: make_table(
            small, "old_customers", sa.Column("customer_id", sa.Integer), customer_id=PERSON
        ),
        {("crm.old_customers.customer_id", "key")},
    ),
    (
        lambda small: small.update("crm.notes", {"note_id": 1}, body=f"Parrainé : {EMAIL}"),
        {("crm.notes.body", "email"), ("crm.notes.body", "name")},
    ),
    (
        lambda small: small.update("crm.notes", {"note_id": 1}, body="vu avec Mme Martin Marie"),
        {("crm.notes.body", "name")},
    ),
    (
        lambda small: small.update("crm.lines", {"invoice_id": 1, "place": 1}, what=PHONE),
        {("crm.lines.what", "phone")},
    ),
    (  # imported again under another key, between the erasure and the re-scan
        lambda small: small.insert(
            "crm.customers", lives.customer(99, name="Martin Marie", email=EMAIL.lower())
        ),
        {("crm.customers.email", "email")},
    ),
    (
        lambda small: small.insert("web.accounts", lives.account(99, EMAIL, date(2026, 1, 1))),
        {("web.accounts.email", "email"), ("web.accounts.email", "name")},
    ),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("leave", "wanted"), LEFTOVERS)
def test_whatever_was_left_is_found(place, opened, leave, wanted):
    sought = gathered(opened)
    erase(place)
    leave(place)
    assert unexplained(look(opened, sought)) == wanted
    told = repr(look(opened, sought)).casefold()
    assert "martin" not in told and "612345678" not in told and "34 56" not in told


def test_a_row_without_its_owner_is_found(tmp_path):
    small = catalogued(Small(tmp_path / "small"))
    with small.opened() as installation:
        person = ("crm.customers", (PERSON,))
        token = subject_token(installation.keyring, *person)
        sought = gather_sought(installation, [person], [token])
        with small.source("crm") as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        engine = sa.create_engine(small.url("crm"))
        with engine.begin() as connection:  # without the keys being enforced
            connection.exec_driver_sql(f"DELETE FROM customers WHERE customer_id = {PERSON}")
        engine.dispose()
        found = unexplained(rescan(installation, sought, [], [token]))
        assert ("crm.orders.customer_id", "key") in found
        assert ("crm.notes.customer_id", "key") in found


def test_bystanders_who_resemble_the_person_are_no_trace(place, opened):
    sought = gathered(opened)
    erase(place)
    similar = [
        ("Marie Martinet", "annemarie.martin@example.org", "0612345679"),
        ("Marc Martin", "marie.martin@example.org.uk", "+44612345678"),
        ("Marie Dupont", "marie.martin+1@example.org", "1061234567"),
    ]
    for number, (name, email, phone) in enumerate(similar, 50):
        values = {"name": name, "email": email, "segment": phone}
        place.insert("crm.customers", lives.customer(number, **values))
    place.insert("crm.orders", lives.order(PERSON, 50, date(2026, 1, 1), PERSON))
    assert unexplained(look(opened, sought)) <= {("crm.customers.email", "name")}
    assert not {trace.what for trace in look(opened, sought)} - {"name"}


@BOTH
def test_who_shares_an_address_or_a_name_is_another_person(place, opened):
    sought = gathered(opened)
    erase(place)
    shares = lives.customer(50, name="Paul Martin", email=EMAIL, segment="0612345678")
    namesake = lives.customer(51, name="Martin Marie", email="mm@example.com")
    place.insert("crm.customers", shares, namesake)
    place.insert("crm.notes", lives.note(50, 51, date(2026, 1, 1)) | {"body": "Marie Martin"})
    place.insert("web.accounts", lives.account(50, EMAIL, date(2026, 1, 1)))
    traces = look(opened, sought)
    assert {(t.place, t.what, t.why) for t in traces if t.explained} >= {
        ("crm.customers.email", "email", "the record is another person's, who shares the value"),
        ("crm.customers.segment", "phone", "the record is another person's, who shares the value"),
        ("crm.customers.name", "name", "another person has the same name"),
        ("crm.notes.body", "name", "another person has the same name"),
    }
    # an account without a name cannot be told apart from one that was forgotten, unless by a person
    assert ("web.accounts.email", "email") in unexplained(traces)
    theirs = [
        subject_token(opened.keyring, "web.accounts", (50,)),
        subject_token(opened.keyring, "crm.customers", (50,)),
    ]
    assert unexplained(look(opened, sought, not_theirs=theirs)) == set()


ORDERS = ("crm.orders.customer_id", "key")


def test_what_the_request_itself_says_is_looked_for_too(place, opened):
    erase(place)
    asked = Asked(family_name="Martin", first_name="Marie", email="other@example.org")
    sought = gather_sought(opened, [], [], asked)
    assert rescan(opened, sought, [], []) == []
    place.update("crm.notes", {"note_id": 1}, body="écrit par OTHER@example.org")
    assert unexplained(rescan(opened, sought, [], [])) == {("crm.notes.body", "email")}


def test_many_persons_are_looked_for_in_one_pass(place, opened):
    persons = [("crm.customers", (number,)) for number in (1, 2, 3, 5, 6, 7, 8, BYSTANDER)]
    cases = []
    for person in persons:
        token = subject_token(opened.keyring, *person)
        cases.append(Case(gather_sought(opened, [person], [token]), [], [token]))
    read: list[str] = []
    many = rescan_many(opened, cases, read.append)
    assert many == [rescan(opened, case.sought, [], case.tokens) for case in cases]
    assert all(many)
    assert len(read) == len(set(read)) == sum(1 for _ in tables.all_tables())


def test_a_system_out_of_reach_proves_nothing(tmp_path):
    small = catalogued(Small(tmp_path / "small"))
    with small.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
    (small.home / "web.sqlite").unlink()
    with small.opened() as installation, pytest.raises(RetentionError, match="web"):
        rescan(installation, sought, [], [])


def test_a_text_that_is_no_text_hides_nothing(tmp_path):
    small = catalogued(Small(tmp_path / "small"))
    small.update("crm.customers", {"customer_id": PERSON}, email=EMAIL)
    with small.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
    with small.source("crm") as connection:
        connection.exec_driver_sql(
            "UPDATE notes SET body = CAST(? AS TEXT) WHERE note_id = 1",
            (b"\xff\xfe broken \x80 " + EMAIL.encode(),),
        )
    with small.opened() as installation:
        found = unexplained(rescan(installation, sought, [], []))
    assert ("crm.notes.body", "email") in found


def test_only_contacts_of_the_persons_own_records_go_on_the_opposition_list(place):
    columns = place.catalogue["systems"]["crm"]["tables"]["notes"]["columns"]
    columns["body"] = {"category": "user.contact.email", "identifies": True}
    place.write_documents()
    place.update("crm.notes", {"note_id": 4}, body="agent@example.com")
    with place.opened() as installation:
        sought = gathered(installation)
        assert ["email", "agent@example.com", "crm.notes.body"] in sought["values"]
        wanted = {("email", EMAIL), ("email", EMAIL.lower()), ("phone", PHONE)}
        assert set(contacts(sought)) == wanted
    assert contacts({}) == []


def test_another_kind_of_person_with_numbers_of_its_own_is_no_trace(tmp_path):
    small = catalogued(Small(tmp_path / "small"))
    for name in ("agents", "leads"):
        key = sa.Column("customer_id", sa.Integer, primary_key=True)
        make_table(small, name, key, text_column("seen_on"), customer_id=PERSON)
    small.catalogue["systems"]["crm"]["tables"]["agents"] = {
        "label": "Agents",
        "subject": "agent",
        "key": "customer_id",
        "purposes": {"contract": "always"},
        "events": {"login": {"column": "seen_on"}},
        "columns": {
            "customer_id": {"category": "user.unique_id"},
            "seen_on": {"category": "system.operations"},
        },
    }
    small.write_documents()
    with small.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
        places = {place for place, _ in unexplained(rescan(installation, sought, [], []))}
    assert "crm.leads.customer_id" in places
    assert "crm.agents.customer_id" not in places


@BOTH
def test_a_short_number_counts_in_columns_of_its_name_only(place, opened):
    """Any order, price or postcode is the number of some customer: it would hinder every answer."""
    columns = place.catalogue["systems"]["crm"]["tables"]["customers"]["columns"]
    columns["segment"] = {"category": "user.unique_id", "identifies": True}
    place.write_documents()
    place.update("crm.customers", {"customer_id": PERSON}, segment="10423")
    place.update("crm.customers", {"customer_id": BYSTANDER}, segment="20423")
    place.insert("crm.orders", lives.order(10423, BYSTANDER, date(2026, 1, 1)))
    place.update("crm.notes", {"note_id": 1}, body="payé 10423, livré à 34000")
    with place.opened() as installation:
        sought = gathered(installation)
        assert ("identifier", "10423", "crm.customers.segment") in map(tuple, sought["values"])
        erase(place)
        assert unexplained(look(installation, sought)) == set()
        number = sa.Column("SEGMENT", sa.Numeric(10, 2))
        make_table(place, "exported", number, SEGMENT=10423)
        assert unexplained(look(installation, sought)) == {("crm.exported.SEGMENT", "identifier")}
