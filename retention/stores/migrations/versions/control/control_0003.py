"""A chunk may put rows back: what a lifted restriction does.

Revision ID: control_0003
"""

from __future__ import annotations

from alembic import op

revision = "control_0003"
down_revision = "control_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("control_chunks") as batch:
        batch.drop_constraint("control_chunks_stage", type_="check")
        batch.create_check_constraint(
            "control_chunks_stage", "stage IN ('move', 'pseudonymise', 'expire', 'restore')"
        )
