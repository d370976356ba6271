"""The daily job run in this very process, for the command line.

It is the same job, against the installation's own ``DAGSTER_HOME``: the run, its log and its
materialisations are found in Dagster's pages as those of any other run.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dagster import DagsterEventType, DagsterInstance

from assets.door import EXIT_CODE
from assets.stopping import handled_by, handlers_now
from pipelines.build import build_defs
from pipelines.jobs import AS_OF, DAILY, run_config
from pipelines.resources import RETENTION, OnEvent, retention_resource
from retention.errors import ConfigurationError, RetentionError
from retention.execution.closing import close_broken
from retention.execution.guards import load_plan
from retention.execution.journal import Journal
from retention.execution.reporting import find_run, moved_in_run
from retention.installation import Installation
from retention.planning.plan import Transition
from retention.settings import read_settings
from retention.unexpected import EXIT_CODE as UNEXPECTED

_OUR_DAGSTER_YAML = Path(__file__).parent.parent / "dagster.yaml"
_NO_TELEMETRY = "telemetry:\n  enabled: false\n"
_INTERRUPTED = "the run was interrupted; run it again to go on"
_INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class TableSummary:
    """What a run found and did in one table. All figures count rows."""

    table: str
    rows: int
    active: int
    review: int
    archive: int
    expired: int
    archived: int
    disposed: int
    pseudonymised: int
    cleared: int
    stopped: str | None
    """Why the table was stopped, in one line."""


@dataclass(frozen=True)
class LaunchResult:
    """How a run went. ``failures`` are lines that can be shown as they are."""

    success: bool
    exit_code: int
    run_id: str
    as_of: date | None
    plan_digest: str | None
    """``None`` where no plan was made or approved."""
    failures: tuple[str, ...]
    tables: tuple[TableSummary, ...]
    units_expired: int


def run_daily(
    config: Path,
    environment: Mapping[str, str],
    *,
    as_of: date | None = None,
    plan_digest: str | None = None,
    on_event: OnEvent | None = None,
    stop_asked: Callable[[], bool] | None = None,
) -> LaunchResult:
    """Run the daily job here and now, for ``as_of`` (default: today).

    An error of the engine comes back as its line and exit code, never as a stack trace.
    Once ``stop_asked`` says so, or without it at SIGINT or SIGTERM, the run stops between two
    chunks.

    Raises:
        ConfigurationError: settings, policy or catalogue are wrong; nothing was run then.
    """
    door = retention_resource(config, environment, on_event, stop_asked)
    defs = build_defs(config, {RETENTION: door}, environment=environment)
    settings = read_settings(config, environment)
    home = prepare_home(settings.path(settings.dagster_home))
    # Dagster leaves the handler of SIGTERM changed
    with _instance(home) as instance, handled_by(handlers_now()):
        outcome = defs.resolve_job_def(DAILY).execute_in_process(
            instance=instance,
            run_config={**run_config(as_of, plan_digest), **_QUIET},
            tags={AS_OF: as_of.isoformat()} if as_of else None,
            raise_on_error=False,
        )
    failures = dict(_failures(outcome))
    try:
        installation = door.installation()
        if not outcome.success:
            close_broken(installation, outcome.run_id, door.now, _INTERRUPTED)
        return _result(installation, outcome.run_id, failures, success=outcome.success)
    except RetentionError as error:
        failures.setdefault(str(error), error.exit_code)
        return LaunchResult(
            success=False,
            exit_code=next(iter(failures.values())),
            run_id=outcome.run_id,
            as_of=None,
            plan_digest=None,
            failures=tuple(failures),
            tables=(),
            units_expired=0,
        )
    finally:
        door.close()


@contextmanager
def _instance(home: Path) -> Iterator[DagsterInstance]:
    try:
        instance = DagsterInstance.from_config(str(home))
    except Exception as error:  # noqa: BLE001 - a wrong dagster.yaml raises many kinds
        kind = type(error).__name__
        raise ConfigurationError(
            f"{home / 'dagster.yaml'}: Dagster cannot use it: {kind}"
        ) from None
    with instance:
        yield instance


def prepare_home(home: Path) -> Path:
    """Make sure that ``home`` can serve as ``DAGSTER_HOME``, telemetry switched off.

    A ``dagster.yaml`` that is there stays as it is.

    Raises:
        ConfigurationError: the folder cannot be made or written.
    """
    target = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            if _OUR_DAGSTER_YAML.exists():
                shutil.copyfile(_OUR_DAGSTER_YAML, target)
            else:
                target.write_text(_NO_TELEMETRY, encoding="utf-8")
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise ConfigurationError(f"dagster_home: {home} cannot be written: {why}") from None
    return home


def _failures(outcome: Any) -> Iterator[tuple[str, int]]:
    """One line and an exit code for each step that failed; Dagster's wrapping is left out."""
    for event in outcome.all_events:
        if event.event_type is not DagsterEventType.STEP_FAILURE:
            continue
        given = event.step_failure_data.user_failure_data
        error = event.step_failure_data.error
        if given is not None and given.description:
            code = given.metadata.get(EXIT_CODE)
            yield given.description, int(code.value) if code else UNEXPECTED
        elif error is None or error.cls_name not in _INTERRUPTS:
            yield f"step {event.step_key} failed; Dagster's log says more", UNEXPECTED


def _result(
    installation: Installation, run_id: str, failures: dict[str, int], *, success: bool
) -> LaunchResult:
    found = find_run(installation.stores.control, run_id)
    if not success and not failures:
        stopped = found.note if found and found.status == "stopped" else None
        failures = {stopped or _INTERRUPTED: RetentionError.exit_code}
    return LaunchResult(
        success=success,
        exit_code=0 if success else next(iter(failures.values())),
        run_id=run_id,
        as_of=found.as_of if found else None,
        plan_digest=found.plan_digest if found else None,
        failures=tuple(failures),
        tables=_summaries(installation, run_id, found.plan_digest) if found else (),
        units_expired=sum(
            item.rows
            for item in moved_in_run(installation.stores.control, run_id)
            if item.transition == Transition.expire
        ),
    )


def _summaries(installation: Installation, run_id: str, digest: str) -> tuple[TableSummary, ...]:
    engine = installation.stores.control
    plan = load_plan(engine, digest)
    done = {(item.table, item.transition): item.rows for item in moved_in_run(engine, run_id)}
    stopped = Journal(engine, installation.keyring, run_id).stopped()
    summaries = []
    for name in installation.catalogue.clocked_tables():
        counts = plan.counts(name)
        phases = counts.phases if counts else {}
        summaries.append(
            TableSummary(
                table=name,
                rows=counts.rows if counts else 0,
                active=phases.get("active", 0),
                review=phases.get("review", 0),
                archive=phases.get("archive", 0),
                expired=phases.get("expired", 0),
                archived=done.get((name, Transition.archive), 0),
                disposed=done.get((name, Transition.dispose), 0),
                pseudonymised=done.get((name, Transition.pseudonymise), 0),
                cleared=done.get((name, Transition.clear), 0),
                stopped=stopped.get(name),
            )
        )
    return tuple(summaries)
