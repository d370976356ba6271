"""Requests whose run ended without a word: that is written down with them, once.

A run that is killed cannot say so. Its request would stand still, and nobody would see why;
it is not started again by itself, since what killed the first run may kill the next.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from retention.errors import RetentionError
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.model import Request, RequestError, State

REQUEST, ATTEMPT = "request", "attempt"
"""The tags of a run that say which request it carries out, and which attempt at it."""

BEGUN = frozenset({State.verified, State.planned, State.executing})

NOTE = "its run ended before its time; see the run in Dagster, then 'retention request retry'"


def stands_still(request: Request, attempt: int) -> bool:
    """Whether that attempt was to be carried out, has not come to an end, and nobody said why."""
    return request.state in BEGUN and request.failure is None and request.attempt == attempt


def note(
    installation: Installation, tags: Mapping[str, str], clock: Callable[[], datetime]
) -> str | None:
    """Write down that the run with these tags left its request where it was. Repeatable.

    Returns what was done, in one line; none where the run was no request's, or there was nothing
    to do.
    """
    request_id, attempt = tags.get(REQUEST), tags.get(ATTEMPT, "")
    if request_id is None or not attempt.isdigit():
        return None
    try:
        request = casebook.get(installation, request_id)
        if not stands_still(request, int(attempt)):
            return None
        casebook.fail(installation, request.request_id, NOTE, clock())
    except RequestError:
        return None  # forgotten, or somebody sees to it at this very moment
    except RetentionError as error:
        return f"its request could not be marked: {error}"
    return "its request is marked as failed"
