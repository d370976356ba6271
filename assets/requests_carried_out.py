"""Requests are carried out: a batch of them in one run, by the executor of the daily run.

Whether there is something to do is asked of the casebook when the run begins, so a run that
comes late, or twice, does nothing. While another run is at work it stands back and succeeds:
the sensor that started it asks for another run once the lease is free.
"""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from assets import naming
from assets.door import EXIT_CODE, Door, chunk_log, safe_errors
from assets.requests_metadata import Came, batch_metadata
from retention.errors import LeaseHeld, RetentionError
from retention.execution.work import Stopped
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.carrying_out import Fate, Watch, carry_out_many
from retention.requests.model import Request, RequestError, State
from retention.unexpected import EXIT_CODE as UNEXPECTED
from retention.unexpected import unexpected_text

STAND_BACK = "another run was at work: it waits, and is started again by the sensor"
FAILED_BEFORE = (
    "it has failed before and is not tried again by itself: see to the cause, then 'retention "
    "request retry'"
)

_NAMED = 3
"""Failed requests that the failure of the run names; its table has all of them."""
_SHORT = 12


class OneAttempt(dg.Config):
    """An attempt at a request."""

    request_id: str
    """Opaque; a unique beginning of it will do."""
    attempt: int | None = None
    """Only this attempt at it; without it whichever is due."""


class WhichRequests(dg.Config):
    """The requests that a run carries out, in order."""

    requests: list[OneAttempt]


def carried_out_assets() -> list[dg.AssetsDefinition]:
    """``requests/carried_out``."""

    @dg.asset(
        key=naming.CARRIED_OUT,
        group_name=naming.REQUESTS,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "Verified requests, planned and carried out one after the other, searched for by "
            "value together, answered; what came of each, and of the data by table and purpose. "
            "(Demandes exécutées.)"
        ),
        pool=naming.WRITER_POOL,
    )
    def carried_out(
        context: dg.AssetExecutionContext,
        config: WhichRequests,
        retention: dg.ResourceParam[Door],
    ) -> Iterator[dg.MaterializeResult]:
        with safe_errors(), retention.stopping() as stop_asked:
            installation = retention.installation()
            asked = [_found(installation, one) for one in config.requests]
            due = [request.request_id for request, why in asked if why is None]
            fates = carry_out_many(
                installation,
                due,
                as_of=retention.day(),
                today=retention.today(),
                clock=retention.now,
                run_id=context.run.run_id,
                watch=_watch(context, retention, stop_asked),
            )
            by_id = {fate.request.request_id: fate for fate in fates}
            came = [
                Came(request, why) if why is not None else _came(by_id[request.request_id])
                for request, why in asked
            ]
            shown = batch_metadata(installation, came, retention.day())
        # What came of each is shown before the run turns red.
        yield dg.MaterializeResult(metadata=shown)
        if any(isinstance(fate.error, Stopped) for fate in fates):
            raise dg.DagsterExecutionInterruptedError("the run was stopped by a person")
        failed = [*_failed_before(asked), *(fate for fate in fates if fate.failed)]
        if failed:
            raise _red(failed, len(asked))
        if left := sum(fate.left for fate in fates):
            context.log.warning("%s request(s) postponed: %s", left, STAND_BACK)

    return [carried_out]


def _found(installation: Installation, one: OneAttempt) -> tuple[Request, str | None]:
    """A request, and why there is nothing to do for it, where that is so."""
    request = casebook.get(installation, one.request_id)
    if request.state is not State.verified or one.attempt not in (None, request.attempt):
        return request, f"nothing to do: it is {request.state}, attempt {request.attempt}"
    return request, FAILED_BEFORE if request.failure is not None else None


def _failed_before(asked: Sequence[tuple[Request, str | None]]) -> list[Fate]:
    return [
        Fate(request, RequestError(FAILED_BEFORE)) for request, why in asked if why is FAILED_BEFORE
    ]


def _watch(context: dg.AssetExecutionContext, door: Door, stop_asked: Callable[[], bool]) -> Watch:
    """Opaque ids, kinds, names of tables and counts, in Dagster's log."""
    last = ""

    def begins(request: Request) -> None:
        door.announce("request", request.request_id[:_SHORT], 0)
        context.log.info("request %s, %s", request.request_id[:_SHORT], request.kind)

    def searches(place: str) -> None:
        nonlocal last
        if place != last:
            context.log.info("searching by value: %s", place)
        last = place

    return Watch(begins, chunk_log(context, door), searches, stop_asked)


def _came(fate: Fate) -> Came:
    if fate.error is None:
        return Came(fate.request, str(fate.request.state))
    if fate.left:
        why = STAND_BACK if isinstance(fate.error, LeaseHeld) else str(fate.error)
        return Came(fate.request, f"postponed: {why}")
    return Came(fate.request, f"failed: {_why(fate.error)}")


def _why(error: Exception | None) -> str:
    if error is None or isinstance(error, RetentionError):
        return str(error)
    return unexpected_text(error)


def _red(failed: Sequence[Fate], of: int) -> dg.Failure:
    named = [f"{fate.request.request_id[:_SHORT]}: {_why(fate.error)}" for fate in failed[:_NAMED]]
    if len(failed) > _NAMED:
        named.append(f"and {len(failed) - _NAMED} more")
    codes = [
        fate.error.exit_code if isinstance(fate.error, RetentionError) else UNEXPECTED
        for fate in failed
    ]
    return dg.Failure(
        description=f"{len(failed)} of {of} request(s) failed: {'; '.join(named)}",
        metadata={EXIT_CODE: codes[0]},
        allow_retries=False,
    )
