"""The checks on the sources: what each finds, how severe it is, and that it shows no value."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from assets import naming
from assets.expectations import Check, Equal, Zero, evaluate
from assets.source_checks import source_checks
from assets.sources import source_assets
from pipelines.build import read_blueprint
from pipelines.jobs import run_config
from pipelines.resources import RETENTION, retention_resource
from retention.catalogue.model import TableName
from retention.planning.quality import event_columns
from tests.dagster_support import AS_OF, Demo

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path / "demo", people=120)


def checked(demo: Demo, *tables: str) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """The evaluations of the four checks on ``tables``, by table and check."""
    blueprint = read_blueprint(demo.config, {})
    keys = [naming.of_table("source", TableName(table)) for table in tables]
    defs = dg.Definitions(
        assets=source_assets(blueprint),
        asset_checks=source_checks(blueprint),
        resources={RETENTION: retention_resource(demo.config, {})},
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks_for_assets(*keys))],
    )
    outcome = defs.resolve_job_def("checks").execute_in_process(run_config=run_config(AS_OF))
    found = {}
    for evaluation in outcome.get_asset_check_evaluations():
        table = ".".join(evaluation.asset_key.path[1:])
        found[table, evaluation.check_name] = evaluation
    assert {table for table, _ in found} == set(tables)
    return found


def test_a_few_rows_with_unreadable_dates_are_a_warning(demo: Demo) -> None:
    demo.sql(
        "crm.sqlite",
        "UPDATE customers SET consent_at = 'someday' WHERE customer_id ="
        " (SELECT min(customer_id) FROM customers)",
    )
    demo.config.write_text(demo.config.read_text() + "max_review_share: 0.2\n")
    found = checked(demo, "crm.customers")["crm.customers", naming.EVENTS_ARE_SOUND]
    assert (found.passed, found.severity) == (False, WARN)
    assert found.metadata["rows_with_unreadable_dates"].value >= 1
    assert "someday" not in repr(found)


def test_more_rows_than_the_settings_allow_are_an_error(demo: Demo) -> None:
    demo.sql("web.sqlite", "UPDATE connections SET connected_at = '2031-01-01T00:00:00+00:00'")
    found = checked(demo, "web.connections")["web.connections", naming.EVENTS_ARE_SOUND]
    assert (found.passed, found.severity) == (False, ERROR)
    assert found.metadata["rows_with_future_dates"].value == found.metadata["rows"].value


def test_the_end_of_a_contract_may_lie_in_the_future(demo: Demo) -> None:
    demo.sql("crm.sqlite", "UPDATE contracts SET ended_on = '2031-01-01', started_on = '2020-01-01',"
             " last_service_on = NULL")  # fmt: skip
    found = checked(demo, "crm.contracts")["crm.contracts", naming.EVENTS_ARE_SOUND]
    assert found.passed
    demo.sql("crm.sqlite", "UPDATE contracts SET started_on = '2030-01-01'")
    assert not checked(demo, "crm.contracts")["crm.contracts", naming.EVENTS_ARE_SOUND].passed


def test_the_events_of_a_table_are_found_wherever_they_are_declared(demo: Demo) -> None:
    catalogue = read_blueprint(demo.config, {}).catalogue
    assert event_columns(catalogue, TableName("web.logins")) == [("logged_in_at", False)]
    assert event_columns(catalogue, TableName("crm.contracts")) == [
        ("ended_on", True),
        ("last_service_on", False),
        ("started_on", False),
    ]
    assert event_columns(catalogue, TableName("crm.invoice_lines")) == []


def test_a_foreign_key_nobody_declared_is_an_error_of_its_own_check(demo: Demo) -> None:
    demo.sql(
        "crm.sqlite",
        "CREATE TABLE badges (badge_id INTEGER PRIMARY KEY, customer_id INTEGER"
        " REFERENCES customers (customer_id) ON DELETE CASCADE)",
    )
    found = checked(demo, "crm.customers", "crm.orders")
    keys = found["crm.customers", naming.FOREIGN_KEYS_ARE_DECLARED]
    assert (keys.passed, keys.severity) == (False, ERROR)
    assert "crm.badges" in keys.description
    assert found["crm.customers", naming.SCHEMA_IS_ANNOTATED].passed
    assert found["crm.orders", naming.FOREIGN_KEYS_ARE_DECLARED].passed


def test_a_key_that_occurs_twice_is_an_error(demo: Demo) -> None:
    demo.sql(
        "web.sqlite",
        "CREATE TABLE copied AS SELECT * FROM logins",
        "DROP TABLE logins",
        "ALTER TABLE copied RENAME TO logins",
        "INSERT INTO logins SELECT * FROM logins LIMIT 3",
        "INSERT INTO logins (login_id, logged_in_at) VALUES (NULL, NULL)",
    )
    found = checked(demo, "web.logins")
    keys = found["web.logins", naming.KEYS_ARE_SOUND]
    assert (keys.passed, keys.severity) == (False, ERROR)
    assert keys.metadata["rows"].value - keys.metadata["keys"].value == 3
    assert keys.metadata["null_keys"].value == 1
    assert not found["web.logins", naming.SCHEMA_IS_ANNOTATED].passed


def test_a_table_that_is_not_there_has_four_red_checks(demo: Demo) -> None:
    demo.sql("web.sqlite", "DROP TABLE trackers")
    found = checked(demo, "web.trackers", "web.logins")
    assert not any(found["web.trackers", name].passed for _, name in found)
    assert all(found["web.logins", name].passed for _, name in found)


def test_expectations_are_told_apart_by_check_and_count() -> None:
    asset = dg.AssetKey(["some"])
    results = evaluate(
        [
            Check(asset, "one", {"a": 1, "b": 1}, [Equal("a", "b"), Zero("a")]),
            Check(asset, "two", {"a": 0, "b": 1}, [Equal("a", "b"), Zero("a")], severity=WARN),
            Check(asset, "three", {"a": 0}, [Zero("a")], why="never said"),
            Check(asset, "four", {"a": 2}, [Zero("a")], why="said in its place"),
        ]
    )
    assert [(r.passed, r.description) for r in results] == [
        (False, "expected a = 0"),
        (False, "expected a = b"),
        (True, None),
        (False, "said in its place"),
    ]
    assert results[1].severity is WARN
