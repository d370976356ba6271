"""Names of the graph: groups, keys, checks, tags. No asset is defined here."""

import re

import dagster as dg

from retention.catalogue.model import TableName

SOURCE = "source"
CLASSIFICATION = "classification"
ARCHIVE = "archive"
PSEUDONYMISATION = "pseudonymisation"
DELETION = "deletion"
STATISTICS = "statistics"
EVIDENCE = "evidence"

OWNERS = ["team:privacy"]

WRITER_POOL = "retention_writer"
"""A courtesy: the queue holds back a second run. The lock is the lease in the control store."""

PLAN = dg.AssetKey(["plan"])
FORECAST = dg.AssetKey(["forecast"])
ARCHIVE_EXPIRED = dg.AssetKey(["archive", "expired"])
ACCUMULATORS = dg.AssetKey(["statistics", "accumulators"])
LEDGER = dg.AssetKey(["ledger"])

KEYS_ARE_SOUND = "keys_are_unique_and_not_null"
EVENTS_ARE_SOUND = "events_are_readable_and_not_in_the_future"
SCHEMA_IS_ANNOTATED = "schema_is_as_annotated"
FOREIGN_KEYS_ARE_DECLARED = "foreign_keys_are_as_declared"
ROWS_ARE_CONSERVED = "rows_are_conserved"
CHAIN_HOLDS = "ledger_chain_holds"

_UNFIT = re.compile(r"[^A-Za-z0-9_]")


def of_table(stage: str, name: TableName) -> dg.AssetKey:
    """``stage/system/table``; stages are ``source``, ``classified``, ``archived`` and so on.

    Dagster names a step after its asset, in letters, digits and underscores.
    """
    return dg.AssetKey([stage, *map(step_name, name.split(".", 1))])


def step_name(name: str) -> str:
    """``name`` in the letters that Dagster allows in a step's name."""
    return _UNFIT.sub("_", name)
