"""New requests: files of the inbox are taken in, verified requests are carried out.

What has been taken in, and what was carried out, is known by the casebook and by Dagster's runs,
not by a cursor: a daemon that dies between two statements loses nothing and does nothing twice.
"""

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from retention.installation import Installation
from retention.lease import busy, process_alive
from retention.requests.book import casebook
from retention.requests.doing.lifting import take_up
from retention.requests.model import Request
from retention.requests.taking_in.inbox import Taken, take_in
from retention.settings import Mode
from sensors import abandoned
from sensors.abandoned import ATTEMPT, BEGUN, REQUEST, stands_still
from sensors.door import Door, opened

RunConfig = Callable[[str, int], Mapping[str, Any]]
"""From a request's id and attempt to the configuration of the run that carries it out."""

_SECONDS = 15
_FILES_A_TICK = 20
"""Dagster gives a tick a minute; a file takes as long as looking for its person."""

_BROKEN = frozenset({dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
_ENDED = _BROKEN | {dg.DagsterRunStatus.SUCCESS}


def request_sensors(job: Any, run_config: RunConfig) -> list[dg.SensorDefinition]:
    """``request_inbox`` and ``verified_requests``; the latter starts runs of ``job``."""
    return [_request_inbox(), _verified_requests(job, run_config)]


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


def _verified_requests(job: Any, run_config: RunConfig) -> dg.SensorDefinition:
    @dg.sensor(
        name="verified_requests",
        job=job,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Starts one run for every attempt at a verified request, and waits while another run "
            "is at work. One that failed is started again after 'retention request retry' only. "
            "Takes up what a hold had stopped. (Exécution des demandes.)"
        ),
    )
    def verified_requests(
        context: dg.SensorEvaluationContext, retention: dg.ResourceParam[Door]
    ) -> dg.SensorResult:
        with opened(retention) as installation:
            if installation.settings.mode is Mode.observe:
                return dg.SensorResult(skip_reason="'mode: observe' touches nothing")
            take_up(installation, retention.now())
            waiting = _waiting(installation, context.instance, retention)
            at_work = busy(
                installation.stores.control,
                host=socket.gethostname(),
                now=retention.now(),
                alive=process_alive,
            )
        if not waiting:
            return dg.SensorResult(skip_reason="no verified request waits for a run")
        if at_work:
            return dg.SensorResult(skip_reason=f"{len(waiting)} request(s) wait: {at_work}")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=key,
                    run_config=dict(run_config(request.request_id, request.attempt)),
                    tags=_tags(request),
                )
                for request, key in waiting
            ]
        )

    return verified_requests


def _waiting(
    installation: Installation, instance: dg.DagsterInstance, door: Door
) -> list[tuple[Request, str]]:
    """The requests for which a run is to be started, with its run key.

    A run of the same attempt that is queued or at work is waited for. One that ended well and
    left the request verified had stood back for another run: the next one gets a key of its
    own. One that broke is noted with the request, should its own sensor have missed it.
    """
    found = []
    for request in casebook.listed(installation, states=BEGUN):
        runs = instance.get_runs(filters=dg.RunsFilter(tags=_tags(request)))
        if not stands_still(request, request.attempt) or not _all_ended(runs):
            continue
        # Asked again: a run may have ended since the request was read.
        now = casebook.get(installation, request.request_id)
        if not stands_still(now, request.attempt):
            continue
        if any(run.status in _BROKEN for run in runs):
            abandoned.note(installation, _tags(request), door.now)
        elif now.state == "verified":
            found.append((request, run_key(request, len(runs))))
    return found


def _all_ended(runs: Sequence[dg.DagsterRun]) -> bool:
    return all(run.status in _ENDED for run in runs)


def _tags(request: Request) -> dict[str, str]:
    return {REQUEST: request.request_id, ATTEMPT: str(request.attempt)}


def run_key(request: Request, postponed: int = 0) -> str:
    """What names the run of an attempt, of which so many stood back for another run."""
    again = f"-{postponed + 1}" if postponed else ""
    return f"request-{request.request_id}-{request.attempt}{again}"
