"""The classification of the demonstration equals its ground truth, record by record.

The truth comes from the generator's own scripts of each life, never from ``decide``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from demo.truth import truth
from demo.write import write_demo
from retention.catalogue.model import TableName
from retention.execution.trees import read_trees
from retention.installation import Installation, opened
from retention.planning.daily import make_plan
from retention.planning.judge import judge
from retention.planning.pages import pages, read_page

AS_OF = date(2026, 11, 24)
DAYS = [AS_OF, AS_OF + timedelta(days=200), AS_OF + timedelta(days=1096)]
Said = tuple[str, str, tuple[str, ...]]


def classified(
    installation: Installation, as_of: date
) -> Iterator[tuple[TableName, tuple[Any, ...], Said]]:
    """What the engine says of every record of every governed table."""
    for name in installation.catalogue.clocked_tables():
        bound = installation.binder(as_of).bind(name)
        with installation.sources.begin(bound.system) as connection:
            for bounds in pages(connection, bound, sa.true(), 1000):
                rows = read_page(connection, bound, sa.true(), bounds)
                judged = judge(connection, bound, rows, as_of, installation.sources)
                trees = read_trees(connection, bound, [(item.key, item.row) for item in judged])
                for item in judged:
                    decision = item.decision
                    said = (str(decision.phase), str(decision.action), decision.live_purposes)
                    for row in trees[item.key].rows:
                        yield row.name, row.key, said


def compare(installation: Installation, directory: Path, as_of: date) -> Counter[tuple[str, str]]:
    expected = {
        (record["table"], tuple(record["key"])): (
            record["phase"],
            record["action"],
            tuple(record["live_purposes"]),
        )
        for record in truth(directory, as_of)
    }
    found = {(str(table), key): said for table, key, said in classified(installation, as_of)}
    assert found.keys() == expected.keys()
    wrong = {
        place: (found[place], said) for place, said in expected.items() if found[place] != said
    }
    assert not wrong, f"{len(wrong)} of {len(expected)}: {sorted(wrong.items())[:3]}"
    return Counter((table, said[0]) for (table, _), said in found.items())


def open_demo(directory: Path, environment: Mapping[str, str]) -> Any:
    return opened(directory / "retention.yaml", {**os.environ, **environment})


@pytest.mark.parametrize("seed", [1, 2])
def test_every_record_is_classified_as_its_life_was_scripted(tmp_path: Path, seed: int) -> None:
    write_demo(tmp_path, people=1200, as_of=AS_OF, seed=seed)
    with open_demo(tmp_path, {}) as installation:
        for as_of in DAYS:
            phases = compare(installation, tmp_path, as_of)
            plan = make_plan(installation, as_of)
            for counts in plan.tables:
                for phase, number in counts.phases.items():
                    assert number == phases[counts.table, phase], (counts.table, phase, as_of)
            for name in ("crm.customers", "crm.invoices", "web.connections"):
                seen = {phase for table, phase in phases if table == name}
                assert as_of != AS_OF or {"active", "archive", "expired"} <= seen, name


@pytest.fixture
def source_urls(postgres_url: str) -> Iterator[dict[str, str]]:
    """Three empty databases, one for each of the demonstration's systems."""
    server = postgres_url.replace("+psycopg", "")
    names = {
        system: f"{server.rpartition('/')[2]}_{system}" for system in ("crm", "marketing", "web")
    }
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names.values():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    base = postgres_url.rpartition("/")[0]
    yield {system: f"{base}/{name}" for system, name in names.items()}
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names.values():
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)


def test_the_same_holds_on_postgresql(tmp_path: Path, source_urls: dict[str, str]) -> None:
    write_demo(tmp_path, people=600, as_of=AS_OF, seed=3, urls=source_urls)
    environment = {f"RETENTION_{name.upper()}_URL": url for name, url in source_urls.items()}
    with open_demo(tmp_path, environment) as installation:
        for as_of in DAYS:
            phases = compare(installation, tmp_path, as_of)
            for counts in make_plan(installation, as_of).tables:
                for phase, number in counts.phases.items():
                    assert number == phases[counts.table, phase], (counts.table, phase, as_of)
