"""Requests of the scripted persons, for tests: their records are named, not resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from retention.catalogue.model import TableName
from retention.holds import Person, subject_token
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.carrying_out import carry_out
from retention.requests.doing.lifting import lift
from retention.requests.finding.identity import Match
from retention.requests.model import Asked, Kind, Outcome, Request
from tests.engine.lives import AS_OF
from tests.engine.small import START, clock

Clock = Any


def customer(number: int) -> Person:
    return TableName("crm.customers"), (number,)


def account(number: int) -> Person:
    return TableName("web.accounts"), (number,)


def ask(
    installation: Installation,
    kind: Kind,
    persons: Sequence[Person],
    *,
    archived: Sequence[Person] = (),
    corrections: Mapping[str, str] | None = None,
    email: str | None = None,
    purposes: Sequence[str] = (),
    now: Clock | None = None,
) -> Request:
    """A verified request of ``persons``; of those ``archived`` only the archive knows."""
    now = now or clock()
    asked = Asked(
        email=email or "someone@example.org", corrections=corrections or {},
        purposes=tuple(purposes),
    )  # fmt: skip
    request = casebook.add(
        installation, kind, asked, received_on=AS_OF, channel="command line", by="dpo", now=now()
    )
    matches = [match(installation, person) for person in persons]
    matches += [match(installation, person, key=False) for person in archived]
    casebook.put_subjects(installation, request.request_id, matches, now())
    return casebook.verify(
        installation, request.request_id, by="dpo", how="identity card", now=now()
    )


def match(installation: Installation, person: Person, *, key: bool = True) -> Match:
    token = subject_token(installation.keyring, *person)
    found_by = "customer_ref" if key else "archive"
    return Match(person[0], person[1] if key else (), token, found_by, exact=True)


def done(
    installation: Installation, request: Request, as_of: date = AS_OF, *, later: int = 1
) -> Request:
    """The request, carried out."""
    ticks = clock(START + timedelta(minutes=10 * later))
    return carry_out(installation, request.request_id, as_of=as_of, today=as_of, clock=ticks)


def lifted(installation: Installation, request: Request, *, later: int = 5) -> Request:
    ticks = clock(START + timedelta(minutes=10 * later))
    return lift(
        installation, request.request_id, by="dpo", reason="settled", as_of=AS_OF, today=AS_OF,
        clock=ticks,
    )  # fmt: skip


def said(installation: Installation, request: Request) -> dict[tuple[str, str, str], Any]:
    """The outcomes: (table, purpose, outcome) → (rows, until, because)."""
    return {
        (line.table, line.purpose, str(line.outcome)): (line.rows, line.until, line.because)
        for line in casebook.outcomes(installation, request.request_id)
    }


def tables_with(outcomes: Mapping[tuple[str, str, str], Any], outcome: Outcome) -> set[str]:
    return {table for table, _, found in outcomes if found == outcome}
