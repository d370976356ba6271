"""The daily job and the monthly statistics run in this very process, for the command line.

They are the same jobs, against the installation's own ``DAGSTER_HOME``: the run, its log and
its materialisations are found in Dagster's pages as those of any other run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

from dagster import partition_loading_context

from pipelines.build import build_defs, read_blueprint
from pipelines.in_process import INTERRUPTED, execute, failures, instance_of
from pipelines.jobs import AS_OF, DAILY, STATISTICS, keys_of, run_config
from pipelines.resources import RETENTION, OnEvent, retention_resource
from retention.errors import ConfigurationError, RetentionError
from retention.execution.closing import close_broken
from retention.execution.guards import load_plan
from retention.execution.journal import Journal
from retention.execution.reporting import find_run, moved_in_run
from retention.installation import Installation
from retention.planning.plan import Transition
from retention.policy.calendar import zone
from retention.releases.built import Published
from retention.releases.publishing import published


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


@dataclass(frozen=True)
class StatisticsResult:
    """How a run of the statistics went. ``failures`` are lines that can be shown as they are."""

    success: bool
    exit_code: int
    run_id: str
    as_of: date
    failures: tuple[str, ...]
    published: tuple[Published, ...]
    """What is out for the month by this run; the same bytes again count as published."""


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
    with instance_of(config, environment) as instance:
        outcome = execute(
            defs.resolve_job_def(DAILY),
            instance,
            run_config=run_config(as_of, plan_digest),
            tags={AS_OF: as_of.isoformat()} if as_of else {},
        )
    failed = failures(outcome)
    try:
        installation = door.installation()
        if not outcome.success:
            close_broken(installation, outcome.run_id, door.now, INTERRUPTED)
        return _result(installation, outcome.run_id, failed, success=outcome.success)
    except RetentionError as error:
        failed.setdefault(str(error), error.exit_code)
        return LaunchResult(
            success=False,
            exit_code=next(iter(failed.values())),
            run_id=outcome.run_id,
            as_of=None,
            plan_digest=None,
            failures=tuple(failed),
            tables=(),
            units_expired=0,
        )
    finally:
        door.close()


def run_statistics(
    config: Path,
    environment: Mapping[str, str],
    *,
    as_of: date | None = None,
    releases: Sequence[str] = (),
    on_event: OnEvent | None = None,
) -> StatisticsResult:
    """Write, audit and publish ``releases`` (default: all) for the month of ``as_of`` (today).

    Each release goes by itself: one that fails a check is not published, and its last good
    release stays; the others go on. The exit code is then that of the first failure.

    Raises:
        ConfigurationError: settings, policy, catalogue or declaration are wrong, no statistics
            are declared, or a release is not; nothing was run then.
    """
    door = retention_resource(config, environment, on_event)
    blueprint = read_blueprint(config, environment)
    chosen = _chosen(blueprint.release_names, releases)
    defs = build_defs(config, {RETENTION: door}, environment=environment)
    keys = [key for name in chosen for key in keys_of(name)]
    try:
        day = as_of or door.today()
        month = day.strftime("%Y-%m")
        noon = datetime.combine(day, time(12), tzinfo=zone(blueprint.policy.time_zone))
        # Dagster's months end with the current one: for the length of the run that is the
        # run's own, so that a demonstration can be released for a day to come
        with (
            instance_of(config, environment) as instance,
            partition_loading_context(effective_dt=noon),
        ):
            outcome = execute(
                defs.resolve_job_def(STATISTICS),
                instance,
                run_config=run_config(day),
                tags={AS_OF: day.isoformat()},
                partition_key=month,
                asset_selection=keys,
            )
        failed = failures(outcome)
        if not outcome.success and not failed:
            failed = {INTERRUPTED: RetentionError.exit_code}
        done = {event.asset_key for event in outcome.get_asset_materialization_events()}
        out = [
            release
            for release in published(door.installation())
            if release.month == month and keys_of(release.release)[1] in done
        ]
    finally:
        door.close()
    return StatisticsResult(
        success=outcome.success,
        exit_code=0 if outcome.success else next(iter(failed.values())),
        run_id=outcome.run_id,
        as_of=day,
        failures=tuple(failed),
        published=tuple(out),
    )


def _chosen(declared: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    if not declared:
        raise ConfigurationError("the settings name no 'statistics': there is nothing to release")
    unknown = [name for name in wanted if name not in declared]
    if unknown:
        raise ConfigurationError(
            f"there is no release '{unknown[0]}'; declared are {', '.join(declared)}"
        )
    return wanted or declared


def _result(
    installation: Installation, run_id: str, failed: dict[str, int], *, success: bool
) -> LaunchResult:
    found = find_run(installation.stores.control, run_id)
    if not success and not failed:
        stopped = found.note if found and found.status == "stopped" else None
        failed = {stopped or INTERRUPTED: RetentionError.exit_code}
    return LaunchResult(
        success=success,
        exit_code=0 if success else next(iter(failed.values())),
        run_id=run_id,
        as_of=found.as_of if found else None,
        plan_digest=found.plan_digest if found else None,
        failures=tuple(failed),
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
