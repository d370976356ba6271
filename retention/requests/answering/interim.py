"""What a person is told before the answer, or before a restriction ends: letters in between.

That it takes longer and why (GDPR art. 12(3)), that it is in doubt who asks (art. 12(6)), that a
restriction is about to be lifted (art. 18(3)). As in the answer, nothing in them is about
anybody but what a person wrote as a reason. Why the identity is in doubt is not told: whoever
asks may be somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import sqlalchemy as sa

from retention import holds
from retention.installation import Installation
from retention.requests.answering import letter_texts as texts
from retention.requests.answering import wording
from retention.requests.answering.letters import framed
from retention.requests.answering.wording import Lang
from retention.requests.book import deadlines
from retention.requests.model import Kind, Request, RequestError, held_for
from retention.stores import cases
from retention.stores.open import reading


def before_the_answer(
    request: Request, installation: Installation, *, lang: Lang, as_of: date
) -> str:
    """The letter that says that the answer takes longer, or that it is in doubt who asks.

    Raises:
        RequestError: neither is so, or the request is not open any more.
    """
    since = [day for day in (request.extended_on, request.paused_on) if day]
    if not (request.is_open and since):
        raise RequestError(
            f"request '{request.request_id}': nothing is to be told before its answer; it is"
            " neither extended nor in doubt, or not open any more (of a restriction that will end,"
            " '--lifting TEXT' says why)"
        )
    body = [*_before(request, installation, lang, as_of)]
    return framed(request, body, installation, lang=lang, as_of=max(since))


def _before(request: Request, installation: Installation, lang: Lang, as_of: date) -> Iterator[str]:
    if request.extended_on is not None:
        due = deadlines.due_now(request, as_of)
        reason = _why_extended(installation, request)
        yield texts.EXTENDED[lang].format(reason=reason, day=wording.written(due, lang))
    if request.paused_on is not None:
        yield texts.DOUBTED[lang]


def _why_extended(installation: Installation, request: Request) -> str:
    at = cases.requests.c
    said = sa.select(at.extension_reason).where(at.request_id == request.request_id)
    with reading(installation.stores.cases) as connection:
        reason = connection.execute(said).scalar()
    if not reason:
        raise RequestError(
            f"request '{request.request_id}': it is extended without a reason, which a letter needs"
        )
    return str(reason)


def before_lifting(
    request: Request, installation: Installation, *, reason: str, lang: Lang, as_of: date
) -> str:
    """The letter that says, for ``reason``, that a restriction is about to be lifted.

    Raises:
        RequestError: it is no restriction that is in force.
    """
    wanted = held_for(request.request_id)
    in_force = any(hold.reason == wanted for hold in holds.holds(installation))
    if request.kind is not Kind.restriction or not in_force:
        raise RequestError(f"request '{request.request_id}' is no restriction that is in force")
    body = [texts.TO_BE_LIFTED[lang].format(reason=reason)]
    return framed(request, body, installation, lang=lang, as_of=as_of)
