"""The vault: identities, sealed, of records that are in the archive.

Another database and another credential than the archive's, in production.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table

from retention.stores.columns import NAME, TOKEN

metadata = MetaData()

records = Table(
    "vault_records",
    metadata,
    Column("record_token", TOKEN, primary_key=True),
    Column("incarnation", Integer, primary_key=True, autoincrement=False),
    Column("unit_id", TOKEN, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("chunk_id", NAME, nullable=False),
    Index("ix_vault_records_unit_id", "unit_id"),
    Index("ix_vault_records_chunk_id", "chunk_id"),
)
