"""A changed policy reaches what is archived already, and a mistake in it can be taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from demo.write import write_demo
from retention.errors import ApprovalNeeded
from retention.execution import run
from retention.execution.reassessing import reassess
from retention.installation import open_installation
from retention.planning.plan import Transition
from retention.stores import archive

AS_OF = date(2026, 11, 24)


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demonstration whose daily run has been done once."""
    directory = tmp_path_factory.mktemp("demo")
    write_demo(directory, people=300, as_of=AS_OF)
    daily(directory)
    return directory


def daily(directory: Path) -> None:
    installation = open_installation(directory / "retention.yaml", {})
    work = run.begin(
        installation,
        AS_OF,
        today=AS_OF,
        clock=lambda: datetime.now(UTC),
        run_id=run.new_run_id(),
    )
    run.run_all(work)
    installation.close()


def days(directory: Path) -> dict[str, date]:
    """The day of expiry of each unit."""
    installation = open_installation(directory / "retention.yaml", {})
    at = archive.units.c
    with installation.stores.archive.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(sa.select(at.unit_id, at.expires_on))}
    installation.close()
    return found


def change_policy(directory: Path, before: str, after: str) -> None:
    path = directory / "callimedia.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def reassessed(directory: Path) -> int:
    installation = open_installation(directory / "retention.yaml", {})
    changed = reassess(installation, AS_OF)
    installation.close()
    return changed


def test_a_longer_and_a_shorter_duration_move_the_days_and_back(archived: Path) -> None:
    first = days(archived)
    assert len(first) > 50
    assert reassessed(archived) == 0, "the same policy says the same days"

    change_policy(archived, "for: 10 years", "for: 11 years")
    assert reassessed(archived) > 0
    longer = days(archived)
    moved = {unit for unit in first if longer[unit] != first[unit]}
    # only accounting evidence moves, by a year where nothing else kept it longer
    assert moved
    assert len(moved) < len(first)
    for unit in moved:
        assert (longer[unit].month, longer[unit].day) == (1, 1)
        assert first[unit] < longer[unit] <= first[unit].replace(year=first[unit].year + 1)
    assert any(longer[unit].year == first[unit].year + 1 for unit in moved)

    change_policy(archived, "for: 11 years", "for: 10 years")
    assert reassessed(archived) == len(moved)
    assert days(archived) == first


def test_a_slip_of_the_pen_destroys_nothing_without_approval(archived: Path) -> None:
    first = days(archived)
    change_policy(archived, "for: 10 years", "for: 10 days")
    settings = archived / "retention.yaml"
    text = settings.read_text(encoding="utf-8")
    capped = "caps:\n  rows: 20\n"
    assert "caps:" not in text
    settings.write_text(text + capped, encoding="utf-8")
    installation = open_installation(settings, {})
    with pytest.raises(ApprovalNeeded, match="units would expire"):
        run.begin(
            installation,
            AS_OF,
            today=AS_OF,
            clock=lambda: datetime.now(UTC),
            run_id=run.new_run_id(),
        )
    assert run.plan_day(installation, AS_OF).rows(Transition.expire) > 20
    installation.close()

    change_policy(archived, "for: 10 days", "for: 10 years")
    settings.write_text(text, encoding="utf-8")
    daily(archived)
    assert days(archived) == first, "the units are there as before"
