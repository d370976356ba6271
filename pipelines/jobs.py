"""The jobs: one run a day, the forecast by itself, statistics by month, a run for a batch of requests."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from assets import naming
from pipelines.resources import RETENTION

DAILY = "daily_retention"
FORECAST = "forecast_retention"
STATISTICS = "monthly_statistics"
REQUESTS = "carry_out_requests"
AS_OF = "as_of"
"""The tag of a run that names its day."""


def daily_job(releases: Sequence[str] = ()) -> Any:
    """Everything but forecast, releases and requests, in one process: one holder of the lease.

    Releases go by month, and their checks block; the ledger of a day must always be closed.
    What waits of requests is shown, and what is over of them goes, in no step's way.
    """
    apart = dg.AssetSelection.assets(naming.FORECAST, naming.CARRIED_OUT, *_keys(releases))
    return dg.define_asset_job(
        DAILY,
        selection=dg.AssetSelection.all() - apart,
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


def requests_job() -> Any:
    """A batch of requests, to their answers; as the daily run in one process, under one lease."""
    return dg.define_asset_job(
        REQUESTS,
        selection=dg.AssetSelection.assets(naming.CARRIED_OUT),
        executor_def=dg.in_process_executor,
        description=(
            "Carry out verified requests of data subjects: plan and execute one after the other, "
            "search once by value for all of them, answer. One that fails does not stop the "
            "others. Started by the sensor 'verified_requests'."
        ),
    )


def statistics_job(releases: Sequence[str]) -> Any:
    """Every release, written, audited and published, each by itself."""
    return dg.define_asset_job(
        STATISTICS,
        selection=dg.AssetSelection.assets(*_keys(releases)),
        executor_def=dg.in_process_executor,
        description=(
            "Write each release into quarantine, attack it there, and publish what passed. "
            "For the current month; the data of months past are gone. Run again, it changes "
            "nothing where nothing has changed."
        ),
    )


def keys_of(release: str) -> tuple[dg.AssetKey, dg.AssetKey]:
    """What belongs to a release in the graph: in quarantine, and published."""
    return (
        naming.of_release(naming.QUARANTINE, release),
        naming.of_release(naming.PUBLISHED, release),
    )


def _keys(releases: Sequence[str]) -> list[dg.AssetKey]:
    return [key for release in releases for key in keys_of(release)]


def run_config(as_of: date | None, plan_digest: str | None = None) -> dict[str, Any]:
    """The run configuration for a day, and for one very plan of it."""
    given = {
        "as_of": as_of.isoformat() if as_of else None,
        "plan_digest": plan_digest,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return {"resources": {RETENTION: {"config": chosen}}} if chosen else {}


_CARRIED_OUT = "__".join(naming.CARRIED_OUT.path)


def requests_config(attempts: Sequence[tuple[str, int | None]]) -> dict[str, Any]:
    """The run configuration for attempts at requests, by opaque id; ``None``: the one due."""
    chosen = [
        {"request_id": number} | ({} if attempt is None else {"attempt": attempt})
        for number, attempt in attempts
    ]
    return {"ops": {_CARRIED_OUT: {"config": {"requests": chosen}}}}


def attempts_in(config: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """The attempts that a run configuration names; none where it is another job's."""
    found = config
    for key in ("ops", _CARRIED_OUT, "config"):
        found = found.get(key) or {}
    return [(one["request_id"], one.get("attempt")) for one in found.get("requests") or []]
