"""The intermediate archive: encrypted payloads under pseudonyms, in units that expire together.

What is readable here is dates, names of tables and opaque tokens; identities are in the
vault, keys in the keys store.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from retention.stores.columns import NAME, TOKEN

metadata = MetaData()

units = Table(
    "archive_units",
    metadata,
    Column("unit_id", TOKEN, primary_key=True),
    Column("subject_token", TOKEN, nullable=False, index=True),
    Column("expires_on", Date, nullable=False, index=True),
    Column("created_on", Date, nullable=False),
    Column("destroyed_on", Date),
)

records = Table(
    "archive_records",
    metadata,
    Column("record_token", TOKEN, primary_key=True),
    Column("incarnation", Integer, primary_key=True, autoincrement=False),
    Column("unit_id", TOKEN, primary_key=True),
    Column("table_name", NAME, nullable=False),
    Column("subject_token", TOKEN, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("policy_digest", NAME, nullable=False),
    Column("row_digest", LargeBinary, nullable=False),
    Column("chunk_id", NAME, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("archived_on", Date, nullable=False),
    Index("ix_archive_records_unit_id", "unit_id"),
    Index("ix_archive_records_table_name", "table_name"),
    Index("ix_archive_records_chunk_id", "chunk_id"),
)

evidence = Table(
    "archive_evidence",
    metadata,
    # The record whose clock the event runs for; it is still in its source.
    Column("owner_token", TOKEN, primary_key=True),
    # The record the event was found in, while its chunk is at work; then all are merged into one.
    Column("record_token", TOKEN, primary_key=True),
    Column("kind", NAME, primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("chunk_id", NAME, nullable=False),
    Index("ix_archive_evidence_chunk_id", "chunk_id"),
)

fingerprints = Table(
    "archive_fingerprints",
    metadata,
    # Of identities in the vault: keyed, so that a person can be found without unsealing.
    Column("unit_id", TOKEN, primary_key=True),
    Column("record_token", TOKEN, primary_key=True),
    Column("field", String(20), primary_key=True),
    Column("fingerprint", TOKEN, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("chunk_id", NAME, nullable=False),
    Index("ix_archive_fingerprints_fingerprint", "fingerprint"),
    Index("ix_archive_fingerprints_chunk_id", "chunk_id"),
)
