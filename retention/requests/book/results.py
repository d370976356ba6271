"""What came of a request: its outcomes, and what the search afterwards looks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.encoding import decode, encode
from retention.installation import Installation
from retention.requests.book import filing
from retention.requests.model import (
    Kind,
    Outcome,
    OutcomeLine,
    Request,
    RequestError,
    RequestId,
    State,
)
from retention.stores import cases
from retention.stores.open import reading, writing

WAITING = frozenset({Outcome.held, Outcome.review, Outcome.stopped})
"""What is taken up again when its cause has gone."""

UNFINISHED = WAITING | {Outcome.restricted}
"""What keeps a request's records and who asked: to take it up, or to lift."""

_LINES_OF_AN_ATTEMPT = 100_000
"""Lines are numbered by attempt: those of earlier ones stay, for evidence."""


def put_outcomes(installation: Installation, request_id: str, lines: Sequence[OutcomeLine]) -> None:
    """Keep what came of the present attempt, in place of what was kept of it before.

    Raises:
        RequestError: there is no such request, or it is not open.
    """
    with writing(installation.stores.cases) as connection:
        put(connection, filing.read_open(installation, connection, request_id), lines)


def put(connection: Connection, request: Request, lines: Sequence[OutcomeLine]) -> None:
    """As ``put_outcomes``, on a connection to the cases store, in whatever state it is."""
    table = cases.request_outcomes
    low = request.attempt * _LINES_OF_AN_ATTEMPT
    mine = table.c.sequence.between(low, low + _LINES_OF_AN_ATTEMPT - 1)
    connection.execute(table.delete().where(table.c.request_id == request.request_id, mine))
    rows = [
        {
            "request_id": request.request_id,
            "sequence": low + number,
            "table_name": line.table,
            "purpose": line.purpose,
            "outcome": line.outcome,
            "rows": line.rows,
            "until": line.until,
            "because": line.because,
        }
        for number, line in enumerate(lines)
    ]
    if rows:
        connection.execute(table.insert(), rows)


def outcomes(installation: Installation, request_id: str) -> list[OutcomeLine]:
    """What came of the last attempt that came to anything, in the order it was put.

    Raises:
        RequestError: there is no such request.
    """
    with reading(installation.stores.cases) as connection:
        request = filing.read(installation, connection, request_id)
        return outcomes_of(connection, request.request_id)


def outcomes_of(connection: Connection, request_id: RequestId) -> list[OutcomeLine]:
    """As ``outcomes``, on a connection to the cases store."""
    table = cases.request_outcomes
    statement = sa.select(table).where(table.c.request_id == request_id).order_by(table.c.sequence)
    rows = connection.execute(statement).all()
    at = cases.requests.c
    request = connection.execute(
        sa.select(at.state, at.attempt).where(at.request_id == request_id)
    ).one()
    # What was answered came to what its attempt did, if to nothing; what goes on, to the last.
    last = rows[-1].sequence // _LINES_OF_AN_ATTEMPT if rows else 0
    if request.state == State.answered:
        last = request.attempt
    return [
        OutcomeLine(
            table=row.table_name,
            purpose=row.purpose,
            outcome=Outcome(row.outcome),
            rows=row.rows,
            until=row.until,
            because=row.because,
        )
        for row in rows
        if row.sequence // _LINES_OF_AN_ATTEMPT == last
    ]


def ever(installation: Installation, outcome: Outcome) -> set[RequestId]:
    """The requests of which some attempt came to that, as one question to the store."""
    table = cases.request_outcomes
    statement = sa.select(table.c.request_id).where(table.c.outcome == outcome).distinct()
    with reading(installation.stores.cases) as connection:
        return {RequestId(found) for found in connection.execute(statement).scalars()}


def needs_who_asked(connection: Connection, request_id: RequestId) -> bool:
    """Whether something is to be taken up later, or restricted: the person is told of its end.

    What is refused is over, whatever an attempt before had come to.
    """
    at = cases.requests.c
    state = connection.execute(sa.select(at.state).where(at.request_id == request_id)).scalar()
    return state != State.refused and any(
        line.outcome in UNFINISHED for line in outcomes_of(connection, request_id)
    )


def keep_sought(installation: Installation, request_id: str, blob: Any) -> None:
    """Keep, sealed, what the person can be recognised by; ``None`` forgets it.

    ``blob`` is anything ``retention.encoding`` knows.

    Raises:
        RequestError: there is no such request, or it is not open.
        TypeError: a value of a type that cannot be encoded.
    """
    with writing(installation.stores.cases) as connection:
        request = filing.read_open(installation, connection, request_id)
        context = f"sought:{request.request_id}"
        sealed = None if blob is None else installation.keyring.seal(context, encode(blob))
        connection.execute(
            cases.requests.update()
            .where(cases.requests.c.request_id == request.request_id)
            .values(sought=sealed)
        )


def sought(installation: Installation, request_id: str) -> Any | None:
    """What ``keep_sought`` kept; none where nothing was, or it was forgotten.

    Raises:
        RequestError: there is no such request. StoreError: it cannot be unsealed.
    """
    at = cases.requests.c
    with reading(installation.stores.cases) as connection:
        whole = filing.read(installation, connection, request_id).request_id
        blob = connection.execute(sa.select(at.sought).where(at.request_id == whole)).scalar()
    return None if blob is None else decode(installation.keyring.unseal(f"sought:{whole}", blob))


_NOT_THEIRS = "not theirs"


def not_theirs(installation: Installation, request_id: str) -> frozenset[str]:
    """The places of which a person has said that what is found there is another person's.

    Raises:
        RequestError: there is no such request. StoreError: it cannot be unsealed.
    """
    return frozenset((sought(installation, request_id) or {}).get(_NOT_THEIRS, ()))


def add_not_theirs(
    installation: Installation, connection: Connection, request: Request, places: Collection[str]
) -> None:
    """Keep, with what is sought, that what the last search found in ``places`` is another's.

    Raises:
        RequestError: that search has found nothing there, or looked for wrong values only.
    """
    if request.kind is Kind.rectification:
        raise RequestError(
            "a wrong value is corrected wherever it is the person's; nothing else is"
        )
    failure = request.failure or ""
    for place in places:
        if f": {place} (" not in failure and f", {place} (" not in failure:
            raise RequestError(f"the last search has found nothing in '{place}'")
    at, context = cases.requests.c, f"sought:{request.request_id}"
    mine = at.request_id == request.request_id
    blob = connection.execute(sa.select(at.sought).where(mine)).scalar_one()
    kept = decode(installation.keyring.unseal(context, blob))
    kept[_NOT_THEIRS] = sorted({*kept.get(_NOT_THEIRS, ()), *places})
    sealed = installation.keyring.seal(context, encode(kept))
    connection.execute(cases.requests.update().where(mine).values(sought=sealed))
