"""A request whose process dies at any commit is carried out by retrying it: once, and rightly."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retention import holds
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.carrying_out import carry_out
from retention.requests.doing.lifting import lift
from retention.requests.model import Kind, RequestError, State
from retention.stores import cases
from tests.engine.asking import ask, customer
from tests.engine.crash import EVERYWHERE, Crash, Crasher, watched
from tests.engine.lives import ACTIVE, ARCHIVE, AS_OF, BARE, note, scripted
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import fetch
from tests.engine.test_crash import SYNC, differences, narrow

pytestmark = pytest.mark.slow

SWEEP = os.environ.get("HYPOTHESIS_PROFILE") == "sweep"
EVERY = 1 if SWEEP else 8
SELDOM = 1 if SWEEP else 7
"""Where an attempt is long, one commit in so many; `make sweeps` stops at each."""

Step = Callable[[Installation, str, int], None]
"""What is done to a request, in the n-th attempt."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crash", dir=SYNC if SYNC.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture
def scratch(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        yield Path(made)


def installed(home: Path) -> Small:
    """Some lives after a daily run, with two recipients of what is in the register."""
    catalogue = narrow()
    catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    catalogue["recipients"] = {
        "printer": {"label": "Printer", "contact": "p@example.org", "tables": ["crm.customers"]},
        "bank": {"label": "Bank", "contact": "b@example.org", "tables": ["crm.invoices"]},
        "archivist": {"label": "Archivist", "contact": "a@example.org", "tables": ["crm.notes"]},
    }
    lives = {name: rows for name, rows in scripted().items() if not name.startswith("web")}
    for row in lives["crm.customers"]:
        if row["customer_id"] == BARE:
            row |= {"opted": "yes", "segment": "golf", "collected_on": AS_OF}
    lives["crm.notes"].append(note(20, BARE, date(2022, 10, 1)))
    small = Small(home, catalogue=catalogue, settings={"max_review_share": 1.0}).write().fill(lives)
    small.run(start=START - LONG_AFTER)
    return small


def asked(small: Small, kind: Kind, **more: Any) -> str:
    with small.reopened() as installation:
        persons = [customer(ACTIVE), customer(BARE)]
        if kind in (Kind.erasure, Kind.restriction):
            more["archived"] = [customer(ARCHIVE)]
        return ask(installation, kind, persons, now=clock(START - LONG_AFTER), **more).request_id


def carried_out(installation: Installation, request_id: str, attempt: int) -> None:
    """Carry it out, as a person would go about one that broke off."""
    ticks = clock(START + attempt * LONG_AFTER)
    request = casebook.get(installation, request_id)
    if request.state in (State.planned, State.executing):
        casebook.retry(installation, request_id, by="dpo", reason="power cut", now=ticks())
    if casebook.get(installation, request_id).state is State.verified:
        carry_out(installation, request_id, as_of=AS_OF, today=AS_OF, clock=ticks)


def lifted(installation: Installation, request_id: str, attempt: int) -> None:
    ticks = clock(START + attempt * LONG_AFTER)
    try:
        lift(
            installation, request_id, by="dpo", reason="over", as_of=AS_OF, today=AS_OF,
            clock=ticks,
        )  # fmt: skip
    except RequestError as error:
        assert "lifted already" in str(error)  # noqa: PT017 - only then it may be refused


def state(small: Small, request_id: str) -> dict[str, Any]:
    """All that must not depend on where an attempt broke off."""
    with small.reopened() as installation:
        casebook.reconcile(installation, START)
        changes = [
            change
            for request in casebook.listed(installation)
            for change in casebook.changes(installation, request.request_id)
        ]
    found = small.state()
    entries = sum(n for at, n in found["ledger"].items() if at[0] == "request")
    assert entries == len(changes), "every change is in the ledger, and once"
    found["ledger"] = {at: n for at, n in found["ledger"].items() if at[0] != "request"}
    with small.reopened() as installation:
        request = casebook.get(installation, request_id)
        stores = installation.stores
        found["request"] = (request.state, request.failure, request.asked, request.forget_on)
        found["sought"] = casebook.sought(installation, request_id)
        clocked = installation.catalogue.clocked_tables()
        found["outcomes"] = sorted(
            repr(line)
            for line in casebook.outcomes(installation, request_id)
            if line.table in clocked  # what is in the archive already is told row by row
        )
        found["outbox"] = sorted(
            (row["recipient"], tuple(row["tables"])) for row in fetch(stores.cases, cases.outbox)
        )
        found["opposition"] = sorted(
            (row["fingerprint"], row["expires_on"]) for row in fetch(stores.cases, cases.opposition)
        )
        found["held"] = sorted(holds.held_rows(installation).tokens)
    return found


def stopped_at(small: Small, request_id: str, step: Step, at: int, attempt: int) -> Crasher:
    crasher = Crasher(at)
    with watched(small, crasher) as installation, contextlib.suppress(Crash):
        step(installation, request_id, attempt)
    return crasher


def stop_everywhere(
    start: Small, request_id: str, step: Step, scratch: Path, *, every: int = 1
) -> dict[str, Any]:
    """Stop at each moment, go on, and compare with what comes of it undisturbed."""
    whole = start.copied(scratch / "whole")
    run = stopped_at(whole, request_id, step, EVERYWHERE, 1)
    wanted = state(whole, request_id)
    assert len(run.moments) > 15
    for point in run.moments[::every]:
        crashed = start.copied(scratch / f"at{point}")
        assert stopped_at(crashed, request_id, step, point, 1).dead
        with crashed.reopened() as installation:
            step(installation, request_id, 2)
        got = state(crashed, request_id)
        assert differences(got, wanted) == {}, f"stopped at boundary {point}"
    return wanted


def test_an_erasure_that_is_stopped_at_any_commit(folder: Path, scratch: Path) -> None:
    start = installed(folder / "erasure")
    request_id = asked(start, Kind.erasure)
    wanted = stop_everywhere(start, request_id, carried_out, scratch, every=EVERY)
    assert wanted["request"][0] is State.answered
    assert len(wanted["outbox"]) == 3
    assert wanted["opposition"]


def test_a_restriction_that_is_stopped_at_any_commit(folder: Path, scratch: Path) -> None:
    start = installed(folder / "restriction")
    request_id = asked(start, Kind.restriction)
    wanted = stop_everywhere(start, request_id, carried_out, scratch, every=EVERY)
    assert len(wanted["held"]) == 3


def test_the_end_of_a_restriction_that_is_stopped_at_any_commit(
    folder: Path, scratch: Path
) -> None:
    start = installed(folder / "lift")
    before = start.everything()
    request_id = asked(start, Kind.restriction)
    with start.reopened() as installation:
        carried_out(installation, request_id, 0)
    assert start.everything() != before
    wanted = stop_everywhere(start, request_id, lifted, scratch)
    assert wanted["held"] == []
    whole = start.copied(scratch / "last")
    stopped_at(whole, request_id, lifted, EVERYWHERE, 1)
    assert whole.everything() == before


def test_an_objection_that_is_stopped_at_any_commit(folder: Path, scratch: Path) -> None:
    start = installed(folder / "objection")
    wanted = stop_everywhere(start, asked(start, Kind.objection), carried_out, scratch, every=EVERY)
    assert wanted["opposition"]


def test_a_rectification_that_is_stopped_at_any_commit(folder: Path, scratch: Path) -> None:
    start = installed(folder / "rectification")
    request_id = asked(start, Kind.rectification, corrections={"user.name": "Right Name"})
    stop_everywhere(start, request_id, carried_out, scratch, every=EVERY)


def test_a_daily_run_repairs_what_an_erasure_left_and_the_retry_goes_on(
    folder: Path, scratch: Path
) -> None:
    """The next run is another's: it must not take the half of a request for its own work."""
    start = installed(folder / "between")
    request_id = asked(start, Kind.erasure)
    whole = start.copied(scratch / "whole")
    run = stopped_at(whole, request_id, carried_out, EVERYWHERE, 1)
    wanted = state(whole, request_id)
    for point in run.moments[::SELDOM]:
        crashed = start.copied(scratch / f"at{point}")
        assert stopped_at(crashed, request_id, carried_out, point, 1).dead
        crashed.run(start=START + 2 * LONG_AFTER)
        with crashed.reopened() as installation:
            carried_out(installation, request_id, 3)
        assert differences(state(crashed, request_id), wanted) == {}, f"boundary {point}"


def test_a_repair_that_is_stopped_is_repaired_too(folder: Path, scratch: Path) -> None:
    start = installed(folder / "twice")
    request_id = asked(start, Kind.erasure)
    whole = start.copied(scratch / "whole")
    run = stopped_at(whole, request_id, carried_out, EVERYWHERE, 1)
    wanted = state(whole, request_id)
    middle = len(run.moments) // 2
    for first in run.moments[middle - 3 : middle + 9 : 6]:
        once = start.copied(scratch / f"at{first}")
        stopped_at(once, request_id, carried_out, first, 1)
        again = stopped_at(once.copied(scratch / f"c{first}"), request_id, carried_out, -1, 2)
        for second in again.moments[::SELDOM]:
            twice = once.copied(scratch / f"at{first}-{second}")
            assert stopped_at(twice, request_id, carried_out, second, 2).dead
            with twice.reopened() as installation:
                carried_out(installation, request_id, 3)
            assert differences(state(twice, request_id), wanted) == {}, f"{first}, {second}"
