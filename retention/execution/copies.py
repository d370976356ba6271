"""Archived copies: making them final once the source row is gone, discarding the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from retention.installation import Installation
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


def discard_unsettled(installation: Installation, chunk_id: str, now: datetime) -> int:
    """Remove a chunk's copies that did not become final, from archive and vault. Repeatable.

    The vault goes first: an identity must not outlive the record that explains it. The key of
    a unit that was opened for these copies only is destroyed, so that they cannot be read in
    a backup either.
    """
    stores, at = installation.stores, archive.records.c
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
    mine = sa.and_(at.chunk_id == chunk_id, at.settled.is_(False))
    emptied = _units_of_nothing_else(stores, mine)
    if emptied:
        installation.keyring.destroy_units(emptied, now)
    with writing(stores.archive) as connection:
        _remove_fingerprints(connection, chunk_id)
        removed = connection.execute(archive.records.delete().where(mine)).rowcount
        for units in batches(emptied, BATCH):
            connection.execute(archive.units.delete().where(archive.units.c.unit_id.in_(units)))
        return removed


def _remove_fingerprints(connection: sa.Connection, chunk_id: str) -> None:
    """Those of a chunk's records that did not become final in their unit."""
    of, at = archive.fingerprints.c, archive.records.c
    final = sa.exists().where(
        at.record_token == of.record_token, at.unit_id == of.unit_id, at.settled.is_(True)
    )
    connection.execute(archive.fingerprints.delete().where(of.chunk_id == chunk_id, sa.not_(final)))


def _units_of_nothing_else(stores: Stores, mine: sa.ColumnElement[bool]) -> list[str]:
    """The units in which there are only the records ``mine``."""
    at = archive.records.c
    other = archive.records.alias()
    kept = sa.exists().where(
        other.c.unit_id == at.unit_id,
        sa.or_(other.c.chunk_id != at.chunk_id, other.c.settled.is_(True)),
    )
    statement = sa.select(at.unit_id).distinct().where(mine, sa.not_(kept)).order_by(at.unit_id)
    with reading(stores.archive) as connection:
        return list(connection.scalars(statement))
