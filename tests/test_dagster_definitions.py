"""The definitions: what they need to load, what they contain, when they run."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from assets import naming
from demo.write import write_demo
from pipelines.build import build_defs
from pipelines.jobs import DAILY, FORECAST, STATISTICS, run_config
from retention.errors import ConfigurationError

ROOT = Path(__file__).parent.parent
LOAD = """
import json, sys
from pipelines.definitions import defs
heavy = ["great_expectations", "pandas", "numpy", "scipy", "pyarrow", "opendp", "faker"]
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demonstration whose databases are gone: definitions must not miss them."""
    folder = tmp_path_factory.mktemp("definitions")
    write_demo(folder, people=1, as_of=date(2026, 11, 24))
    for name in ("crm", "marketing", "web"):
        (folder / f"{name}.sqlite").unlink()
    (folder / "master.key").unlink()
    return folder / "retention.yaml"


@pytest.fixture(scope="module")
def defs(config: Path) -> dg.Definitions:
    return build_defs(config)


def in_a_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name != "RETENTION_CONFIG"}
    return subprocess.run(
        [sys.executable, "-W", "error:::(assets|pipelines|sensors)", "-c", code],
        cwd=ROOT,
        env=known | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_definitions_load_though_no_database_and_no_key_is_there(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_loading_touches_no_file_and_imports_nothing_heavy(config: Path) -> None:
    before = sorted(path.name for path in config.parent.rglob("*"))
    loaded = in_a_process(LOAD, RETENTION_CONFIG=str(config))
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout) == []
    assert sorted(path.name for path in config.parent.rglob("*")) == before


def test_without_an_installation_the_error_says_what_to_do(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_CONFIG", str(config))
    definitions = importlib.import_module("pipelines.definitions")
    assert definitions.configured() == config.resolve()
    monkeypatch.delenv("RETENTION_CONFIG")
    monkeypatch.setattr(definitions, "DEMONSTRATION", tmp_path / "retention.yaml")
    with pytest.raises(ConfigurationError) as refused:
        definitions.configured()
    assert str(refused.value) == (
        "set RETENTION_CONFIG to a retention.yaml, or make the demonstration with 'make demo'"
    )


def test_a_faulty_catalogue_is_refused_with_file_and_line(tmp_path: Path) -> None:
    write_demo(tmp_path, people=1, as_of=date(2026, 11, 24))
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(catalogue.read_text().replace("contract: always", "contrakt: always"))
    with pytest.raises(ConfigurationError, match=r"catalogue\.yaml.*contrakt"):
        build_defs(tmp_path / "retention.yaml")


def test_the_daily_job_holds_every_asset_but_the_forecast_releases_and_single_requests(
    defs: dg.Definitions,
) -> None:
    daily = set(defs.resolve_job_def(DAILY).asset_layer.selected_asset_keys)
    monthly = set(defs.resolve_job_def(STATISTICS).asset_layer.selected_asset_keys)
    everything = set(defs.resolve_all_asset_keys())
    assert len(monthly) == 6
    assert everything - daily == {naming.FORECAST, naming.CARRIED_OUT, *monthly}
    forecast = set(defs.resolve_job_def(FORECAST).asset_layer.selected_asset_keys)
    assert forecast == {naming.FORECAST}


def test_the_daily_job_runs_in_one_process(defs: dg.Definitions) -> None:
    assert defs.resolve_job_def(DAILY).executor_def is dg.in_process_executor


@pytest.mark.parametrize(
    ("tick", "day"),
    [
        (datetime(2026, 11, 24, 2, 0, tzinfo=UTC), "2026-11-24"),
        (datetime(2026, 7, 14, 1, 0, tzinfo=UTC), "2026-07-14"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-29"),  # the clock goes forward
    ],
)
def test_the_nightly_run_is_for_the_day_it_was_due_in_the_policys_zone(
    defs: dg.Definitions, tick: datetime, day: str
) -> None:
    schedule = defs.resolve_schedule_def("every_night")
    assert schedule.execution_timezone == "Europe/Paris"
    assert schedule.cron_schedule == "0 3 * * *"
    with dg.build_schedule_context(
        scheduled_execution_time=tick.astimezone(ZoneInfo("Europe/Paris"))
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.run_key == day
    assert request.tags["as_of"] == day
    assert request.run_config == run_config(date.fromisoformat(day))


def test_schedules_wait_until_a_person_switches_them_on(defs: dg.Definitions) -> None:
    for name in ("every_night", "every_sunday", "every_month"):
        assert defs.resolve_schedule_def(name).default_status is dg.DefaultScheduleStatus.STOPPED
    failures = defs.resolve_sensor_def("close_failed_runs")
    assert failures.default_status is dg.DefaultSensorStatus.RUNNING


def test_what_can_be_chosen_for_a_run_is_its_day_and_its_plan(defs: dg.Definitions) -> None:
    field = defs.resolve_job_def(DAILY).run_config_schema.config_type.fields["resources"]
    chosen = field.config_type.fields["retention"].config_type.fields["config"].config_type.fields
    assert set(chosen) == {"as_of", "plan_digest"}
