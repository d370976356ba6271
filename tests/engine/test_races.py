"""What others do between the stages of a run: nobody is deleted on yesterday's evidence."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import LeaseHeld
from retention.execution.run import acquire_lease
from retention.execution.work import Work
from retention.stores import archive, keys, vault
from tests.engine import tables
from tests.engine.lives import (
    ARCHIVE,
    AS_OF,
    BARE,
    DISPOSE,
    LEAVING,
    OUTLIVED,
    account,
    customer,
    invoice,
    login,
    note,
    order,
)
from tests.engine.small import LONG_AFTER, START, Hook, Small
from tests.engine.stored import fetch, ledger_rows

CUSTOMERS = "crm.customers"
YESTERDAY = date(2026, 11, 23)


def after_archiving(name: str, what: Any) -> Hook:
    """Do ``what`` between the copying of ``name``'s rows and their deletion."""

    def hook(stage: str, table: str, _work: Work) -> None:
        if (stage, table) == ("archive", name):
            what()

    return hook


def holds_no_copy(small: Small, number: int) -> bool:
    """Neither archive nor vault has anything of a customer, or a key that opens it."""
    with small.opened() as installation:
        stores = installation.stores
        token = holds.subject_token(installation.keyring, TableName(CUSTOMERS), (number,))
        records = [
            row for row in fetch(stores.archive, archive.records) if row["subject_token"] == token
        ]
        units = {
            row["unit_id"]
            for row in fetch(stores.archive, archive.units)
            if row["subject_token"] == token
        }
        kept = {row["unit_id"] for row in fetch(stores.vault, vault.records)}
        return not records and not units & kept and not units


def test_a_login_in_the_other_system_between_copy_and_deletion_keeps_the_customer(
    either: Small,
) -> None:
    def logs_in() -> None:
        either.insert("web.accounts", account(9, "PERSON4@EXAMPLE.ORG ", None))
        either.insert("web.logins", login(9, 9, YESTERDAY))
        either.update("web.accounts", {"account_id": 3}, last_login_on=YESTERDAY)
        either.delete("crm.lines", invoice_id=2)
        either.delete("crm.invoices", invoice_id=2)

    before = either.rows(CUSTOMERS)
    # before the invoices' turn, so that nothing of the two is archived at all
    either.run(after=after_archiving("crm.invoices", logs_in))
    assert {ARCHIVE, DISPOSE} <= either.ids(CUSTOMERS)
    assert [row for row in either.rows(CUSTOMERS) if row["customer_id"] == ARCHIVE] == [
        row for row in before if row["customer_id"] == ARCHIVE
    ]
    assert holds_no_copy(either, ARCHIVE)


def test_a_login_after_the_copy_removes_the_copy_from_archive_and_vault_and_its_key(
    either: Small,
) -> None:
    copied: set[str] = set()

    def logs_in() -> None:
        with either.opened() as installation:
            token = holds.subject_token(installation.keyring, TableName(CUSTOMERS), (BARE,))
            copied.update(
                row["unit_id"]
                for row in fetch(installation.stores.archive, archive.units)
                if row["subject_token"] == token
            )
        either.update(CUSTOMERS, {"customer_id": BARE}, email="anna@example.org")

    either.run(after=after_archiving(CUSTOMERS, logs_in))
    assert BARE in either.ids(CUSTOMERS)
    assert holds_no_copy(either, BARE)
    with either.opened() as installation:
        wrapped = {
            row["unit_id"]: row["wrapped"] for row in fetch(installation.stores.keys, keys.units)
        }
    assert copied
    assert not any(wrapped[unit_id] for unit_id in copied)


def test_a_row_that_changes_between_copy_and_deletion_stays_and_loses_its_copy(
    either: Small,
) -> None:
    def renamed() -> None:
        either.update(CUSTOMERS, {"customer_id": BARE}, name="Person Eleven")

    either.run(after=after_archiving(CUSTOMERS, renamed))
    assert BARE in either.ids(CUSTOMERS)
    assert holds_no_copy(either, BARE)
    either.run(start=START + LONG_AFTER)
    assert BARE not in either.ids(CUSTOMERS)
    names = [i["values"]["name"] for i in either.archived() if i["table"] == CUSTOMERS]
    assert "Person Eleven" in names


def test_a_dependant_that_changes_keeps_its_whole_tree(either: Small) -> None:
    def corrected() -> None:
        either.update("crm.replies", {"note_id": 2, "place": 2}, body="corrected")

    either.run(after=after_archiving(CUSTOMERS, corrected))
    assert ARCHIVE in either.ids(CUSTOMERS)
    assert len([row for row in either.rows("crm.orders") if row["customer_id"] == ARCHIVE]) == 2
    assert not any(
        item["values"].get("customer_id") == ARCHIVE
        for item in either.archived()
        if item["table"] == CUSTOMERS
    )


