"""What the tests of the command line share: a small demonstration, and ways to run commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from demo.write import write_demo
from retention.policy.calendar import day_in, zone

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "data" / "cli"
AS_OF = date(2026, 11, 24)
DAY = AS_OF.isoformat()

UPDATE = "UPDATE_GOLDEN"
"""Set it to write the golden files anew, then look at their difference."""


@dataclass(frozen=True)
class Answer:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Demo:
    """A demonstration of 200 people, and commands on it."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "retention.yaml"

    def run(self, *arguments: str) -> Answer:
        return call(*arguments, environment={"RETENTION_CONFIG": str(self.config)})

    def sql(self, system: str, statement: str, *values: object) -> list[Any]:
        with sqlite3.connect(self.folder / f"{system}.sqlite") as connection:
            found = connection.execute(statement, values).fetchall()
        connection.close()
        return found

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    def add_setting(self, text: str) -> None:
        with self.config.open("a", encoding="utf-8") as settings:
            settings.write(text)

    def rows(self) -> dict[str, int]:
        """Rows of every source table."""
        return {
            f"{system}.{name}": self.sql(system, f"SELECT count(*) FROM {name}")[0][0]
            for system in ("crm", "marketing", "web")
            for (name,) in self.sql(system, "SELECT name FROM sqlite_master WHERE type = 'table'")
        }


def call(*arguments: str, environment: Mapping[str, str | None] | None = None) -> Answer:
    """A command in this process."""
    clean = {"COLUMNS": None, "RETENTION_CONFIG": None, **(environment or {})}
    result = CliRunner().invoke(app, list(arguments), env=clean)
    assert isinstance(result.exception, (SystemExit, type(None))), result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def process(
    *arguments: str, given: str | bytes = b"", environment: Mapping[str, str] | None = None
) -> Answer:
    """A command in a process of its own."""
    outside = {k: v for k, v in os.environ.items() if k not in ("RETENTION_CONFIG", "COLUMNS")}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**outside, "PYTHONUTF8": "1", **(environment or {})},
        timeout=240,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def make_demo(folder: Path) -> Demo:
    write_demo(folder, people=200, as_of=AS_OF, seed=1)
    return Demo(folder)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demonstration that tests only read."""
    return make_demo(tmp_path_factory.mktemp("cli") / "demo")


@pytest.fixture
def demo(pristine: Demo, tmp_path: Path) -> Demo:
    """A copy of it to do as one likes with."""
    shutil.copytree(pristine.folder, tmp_path / "demo")
    return Demo(tmp_path / "demo")


def one_line(answer: Answer) -> str:
    """The single line on standard error, without its prefix."""
    lines = answer.err.splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("retention: ")
    assert "Traceback" not in answer.err
    return lines[0].removeprefix("retention: ")


def agrees_with_golden(name: str, text: str, **masked: str) -> None:
    """Compare with ``tests/data/cli/<name>.txt``; digests and paths are masked."""
    for label, value in masked.items():
        text = text.replace(value, f"<{label}>")
    text = re.sub(r"\b[0-9a-f]{64}\b", "<digest>", text)
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get(UPDATE):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"set {UPDATE}=1 to accept what changed"


def now() -> datetime:
    return datetime.now(UTC)


def today() -> date:
    """The day it is where the policy applies, as the commands reckon it: in the last hours of a
    day in UTC it is tomorrow's."""
    return day_in(now(), zone("Europe/Paris"))
