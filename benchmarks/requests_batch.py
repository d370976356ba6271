"""A hundred erasures, one run each and as one batch, on equal copies of the demonstration.

    python -m benchmarks.requests_batch [--people 10000] [--requests 100] [--repeat 3]

Measured is the engine, from a verified request to its answer, in one process: the ten seconds
that Dagster takes to start a process for a run come on top of each run. Every figure is the
median of several runs in processor time and by the clock; the two take turns. Before anything
is measured both are compared: the same requests answered, the same rows left in the sources.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from demo.write import write_demo  # noqa: E402
from retention.errors import RetentionError  # noqa: E402
from retention.installation import Installation, opened  # noqa: E402
from retention.requests.book import casebook  # noqa: E402
from retention.requests.doing.carrying_out import carry_out, carry_out_many  # noqa: E402
from retention.requests.finding import identity  # noqa: E402
from retention.requests.model import Asked, Kind, State  # noqa: E402

SOURCES = ("crm", "marketing", "web")
CUSTOMERS = "SELECT email FROM customers WHERE email IS NOT NULL GROUP BY email HAVING count(*) = 1"


def now() -> datetime:
    return datetime.now(UTC)


def today() -> date:
    return now().date()


def asked(folder: Path, wanted: int, seed: int) -> list[str]:
    """So many verified erasures of customers about whose records there is no doubt."""
    with closing(sqlite3.connect(folder / "crm.sqlite")) as crm:
        emails = [row[0] for row in crm.execute(CUSTOMERS)]
    random.Random(seed).shuffle(emails)
    numbers: list[str] = []
    with opened(folder / "retention.yaml", dict(os.environ)) as installation:
        for email in emails:
            who = Asked(email=email)
            matches = identity.resolve(installation, who)
            if not matches or not all(match.exact for match in matches):
                continue
            request = casebook.add(
                installation, Kind.erasure, who, received_on=today(), channel="command line",
                by="benchmark", now=now(),
            )  # fmt: skip
            casebook.put_subjects(installation, request.request_id, matches, now())
            casebook.verify(
                installation, request.request_id, by="benchmark", how="made up", now=now()
            )
            numbers.append(request.request_id)
            if len(numbers) == wanted:
                break
    return numbers


def singly(installation: Installation, numbers: Sequence[str]) -> None:
    for number in numbers:
        try:
            carry_out(installation, number, as_of=today(), today=today(), clock=now)
        except RetentionError:
            continue  # it stays open, with its reason; counted at the end


def together(installation: Installation, numbers: Sequence[str]) -> None:
    carry_out_many(installation, numbers, as_of=today(), today=today(), clock=now)


def measured(
    start: Path, numbers: Sequence[str], way: Callable[[Installation, Sequence[str]], None]
) -> tuple[float, float, object]:
    """Processor seconds, seconds by the clock, and what came of it."""
    with tempfile.TemporaryDirectory(dir=start.parent) as made:
        folder = Path(made) / "copy"
        shutil.copytree(start, folder)
        with opened(folder / "retention.yaml", dict(os.environ)) as installation:
            processor, clock = time.process_time(), time.perf_counter()
            way(installation, numbers)
            took = time.process_time() - processor, time.perf_counter() - clock
            states = [casebook.get(installation, number).state for number in numbers]
        return *took, (states, rows_left(folder))


def rows_left(folder: Path) -> dict[str, int]:
    found = {}
    for system in SOURCES:
        with closing(sqlite3.connect(folder / f"{system}.sqlite")) as source:
            names = source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in names:
                counted = source.execute(f'SELECT count(*) FROM "{name}"').fetchone()
                found[f"{system}.{name}"] = counted[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        start = Path(made) / "demo"
        write_demo(start, people=given.people, as_of=today())
        numbers = asked(start, given.requests, given.seed)
        found: dict[str, list[tuple[float, float]]] = {"singly": [], "together": []}
        for _ in range(given.repeat):
            outcomes = []
            for name, way in (("singly", singly), ("together", together)):
                processor, clock, outcome = measured(start, numbers, way)
                found[name].append((processor, clock))
                outcomes.append(outcome)
                print(f"{name}: {processor:.1f} s of processor, {clock:.1f} s", file=sys.stderr)
            if outcomes[0] != outcomes[1]:
                raise SystemExit("the two ways differ in what came of it")
    medians = {
        name: {
            "processor_seconds": round(statistics.median(one for one, _ in times), 2),
            "seconds": round(statistics.median(one for _, one in times), 2),
        }
        for name, times in found.items()
    }
    ratio = medians["singly"]["processor_seconds"] / medians["together"]["processor_seconds"]
    answered = sum(state is State.answered for state in outcomes[0][0])  # type: ignore[index]
    print(
        json.dumps(
            {
                "people": given.people,
                "requests": len(numbers),
                "answered": answered,
                "repeat": given.repeat,
                **medians,
                "ratio_of_processor_seconds": round(ratio, 1),
                "python": platform.python_version(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
