"""Cubes with noise: a period is drawn once, its budget is on record before, and kept for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from retention.installation import Installation
from retention.releases import noisy
from retention.releases.auditing import Auditor, run_check
from retention.releases.budget import months_before, spent
from retention.releases.building import find_built
from retention.releases.built import Built
from retention.releases.errors import BudgetSpent, EmptyRelease
from retention.releases.files import parquet_bytes, read_parquet
from retention.releases.periods import drawable
from retention.stores import control
from tests.releases_support import AS_OF, Statistics, make_statistics

AUDIENCE = "connection_statistics"
NEXT = date(2026, 12, 24)
EXACT = 1e6
"""An epsilon that adds hardly any noise: for what noise would hide."""


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Statistics:
    made = make_statistics(tmp_path_factory.mktemp("noise") / "demo", 60)
    with made.opened():
        return made


@pytest.fixture
def statistics(built_once: Statistics, tmp_path: Path) -> Statistics:
    return built_once.copied(tmp_path / "demo")


@pytest.fixture
def installation(statistics: Statistics) -> Iterator[Installation]:
    with statistics.opened() as installation:
        yield installation


def protection(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["releases"][AUDIENCE]["cubes"]["connections"]["protection"]
    return found


def cells(built: Built) -> pd.DataFrame:
    return read_parquet(built.folder / "connections.parquet")


def months(built: Built) -> list[str]:
    return sorted(set(cells(built).month) - {"(all)"})


def spends(installation: Installation) -> list[tuple[str, str, float]]:
    at = control.privacy_budget.c
    statement = sa.select(at.month, at.period, at.epsilon).order_by(at.spent_at, at.period)
    with installation.stores.control.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def test_periods_that_are_over_are_drawn_and_paid_for(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    assert months(built) == ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]
    assert spends(installation) == [("2026-11", month, 0.5) for month in months(built)]
    assert spent(installation, AUDIENCE, "2026-11").epsilon == 2.5
    inner = cells(built)[lambda frame: (frame.month != "(all)") & (frame.device != "(all)")]
    assert len(inner) == 5 * inner.device.nunique()


def test_what_was_drawn_is_not_drawn_again(
    statistics: Statistics, installation: Installation
) -> None:
    first = statistics.build(installation, AUDIENCE, AS_OF)
    again = statistics.build(installation, AUDIENCE, AS_OF)
    assert again.digest == first.digest
    statistics.waved_through(installation, again)
    statistics.publish(installation, again)
    keys = ["month", "device"]
    before = cells(again)[lambda frame: (frame.month != "(all)") & (frame.device != "(all)")]
    later = statistics.build(installation, AUDIENCE, NEXT)
    assert spends(installation)[5:] == [("2026-12", "2026-11", 0.5)]
    both = before.merge(cells(later), on=keys, suffixes=("", "_later"))
    assert len(both) == len(before)
    assert (both.rows == both.rows_later).all()


def test_a_second_draw_of_what_is_out_fails_the_audit(
    statistics: Statistics, installation: Installation
) -> None:
    statistics.release(installation, AUDIENCE, AS_OF)
    later = statistics.build(installation, AUDIENCE, NEXT)
    changed = cells(later)
    changed.loc[changed.month == "2026-08", "rows"] += 1
    (later.folder / "connections.parquet").write_bytes(parquet_bytes(changed, {}))
    auditor = Auditor(installation, statistics.releases(installation), later)
    assert not run_check(auditor, "no_differencing").passed
    assert run_check(
        Auditor(installation, statistics.releases(installation), later), "budget_is_kept"
    ).passed


def test_the_budget_is_spent_before_noise_is_drawn(
    statistics: Statistics, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def dying(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(noisy, "noisy_cube", dying)
        with pytest.raises(Crash):
            statistics.build(installation, AUDIENCE, AS_OF)
    assert len(spends(installation)) == 5
    statistics.build(installation, AUDIENCE, AS_OF)
    assert spent(installation, AUDIENCE, "2026-11").epsilon == 5.0


def test_above_the_years_budget_nothing_is_drawn(statistics: Statistics) -> None:
    statistics.settings(lambda settings: settings["statistics"].update(epsilon_per_year=2))
    with statistics.opened() as installation:
        with pytest.raises(BudgetSpent, match=r"epsilon 2\.5 .* allow 2 and"):
            statistics.build(installation, AUDIENCE, AS_OF)
        assert spends(installation) == []
        statistics.declare(lambda document: protection(document).update(reach=4))
        statistics.build(installation, AUDIENCE, AS_OF)
        with pytest.raises(BudgetSpent):
            statistics.build(installation, AUDIENCE, NEXT)


def test_a_cube_without_a_period_is_drawn_once_a_month(
    statistics: Statistics, installation: Installation
) -> None:
    def without(document: dict[str, Any]) -> None:
        cube = document["releases"][AUDIENCE]["cubes"]["connections"]
        del cube["dimensions"][0]
        cube["margins"] = [[]]
        cube["protection"] = {"kind": "differential_privacy", "epsilon": 1}

    statistics.declare(without)
    first = statistics.build(installation, AUDIENCE, AS_OF)
    assert statistics.build(installation, AUDIENCE, AS_OF).digest == first.digest
    statistics.build(installation, AUDIENCE, NEXT)
    assert spends(installation) == [("2026-11", "2026-11", 1.0), ("2026-12", "2026-12", 1.0)]


def test_no_period_that_is_over_is_no_release(
    statistics: Statistics, installation: Installation
) -> None:
    def by_year(document: dict[str, Any]) -> None:
        cube = document["releases"][AUDIENCE]["cubes"]["connections"]
        cube["dimensions"][0]["level"] = "year"
        cube["protection"]["reach"] = 1

    statistics.declare(by_year)
    statistics.execute("web", "DELETE FROM connections")
    built = statistics.build(installation, AUDIENCE, AS_OF)
    assert months(built) == ["2025"]  # drawn although nobody was there: that is not told
    assert drawable("year", date(1, 5, 1), 1) == []
    assert EmptyRelease.exit_code == 1


def test_one_person_adds_so_many_rows_and_no_more(
    statistics: Statistics, installation: Installation
) -> None:
    statistics.execute("web", "DELETE FROM connections")
    agent = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
    )
    statement = (
        "INSERT INTO connections (connection_id, account_id, ip, user_agent, path, connected_at) "
        "VALUES (?, NULL, ?, ?, '/', ?)"
    )
    for number in range(40):
        who = "198.51.100.7" if number < 30 else f"198.51.100.{number}"
        statistics.execute("web", statement, number, who, agent, "2026-10-05T10:00:00Z")
    statistics.declare(lambda document: protection(document).update(epsilon=EXACT))
    statistics.settings(lambda settings: settings["statistics"].update(epsilon_per_year=10 * EXACT))
    with statistics.opened() as fresh:
        found = cells(statistics.build(fresh, AUDIENCE, AS_OF))
    october = found[(found.month == "2026-10") & (found.device == "desktop")]
    assert int(october.rows.iloc[0]) == 2 + 10


def test_persons_who_have_left_count_once_in_a_cube_of_persons(statistics: Statistics) -> None:
    """One row each: what a person adds is bounded by itself, whether they are still there."""

    def people(document: dict[str, Any]) -> None:
        document["releases"] = {
            "people": {
                "label": "People",
                "cubes": {
                    "by_civility": {
                        "label": "By civility",
                        "table": "crm.customers",
                        "accumulator": "customers_by_year",
                        "dimensions": [
                            {
                                "name": "civility",
                                "column": "civility",
                                "rule": {"kind": "value", "values": ["M.", "Mme"]},
                            }
                        ],
                        "margins": [[]],
                        "protection": {"kind": "differential_privacy", "epsilon": EXACT},
                    }
                },
            }
        }

    statistics.declare(people)
    statistics.settings(lambda settings: settings["statistics"].update(epsilon_per_year=EXACT))
    statistics.settings(lambda settings: settings.update(max_review_share=1, caps={"share": 1}))
    with statistics.opened() as installation:
        statistics.run_day(installation, AS_OF)
        built = statistics.build(installation, "people", AS_OF)
        out = statistics.undecided(installation, "crm.customers")
    before = statistics.before["crm.customers"]
    assert len(statistics.table("crm.customers")) < len(before)
    wanted = before[~before.customer_id.isin(out)].civility.value_counts()
    found = read_parquet(built.folder / "by_civility.parquet").set_index("civility").rows
    assert found.to_dict() == {
        "(all)": wanted.sum(), "(missing)": 0, "(unknown)": 0, **wanted.to_dict(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("level", "day", "reach", "labels"),
    [
        ("month", date(2026, 11, 1), 2, ["2026-09", "2026-10"]),
        ("month", date(2026, 1, 31), 2, ["2025-11", "2025-12"]),
        ("quarter", date(2026, 11, 24), 2, ["2026-Q2", "2026-Q3"]),
        ("quarter", date(2027, 1, 1), 1, ["2026-Q4"]),
        ("year", date(2026, 12, 31), 1, ["2025"]),
        ("year", date(2027, 1, 1), 2, ["2025", "2026"]),
    ],
)
def test_a_period_can_be_drawn_from_the_month_after_its_end(
    level: str, day: date, reach: int, labels: list[str]
) -> None:
    assert drawable(level, day, reach) == labels


def test_twelve_months_end_with_the_releases_own() -> None:
    assert months_before("2026-11", 12) == "2025-11"
    assert months_before("2026-01", 1) == "2025-12"


def test_a_build_that_another_took_the_place_of_is_dropped(
    statistics: Statistics, installation: Installation
) -> None:
    first = statistics.build(installation, AUDIENCE, AS_OF)
    later = statistics.build(installation, AUDIENCE, NEXT)
    assert not first.folder.exists()
    assert find_built(installation, AUDIENCE, "2026-12").digest == later.digest
    assert len(spends(installation)) == 6
