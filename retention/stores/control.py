"""The control store: runs, plans, journal, ledger, lease, accumulators, releases, privacy budget.

No personal data: counts, dates and opaque ids; key ranges, intents and what a release did not
show of its cells are sealed.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
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

runs = Table(
    "control_runs",
    metadata,
    Column("run_id", NAME, primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("plan_digest", NAME, nullable=False),
    Column("mode", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("policy_digest", NAME, nullable=False),
    Column("catalogue_digest", NAME, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("note", Text),
    CheckConstraint(
        "status IN ('running', 'stopped', 'done', 'failed')", name="control_runs_status"
    ),
)

plans = Table(
    "control_plans",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document", JSON, nullable=False),
    Column("approved_at", UtcDateTime),
    Column("approved_by", NAME),
    Column("approval_reason", Text),
)

chunks = Table(
    "control_chunks",
    metadata,
    Column("chunk_id", NAME, primary_key=True),
    Column("run_id", NAME, nullable=False),
    Column("table_name", NAME, nullable=False),
    Column("stage", String(20), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("bounds", LargeBinary, nullable=False),
    Column("intent", LargeBinary),
    Column("counts", JSON, nullable=False),
    Column("roots", JSON, nullable=False),
    Column("leaves", LargeBinary),
    Column("seconds", Float, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("run_id", "table_name", "stage", "sequence", name="control_chunks_place"),
    CheckConstraint(
        "stage IN ('move', 'pseudonymise', 'expire', 'restore')", name="control_chunks_stage"
    ),
    CheckConstraint(
        "state IN ('open', 'archived', 'intended', 'done', 'abandoned')",
        name="control_chunks_state",
    ),
)

transitions = Table(
    "control_transitions",
    metadata,
    Column("run_id", NAME, primary_key=True),
    Column("table_name", NAME, primary_key=True),
    Column("transition", String(40), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("ledger_sequence", Integer),
)

stopped = Table(
    "control_stopped",
    metadata,
    Column("run_id", String(200), primary_key=True),
    Column("table_name", String(200), primary_key=True),
    Column("reason", Text, nullable=False),
)

ledger = Table(
    "control_ledger",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("run_id", NAME, nullable=False),
    Column("table_name", NAME, nullable=False),
    Column("transition", String(40), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("merkle_root", TOKEN, nullable=False),
    Column("previous", TOKEN, nullable=False),
    Column("hash", TOKEN, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

lease = Table(
    "control_lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", NAME, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

accumulators = Table(
    "control_accumulators",
    metadata,
    Column("table_name", NAME, primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("cell", String(500), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("sums", JSON, nullable=False),
    Column("persons", BigInteger, nullable=False, server_default="0"),
    Column("largest_rows", BigInteger),
    Column("largest", JSON),
    Column("shape", TOKEN),
)

releases = Table(
    "control_releases",
    metadata,
    Column("release", NAME, primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("digest", TOKEN, primary_key=True),
    Column("manifest", TOKEN, nullable=False),
    Column("status", String(20), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("built_at", UtcDateTime, nullable=False),
    Column("audited_at", UtcDateTime),
    Column("passed", Boolean),
    Column("figures", JSON, nullable=False),
    Column("revision", Integer),
    Column("published_at", UtcDateTime),
    Column("published_manifest", TOKEN),
    Column("state", LargeBinary),
    UniqueConstraint("release", "month", "revision", name="control_releases_revision"),
    CheckConstraint(
        "status IN ('quarantined', 'audited', 'publishing', 'published', 'withdrawn')",
        name="control_releases_status",
    ),
)

privacy_budget = Table(
    "control_privacy_budget",
    metadata,
    Column("spend_id", NAME, primary_key=True),
    Column("release", NAME, nullable=False),
    Column("cube", NAME, nullable=False),
    Column("month", String(7), nullable=False),
    Column("period", String(20), nullable=False),
    Column("epsilon", Float, nullable=False),
    Column("delta", Float, nullable=False),
    Column("spent_at", UtcDateTime, nullable=False),
)
