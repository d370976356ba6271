"""A snapshot of the asset graph of the demonstration: a change of it is seen in review.

Where the change is meant, write the snapshot anew:
``UPDATE_GOLDEN=1 python -m pytest -n 0 tests/test_asset_graph.py``.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from demo.write import write_demo
from pipelines.build import build_defs
from pipelines.jobs import DAILY

SNAPSHOT = Path(__file__).parent / "data" / "asset_graph.json"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("graph")
    write_demo(folder, people=1, as_of=date(2026, 11, 24))
    defs = build_defs(folder / "retention.yaml")
    checks: dict[str, list[str]] = {}
    for key in defs.resolve_asset_graph().asset_check_keys:
        checks.setdefault(key.asset_key.to_user_string(), []).append(key.name)
    return {
        spec.key.to_user_string(): {
            "group": spec.group_name,
            "owners": list(spec.owners),
            "kinds": sorted(spec.kinds),
            "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "checks": sorted(checks.get(spec.key.to_user_string(), [])),
        }
        for spec in sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key)
    }


def test_the_graph_is_the_one_in_the_snapshot(graph: dict[str, dict[str, Any]]) -> None:
    text = json.dumps(graph, indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert json.loads(text) == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_asset_has_an_owner_a_kind_and_a_group(graph: dict[str, dict[str, Any]]) -> None:
    for name, asset in graph.items():
        assert asset["owners"] == ["team:privacy"], name
        assert asset["kinds"], name
        assert asset["group"] != "default", name


def test_groups_follow_each_other_and_never_go_back(graph: dict[str, dict[str, Any]]) -> None:
    order = ["source", "classification", "archive", "pseudonymisation", "deletion",
             "statistics", "evidence", "requests"]  # fmt: skip
    for name, asset in graph.items():
        for dep in asset["deps"]:
            assert order.index(graph[dep]["group"]) <= order.index(asset["group"]), (dep, name)


def test_an_owned_table_is_copied_before_its_owner_changes_and_leaves_before_it(
    graph: dict[str, dict[str, Any]],
) -> None:
    assert "archived/crm/invoices" in graph["pseudonymised/crm/customers"]["deps"]
    assert "deleted/crm/invoices" in graph["deleted/crm/customers"]["deps"]
    assert "deleted/web/connections" in graph["deleted/web/accounts"]["deps"]


def test_no_check_of_the_daily_run_blocks_since_the_ledger_must_always_be_closed(
    tmp_path: Path,
) -> None:
    write_demo(tmp_path, people=1, as_of=date(2026, 11, 24))
    defs = build_defs(tmp_path / "retention.yaml")
    found = defs.resolve_asset_graph()
    daily = defs.resolve_job_def(DAILY).asset_layer.selected_asset_keys
    checks = [key for key in found.asset_check_keys if key.asset_key in daily]
    assert checks
    assert not any(found.get(key).blocking for key in checks)
    assert dg.AssetKey(["ledger"]) in daily


def test_a_release_is_published_after_its_quarantine_and_only_its_checks_block(
    graph: dict[str, dict[str, Any]],
) -> None:
    for name in ("customer_statistics", "prospect_statistics", "connection_statistics"):
        assert graph[f"statistics/{name}"]["deps"] == [f"quarantine/{name}"]
        assert "no_source_value" in graph[f"quarantine/{name}"]["checks"]
    quarantined = graph["quarantine/connection_statistics"]["deps"]
    assert {"statistics/accumulators", "deleted/web/connections"} <= set(quarantined)
