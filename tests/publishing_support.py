"""A small demonstration whose audience is published, copied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention.installation import Installation
from retention.releases import settling
from retention.stores import control
from tests.releases_support import AS_OF, Statistics, make_statistics

AUDIENCE = "connection_statistics"


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Statistics:
    """A small demonstration after its first day, nothing published; each test has a copy."""
    made = make_statistics(tmp_path_factory.mktemp("publishing") / "demo", 60)
    made.settings(lambda settings: settings.update(max_review_share=1, caps={"share": 1}))

    def only_audience(document: dict[str, Any]) -> None:
        for name in [name for name in document["releases"] if name != AUDIENCE]:
            del document["releases"][name]
        cube = document["releases"][AUDIENCE]["cubes"]["connections"]
        cube["protection"]["reach"] = 1  # each period takes time to draw

    made.declare(only_audience)
    with made.opened() as installation:
        made.run_day(installation, AS_OF)
    return made


@pytest.fixture
def statistics(built_once: Statistics, tmp_path: Path) -> Statistics:
    return built_once.copied(tmp_path / "demo")


@pytest.fixture
def installation(statistics: Statistics) -> Iterator[Installation]:
    with statistics.opened() as installation:
        yield installation


def entries(installation: Installation) -> list[tuple[str, int]]:
    """The publications in the ledger: digest and revision."""
    at = control.ledger.c
    statement = sa.select(at.merkle_root, at.counts).where(at.transition == settling.PUBLISH)
    with installation.stores.control.connect() as connection:
        return [(row[0], row[1]["revision"]) for row in connection.execute(statement)]


def other_bytes(statistics: Statistics) -> None:
    """The next build of the same data has other bytes: its dictionary says more."""
    statistics.declare(
        lambda document: document["releases"][AUDIENCE]["cubes"]["connections"].update(
            description="said otherwise"
        )
    )
