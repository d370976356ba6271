"""Runs that fail: what is said, what is left, and how the next run goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets import naming
from pipelines.build import build_defs
from pipelines.jobs import DAILY, run_config
from pipelines.resources import RETENTION, RetentionResource, retention_resource
from retention.catalogue.drift_report import DriftReport
from retention.catalogue.model import TableName
from retention.errors import ConfigurationError
from retention.execution.closing import close_broken
from retention.execution.reporting import find_run
from retention.execution.run import acquire_lease, begin, do_stage
from retention.installation import Installation, open_installation, opened
from tests.dagster_support import AS_OF, Demo, copied

ROOT = Path(__file__).parent.parent
STATUS = "SELECT status FROM control_runs ORDER BY started_at DESC LIMIT 1"
HOLDER = "SELECT holder FROM control_lease"
CONTROL = "stores/control.sqlite"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path / "demo", people=60)


def add_setting(demo: Demo, text: str) -> None:
    demo.config.write_text(demo.config.read_text() + text)


def test_a_plan_over_its_cap_waits_for_approval_and_nothing_is_touched(demo: Demo) -> None:
    add_setting(demo, "caps: {rows: 1}\n")
    before = demo.rows()
    result = demo.run()
    assert (result.success, result.exit_code) == (False, 5)
    (line,) = result.failures
    assert "the cap is 1" in line and "retention approve" in line and "\n" not in line
    assert {name: demo.rows()[name] for name in before} == before
    assert demo.one(CONTROL, HOLDER) == ""


def test_while_another_run_is_at_work_this_one_says_so_and_stands_back(demo: Demo) -> None:
    before = demo.rows()
    with opened(demo.config, {}) as installation:
        acquire_lease(installation, "somebody", now)
        result = demo.run()
        assert (result.success, result.exit_code) == (False, 6)
        assert result.failures[0].startswith("another run is at work")
        assert demo.one(CONTROL, HOLDER) == "somebody"
    assert {name: demo.rows()[name] for name in before} == before


def test_another_plan_than_the_one_asked_for_is_refused(demo: Demo) -> None:
    result = demo.run(plan_digest="0" * 64)
    assert (result.success, result.exit_code) == (False, 2)
    assert "0000, not" not in result.failures[0] and "not 0000" in result.failures[0]


def test_a_missing_key_is_one_line_and_not_one_for_each_step(demo: Demo) -> None:
    (demo.folder / "master.key").unlink()
    result = demo.run()
    assert (result.success, result.exit_code) == (False, 2)
    assert len(result.failures) == 1 and "master" in result.failures[0]


def test_a_day_that_is_no_date_is_one_line(demo: Demo) -> None:
    with demo_instance(demo) as instance:
        outcome = (
            build_defs(demo.config)
            .resolve_job_def(DAILY)
            .execute_in_process(
                instance=instance,
                run_config={"resources": {RETENTION: {"config": {"as_of": "24/11/2026"}}}},
                raise_on_error=False,
            )
        )
    texts = {
        event.step_failure_data.user_failure_data.description
        for event in outcome.all_events
        if event.event_type is dg.DagsterEventType.STEP_FAILURE
    }
    assert "as_of: give a date as YYYY-MM-DD" in texts


def demo_instance(demo: Demo) -> dg.DagsterInstance:
    demo.home.mkdir(exist_ok=True)
    (demo.home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    return demo.instance()


def test_an_error_nobody_foresaw_is_told_by_kind_and_place_never_by_its_text(demo: Demo) -> None:
    class Broken(RetentionResource):
        """Meets a value it did not expect, and quotes it."""

        def open(self) -> Installation:
            return open_installation(demo.config, {})

        def drift(self, system: str) -> DriftReport:  # noqa: ARG002
            try:
                int("jeanne.dupont@example.org")
            except ValueError as error:
                raise RuntimeError(f"cannot read {error}") from error
            raise AssertionError

    defs = build_defs(demo.config, {RETENTION: Broken()})
    with demo_instance(demo) as instance:
        outcome = defs.resolve_job_def(DAILY).execute_in_process(
            instance=instance, run_config=run_config(AS_OF), raise_on_error=False
        )
        said = [str(entry) for entry in instance.all_logs(outcome.run_id)]
    assert not outcome.success
    assert any("RuntimeError at tests/test_dagster_failures.py" in text for text in said)
    assert not any("jeanne" in text for text in said)
    kept = [path.read_bytes() for path in demo.home.rglob("*") if path.is_file()]
    assert not any(b"jeanne" in content for content in kept)


def test_one_asset_by_itself_is_refused_since_no_plan_stands_behind_it(demo: Demo) -> None:
    before = demo.rows()
    defs = build_defs(demo.config)
    key = dg.AssetKey(["deleted", "crm", "customers"])
    with demo_instance(demo) as instance:
        outcome = defs.resolve_job_def(DAILY).execute_in_process(
            instance=instance, asset_selection=[key], raise_on_error=False
        )
    (failed,) = [e for e in outcome.all_events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    described = failed.step_failure_data.user_failure_data.description
    assert described.startswith("no plan was made in this run: launch the job 'daily_retention'")
    assert {name: demo.rows()[name] for name in before} == before


KILLED_WHILE = """
import os, signal, sys
from datetime import date
from pathlib import Path
from pipelines.launch import run_daily

