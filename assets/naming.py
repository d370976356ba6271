"""Names of the graph: groups, keys, checks, tags. No asset is defined here."""

import re
from pathlib import Path

import dagster as dg

from retention.catalogue.model import TableName

SOURCE = "source"
CLASSIFICATION = "classification"
ARCHIVE = "archive"
PSEUDONYMISATION = "pseudonymisation"
DELETION = "deletion"
STATISTICS = "statistics"
EVIDENCE = "evidence"
REQUESTS = "requests"

OWNERS = ["team:privacy"]

WRITER_POOL = "retention_writer"
"""A courtesy: the queue holds back a second run. The lock is the lease in the control store."""

PLAN = dg.AssetKey(["plan"])
FORECAST = dg.AssetKey(["forecast"])
ARCHIVE_EXPIRED = dg.AssetKey(["archive", "expired"])
ACCUMULATORS = dg.AssetKey(["statistics", "accumulators"])
LEDGER = dg.AssetKey(["ledger"])
OPEN_REQUESTS = dg.AssetKey(["requests", "open"])
CARRIED_OUT = dg.AssetKey(["requests", "carried_out"])
RETURNED = dg.AssetKey(["requests", "returned"])
RETIRED = dg.AssetKey(["requests", "retired"])

KEYS_ARE_SOUND = "keys_are_unique_and_not_null"
EVENTS_ARE_SOUND = "events_are_readable_and_not_in_the_future"
SCHEMA_IS_ANNOTATED = "schema_is_as_annotated"
FOREIGN_KEYS_ARE_DECLARED = "foreign_keys_are_as_declared"
ROWS_ARE_CONSERVED = "rows_are_conserved"
CHAIN_HOLDS = "ledger_chain_holds"
ANSWERED_IN_TIME = "answered_in_time"
NONE_HAS_FAILED = "none_has_failed"
RECIPIENTS_ARE_TOLD = "recipients_are_told"
LETTERS_ARE_SENT = "letters_are_sent"
THE_ERASED_STAY_AWAY = "the_erased_stay_away"
OPPOSITION_IS_RESPECTED = "opposition_is_respected"

QUARANTINE = "quarantine"
"""The prefix of a release that is written and attacked, and that nobody may use yet."""
PUBLISHED = "statistics"
"""The prefix of a release that is out."""

DATA_DOCS = "data_docs"
"""The folder of the audits' pages, beside the published releases."""

_UNFIT = re.compile(r"[^A-Za-z0-9_]")


def of_table(stage: str, name: TableName) -> dg.AssetKey:
    """``stage/system/table``; stages are ``source``, ``classified``, ``archived`` and so on.

    Dagster names a step after its asset, in letters, digits and underscores.
    """
    return dg.AssetKey([stage, *map(step_name, name.split(".", 1))])


def data_docs_page(statistics: Path, release: str, month: str, digest: str) -> Path:
    """The page of the audit of one build, below the folder of published releases."""
    return statistics / DATA_DOCS / release / month / f"{digest[:16]}.html"


def of_release(stage: str, release: str) -> dg.AssetKey:
    """``quarantine/release`` or ``statistics/release``."""
    return dg.AssetKey([stage, release])


def step_name(name: str) -> str:
    """``name`` in the letters that Dagster allows in a step's name."""
    return _UNFIT.sub("_", name)
