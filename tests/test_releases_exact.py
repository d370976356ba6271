"""What a cube counts: after any number of days the rows there were, by cell, and nobody twice.

The naive answer is pandas on the sources as they were before anything had run.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retention.installation import Installation
from retention.releases import cubes
from retention.releases.model import CubeDeclaration
from tests.releases_support import AS_OF, Statistics, make_statistics

PEOPLE = 120
DAYS = (AS_OF, date(2029, 3, 1), date(2033, 1, 2))
"""Over which most of the people leave."""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Statistics:
    made = make_statistics(tmp_path_factory.mktemp("exact") / "demo", PEOPLE)

    def more(catalogue: dict[str, Any]) -> None:
        """Accumulators as fine as what is asked here."""
        connections = catalogue["systems"]["web"]["tables"]["connections"]
        connections["accumulators"] = {
            "connections": {
                "by": [
                    {"column": "connected_at", "rule": {"kind": "date"}, "level": "month"},
                    {"column": "user_agent", "rule": {"kind": "user_agent"}, "level": "family"},
                ],
                "subject": ["account_id", "ip"],
            }
        }

    made.catalogue(more)
    made.settings(lambda settings: settings.update(max_review_share=1, caps={"share": 1}))
    return made


def cell_counts(made: pd.DataFrame, cube: CubeDeclaration, *numbers: str) -> dict[Any, Any]:
    """The base cells of a cube: by their labels, the wanted numbers."""
    base = made[(made[list(cube.columns)] != "(all)").all(axis=1)]
    return {
        tuple(row[name] for name in cube.columns): tuple(int(row[name]) for name in numbers)
        for row in base.to_dict("records")
    }


def year(value: object) -> str:
    """The year of a date as the CRM writes it; what is no date has none."""
    found = re.match(r"(\d{4})-\d{2}-\d{2}", str(value))
    return found[1] if found else "(missing)"


def left_out(statistics: Statistics, installation: Installation) -> set[Any]:
    """Customers in review: the only ones who are neither active nor gone."""
    return statistics.undecided(installation, "crm.customers") & set(
        statistics.table("crm.customers").customer_id
    )


def naive_customers(statistics: Statistics, out: set[Any]) -> Counter[Any]:
    rows = statistics.before["crm.customers"]
    kept = rows[~rows.customer_id.isin(out)]
    return Counter((year(row.collected_at), row.civility) for row in kept.itertuples())


def naive_orders(statistics: Statistics, out: set[Any]) -> dict[Any, Any]:
    rows = statistics.before["crm.orders"]
    kept = rows[~rows.customer_id.isin(out)]
    found: dict[Any, list[Any]] = {}
    for row in kept.itertuples():
        place = found.setdefault((year(row.ordered_at), row.status), [0, 0.0, set()])
        place[0] += 1
        place[1] += row.amount or 0
        place[2].add(row.customer_id)
    return {cell: (rows, round(total), len(who)) for cell, (rows, total, who) in found.items()}


def assert_margins_add_up(made: pd.DataFrame) -> None:
    base = made[(made.ordered != "(all)") & (made.order_status != "(all)")]
    total = made[(made.ordered == "(all)") & (made.order_status == "(all)")].iloc[0]
    assert (base.rows.sum(), base.amount.sum()) == (total.rows, total.amount)
    by_year = made[(made.ordered != "(all)") & (made.order_status == "(all)")]
    assert base.groupby("ordered").amount.sum().to_dict() == dict(
        zip(by_year.ordered, by_year.amount, strict=True)
    )


def test_the_same_rows_are_counted_on_every_day_whoever_has_left(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "d")
    gone = []
    with statistics.opened() as installation:
        for day in DAYS:
            statistics.run_day(installation, day)
            gone.append(PEOPLE - len(statistics.table("crm.customers")))
            out = left_out(statistics, installation)
            released = statistics.releases(installation).releases["customer_statistics"]
            making = statistics.making(installation, "customer_statistics", day)

            by_year = released.cubes["customers_by_year"]
            made = cell_counts(cubes.exact(making, by_year), by_year, "rows", "subjects")
            wanted = naive_customers(statistics, out)
            assert made == {cell: (number, number) for cell, number in wanted.items()}

            turnover = released.cubes["turnover"]
            exact = cubes.exact(making, turnover)
            made = cell_counts(exact, turnover, "rows", "amount", "subjects")
            assert_margins_add_up(exact)
            assert made == naive_orders(statistics, out)

            assert not {"due", "pseudonymised", "held"} & set(making.left_out["crm.customers"])
    assert gone[0] < gone[-1] > PEOPLE / 2


def test_connections_count_once_when_they_are_pseudonymised_and_not_again(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "d")
    before = statistics.before["web.connections"]
    readable = before[before.connected_at.map(lambda text: bool(re.match(r"\d{4}-", str(text))))]
    cube = CubeDeclaration.model_validate(
        {
            "label": "Connections",
            "table": "web.connections",
            "accumulator": "connections",
            "subject": ["account_id", "ip"],
            "dimensions": [
                {"name": "year", "column": "connected_at", "rule": {"kind": "date"}, "level": "year"},
                {"name": "agent", "column": "user_agent", "rule": {"kind": "user_agent"},
                 "level": "family"},
            ],
            "protection": {"kind": "threshold", "dominance": None},
        }
    )  # fmt: skip
    seen = []
    with statistics.opened() as installation:
        for day in (AS_OF, date(2027, 3, 1), date(2028, 1, 1)):
            statistics.run_day(installation, day)
            out = statistics.undecided(installation, "web.connections")
            making = statistics.making(installation, "connection_statistics", day)
            made = cubes.exact(making, cube)
            base = made[made.year != "(all)"]
            assert int(base.rows.sum()) == len(before) - len(out)
            agents = base.groupby("agent").rows.sum().to_dict()
            seen.append(agents)
            assert (base.subjects <= base.rows).all()
            left = statistics.table("web.connections")
            # whoever was pseudonymised is in the accumulator already, and not in the active rows
            active = making.left_out["web.connections"]
            assert active["pseudonymised"] == left.ip.str.startswith("psn1_").sum()
    assert len(left) == len(out)
    assert all(agents == seen[0] for agents in seen)
    assert len(readable) > 0
