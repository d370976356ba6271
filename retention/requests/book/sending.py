"""The letter that a request ends with: whether it has gone out, and to whom it can be addressed.

Once an erasure is carried out, what the person said of themselves is all that is left to write
to them by. So it stays sealed in their file until somebody says that the letter went out, or
for as long as a package is kept (the policy's ``requests.packages``); and longer only where it
is needed to take the request up again, or to tell the person before a restriction ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.book import results
from retention.requests.model import OPEN, RESTORED, RequestId, State
from retention.stores import cases
from retention.stores.open import reading, writing

SENT = "sent"
"""The change by which a letter has gone out."""

LIFTED = "lifted"
_TOLD_BY_LETTER = (str(State.answered), str(State.refused), LIFTED)


@dataclass(frozen=True)
class Letter:
    """The last letter of a request that is over."""

    change: int
    """The number of the change that it tells of."""
    what: str
    """``answered``, ``refused`` or ``lifted``: what that change was."""
    made_on: date
    """The day of that change; it cannot have gone out before."""
    written_on: date
    """The day that stands on it."""
    sent: bool
    until: date | None
    """The last day on which who asked is kept for it; none while something else needs it."""

    @property
    def waits(self) -> str:
        """What is left to do, in words, of one that is not sent."""
        last = f" (who asked is kept until {self.until})" if self.until else ""
        return f"letter to send{last}"


def letter_of(installation: Installation, request_id: RequestId) -> Letter | None:
    """The last letter of a request: none while it is open, or where nobody had asked.

    Raises StoreError: the cases store cannot be read.
    """
    with reading(installation.stores.cases) as connection:
        return letter_on(installation, connection, request_id)


def letter_on(
    installation: Installation, connection: Connection, request_id: RequestId
) -> Letter | None:
    """As ``letter_of``, on a connection to the cases store."""
    one = cases.requests.c.request_id == request_id
    return _letters(installation, connection, one).get(request_id)


def _letters(
    installation: Installation, connection: Connection, which: sa.ColumnElement[bool]
) -> dict[RequestId, Letter]:
    """The last letters of the requests that are over and meet ``which``.

    Not of those that the program opened on records that a backup had brought back: nobody asked.
    """
    at, change, outcome = cases.requests.c, cases.request_changes.c, cases.request_outcomes.c
    mine = sa.select(at.request_id).where(over(), at.channel != RESTORED, which)
    said = (
        sa.select(change.request_id, change.sequence, change.what, change.at, at.answered_on)
        .join_from(cases.request_changes, cases.requests, change.request_id == at.request_id)
        .where(change.request_id.in_(mine), change.what.in_([*_TOLD_BY_LETTER, SENT]))
        .order_by(change.request_id, change.sequence)
    )
    left = sa.select(outcome.request_id).where(
        outcome.request_id.in_(mine), outcome.outcome.in_(list(results.UNFINISHED))
    )
    unfinished = set(connection.execute(left).scalars())
    lasts = installation.policy.requests.packages.lasts
    found: dict[RequestId, Letter] = {}
    for row in connection.execute(said).all():
        number = RequestId(row.request_id)
        if row.what == SENT:
            found[number] = replace(found[number], sent=True)
            continue
        made_on = day_in(row.at, installation.zone)
        written_on = row.answered_on if row.what == State.answered else made_on
        last = lasts.after(max(made_on, written_on or made_on))
        needed = number in unfinished and results.needs_who_asked(connection, number)
        found[number] = Letter(
            row.sequence, row.what, made_on, written_on or made_on,
            sent=False, until=None if needed else last,
        )  # fmt: skip
    return found


def unsent(installation: Installation) -> dict[RequestId, Letter]:
    """The letters that are not marked as sent, of requests of which who asked is still kept."""
    with reading(installation.stores.cases) as connection:
        letters = _letters(installation, connection, cases.requests.c.asked.is_not(None))
    return {number: letter for number, letter in letters.items() if not letter.sent}


def forget_who_asked(installation: Installation, as_of: date) -> set[RequestId]:
    """Forget who asked where the letter has gone out, or the last day for it has passed.

    Returns the requests. Repeatable. Raises StoreError: the cases store cannot be used.
    """
    with reading(installation.stores.cases) as connection:
        candidates = _said(connection)
    return {number for number in candidates if _forget(installation, number, as_of)}


def _forget(installation: Installation, request_id: RequestId, as_of: date) -> bool:
    at = cases.requests.c
    with writing(installation.stores.cases) as connection:
        # Locked, so that what is changed meanwhile (taken up, lifted) is seen or waits.
        connection.execute(sa.select(at.state).where(at.request_id == request_id).with_for_update())
        letter = letter_on(installation, connection, request_id)
        if letter is None:
            keep = results.needs_who_asked(connection, request_id)
        else:
            keep = letter.until is None or not (letter.sent or letter.until < as_of)
        return not keep and wipe(connection, request_id)


def wipe(connection: Connection, request_id: RequestId) -> bool:
    """Forget what was asked with a request that is over; whether it was still there."""
    at = cases.requests.c
    here = at.request_id == request_id, over(), at.asked.is_not(None)
    return connection.execute(cases.requests.update().where(*here).values(asked=None)).rowcount == 1


def over() -> sa.ColumnElement[bool]:
    """Of a row of the requests: it is answered or refused."""
    return cases.requests.c.state.not_in([str(state) for state in OPEN])


def _said(connection: Connection) -> list[RequestId]:
    """The requests that are over and of which it is still kept who asked."""
    at = cases.requests.c
    statement = sa.select(at.request_id).where(over(), at.asked.is_not(None))
    return [
        RequestId(found)
        for found in connection.execute(statement.order_by(at.request_id)).scalars()
    ]
