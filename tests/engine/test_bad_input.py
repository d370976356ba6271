"""Broken sources, implausible plans and wrong settings: fail closed, in proportion, in one line."""

from __future__ import annotations

import base64
import hashlib
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import (
    ApprovalNeeded,
    ConfigurationError,
    LeaseHeld,
    RetentionError,
    RunFailed,
)
from retention.execution import guards, run
from retention.execution.work import Stopped
from retention.planning.explain import explain
from retention.planning.plan import PlanDigest, Transition
from retention.review import review_cases
from tests.engine.lives import (
    AS_OF,
    BARE,
    DISPOSE,
    IN_REVIEW,
    LEAVING,
    LONG_GONE,
    TO_DISPOSE,
    connection,
    customer,
    order,
)
from tests.engine.small import LONG_AFTER, START, Small, clock, stage_by_stage

CUSTOMERS = "crm.customers"


def execute(small: Small, statement: str) -> None:
    system, _, text = statement.partition(": ")
    with small.source(system) as connection:
        connection.execute(sa.text(text))


def one_line(error: BaseException) -> bool:
    text = str(error)
    return bool(text) and "\n" not in text and "Person" not in text and "@" not in text


def test_a_column_that_nobody_annotated_stops_its_owner_tree_and_no_other(either: Small) -> None:
    before = either.everything()
    name = "crm.notes" if either.server else "notes"
    execute(either, f"crm: ALTER TABLE {name} ADD COLUMN mood TEXT")
    with pytest.raises(RunFailed) as caught:
        either.run()
    assert one_line(caught.value)
    assert "mood" in str(caught.value)
    for table in ("crm.customers", "crm.orders", "crm.invoices", "crm.lines", "crm.replies"):
        assert either.rows(table) == before[table]
    assert LONG_GONE not in either.ids("web.accounts")
    assert TO_DISPOSE not in either.ids("web.connections")


def test_a_table_that_nobody_governs_fails_the_run_and_stops_nothing(either: Small) -> None:
    schema = "crm." if either.server else ""
    execute(either, f"crm: CREATE TABLE {schema}newsletters (address TEXT)")
    with pytest.raises(RunFailed, match="newsletters"):
        either.run()
    assert LEAVING.isdisjoint(either.ids(CUSTOMERS))


def test_a_date_that_cannot_be_read_sends_its_row_to_review_and_the_others_go_on(
    small: Small,
) -> None:
    execute(small, "crm: UPDATE orders SET ordered_on = '31/12/2019' WHERE order_id = 4")
    small.run()
    with small.opened() as installation:
        cases = {(case.table, case.key): case.reason for case in review_cases(installation)}
    assert cases[CUSTOMERS, (DISPOSE,)] == "a date cannot be read"
    with small.source("crm") as there:
        kept = there.execute(sa.text("SELECT customer_id FROM customers")).scalars().all()
    assert DISPOSE in kept
    assert (LEAVING - {DISPOSE}).isdisjoint(kept)


def test_too_many_rows_that_cannot_be_decided_on_stop_the_owner_tree(either: Small) -> None:
    either.change_settings(max_review_share=0.05)
    before = either.everything()
    with pytest.raises(RunFailed, match="cannot be decided") as caught:
        either.run()
    assert one_line(caught.value)
    assert either.rows(CUSTOMERS) == before[CUSTOMERS]
    assert either.rows("crm.invoices") == before["crm.invoices"]
    assert LONG_GONE not in either.ids("web.accounts")


def test_a_source_out_of_reach_stops_what_depends_on_it_and_no_more(small: Small) -> None:
    """The customers too: who logged in there cannot be known.

    And the accounts: for whom their logins count could not be remembered.
    """
    before = small.rows(CUSTOMERS)
    (small.home / "web.sqlite").rename(small.home / "elsewhere")
    with pytest.raises(RunFailed) as caught:
        small.run()
    assert one_line(caught.value)
    assert small.rows(CUSTOMERS) == before
    (small.home / "elsewhere").rename(small.home / "web.sqlite")
    (small.home / "crm.sqlite").rename(small.home / "away")
    with pytest.raises(RunFailed):
        small.run(start=START + LONG_AFTER)
    assert LONG_GONE in small.ids("web.accounts")
    (small.home / "away").rename(small.home / "crm.sqlite")
    small.run(start=START + 2 * LONG_AFTER)
    assert LONG_GONE not in small.ids("web.accounts")


