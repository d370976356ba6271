"""Requests whose process died without a word: that is written down with them, once.

A process that is killed cannot say so. Its request would stand still, and nobody would see
why; it is not taken up again by itself, since what killed the first run may kill the next.
Whoever carries requests out holds the lease, by the name of the run that the request names,
until each of them is answered or has failed: where the run has it no more, it broke off.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime

from retention.execution.closing import close_broken
from retention.installation import Installation
from retention.lease import at_work, process_alive
from retention.requests.book import casebook
from retention.requests.doing.attempting import own_run
from retention.requests.model import Request, RequestError, RequestId, State

Clock = Callable[[], datetime]

IN_HAND = frozenset({State.planned, State.executing})

NOTE = (
    "its run ended before its time; see what ended it (Dagster shows the runs it started), then"
    " 'retention request retry'"
)


def note_broken_off(installation: Installation, clock: Clock) -> list[RequestId]:
    """Mark the requests in hand whose run is no longer at work as failed. Repeatable.

    Touches none whose process lives.

    Raises:
        StoreError: cases or control store cannot be used.
    """
    # The lease is read after the requests, and these once more after it: a run lets it go only
    # when it has done with all of them.
    seen = [item for item in casebook.listed(installation, states=IN_HAND) if not item.failure]
    return [
        request.request_id
        for request in seen
        if not _at_work(installation, request, clock)
        and note(installation, request.request_id, request.attempt, clock)
    ]


def note(
    installation: Installation, request_id: RequestId, attempt: int, clock: Clock, why: str = NOTE
) -> bool:
    """Write down that this attempt came to no end, and close the run that it left in the ledger.

    Returns whether there was anything to write. Repeatable.
    """
    try:
        request = casebook.get(installation, request_id)
        if not stands_still(request, attempt):
            return False
        casebook.fail(installation, request.request_id, why, clock())
    except RequestError:
        return False  # forgotten, or somebody sees to it at this very moment
    if request.run_id is not None and request.state in IN_HAND:
        close_broken(
            installation, own_run(request.run_id, request.request_id), clock,
            "the process of this run ended",
        )  # fmt: skip
    return True


def stands_still(request: Request, attempt: int) -> bool:
    """Whether that attempt was to be carried out, has not come to an end, and nobody said why."""
    waits = request.state is State.verified or request.state in IN_HAND
    return waits and request.failure is None and request.attempt == attempt


def _at_work(installation: Installation, request: Request, clock: Clock) -> bool:
    return request.run_id is not None and at_work(
        installation.stores.control,
        request.run_id,
        host=socket.gethostname(),
        now=clock(),
        alive=process_alive,
    )
