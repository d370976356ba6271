"""What the tests of both examples need: putting one up, running a day, reading a plan."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from retention.execution import run
from retention.execution.conservation import conservation
from retention.installation import Installation
from retention.keys import new_master_key
from retention.planning.plan import Plan

HERE = Path(__file__).parent.parent
EXAMPLES = HERE / "examples"
TODAY = date(2026, 11, 24)
DAYS = (date(2028, 1, 15), date(2030, 7, 1), date(2033, 3, 1))


def put_up(name: str, folder: Path) -> Path:
    """A copy of an example, as its README has one set it up; returns its ``retention.yaml``."""
    place = folder / "examples" / name
    place.mkdir(parents=True)
    for file in ("catalogue.yaml", "retention.yaml"):
        shutil.copy(EXAMPLES / name / file, place)
    shutil.copytree(HERE / "policies", folder / "policies")
    (place / "var").mkdir()
    (place / "var" / "master.key").write_text(new_master_key(), encoding="utf-8")
    return place / "retention.yaml"


def started(installation: Installation, as_of: date) -> run.Work:
    return run.begin(
        installation,
        as_of,
        today=TODAY,
        clock=lambda: datetime.now(UTC),
        run_id=run.new_run_id(),
    )


def executed(installation: Installation, as_of: date) -> Plan:
    """A whole run; returns its plan."""
    work = started(installation, as_of)
    run.run_all(work)
    for name in installation.catalogue.clocked_tables():
        assert conservation(work, name).sound
    return work.plan


def due(plan: Plan) -> int:
    return sum(item.rows for item in plan.items)


def phases(plan: Plan) -> dict[tuple[str, str], int]:
    """Rows by table and phase, none of the tables left out."""
    assert not plan.stopped
    return {
        (counts.table, phase): rows
        for counts in plan.tables
        for phase, rows in counts.phases.items()
        if rows
    }


def real_file(variable: str) -> Path:
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"{variable} is not set: the real data are not here")
    return Path(named)
