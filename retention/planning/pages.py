"""Walking a table in key ranges, so that memory is bounded by the page.

A page is a pair of keys. Its rows are read again, under the same condition, at each stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from retention.catalogue.bound import BoundTable
from retention.planning.facts import Key
from retention.planning.judge import Row

Bounds = tuple[Key, Key]
"""The first and the last key of a page, both included."""


def next_page(
    connection: Connection,
    bound: BoundTable,
    condition: ColumnElement[bool],
    size: int,
    after: Key | None,
    through: Key | None = None,
) -> Bounds | None:
    """The bounds of the next ``size`` rows that meet ``condition``, in the order of the key.

    Only keys beyond ``after``, and up to ``through``, where they are given.
    """
    statement = sa.select(*bound.key).where(condition).order_by(*bound.key).limit(size)
    if after is not None:
        statement = statement.where(_beyond(bound.key, after))
    if through is not None:
        statement = statement.where(sa.not_(_beyond(bound.key, through)))
    keys = [tuple(row) for row in connection.execute(statement)]
    return (keys[0], keys[-1]) if keys else None


def pages(
    connection: Connection, bound: BoundTable, condition: ColumnElement[bool], size: int
) -> Iterator[Bounds]:
    """Every page of the table's rows that meet ``condition``."""
    after: Key | None = None
    while bounds := next_page(connection, bound, condition, size, after):
        yield bounds
        after = bounds[1]


def read_page(
    connection: Connection,
    bound: BoundTable,
    condition: ColumnElement[bool],
    bounds: Bounds,
    *,
    lock: bool = False,
) -> list[Row]:
    """The rows between ``bounds`` that meet ``condition`` now; locked where asked."""
    return read_rows(connection, bound, sa.and_(condition, within(bound.key, bounds)), lock=lock)


def read_rows(
    connection: Connection,
    bound: BoundTable,
    condition: ColumnElement[bool],
    *,
    lock: bool = False,
) -> list[Row]:
    """The rows that meet ``condition``, whole, in the order of the key."""
    statement = sa.select(*bound.sql.columns).where(condition).order_by(*bound.key)
    if lock and bound.dialect != "sqlite":
        statement = statement.with_for_update(of=bound.sql)
    names = [column.name for column in bound.sql.columns]
    return [dict(zip(names, row, strict=True)) for row in connection.execute(statement)]


def within(columns: Sequence[ColumnElement[Any]], bounds: Bounds) -> ColumnElement[bool]:
    """Whether a key lies between ``bounds``, both included."""
    low, high = bounds
    if len(columns) == 1:
        return sa.between(columns[0], low[0], high[0])
    return sa.and_(
        sa.tuple_(*columns) >= _literal(columns, low),
        sa.tuple_(*columns) <= _literal(columns, high),
    )


def _beyond(columns: Sequence[ColumnElement[Any]], key: Key) -> ColumnElement[bool]:
    """Whether a key sorts after ``key``, column by column."""
    if len(columns) == 1:
        return sa.and_(columns[0] > key[0])
    return sa.and_(sa.tuple_(*columns) > _literal(columns, key))


def _literal(columns: Sequence[ColumnElement[Any]], key: Key) -> ColumnElement[Any]:
    pairs = zip(columns, key, strict=True)
    return sa.tuple_(*(sa.literal(value, column.type) for column, value in pairs))
