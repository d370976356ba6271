"""A reference that is stored otherwise than the key it equals still says whose the row is."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.requests.model import Kind, Outcome, State
from tests.engine import lives
from tests.engine.asking import account, ask, done, said, tables_with
from tests.engine.lives import ARCHIVE, IN_FORCE, OF_ARCHIVE
from tests.engine.small import START, Small

CUSTOMERS = TableName("crm.customers")
INVOICE = 2
"""The invoice of customer ARCHIVE."""

SPELLED = pytest.mark.parametrize(
    ("key", "reference", "letter"),
    [
        ("char(6)", "varchar(6)", "c"),
        ("varchar(6)", "char(6)", "c"),
        ("public.citext", "public.citext", "C"),
        ("integer", "numeric(10,2)", ""),
        ("integer", "double precision", ""),
    ],
)


def retyped(server: Small, key: str, reference: str, letter: str) -> Small:
    """Customers' keys become ``key``, what points at them from invoices ``reference``."""
    pointing = {"contracts": "customer_id", "orders": "customer_id", "notes": "customer_id",
                "replies": "to_customer"}  # fmt: skip
    texts = ["CREATE EXTENSION IF NOT EXISTS citext SCHEMA public"]
    for table, column in {**pointing, "invoices": "customer_id"}.items():
        texts.append(f"ALTER TABLE crm.{table} DROP CONSTRAINT {table}_{column}_fkey")
    for table, column in {"customers": "customer_id", **pointing}.items():
        value = f"'{letter.lower()}' || {column}" if letter else column
        texts.append(f"ALTER TABLE crm.{table} ALTER {column} TYPE {key} USING {value}")
    value = f"'{letter}' || customer_id" if letter else "customer_id"
    texts.append(f"ALTER TABLE crm.invoices ALTER customer_id TYPE {reference} USING {value}")
    with server.source("crm") as connection:
        for text in texts:
            connection.execute(sa.text(text))
    return server


def key_of(server: Small, letter: str, number: int = ARCHIVE) -> str | int:
    with server.source("crm") as connection:
        text = "SELECT customer_id FROM crm.customers WHERE customer_id = "
        wanted = f"'{letter.lower()}{number}'" if letter else str(number)
        found: str | int = connection.execute(sa.text(text + wanted)).scalar_one()
        return found


def invoices(server: Small) -> set[int]:
    with server.source("crm") as connection:
        return set(connection.execute(sa.text("SELECT invoice_id FROM crm.invoices")).scalars())


@SPELLED
def test_a_hold_reaches_the_invoice(server: Small, key: str, reference: str, letter: str) -> None:
    retyped(server, key, reference, letter)
    with server.opened() as installation:
        holds.add(
            installation, CUSTOMERS, [str(key_of(server, letter))], kind="legal_hold",
            reason="a lawsuit", by="dpo", now=START,
        )  # fmt: skip
    server.run()
    assert INVOICE in invoices(server)


@SPELLED
def test_an_erasure_finds_the_invoice(server: Small, key: str, reference: str, letter: str) -> None:
    retyped(server, key, reference, letter)
    with server.opened() as installation:
        persons = [(CUSTOMERS, (key_of(server, letter),)), account(OF_ARCHIVE)]
        outcomes = said(installation, done(installation, ask(installation, Kind.erasure, persons)))
    assert "crm.invoices" in tables_with(outcomes, Outcome.archived)
    assert INVOICE not in invoices(server)
    assert {item["table"] for item in server.archived()} == {"crm.invoices", "crm.lines"}


@SPELLED
def test_what_stays_of_the_person_is_told_from_what_is_left(
    server: Small, key: str, reference: str, letter: str
) -> None:
    retyped(server, key, reference, letter)
    with server.opened() as installation:
        person = (CUSTOMERS, (key_of(server, letter, IN_FORCE),))
        request = done(installation, ask(installation, Kind.erasure, [person]))
        assert request.state is State.answered
        assert "crm.customers" in tables_with(said(installation, request), Outcome.kept)


@pytest.mark.parametrize("letter", ["c", "C"])
def test_who_is_still_referred_to_stays_however_that_is_written(server: Small, letter: str) -> None:
    retyped(server, "public.citext", "public.citext", letter)
    with server.source("crm") as connection:  # an invoice that nobody can decide on
        text = f"UPDATE crm.invoices SET issued_on = NULL WHERE invoice_id = {INVOICE}"
        connection.execute(sa.text(text))
    server.change_settings(max_review_share=1)
    server.run()
    assert INVOICE in invoices(server)
    assert key_of(server, letter) == f"c{ARCHIVE}"


def test_a_purchase_that_has_left_is_remembered_of_its_customer(small: Small) -> None:
    """On SQLite, where the invoice holds '3' and the customer 3."""
    customers = small.catalogue["systems"]["crm"]["tables"]["customers"]
    customers["events"]["purchase"] = {"table": "invoices", "column": "issued_on"}
    small.write_documents()
    with small.source("crm") as connection:
        for text in (
            "CREATE TABLE told (invoice_id INTEGER PRIMARY KEY, customer_id TEXT "
            "REFERENCES customers (customer_id), issued_on TEXT, amount INTEGER, billed_to TEXT)",
            "INSERT INTO told SELECT * FROM invoices",
            "DROP TABLE lines",
            "DROP TABLE invoices",
            "ALTER TABLE told RENAME TO invoices",
            "CREATE TABLE lines (invoice_id INTEGER REFERENCES invoices (invoice_id), "
            "place INTEGER NOT NULL, what TEXT, PRIMARY KEY (invoice_id, place))",
        ):
            connection.execute(sa.text(text))
    small.insert(CUSTOMERS, lives.customer(40, collected_on=None))
    small.insert("crm.invoices", lives.invoice(40, 40, date(2022, 5, 10)))
    small.change_settings(max_review_share=1)
    small.run()
    assert 40 not in small.ids("crm.invoices")
    assert 40 not in small.ids(CUSTOMERS), "it would look like one of whom nothing is known"
