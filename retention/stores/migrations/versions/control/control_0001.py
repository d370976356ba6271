"""The control store's first tables.

Revision ID: control_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "control_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "control_runs",
        sa.Column("run_id", sa.String(200), primary_key=True),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("plan_digest", sa.String(200), nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("policy_digest", sa.String(200), nullable=False),
        sa.Column("catalogue_digest", sa.String(200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text),
        sa.CheckConstraint(
            "status IN ('running', 'stopped', 'done', 'failed')", name="control_runs_status"
        ),
    )
    op.create_table(
        "control_plans",
        sa.Column("digest", sa.String(200), primary_key=True),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("approved_by", sa.String(200)),
        sa.Column("approval_reason", sa.Text),
    )
    op.create_table(
        "control_chunks",
        sa.Column("chunk_id", sa.String(200), primary_key=True),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("bounds", sa.LargeBinary, nullable=False),
        sa.Column("intent", sa.LargeBinary),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("roots", sa.JSON, nullable=False),
        sa.Column("leaves", sa.LargeBinary),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint(
            "run_id", "table_name", "stage", "sequence", name="control_chunks_place"
        ),
        sa.CheckConstraint(
            "stage IN ('move', 'pseudonymise', 'expire')", name="control_chunks_stage"
        ),
        sa.CheckConstraint(
            "state IN ('open', 'archived', 'intended', 'done', 'abandoned')",
            name="control_chunks_state",
        ),
    )
    op.create_table(
        "control_transitions",
        sa.Column("run_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("transition", sa.String(40), primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("ledger_sequence", sa.Integer),
    )
    op.create_table(
        "control_stopped",
        sa.Column("run_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "control_ledger",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("transition", sa.String(40), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("merkle_root", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "control_lease",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "control_accumulators",
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("cell", sa.String(500), primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("sums", sa.JSON, nullable=False),
    )
