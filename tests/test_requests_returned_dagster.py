"""A backup is restored under Dagster: the erased are found, and go again without a word of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import naming
from assets.requests_returned import returned_assets
from pipelines.resources import RETENTION, retention_resource
from retention.installation import Installation
from retention.requests.book import casebook
from tests.cli_support import call
from tests.dagster_support import Demo
from tests.requests_dagster_support import (
    KEY,
    added,
    bytes_below,
    copied,
    demo,
    installation,
    instance,
    make,
    rows_left,
    rows_of,
    run_request,
    secrets_in,
    started,
    tick,
)

__all__ = ["copied", "demo", "installation", "instance"]

SOURCES = ("crm.sqlite", "marketing.sqlite", "web.sqlite")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("returned") / "demo", people=20)


def backed_up(demo: Demo, folder: Path) -> None:
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(demo.folder / name, folder / name)


def restored(demo: Demo, folder: Path) -> None:
    for name in SOURCES:
        shutil.copy(folder / name, demo.folder / name)


def looked(demo: Demo, instance: dg.DagsterInstance) -> tuple[dict[str, Any], Any]:
    """What ``requests/returned`` says, and its check."""
    defs = dg.Definitions(
        assets=returned_assets(), resources={RETENTION: retention_resource(demo.config, {})},
        jobs=[dg.define_asset_job("look", dg.AssetSelection.assets(naming.RETURNED))],
    )  # fmt: skip
    outcome = defs.resolve_job_def("look").execute_in_process(instance=instance)
    (event,) = outcome.get_asset_materialization_events()
    (check,) = outcome.get_asset_check_evaluations()
    return {n: value.value for n, value in event.materialization.metadata.items()}, check


def test_a_restored_backup_brings_nobody_back_for_longer_than_a_day(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    tmp_path: Path,
) -> None:
    backed_up(demo, tmp_path / "backup")
    request = added(installation)
    assert started(demo, instance, run_request(request)).success
    assert rows_left(demo) == 0
    told, check = looked(demo, instance)
    assert told["records"] == 0 and check.passed

    restored(demo, tmp_path / "backup")
    assert rows_left(demo) == 2
    listed = call("request", "returned", "--json", environment=environment(demo))
    assert listed.code == 1
    assert {(item["table"], *item["key"], item["unchanged"]) for item in listed.json} == {
        ("crm.customers", KEY, True), ("marketing.prospects", KEY, True),
    }  # fmt: skip

    told, check = looked(demo, instance)
    assert (told["records"], told["taken_up_again"]) == (2, 1)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    (again,) = [item for item in casebook.listed(installation) if item.state == "verified"]
    assert {row["seen_to_by"] for row in rows_of(told, "returned")} == {
        f"request {again.request_id[:12]}"
    }
    (run,) = tick(demo, instance, "verified_requests").run_requests
    assert started(demo, instance, run).success
    assert rows_left(demo) == 0
    assert casebook.get(installation, again.request_id).state == "answered"
    told, check = looked(demo, instance)
    assert told["records"] == 0 and check.passed
    assert secrets_in(bytes_below(demo.home)) == []
    assert secrets_in(bytes_below(demo.folder / "stores")) == []


def test_what_only_looks_like_it_is_red_until_a_person_has_seen_to_it(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    tmp_path: Path,
) -> None:
    backed_up(demo, tmp_path / "backup")
    request = added(installation)
    assert started(demo, instance, run_request(request)).success
    restored(demo, tmp_path / "backup")
    demo.sql("crm.sqlite", f"UPDATE customers SET segment = 'new' WHERE customer_id = {KEY}")
    demo.sql("marketing.sqlite", f"UPDATE prospects SET source = 'x' WHERE prospect_id = {KEY}")
    told, check = looked(demo, instance)
    assert (told["records"], told["taken_up_again"]) == (2, 0)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert len(casebook.listed(installation)) == 1 and rows_left(demo) == 2
    for text in (repr(told), repr(check)):
        assert secrets_in(text.encode()) == [] and str(KEY) not in text

    keep = ("request", "returned", "--keep", request.request_id)
    assert call(*keep, "--by", "dpo", environment=environment(demo)).code == 8
    why = ("--by", "dpo", "--reason", "the wrong person had been erased")
    assert call(*keep, *why, environment=environment(demo)).code == 0
    assert call("request", "returned", environment=environment(demo)).code == 0
    assert looked(demo, instance)[1].passed


@pytest.mark.parametrize("setting", ["mode: observe\n", None])
def test_nothing_is_taken_up_where_that_is_not_wanted(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    tmp_path: Path,
    setting: str | None,
) -> None:
    backed_up(demo, tmp_path / "backup")
    assert started(demo, instance, run_request(added(installation))).success
    restored(demo, tmp_path / "backup")
    text = demo.config.read_text()
    off = "requests: {inbox_may_verify: true, redo_returned: false}\n"
    new = text + setting if setting else text.replace("requests: {inbox_may_verify: true}\n", off)
    assert new != text
    demo.config.write_text(new)
    told, check = looked(demo, instance)
    assert (told["records"], told["taken_up_again"]) == (2, 0)
    assert not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    by_hand = call("request", "returned", "--redo", "--json", environment=environment(demo))
    assert by_hand.code == (8 if setting else 0)
    assert len(casebook.listed(installation)) == (1 if setting else 2)


def environment(demo: Demo) -> dict[str, str]:
    return {"RETENTION_CONFIG": str(demo.config)}


def test_the_daily_run_looks(demo: Demo) -> None:
    from pipelines.build import build_defs  # noqa: PLC0415 - of this demonstration

    daily = build_defs(demo.config).resolve_job_def("daily_retention").asset_layer
    assert naming.RETURNED in daily.executable_asset_keys
