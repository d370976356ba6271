"""The jobs: one run a day for everything, and the forecast by itself."""

from datetime import date
from typing import Any

import dagster as dg

from assets import naming
from pipelines.resources import RETENTION

DAILY = "daily_retention"
FORECAST = "forecast_retention"
AS_OF = "as_of"
"""The tag of a run that names its day."""


def daily_job() -> Any:
    """Everything but the forecast, in one process: small steps, and one holder of the lease."""
    return dg.define_asset_job(
        DAILY,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(naming.FORECAST),
        executor_def=dg.in_process_executor,
        description=(
            "Plan the day, then archive, pseudonymise and delete what is due, expire the "
            "archive, and close the ledger. One run a day; run again, it goes on."
        ),
    )


def forecast_job() -> Any:
    """The forecast and what it reads; touches nothing."""
    return dg.define_asset_job(
        FORECAST,
        selection=dg.AssetSelection.assets(naming.FORECAST),
        executor_def=dg.in_process_executor,
        description="Count what falls due over the coming months. Touches nothing.",
    )


def run_config(as_of: date | None, plan_digest: str | None = None) -> dict[str, Any]:
    """The run configuration for a day, and for one very plan of it."""
    given = {
        "as_of": as_of.isoformat() if as_of else None,
        "plan_digest": plan_digest,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return {"resources": {RETENTION: {"config": chosen}}} if chosen else {}
