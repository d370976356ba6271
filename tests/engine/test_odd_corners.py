"""Odd corners: rows without owners, references in other types, keys used again, quotas."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import RunFailed
from retention.execution.work import Work
from retention.review import review_cases
from tests.engine.crash import count, run_until
from tests.engine.lives import ACTIVE, AS_OF, BARE, LEAVING, customer, note, order, reply
from tests.engine.small import LONG_AFTER, START, Small

CUSTOMERS = "crm.customers"


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


def test_rows_that_cannot_leave_yet_do_not_use_up_every_days_quota(small: Small) -> None:
    """The first in the order of the key is still referred to: the others must get their turn."""
    small.change_settings(backlog={"daily_rows": 1}, caps={"rows": 0})
    small.insert(CUSTOMERS, customer(0))
    small.insert("crm.orders", order(90, 0, date(2001, 5, 5)))
    small.insert("crm.notes", note(90, ACTIVE, date(2026, 1, 1)))
    small.insert("crm.replies", reply(90, 1, 0))
    for nth in range(9):
        small.run(AS_OF + timedelta(days=nth), start=START + nth * LONG_AFTER)
    assert small.ids(CUSTOMERS) & (LEAVING | {0}) == {0}


def test_a_linked_system_that_fails_is_named_and_stops_whom_it_could_prolong(
    small: Small,
) -> None:
    gone: list[str] = []

    def lose(_stage: str, _name: str, _work: Work) -> None:
        if not gone:
            gone.append("logins")
            with small.source("web") as connection:
                connection.execute(sa.text("ALTER TABLE logins RENAME TO elsewhere"))

    before = small.rows(CUSTOMERS)
    with pytest.raises(RunFailed, match="web: the database gave an error"):
        small.run(before=lose)
    assert small.rows(CUSTOMERS) == before
