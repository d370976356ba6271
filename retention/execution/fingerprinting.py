"""Fingerprints of archived identities: by them a person is found without unsealing anything.

They live and go with the copy they are of: written before it, discarded with it, and gone with
its unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from retention import identities
from retention.catalogue.model import TableName
from retention.execution.sealing import OWNER_PREFIX, Segment
from retention.installation import Installation
from retention.stores import archive
from retention.stores.sql import BATCH, batches, upsert

_KEY = ["unit_id", "record_token", "field", "fingerprint"]


def write(
    installation: Installation,
    connection: Connection,
    made: Sequence[tuple[Segment, str]],
    chunk_id: str,
) -> None:
    """Write what ``made`` (segments with their unit) can be found by. Repeatable."""
    rows = {
        tuple(row[name] for name in _KEY): row
        for segment, unit_id in made
        for row in _rows(installation, segment, unit_id, chunk_id)
    }
    for part in batches(list(rows.values()), BATCH):
        upsert(connection, archive.fingerprints, part, _KEY, ["chunk_id"])


def _rows(
    installation: Installation, segment: Segment, unit_id: str, chunk_id: str
) -> Iterator[dict[str, Any]]:
    name = TableName(segment.table)
    catalogue, region = installation.catalogue, installation.settings.requests.region
    values = {**segment.payload, **segment.identity}
    own = {column: value for column, value in values.items() if "." not in column}
    found = set(identities.identities(catalogue.table(name), own, region))
    owner = catalogue.owner_of(name)
    if owner is not None:
        carried = {column: v for column, v in values.items() if column.startswith(OWNER_PREFIX)}
        found |= set(identities.carried_identities(catalogue.table(owner), carried, region))
    for field, fingerprint in identities.fingerprints(installation.keyring, found):
        yield {
            "unit_id": unit_id,
            "record_token": segment.record_token,
            "field": field,
            "fingerprint": fingerprint,
            "version": identities.VERSION,
            "chunk_id": chunk_id,
        }
