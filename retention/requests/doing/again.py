"""Carrying an erasure out again on records that a restored backup has brought back.

Only the very rows that were erased are taken up by the program. What merely looks like one of
them, and what a restriction had taken out, is shown, and a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from retention.holds import subject_token
from retention.identities import field_of, normal
from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.book import casebook, filing, recording
from retention.requests.book.moving import said
from retention.requests.finding.identity import Match
from retention.requests.model import FIELDS, RESTORED, Asked, Kind, RequestError, RequestId
from retention.requests.proving.returning import Returned
from retention.stores import cases
from retention.stores.open import writing

BY = "orchestrator"


def redo(
    installation: Installation, found: Sequence[Returned], now: datetime
) -> dict[RequestId, RequestId]:
    """A verified request for each answered erasure whose very rows are back.

    Returns the new request's id by the old one's. Repeatable: while a new one is open its
    records count as seen to, and one that could not be made is made the next time.

    Raises:
        RequestError: a request cannot be kept. StoreError: a store cannot be used.
    """
    sure = [item for item in found if item.unchanged and item.kind is Kind.erasure]
    made: dict[RequestId, RequestId] = {}
    for old, items in groupby(sure, key=lambda item: item.request_id):
        try:
            made[old] = _open(installation, old, list(items), now)
        except casebook.AlreadyOpen:
            continue  # of another old request, with the same person: the next time
    return made


def keep(
    installation: Installation, request_id: str, *, by: str, reason: str, now: datetime
) -> int:
    """A person puts back what a request took out, an erasure by mistake: it may be there again.

    From now on its records are not looked for; returns how many were. Repeatable.

    Raises:
        RequestError: there is no such request, it is still open, or nobody says why.
    """
    by, reason = said(by, "who decides that"), said(reason, "why it may return")
    entry = cases.taken_out
    with writing(installation.stores.cases) as connection:
        request = filing.read(installation, connection, request_id)
        if request.is_open:
            raise RequestError(
                f"request '{request.request_id}' is {request.state}: not answered yet"
            )
        here = entry.delete().where(entry.c.request_id == request.request_id)
        forgotten = connection.execute(here).rowcount
        if forgotten:
            recording.record(
                connection, request.request_id, "may return", request.state,
                by=by, reason=reason, now=now,
            )  # fmt: skip
    recording.enter(installation, request.request_id, now)
    return forgotten


def _open(
    installation: Installation, old: RequestId, found: Sequence[Returned], now: datetime
) -> RequestId:
    request = casebook.add(
        installation,
        Kind.erasure,
        _asked(installation, old, found),
        received_on=day_in(now, installation.zone),
        channel=RESTORED,
        by=BY,
        now=now,
    )
    matches = [
        Match(
            item.table,
            item.key,
            subject_token(installation.keyring, item.table, item.key),
            found_by=RESTORED,
            exact=True,
        )
        for item in found
    ]
    casebook.put_subjects(installation, request.request_id, matches, now)
    how = f"the very records that request {old[:12]} erased are there again, unchanged"
    casebook.verify(installation, request.request_id, by=BY, how=how, now=now)
    return request.request_id


def _asked(installation: Installation, old: RequestId, found: Sequence[Returned]) -> Asked:
    """Who it is about, by the first record: for people who look at the request."""
    item = found[0]
    declared, region = (
        installation.catalogue.table(item.table),
        installation.settings.requests.region,
    )
    fields: dict[str, Any] = {"customer_ref": " ".join(str(part) for part in item.key)}
    for name, column in declared.columns.items():
        field, value = field_of(column), item.row.get(name)
        if field in FIELDS and field not in fields and value is not None:
            form = normal(field, value, region) if field == "phone" else str(value).strip()
            if form:
                fields[field] = form
    return Asked(**fields, message=f"request {old}")
