"""Rows that have to wait since another one cannot be decided on.

An invoice whose date cannot be read stays where it is until a person has mended it, and what it
refers to (its customer) can only go with it. Both are in review then, and the person is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from retention.catalogue.model import TableName
from retention.errors import RetentionError
from retention.execution.trees import Tree, TreeRow
from retention.holds import held_rows
from retention.installation import Installation
from retention.policy.decide import Action
from retention.requests.doing.aims import LEAVES, PersonAim, Place
from retention.requests.doing.persons import PersonTable, read_person
from retention.requests.model import Kind


def waiting(installation: Installation, aim: PersonAim) -> frozenset[Place]:
    """The rows with clocks of their own that would go by ``aim``, but have to wait.

    What cannot be read now is left out: the run stops there by itself, and says why.
    """
    if aim.kind not in (Kind.erasure, Kind.objection):
        return frozenset()
    found = held_rows(installation)
    held = replace(found, tokens=aim.held(found))
    clocked = installation.catalogue.clocked_tables()
    places: set[Place] = set()
    for system in sorted({_system(table) for table, _ in aim.persons}):
        others = [name for name in clocked if _system(name) != system]
        try:
            tables = list(read_person(installation, aim.persons, aim.as_of, held=held, but=others))
        except RetentionError:
            continue
        places |= _waiting(aim, tables)
    return frozenset(places)


def _waiting(aim: PersonAim, tables: Sequence[PersonTable]) -> set[Place]:
    leaving: dict[Place, Tree] = {}
    staying: list[Tree] = []
    for table in tables:
        for item in aim.decided(table.bound, list(table.judged.values())):
            if item.decision.action is Action.review:
                staying.append(table.trees[item.key])
            elif item.decision.action in LEAVES:
                leaving[table.name, item.key] = table.trees[item.key]
    roots = {(row.name, row.key): root for root, tree in leaving.items() for row in tree.rows}
    found: set[Place] = set()
    while staying:
        for row in staying.pop().rows:
            for target in _targets(row):
                root = roots.get(target)
                if root is not None and root not in found:
                    found.add(root)
                    staying.append(leaving[root])
    return found


def _targets(row: TreeRow) -> Iterator[Place]:
    """The rows that ``row`` refers to."""
    for pointer in row.table.pointers:
        target = TableName(f"{_system(row.name)}.{pointer.table}")
        yield target, tuple(row.row[name] for name in pointer.via)


def _system(name: str) -> str:
    return name.partition(".")[0]
