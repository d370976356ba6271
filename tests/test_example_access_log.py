"""The access log example, on made-up data of the same shape and, where it is there, on the real one.

RETENTION_ACCESS_LOG names a copy of the log; the example's README says where it is had.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from retention.catalogue.drift import check_system
from retention.execution import run
from retention.installation import Installation, open_installation
from retention.planning.plan import DESTRUCTIVE
from retention.policy.decide import Phase
from retention.stores import control
from tests.examples_support import (
    EXAMPLES,
    executed,
    phases,
    put_up,
    real_file,
)

LINES = rb"""
192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /index.html HTTP/1.1" 200 512 "-" "Mozilla/5.0"
192.0.2.1 - anna [17/May/2015:21:59:59 +0000] "GET /a?q=anna%40example.org HTTP/1.1" 200 7 "http://search.example/?q=anna" "Mozilla/5.0 (\"quoted\")"
192.0.2.2 - - [17/May/2015:22:00:00 +0000] "POST /form HTTP/1.0" 302 - "-" "curl/7.38"
192.0.2.2 - - [18/May/2015:23:59:59 +0200] "HEAD / HTTP/2" 304 0 "-" "-"
2001:db8::7 - - [19/May/2015:00:00:00 +0000] "GET /b HTTP/1.1" 404 12 "-" "Mozilla/5.0"
2001:db8::7 - - [20/May/2015:21:05:00 +0000] "GET /c HTTP/1.1" 500 3 "-" "Mozilla/5.0"
""".strip().splitlines()

BAD_LINES = [
    b'192.0.2.9 - - [20/May/2015:12:05:17 +0000] "GET /cut HTTP/1.1" 200 235 "-" "Mozi',
    b'192.0.2.9 - - [31/Feb/2015:12:05:17 +0000] "GET / HTTP/1.1" 200 235 "-" "-"',
    b'192.0.2.9 - - [20/Mai/2015:12:05:17 +0000] "GET / HTTP/1.1" 200 235 "-" "-"',
    b'192.0.2.9 - - [20/May/2015:12:05:17] "GET / HTTP/1.1" 200 235 "-" "-"',
    b'192.0.2.9 - - [20/May/2015:12:05:17 +0000] "\x16\x03\x01" 400 226 "-" "-"',
    b'192.0.2.9 - - [20/May/2015:12:05:17 +0000] "GET /\xff HTTP/1.1" 200 235 "-" "-"',
    b'192.0.2.9 - - [20/May/2015:12:05:17 +0000] "GET / HTTP/1.1" 200 235',
    b"",
]


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("load", EXAMPLES / "access_log" / "load.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "load", module)  # where dataclasses look for themselves
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["made up", "real"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "real":
        return real_file("RETENTION_ACCESS_LOG")
    path = tmp_path / "access.log"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    return path


@dataclass(frozen=True)
class Log:
    """An installation of the example, with the log loaded by its loader."""

    installation: Installation
    database: Path

    def rows(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT * FROM connections ORDER BY id")
            return [dict(row) for row in found]

    def by_hand(self) -> dict[date, dict[tuple[str, str], int]]:
        """Phases by day, as ``by_hand.sql`` counts them in the log as it was loaded."""
        found: dict[date, dict[tuple[str, str], int]] = defaultdict(dict)
        statement = (EXAMPLES / "access_log" / "by_hand.sql").read_text(encoding="utf-8")
        with closing(sqlite3.connect(self.database)) as connection:
            for day, phase, number in connection.execute(statement):
                found[date.fromisoformat(day)]["site.connections", phase] = number
        return dict(found)


@pytest.fixture
def site(log: Path, loader: ModuleType, tmp_path: Path, capsys) -> Iterator[Log]:
    config = put_up("access_log", tmp_path)
    database = config.parent / "var" / "access_log.sqlite"
    assert loader.main([str(log), str(database)]) == 0
    capsys.readouterr()
    installation = open_installation(config, {})
    yield Log(installation, database)
    installation.close()


def test_bad_lines_are_left_out_and_named_by_number_only(loader, tmp_path, capsys):
    path = tmp_path / "access.log"
    path.write_bytes(b"\n".join([LINES[0], *BAD_LINES, LINES[1]]) + b"\n")
    assert loader.main([str(path), str(tmp_path / "log.sqlite")]) == 0
    out = capsys.readouterr().out
    assert out == (
        "2 lines loaded\n8 lines left out, not of the combined format: 2, 3, 4, 5, 6, 7, 8, 9\n"
    )


def test_a_line_is_read_field_by_field(loader):
    assert loader.read_line(3, LINES[1]) == (
        3, "192.0.2.1", "anna", "2015-05-17T21:59:59+00:00", "GET", "/a", "q=anna%40example.org",
        200, 7, "http://search.example/?q=anna", r"Mozilla/5.0 (\"quoted\")",
    )  # fmt: skip
    assert loader.read_line(4, LINES[3]) == (
        4, "192.0.2.2", None, "2015-05-18T23:59:59+02:00", "HEAD", "/", None, 304, 0, None, None,
    )  # fmt: skip


def test_loading_twice_is_refused_and_changes_nothing(loader, tmp_path, capsys):
    path, database = tmp_path / "access.log", tmp_path / "log.sqlite"
    path.write_bytes(LINES[0])
    assert loader.main([str(path), str(database)]) == 0
    assert loader.main([str(path), str(database)]) == 1
    assert "already exists" in capsys.readouterr().err
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM connections").fetchone() == (1,)


def test_the_catalogue_fits_the_log(site):
    assert check_system(site.installation.sources, site.installation.catalogue, "site") == []


def test_the_log_is_pseudonymised_after_six_months_and_gone_after_twelve(site):
    before = site.rows()
    hand = site.by_hand()
    addresses = {row["ip"] for row in before}
    seen: Counter[str] = Counter()
    for as_of, expected in sorted(hand.items()):
        plan = run.plan_day(site.installation, as_of)
        left = {key: rows for key, rows in expected.items() if key[1] != Phase.expired}
        gone = expected.get(("site.connections", Phase.expired), 0)
        here = phases(plan)
        # what expired on an earlier day is not there any more
        assert here.pop(("site.connections", Phase.expired), 0) == gone - seen["gone"]
        assert here == left
        done = executed(site.installation, as_of)
        assert done.digest == plan.digest
        again = executed(site.installation, as_of)
        assert not [item for item in again.items if item.transition in DESTRUCTIVE]
        seen["gone"] = gone
        rows = site.rows()
        assert len(rows) == len(before) - gone
        clear = [row for row in rows if not row["ip"].startswith("psn")]
        assert len(clear) == left.get(("site.connections", Phase.active), 0)
        untouched = {row["id"]: row for row in before}
        assert all(row == untouched[row["id"]] for row in clear)
        if as_of == date(2015, 11, 21):
            _assert_nobody_is_left(site, before, addresses)
    assert site.rows() == []
    _assert_traffic_is_remembered(site, before)


def _assert_nobody_is_left(site: Log, before: list[dict[str, Any]], addresses: set[str]) -> None:
    """Each address has one pseudonym, other data are as before, and no byte names an address."""
    now = {row["id"]: row for row in site.rows()}
    pairs = {(row["ip"], now[row["id"]]["ip"]) for row in before}
    assert len(pairs) == len(addresses) == len({token for _, token in pairs})
    kept = ("id", "at", "method", "path", "status", "bytes")
    for row in before:
        assert {name: now[row["id"]][name] for name in kept} == {name: row[name] for name in kept}
        for name in ("query", "referer", "user_agent"):
            assert now[row["id"]][name] is None
    names = {row["user_name"] for row in before} - {None}
    wanted = b"|".join(re.escape(text.encode()) for text in sorted(addresses | names))
    address = re.compile(rb"(?<![0-9a-zA-Z.:])(?:" + wanted + rb")(?![0-9a-zA-Z.:])")
    for path in site.database.parent.iterdir():
        if path.is_file():
            assert not address.search(path.read_bytes()), path.name


def _assert_traffic_is_remembered(site: Log, before: list[dict[str, Any]]) -> None:
    """The accumulator counted each connection once, when it left."""
    at = control.accumulators.c
    with site.installation.stores.control.connect() as connection:
        cells = connection.execute(sa.select(at.rows, at.sums).where(at.name == "traffic")).all()
    assert sum(rows for rows, _ in cells) == len(before)
    assert sum(int(sums["bytes"]) for _, sums in cells) == sum(row["bytes"] or 0 for row in before)
