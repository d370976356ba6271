"""New requests: files of the inbox are taken in, verified requests are carried out in batches.

What has been taken in, and what was carried out, is known by the casebook and by Dagster's runs,
not by a cursor: a daemon that dies between two statements loses nothing and does nothing twice.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from retention.installation import Installation
from retention.lease import busy, process_alive
from retention.requests.book import casebook
from retention.requests.doing.broken_off import note_broken_off
from retention.requests.doing.lifting import take_up
from retention.requests.model import Request, State
from retention.requests.taking_in.inbox import Taken, take_in
from retention.settings import Mode
from sensors.abandoned import Attempts, AttemptsIn, never_began, note_run
from sensors.door import Door, opened

RunConfig = Callable[[Attempts], Mapping[str, Any]]
"""From attempts at requests to the configuration of the run that carries them out."""

BATCH, COUNT = "batch", "requests"
"""The tags of a run that name its batch, and say how many requests are in it."""

_SECONDS = 15
_FILES_A_TICK = 20
"""Dagster gives a tick a minute; a file takes as long as looking for its person."""

_UNDECIDED_EVERY = timedelta(minutes=10)

_MARGIN = timedelta(days=1)
"""Of the clocks of Dagster's storage and of whoever verified a request."""

_DIGITS = 16

_BROKEN = frozenset({dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
_ENDED = _BROKEN | {dg.DagsterRunStatus.SUCCESS}


def request_sensors(
    job: Any, run_config: RunConfig, attempts_in: AttemptsIn
) -> list[dg.SensorDefinition]:
    """``request_inbox`` and ``verified_requests``; the latter starts runs of ``job``.

    ``attempts_in`` reads back what ``run_config`` has written.
    """
    return [_request_inbox(), _verified_requests(job, run_config, attempts_in)]


# --- the inbox -------------------------------------------------------------------------


def _request_inbox() -> dg.SensorDefinition:
    @dg.sensor(
        name="request_inbox",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Takes in the request files of the inbox and looks for their persons. Starts no run. "
            "Its cursor counts what it has taken in so far. (Réception des demandes.)"
        ),
    )
    def request_inbox(
        context: dg.SensorEvaluationContext, retention: dg.ResourceParam[Door]
    ) -> dg.SensorResult:
        with opened(retention) as installation:
            taken = take_in(installation, retention.now(), most=_FILES_A_TICK)
        return dg.SensorResult(
            skip_reason=_taken_said(taken), cursor=_counted(context.cursor, taken)
        )

    return request_inbox


def _taken_said(taken: Sequence[Taken]) -> str:
    """Counts only: the files' names were given by others."""
    if not taken:
        return "nothing in the inbox"
    rejected = sum(item.request_id is None for item in taken)
    unsettled = sum(bool(item.request_id and item.reasons) for item in taken)
    parts = [f"{len(taken) - rejected - unsettled} file(s) taken in"]
    if rejected:
        parts.append(f"{rejected} rejected: their reasons are in the inbox, in 'rejected/'")
    if unsettled:
        parts.append(
            f"{unsettled} taken in, but whose records they are about could not be looked up: that"
            " is tried again"
        )
    return "; ".join(parts)


def _counted(cursor: str | None, taken: Sequence[Taken]) -> str:
    try:
        before = json.loads(cursor or "{}")
        counts = {name: int(before.get(name, 0)) for name in ("taken_in", "rejected")}
    except (ValueError, TypeError, AttributeError):
        counts = {"taken_in": 0, "rejected": 0}
    for item in taken:
        if item.request_id is None:
            counts["rejected"] += 1
        elif not item.reasons:
            counts["taken_in"] += 1
    return json.dumps(counts)


# --- verified requests -----------------------------------------------------------------


def _verified_requests(
    job: Any, run_config: RunConfig, attempts_in: AttemptsIn
) -> dg.SensorDefinition:
    @dg.sensor(
        name="verified_requests",
        job=job,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Starts one run for all verified requests that wait, the most urgent first, unless "
            "another run is at work. One that failed is started again after 'retention request "
            "retry' only. Takes up what a hold had stopped, or a date that is mended since. "
            "(Exécution des demandes.)"
        ),
    )
    def verified_requests(
        context: dg.SensorEvaluationContext, retention: dg.ResourceParam[Door]
    ) -> dg.SensorResult:
        with opened(retention) as installation:
            note_broken_off(installation, retention.now)
            if installation.settings.mode is Mode.observe:
                return dg.SensorResult(skip_reason="'mode: observe' touches nothing")
            looks = _looks_again(context.cursor, retention.now())
            take_up(installation, retention.now(), undecided=looks)
            if looks:
                context.update_cursor(retention.now().isoformat())
            waiting = _waiting(installation, context.instance, job.name, attempts_in, retention)
            at_work = busy(
                installation.stores.control,
                host=socket.gethostname(),
                now=retention.now(),
                alive=process_alive,
            )
            most = installation.settings.requests.max_per_run
        if not waiting:
            return dg.SensorResult(skip_reason="no verified request waits for a run")
        if at_work:
            return dg.SensorResult(skip_reason=f"{len(waiting)} request(s) wait: {at_work}")
        attempts = [(request.request_id, request.attempt) for request in waiting[:most]]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=_run_key(context.instance, attempts),
                    run_config=dict(run_config(attempts)),
                    tags={BATCH: batch_id(attempts), COUNT: str(len(attempts))},
                )
            ]
        )

    return verified_requests


