"""The rows that restrictions took out of their tables, as their sealed copies have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.errors import SourceError, StoreError
from retention.execution import vaulted
from retention.execution.putting_back import RestrictedRow
from retention.execution.sealing import (
    PSEUDONYMS,
    RESTRICTED,
    unseal_identity,
    unseal_payload,
)
from retention.installation import Installation
from retention.stores import archive
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches


def restricted_rows(installation: Installation, tokens: Sequence[str]) -> list[RestrictedRow]:
    """The restricted rows of the subjects ``tokens``, unsealed.

    Raises:
        StoreError: one of them cannot be unsealed. SourceError: the catalogue does not say any
            more where one goes.
    """
    at, unit = archive.records.c, archive.units.c
    statement = (
        sa.select(archive.records)
        .join(archive.units, unit.unit_id == at.unit_id)
        .where(at.settled.is_(True), unit.destroyed_on.is_(None))
        .order_by(at.table_name, at.record_token)
    )
    found: list[RestrictedRow] = []
    for batch in batches(sorted(set(tokens)), BATCH):
        with reading(installation.stores.archive) as connection:
            rows = connection.execute(statement.where(unit.subject_token.in_(batch))).all()
        rows = [row for row in rows if RESTRICTED in row.facts]
        identities = vaulted.of_units(installation.stores, [row.unit_id for row in rows])
        keys = installation.keyring.open_units({row.unit_id for row in rows})
        found += [_opened(installation, row, identities, keys) for row in rows]
    return found


def _opened(
    installation: Installation,
    row: Any,
    identities: Mapping[tuple[str, int, str], bytes],
    keys: Mapping[str, bytes],
) -> RestrictedRow:
    place = (row.record_token, row.incarnation, row.unit_id)
    if row.unit_id not in keys:
        raise StoreError(f"archive: a restricted {row.table_name} row cannot be unsealed")
    values = unseal_payload(*place, keys[row.unit_id], row.payload)
    values.pop(PSEUDONYMS, None)
    if place in identities:
        values |= unseal_identity(*place, keys[row.unit_id], identities[place])
    if installation.keyring.row_digest(values) != bytes(row.row_digest):
        raise StoreError(f"archive: a restricted {row.table_name} row is not what was sealed")
    table = TableName(row.table_name)
    key = tuple(values[name] for name in _key(installation, table, values))
    return RestrictedRow(table, key, values, *place, bytes(row.row_digest))


def _key(installation: Installation, name: TableName, values: Mapping[str, Any]) -> Sequence[str]:
    table = dict(installation.catalogue.tables()).get(name)
    if table is not None and set(table.key) <= set(values):
        return table.key
    lacking = "has no such table any more" if table is None else "names a key that they do not have"
    raise SourceError(
        f"{name}: restricted rows cannot go back: the catalogue {lacking}; declare it, "
        "and have the table, as it was for as long as they go back; nothing was changed"
    )
