"""Whether the catalogue still fits the live databases, and which work a misfit stops.

Whatever a run could trip over is found before it starts: a column nobody annotated, a key
that would take rows along, a column that cannot hold what it is to become.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from retention.catalogue.drift_columns import column_findings
from retention.catalogue.drift_keys import key_findings
from retention.catalogue.drift_rights import right_findings
from retention.catalogue.drift_schemas import schema_findings
from retention.catalogue.findings import Finding
from retention.catalogue.live import LiveDatabase, LiveTable, has_more_rows, read_live
from retention.catalogue.model import Catalogue, Table, TableName
from retention.catalogue.sources import Sources

__all__ = ["Finding", "check_system", "stopped_tables"]

ROWS_THAT_NEED_AN_INDEX = 100_000
"""Above these, deleting by a key without an index goes at a few rows a second."""


def check_system(sources: Sources, catalogue: Catalogue, system: str) -> list[Finding]:
    """Compare one system's part of the catalogue with its database.

    Reads the database's own catalogues, and counts rows where a size matters.

    Raises:
        SourceError: the database cannot be reached or read.
    """
    declared = catalogue.systems[system]
    with sources.begin(system) as connection:
        live = read_live(connection, declared.db_schema, frozenset(declared.tables))

        def large(table: str) -> bool:
            return has_more_rows(connection, table, declared.db_schema, ROWS_THAT_NEED_AN_INDEX)

        return list(
            dict.fromkeys(
                (
                    *_scope_findings(catalogue, system, live),
                    *schema_findings(sources, catalogue, system, connection),
                    *_table_findings(catalogue, system, live),
                    *right_findings(system, live),
                    *key_findings(catalogue, system, live, large),
                )
            )
        )


def stopped_tables(catalogue: Catalogue, findings: Iterable[Finding]) -> dict[TableName, str]:
    """The tables no run may touch, each with the first error that stops it.

    An error on a table stops its whole owner tree: its owners up to the last, and all that
    these own. Other trees go on.
    """
    trees: dict[TableName, str] = {}
    for finding in findings:
        if finding.severity == "error" and finding.table is not None:
            trees.setdefault(_root(catalogue, finding.table), str(finding))
    return {
        name: trees[root]
        for name, _ in catalogue.tables()
        if (root := _root(catalogue, name)) in trees
    }


def _root(catalogue: Catalogue, name: TableName) -> TableName:
    while (owner := catalogue.owner_of(name)) is not None:
        name = owner
    return name


def _scope_findings(catalogue: Catalogue, system: str, live: LiveDatabase) -> Iterator[Finding]:
    """Every table is either governed, or out of scope for a reason given."""
    declared = catalogue.systems[system]
    for name in sorted(live.names - set(declared.tables)):
        if not any(fnmatchcase(name, pattern) for pattern in declared.out_of_scope):
            problem = "the catalogue neither governs this table nor puts it out of scope"
            yield Finding(f"{system}.{name}", problem, "error", None)


@dataclass(frozen=True)
class _Compared:
    """A governed table beside its live one."""

    name: TableName
    declared: Table
    live: LiveTable

    def error(self, problem: str) -> Finding:
        return Finding(self.name, problem, "error", self.name)

    def warning(self, problem: str) -> Finding:
        return Finding(self.name, problem, "warning", self.name)


def _table_findings(catalogue: Catalogue, system: str, live: LiveDatabase) -> Iterator[Finding]:
    for short, declared in catalogue.systems[system].tables.items():
        name = TableName(f"{system}.{short}")
        table = live.tables.get(short)
        if table is None:
            problem = "it is a view" if short in live.views else "there is no such table"
            yield Finding(name, problem, "error", name)
            continue
        compared = _Compared(name, declared, table)
        yield from _primary_key_findings(compared)
        yield from column_findings(catalogue, name, table, live.dialect)
        if table.triggers:
            listed = ", ".join(table.triggers)
            yield compared.warning(f"triggers run when its rows change or leave: {listed}")


def _primary_key_findings(table: _Compared) -> Iterator[Finding]:
    key, live = table.declared.key, table.live
    if not set(key) <= set(live.columns):
        return  # the missing column is a finding of its own
    listed = ", ".join(key)
    if not live.is_unique_by(key):
        yield table.error(f"its key ({listed}) is neither the primary key nor unique")
        return
    if live.primary_key and set(live.primary_key) <= set(key):
        return
    empty = [name for name in key if live.columns[name].nullable]
    if empty:
        yield table.error(
            f"its key may be null, and such a row cannot be found: {', '.join(empty)}"
        )
    elif not live.primary_key:
        yield table.warning(f"it has no primary key; its key ({listed}) is a unique index")
