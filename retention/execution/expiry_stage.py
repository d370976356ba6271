"""Expiry of archived units: the key is destroyed first, which reaches every backup at once.

Then the records go from vault and archive. Destroying is the point of no return; everything
after it can be repeated.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.work import Work
from retention.planning.plan import Transition
from retention.stores import archive, vault
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches

ARCHIVE = "archive"
"""The name under which the journal and the ledger know the archive itself."""


def expire_archive(work: Work) -> Counter[str]:
    """Destroy every unit whose last day is past and that nobody holds."""
    total: Counter[str] = Counter()
    while True:
        work.between_chunks()
        due, held = _due(work)
        if not due:
            total["skipped_held"] = held
            return total
        total.update(expire_units(work, due))


def expire_units(work: Work, units: Sequence[str]) -> Counter[str]:
    """Destroy some units, in one chunk. Whether they may go is the caller's to know."""
    bounds = ((units[0],), (units[-1],))
    sequence = work.journal.next_sequence(ARCHIVE, "expire")
    chunk = work.journal.open_chunk(ARCHIVE, "expire", sequence, bounds, work.clock())
    rows = [
        IntendedRow((unit,), Transition.expire, work.leaf(ARCHIVE, Transition.expire, (unit,)))
        for unit in units
    ]
    work.journal.intend(chunk, rows, work.clock())
    counts = expire_chunk(work, chunk, rows)
    work.progress("expire", ARCHIVE, len(units))
    return counts


def expire_chunk(work: Work, chunk: Chunk, rows: Sequence[IntendedRow]) -> Counter[str]:
    """Destroy the units of a chunk. Repeatable: what is gone is gone."""
    begun = time.monotonic()
    stores = work.installation.stores
    units = [str(row.key[0]) for row in rows]
    work.lease.confirm()
    work.installation.keyring.destroy_units(units, work.clock())
    with writing(stores.vault) as connection:
        for batch in batches(units, BATCH):
            connection.execute(vault.records.delete().where(vault.records.c.unit_id.in_(batch)))
    with writing(stores.archive) as connection:
        for batch in batches(units, BATCH):
            at = archive.units.c
            of = archive.fingerprints.c
            connection.execute(archive.fingerprints.delete().where(of.unit_id.in_(batch)))
            connection.execute(archive.records.delete().where(archive.records.c.unit_id.in_(batch)))
            connection.execute(
                archive.units.update()
                .where(at.unit_id.in_(batch), at.destroyed_on.is_(None))
                .values(destroyed_on=work.as_of)
            )
    counts = Counter(selected=len(units), expired=len(units))
    work.journal.complete(chunk, rows, counts, time.monotonic() - begun, work.clock())
    return counts


def _due(work: Work) -> tuple[list[str], int]:
    """The next units to expire, and how many are held back."""
    at = archive.units.c
    statement = (
        sa.select(at.unit_id, at.subject_token)
        .where(at.expires_on <= work.as_of, at.destroyed_on.is_(None))
        .order_by(at.unit_id)
    )
    held = work.held()
    due: list[str] = []
    kept = 0
    with reading(work.installation.stores.archive) as connection:
        for unit_id, token in connection.execute(statement):
            if token in held.tokens:
                kept += 1
            elif len(due) < work.chunk_rows:
                due.append(unit_id)
    return due, kept
