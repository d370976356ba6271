"""Whether the live foreign keys into governed tables are the declared ones, and harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from retention.catalogue.coherence_columns import becomes_empty, references_of
from retention.catalogue.declarations import Owner, Pseudonymise, Reference
from retention.catalogue.findings import Finding
from retention.catalogue.live import LiveDatabase
from retention.catalogue.live_keys import HARMFUL_ACTIONS, LiveForeignKey
from retention.catalogue.model import Catalogue, Table, TableName

Pairs = frozenset[tuple[str, str]]
Declared = tuple[str, str, Pairs]
"""(table that refers, table referred to, column pairs), all of one system."""


def key_findings(
    catalogue: Catalogue, system: str, live: LiveDatabase, large: Callable[[str], bool]
) -> Iterator[Finding]:
    """What is wrong with the foreign keys of a system.

    ``large`` says whether a table is so large that deleting without an index takes days.
    """
    tables = catalogue.systems[system].tables
    declared = {
        (short, reference.table, _pairs(reference, tables[reference.table]))
        for short, table in tables.items()
        for reference in references_of(table)
    }
    for key in live.foreign_keys:
        yield from _live_key_findings(system, key, declared)
        yield from _change_findings(catalogue, system, key)
    enforced = {
        (key.source, key.target, frozenset(key.pairs))
        for key in live.foreign_keys
        if key.same_schema
    }
    for short, table in tables.items():
        for reference in references_of(table):
            if short in live.tables and reference.table in live.tables:
                yield from _declared_key_findings(
                    system, short, reference, live, large,
                    enforced=(short, reference.table, _pairs(reference, tables[reference.table]))
                    in enforced,
                )  # fmt: skip
    yield from _cycle_findings(system, live)


def _pairs(reference: Owner | Reference, target: Table) -> Pairs:
    return frozenset(zip(reference.via, target.key, strict=True))


def _live_key_findings(
    system: str, key: LiveForeignKey, declared: set[Declared]
) -> Iterator[Finding]:
    target = TableName(f"{system}.{key.target}")
    columns = ", ".join(key.columns)
    subject = f"foreign key {system}.{key.source} ({columns})"
    if not key.same_schema:
        problem = (
            f"{subject} points here from another schema, where the catalogue can declare no "
            "reference: move that table into this schema, or drop the key"
        )
        yield Finding(target, problem, "error", target)
    elif (key.source, key.target, frozenset(key.pairs)) not in declared:
        problem = (
            f"{subject} points here and the catalogue declares it neither as owner nor as reference"
        )
        yield Finding(target, problem, "error", target)
    if key.on_delete in HARMFUL_ACTIONS:
        problem = (
            f"{subject} is ON DELETE {key.on_delete}: deleting here would change rows there unseen"
        )
        yield Finding(target, problem, "error", target)
    if key.deferred:
        problem = f"{subject} is INITIALLY DEFERRED: a delete would succeed and its commit fail"
        yield Finding(target, problem, "error", target)


def _change_findings(catalogue: Catalogue, system: str, key: LiveForeignKey) -> Iterator[Finding]:
    """A value that a key binds to another row's cannot be replaced, on either side."""
    tables = catalogue.systems[system].tables
    ends = [(key.target, column) for _, column in key.pairs]
    if key.same_schema:
        ends += [(key.source, column) for column in key.columns]
    for short, column_name in ends:
        column = tables[short].columns.get(column_name) if short in tables else None
        if column is None:
            continue
        name = TableName(f"{system}.{short}")
        between = f"a foreign key ({system}.{key.source} to {system}.{key.target})"
        if column.pseudonymise is Pseudonymise.token:
            problem = f"it is part of {between} and cannot hold a pseudonym"
            yield Finding(f"{name}.{column_name}", problem, "error", name)
        elif column.cleared_as is not None and becomes_empty(catalogue, name, column):
            problem = f"it is part of {between} and can be cleared to null only"
            yield Finding(f"{name}.{column_name}", problem, "error", name)


def _declared_key_findings(
    system: str,
    short: str,
    reference: Owner | Reference,
    live: LiveDatabase,
    large: Callable[[str], bool],
    *,
    enforced: bool,
) -> Iterator[Finding]:
    name = TableName(f"{system}.{short}")
    target = TableName(f"{system}.{reference.table}")
    columns = ", ".join(reference.via)
    if not enforced:
        problem = f"its reference ({columns}) to {target} is not enforced by a foreign key"
        yield Finding(name, problem, "warning", name)
    table = live.tables[short]
    if set(reference.via) <= set(table.columns) and not table.finds_by(reference.via):
        slow = live.dialect != "sqlite" and large(reference.table)
        problem = f"no index starts with ({columns}): deleting from {target} reads all of this table each time"
        yield Finding(name, problem, "error" if slow else "warning", target if slow else name)


def _cycle_findings(system: str, live: LiveDatabase) -> Iterator[Finding]:
    """Rows that hold each other in place can never be deleted in any order."""
    points_at: dict[str, set[str]] = {}
    for key in live.foreign_keys:
        if key.same_schema and key.source in live.tables:
            points_at.setdefault(key.source, set()).add(key.target)
    reached = {short: _reachable(short, points_at) for short in live.tables}
    for short in sorted(live.tables):
        name = TableName(f"{system}.{short}")
        circle = {other for other in reached[short] if short in reached[other]}
        if circle - {short}:
            listed = ", ".join(f"{system}.{other}" for other in sorted(circle | {short}))
            yield Finding(name, f"foreign keys go round in a circle: {listed}", "error", name)
        elif short in points_at.get(short, ()):
            problem = (
                "its rows refer to each other: one that another refers to stays until that has left"
            )
            yield Finding(name, problem, "warning", name)


def _reachable(start: str, points_at: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = list(points_at.get(start, ()))
    while ahead:
        at = ahead.pop()
        if at not in found:
            found.add(at)
            ahead += points_at.get(at, ())
    return found
