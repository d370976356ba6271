"""When the jobs run. Off until a person switches them on."""

from typing import Any

import dagster as dg

from pipelines.jobs import AS_OF, run_config

NIGHT = "0 3 * * *"
SUNDAYS = "0 5 * * 0"
MONTHS = "0 5 1 * *"


def daily_schedule(job: Any, time_zone: str) -> dg.ScheduleDefinition:
    """Every night at three, for the day that begins then, in the policy's zone.

    A tick that comes late still names the day it was due for.
    """

    @dg.schedule(
        name="every_night",
        job=job,
        cron_schedule=NIGHT,
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"03:00 {time_zone}, for that day",
    )
    def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date()
        return dg.RunRequest(
            run_key=day.isoformat(), run_config=run_config(day), tags={AS_OF: day.isoformat()}
        )

    return every_night


def forecast_schedule(job: Any, time_zone: str) -> dg.ScheduleDefinition:
    """Every Sunday at five."""
    return dg.ScheduleDefinition(
        name="every_sunday",
        job=job,
        cron_schedule=SUNDAYS,
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"05:00 {time_zone} on Sundays",
    )


def statistics_schedule(job: Any, time_zone: str) -> dg.ScheduleDefinition:
    """On the first of every month at five, after the night's run, for that month.

    A tick that comes late in the month still names the day it was due for.
    """

    @dg.schedule(
        name="every_month",
        job=job,
        cron_schedule=MONTHS,
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"05:00 {time_zone} on the first of the month, for that month",
    )
    def every_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date()
        month = day.strftime("%Y-%m")
        return dg.RunRequest(
            run_key=month,
            partition_key=month,
            run_config=run_config(day),
            tags={AS_OF: day.isoformat()},
        )

    return every_month
