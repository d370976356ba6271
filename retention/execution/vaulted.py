"""Reading sealed identities from the vault, by the records or by the units that they are of."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from retention.stores import vault
from retention.stores.open import Stores, reading
from retention.stores.sql import BATCH, batches

Identities = dict[tuple[str, int, str], bytes]
"""Sealed identities by record token, incarnation and unit."""


def of_records(stores: Stores, tokens: Iterable[str]) -> Identities:
    """The identities of the records with these tokens, in every incarnation and unit."""
    return _read(stores, vault.records.c.record_token, tokens)


def of_units(stores: Stores, unit_ids: Iterable[str]) -> Identities:
    """The identities that are sealed with these units' keys."""
    return _read(stores, vault.records.c.unit_id, unit_ids)


def _read(stores: Stores, column: sa.ColumnElement[str], wanted: Iterable[str]) -> Identities:
    at = vault.records.c
    statement = sa.select(at.record_token, at.incarnation, at.unit_id, at.sealed)
    found: Identities = {}
    with reading(stores.vault) as connection:
        for batch in batches(sorted(set(wanted)), BATCH):
            for row in connection.execute(statement.where(column.in_(batch))):
                found[row.record_token, row.incarnation, row.unit_id] = row.sealed
    return found