@pytest.mark.parametrize("number", [BARE, DISPOSE])
def test_an_order_that_comes_in_between_keeps_the_customer(either: Small, number: int) -> None:
    def orders() -> None:
        either.insert("crm.orders", order(99, number, YESTERDAY))

    either.run(after=after_archiving(CUSTOMERS, orders))
    assert number in either.ids(CUSTOMERS)
    assert holds_no_copy(either, number)


def test_a_note_that_is_removed_in_between_is_not_archived(either: Small) -> None:
    def withdrawn() -> None:
        either.delete("crm.notes", note_id=3)

    either.run(after=after_archiving(CUSTOMERS, withdrawn))
    assert ARCHIVE not in either.ids(CUSTOMERS)
    assert set(either.archived_ids("crm.notes")) == {2}
    with either.opened() as installation:
        assert all(row["settled"] for row in fetch(installation.stores.archive, archive.records))


def test_an_old_note_added_in_between_is_not_lost(either: Small) -> None:
    def added() -> None:
        either.insert("crm.notes", note(77, BARE, date(2022, 1, 1)))

    either.run(after=after_archiving(CUSTOMERS, added))
    assert 77 in either.ids("crm.notes")
    either.run(start=START + LONG_AFTER)
    assert either.archived_ids("crm.notes")[77] == 1


@pytest.mark.parametrize("number", [BARE, DISPOSE])
def test_an_old_invoice_entered_in_between_keeps_its_customer_until_it_has_gone(
    either: Small, number: int
) -> None:
    def entered() -> None:
        either.insert("crm.invoices", invoice(99, number, date(2021, 1, 1)))

    either.run(after=after_archiving(CUSTOMERS, entered))
    assert number in either.ids(CUSTOMERS)
    assert 99 in either.ids("crm.invoices")
    either.run(start=START + LONG_AFTER)
    assert number not in either.ids(CUSTOMERS)
    carried = [i["values"] for i in either.archived() if i["table"] == "crm.invoices"]
    assert f"Person {number}" in {
        values["owner.name"] for values in carried if values["invoice_id"] == 99
    }


@pytest.mark.parametrize("number", [BARE, DISPOSE])
def test_a_hold_placed_in_between_keeps_the_customer(either: Small, number: int) -> None:
    def held() -> None:
        with either.opened() as installation:
            holds.add(
                installation,
                TableName(CUSTOMERS),
                [str(number)],
                kind="legal_hold",
                reason="a lawsuit",
                by="dpo",
                now=START,
            )

    either.run(after=after_archiving(CUSTOMERS, held))
    assert number in either.ids(CUSTOMERS)
    assert holds_no_copy(either, number)


def test_a_dependants_date_that_changes_during_the_deletion_is_heeded(server: Small) -> None:
    """Between the decision and the deletion: the tree is locked before it is decided on."""
    done = []

    def someone_else(connection: Any, _c: Any, statement: str, *_: Any) -> None:
        writes = connection.get_execution_options().get("write")
        reads_tree = statement.startswith("SELECT crm.orders.") and "FOR UPDATE" in statement
        if writes and not done and reads_tree:
            done.append(True)
            server.update("crm.orders", {"order_id": 4}, ordered_on=YESTERDAY)

    def watch(stage: str, table: str, work: Work) -> None:
        if (stage, table) == ("delete", CUSTOMERS):
            engine = work.installation.sources.engine("crm")
            sa.event.listen(engine, "before_cursor_execute", someone_else)

    server.run(before=watch)
    assert done
    assert DISPOSE in server.ids(CUSTOMERS)


