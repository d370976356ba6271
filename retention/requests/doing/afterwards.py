"""After the stages: nothing planned may be left to do, and others have to be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from retention.errors import SourceError
from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.answering.recipients import untold
from retention.requests.answering.telling import told
from retention.requests.book import casebook
from retention.requests.doing import opposition
from retention.requests.doing.about import Known, aim_for, asked_of
from retention.requests.doing.planning import RequestPlan, plan_request
from retention.requests.doing.rectifying import follow_opposition
from retention.requests.finding.likeness import Sought
from retention.requests.finding.narrowing import narrowed
from retention.requests.finding.searching import persons_tables, read
from retention.requests.model import Asked, Kind, OutcomeLine, Request, RequestError
from retention.requests.proving.sought import contacts


def look_again(
    installation: Installation,
    request: Request,
    known: Known,
    lines: Sequence[OutcomeLine],
    as_of: date,
) -> list[OutcomeLine]:
    """Nothing of what was planned may be left to do. Returns what is to be told.

    That is what was planned (``lines``), less what somebody has stopped meanwhile by a hold, and
    less what no longer waits (for prospecting nobody holds it any more, say).

    Raises:
        RequestError: something is: a row changed meanwhile, or is still referred to.
    """
    aim = aim_for(installation, request, known, as_of)
    again = plan_request(installation, request, known.persons, known.tokens, aim, {})
    if again.left:
        places = ", ".join(sorted({f"{item.table} ({item.rows})" for item in again.left}))
        raise RequestError(
            f"not everything could be done: {places}: rows changed meanwhile, or another table "
            "still refers to them; see to it, then 'retention request retry'"
        )
    waiting = {line for line in again.outcomes if line.outcome in casebook.WAITING}
    if waiting == {line for line in lines if line.outcome in casebook.WAITING}:
        return list(lines)
    kept = [line for line in lines if line.because == "evidence"]
    now = told(lines, [*again.outcomes, *kept])
    casebook.put_outcomes(installation, request.request_id, now)
    return now


def tell_others(
    installation: Installation,
    request: Request,
    lines: Sequence[OutcomeLine],
    new: RequestPlan,
    as_of: date,
    now: datetime,
) -> None:
    """The opposition list, and a notice for each recipient.

    ``lines`` are the outcomes of all attempts, ``new`` is what this one did.
    """
    if request.kind is Kind.erasure or _stops_prospecting(installation, request, as_of):
        sought = casebook.sought(installation, request.request_id) or {}
        theirs = [
            (field, value)
            for field, value in dict.fromkeys(contacts(sought))
            if not _is_others_too(installation, request, field, value, as_of)
        ]
        who = [*asked_of(request).said().items(), *theirs]
        opposition.add(installation, who, as_of=as_of)
    if request.kind is Kind.rectification:
        corrections = asked_of(request).corrections
        follow_opposition(installation, request.request_id, corrections, as_of)
    outbox.notify(installation, request, untold(installation, request, lines, new), now)


def _stops_prospecting(installation: Installation, request: Request, as_of: date) -> bool:
    """Whether it is an objection after which the person may not be solicited any more."""
    if request.kind is not Kind.objection:
        return False
    named = asked_of(request).purposes
    watched = installation.policy.version_on(as_of).purposes
    return not named or any(opposition.ends_by_objection(watched[name]) for name in named)


def _is_others_too(
    installation: Installation, request: Request, field: str, value: str, as_of: date
) -> bool:
    """Whether a record that is not the person's has an e-mail or phone of theirs as well.

    A placeholder or a household's number: that its owner objected can be said of nobody.
    What the request itself says counts for all who have it.
    """
    asked = Asked(email=value) if field == "email" else Asked(phone=value)
    sought = Sought.of(asked, installation.settings.requests.region)
    own = set(casebook.tokens(installation, request.request_id))
    watched = opposition.prospecting_tables(installation, as_of)
    for name in persons_tables(installation):
        condition = narrowed(installation, name, sought) if name in watched else None
        if condition is None:
            continue
        try:
            found = read(installation, name, condition, sought, likely=True)
            if any(item.token not in own for item in found):
                return True
        except SourceError:
            continue  # what cannot be read is nobody's as far as can be told
    return False
