"""What a request is about: whose records, what they asked, what carrying it out aims at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from retention.holds import Person
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.book.casebook import KnownSubject
from retention.requests.doing import rectifying, theirs
from retention.requests.doing.aims import PersonAim, aim_of
from retention.requests.doing.waiting import waiting
from retention.requests.finding import identity
from retention.requests.finding.holders import Relation, relation
from retention.requests.model import Asked, Kind, Request, RequestError, RequestId


@dataclass(frozen=True)
class Known:
    """Whom a request is about."""

    persons: tuple[Person, ...]
    tokens: tuple[str, ...]
    """Of the subjects whose records in the archive, if there are any, are theirs."""

    @property
    def nobody(self) -> bool:
        """Whether nobody of that description is known."""
        return not (self.persons or self.tokens)


def known_of(installation: Installation, request_id: RequestId) -> Known:
    """Whom a request is about: records in the sources, and subjects in sources and archive.

    What is another person's by now, under the same key, is left out.

    Raises:
        RequestError: whose a record is cannot be told any more.
    """
    asked = casebook.get(installation, request_id).asked
    said = identity.said_of(installation, asked) if asked else frozenset()
    chosen = [item for item in casebook.subjects(installation, request_id) if item.chosen]
    persons = theirs.rows_of(installation, chosen, said)
    return Known(
        (*persons, *_back(installation, chosen, asked)),
        tuple(sorted(set(theirs.archived_of(installation, chosen, said)))),
    )


def _back(
    installation: Installation, chosen: Sequence[KnownSubject], asked: Asked | None
) -> list[Person]:
    """Records that only the archive had when they were looked for, and that are back.

    A restriction has ended since. Only the very same records are taken; nobody is added.
    """
    missing = {item.token: item.seen for item in chosen if not item.key}
    if not missing or asked is None:
        return []
    return [
        (item.table, item.key)
        for item in identity.resolve(installation, asked)
        if item.key and item.token in missing
        and relation(missing[item.token], item.seen) is not Relation.other
    ]  # fmt: skip


def aim_for(installation: Installation, request: Request, known: Known, as_of: date) -> PersonAim:
    """What carrying the request out aims at, on the records of ``known``.

    Raises:
        RequestError: a column cannot hold what a rectification asks for, or the policy has lost
            a purpose that an objection names.
    """
    if request.kind is not Kind.rectification:
        purposes = request.asked.purposes if request.asked else ()
        if lost := set(purposes) - installation.policy.version_on(as_of).purposes.keys():
            raise RequestError(
                f"request {request.request_id[:8]}: the policy has no purpose "
                f"{', '.join(sorted(lost))} any more; refuse it and take in one that names "
                "today's purposes"
            )
        aim = aim_of(installation, request.kind, known.persons, as_of, purposes=purposes)
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
