"""Requests whose run in Dagster ended without a word: that is written down with them, once.

A run whose process was killed cannot say so. What it had in hand is never tried again by
itself. What it had not come to waits for the next run, unless this one had come to nothing at
all: then nobody knows what stopped it, and the next would fare no better.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from retention.errors import RetentionError
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.broken_off import IN_HAND, note, stands_still
from retention.requests.model import Request, RequestError

Attempts = Sequence[tuple[str, int | None]]
"""Ids of requests, and which attempt at each; ``None`` for whichever is due."""

AttemptsIn = Callable[[Mapping[str, Any]], Attempts]
"""From the configuration of a run to what it is for."""


def note_run(
    installation: Installation, run_id: str, attempts: Attempts, clock: Callable[[], datetime]
) -> str | None:
    """Mark what a run that has ended left unfinished. Repeatable.

    Returns what was done, in one line; none where the run was for no request, or there was
    nothing to do.
    """
    try:
        found = _found(installation, attempts)
        left = [(request, attempt) for request, attempt in found if stands_still(request, attempt)]
        if had_begun(run_id, found):
            left = [(request, attempt) for request, attempt in left if request.state in IN_HAND]
        marked = [note(installation, request.request_id, n, clock) for request, n in left]
    except RetentionError as error:
        return f"its requests could not be marked: {error}"
    return f"{sum(marked)} request(s) are marked as failed" if any(marked) else None


def never_began(installation: Installation, run_id: str, attempts: Attempts) -> bool:
    """Whether a run that has ended came to none of its requests."""
    return not had_begun(run_id, _found(installation, attempts))


def had_begun(run_id: str, found: Sequence[tuple[Request, int]]) -> bool:
    """Whether the run came to any of these attempts."""
    return any(
        request.run_id == run_id or (request.attempt == attempt and request.failure is not None)
        for request, attempt in found
    )


def _found(installation: Installation, attempts: Attempts) -> list[tuple[Request, int]]:
    found = []
    for number, attempt in attempts:
        try:
            request = casebook.get(installation, number)
        except RequestError:
            continue  # forgotten
        found.append((request, request.attempt if attempt is None else attempt))
    return found
