"""A process that dies while a request changes rows in place: the repair says what was committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention.execution.chunks import Beside, IntendedRow, pack, unpack
from retention.planning.plan import Transition
from retention.requests.book import casebook
from retention.requests.model import Kind, State
from retention.stores import control
from tests.engine.asking import ask, customer
from tests.engine.crash import EVERYWHERE
from tests.engine.lives import ACTIVE, IN_FORCE
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import fetch, ledger_rows
from tests.engine.test_requests_crash import carried_out, state, stopped_at

CUSTOMERS, NOTES = "crm.customers", "crm.notes"
OLD, NEW = "Jeanne Dupond", "Jeanne Dupont"


@pytest.fixture
def dependants(tmp_path: Path) -> tuple[Small, str]:
    """A request to correct a name: one record holds it rightly, but its note as it was."""
    small = Small(tmp_path / "start").write()
    small.catalogue["systems"]["crm"]["tables"]["notes"]["columns"]["body"]["category"] = (
        "user.name"
    )
    small.write_documents()
    small.fill()
    small.update(CUSTOMERS, {"customer_id": ACTIVE}, name=OLD)
    small.update(CUSTOMERS, {"customer_id": IN_FORCE}, name=NEW)
    small.insert(NOTES, {"note_id": 30, "customer_id": IN_FORCE, "written_on": None, "body": OLD})
    with small.opened() as installation:
        request = ask(
            installation, Kind.rectification, [customer(ACTIVE), customer(IN_FORCE)],
            corrections={"user.name": NEW}, now=clock(START - LONG_AFTER),
        )  # fmt: skip
    return small, request.request_id


def chunks(small: Small) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What the journal says of the chunks that changed something, in order."""
    with small.reopened() as installation:
        found = fetch(installation.stores.control, control.chunks)
    return [
        (row["table_name"], row["stage"], row["state"], dict(row["counts"]))
        for row in sorted(found, key=lambda row: row["updated_at"])
        if row["roots"]
    ]


def intended(small: Small) -> list[dict[str, Any]]:
    """The chunks of customers, changed in place, of which the source has to be asked."""
    with small.reopened() as installation:
        found = fetch(installation.stores.control, control.chunks)
    mine = (CUSTOMERS, "pseudonymise", "intended")
    return [row for row in found if (row["table_name"], row["stage"], row["state"]) == mine]


def body(small: Small) -> str:
    (found,) = [row["body"] for row in small.rows(NOTES) if row["note_id"] == 30]
    return str(found)


@pytest.mark.slow
def test_dependants_that_change_alone_are_entered_once_wherever_it_is_stopped(
    dependants: tuple[Small, str], tmp_path: Path
) -> None:
    start, request_id = dependants
    whole = start.copied(tmp_path / "whole")
    run = stopped_at(whole, request_id, carried_out, EVERYWHERE, 1)
    wanted = state(whole, request_id)
    said = [(table, stage) for table, stage, _, _ in chunks(whole)]
    with whole.reopened() as installation:
        assert ledger_rows(installation, "rectify", CUSTOMERS) == 2
    assert body(whole) == NEW
    seen = set()
    for point in run.moments:
        crashed = start.copied(tmp_path / f"at{point}")
        assert stopped_at(crashed, request_id, carried_out, point, 1).dead
        if not intended(crashed):
            continue
        seen.add(body(crashed) == NEW)
        with crashed.reopened() as installation:
            carried_out(installation, request_id, 2)
        got = state(crashed, request_id)
        assert {part: got[part] for part in wanted if got[part] != wanted[part]} == {}, point
        assert [(table, stage) for table, stage, _, _ in chunks(crashed)] == said
        assert intended(crashed) == []
    assert seen == {False, True}, "before the source's commit and after it"


@pytest.mark.slow
def test_a_dependant_changed_before_the_repair_is_no_proof(
    dependants: tuple[Small, str], tmp_path: Path
) -> None:
    """Nothing was committed; what somebody does to one of two rows meanwhile proves nothing."""
    start, request_id = dependants
    start.insert(NOTES, {"note_id": 31, "customer_id": IN_FORCE, "written_on": None, "body": OLD})
    run = stopped_at(start.copied(tmp_path / "whole"), request_id, carried_out, EVERYWHERE, 1)
    for point in run.moments:
        stopped = start.copied(tmp_path / f"at{point}")
        stopped_at(stopped, request_id, carried_out, point, 1)
        if intended(stopped):
            break
    assert body(stopped) == OLD
    for then in ("gone", "mended by hand"):
        crashed = stopped.copied(tmp_path / then)
        if then == "gone":
            crashed.delete(NOTES, note_id=31)
        else:
            crashed.update(NOTES, {"note_id": 31}, body=NEW)
        with crashed.reopened() as installation:
            carried_out(installation, request_id, 2)
            assert casebook.get(installation, request_id).state is State.answered
            assert ledger_rows(installation, "rectify", CUSTOMERS) == 2, then
        assert body(crashed) == NEW


def test_an_intent_of_an_earlier_version_is_read_and_says_nothing_of_dependants() -> None:
    row = IntendedRow(
        (1,), Transition.rectify, b"leaf", beside=(Beside(NOTES, (30,), {"body": NEW}),)
    )
    assert unpack(pack(row)) == row
    assert unpack(pack(row)[:7]).beside == ()


def test_a_row_of_which_nothing_was_written_down_is_not_said_to_have_changed(
    small: Small,
) -> None:
    """As an earlier version left it, which knew of no dependants."""
    with small.opened() as installation:
        work = small.begin(installation)
        chunk = work.journal.open_chunk(
            CUSTOMERS, "pseudonymise", 1, ((ACTIVE,), (ACTIVE,)), work.clock()
        )
        leaf = work.leaf(CUSTOMERS, Transition.rectify, (ACTIVE,))
        row = IntendedRow((ACTIVE,), Transition.rectify, leaf)
        work.journal.intend(chunk, [row], work.clock())
    small.run(start=START + LONG_AFTER)
    with small.opened() as installation:
        assert ledger_rows(installation, "rectify") == 0
        states = sa.select(control.chunks.c.state)
        with installation.stores.control.connect() as connection:
            assert "intended" not in set(connection.execute(states).scalars())