def event(stage, table, rows):
    if (stage, table) == ("delete", "crm.invoices") and rows:
        os.kill(os.getpid(), signal.{signal})

result = run_daily(Path(sys.argv[1]), dict(os.environ), as_of=date(2026, 11, 24), on_event=event)
print(result.exit_code, *result.failures)
"""


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    made = Demo(tmp_path_factory.mktemp("killed") / "demo", people=60)
    add_setting(made, "chunk_rows: 5\n")
    assert killed_by(made, "SIGKILL").returncode == -signal.SIGKILL
    return made


@pytest.fixture
def killed(killed_once: Demo, tmp_path: Path) -> Demo:
    """A demonstration of its own, whose run was killed between two chunks."""
    return copied(killed_once, tmp_path / "demo")


def killed_by(demo: Demo, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED_WHILE.replace("{signal}", name), str(demo.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_run_that_was_killed_is_repaired_by_the_next_at_once(killed: Demo) -> None:
    demo, number = killed, killed.one(CONTROL, HOLDER)
    assert number != ""
    result = demo.run()
    assert result.success, result.failures
    assert (
        demo.one(CONTROL, f"SELECT status FROM control_runs WHERE run_id = '{number}'") == "failed"
    )
    checks = demo.checks(result.run_id)
    assert all(found.passed for (_, name), found in checks.items()
               if name in (naming.ROWS_ARE_CONSERVED, naming.CHAIN_HOLDS))  # fmt: skip
    assert demo.run().success


def test_a_run_asked_to_stop_stops_between_two_chunks_and_goes_on_later(demo: Demo) -> None:
    add_setting(demo, "chunk_rows: 5\n")
    stopped = killed_by(demo, "SIGTERM")
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.startswith("1 the run was asked to stop and stopped between two chunks")
    assert demo.one(CONTROL, STATUS) == "stopped"
    assert demo.one(CONTROL, HOLDER) == ""
    assert demo.one(CONTROL, "SELECT count(*) FROM control_chunks WHERE state = 'intended'") == 0
    result = demo.run()
    assert result.success, result.failures
    assert sum(table.archived for table in result.tables) > 0


@pytest.mark.parametrize(
    ("name", "ended"), [("close_failed_runs", "failed"), ("close_terminated_runs", "stopped")]
)
def test_a_sensor_gives_back_the_lease_of_a_run_that_was_killed(
    killed: Demo, name: str, ended: str
) -> None:
    demo, number = killed, str(killed.one(CONTROL, HOLDER))
    assert number
    sensor = build_defs(demo.config).resolve_sensor_def(name)
    with demo.instance() as instance:
        run = instance.get_run_by_id(number)
        assert run is not None
        if ended == "failed":
            event = instance.report_run_failed(run)
        else:
            event = instance.report_run_canceled(run)
        with dg.build_run_status_sensor_context(
            sensor_name=name,
            dagster_instance=instance,
            dagster_run=run,
            dagster_event=event,
            resources={RETENTION: retention_resource(demo.config, {})},
        ) as context:
            sensor(context.for_run_failure() if ended == "failed" else context)
    assert demo.one(CONTROL, HOLDER) == ""
    with opened(demo.config, {}) as installation:
        found = find_run(installation.stores.control, number)
        assert found is not None
        # a chunk was intended: its ledger waits for the next run, which asks the source first
        unfinished = demo.one(CONTROL, "SELECT count(*) FROM control_chunks WHERE state IN"
                              " ('open', 'archived', 'intended')")  # fmt: skip
        assert found.status == ("running" if unfinished else ended)
    assert demo.run().success


def test_a_run_with_nothing_unfinished_is_closed_with_its_ledger(demo: Demo) -> None:
    with opened(demo.config, {}) as installation:
        work = begin(installation, AS_OF, today=AS_OF, clock=now, run_id="left-alone")
        do_stage(work, "archive", TableName("web.trackers"))
        do_stage(work, "delete", TableName("web.trackers"))
        done = close_broken(installation, "left-alone", now, "left alone", status="stopped")
        assert done == "its ledger was closed and its lease given back"
        assert close_broken(installation, "left-alone", now, "left alone") is None
        found = find_run(installation.stores.control, "left-alone")
        assert found is not None
        assert (found.status, found.note) == ("stopped", "left alone")
    assert demo.one(CONTROL, HOLDER) == ""
    closed = "SELECT count(*) FROM control_transitions WHERE NOT done"
    assert demo.one(CONTROL, closed) == 0


def test_the_callers_signal_handlers_are_as_before(demo: Demo) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def own(number: int, frame: object) -> None: ...

    signal.signal(signal.SIGTERM, own)
    try:
        add_setting(demo, "caps: {rows: 1}\n")
        demo.run()
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])


def test_a_home_that_cannot_be_written_is_a_fault_of_the_configuration(demo: Demo) -> None:
    demo.home.write_text("a file is in the way")
    with pytest.raises(ConfigurationError, match=r"dagster_home: .* cannot be"):
        demo.run()
    assert demo.home.is_file()
