"""A run that failed without closing its ledger or giving back the lease."""

from typing import Any

import dagster as dg

from assets.door import Door, safe_errors
from retention.execution.closing import close_broken


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
        with safe_errors():
            done = close_broken(
                retention.installation(), run_id, retention.now, "the process of this run ended"
            )
        if done:
            context.log.error(f"run {run_id} failed: {done}")

    return close_failed_runs
