"""Whether the orchestrator's account may do what runs and requests need of each table.

A right that is missing would show in the middle of a run. Rows that are hidden from the account
would not show at all: they would be left behind, so that is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from retention.catalogue.findings import Finding
from retention.catalogue.live import LiveDatabase, read_rights
from retention.catalogue.live_rights import LiveRights
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import Sources

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


def cannot_put_back(
    sources: Sources, catalogue: Catalogue, tables: Iterable[TableName]
) -> list[TableName]:
    """Those of ``tables`` into which this account may not put rows back (INSERT).

    Raises:
        SourceError: a system cannot be reached.
    """
    lacking: list[TableName] = []
    by_system: dict[str, list[TableName]] = defaultdict(list)
    for name in tables:
        by_system[name.partition(".")[0]].append(name)
    for system, names in sorted(by_system.items()):
        with sources.begin(system) as connection:
            rights = read_rights(connection, catalogue.systems[system].db_schema)
        lacking += [
            name
            for name in sorted(names)
            if "INSERT" in rights.get(name.partition(".")[2], _ALL).lacks
        ]
    return lacking
