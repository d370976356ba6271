"""What happened to requests: a row in the cases store for each change, and its ledger entry.

The two are in two stores. The row comes first, in the transaction of the change itself; the
entry follows. A crash in between is made up for by the next change of the same request, or by
``reconcile``. The entry's salt is written with it, under the change's number, in one
transaction: that row is there or it is not, so no change is entered twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention import ledger, merkle
from retention.encoding import encode
from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.requests.model import RequestId, State
from retention.stores import cases, control
from retention.stores.open import reading, writing
from retention.stores.sql import insert_if_absent

TABLE = "request"
"""What entries about requests have for a table in the ledger."""

_SALT_BYTES = 32


@dataclass(frozen=True)
class Change:
    """One change of a request, from 1 on. ``reason`` is for restricted eyes."""

    sequence: int
    what: str
    state: State
    """The state after it."""
    at: datetime
    by: str
    reason: str | None


def record(
    connection: Connection,
    request_id: RequestId,
    what: str,
    state: State,
    *,
    by: str,
    reason: str | None,
    now: datetime,
) -> None:
    """Write a change down, in the transaction on the cases store that makes it.

    The caller has the request's row locked, so that numbers are given one after the other.
    """
    table = cases.request_changes
    last = sa.select(sa.func.max(table.c.sequence)).where(table.c.request_id == request_id)
    row = {
        "request_id": request_id,
        "sequence": int(connection.execute(last).scalar() or 0) + 1,
        "what": what,
        "state": state,
        "at": now,
        "by": by,
        "reason": reason,
    }
    connection.execute(table.insert(), row)


def changes_of(installation: Installation, request_id: RequestId) -> list[Change]:
    """Everything that happened to a request, in order."""
    table = cases.request_changes
    statement = sa.select(table).where(table.c.request_id == request_id).order_by(table.c.sequence)
    with reading(installation.stores.cases) as connection:
        return [
            Change(row.sequence, row.what, State(row.state), row.at, row.by, row.reason)
            for row in connection.execute(statement)
        ]


def enter(installation: Installation, request_id: RequestId, now: datetime) -> int:
    """Enter into the ledger what it lacks of a request's changes, and export its head.

    Returns how many entries were written. Raises StoreError: a store cannot be used.
    """
    written = _enter(installation, request_id, now)
    if written:
        export_head(installation)
    return written


def reconcile(installation: Installation, now: datetime) -> int:
    """Enter into the ledger what it lacks of all requests: what a crash left undone.

    Returns how many entries were written. Raises StoreError: a store cannot be used.
    """
    at, entered = cases.request_changes.c, control.transitions.c
    made = sa.select(at.request_id, sa.func.count()).group_by(at.request_id)
    known = (
        sa.select(entered.run_id, sa.func.count())
        .where(entered.table_name == TABLE)
        .group_by(entered.run_id)
    )
    with reading(installation.stores.cases) as connection:
        wanted = [(row[0], row[1]) for row in connection.execute(made.order_by(at.request_id))]
    with reading(installation.stores.control) as connection:
        there = {row[0]: row[1] for row in connection.execute(known)}
    written = sum(
        _enter(installation, RequestId(request_id), now)
        for request_id, count in wanted
        if there.get(request_id, 0) < count
    )
    if written:
        export_head(installation)
    return written


def _enter(installation: Installation, request_id: RequestId, now: datetime) -> int:
    kind = sa.select(cases.requests.c.kind).where(cases.requests.c.request_id == request_id)
    with reading(installation.stores.cases) as connection:
        found = connection.execute(kind).scalar()
    if found is None:
        return 0
    missing = _missing(installation, request_id)
    with writing(installation.stores.control) as connection:
        return sum(
            _enter_change(installation, connection, request_id, found, change, now)
            for change in missing
        )


def _missing(installation: Installation, request_id: RequestId) -> Sequence[Change]:
    at = control.transitions.c
    statement = sa.select(at.transition).where(at.run_id == request_id, at.table_name == TABLE)
    with reading(installation.stores.control) as connection:
        there = set(connection.execute(statement).scalars())
    return [
        change
        for change in changes_of(installation, request_id)
        if _number(change.sequence) not in there
    ]


def _enter_change(
    installation: Installation,
    connection: Connection,
    request_id: RequestId,
    kind: str,
    change: Change,
    now: datetime,
) -> bool:
    return enter_once(
        installation,
        connection,
        (request_id, TABLE, _number(change.sequence)),
        transition=f"{kind}:{change.what}",
        as_of=day_in(change.at, installation.zone),
        counts={"request": 1},
        leaf=[request_id, change.sequence],
        now=now,
    )


def enter_once(
    installation: Installation,
    connection: Connection,
    place: tuple[str, str, str],
    *,
    transition: str,
    as_of: date,
    counts: Mapping[str, int],
    leaf: Sequence[Any],
    now: datetime,
) -> bool:
    """Append an entry to the ledger, with a salt of its own, unless ``place`` has one already.

    ``place`` is an id, a table and a number; ``connection`` is a transaction on the control
    store; ``leaf`` is what the entry commits to. Returns whether it was appended here.
    """
    run_id, table, number = place
    salt = secrets.token_bytes(_SALT_BYTES)
    at = control.transitions.c
    row = {
        "run_id": run_id,
        "table_name": table,
        "transition": number,
        "salt": installation.keyring.seal(f"salt:{run_id}:{table}:{number}", salt),
        "counts": {"rows": 0, "with_dependants": 0},
        "done": True,
    }
    columns = ["run_id", "table_name", "transition"]
    # Of two processes that make up for the same change one is told that it was first.
    if not insert_if_absent(connection, control.transitions, row, columns):
        return False
    entry = ledger.append(
        connection,
        run_id=run_id,
        table_name=table,
        transition=transition,
        as_of=as_of,
        counts=dict(counts),
        merkle_root=merkle.leaf(salt, encode(list(leaf))).hex(),
        now=now,
    )
    here = (at.run_id == run_id) & (at.table_name == table) & (at.transition == number)
    connection.execute(
        control.transitions.update().where(here).values(ledger_sequence=entry.sequence)
    )
    return True


def _number(sequence: int) -> str:
    return f"change {sequence}"


def export_head(installation: Installation) -> None:
    """Export the ledger's head where the settings say."""
    head = installation.settings.ledger_head
    if head is not None:
        ledger.export_head(installation.stores.control, installation.settings.path(head))
