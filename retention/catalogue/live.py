"""What a live database says of its tables: the facts that ``drift`` compares.

Read from the databases' own catalogues where SQLAlchemy's inspector would stumble over, or
not see, what real schemas hold: keys to tables that do not exist, keys from other schemas.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Inspector
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from retention.catalogue import live_postgresql, live_sqlite
from retention.catalogue.live_keys import LiveForeignKey
from retention.catalogue.live_rights import LiveRights


@dataclass(frozen=True)
class LiveColumn:
    """A column; a domain's type is the type it stands for."""

    type: TypeEngine[Any]
    nullable: bool
    generated: bool


@dataclass(frozen=True)
class LiveIndex:
    """An index; a column is ``None`` where it is an expression."""

    columns: tuple[str | None, ...]
    unique: bool
    where: str | None


@dataclass(frozen=True)
class LiveTable:
    """A governed table as it stands."""

    columns: Mapping[str, LiveColumn]
    primary_key: tuple[str, ...]
    indexes: tuple[LiveIndex, ...]
    """The primary key's not among them."""
    triggers: tuple[str, ...]

    @property
    def unique_sets(self) -> list[frozenset[str]]:
        """Sets of columns that no two rows share."""
        found = [frozenset(self.primary_key)] if self.primary_key else []
        return found + [
            frozenset(filter(None, index.columns))
            for index in self.indexes
            if index.unique and index.where is None and None not in index.columns
        ]

    def is_unique_by(self, columns: tuple[str, ...]) -> bool:
        return any(known <= set(columns) for known in self.unique_sets)

    def finds_by(self, columns: tuple[str, ...]) -> bool:
        """Whether some index leads to the rows that have given values in ``columns``."""
        wanted, width = set(columns), len(columns)
        if set(self.primary_key[:width]) == wanted:
            return True
        return any(
            set(index.columns[:width]) == wanted and _serves(index, columns)
            for index in self.indexes
        )

    def constrains(self, column: str) -> bool:
        """Whether a primary key or a unique index, be it partial, includes ``column``."""
        return column in self.primary_key or any(
            index.unique and column in index.columns for index in self.indexes
        )


def _serves(index: LiveIndex, columns: tuple[str, ...]) -> bool:
    """A partial index serves a look-up by value where it leaves out nulls only."""
    if index.where is None:
        return True
    condition = index.where.strip().strip("()").replace('"', "").casefold()
    return condition in {f"{column.casefold()} is not null" for column in columns}


@dataclass(frozen=True)
class LiveDatabase:
    """One system's database."""

    dialect: str
    names: frozenset[str]
    """Every table, and on PostgreSQL every materialised view, of the system's schema."""
    views: frozenset[str]
    tables: Mapping[str, LiveTable]
    """The governed ones that exist."""
    foreign_keys: tuple[LiveForeignKey, ...]
    """All that point at a governed table, from wherever."""
    rights: Mapping[str, LiveRights]
    """What this account may do, by the table's name; of SQLite nothing is said."""


def read_live(connection: Connection, schema: str | None, governed: frozenset[str]) -> LiveDatabase:
    """Describe the database behind ``connection``, its ``governed`` tables in detail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # types and indexes unknown to SQLAlchemy
        inspector = sa.inspect(connection)
        sqlite = connection.dialect.name == "sqlite"
        extra = live_sqlite if sqlite else live_postgresql
        names = extra.table_names(connection, schema)
        triggers = extra.triggers(connection, schema)
        tables = {
            name: _table(inspector, name, schema, tuple(sorted(triggers.get(name, ()))))
            for name in sorted(governed & names)
        }
        primary_keys = {name: table.primary_key for name, table in tables.items()}
        return LiveDatabase(
            dialect=connection.dialect.name,
            names=names,
            views=frozenset(inspector.get_view_names(schema=schema)),
            tables=tables,
            foreign_keys=extra.foreign_keys(connection, schema, primary_keys),
            rights=read_rights(connection, schema),
        )


def read_rights(connection: Connection, schema: str | None) -> Mapping[str, LiveRights]:
    """What the account behind ``connection`` may do, by the table's name."""
    extra = live_sqlite if connection.dialect.name == "sqlite" else live_postgresql
    rights: Mapping[str, LiveRights] = extra.rights(connection, schema)
    return rights


def _table(
    inspector: Inspector, name: str, schema: str | None, triggers: tuple[str, ...]
) -> LiveTable:
    columns = {
        item["name"]: LiveColumn(
            type=_base(item["type"]),
            nullable=bool(item["nullable"]),
            generated=bool(item.get("computed")),
        )
        for item in inspector.get_columns(name, schema=schema)
    }
    every = {"include_auto_indexes": True} if inspector.dialect.name == "sqlite" else {}
    indexes = tuple(
        LiveIndex(
            columns=tuple(item["column_names"]),
            unique=bool(item["unique"]),
            where=_where(item.get("dialect_options", {})),
        )
        for item in inspector.get_indexes(name, schema=schema, **every)
    )
    key = tuple(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
    return LiveTable(columns, key, indexes, triggers)


def _base(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    while isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    return kind


def _where(options: Mapping[str, Any]) -> str | None:
    condition = options.get("sqlite_where")
    if condition is None:
        condition = options.get("postgresql_where")
    return None if condition is None else str(condition)


def has_more_rows(connection: Connection, table: str, schema: str | None, rows: int) -> bool:
    """Whether a table has more than ``rows`` rows; reads no more than it must."""
    some = sa.select(sa.literal(1)).select_from(sa.table(table, schema=schema)).limit(rows + 1)
    counted = connection.scalar(sa.select(sa.func.count()).select_from(some.subquery()))
    return (counted or 0) > rows
