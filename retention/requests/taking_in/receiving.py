"""A request on its way in: kept, looked up in every system and the archive, perhaps verified.

Whose records it is about is looked up when it is received, when it is verified and when a
person has chosen: what has come into a system since is found, what was chosen stays chosen.
"""

from __future__ import annotations

from datetime import datetime

from retention.errors import SourceError
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.book.casebook import KnownSubject
from retention.requests.finding import identity
from retention.requests.model import Request, RequestError, RequestId, State
from retention.requests.taking_in.intake import NewRequest, Verification


class NotLookedUp(SourceError):
    """The request is taken in, its clock runs, and a system is out of reach."""

    def __init__(self, request_id: RequestId, why: str) -> None:
        self.request_id = request_id
        super().__init__(
            f"request '{request_id}' is taken in, but whose records it is about could not be"
            f" looked up ({why}); 'retention request verify' looks again"
        )


def receive(
    installation: Installation, new: NewRequest, *, channel: str, by: str, now: datetime
) -> Request:
    """Take a request in, look up whose records it is about, verify it where that is allowed.

    Raises:
        RequestError: the same request is open (``AlreadyOpen``); nothing is taken in.
        NotLookedUp: it is taken in, and stays received.
    """
    request = casebook.add(
        installation,
        new.kind,
        new.asked,
        received_on=new.received_on,
        channel=channel,
        by=by,
        now=now,
    )
    return settle(installation, request, new.verified, now)


def settle(
    installation: Installation, request: Request, verified: Verification | None, now: datetime
) -> Request:
    """What follows once a request is kept; repeatable.

    What it says of its own verification counts only where ``requests.inbox_may_verify`` is set
    and every record that was found is beyond doubt.

    Raises:
        NotLookedUp: a system is out of reach.
    """
    if request.state is not State.received:
        return request
    in_doubt = look_up(installation, request, now)
    if verified is None or in_doubt or not installation.settings.requests.inbox_may_verify:
        return casebook.get(installation, request.request_id)
    return casebook.verify(
        installation, request.request_id, by=verified.by, how=verified.how, now=now
    )


def verify(
    installation: Installation, request_id: str, *, by: str, how: str, now: datetime
) -> Request:
    """A person has made sure who asks. The systems are looked through again before.

    Raises:
        RequestError: there is no such request, it is not received, or a choice is open.
        NotLookedUp: a system is out of reach.
    """
    request = casebook.get(installation, request_id)
    if request.state is State.received:
        look_up(installation, request, now)
    return casebook.verify(installation, request.request_id, by=by, how=how, now=now)


def choose(
    installation: Installation,
    request_id: str,
    table: str,
    token_prefix: str,
    *,
    yes: bool,
    by: str,
    now: datetime,
) -> KnownSubject:
    """A person says whether a record is the asking person's; then its links are followed.

    What the record says of whose it is at that moment is what it will be held against.

    Raises:
        RequestError: as ``casebook.choose``.
        NotLookedUp: the choice is kept, but a system is out of reach.
    """
    chosen = casebook.choose(installation, request_id, table, token_prefix, yes=yes, by=by, now=now)
    request = casebook.get(installation, request_id)
    if yes and chosen.key:
        person = (chosen.table, chosen.key)
        try:
            rows = identity.rows_seen(installation, [person])
        except SourceError as error:
            raise NotLookedUp(request.request_id, str(error)) from None
        if (seen := rows.get((chosen.table, chosen.token))) is not None:
            casebook.put_seen(installation, request.request_id, chosen, seen)
    look_up(installation, request, now)
    return chosen


def look_up(installation: Installation, request: Request, now: datetime) -> bool:
    """Keep whose records the request may be about. Whether a person has to choose among them.

    Raises:
        RequestError: what it asked is not kept any more. NotLookedUp: a system is out of reach.
    """
    if request.asked is None:
        raise RequestError(f"request '{request.request_id}': what was asked is not kept any more")
    try:
        found = identity.resolve(installation, request.asked)
        chosen = casebook.persons(installation, request.request_id)
        linked = identity.linked(installation, request.asked, chosen) if chosen else []
    except SourceError as error:
        raise NotLookedUp(request.request_id, str(error)) from None
    matches = {(match.table, match.token): match for match in (*linked, *found)}
    casebook.put_subjects(installation, request.request_id, list(matches.values()), now)
    return any(
        subject.chosen is None for subject in casebook.subjects(installation, request.request_id)
    )
