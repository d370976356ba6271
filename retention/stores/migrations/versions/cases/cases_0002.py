"""What data subjects' requests need.

Revision ID: cases_0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "cases_0002"
down_revision = "cases_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cases_requests",
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("received_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("asked", sa.LargeBinary),
        sa.Column("sought", sa.LargeBinary),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True)),
        sa.Column("verified_by", sa.String(200)),
        sa.Column("extended_on", sa.Date),
        sa.Column("extension_reason", sa.Text),
        sa.Column("paused_on", sa.Date),
        sa.Column("paused_days", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(200)),
        sa.Column("failure", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("answered_on", sa.Date),
        sa.Column("forget_on", sa.Date),
        sa.CheckConstraint(
            "kind IN ('access', 'portability', 'objection', 'rectification', 'erasure', 'restriction')",
            name="cases_requests_kind",
        ),
        sa.CheckConstraint(
            "state IN ('received', 'verified', 'planned', 'executing', 'answered', 'refused')",
            name="cases_requests_state",
        ),
    )
    op.create_table(
        "cases_request_changes",
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "cases_request_subjects",
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("subject_token", sa.String(64), primary_key=True),
        sa.Column("sealed_key", sa.LargeBinary, nullable=False),
        sa.Column("found_by", sa.String(200), nullable=False),
        sa.Column("chosen", sa.Boolean),
        sa.Column("agrees", sa.JSON, nullable=False),
        sa.Column("contradicts", sa.JSON, nullable=False),
    )
    op.create_table(
        "cases_request_outcomes",
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("table_name", sa.String(200), nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("because", sa.String(200)),
        sa.CheckConstraint(
            "outcome IN ('deleted', 'archived', 'kept', 'held', 'review', 'stopped', 'corrected',"
            " 'restricted', 'restored', 'copied', 'nothing')",
            name="cases_request_outcomes_outcome",
        ),
    )
    op.create_table(
        "cases_opposition",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("field", sa.String(20), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("added_on", sa.Date, nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
    )
    op.create_table(
        "cases_packages",
        sa.Column("package_id", sa.String(200), primary_key=True),
        sa.Column("request_id", sa.String(200), nullable=False),
        sa.Column("unit_id", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("made_on", sa.Date, nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
    )
    op.create_table(
        "cases_outbox",
        sa.Column("notice_id", sa.String(200), primary_key=True),
        sa.Column("request_id", sa.String(200), nullable=False),
        sa.Column("recipient", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("tables", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("sent_by", sa.String(200)),
        sa.UniqueConstraint("request_id", "recipient", name="cases_outbox_once"),
    )
    op.create_index("ix_cases_requests_fingerprint", "cases_requests", ["fingerprint"])
    op.create_index(
        "ix_cases_request_subjects_subject_token", "cases_request_subjects", ["subject_token"]
    )
    op.create_index("ix_cases_packages_request_id", "cases_packages", ["request_id"])
