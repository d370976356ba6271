"""Writing rows into a source just as they were, in a transaction that somebody else commits.

Owners come before owned. Once all are written they are read back and compared, since what the
database does beside (a trigger, a default) may come with a later row than the one it changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from retention.catalogue.model import Catalogue, Role, TableName
from retention.catalogue.reflection import generated_columns, restoring_insert
from retention.catalogue.source_errors import safe_reason
from retention.encoding import encode
from retention.errors import SourceError
from retention.execution.trees import TOGETHER, referred_first
from retention.execution.work import Work
from retention.planning.facts import Key, key_in
from retention.stores.sql import BATCH, batches


@dataclass(frozen=True)
class RestrictedRow:
    """A row that a restriction took out of its table."""

    table: TableName
    key: Key
    values: Mapping[str, Any]
    record_token: str
    incarnation: int
    unit_id: str
    digest: bytes


Rows = Mapping[TableName, Sequence[RestrictedRow]]


def put_back(work: Work, connection: Connection, rows: Iterable[RestrictedRow]) -> None:
    """Write ``rows``, all of one system. Nothing is committed here.

    Raises:
        SourceError: one cannot go back, or the database makes something else of it: roll back.
    """
    by_table: dict[TableName, list[RestrictedRow]] = defaultdict(list)
    for row in rows:
        by_table[row.table].append(row)
    for name, mine in by_table.items():
        _refuse_lost_columns(work, name, mine)
    before = _owned(work, connection, by_table)
    for name in insertion_order(work.installation.catalogue, by_table):
        _insert(work, connection, name, by_table[name])
    if connection.dialect.name == "postgresql":
        with _refused("what is checked at the end"):
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    for name, mine in by_table.items():
        _refuse_changed(work, connection, name, mine)
    _refuse_added(by_table, before, _owned(work, connection, by_table))


def insertion_order(catalogue: Catalogue, tables: Iterable[TableName]) -> list[TableName]:
    """``tables`` of one system, each after those it points at."""
    left, order = sorted(tables), list[TableName]()
    while left:
        system = left[0].partition(".")[0]
        free = [
            name
            for name in left
            if not {
                TableName(f"{system}.{pointer.table}") for pointer in catalogue.table(name).pointers
            }
            & (set(left) - {name})
        ]
        order += free or left
        left = [name for name in left if name not in order]
    return order


def _refuse_lost_columns(work: Work, name: TableName, rows: Sequence[RestrictedRow]) -> None:
    there = {column.name for column in work.installation.sources.table(name).columns}
    if lost := sorted({column for row in rows for column in row.values} - there):
        raise SourceError(
            f"{name}: restricted rows cannot go back: the table has no column {', '.join(lost)} "
            "any more; have it added for as long as they go back; nothing was changed"
        )


def _insert(
    work: Work, connection: Connection, name: TableName, rows: Sequence[RestrictedRow]
) -> None:
    sql = work.installation.sources.table(name)
    computed = generated_columns(sql)
    table = work.installation.catalogue.table(name)
    ordered, circles = referred_first(name, table, rows, lambda row: row.values)
    width = max(1, len(sql.columns))
    parts = chain(
        batches(ordered, max(1, BATCH // width)), batches(circles, max(1, TOGETHER // width))
    )
    with _refused(name):
        for batch in parts:
            values = [
                {column: value for column, value in row.values.items() if column not in computed}
                for row in batch
            ]
            connection.execute(restoring_insert(sql).values(values))


@contextmanager
def _refused(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise SourceError(
            f"{name}: restricted rows cannot go back: a key is taken by another row, what they "
            f"point at is gone, or a rule of the table has changed ({safe_reason(error)}); "
            "nothing was changed"
        ) from None


def _refuse_changed(
    work: Work, connection: Connection, name: TableName, rows: Sequence[RestrictedRow]
) -> None:
    """Every column that was sealed; what the table has got since is the database's to fill."""
    sql = work.installation.sources.table(name)
    key = [sql.c[column] for column in work.installation.catalogue.table(name).key]
    missing = {row.key: row.values for row in rows}
    differing: set[str] = set()
    for batch in batches(list(missing), BATCH):
        statement = sa.select(*sql.columns).where(key_in(key, batch))
        for found in connection.execute(statement).mappings():
            wanted = missing.pop(tuple(found[column.name] for column in key), {})
            differing |= {
                column for column, value in wanted.items() if encode(found[column]) != encode(value)
            }
    if differing or missing:
        what = ", ".join(sorted(differing)) or f"{len(missing)} of {len(rows)} rows"
        raise SourceError(
            f"{name}: the database does not give back what was written ({what}); if a trigger "
            "changes it, have that disabled for as long as these rows go back; nothing was changed"
        )


def _owned(work: Work, connection: Connection, rows: Rows) -> dict[TableName, set[Key]]:
    """The keys of all that follows ``rows``, by table."""
    catalogue = work.installation.catalogue
    found: dict[TableName, set[Key]] = {}
    for name, table in catalogue.tables():
        owner = catalogue.owner_of(name)
        if table.role is not Role.dependant or owner not in rows:
            continue
        assert table.owner is not None
        assert owner is not None
        sql = work.installation.sources.table(name)
        key, via = ([sql.c[column] for column in names] for names in (table.key, table.owner.via))
        found[name] = set()
        for batch in batches([row.key for row in rows[owner]], BATCH):
            statement = sa.select(*key).where(key_in(via, batch))
            found[name].update(tuple(row) for row in connection.execute(statement))
    return found


def _refuse_added(
    rows: Rows, before: Mapping[TableName, set[Key]], after: Mapping[TableName, set[Key]]
) -> None:
    for name, keys in after.items():
        if added := keys - before[name] - {row.key for row in rows.get(name, ())}:
            raise SourceError(
                f"{name}: as restricted rows go back the database makes {len(added)} more that "
                "belong to them; have the trigger that does it disabled for as long as they go "
                "back; nothing was changed"
            )
