"""A run that ended without closing its ledger, giving back the lease, or ending its requests."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from retention.execution.chunks import Status
from retention.execution.closing import close_broken
from sensors.abandoned import AttemptsIn, note_run
from sensors.door import Door, TickFailed, opened


def failure_sensors(jobs: Sequence[Any], attempts_in: AttemptsIn) -> list[dg.SensorDefinition]:
    """Close what a failed or terminated run of ``jobs`` left open, so that the next can start.

    ``attempts_in`` says which requests a run was for.
    """

    @dg.run_failure_sensor(
        name="close_failed_runs",
        monitored_jobs=list(jobs),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Closes the ledger of a failed run, gives its lease back, and marks the requests "
            "that it left unfinished."
        ),
    )
    def close_failed_runs(
        context: dg.RunFailureSensorContext, retention: dg.ResourceParam[Door]
    ) -> None:
        _close(context, retention, attempts_in, "failed", "the process of this run ended")

    @dg.run_status_sensor(
        name="close_terminated_runs",
        run_status=dg.DagsterRunStatus.CANCELED,
        monitored_jobs=list(jobs),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Closes the ledger of a terminated run, gives its lease back, and marks the request "
            "that it left unfinished."
        ),
    )
    def close_terminated_runs(
        context: dg.RunStatusSensorContext, retention: dg.ResourceParam[Door]
    ) -> None:
        _close(context, retention, attempts_in, "stopped", "the run was terminated")

    return [close_failed_runs, close_terminated_runs]


def _close(
    context: dg.RunStatusSensorContext,
    door: Door,
    attempts_in: AttemptsIn,
    status: Status,
    why: str,
) -> None:
    run = context.dagster_run
    try:
        with opened(door) as installation:
            said = [
                close_broken(installation, run.run_id, door.now, why, status=status),
                note_run(installation, run.run_id, attempts_in(run.run_config), door.now),
            ]
    except TickFailed as error:
        said = [f"it could not be closed: {error}"]
    done = "; ".join(text for text in said if text)
    if done:
        context.log.error("run %s %s: %s", run.run_id, status, done)
