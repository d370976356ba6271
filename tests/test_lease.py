"""The lease: one holder at a time, whatever dies, sleeps or races."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from retention.errors import LeaseHeld, StoreError
from retention.lease import Lease, busy, process_alive
from retention.stores.control import lease as table
from retention.stores.open import STORE_NAMES, Stores, migrate, open_store

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HERE = "host-a"


def acquire(engine: Engine, holder: str, now: datetime = NOW, **changes: Any) -> Lease:
    wanted: dict[str, Any] = {
        "host": HERE,
        "pid": 41,
        "seconds": 300,
        "alive": lambda _host, _pid: True,
    }
    return Lease.acquire(engine, holder=holder, now=now, **{**wanted, **changes})


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_the_first_gets_the_lease_and_the_second_is_told_who_has_it(own_stores: Stores) -> None:
    mine = acquire(own_stores.control, "a")
    mine.confirm()
    with pytest.raises(LeaseHeld) as caught:
        acquire(own_stores.control, "b", after(10), host="host-b")
    said = str(caught.value)
    assert said == (
        "another run is at work since 2026-11-24 03:00:00 UTC on host-a (process 41): wait for"
        " it, or stop it; left alone, its lease ends 2026-11-24 03:05:00 UTC"
    )


@pytest.mark.parametrize(
    ("seconds", "host", "alive", "is_busy"),
    [(10, HERE, True, True), (10, HERE, False, False), (10, "host-b", False, True),
     (299, HERE, True, True), (300, HERE, True, False)],
)  # fmt: skip
def test_whoever_looks_whether_it_is_taken_sees_what_acquiring_would_meet(
    own_stores: Stores, *, seconds: float, host: str, alive: bool, is_busy: bool
) -> None:
    engine = own_stores.control
    look = {"host": host, "now": after(seconds), "alive": lambda _host, _pid: alive}
    assert busy(engine, **look) is None
    mine = acquire(engine, "a")
    found = busy(engine, **look)
    assert (found is not None) is is_busy
    mine.confirm()  # looking takes nothing
    if found is None:
        acquire(engine, "b", **look).release()
        return
    assert found.startswith("another run is at work since 2026-11-24 03:00:00 UTC on host-a")
    with pytest.raises(LeaseHeld) as refused:
        acquire(engine, "b", **look)
    assert str(refused.value) == found
    mine.release()
    assert busy(engine, **look) is None


def test_a_released_lease_is_free_at_once_and_its_epoch_goes_on(own_stores: Stores) -> None:
    mine = acquire(own_stores.control, "a")
    mine.release()
    with pytest.raises(LeaseHeld):
        mine.confirm()
    with pytest.raises(LeaseHeld):
        mine.renew(after(1))
    other = acquire(own_stores.control, "b", after(1))
    assert other.epoch > mine.epoch
    mine.release()
    other.confirm()
    again = acquire_after_release(own_stores.control, other)
    assert again.epoch > other.epoch


def acquire_after_release(engine: Engine, held: Lease) -> Lease:
    held.release()
    return acquire(engine, held.holder, after(2))


def test_leaving_the_block_releases_it_even_after_an_error(own_stores: Stores) -> None:
    with pytest.raises(ZeroDivisionError), acquire(own_stores.control, "a"):
        raise ZeroDivisionError
    acquire(own_stores.control, "b").confirm()


def test_a_lapsed_lease_goes_to_the_next_and_its_old_holder_must_stop(own_stores: Stores) -> None:
    old = acquire(own_stores.control, "a")
    with pytest.raises(LeaseHeld):
        acquire(own_stores.control, "b", after(299))
    new = acquire(own_stores.control, "b", after(300))
    assert new.epoch == old.epoch + 1
    attempts: list[Callable[[], None]] = [old.confirm, lambda: old.renew(after(301))]
    for attempt in attempts:
        with pytest.raises(LeaseHeld, match="has lost its lease and stops; another run is at work"):
            attempt()
    old.release()
    new.confirm()


def test_a_renewed_lease_lapses_later(own_stores: Stores) -> None:
    mine = acquire(own_stores.control, "a")
    mine.renew(after(200))
    with pytest.raises(LeaseHeld):
        acquire(own_stores.control, "b", after(499))
    mine.confirm()
    assert acquire(own_stores.control, "b", after(500)).epoch == mine.epoch + 1


def test_a_lapsed_lease_that_nobody_took_can_be_renewed(own_stores: Stores) -> None:
    mine = acquire(own_stores.control, "a")
    mine.renew(after(1_000))
    mine.confirm()


def test_the_steps_of_one_run_share_its_lease(own_stores: Stores) -> None:
    first = acquire(own_stores.control, "run")
    second = acquire(own_stores.control, "run", after(100), pid=42, host="host-b")
    assert second.epoch == first.epoch
    first.confirm()
    second.confirm()
    with pytest.raises(LeaseHeld, match=r"since 2026-11-24 03:00:00 UTC on host-b \(process 42\)"):
        acquire(own_stores.control, "other", after(399))


def test_a_dead_process_of_this_host_holds_nothing(own_stores: Stores) -> None:
    asked: list[tuple[str, int]] = []

    def dead(host: str, pid: int) -> bool:
        asked.append((host, pid))
        return False

    old = acquire(own_stores.control, "a")
    with pytest.raises(LeaseHeld):
        acquire(own_stores.control, "b", host="host-b", alive=dead)
    assert asked == []
    new = acquire(own_stores.control, "b", pid=42, alive=dead)
    assert asked == [(HERE, 41)]
    with pytest.raises(LeaseHeld):
        old.confirm()
    new.confirm()


def test_a_holder_that_renews_while_it_is_judged_keeps_the_lease(own_stores: Stores) -> None:
    mine = acquire(own_stores.control, "a")

    def mistaken(_host: str, _pid: int) -> bool:
        renewed.append(after(1 + len(renewed)))
        mine.renew(renewed[-1])
        return False

    renewed: list[datetime] = []
    with pytest.raises(LeaseHeld):
        acquire(own_stores.control, "b", alive=mistaken)
    assert renewed
    mine.confirm()


def test_a_confirmed_lease_cannot_be_taken_before_the_transaction_ends(own_stores: Stores) -> None:
    mine = acquire(own_stores.control, "a")
    outcome: list[Lease] = []
    thread = threading.Thread(
        target=lambda: outcome.append(acquire(own_stores.control, "b", after(1_000)))
    )
    with own_stores.control.begin() as connection:
        mine.confirm(connection)
        thread.start()
        time.sleep(0.5)
        assert outcome == []
    thread.join(20)
    assert [lease.holder for lease in outcome] == ["b"]
    with pytest.raises(LeaseHeld), own_stores.control.begin() as connection:
        mine.confirm(connection)


def test_a_store_that_was_not_migrated_is_no_free_lease(tmp_path: Path) -> None:
    engine = open_store("control", f"sqlite:///{tmp_path}/c.db")
    with pytest.raises(StoreError, match="must be migrated first"):
        acquire(engine, "a")


def test_a_holder_has_a_name(own_stores: Stores) -> None:
    with pytest.raises(ValueError):
        acquire(own_stores.control, "")


Barrier = Callable[[], object]


def race(url: str, name: str, rounds: int, barrier: Barrier) -> list[tuple[int, int]]:
    """Try for the lease ``rounds`` times, each time together with the others; what was won."""
    engine = open_store("control", url)
    won: list[tuple[int, int]] = []
    for number in range(rounds):
        barrier()
        held: Lease | None = None
        try:
            held = acquire(engine, f"{name}/{number}")
        except LeaseHeld:
            pass
        else:
            won.append((number, held.epoch))
        barrier()
        if held is not None:
            held.confirm()
            held.release()
    engine.dispose()
    return won


def race_in_process(url: str, name: str, rounds: int, barrier: Any, queue: Any) -> None:
    queue.put(race(url, name, rounds, barrier.wait))


def one_winner_a_round(won: list[list[tuple[int, int]]], rounds: int) -> bool:
    epochs = [epoch for _, epoch in sorted(item for each in won for item in each)]
    return sorted(number for each in won for number, _ in each) == list(range(rounds)) and (
        epochs == list(range(epochs[0], epochs[0] + rounds))
    )


def test_of_processes_that_race_exactly_one_gets_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/control.db"
    migrate(Stores(*[open_store("control", url)] * len(STORE_NAMES)))
    context = get_context("spawn")
    barrier, queue = context.Barrier(4, timeout=60), context.Queue()
    processes = [
        context.Process(target=race_in_process, args=(url, f"p{number}", 25, barrier, queue))
        for number in range(4)
    ]
    for process in processes:
        process.start()
    won = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(30)
    assert one_winner_a_round(won, 25)


def test_of_threads_that_race_exactly_one_gets_it(own_stores: Stores) -> None:
    url = own_stores.control.url.render_as_string(hide_password=False)
    barrier = threading.Barrier(6, timeout=60)
    with ThreadPoolExecutor(6) as pool:
        tries = [pool.submit(race, url, f"t{number}", 40, barrier.wait) for number in range(6)]
        won = [each.result() for each in tries]
    assert one_winner_a_round(won, 40)


CRASH = """
import os, sys
from datetime import datetime, UTC
from socket import gethostname
from retention.lease import Lease, busy, process_alive
from retention.stores.open import open_store
Lease.acquire(open_store("control", sys.argv[1]), holder="crashed", host=gethostname(),
              pid=os.getpid(), now=datetime(2026, 11, 24, 3, tzinfo=UTC), seconds=300,
              alive=process_alive)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lease_of_a_process_that_was_killed_is_taken_over_at_once(own_stores: Stores) -> None:
    url = own_stores.control.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    assert process.stdout.readline() == b"held\n"
    real = {"host": socket.gethostname(), "pid": os.getpid(), "alive": process_alive}
    with pytest.raises(LeaseHeld, match=f"process {process.pid}"):
        acquire(own_stores.control, "next", after(1), **real)
    process.kill()
    deadline = time.monotonic() + 20
    # Before anyone has waited for it, a killed process is still listed.
    while process_alive(socket.gethostname(), process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    acquire(own_stores.control, "next", after(1), **real).confirm()
    process.stdin.close()
    process.stdout.close()
    process.wait()
    with own_stores.control.connect() as connection:
        assert connection.execute(select(table.c.holder)).scalars().all() == ["next"]


def test_only_processes_of_this_host_are_known_to_be_dead() -> None:
    here = socket.gethostname()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process_alive(here, os.getpid())
    assert process_alive(here, 1)
    assert not process_alive(here, process.pid)
    assert not process_alive(here, 0)
    assert process_alive(here + "-other", process.pid)
