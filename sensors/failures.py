"""A run that failed without closing its ledger or giving back the lease."""

from datetime import datetime
from typing import Any, Protocol

import dagster as dg

from retention.errors import RetentionError
from retention.execution.closing import close_broken
from retention.installation import Installation
from retention.unexpected import unexpected_text


class Door(Protocol):
    """What the sensor needs of the resource ``retention``."""

    def installation(self) -> Installation: ...
    def now(self) -> datetime: ...
    def close(self) -> None: ...


def failure_sensor(job: Any) -> dg.SensorDefinition:
    """Close what a failed run of ``job`` left open, so that the next one starts at once."""

    @dg.run_failure_sensor(
        name="close_failed_runs",
        monitored_jobs=[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes the ledger of a failed run and gives its lease back.",
    )
    def close_failed_runs(
        context: dg.RunFailureSensorContext, retention: dg.ResourceParam[Door]
    ) -> None:
        run_id = context.dagster_run.run_id
        try:
            done = close_broken(
                retention.installation(), run_id, retention.now, "the process of this run ended"
            )
        except RetentionError as error:
            done = f"it could not be closed: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, its text must not be shown
            done = f"it could not be closed: {unexpected_text(error)}"
        finally:
            retention.close()
        if done:
            context.log.error("run %s failed: %s", run_id, done)

    return close_failed_runs
