"""Failures that are no crash, and what the next run makes of them; exact sums whatever happens."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from retention.errors import RetentionError, RunFailed, SourceError
from retention.execution.chunks import IntendedRow
from retention.execution.work import Work
from retention.planning.plan import Transition
from retention.stores import archive, control
from tests.engine.crash import count, run_until
from tests.engine.lives import BARE, CLEARED, LEAVING, order
from tests.engine.small import LONG_AFTER, START, Small, stage_by_stage
from tests.engine.stored import fetch, ledger_rows

CUSTOMERS = "crm.customers"


class DiskFull(sa.exc.OperationalError):
    """What a full disk looks like."""


def fail_on(engine: sa.Engine, beginning: str, holding: str = "") -> None:
    """Let every statement fail that begins so."""

    def check(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(beginning) and holding in statement:
            raise DiskFull(statement, None, Exception("database or disk is full"))

    sa.event.listen(engine, "before_cursor_execute", check)


def whole_state(small: Small) -> dict[str, Any]:
    twin = small.copied(small.home.parent / "twin")
    twin.run()
    return twin.state()


def test_the_ledger_counts_rows_whose_run_failed_right_after_the_source_had_committed(
    small: Small,
) -> None:
    wanted = whole_state(small)
    with small.opened() as installation:
        work = small.begin(installation)

        def full(stage: str, table: str, _work: Work) -> None:
            if (stage, table) == ("delete", CUSTOMERS):
                fail_on(installation.stores.archive, "UPDATE", "settled")

        with pytest.raises(RetentionError):
            stage_by_stage(work, before=full)
    assert LEAVING.isdisjoint(small.ids(CUSTOMERS)), "the source had committed"
    small.run(start=START + LONG_AFTER)
    assert small.state() == wanted


def test_a_full_disk_under_the_archive_stops_the_run_in_one_line_and_loses_nothing(
    small: Small,
) -> None:
    before = small.everything()
    with small.opened() as installation:
        engine = installation.stores.archive

        @sa.event.listens_for(engine, "connect")
        def no_room(raw: Any, _record: object) -> None:
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count = {pages}")

        engine.dispose()
        work = small.begin(installation)
        bulk = [order(1000 + n, BARE, date(2022, 1, 1)) for n in range(400)]
        small.insert("crm.orders", *bulk)
        with pytest.raises(RetentionError) as caught:
            stage_by_stage(work)
    assert "\n" not in str(caught.value)
    assert "archive" in str(caught.value)
    assert BARE in small.ids(CUSTOMERS)
    assert len([row for row in small.rows("crm.orders") if row["customer_id"] == BARE]) == 401
    gone = {row["invoice_id"] for row in before["crm.invoices"]} - small.ids("crm.invoices")
    assert gone - set(small.archived_ids("crm.invoices")) <= {4}, "at most the expired one"
    small.run(start=START + LONG_AFTER)
    assert small.archived_ids("crm.orders")[1399] == 1


def test_a_commit_that_fails_at_the_source_stops_its_tree_and_the_next_run_goes_on(
    small: Small,
) -> None:
    wanted = whole_state(small)

    def unsure(stage: str, table: str, work: Work) -> None:
        engine = work.installation.sources.engine("crm")
        if (stage, table) != ("delete", CUSTOMERS):
            return
        commit = engine.dialect.do_commit

        def committed_but_unheard(connection: Any) -> None:
            commit(connection)
            engine.dialect.do_commit = commit  # type: ignore[method-assign]
            raise sa.exc.OperationalError("COMMIT", None, Exception("server closed the connection"))

        engine.dialect.do_commit = committed_but_unheard  # type: ignore[method-assign]

    with pytest.raises(RunFailed):
        small.run(before=unsure)
    assert LEAVING.isdisjoint(small.ids(CUSTOMERS))
    small.run(start=START + LONG_AFTER)
    assert small.state() == wanted


def test_a_column_that_a_crash_kept_from_being_cleared_is_not_counted_as_cleared(
    small: Small,
) -> None:
    """Between crash and repair the person consents again: there is nothing to clear now."""
    run = count(small.copied(small.home.parent / "count"))
    intended = 0
    for at in (at for at in run.moments if run.places[at] == "pseudonymise crm.customers"):
        crashed = small.copied(small.home.parent / f"crashed{at}")
        run_until(crashed, at)
        if segment(crashed) is None:
            continue  # this time it was cleared
        with crashed.opened() as installation:
            chunks = fetch(installation.stores.control, control.chunks)
            intended += any(row["state"] == "intended" for row in chunks)
        crashed.update(CUSTOMERS, {"customer_id": CLEARED}, collected_on=date(2026, 11, 1))
        crashed.run(start=START + LONG_AFTER)
        assert segment(crashed) == "golf"
        with crashed.opened() as installation:
            assert ledger_rows(installation, "clear") == 0
    assert intended


def segment(small: Small) -> str | None:
    (found,) = [row["segment"] for row in small.rows(CUSTOMERS) if row["customer_id"] == CLEARED]
    return str(found) if found else None


def test_a_source_that_cannot_be_reached_during_a_repair_keeps_its_tree_waiting(
    small: Small,
) -> None:
    wanted = whole_state(small)
    run = count(small.copied(small.home.parent / "count"))
    deleting = [at for at in run.moments if run.places[at] == "delete crm.customers"]
    for nth, at in enumerate(deleting[::3]):
        crashed = small.copied(small.home.parent / f"crashed{nth}")
        run_until(crashed, at)
        away = crashed.home / "crm.sqlite"
        away.rename(crashed.home / "elsewhere")
        with pytest.raises((RunFailed, SourceError)):
            crashed.run(start=START + LONG_AFTER)
        (crashed.home / "elsewhere").rename(away)
        crashed.run(start=START + 2 * LONG_AFTER)
        assert crashed.state() == wanted, f"crashed at {at}"


def test_copies_that_cannot_be_read_back_stop_the_run_before_anything_is_deleted(
    small: Small,
) -> None:
    before = small.everything()

    def garble(stage: str, table: str, work: Work) -> None:
        if (stage, table) == ("archive", "crm.invoices"):
            engine = work.installation.stores.archive

            @sa.event.listens_for(engine, "commit")
            def spoil(connection: sa.Connection) -> None:
                connection.execute(archive.records.update().values(payload=b"\x01" + bytes(40)))

    with pytest.raises(RetentionError) as caught:
        small.run(before=garble)
    assert "\n" not in str(caught.value)
    assert small.everything() == before
    small.run(start=START + LONG_AFTER)
    with small.opened() as installation:
        assert all(row["settled"] for row in fetch(installation.stores.archive, archive.records))


def test_a_chunk_is_counted_once_though_it_is_completed_twice(either: Small) -> None:
    """As by a run that lost its lease and the one that repaired what it had left."""
    with either.opened() as installation:
        work = either.begin(installation)

        def again(stage: str, table: str, _work: Work) -> None:
            if (stage, table) == ("delete", CUSTOMERS):
                (chunk,) = work.journal.chunks("done", table=CUSTOMERS, stage="move")
                row = IntendedRow((BARE,), Transition.archive, bytes(32), rows=2)
                work.journal.complete(chunk, [row], {"archived": 1}, 0.0, work.clock())

        stage_by_stage(work, after=again)
        assert ledger_rows(installation, "archive", CUSTOMERS) == 2
        (chunk,) = work.journal.chunks("done", table=CUSTOMERS, stage="move")
        counted = {
            row["chunk_id"]: row["counts"]
            for row in fetch(installation.stores.control, control.chunks)
        }
        assert counted[chunk.chunk_id]["archived"] == 2
