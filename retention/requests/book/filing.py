"""Requests as the cases store holds them: what is sealed, found by id, and read back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from retention.encoding import decode, encode
from retention.installation import Installation
from retention.keys import Keyring
from retention.requests.model import Asked, Kind, Request, RequestError, RequestId, State
from retention.stores import cases
from retention.stores.open import reading

SHORTEST_PREFIX = 6
_ID = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},32}}")
_WHOLE = 32


def seal_asked(keyring: Keyring, request_id: RequestId, asked: Asked) -> bytes:
    """What a request says, sealed for its place."""
    fields = asdict(asked) | {
        "corrections": dict(asked.corrections), "purposes": list(asked.purposes)
    }  # fmt: skip
    return keyring.seal(f"asked:{request_id}", encode(fields))


def unseal_asked(keyring: Keyring, request_id: RequestId, blob: bytes | None) -> Asked | None:
    """What ``seal_asked`` sealed. Raises StoreError: it cannot be unsealed."""
    if blob is None:
        return None
    fields: Mapping[str, Any] = decode(keyring.unseal(f"asked:{request_id}", blob))
    return Asked(**{**fields, "purposes": tuple(fields.get("purposes", ()))})


def likeness(keyring: Keyring, kind: Kind, asked: Asked) -> str:
    """A token that is equal for the same request of the same person, however it is spaced.

    The person's own words do not count; what is to be corrected, and what is objected to, does.
    """
    said = sorted([name, _folded(value)] for name, value in asked.said().items())
    corrections = sorted([name, _folded(value)] for name, value in asked.corrections.items())
    about = [sorted(asked.purposes)] if asked.purposes else []
    return keyring.token("request", str(kind), said, corrections, *about)


def _folded(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def find_id(connection: Connection, request_id: str) -> RequestId:
    """The whole id, where its beginning (at least six characters) is unique.

    Raises:
        RequestError: there is no such request, or there are several.
    """
    if not _ID.fullmatch(request_id):
        # Not repeated: whoever mistakes the argument may have written a name here.
        raise RequestError(
            f"a request is named by its id, or by its first {SHORTEST_PREFIX} characters or more"
        )
    if len(request_id) == _WHOLE:
        return RequestId(request_id)
    at = cases.requests.c
    statement = sa.select(at.request_id).where(at.request_id.startswith(request_id)).limit(2)
    found = list(connection.execute(statement).scalars())
    if len(found) > 1:
        raise RequestError(f"several requests begin with '{request_id}'; give more of the id")
    return RequestId(found[0]) if found else _none(request_id)


def read(installation: Installation, connection: Connection, request_id: str) -> Request:
    """A request by its id or a unique beginning of it.

    Raises:
        RequestError: there is no such request, or there are several.
    """
    whole = find_id(connection, request_id)
    statement = sa.select(cases.requests).where(cases.requests.c.request_id == whole)
    row = connection.execute(statement).first()
    return as_request(installation.keyring, row) if row else _none(request_id)


def read_open(installation: Installation, connection: Connection, request_id: str) -> Request:
    """As ``read``, with the row locked until the transaction ends.

    Raises:
        RequestError: there is no such request, there are several, or it is not open.
    """
    at = cases.requests.c
    whole = find_id(connection, request_id)
    connection.execute(sa.select(at.state).where(at.request_id == whole).with_for_update())
    request = read(installation, connection, whole)
    if not request.is_open:
        raise RequestError(f"request '{request.request_id}' is {request.state}, not open")
    return request


def listed(installation: Installation, *, states: Collection[State] | None = None) -> list[Request]:
    """Requests in one of ``states`` (any where none are given), by the day they are due."""
    at = cases.requests.c
    statement = sa.select(cases.requests).order_by(at.due_on, at.created_at, at.request_id)
    if states is not None:
        statement = statement.where(at.state.in_([str(state) for state in states]))
    with reading(installation.stores.cases) as connection:
        return [as_request(installation.keyring, row) for row in connection.execute(statement)]


def as_request(keyring: Keyring, row: Row[Any]) -> Request:
    """A row of the store. Raises StoreError: what was asked cannot be unsealed."""
    request_id = RequestId(row.request_id)
    return Request(
        request_id=request_id,
        kind=Kind(row.kind),
        state=State(row.state),
        received_on=row.received_on,
        due_on=row.due_on,
        channel=row.channel,
        attempt=row.attempt,
        asked=unseal_asked(keyring, request_id, row.asked),
        verified_at=row.verified_at,
        extended_on=row.extended_on,
        paused_on=row.paused_on,
        paused_days=row.paused_days,
        run_id=row.run_id,
        failure=row.failure,
        answered_on=row.answered_on,
        forget_on=row.forget_on,
    )


def _none(request_id: str) -> NoReturn:
    raise RequestError(
        f"there is no request '{request_id}'; 'retention request list' shows what there is"
    )