def _looks_again(cursor: str | None, now: datetime) -> bool:
    """Whether it is time to see if a date was mended: that plans each undecided request anew."""
    try:
        return cursor is None or now - datetime.fromisoformat(cursor) >= _UNDECIDED_EVERY
    except (ValueError, TypeError):
        return True


def _waiting(
    installation: Installation,
    instance: dg.DagsterInstance,
    job: str,
    attempts_in: AttemptsIn,
    door: Door,
) -> list[Request]:
    """The requests for which a run is to be started, the most urgent first.

    A run of the same attempt that is queued or at work is waited for. One that ended and left
    the request verified had stood back for another run, or was stopped before it came to it.
    One that broke before it came to any is noted, should its own sensor have missed it.
    """
    found = _verified(installation)
    if not found:
        return []
    claimed: set[tuple[str, int]] = set()
    since = min(request.verified_at or door.now() for request in found) - _MARGIN
    for run in instance.get_runs(filters=dg.RunsFilter(job_name=job, created_after=since)):
        attempts = attempts_in(run.run_config)
        mine = {
            (request.request_id, request.attempt)
            for request in found
            for number, attempt in attempts
            if request.request_id.startswith(number) and attempt in (None, request.attempt)
        }
        if mine and run.status not in _ENDED:
            claimed |= mine
        elif mine and run.status in _BROKEN and never_began(installation, run.run_id, attempts):
            note_run(installation, run.run_id, attempts, door.now)
    # Read again: a run may have ended since they were read first.
    now = {(request.request_id, request.attempt) for request in _verified(installation)}
    return [request for request in found if (request.request_id, request.attempt) in now - claimed]


def _verified(installation: Installation) -> list[Request]:
    verified = casebook.listed(installation, states={State.verified})
    return [request for request in verified if request.failure is None]


def batch_id(attempts: Attempts) -> str:
    """What names a batch: the same for the same attempts, in whatever order."""
    text = "\n".join(sorted(f"{number} {attempt}" for number, attempt in attempts))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _run_key(instance: dg.DagsterInstance, attempts: Attempts) -> str:
    """What names the run of a batch; other than that of one that stood back for another run."""
    batch = batch_id(attempts)
    before = instance.get_runs_count(dg.RunsFilter(tags={BATCH: batch}))
    return f"requests-{batch}" + (f"-{before + 1}" if before else "")
