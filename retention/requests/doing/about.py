"""What a request is about: whose records, what they asked, what carrying it out aims at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from retention.holds import Person
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing import rectifying
from retention.requests.doing.aims import PersonAim, aim_of
from retention.requests.doing.waiting import waiting
from retention.requests.finding import identity
from retention.requests.model import Asked, Kind, Request, RequestError, RequestId


@dataclass(frozen=True)
class Known:
    """Whom a request is about."""

    persons: tuple[Person, ...]
    tokens: tuple[str, ...]


def known_of(installation: Installation, request_id: RequestId) -> Known:
    """Whom a request is about: records in the sources, and subjects in sources and archive."""
    persons = casebook.persons(installation, request_id)
    return Known(
        (*persons, *_back(installation, request_id)),
        tuple(casebook.tokens(installation, request_id)),
    )


def _back(installation: Installation, request_id: RequestId) -> list[Person]:
    """Records that only the archive had when they were looked for, and that are back.

    A restriction has ended since. Only the very same records are taken; nobody is added.
    """
    chosen = [item for item in casebook.subjects(installation, request_id) if item.chosen]
    missing = {item.token for item in chosen if not item.key}
    asked = casebook.get(installation, request_id).asked
    if not missing or asked is None:
        return []
    found = identity.resolve(installation, asked)
    return [(item.table, item.key) for item in found if item.key and item.token in missing]


def aim_for(installation: Installation, request: Request, known: Known, as_of: date) -> PersonAim:
    """What carrying the request out aims at, on the records of ``known``.

    Raises:
        RequestError: a column cannot hold what a rectification asks for.
    """
    if request.kind is not Kind.rectification:
        aim = aim_of(installation, request.kind, known.persons, as_of)
        return replace(aim, waiting=waiting(installation, aim))
    right = rectification_of(installation, request, known, as_of)
    return aim_of(
        installation, request.kind, known.persons, as_of, right.rows, tuple(right.archived)
    )


def rectification_of(
    installation: Installation, request: Request, known: Known, as_of: date
) -> rectifying.Rectification:
    """What a rectification has to write now, and what it leaves as it is.

    Raises:
        RequestError: a system could not take it.
    """
    return rectifying.planned(
        installation, request.request_id, known.persons, known.tokens,
        asked_of(request), as_of,
    )  # fmt: skip


def asked_of(request: Request) -> Asked:
    """What the request says of the person.

    Raises:
        RequestError: that is no longer kept, since the request was answered long ago.
    """
    if request.asked is None:
        raise RequestError(f"request {request.request_id[:8]}: what it asked is no longer kept")
    return request.asked
