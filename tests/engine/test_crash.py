"""A run that dies at any boundary is repaired by running again: nothing lost, nothing twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.errors import LeaseHeld
from retention.stores import control
from tests.engine import tables
from tests.engine.crash import Crasher, count, finish, run_until
from tests.engine.lives import AS_OF, connection, scripted
from tests.engine.small import LONG_AFTER, START, Small
from tests.engine.stored import fetch

LATER = date(2031, 1, 2)
"""When units have expired, and more lives are due."""

GOVERNED = {
    "crm.customers",
    "crm.orders",
    "crm.notes",
    "crm.replies",
    "crm.contracts",
    "crm.invoices",
    "crm.lines",
    "web.connections",
}
"""Few tables, since every one makes each of the many runs longer; `make crash-matrix` has all."""

SYNC = Path("/dev/shm")  # where writing through to the disk costs nothing


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    where = SYNC if SYNC.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="crash", dir=where) as made:
        yield Path(made)


def narrow() -> dict[str, Any]:
    here = {name: {"url": f"sqlite:///{name}.sqlite"} for name in ("crm", "web")}
    return tables.narrowed(tables.catalogue(here["crm"], here["web"]), GOVERNED)


@pytest.fixture(scope="module")
def start(folder: Path) -> Small:
    """The scripted lives before their first run, stores migrated; nobody has an invoice."""
    lives = scripted()
    lives["crm.invoices"], lives["crm.lines"] = [], []
    return Small(folder / "start", catalogue=narrow()).write().fill(lives)


@pytest.fixture(scope="module")
def whole(start: Small, folder: Path) -> tuple[Crasher, Any]:
    """A run that does not crash: its boundaries, and the state it leaves."""
    at_peace = start.copied(folder / "whole")
    return count(at_peace), at_peace.state()


@pytest.fixture
def scratch(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        yield Path(made)


def moments(whole: Crasher, *stages: str) -> list[int]:
    return [at for at in whole.moments if whole.places[at] in stages]


def differences(got: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What differs, by part of the state: better to read than two whole states."""
    return {part: (got[part], value) for part, value in wanted.items() if got[part] != value}


def crash_and_finish(
    start: Small, folder: Path, points: Iterable[int], wanted: dict[str, Any]
) -> None:
    for point in points:
        crashed = start.copied(folder / f"at{point}")
        assert run_until(crashed, point).dead
        finish(crashed, attempt=1)
        assert differences(crashed.state(), wanted) == {}, f"crashed at boundary {point}"


def test_a_crash_anywhere_in_the_archive_stage_changes_nothing_in_the_end(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, wanted = whole
    points = moments(run, "archive crm.customers")
    assert len(points) >= 4
    crash_and_finish(start, scratch, points, wanted)


def test_a_crash_anywhere_in_the_delete_stage_changes_nothing_in_the_end(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, wanted = whole
    points = moments(run, "delete crm.customers")
    assert len(points) >= 5
    crash_and_finish(start, scratch, points, wanted)


def test_a_crash_anywhere_in_the_stage_that_changes_in_place_changes_nothing_in_the_end(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, wanted = whole
    points = moments(run, "pseudonymise web.connections", "pseudonymise crm.customers")
    assert len(points) >= 6
    crash_and_finish(start, scratch, points, wanted)


def bounds(small: Small) -> dict[tuple[str, str], Any]:
    """What is known of the persons in each cell, where their rows leave one by one."""
    with small.reopened() as installation:
        return {
            (row["name"], row["cell"]): row
            for row in fetch(installation.stores.control, control.accumulators)
            if row["table_name"] == "web.connections"
        }


def test_after_a_crash_what_is_known_of_persons_is_less_but_still_true(folder: Path) -> None:
    """Of two persons, with three connections and two, no more is claimed than what there was."""
    day = AS_OF - timedelta(days=240)
    rows = [
        connection(number, None, day) | {"ip": "192.0.2.1" if number < 4 else "192.0.2.2"}
        for number in range(1, 6)
    ]
    small = Small(folder / "visits", catalogue=narrow(), settings={"chunk_rows": 3})
    small.write().fill({"web.connections": rows})
    run = count(small.copied(folder / "counted"))
    points = moments(run, "pseudonymise web.connections")
    assert len(points) >= 6  # two chunks
    for point in points:
        crashed = small.copied(folder / f"visits{point}")
        assert run_until(crashed, point).dead
        finish(crashed, attempt=1)
        (cell,) = bounds(crashed).values()
        assert cell["rows"] == 5
        assert 1 <= cell["persons"] <= 2, f"crashed at boundary {point}"
        assert 3 <= cell["largest_rows"] <= 5, f"crashed at boundary {point}"


def test_a_crash_at_the_end_of_a_run_changes_nothing_in_the_end(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, wanted = whole
    crash_and_finish(start, scratch, moments(run, "end"), wanted)


def test_a_crash_between_any_two_statements_of_the_source_transaction_leaves_the_rows(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, wanted = whole
    inside = [at for at, stage in enumerate(run.places) if stage == "delete crm.customers"]
    crash_and_finish(start, scratch, inside[::15], wanted)


def test_a_crash_anywhere_in_the_expiry_of_the_archive_changes_nothing_in_the_end(
    start: Small, scratch: Path
) -> None:
    first = start.copied(scratch / "first")
    first.run()
    at_peace = first.copied(scratch / "whole")
    run, wanted = count(at_peace, LATER, attempt=1), at_peace.state()
    assert any(destroyed != "None" for _, destroyed in wanted["units"])
    for point in moments(run, "expire archive"):
        crashed = first.copied(scratch / f"at{point}")
        assert run_until(crashed, point, as_of=LATER, attempt=1).dead
        finish(crashed, attempt=2, as_of=LATER)
        assert differences(crashed.state(), wanted) == {}, f"crashed at boundary {point}"


def test_a_crash_during_the_repair_of_a_crash_is_repaired_too(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, wanted = whole
    deleting = moments(run, "delete crm.customers")
    for first in (deleting[1], deleting[2], moments(run, "pseudonymise web.connections")[-1]):
        crashed = start.copied(scratch / f"at{first}")
        run_until(crashed, first)
        again = count(crashed.copied(scratch / f"count{first}"), attempt=1)
        repairing = moments(again, "begin")
        assert repairing
        for second in repairing[::2]:
            twice = crashed.copied(scratch / f"at{first}-{second}")
            assert run_until(twice, second, attempt=1).dead
            finish(twice, attempt=2)
            assert differences(twice.state(), wanted) == {}, f"{first}, then {second}"


def test_the_lease_of_a_dead_run_is_not_given_away_before_it_has_lapsed(
    start: Small, whole: tuple[Crasher, Any], scratch: Path
) -> None:
    run, _ = whole
    crashed = start.copied(scratch / "crashed")
    run_until(crashed, moments(run, "delete crm.customers")[0])
    with pytest.raises(LeaseHeld):
        crashed.run(start=START)
    crashed.run(start=START + LONG_AFTER)


def test_on_postgresql_crashes_all_over_a_run_change_nothing_in_the_end(server: Small) -> None:
    run, wanted = count(server), server.state()
    chosen = [at for place, at in enumerate(run.moments) if place % 9 == 4]
    for point in chosen:
        server.write().fill()
        assert run_until(server, point).dead
        finish(server, attempt=1)
        assert differences(server.state(), wanted) == {}, f"crashed at boundary {point}"
