"""A run that ended without closing its ledger or giving back the lease."""

from datetime import datetime
from typing import Any, Protocol

import dagster as dg

from retention.errors import RetentionError
from retention.execution.chunks import Status
from retention.execution.closing import close_broken
from retention.installation import Installation
from retention.unexpected import unexpected_text


class Door(Protocol):
    """What the sensors need of the resource ``retention``."""

    def installation(self) -> Installation: ...
    def now(self) -> datetime: ...
    def close(self) -> None: ...


def failure_sensors(job: Any) -> list[dg.SensorDefinition]:
    """Close what a failed or terminated run of ``job`` left open, so that the next can start."""

    @dg.run_failure_sensor(
        name="close_failed_runs",
        monitored_jobs=[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes the ledger of a failed run and gives its lease back.",
    )
    def close_failed_runs(
        context: dg.RunFailureSensorContext, retention: dg.ResourceParam[Door]
    ) -> None:
        _close(context, retention, "failed", "the process of this run ended")

    @dg.run_status_sensor(
        name="close_terminated_runs",
        run_status=dg.DagsterRunStatus.CANCELED,
        monitored_jobs=[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes the ledger of a terminated run and gives its lease back.",
    )
    def close_terminated_runs(
        context: dg.RunStatusSensorContext, retention: dg.ResourceParam[Door]
    ) -> None:
        _close(context, retention, "stopped", "the run was terminated")

    return [close_failed_runs, close_terminated_runs]


def _close(context: dg.RunStatusSensorContext, door: Door, status: Status, note: str) -> None:
    run_id = context.dagster_run.run_id
    try:
        done = close_broken(door.installation(), run_id, door.now, note, status=status)
    except RetentionError as error:
        done = f"it could not be closed: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not be shown
        done = f"it could not be closed: {unexpected_text(error)}"
    finally:
        door.close()
    if done:
        context.log.error("run %s %s: %s", run_id, status, done)
