"""A request file dropped under a running ``dagster dev``, to the answer, daemon killed on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retention.requests.model import Request, State
from tests.dagster_support import Demo
from tests.requests_dagster_support import (
    SECRETS,
    bytes_below,
    drop,
    instance_of,
    make,
    requests_of,
    rows_left,
    run_request,
    secrets_in,
)

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 480
"""Of a machine that is busy with other tests; by itself it takes a minute."""


class Daemon:
    """``dagster dev`` as ``make ui`` starts it: pages, daemon and code location."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.log = demo.folder / "dagster-dev.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    str(Path(sys.executable).parent / "dagster"),
                    *("dev", "-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1"),
                    *("-p", str(port)),
                ],
                cwd=demo.folder,
                env=os.environ
                | {"DAGSTER_HOME": str(demo.home), "RETENTION_CONFIG": str(demo.config)},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, number: signal.Signals) -> None:
        """Everything it has started is told, the code location and its runs too.

        What does not listen, which is Dagster's to mend, is killed.
        """
        for pid in [*descendants(self.process.pid), self.process.pid]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            if number is signal.SIGKILL:
                raise
            self.stop(signal.SIGKILL)

    def until(self, true: Callable[[], Any], until: float) -> Any:
        """What ``true`` says as soon as it says anything."""
        while True:
            found = true()
            if found:
                return found
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < until, self.log.read_text()[-4000:]
            time.sleep(0.2)


def descendants(pid: int) -> list[int]:
    """The processes that ``pid`` and its children have started."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


@contextmanager
def daemon(demo: Demo) -> Iterator[Daemon]:
    made = Daemon(demo)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.stop(signal.SIGKILL)


def runs(demo: Demo) -> list[dg.DagsterRun]:
    with demo.instance() as instance:
        return list(instance.get_runs())


def ready(demo: Demo) -> bool:
    """Whether the daemon has evaluated the sensor of the inbox: it is at work, and sees nothing."""
    with demo.instance() as instance:
        states = instance.all_instigator_state()
        return any(
            state.instigator_name == "request_inbox" and instance.get_ticks(
                state.instigator_origin_id, state.selector_id, limit=1
            )
            for state in states
        )  # fmt: skip


def one(demo: Demo, state: State) -> Request | None:
    found = [request for request in requests_of(demo) if request.state is state]
    return found[0] if found else None


@pytest.mark.ui
@pytest.mark.timeout(PATIENCE_SECONDS + 120)
def test_a_dropped_file_is_answered_by_one_run_though_the_daemon_is_killed_on_the_way(
    tmp_path: Path,
) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    demo = make(tmp_path / "demo", people=20)
    with instance_of(demo) as instance:  # its tables: the processes of Dagster would race for them
        assert (instance.get_runs(), instance.all_instigator_state()) == ([], [])
        assert instance.all_asset_keys() == []
    with daemon(demo) as first:
        first.until(lambda: ready(demo), until)
        assert requests_of(demo) == []
        drop(demo)
        first.until(lambda: requests_of(demo), until)
        first.stop(signal.SIGKILL)
    with daemon(demo) as second:
        second.until(lambda: one(demo, State.answered), until)
        second.until(lambda: all(run.is_finished for run in runs(demo)), until)
        second.stop(signal.SIGTERM)
    (request,) = requests_of(demo)
    assert (request.failure, request.attempt, rows_left(demo)) == (None, 1, 0)
    (run,) = runs(demo)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert (run.run_id, run.tags["requests"]) == (request.run_id, "1")
    assert run.tags["dagster/run_key"] == run_request(request).run_key
    kept = bytes_below(demo.home)
    assert request.request_id.encode() in kept
    assert secrets_in(kept) == []
    assert not any(secret in first.log.read_text() for secret in SECRETS)
    assert sorted(path.name for path in (demo.folder / "inbox" / "done").iterdir()) != []
