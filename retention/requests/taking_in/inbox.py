"""The inbox: a folder in which other programs drop requests as JSON files.

A file goes through ``taking/`` into ``done/`` or, with its reasons beside it, into
``rejected/``. On the way it gets a number of its own, which the request's first entry in the
casebook names in the same transaction. So a crash at any point makes no second request: a
file found in ``taking/`` is either in the casebook under its number or it is not.

What a file asks is then in the casebook, sealed. In ``done/`` only a receipt stays: a person
who is erased is not to live on in a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain, islice
from pathlib import Path

import sqlalchemy as sa

from retention.errors import ConfigurationError, RetentionError, StoreError
from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.book import casebook
from retention.requests.model import Request, RequestError, RequestId
from retention.requests.taking_in import inbox_files
from retention.requests.taking_in.intake import (
    OLDEST,
    NewRequest,
    Rejected,
    Unreadable,
    read_document,
    read_request,
)
from retention.requests.taking_in.receiving import receive, settle
from retention.stores import cases
from retention.stores.open import reading
from retention.unexpected import unexpected_text

__all__ = ["CHANNEL", "Taken", "receive", "take_in"]

CHANNEL = "inbox"
TAKING, DONE, REJECTED = "taking", "done", "rejected"

PATIENCE = timedelta(seconds=60)
"""For so long a file that is no JSON may be one that is still being written."""


@dataclass(frozen=True)
class Taken:
    """What became of a file.

    With ``reasons`` alone the file is in ``rejected/``. With a ``request_id`` and ``reasons``
    the request is taken in, but whose records it is about is not known yet: that is tried again
    the next time. ``file`` is a name that another program gave: it is not for logs.
    """

    file: str
    request_id: RequestId | None
    reasons: tuple[str, ...] = ()


def take_in(
    installation: Installation, now: datetime, *, by: str = CHANNEL, most: int | None = None
) -> list[Taken]:
    """Take in every ``*.json`` file of the inbox, oldest name first, at most ``most`` of them.

    Files that an earlier call left half-way come before them. One that is still being written is
    left. Of two processes the second waits. ``by`` is who takes them in.

    Raises:
        ConfigurationError: the folder cannot be used.
        StoreError: a store cannot be used; what is left will be taken in later.
    """
    inbox = inbox_of(installation)
    with inbox_files.opened(inbox, TAKING, DONE, REJECTED):
        taking = inbox / TAKING
        left = sorted(inbox_files.names(taking), key=inbox_files.given_name)
        known = {name: _known(installation, name) for name in left}
        todo = chain(left, islice(_claimed(inbox, now), most))
        return [_take(installation, taking / name, by, now, known.get(name)) for name in todo]


def inbox_of(installation: Installation) -> Path:
    """The folder where requests are dropped."""
    return installation.settings.path(installation.settings.requests.inbox)


def forget_rejected(installation: Installation, now: datetime) -> int:
    """Delete what was rejected longer ago than a package is kept: nothing came of it.

    Returns how many files. A rejected file may hold what somebody wrote of themselves.

    Raises:
        ConfigurationError: the folder cannot be used.
    """
    folder = inbox_of(installation) / REJECTED
    today = now.date()
    until: date = installation.policy.requests.packages.lasts.after(today)
    kept = timedelta(days=until.toordinal() - today.toordinal())
    try:
        return inbox_files.forget(folder, now - kept)
    except OSError as error:
        raise ConfigurationError(f"requests.inbox: {folder}: {error.strerror}") from None


def _claimed(inbox: Path, now: datetime) -> Iterator[str]:
    """Claim the dropped files one by one, each when its turn comes."""
    for name in inbox_files.names(inbox):
        try:
            if _is_whole(inbox / name, now):
                yield inbox_files.claim(inbox / name, inbox / TAKING)
        except FileNotFoundError:
            continue  # whoever dropped it has taken it back


def _is_whole(path: Path, now: datetime) -> bool:
    try:
        read_document(inbox_files.read(path)[0])
    except Unreadable:
        # A file from the future comes from a wrong clock: it is not waited for for ever.
        return abs(now - inbox_files.written_at(path)) >= PATIENCE
    except Rejected:
        return True
    return True


def _take(
    installation: Installation, path: Path, by: str, now: datetime, known: RequestId | None
) -> Taken:
    """See to a claimed file; ``known`` is the request that an earlier attempt made of it."""
    name, taker = inbox_files.given_name(path.name), f"{by[:150]}{_mark(path.name)}"
    try:
        new = _read(installation, path, now)
    except Rejected as error:
        if known is None:
            inbox_files.move(path, path.parent.parent / REJECTED, error.reasons)
            return Taken(name, None, error.reasons)
        new = None  # a receipt already, or what it says of its verification is past reading
    try:
        if known is None:
            inbox_files.keep_number(path)
        request = _kept(installation, known, new, taker, now)
    except RequestError as error:
        reasons = (str(error),)
        inbox_files.move(path, path.parent.parent / REJECTED, reasons)
        return Taken(name, None, reasons)
    try:
        settle(installation, request, new.verified if new else None, now)
    except StoreError:
        raise
    except RetentionError as error:
        return Taken(name, request.request_id, (str(error),))
    except Exception as error:  # noqa: BLE001 - one request must not keep all others waiting
        return Taken(name, request.request_id, (unexpected_text(error),))
    inbox_files.replace(path, _receipt(request, now))
    inbox_files.move(path, path.parent.parent / DONE)
    return Taken(name, request.request_id)


def _read(installation: Installation, path: Path, now: datetime) -> NewRequest:
    data, written = inbox_files.read(path)
    today, arrived = (day_in(at, installation.zone) for at in (now, written))
    return read_request(
        read_document(data),
        installation.settings.requests.region,
        today=today,
        # A wrong clock is no evidence of when a request arrived.
        arrived=arrived if today - OLDEST <= arrived <= today else today,
        custom=installation.policy.custom_categories,
        purposes=installation.policy.version_on(today).purposes,
    )


def _kept(
    installation: Installation,
    known: RequestId | None,
    new: NewRequest | None,
    taker: str,
    now: datetime,
) -> Request:
    """The request in the casebook: put there now, unless it is there already."""
    if known is not None:
        return casebook.get(installation, known)
    assert new is not None
    return casebook.add(
        installation,
        new.kind,
        new.asked,
        received_on=new.received_on,
        channel=CHANNEL,
        by=taker,
        now=now,
    )


def _mark(name: str) -> str:
    """What ends the name of who took a file in: that of this very file."""
    return f", file {inbox_files.number_of(name)}"


def _known(installation: Installation, name: str) -> RequestId | None:
    at = cases.request_changes.c
    statement = sa.select(at.request_id).where(at.sequence == 1, at.by.endswith(_mark(name)))
    with reading(installation.stores.cases) as connection:
        found = connection.execute(statement).scalars().first()
    return RequestId(found) if found else None


def _receipt(request: Request, now: datetime) -> str:
    said = {
        "request_id": request.request_id,
        "kind": request.kind,
        "received_on": request.received_on.isoformat(),
        "taken_in_at": now.isoformat(timespec="seconds"),
    }
    return json.dumps(said, indent=2) + "\n"
