"""What a request is about: whose records, what they asked, what carrying it out aims at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from retention.holds import Person
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing import rectifying
from retention.requests.doing.aims import PersonAim, aim_of
from retention.requests.doing.persons import read_person
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
    corrections: Mapping[Any, Mapping[str, Any]] = {}
    if request.kind is Kind.rectification:
        tables = list(read_person(installation, known.persons, as_of))
        corrections = rectifying.corrections(installation, tables, asked_of(request).corrections)
    return aim_of(installation, request.kind, known.persons, as_of, corrections)


def asked_of(request: Request) -> Asked:
    """What the request says of the person.

    Raises:
        RequestError: that is no longer kept, since the request was answered long ago.
    """
    if request.asked is None:
        raise RequestError(f"request {request.request_id[:8]}: what it asked is no longer kept")
    return request.asked
