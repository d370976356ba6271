"""What the engine does not do right yet: each test says what should be, and fails."""

from __future__ import annotations

import sqlite3
from datetime import date

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.review import review_cases
from tests.engine.crash import count, run_until
from tests.engine.lives import BARE, customer, order
from tests.engine.small import LONG_AFTER, START, Small

CUSTOMERS = "crm.customers"


@pytest.mark.xfail(strict=True, reason="a dependant without its owner has no clock, and stays")
def test_a_dependant_whose_owner_is_not_there_goes_to_review(small: Small) -> None:
    connection = sqlite3.connect(small.home / "crm.sqlite")  # foreign keys are not enforced
    connection.execute("INSERT INTO notes VALUES (500, 9999, '2001-01-01', 'about someone')")
    connection.commit()
    connection.close()
    small.run()
    with small.opened() as installation:
        assert "crm.notes" in {case.table for case in review_cases(installation)}


def test_a_hold_reaches_an_invoice_whose_reference_is_stored_in_another_type(small: Small) -> None:
    with small.source("crm") as connection:
        for text in (
            "DROP TABLE lines",
            "DROP TABLE invoices",
            "CREATE TABLE invoices (invoice_id INTEGER PRIMARY KEY, customer_id TEXT "
            "REFERENCES customers (customer_id), issued_on TEXT, amount INTEGER, billed_to TEXT)",
            "CREATE TABLE lines (invoice_id INTEGER REFERENCES invoices (invoice_id), "
            "place INTEGER NOT NULL, what TEXT, PRIMARY KEY (invoice_id, place))",
            "INSERT INTO invoices VALUES (2, '3', '2022-05-10', 250, 'Person 3')",
        ):
            connection.execute(sa.text(text))
    with small.opened() as installation:
        holds.add(
            installation,
            TableName(CUSTOMERS),
            ["3"],
            kind="legal_hold",
            reason="a lawsuit",
            by="dpo",
            now=START,
        )
    small.run()
    assert small.ids("crm.invoices") == {2}


def test_a_key_given_to_another_person_between_a_crash_and_its_repair_loses_no_copy(
    small: Small,
) -> None:
    """The run died right after the source had committed; then the key was used again."""
    run = count(small.copied(small.home.parent / "count"))
    deleting = [at for at in run.moments if run.places[at] == "delete crm.customers"]
    for nth, at in enumerate(deleting):
        crashed = small.copied(small.home.parent / f"crashed{nth}")
        run_until(crashed, at)
        if BARE not in crashed.ids(CUSTOMERS):
            break
    assert crashed.archived_ids(CUSTOMERS)[BARE] == 0, "the copy is not final yet"
    crashed.insert(CUSTOMERS, customer(BARE, name="Somebody else"))
    crashed.insert("crm.orders", order(98, BARE, date(2026, 10, 1)))
    crashed.run(start=START + LONG_AFTER)
    assert crashed.archived_ids(CUSTOMERS)[BARE] == 1
