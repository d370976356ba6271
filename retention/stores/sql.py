"""Statements that SQLite and PostgreSQL share but SQLAlchemy spells apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

BATCH = 500
"""Ids in one ``IN``: one compiled statement serves all full batches, and none grows long."""


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    index_elements: Sequence[str],
    update_columns: Sequence[str],
) -> None:
    """Insert ``rows``; where ``index_elements`` are there already, set ``update_columns``.

    Without ``update_columns`` rows that are there stay as they are. All rows have the same
    columns, and no place is given twice.
    """
    if not rows:
        return
    statement = _insert(connection, table)
    if update_columns:
        statement = statement.on_conflict_do_update(
            index_elements=list(index_elements),
            set_={name: statement.excluded[name] for name in update_columns},
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(index_elements))
    connection.execute(statement, [dict(row) for row in rows])


def insert_if_absent(
    connection: Connection, table: Table, row: Mapping[str, Any], index_elements: Sequence[str]
) -> bool:
    """Insert ``row`` unless ``index_elements`` are there already; returns whether it was.

    Of several at the same time exactly one is told that it inserted.
    """
    statement = _insert(connection, table).on_conflict_do_nothing(
        index_elements=list(index_elements)
    )
    # Without the option an INSERT's row count is not kept.
    options = {"preserve_rowcount": True}
    outcome = connection.execute(statement.values(dict(row)), execution_options=options)
    return bool(outcome.rowcount == 1)


def _insert(connection: Connection, table: Table) -> Any:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """``items`` in lists of at most ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
