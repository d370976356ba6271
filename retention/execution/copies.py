"""Archived copies: making them final once the source row is gone, discarding the others."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from retention.stores import archive, vault
from retention.stores.open import Stores, reading, writing
from retention.stores.sql import BATCH, batches


def settle(stores: Stores, tokens: Sequence[str]) -> None:
    """The source no longer has these records: their copies are final. Repeatable."""
    at = archive.records.c
    with writing(stores.archive) as connection:
        for batch in batches(tokens, BATCH):
            connection.execute(
                archive.records.update()
                .where(at.record_token.in_(batch), at.settled.is_(False))
                .values(settled=True)
            )


def discard_unsettled(stores: Stores, chunk_id: str) -> int:
    """Remove a chunk's copies that did not become final, from archive and vault. Repeatable.

    The vault goes first: an identity must not outlive the record that explains it.
    """
    at = archive.records.c
    final = sa.select(at.record_token, at.incarnation).where(
        at.chunk_id == chunk_id, at.settled.is_(True)
    )
    with reading(stores.archive) as connection:
        keep = {tuple(row) for row in connection.execute(final)}
    with writing(stores.vault) as connection:
        vault_at = vault.records.c
        statement = sa.select(vault_at.record_token, vault_at.incarnation).where(
            vault_at.chunk_id == chunk_id
        )
        there = {tuple(row) for row in connection.execute(statement)}
        for batch in batches(sorted(there - keep), BATCH):
            place = sa.tuple_(vault_at.record_token, vault_at.incarnation)
            connection.execute(
                vault.records.delete().where(vault_at.chunk_id == chunk_id, place.in_(batch))
            )
    with writing(stores.archive) as connection:
        removed = connection.execute(
            archive.records.delete().where(at.chunk_id == chunk_id, at.settled.is_(False))
        ).rowcount
        _drop_empty_units(connection)
        return removed


def _drop_empty_units(connection: sa.Connection) -> None:
    """A unit that was opened for copies which did not become final holds nothing."""
    units, records = archive.units.c, archive.records.c
    used = sa.select(records.unit_id).where(records.unit_id == units.unit_id).exists()
    connection.execute(archive.units.delete().where(units.destroyed_on.is_(None), sa.not_(used)))
