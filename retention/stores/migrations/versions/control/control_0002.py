"""What releases need: accumulators know persons, and releases and the privacy budget are kept.

Revision ID: control_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "control_0002"
down_revision = "control_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Cells written before know of nobody: no person is sure, and the largest part is unknown.
    for column in (
        sa.Column("persons", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("largest_rows", sa.BigInteger),
        sa.Column("largest", sa.JSON),
        sa.Column("shape", sa.String(64)),
    ):
        op.add_column("control_accumulators", column)
    op.create_table(
        "control_releases",
        sa.Column("release", sa.String(200), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("manifest", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("audited_at", sa.DateTime(timezone=True)),
        sa.Column("passed", sa.Boolean),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("published_manifest", sa.String(64)),
        sa.Column("state", sa.LargeBinary),
        sa.UniqueConstraint("release", "month", "revision", name="control_releases_revision"),
        sa.CheckConstraint(
            "status IN ('quarantined', 'audited', 'publishing', 'published', 'withdrawn')",
            name="control_releases_status",
        ),
    )
    op.create_table(
        "control_privacy_budget",
        sa.Column("spend_id", sa.String(200), primary_key=True),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("cube", sa.String(200), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("period", sa.String(20), nullable=False),
        sa.Column("epsilon", sa.Float, nullable=False),
        sa.Column("delta", sa.Float, nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=False),
    )
