"""What requests took out of the systems; who took an entry off the opposition list, and why.

Revision ID: cases_0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "cases_0003"
down_revision = "cases_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cases_opposition_removed",
        sa.Column("removal_id", sa.String(200), primary_key=True),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("removed_on", sa.Date, nullable=False),
        sa.Column("removed_by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
    )
    op.create_table(
        "cases_taken_out",
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("prints", sa.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
