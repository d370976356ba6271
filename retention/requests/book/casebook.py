"""The casebook: the one door to what is stored of requests.

What a person asked is sealed. Every change compares the request as it was read with the one
that is stored and sets it in one statement, so that of two processes one gets an error; it is
written down in the cases store and then in the ledger (``recording``).
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.book import deadlines, filing, objected, recording, sending
from retention.requests.book.filing import listed
from retention.requests.book.known import (
    KnownSubject,
    add_rows,
    choose,
    persons,
    put_seen,
    put_subjects,
    subjects,
    tokens,
)
from retention.requests.book.moving import (
    answer,
    doubt,
    extend,
    fail,
    move,
    refuse,
    retry,
    said,
    sent,
    verify,
)
from retention.requests.book.recording import Change, reconcile
from retention.requests.book.results import (
    WAITING,
    keep_sought,
    not_theirs,
    outcomes,
    put_outcomes,
    sought,
)
from retention.requests.model import OPEN, Asked, Kind, Request, RequestError, RequestId, State
from retention.stores import cases
from retention.stores.open import reading, writing

__all__ = [
    "WAITING", "AlreadyOpen", "Change", "KnownSubject", "add", "add_rows", "answer", "changes", "choose",
    "closed", "doubt", "extend", "fail", "get", "keep_sought", "listed", "move", "not_theirs",
    "outcomes", "persons", "put_outcomes", "put_seen", "put_subjects", "reconcile", "refuse",
    "retry", "sent", "sought", "subjects", "tokens", "verify",
]  # fmt: skip


class AlreadyOpen(RequestError):
    """The same request of the same person is being dealt with: ``request_id``."""

    def __init__(self, request_id: RequestId) -> None:
        self.request_id = request_id
        super().__init__(f"the same request is open already: '{request_id}'")


def add(
    installation: Installation,
    kind: Kind,
    asked: Asked,
    *,
    received_on: date,
    channel: str,
    by: str,
    now: datetime,
) -> Request:
    """Take a request in, as received. Whose records it is about is not asked here.

    Raises:
        AlreadyOpen: the same person's same request is open.
        RequestError: it says nothing of who asks, or was received in the future.
    """
    if not asked.said():
        raise RequestError("a request says who asks: give an e-mail address, a name, a reference")
    if received_on > day_in(now, installation.zone):
        raise RequestError("a request cannot have been received in the future")
    by = said(by, "who takes the request in")
    request_id = RequestId(uuid4().hex)
    fingerprint = filing.likeness(installation.keyring, kind, asked)
    row = {
        "request_id": request_id,
        "kind": kind,
        "state": State.received,
        "received_on": received_on,
        "due_on": deadlines.reply_due(received_on),
        "asked": filing.seal_asked(installation.keyring, request_id, asked),
        "fingerprint": fingerprint,
        "channel": channel,
        "created_at": now,
        "paused_days": 0,
        "attempt": 1,
    }
    with writing(installation.stores.cases) as connection:
        _refuse_repeated(connection, fingerprint)
        connection.execute(cases.requests.insert(), row)
        recording.record(
            connection, request_id, "received", State.received, by=by,
            reason=objected.note(asked), now=now,
        )  # fmt: skip
    recording.enter(installation, request_id, now)
    return get(installation, request_id)


def _refuse_repeated(connection: Connection, fingerprint: str) -> None:
    if connection.dialect.name == "postgresql":
        # Two processes with the same request: the second waits, and then finds the first's.
        lock = sa.func.pg_advisory_xact_lock(int(fingerprint[:15], 16))
        connection.execute(sa.select(lock))
    at = cases.requests.c
    statement = sa.select(at.request_id).where(
        at.fingerprint == fingerprint, at.state.in_([str(state) for state in OPEN])
    )
    known = connection.execute(statement).scalars().first()
    if known is not None:
        raise AlreadyOpen(RequestId(known))


def get(installation: Installation, request_id: str) -> Request:
    """A request, by its id or a unique beginning of it (six characters or more).

    Raises:
        RequestError: there is no such request, or there are several.
    """
    with reading(installation.stores.cases) as connection:
        return filing.read(installation, connection, request_id)


def changes(installation: Installation, request_id: str) -> list[Change]:
    """Everything that happened to a request, in order.

    Raises:
        RequestError: there is no such request.
    """
    return recording.changes_of(installation, get(installation, request_id).request_id)


def closed(installation: Installation, request_id: str) -> bool:
    """Whether nothing is left to do: answered or refused, and everybody told.

    Every recipient, that is, and the person, for as long as it is kept who asked.

    Raises:
        RequestError: there is no such request.
    """
    at = cases.outbox.c
    with reading(installation.stores.cases) as connection:
        request = filing.read(installation, connection, request_id)
        unsent = sa.select(at.notice_id).where(
            at.request_id == request.request_id, at.sent_at.is_(None)
        )
        if request.is_open or connection.execute(unsent.limit(1)).first() is not None:
            return False
        letter = sending.letter_on(installation, connection, request.request_id)
        return request.asked is None or letter is None or letter.sent
