"""The cases store, restricted: holds, review cases, and what certificates need.

Keys of records appear here in clear, because a person works with them; the store has a
retention of its own.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from retention.stores.columns import NAME, TOKEN, UtcDateTime

metadata = MetaData()

holds = Table(
    "cases_holds",
    metadata,
    Column("hold_id", NAME, primary_key=True),
    Column("table_name", NAME, nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("placed_by", NAME, nullable=False),
    Column("released_at", UtcDateTime),
    Column("released_by", NAME),
    Column("release_reason", Text),
    CheckConstraint("kind IN ('legal_hold', 'restriction')", name="cases_holds_kind"),
)

held_subjects = Table(
    "cases_held_subjects",
    metadata,
    Column("hold_id", NAME, primary_key=True),
    Column("table_name", NAME, primary_key=True),
    Column("subject_token", TOKEN, primary_key=True, index=True),
)

review = Table(
    "cases_review",
    metadata,
    Column("case_id", NAME, primary_key=True),
    Column("table_name", NAME, nullable=False),
    Column("record_token", TOKEN, nullable=False),
    Column("key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("purposes", JSON, nullable=False),
    Column("first_seen", Date, nullable=False),
    Column("last_seen", Date, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolution", String(40)),
    Column("note", Text),
    UniqueConstraint("table_name", "record_token", name="cases_review_record"),
)

certificates = Table(
    "cases_certificates",
    metadata,
    Column("ledger_sequence", Integer, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
)