def test_two_runs_at_once_are_refused(either: Small) -> None:
    with either.opened() as one, either.opened() as other:
        work = either.begin(one)
        with pytest.raises(LeaseHeld) as caught:
            either.begin(other)
        assert one_line(caught.value)
        stage_by_stage(work)
        run.end(either.begin(other))


def test_a_plan_over_its_cap_waits_for_approval_and_growth_asks_again(either: Small) -> None:
    either.change_settings(caps={"rows": 4})
    before = either.everything()
    with pytest.raises(ApprovalNeeded) as caught:
        either.run()
    assert one_line(caught.value)
    assert either.everything() == before
    with either.opened() as installation:
        plan = run.plan_day(installation, AS_OF)
        guards.approve(installation.stores.control, plan.digest, by="dpo", reason="seen", now=START)
    either.insert(CUSTOMERS, customer(60))
    either.insert("crm.orders", order(60, 60, date(2019, 1, 1)))
    with pytest.raises(ApprovalNeeded, match="grown"):
        either.run()
    assert DISPOSE in either.ids(CUSTOMERS)
    either.delete("crm.orders", order_id=60)
    either.delete(CUSTOMERS, customer_id=60)
    either.run()
    assert LEAVING.isdisjoint(either.ids(CUSTOMERS))


def test_an_approval_is_for_one_digest_only(small: Small) -> None:
    small.change_settings(caps={"rows": 4})
    with small.opened() as installation:
        tomorrow = run.plan_day(installation, AS_OF + timedelta(days=1))
        guards.save_plan(installation.stores.control, tomorrow, START)
        guards.approve(
            installation.stores.control, tomorrow.digest, by="dpo", reason="seen", now=START
        )
    with pytest.raises(ApprovalNeeded):
        small.run()
    with small.opened() as installation, pytest.raises(ConfigurationError):
        guards.approve(
            installation.stores.control, PlanDigest("0" * 64), by="x", reason="y", now=START
        )


def test_another_master_key_is_refused_before_anything_is_touched(either: Small) -> None:
    either.run()
    state = either.state()
    either.insert(CUSTOMERS, customer(60))
    either.insert("crm.orders", order(60, 60, date(2022, 6, 1)))
    (either.home / "master.key").write_text(base64.b64encode(bytes(32)).decode())
    with pytest.raises(RetentionError, match="master key") as caught:
        either.run(start=START + LONG_AFTER)
    assert one_line(caught.value)
    assert 60 in either.ids(CUSTOMERS)
    either.write_documents()
    either.delete("crm.orders", order_id=60)
    either.delete(CUSTOMERS, customer_id=60)
    assert either.state() == state


def test_a_day_in_the_future_is_refused_unless_it_is_a_demonstration(small: Small) -> None:
    def ahead() -> None:
        with small.opened() as installation:
            work = run.begin(
                installation,
                AS_OF + timedelta(days=1),
                today=AS_OF,
                clock=clock(),
                run_id=run.new_run_id(),
            )
            stage_by_stage(work)

    with pytest.raises(ConfigurationError, match="ahead"):
        ahead()
    assert DISPOSE in small.ids(CUSTOMERS)
    small.catalogue["demo"] = True
    small.write_documents()
    ahead()
    assert DISPOSE not in small.ids(CUSTOMERS)


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_jumps_asks_for_approval(small: Small, days: int) -> None:
    small.change_settings(max_clock_jump_days=40)
    small.run()
    state = small.state()
    with pytest.raises(ApprovalNeeded) as caught:
        small.run(AS_OF + timedelta(days=days), start=START + LONG_AFTER)
    assert one_line(caught.value)
    assert small.state() == state


