"""Deadlines of requests: shown as soon as anything changes, warned of, red once past."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol

import dagster as dg

from retention.installation import Installation
from sensors.door import Door, opened, today

_SECONDS = 60


class Look(Protocol):
    """The open requests as they stand, and what to report of them."""

    @property
    def digest(self) -> str: ...
    @property
    def said(self) -> str: ...
    @property
    def events(self) -> Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation]: ...


def deadline_sensor(look: Callable[[Installation, date], Look]) -> dg.SensorDefinition:
    """``request_deadlines``: reports what ``look`` sees, once for every change and every day."""

    @dg.sensor(
        name="request_deadlines",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Shows the open requests with their days left at the asset requests/open. Its check "
            "warns 10 and 3 days before a request is due and is an error once it is late. Starts "
            "no run. (Échéances des demandes.)"
        ),
    )
    def request_deadlines(
        context: dg.SensorEvaluationContext, retention: dg.ResourceParam[Door]
    ) -> dg.SensorResult:
        with opened(retention) as installation:
            found = look(installation, today(retention, installation))
        new = found.digest != context.cursor
        return dg.SensorResult(
            skip_reason=found.said,
            cursor=found.digest,
            asset_events=list(found.events) if new else [],
        )

    return request_deadlines
