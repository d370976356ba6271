"""The cases store, restricted: requests, holds, review cases, and what certificates need.

Keys of records under a hold or in review appear here in clear, because a person works with
them. What a data subject asked, whose records they are and the packages made for them are
sealed. The store has a retention of its own.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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

holds = Table(
    "cases_holds",
    metadata,
    Column("hold_id", NAME, primary_key=True),
    Column("table_name", NAME, nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("placed_by", NAME, nullable=False),
    Column("released_at", UtcDateTime),
    Column("released_by", NAME),
    Column("release_reason", Text),
    CheckConstraint("kind IN ('legal_hold', 'restriction')", name="cases_holds_kind"),
)

held_subjects = Table(
    "cases_held_subjects",
    metadata,
    Column("hold_id", NAME, primary_key=True),
    Column("table_name", NAME, primary_key=True),
    Column("subject_token", TOKEN, primary_key=True, index=True),
)

review = Table(
    "cases_review",
    metadata,
    Column("case_id", NAME, primary_key=True),
    Column("table_name", NAME, nullable=False),
    Column("record_token", TOKEN, nullable=False),
    Column("key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("purposes", JSON, nullable=False),
    Column("first_seen", Date, nullable=False),
    Column("last_seen", Date, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolution", String(40)),
    Column("note", Text),
    UniqueConstraint("table_name", "record_token", name="cases_review_record"),
)

certificates = Table(
    "cases_certificates",
    metadata,
    Column("ledger_sequence", Integer, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
)

requests = Table(
    "cases_requests",
    metadata,
    Column("request_id", NAME, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("received_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    # What the person asked, and who they say they are: sealed; emptied once no longer needed.
    Column("asked", LargeBinary),
    # What the person can be recognised by, gathered before anything was touched: sealed.
    Column("sought", LargeBinary),
    # Equal for the same request of the same person; says nothing without the key.
    Column("fingerprint", TOKEN, nullable=False, index=True),
    Column("channel", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("verified_at", UtcDateTime),
    Column("verified_by", NAME),
    Column("extended_on", Date),
    Column("extension_reason", Text),
    # The identity is in doubt since this day: the clock stands still.
    Column("paused_on", Date),
    Column("paused_days", Integer, nullable=False),
    # How often carrying it out was begun anew; part of the run's key.
    Column("attempt", Integer, nullable=False),
    Column("run_id", NAME),
    # Why the last attempt failed, in a line that is safe to show; none where it did not.
    Column("failure", Text),
    Column("reason", Text),
    Column("answered_on", Date),
    # The day after which nothing of the request is kept.
    Column("forget_on", Date),
    CheckConstraint(
        "kind IN ('access', 'portability', 'objection', 'rectification', 'erasure', 'restriction')",
        name="cases_requests_kind",
    ),
    CheckConstraint(
        "state IN ('received', 'verified', 'planned', 'executing', 'answered', 'refused')",
        name="cases_requests_state",
    ),
)

request_changes = Table(
    "cases_request_changes",
    metadata,
    Column("request_id", NAME, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("what", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", NAME, nullable=False),
    Column("reason", Text),
)

request_subjects = Table(
    "cases_request_subjects",
    metadata,
    Column("request_id", NAME, primary_key=True),
    Column("table_name", NAME, primary_key=True),
    Column("subject_token", TOKEN, primary_key=True, index=True),
    # The record's key, sealed.
    Column("sealed_key", LargeBinary, nullable=False),
    # What led to the record: 'email', 'phone', 'customer_ref', 'link', 'archive', …
    Column("found_by", NAME, nullable=False),
    # A person has to choose: null until then.
    Column("chosen", Boolean),
    # Names of the fields that agree, and of those that contradict: never their values.
    Column("agrees", JSON, nullable=False),
    Column("contradicts", JSON, nullable=False),
)

request_outcomes = Table(
    "cases_request_outcomes",
    metadata,
    Column("request_id", NAME, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("table_name", NAME, nullable=False),
    Column("purpose", NAME, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("until", Date),
    Column("because", NAME),
    CheckConstraint(
        "outcome IN ('deleted', 'archived', 'kept', 'held', 'review', 'stopped', 'corrected',"
        " 'restricted', 'restored', 'copied', 'nothing')",
        name="cases_request_outcomes_outcome",
    ),
)

opposition = Table(
    "cases_opposition",
    metadata,
    Column("fingerprint", TOKEN, primary_key=True),
    Column("field", String(20), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("added_on", Date, nullable=False),
    Column("expires_on", Date, nullable=False),
)

taken_out = Table(
    "cases_taken_out",
    metadata,
    Column("request_id", NAME, primary_key=True),
    Column("table_name", NAME, primary_key=True),
    Column("token", TOKEN, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("prints", JSON, nullable=False),
    Column("version", Integer, nullable=False),
)

opposition_removed = Table(
    "cases_opposition_removed",
    metadata,
    Column("removal_id", NAME, primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("removed_on", Date, nullable=False),
    Column("removed_by", NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("expires_on", Date, nullable=False),
)

packages = Table(
    "cases_packages",
    metadata,
    Column("package_id", NAME, primary_key=True),
    Column("request_id", NAME, nullable=False, index=True),
    Column("unit_id", TOKEN, nullable=False),
    Column("sealed", LargeBinary),
    Column("made_on", Date, nullable=False),
    Column("expires_on", Date, nullable=False),
)

outbox = Table(
    "cases_outbox",
    metadata,
    Column("notice_id", NAME, primary_key=True),
    Column("request_id", NAME, nullable=False),
    Column("recipient", NAME, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("tables", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("sent_by", NAME),
    UniqueConstraint("request_id", "recipient", name="cases_outbox_once"),
)