def test_a_clock_that_jumps_is_noticed_though_every_run_so_far_has_failed(small: Small) -> None:
    small.change_settings(max_clock_jump_days=40)
    execute(small, "crm: CREATE TABLE newsletters (address TEXT)")
    with pytest.raises(RunFailed):
        small.run()
    with pytest.raises(ApprovalNeeded):
        small.run(AS_OF + timedelta(days=400), start=START + LONG_AFTER)


def digests(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_observe_mode_plans_and_touches_nothing(either: Small) -> None:
    either.change_settings(mode="observe")
    files = () if either.server else ("crm.sqlite", "web.sqlite")
    before, hashed = either.state(), digests(either.home, files)
    either.run()
    after = either.state()
    assert after == before
    assert digests(either.home, files) == hashed
    with either.opened() as installation:
        plan = run.plan_day(installation, AS_OF)
    assert plan.rows(Transition.dispose, CUSTOMERS) == 3


def test_a_backlog_is_worked_off_under_its_quota_over_several_runs(either: Small) -> None:
    either.change_settings(backlog={"daily_rows": 2}, chunk_rows=3, caps={"rows": 0})
    left = []
    for nth in range(4):
        either.run(AS_OF + timedelta(days=nth), start=START + nth * LONG_AFTER)
        left.append(len(either.ids(CUSTOMERS) & LEAVING))
    assert left[0] >= 3
    assert all(before - after <= 2 for before, after in pairwise(left))
    assert left[-1] == 0


def test_the_quota_of_a_day_is_not_exceeded_by_running_twice(small: Small) -> None:
    small.change_settings(backlog={"daily_rows": 2})
    for nth in range(3):
        small.run(start=START + nth * LONG_AFTER)
        assert len(small.ids(CUSTOMERS) & LEAVING) >= len(LEAVING) - 2
        assert len(small.ids("crm.invoices")) >= 3


def test_a_run_stopped_between_two_chunks_goes_on_later(either: Small) -> None:
    either.change_settings(chunk_rows=1)
    with either.opened() as installation:
        work = either.begin(installation)
        chunks: list[str] = []

        def stop_asked() -> bool:
            return len(chunks) >= 4

        work.stop_asked = stop_asked
        work.progress = lambda stage, table, _rows: chunks.append(f"{stage} {table}")
        with pytest.raises(Stopped) as caught:
            run.run_all(work)
        assert one_line(caught.value)
    assert BARE in either.ids(CUSTOMERS)
    either.run(start=START + LONG_AFTER)
    assert LEAVING.isdisjoint(either.ids(CUSTOMERS))
    assert set(either.archived_ids("crm.invoices").values()) == {1}


def test_many_small_chunks_do_as_one_large_does(small: Small) -> None:
    twin = small.copied(small.home.parent / "twin")
    small.run()
    twin.change_settings(chunk_rows=1)
    twin.run()
    assert twin.state() == small.state()


def test_a_pace_makes_a_run_wait_and_changes_nothing_else(small: Small) -> None:
    small.change_settings(pace={"crm": {"rows_per_second": 1}})
    waited: list[float] = []
    with small.opened() as installation:
        work = small.begin(installation)
        work.pause = waited.append
        stage_by_stage(work)
    assert sum(waited) > 5
    assert LEAVING.isdisjoint(small.ids(CUSTOMERS))


def test_a_purpose_applies_where_the_database_says_so_whatever_its_padding(server: Small) -> None:
    """``char(n)`` comes padded: compared in Python, the row would be held for nothing."""
    statement = "crm: ALTER TABLE crm.customers ALTER COLUMN opted TYPE CHAR(10)"
    execute(server, statement)
    server.insert(CUSTOMERS, customer(61, opted="yes", collected_on=date(2025, 1, 1)))
    server.insert("crm.orders", order(61, 61, date(2015, 1, 1)))  # only prospecting keeps it
    server.run()
    assert 61 in server.ids(CUSTOMERS)


def test_a_number_in_a_text_column_meets_a_condition_as_the_database_compares(
    small: Small,
) -> None:
    purposes = small.catalogue["systems"]["crm"]["tables"]["customers"]["purposes"]
    purposes["prospecting"] = {"column": "opted", "equals": 1}
    small.write_documents()
    small.insert(CUSTOMERS, customer(61, opted="1", collected_on=date(2025, 1, 1)))
    small.insert("crm.orders", order(61, 61, date(2015, 1, 1)))
    small.run()
    assert 61 in small.ids(CUSTOMERS)


def test_references_of_another_type_than_the_key_stop_the_tree_in_one_line(small: Small) -> None:
    """SQLite finds the rows by affinity, and returns text where the owner has a number."""
    for text in (
        "PRAGMA foreign_keys=OFF",
        "ALTER TABLE notes RENAME TO old_notes",
        "CREATE TABLE notes (note_id INTEGER PRIMARY KEY, customer_id TEXT NOT NULL "
        "REFERENCES customers (customer_id), written_on TEXT, body TEXT)",
        "INSERT INTO notes SELECT note_id, customer_id, written_on, body FROM old_notes",
        "DROP TABLE replies",
        "DROP TABLE old_notes",
        "CREATE TABLE replies (note_id INTEGER NOT NULL REFERENCES notes (note_id), "
        "place INTEGER NOT NULL, to_customer INTEGER REFERENCES customers (customer_id), "
        "body TEXT, PRIMARY KEY (note_id, place))",
    ):
        execute(small, f"crm: {text}")
    with pytest.raises(RunFailed) as caught:
        small.run()
    assert one_line(caught.value)
    assert "crm.notes" in str(caught.value)
    assert DISPOSE in small.ids(CUSTOMERS)
    assert LONG_GONE not in small.ids("web.accounts")


def test_an_invoice_whose_reference_is_stored_as_text_still_carries_its_owner(
    small: Small,
) -> None:
    for text in (
        "DROP TABLE lines",
        "DROP TABLE invoices",
        "CREATE TABLE invoices (invoice_id INTEGER PRIMARY KEY, customer_id TEXT "
        "REFERENCES customers (customer_id), issued_on TEXT, amount INTEGER, billed_to TEXT)",
        "CREATE TABLE lines (invoice_id INTEGER REFERENCES invoices (invoice_id), "
        "place INTEGER NOT NULL, what TEXT, PRIMARY KEY (invoice_id, place))",
        "INSERT INTO invoices VALUES (2, '3', '2022-05-10', 250, 'Person 3')",
    ):
        execute(small, f"crm: {text}")
    small.run()
    (kept,) = [i["values"] for i in small.archived() if i["table"] == "crm.invoices"]
    assert kept["owner.name"] == "Person 3"


def test_a_log_that_refers_to_an_account_keeps_it_until_the_log_lets_go(either: Small) -> None:
    either.insert("web.connections", connection(70, LONG_GONE, AS_OF - timedelta(days=20)))
    either.run()
    assert LONG_GONE in either.ids("web.accounts")
    assert 70 in either.ids("web.connections")


def test_rows_in_review_stay_as_they_are(either: Small) -> None:
    before: list[Any] = [r for r in either.rows(CUSTOMERS) if r["customer_id"] == IN_REVIEW]
    either.run()
    assert [r for r in either.rows(CUSTOMERS) if r["customer_id"] == IN_REVIEW] == before


@pytest.mark.postgres
@pytest.mark.parametrize("key", ["notauuid", "99999999999999999999"])
@pytest.mark.parametrize("table", ["crm.customers", "crm.orders"])
def test_what_cannot_be_a_key_is_the_fault_of_who_gave_it(
    server: Small, table: str, key: str
) -> None:
    with server.opened() as installation:
        with pytest.raises(ConfigurationError, match=f"{table}: that is not a key of the table"):
            explain(installation, TableName(table), [key], AS_OF)
        with pytest.raises(ConfigurationError, match=f"{table}: that is not a key of the table"):
            holds.add(
                installation, TableName(table), [key], kind="legal_hold", reason="why", by="dpo",
                now=START,
            )  # fmt: skip
