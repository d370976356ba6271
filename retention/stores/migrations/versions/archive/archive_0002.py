"""Fingerprints of archived identities, by which a person is found without unsealing.

Revision ID: archive_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "archive_0002"
down_revision = "archive_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive_fingerprints",
        sa.Column("unit_id", sa.String(64), primary_key=True),
        sa.Column("record_token", sa.String(64), primary_key=True),
        sa.Column("field", sa.String(20), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("chunk_id", sa.String(200), nullable=False),
    )
    for column in ("fingerprint", "chunk_id"):
        op.create_index(f"ix_archive_fingerprints_{column}", "archive_fingerprints", [column])
