"""Whether the orchestrator's account may do what runs and requests need of each table.

A right that is missing would show in the middle of a run. Rows that are hidden from the account
would not show at all: they would be left behind, so that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from retention.catalogue.findings import Finding
from retention.catalogue.live import LiveDatabase
from retention.catalogue.live_rights import LiveRights
from retention.catalogue.model import TableName

_CHANGES = ("UPDATE", "DELETE")
_ALL = LiveRights()
_Severity = Literal["error", "warning"]


def right_findings(system: str, live: LiveDatabase) -> Iterator[Finding]:
    """What the account lacks, governed tables first."""
    for short in sorted(live.tables):
        name = TableName(f"{system}.{short}")
        for severity, problem in _of_governed(live.rights.get(short, _ALL)):
            yield Finding(name, problem, severity, name)
    for short in sorted(live.names - set(live.tables)):
        rights = live.rights.get(short, _ALL)
        if "SELECT" in rights.lacks or rights.hides_rows:
            yield Finding(
                f"{system}.{short}",
                "this account may not read all of it (SELECT, row-level security): what is left of"
                " a person there cannot be found, so no erasure can be proved",
                "warning",
                None,
            )


def _of_governed(rights: LiveRights) -> Iterator[tuple[_Severity, str]]:
    if rights.hides_rows:
        yield "error", "row-level security may hide rows from this account: they would be left"
    if "SELECT" in rights.lacks:
        yield "error", "this account may not read it (SELECT)"
        return
    if missing := [right for right in _CHANGES if right in rights.lacks]:
        yield (
            "warning",
            f"this account may not change it ({', '.join(missing)}): enough for 'mode: observe' only",
        )
    elif "INSERT" in rights.lacks:
        yield "warning", "this account may not put back what a restriction takes out (INSERT)"
