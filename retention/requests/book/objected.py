"""What an objection is about, also once what was asked is no longer kept.

The purposes it names are in what was asked, sealed, and in its history: they are the policy's
words and nobody's data.
"""

from __future__ import annotations

import sqlalchemy as sa

from retention.installation import Installation
from retention.requests.model import Asked, Kind, Request, RequestId
from retention.stores import cases
from retention.stores.open import reading

_SAYS = "purposes: "


def note(asked: Asked) -> str | None:
    """What the history says of a new request, if it names purposes."""
    return _SAYS + ", ".join(asked.purposes) if asked.purposes else None


def named(installation: Installation, request: Request) -> tuple[str, ...]:
    """The purposes that an objection names; none where it is about prospecting."""
    if request.kind is not Kind.objection:
        return ()
    if request.asked is not None:
        return request.asked.purposes
    return in_history(installation, request.request_id)


def in_history(installation: Installation, request_id: RequestId) -> tuple[str, ...]:
    """As ``named``, by what is written down of a request."""
    at = cases.request_changes.c
    first = sa.select(at.reason).where(at.request_id == request_id, at.sequence == 1)
    with reading(installation.stores.cases) as connection:
        said = connection.execute(first).scalar() or ""
    return tuple(said.removeprefix(_SAYS).split(", ")) if said.startswith(_SAYS) else ()
