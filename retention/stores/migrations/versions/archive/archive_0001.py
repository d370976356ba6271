"""The archive's first tables.

Revision ID: archive_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "archive_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive_units",
        sa.Column("unit_id", sa.String(64), primary_key=True),
        sa.Column("subject_token", sa.String(64), nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
        sa.Column("created_on", sa.Date, nullable=False),
        sa.Column("destroyed_on", sa.Date),
    )
    op.create_index("ix_archive_units_subject_token", "archive_units", ["subject_token"])
    op.create_index("ix_archive_units_expires_on", "archive_units", ["expires_on"])
    op.create_table(
        "archive_records",
        sa.Column("record_token", sa.String(64), primary_key=True),
        sa.Column("incarnation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("unit_id", sa.String(64), primary_key=True),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("subject_token", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("policy_digest", sa.String(200), nullable=False),
        sa.Column("row_digest", sa.LargeBinary, nullable=False),
        sa.Column("chunk_id", sa.String(200), nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("archived_on", sa.Date, nullable=False),
    )
    op.create_index("ix_archive_records_unit_id", "archive_records", ["unit_id"])
    op.create_index("ix_archive_records_table_name", "archive_records", ["table_name"])
    op.create_index("ix_archive_records_chunk_id", "archive_records", ["chunk_id"])
    op.create_table(
        "archive_evidence",
        sa.Column("owner_token", sa.String(64), primary_key=True),
        sa.Column("record_token", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(200), primary_key=True),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("chunk_id", sa.String(200), nullable=False),
    )
    op.create_index("ix_archive_evidence_chunk_id", "archive_evidence", ["chunk_id"])
