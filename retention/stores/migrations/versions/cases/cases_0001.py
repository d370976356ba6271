"""The cases store's first tables.

Revision ID: cases_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "cases_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cases_holds",
        sa.Column("hold_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_by", sa.String(200), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True)),
        sa.Column("released_by", sa.String(200)),
        sa.Column("release_reason", sa.Text),
        sa.CheckConstraint("kind IN ('legal_hold', 'restriction')", name="cases_holds_kind"),
    )
    op.create_table(
        "cases_held_subjects",
        sa.Column("hold_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("subject_token", sa.String(64), primary_key=True),
    )
    op.create_index(
        "ix_cases_held_subjects_subject_token", "cases_held_subjects", ["subject_token"]
    )
    op.create_table(
        "cases_review",
        sa.Column("case_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("record_token", sa.String(64), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("purposes", sa.JSON, nullable=False),
        sa.Column("first_seen", sa.Date, nullable=False),
        sa.Column("last_seen", sa.Date, nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("resolution", sa.String(40)),
        sa.Column("note", sa.Text),
        sa.UniqueConstraint("table_name", "record_token", name="cases_review_record"),
    )
    op.create_table(
        "cases_certificates",
        sa.Column("ledger_sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("leaves", sa.LargeBinary, nullable=False),
    )
