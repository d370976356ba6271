"""Off the opposition list: a person who had objected has consented anew since.

Only on the word of somebody who has seen the new consent. What was taken off, when, by whom and
why is kept as long as an entry of the list itself, and is in the ledger without either value.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.book import recording
from retention.requests.doing.opposition import prints_of
from retention.requests.model import RequestError
from retention.stores.cases import opposition, opposition_removed
from retention.stores.open import reading, writing

TABLE = "opposition"
"""What entries about the list have for a table in the ledger."""

_REMOVED = "removed"


def remove(
    installation: Installation,
    who: Iterable[tuple[str, str]],
    *,
    reason: str,
    by: str,
    now: datetime,
) -> int:
    """Take a person's e-mails and phones off the list; returns how many entries went.

    ``who`` are pairs of field (``email``, ``phone``) and value, in whatever way it is written.
    An address that stood on the list by several objections goes with all of them.

    Raises:
        RequestError: none of it is on the list, or nobody says why. StoreError: a store cannot
            be used.
    """
    reason, by = reason.strip(), by.strip()
    if not reason or not by:
        raise RequestError("say by whom and why: when and how the person consented anew")
    reconcile(installation, now)
    prints = prints_of(installation, who)
    at, day = opposition.c, day_in(now, installation.zone)
    here = sa.tuple_(at.field, at.fingerprint).in_(sorted(prints))
    with writing(installation.stores.cases) as connection:
        gone = connection.execute(opposition.delete().where(here)).rowcount if prints else 0
        if not gone:
            raise RequestError("neither the e-mail nor the phone is on the opposition list")
        removal = {
            "removal_id": uuid4().hex,
            "entries": gone,
            "removed_on": day,
            "removed_by": by,
            "reason": reason,
            "expires_on": installation.policy.requests.opposition.lasts.after(day),
        }
        connection.execute(opposition_removed.insert(), removal)
    reconcile(installation, now)
    return gone


def reconcile(installation: Installation, now: datetime) -> int:
    """Enter into the ledger what it lacks of removals; returns how many entries were written."""
    with reading(installation.stores.cases) as connection:
        made = connection.execute(sa.select(opposition_removed)).all()
    with writing(installation.stores.control) as connection:
        written = sum(
            recording.enter_once(
                installation,
                connection,
                (row.removal_id, TABLE, _REMOVED),
                transition=_REMOVED,
                as_of=row.removed_on,
                counts={"entries": row.entries},
                leaf=[row.removal_id, row.entries],
                now=now,
            )
            for row in made
        )
    if written:
        recording.export_head(installation)
    return written
