"""The vault's first table.

Revision ID: vault_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "vault_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vault_records",
        sa.Column("record_token", sa.String(64), primary_key=True),
        sa.Column("incarnation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("unit_id", sa.String(64), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("chunk_id", sa.String(200), nullable=False),
    )
    op.create_index("ix_vault_records_unit_id", "vault_records", ["unit_id"])
    op.create_index("ix_vault_records_chunk_id", "vault_records", ["chunk_id"])
