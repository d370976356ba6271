"""What requests leave behind goes when its time is over (the policy's ``requests``)."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

import sqlalchemy as sa

from retention.forgetting import forget_released, forget_unseen
from retention.installation import Installation
from retention.requests.book import recording, sending
from retention.requests.book.results import needs_who_asked
from retention.requests.doing import renewed
from retention.requests.model import RequestId
from retention.requests.taking_in import inbox
from retention.stores import cases, control
from retention.stores.open import reading, writing

_OF_A_REQUEST = (
    cases.request_changes,
    cases.request_subjects,
    cases.request_outcomes,
    cases.packages,
    cases.outbox,
    cases.taken_out,
)


def retire(installation: Installation, as_of: date, now: datetime) -> Counter[str]:
    """Forget what is past its last day; repeatable, and safe to break off anywhere.

    Counts: ``requests`` forgotten with all their rows; ``packages`` made unreadable, their key
    first; entries of the ``opposition`` list taken off; requests ``emptied`` of what was asked
    (once their letter is marked as sent, or as long after it as a package is kept) or of the keys
    of records; requests that are ``waiting``: past their day, yet something is held or restricted
    for them, or a recipient is not told; ``rejected`` files of the inbox; ``holds`` released long
    ago; ``reviews`` of rows that are not met with any more.

    Raises:
        StoreError: a store cannot be used.
    """
    # Whatever is forgotten here must be in the ledger first.
    recording.reconcile(installation, now)
    renewed.reconcile(installation, now)
    done: Counter[str] = Counter()
    done["packages"] = _expire_packages(installation, as_of, now)
    with writing(installation.stores.cases) as connection:
        at = cases.opposition.c
        gone = cases.opposition.delete().where(at.expires_on < as_of)
        done["opposition"] = connection.execute(gone).rowcount
        removed = cases.opposition_removed
        connection.execute(removed.delete().where(removed.c.expires_on < as_of))
    emptied: set[RequestId] = set()
    for request_id, forget_on in _ended(installation):
        if _unfinished(installation, request_id):
            done["waiting"] += forget_on < as_of
        elif forget_on < as_of:
            done["requests"] += _forget(installation, request_id, as_of, now)
        elif _empty(installation, request_id):
            emptied.add(request_id)
    done["emptied"] = len(emptied | sending.forget_who_asked(installation, as_of))
    _drop_salts(installation)
    done["rejected"] = inbox.forget_rejected(installation, now)
    done["holds"] = forget_released(installation, as_of)
    done["reviews"] = forget_unseen(installation, as_of)
    return done


def _expire_packages(
    installation: Installation,
    as_of: date,
    now: datetime,
) -> int:
    at = cases.packages.c
    statement = sa.select(at.package_id, at.unit_id).where(
        at.expires_on < as_of, at.sealed.is_not(None)
    )
    with reading(installation.stores.cases) as connection:
        found = connection.execute(statement).all()
    # The key first: a package that is still there without it is found again, and unreadable.
    installation.keyring.destroy_units([row.unit_id for row in found], now)
    with writing(installation.stores.cases) as connection:
        for row in found:
            emptied = cases.packages.update().where(at.package_id == row.package_id)
            connection.execute(emptied.values(sealed=None))
    return len(found)


def _ended(installation: Installation) -> list[tuple[RequestId, date]]:
    at = cases.requests.c
    statement = (
        sa.select(at.request_id, at.forget_on)
        .where(sending.over(), at.forget_on.is_not(None))
        .order_by(at.forget_on, at.request_id)
    )
    with reading(installation.stores.cases) as connection:
        return [(RequestId(row[0]), row[1]) for row in connection.execute(statement)]


def _unfinished(installation: Installation, request_id: RequestId) -> bool:
    """Whether the request's records are still needed: to take it up, to lift, to tell."""
    at = cases.outbox.c
    unsent = sa.select(at.notice_id).where(at.request_id == request_id, at.sent_at.is_(None))
    with reading(installation.stores.cases) as connection:
        untold = connection.execute(unsent.limit(1)).first() is not None
        return untold or needs_who_asked(connection, request_id)


def _forget(installation: Installation, request_id: RequestId, as_of: date, now: datetime) -> bool:
    at, request = cases.packages.c, cases.requests.c
    with reading(installation.stores.cases) as connection:
        units = sa.select(at.unit_id).where(at.request_id == request_id)
        unit_ids = list(connection.execute(units).scalars())
    installation.keyring.destroy_units(unit_ids, now)
    # Not one that was taken up again since it was found.
    still = cases.requests.delete().where(
        request.request_id == request_id, sending.over(), request.forget_on < as_of
    )
    with writing(installation.stores.cases) as connection:
        if connection.execute(still).rowcount != 1:
            return False
        for table in _OF_A_REQUEST:
            connection.execute(table.delete().where(table.c.request_id == request_id))
    return True


def _empty(installation: Installation, request_id: RequestId) -> bool:
    """Take out what only carrying it out needed; whether there was anything."""
    of, request = cases.request_subjects.c, cases.requests.c
    keys = cases.request_subjects.update().where(of.request_id == request_id, of.sealed_key != b"")
    rest = cases.requests.update().where(
        request.request_id == request_id,
        sending.over(),
        request.sought.is_not(None),
    )
    with writing(installation.stores.cases) as connection:
        changed = connection.execute(rest.values(sought=None)).rowcount
        changed += connection.execute(keys.values(sealed_key=b"")).rowcount
    return changed > 0


def _drop_salts(installation: Installation) -> None:
    """The salts of what is forgotten, those of a crash in between included."""
    _drop_salts_of(installation, recording.TABLE, cases.requests.c.request_id)
    _drop_salts_of(installation, renewed.TABLE, cases.opposition_removed.c.removal_id)


def _drop_salts_of(installation: Installation, table: str, kept: sa.ColumnElement[str]) -> None:
    at = control.transitions.c
    entered = sa.select(at.run_id).where(at.table_name == table).distinct()
    # In this order: what is added now has its row before it has a salt.
    with reading(installation.stores.control) as connection:
        there = set(connection.execute(entered).scalars())
    with reading(installation.stores.cases) as connection:
        there -= set(connection.execute(sa.select(kept)).scalars())
    with writing(installation.stores.control) as connection:
        for number in sorted(there):
            gone = (at.run_id == number) & (at.table_name == table)
            connection.execute(control.transitions.delete().where(gone))
