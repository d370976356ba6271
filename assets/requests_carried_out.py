"""A request is carried out: one run for each, by the executor of the daily run.

Whether there is something to do is asked of the casebook when the run begins, so a run that
comes late, or twice, does nothing. While another run is at work it stands back and succeeds:
the sensor that started it asks for another run once the lease is free.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from assets import metadata, naming
from assets.door import Door, chunk_log, safe_errors
from retention.errors import LeaseHeld
from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.book import casebook
from retention.requests.doing.carrying_out import carry_out
from retention.requests.model import BECAUSE, OutcomeLine, Request, RequestError, State

_COLUMNS = ("table", "purpose", "outcome", "rows", "until", "because")

STAND_BACK = "another run was at work: it waits, and is started again by the sensor"


class WhichRequest(dg.Config):
    """The request that a run carries out."""

    request_id: str
    """Opaque; a unique beginning of it will do."""
    attempt: int | None = None
    """Only this attempt at it; without it whichever is due."""


def carried_out_assets() -> list[dg.AssetsDefinition]:
    """``requests/carried_out``."""

    @dg.asset(
        key=naming.CARRIED_OUT,
        group_name=naming.REQUESTS,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "One verified request, planned and carried out to its answer, searched for by value "
            "afterwards; what came of it by table and purpose. (Demande exécutée.)"
        ),
        pool=naming.WRITER_POOL,
    )
    def carried_out(
        context: dg.AssetExecutionContext, config: WhichRequest, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with safe_errors():
            installation = retention.installation()
            request = casebook.get(installation, config.request_id)
            if not _is_due(request, config.attempt):
                said = f"nothing to do: it is {request.state}, attempt {request.attempt}"
                return dg.MaterializeResult(metadata=_head(request, said))
            if request.failure is not None:
                raise RequestError(
                    f"request {request.request_id[:8]} has failed before and is not tried again by"
                    " itself: see to the cause, then 'retention request retry'"
                )
            retention.announce("request", "", 0)
            try:
                done = _carry_out(context, retention, installation, request)
            except LeaseHeld as held:
                _only_postponed(installation, request, held, retention)
                context.log.warning("%s: %s", STAND_BACK, held)
                return dg.MaterializeResult(metadata=_head(request, f"postponed: {STAND_BACK}"))
            return dg.MaterializeResult(metadata=_answered(installation, done, retention.day()))

    return [carried_out]


def _is_due(request: Request, attempt: int | None) -> bool:
    return request.state is State.verified and attempt in (None, request.attempt)


def _carry_out(
    context: dg.AssetExecutionContext, door: Door, installation: Installation, request: Request
) -> Request:
    return carry_out(
        installation,
        request.request_id,
        as_of=door.day(),
        today=door.today(),
        clock=door.now,
        run_id=context.run.run_id,
        progress=chunk_log(context, door),
    )


def _only_postponed(
    installation: Installation, request: Request, held: LeaseHeld, door: Door
) -> None:
    """One that had begun, and lost its lease on the way, has failed.

    Raises:
        LeaseHeld: that is so; it is kept with the request.
    """
    now = casebook.get(installation, request.request_id)
    if now.state is State.verified:
        return
    casebook.fail(installation, now.request_id, str(held), door.now())
    raise held


def _head(request: Request, said: str) -> metadata.Metadata:
    return {
        "request": request.request_id,
        "kind": str(request.kind),
        "attempt": request.attempt,
        "what_came_of_it": said,
    }


def _answered(installation: Installation, request: Request, day: date) -> metadata.Metadata:
    lines = casebook.outcomes(installation, request.request_id)
    return {
        **_head(request, str(request.state)),
        "as_of": day.isoformat(),
        "received": request.received_on.isoformat(),
        "answer_due": request.due_on.isoformat(),
        "outcomes": metadata.table(_rows(installation, lines, day), _COLUMNS),
        "recipients_to_be_told": outbox.unsent(installation, request.request_id),
    }


def _rows(
    installation: Installation, lines: Sequence[OutcomeLine], day: date
) -> list[dict[str, str | int]]:
    known = installation.policy.version_on(day).purposes
    return [
        {
            "table": line.table,
            "purpose": known[line.purpose].label if line.purpose in known else line.purpose,
            "outcome": str(line.outcome),
            "rows": line.rows,
            "until": line.until.isoformat() if line.until else "",
            "because": BECAUSE.get(line.because or "", line.because or ""),
        }
        for line in lines
    ]
