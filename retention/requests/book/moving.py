"""A request from state to state: each change compared, set, written down, in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention import holds
from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.book import deadlines, filing, recording, results, sending
from retention.requests.book.known import open_choices
from retention.requests.model import (
    MOVES,
    OutcomeLine,
    Request,
    RequestError,
    State,
    held_for,
)
from retention.stores import cases
from retention.stores.open import reading, writing

_CHANGED = "request '{}' was changed by someone else at the same time; look at it and try again"

PROGRAM = "orchestrator"
"""Who makes the changes that nobody asked for."""


def said(text: str, what: str) -> str:
    """``text`` without the space around it. Raises RequestError: nothing is left."""
    text = text.strip()
    if not text:
        raise RequestError(f"say {what}")
    return text


def verify(
    installation: Installation, request_id: str, *, by: str, how: str, now: datetime
) -> Request:
    """The person is who they say they are: the request may be acted on. Ends a doubt.

    Raises:
        RequestError: it is not received any more, or a record waits for a choice.
    """
    request = _in(installation, request_id, State.received, "verified")
    day = _day(installation, now)
    values: dict[str, Any] = {
        "state": State.verified,
        "verified_at": now,
        "verified_by": said(by, "who verified the identity"),
        **_clock_goes_on(request, day),
    }

    def nothing_open(connection: Connection) -> None:
        waiting = open_choices(connection, request.request_id)
        if waiting:
            raise RequestError(
                f"request '{request.request_id}': {waiting} record(s) may be the person's or not;"
                " choose first, with 'retention request choose'"
            )

    how = said(how, "how the identity was verified")
    return _change(installation, request, values, "verified", by, how, now, also=nothing_open)


def doubt(
    installation: Installation, request_id: str, *, by: str, reason: str, now: datetime
) -> Request:
    """The identity is in doubt, and the person was asked for more: the clock stands still.

    Raises:
        RequestError: it is not received any more, or is in doubt already.
    """
    request = _in(installation, request_id, State.received, "in doubt")
    if request.paused_on is not None:
        raise RequestError(f"request '{request.request_id}' is in doubt already")
    values = {"paused_on": _day(installation, now)}
    reason = said(reason, "why the identity is in doubt")
    return _change(installation, request, values, "doubted", by, reason, now)


def refuse(
    installation: Installation, request_id: str, *, by: str, reason: str, now: datetime
) -> Request:
    """Refuse a request that nothing was done for yet. What was asked is kept for the letter.

    Raises:
        RequestError: it is being executed, is answered or refused, or is a restriction that is
            in force in part.
    """
    request = _read(installation, request_id)
    _check_move(request, State.refused)
    if any(hold.reason == held_for(request.request_id) for hold in holds.holds(installation)):
        raise RequestError(
            f"request '{request.request_id}': its restriction is in force, if in part; 'retention"
            " request lift' ends it, then it can be refused"
        )
    day = _day(installation, now)
    reason = said(reason, "why it is refused")
    values = {
        "state": State.refused,
        "reason": reason,
        "sought": None,
        "failure": None,
        "forget_on": installation.policy.requests.files.lasts.after(day),
        **_clock_goes_on(request, day),
    }
    return _change(installation, request, values, "refused", by, reason, now)


def extend(
    installation: Installation, request_id: str, *, by: str, reason: str, now: datetime
) -> Request:
    """Give the answer two further months (GDPR art. 12(3)): once, before it is due.

    Raises:
        RequestError: it is not open, was extended before, or is past due.
    """
    request = _read(installation, request_id)
    day = _day(installation, now)
    place = f"request '{request.request_id}'"
    if not request.is_open:
        raise RequestError(f"{place} is {request.state}, not open")
    if request.extended_on is not None:
        raise RequestError(f"{place} was extended on {request.extended_on}; that is done once")
    if day > deadlines.due_now(request, day):
        raise RequestError(f"{place} was due on {request.due_on}: too late to extend it")
    due_on = deadlines.due(request.received_on, extended=True, paused_days=request.paused_days)
    if due_on <= request.due_on:
        raise RequestError(f"{place} was taken up again and is due on {request.due_on} as it is")
    reason = said(reason, "why more time is needed; the person is told")
    values = {"extended_on": day, "extension_reason": reason, "due_on": due_on}
    return _change(installation, request, values, "extended", by, reason, now)


def move(
    installation: Installation,
    request_id: str,
    to: State,
    *,
    by: str,
    reason: str | None = None,
    now: datetime,
    run_id: str | None = None,
) -> Request:
    """Take a request to another state, as ``MOVES`` allows; ``run_id`` carries it out.

    To ``verified`` again: a new attempt. One that was answered is then due a month from today.

    Raises:
        RequestError: it may not go there from where it is, or goes by ``verify``, ``refuse``
            or ``answer``.
    """
    request = _read(installation, request_id)
    _check_move(request, to)
    if to in (State.answered, State.refused) or request.state is State.received:
        raise RequestError(
            f"request '{request.request_id}': 'verify', 'answer' and 'refuse' do that"
        )
    what = str(to)
    values: dict[str, Any] = {"state": to}
    if to is State.verified:
        what = "taken up" if request.state is State.answered else "put back"
        values |= _anew(request, _day(installation, now))
    elif run_id is not None:
        values |= {"run_id": run_id}
    return _change(installation, request, values, what, by, reason, now)


def fail(installation: Installation, request_id: str, reason: str, now: datetime) -> Request:
    """An attempt has failed: the request stays where it is until a person looks.

    ``reason`` is one line that is safe to show (the text of a ``RetentionError``).

    Raises:
        RequestError: it is not open.
    """
    request = _read(installation, request_id)
    if not request.is_open:
        raise RequestError(f"request '{request.request_id}' is {request.state}, not open")
    values = {"failure": reason}
    return _change(installation, request, values, "failed", PROGRAM, reason, now)


def retry(
    installation: Installation,
    request_id: str,
    *,
    by: str,
    reason: str,
    now: datetime,
    not_theirs: Collection[str] = (),
) -> Request:
    """Carry a request out once more, from its plan on.

    ``not_theirs`` are places in which the search has found what a person has seen to be another
    person's: it no longer hinders the answer.

    Raises:
        RequestError: it is not planned, executing, or verified with a failure; or the search
            has found nothing in one of these places.
    """
    request = _read(installation, request_id)
    failed = request.state is State.verified and request.failure is not None
    if request.state not in (State.planned, State.executing) and not failed:
        raise RequestError(
            f"request '{request.request_id}' is {request.state}: there is nothing to retry"
        )
    values = {"state": State.verified, **_anew(request, _day(installation, now))}
    reason = said(reason, "why it is retried")
    if not not_theirs:
        return _change(installation, request, values, "retried", by, reason, now)

    def disown(connection: Connection) -> None:
        results.add_not_theirs(installation, connection, request, not_theirs)

    reason = f"another person's: {', '.join(sorted(not_theirs))}; {reason}"
    return _change(installation, request, values, "retried", by, reason, now, also=disown)


def answer(
    installation: Installation, request_id: str, *, by: str, now: datetime, as_of: date
) -> Request:
    """It is done, and the letter can go out. What was asked is kept until it has (``sent``).

    Raises:
        RequestError: it is not executing.
    """
    request = _in(installation, request_id, State.executing, "answered")
    values = {
        "state": State.answered,
        "answered_on": as_of,
        "forget_on": installation.policy.requests.files.lasts.after(as_of),
        "sought": None,
        "failure": None,
    }
    return _change(installation, request, values, "answered", by, None, now)


def sent(
    installation: Installation, request_id: str, *, by: str, now: datetime, on: date | None = None
) -> Request:
    """The letter went out ``on`` a day, by default today: of the answer, refusal or lifting.

    What was asked is forgotten, unless something waits or is restricted.

    Raises:
        RequestError: there is no letter yet, or none is due; it is marked as sent already; it
            was not written yet on that day, or the day is in the future.
    """
    request = _read(installation, request_id)
    place, number = f"request '{request.request_id}'", request.request_id
    if request.is_open:
        raise RequestError(f"{place} is {request.state}: there is no letter that could be sent")
    letter, day = sending.letter_of(installation, number), _day(installation, now)
    on = on or day
    if letter is None:
        raise RequestError(f"{place} was opened after a restored backup: nobody waits for a letter")
    if letter.sent:
        raise RequestError(f"{place}: its letter was marked as sent already")
    if not letter.made_on <= on <= day:
        raise RequestError(
            f"{place}: its letter was written on {letter.made_on}; it went out between then and"
            f" today ({day})"
        )

    def forget(connection: Connection) -> None:
        # Neither sent twice at once, nor the letter of what was read before and has changed.
        if sending.letter_on(installation, connection, number) != letter:
            raise RequestError(_CHANGED.format(number))
        if letter.until is not None:
            sending.wipe(connection, number)

    reason = f"on {on}"
    return _change(installation, request, {}, sending.SENT, by, reason, now, also=forget)


def lifted(
    installation: Installation,
    request_id: str,
    lines: Sequence[OutcomeLine],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> Request:
    """A restriction has ended: ``lines`` say what went back to its place."""
    request = _read(installation, request_id)
    reason = said(reason, "why the restriction ends")

    def restored(connection: Connection) -> None:
        results.put(connection, request, lines)

    return _change(installation, request, {}, sending.LIFTED, by, reason, now, also=restored)


def _read(installation: Installation, request_id: str) -> Request:
    with reading(installation.stores.cases) as connection:
        return filing.read(installation, connection, request_id)


def _in(installation: Installation, request_id: str, state: State, wanted: str) -> Request:
    request = _read(installation, request_id)
    if request.state is not state:
        raise RequestError(
            f"request '{request.request_id}' is {request.state}; only what is {state} can be"
            f" {wanted}"
        )
    return request


def _check_move(request: Request, to: State) -> None:
    if to not in MOVES[request.state]:
        raise RequestError(f"request '{request.request_id}' is {request.state}, it cannot be {to}")


def _day(installation: Installation, now: datetime) -> date:
    return day_in(now, installation.zone)


def _clock_goes_on(request: Request, day: date) -> dict[str, Any]:
    if request.paused_on is None:
        return {}
    paused = request.paused_days + deadlines.days_paused(request, day)
    return {"paused_on": None, "paused_days": paused, "due_on": deadlines.due_now(request, day)}


def _anew(request: Request, day: date) -> dict[str, Any]:
    """What a new attempt starts with: another run's key, and no trace of the last one's fate."""
    values: dict[str, Any] = {"attempt": request.attempt + 1, "failure": None, "run_id": None}
    if request.state is State.answered:
        due_on = deadlines.reply_due(day)
        values |= {"answered_on": None, "forget_on": None, "due_on": due_on}
    return values


def _change(
    installation: Installation,
    request: Request,
    values: Mapping[str, Any],
    what: str,
    by: str,
    reason: str | None,
    now: datetime,
    *,
    also: Callable[[Connection], None] = lambda _: None,
) -> Request:
    """Set ``values`` if the request is still as it was read; ``also`` within the transaction."""
    by = said(by, "who does this")
    statement = cases.requests.update().where(*_unchanged(request))
    statement = statement.values(**(values or {"state": request.state}))
    with writing(installation.stores.cases) as connection:
        if connection.execute(statement).rowcount != 1:
            raise RequestError(_CHANGED.format(request.request_id))
        also(connection)
        state = values.get("state", request.state)
        recording.record(connection, request.request_id, what, state, by=by, reason=reason, now=now)
    recording.enter(installation, request.request_id, now)
    return _read(installation, request.request_id)


def _unchanged(request: Request) -> list[sa.ColumnElement[bool]]:
    at = cases.requests.c
    return [
        at.request_id == request.request_id,
        at.state == request.state,
        at.attempt == request.attempt,
        at.due_on == request.due_on,
        at.paused_on.is_not_distinct_from(request.paused_on),
        at.extended_on.is_not_distinct_from(request.extended_on),
        at.failure.is_not_distinct_from(request.failure),
        at.run_id.is_not_distinct_from(request.run_id),
    ]