def test_an_order_inserted_for_a_locked_customer_cannot_become_an_orphan(server: Small) -> None:
    outcome: list[str] = []

    def insert_order() -> None:
        try:
            server.insert("crm.orders", order(99, DISPOSE, YESTERDAY))
            outcome.append("inserted")
        except sa.exc.IntegrityError:
            outcome.append("refused")

    thread = threading.Thread(target=insert_order)

    def someone_else(_connection: Any, _c: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE") and "crm.customers" in statement:
            thread.start()
            time.sleep(0.5)
            assert not outcome, "the insertion waits for the deletion"

    def watch(stage: str, table: str, work: Work) -> None:
        if (stage, table) == ("delete", CUSTOMERS):
            engine = work.installation.sources.engine("crm")
            sa.event.listen(engine, "before_cursor_execute", someone_else)

    server.run(before=watch)
    thread.join(timeout=20)
    assert outcome == ["refused"]
    assert 99 not in server.ids("crm.orders")


def test_an_order_on_its_way_when_the_customer_is_to_be_deleted_keeps_him(server: Small) -> None:
    """Inserted before the lock, committed after: the run waits for it, and then sees it."""
    inserted, go_on = threading.Event(), threading.Event()

    def insert_order() -> None:
        with server.source("crm") as connection:
            connection.execute(tables.orders.insert(), order(99, DISPOSE, YESTERDAY))
            inserted.set()
            go_on.wait(timeout=20)
            time.sleep(0.5)

    thread = threading.Thread(target=insert_order)

    def start(stage: str, table: str, _work: Work) -> None:
        if (stage, table) == ("delete", CUSTOMERS):
            thread.start()
            inserted.wait(timeout=20)
            go_on.set()

    server.run(before=start)
    thread.join(timeout=20)
    assert DISPOSE in server.ids(CUSTOMERS)
    assert 99 in server.ids("crm.orders")
    assert (LEAVING - {DISPOSE}).isdisjoint(server.ids(CUSTOMERS))


def test_rows_restored_from_a_backup_are_archived_again_and_nothing_is_lost(
    either: Small,
) -> None:
    before = either.everything()
    either.run()
    again = [row for row in before[CUSTOMERS] if row["customer_id"] in (BARE, DISPOSE)]
    either.insert(CUSTOMERS, *again)
    either.insert(
        "crm.orders", *(r for r in before["crm.orders"] if r["customer_id"] in (BARE, DISPOSE))
    )
    either.run(start=START + LONG_AFTER)
    assert {BARE, DISPOSE}.isdisjoint(either.ids(CUSTOMERS))
    assert either.archived_ids(CUSTOMERS)[BARE] == 2
    assert sorted(
        item["incarnation"]
        for item in either.archived()
        if item["table"] == CUSTOMERS and item["values"]["customer_id"] == BARE
    ) == [1, 2]
    with either.opened() as installation:
        assert ledger_rows(installation, "archive", CUSTOMERS) == 3
        assert ledger_rows(installation, "dispose", CUSTOMERS) == 4


def test_another_person_under_an_old_key_does_not_replace_the_archived_one(either: Small) -> None:
    either.run()
    either.insert(CUSTOMERS, customer(BARE, name="Somebody else"))
    either.insert("crm.orders", order(98, BARE, date(2022, 10, 1)))
    either.run(start=START + LONG_AFTER)
    names = [i["values"]["name"] for i in either.archived() if i["table"] == CUSTOMERS]
    assert {"Person 11", "Somebody else"} <= set(names)


def test_a_run_that_lost_its_lease_does_not_commit_a_deletion(either: Small) -> None:
    before = either.ids(CUSTOMERS)

    def another_run_takes_over(stage: str, table: str, work: Work) -> None:
        if (stage, table) != ("delete", CUSTOMERS):
            return

        @sa.event.listens_for(work.installation.sources.engine("crm"), "before_cursor_execute")
        def while_deleting(_connection: Any, _c: Any, statement: str, *_: Any) -> None:
            if statement.startswith("DELETE"):
                acquire_lease(work.installation, "another", lambda: START + LONG_AFTER)

    with pytest.raises(LeaseHeld):
        either.run(before=another_run_takes_over)
    assert either.ids(CUSTOMERS) == before


def test_a_sleeping_run_that_commits_after_its_lease_was_taken_over_loses_nothing(
    server: Small,
) -> None:
    """The narrowest race: the lease is lost between its last confirmation and the commit."""
    second = threading.Thread(target=lambda: server.run(start=START + LONG_AFTER))
    slept: list[bool] = []

    def sleep_before_commit(stage: str, table: str, work: Work) -> None:
        if (stage, table) != ("delete", CUSTOMERS):
            return
        engine = work.installation.sources.engine("crm")
        commit = engine.dialect.do_commit

        def slow(connection: Any) -> None:
            if not slept:
                slept.append(True)
                second.start()
                time.sleep(3)
            commit(connection)

        engine.dialect.do_commit = slow  # type: ignore[method-assign]

    with contextlib.suppress(LeaseHeld):  # it notices that it has lost its lease, or has done
        server.run(before=sleep_before_commit)
    second.join(timeout=60)
    assert slept
    assert not second.is_alive()
    assert BARE not in server.ids(CUSTOMERS)
    assert server.archived_ids(CUSTOMERS)[BARE] == 1
    with server.opened() as installation:
        assert ledger_rows(installation, "archive", CUSTOMERS) == 2
        assert ledger_rows(installation, "dispose", CUSTOMERS) == 3


def test_an_owner_that_is_due_waits_for_the_evidence_that_is_not(either: Small) -> None:
    either.insert("crm.invoices", invoice(50, OUTLIVED, date(2028, 6, 1)))  # in the future: review
    either.run(AS_OF)
    assert OUTLIVED in either.ids(CUSTOMERS)
    assert 50 in either.ids("crm.invoices")


def test_an_owner_is_decided_on_with_the_dates_of_invoices_that_left_before(either: Small) -> None:
    """Bought in 2015 by an order and in 2022 by an invoice: for the archive until 2027.

    The invoice goes first, in the same run; seen by the order alone, the customer would be
    disposed of instead.
    """
    events = either.catalogue["systems"]["crm"]["tables"]["customers"]["events"]
    events["purchase"] = [
        {"table": "orders", "column": "ordered_on"},
        {"table": "invoices", "column": "issued_on"},
    ]
    either.write_documents()
    either.insert(CUSTOMERS, customer(70))
    either.insert("crm.orders", order(70, 70, date(2015, 1, 1)))
    either.insert("crm.invoices", invoice(70, 70, date(2022, 6, 1)))
    either.run()
    assert either.archived_ids(CUSTOMERS)[70] == 1
