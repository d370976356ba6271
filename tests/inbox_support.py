"""What the tests of the inbox share: an installation, what looking up finds, dropped files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.catalogue.model import TableName
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.finding import identity
from retention.requests.finding.identity import Match
from retention.requests.model import State
from tests.engine.small import Small

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LONG_AGO = (NOW - timedelta(days=3)).timestamp()

CERTAIN = Match(TableName("crm.customers"), (1,), "a" * 64, "email", exact=True)
DOUBTFUL = Match(TableName("crm.customers"), (2,), "b" * 64, "address", exact=False)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return Small(tmp_path_factory.mktemp("inbox") / "small").write().fill()


@pytest.fixture
def small(pristine: Small, tmp_path: Path) -> Small:
    return pristine.copied(tmp_path / "small")


@pytest.fixture
def installation(small: Small) -> Iterator[Installation]:
    with small.reopened() as opened:
        yield opened


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Match]:
    """What looking a person up finds."""
    matches: list[Match] = []
    monkeypatch.setattr(identity, "resolve", lambda *_: list(matches))
    monkeypatch.setattr(identity, "linked", lambda *_: [])
    return matches


def drop(small: Small, name: str | bytes, content: Any, *, written: float = LONG_AGO) -> Path:
    """A file as another program leaves it."""
    folder = small.home / "inbox"
    folder.mkdir(exist_ok=True)
    path = folder / os.fsdecode(name)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    os.utime(path, (written, written))
    return path


def lies(small: Small) -> dict[str, list[str]]:
    """The files of the inbox and its folders."""
    home = small.home / "inbox"
    places = {"": home, **{name: home / name for name in ("taking", "done", "rejected")}}
    return {
        place: sorted(item.name for item in folder.iterdir() if item.name not in ALWAYS)
        for place, folder in places.items()
        if folder.is_dir()
    }


ALWAYS = ("taking", "done", "rejected", ".lock")
NOTHING: dict[str, list[str]] = {"": [], "taking": [], "done": [], "rejected": []}


def requests(installation: Installation) -> list[tuple[State, date, str | None]]:
    return [
        (item.state, item.received_on, item.asked.email if item.asked else None)
        for item in casebook.listed(installation)
    ]
