"""A row and the dependants that go with it, read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import Table, TableName
from retention.errors import SourceError
from retention.planning.facts import Key, key_in
from retention.planning.judge import Row
from retention.stores.sql import BATCH, batches

T = TypeVar("T")

TOGETHER = 30_000
"""Values that one statement can hold in any database."""


@dataclass(frozen=True)
class TreeRow:
    """One row of a tree."""

    name: TableName
    table: Table
    key: Key
    row: Row


@dataclass
class Tree:
    """A root row and its dependants, owners before owned."""

    root: TreeRow
    dependants: list[TreeRow] = field(default_factory=list)

    @property
    def rows(self) -> list[TreeRow]:
        return [self.root, *self.dependants]


def read_trees(
    connection: Connection,
    bound: BoundTable,
    roots: Iterable[tuple[Key, Row]],
    *,
    lock: bool = False,
) -> dict[Key, Tree]:
    """The trees of ``roots`` (key and row of ``bound``), locked where asked."""
    trees = {key: Tree(TreeRow(bound.name, bound.table, key, row)) for key, row in roots}
    placed: dict[TableName, dict[Key, Key]] = {bound.name: {key: key for key in trees}}
    for follower in bound.followers:
        parents = placed[follower.parent]
        placed[follower.name] = mine = {}
        names = [column.name for column in follower.sql.columns]
        for batch in batches(parents, BATCH):
            statement = (
                sa.select(*follower.sql.columns)
                .where(key_in(follower.via, batch))
                .order_by(*follower.key)
            )
            if lock and bound.dialect != "sqlite":
                statement = statement.with_for_update(of=follower.sql)
            for values in connection.execute(statement):
                row = dict(zip(names, values, strict=True))
                key = tuple(row[name] for name in follower.table.key)
                root = parents.get(tuple(row[column.name] for column in follower.via))
                if root is None:
                    raise SourceError(
                        f"{follower.name}: what points at {follower.parent} is stored otherwise "
                        "than the key it equals; give both columns one type"
                    )
                mine[key] = root
                trees[root].dependants.append(TreeRow(follower.name, follower.table, key, row))
    return trees


def delete_trees(connection: Connection, bound: BoundTable, trees: Sequence[Tree]) -> int:
    """Delete the trees' rows, owned before owners. Returns the number of rows deleted.

    Raises:
        VanishedRows: the database deleted another number of rows than were read.
    """
    deleted = 0
    for follower in reversed(bound.followers):
        rows = [row for tree in trees for row in tree.dependants if row.name == follower.name]
        rows, circles = referred_first(follower.name, follower.table, rows, lambda row: row.row)
        keys = [row.key for row in circles]
        at_once = TOGETHER // len(follower.key)
        deleted += _delete(connection, follower.sql, follower.key, keys, at_once)
        keys = [row.key for row in reversed(rows)]
        deleted += _delete(connection, follower.sql, follower.key, keys)
    roots = [tree.root.key for tree in trees]
    return deleted + _delete(connection, bound.sql, bound.key, roots)


def referred_first(
    name: TableName, table: Table, rows: Sequence[T], values: Callable[[T], Row]
) -> tuple[list[T], list[T]]:
    """Rows of one table, each after those among them that it refers to; then those in circles.

    The reverse is an order in which they can be deleted part by part. Rows that refer to each
    other in a circle, and what refers to these, come and go after and before them, in one
    statement: only at its end does a database ask for what they refer to.
    """
    short = name.partition(".")[2]
    vias = [pointer.via for pointer in table.pointers if pointer.table == short]
    if not vias:
        return list(rows), []
    left = {tuple(values(row)[column] for column in table.key): row for row in rows}
    waiting: dict[Key, set[Key]] = {}
    referring: dict[Key, list[Key]] = defaultdict(list)
    for key, row in left.items():
        at = {tuple(values(row)[column] for column in via) for via in vias} - {key}
        waiting[key] = {other for other in at if other in left}
        for other in waiting[key]:
            referring[other].append(key)
    free = [key for key in left if not waiting[key]]
    for key in free:  # grows on the way
        for other in referring[key]:
            waiting[other].discard(key)
            if not waiting[other]:
                free.append(other)
    return [left.pop(key) for key in free], list(left.values())


class VanishedRows(SourceError):
    """A statement touched another number of rows than were read and locked: roll back."""


def _delete(
    connection: Connection,
    table: sa.Table,
    columns: Sequence[sa.Column[Any]],
    keys: Sequence[Key],
    at_once: int = BATCH,
) -> int:
    for batch in batches(keys, at_once):
        result = connection.execute(table.delete().where(key_in(columns, batch)))
        if result.rowcount != len(batch):
            raise VanishedRows(
                f"{table.name}: {len(batch)} rows were read, {result.rowcount} deleted"
            )
    return len(keys)


def blocked(connection: Connection, bound: BoundTable, trees: Iterable[Tree]) -> set[Key]:
    """The roots whose tree is still referred to by a row that does not go along."""
    found: set[Key] = set()
    root_of = {(row.name, row.key): tree.root.key for tree in trees for row in tree.rows}
    inside = {name for name, _ in root_of}
    for target, blocker in bound.blockers:
        targets = [key for name, key in root_of if name == target]
        # a table of the tree may refer into its own tree: such a row goes along
        own_key = blocker.key if blocker.name in inside else ()
        for batch in batches(targets, BATCH):
            statement = sa.select(*blocker.via, *own_key).distinct()
            for row in connection.execute(statement.where(key_in(blocker.via, batch))):
                pointing = tuple(row[: len(blocker.via)])
                root = root_of.get((target, pointing))
                if root is None:  # it is written otherwise than the key it equals
                    alike = [key for key in batch if _plain(key) == _plain(pointing)]
                    found |= {root_of[target, key] for key in alike or batch}
                    continue
                referring = (blocker.name, tuple(row[len(blocker.via) :]))
                if not own_key or root_of.get(referring) != root:
                    found.add(root)
    return found


def _plain(key: Key) -> tuple[str, ...]:
    return tuple(str(part).strip().casefold() for part in key)
