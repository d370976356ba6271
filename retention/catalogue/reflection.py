"""A live table as SQLAlchemy sees it, with types under which no value is altered."""

from __future__ import annotations

import warnings
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.engine import Engine
from sqlalchemy.exc import NoSuchTableError, SAWarning
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

# Types whose Python values hold exactly what the database holds.
_EXACT: tuple[type[TypeEngine[Any]], ...] = (
    sa.Integer,
    sa.Boolean,
    sa.Numeric,
    sa.Float,
    sa.LargeBinary,
    sa.Uuid,
)
_EXACT_TEXT = (sa.VARCHAR, sa.TEXT)
# The cast to text strips the blanks of ``char(n)`` and adds a mask to addresses; these come
# from the driver as text without a cast.
_TEXT_WITHOUT_CAST = (sa.CHAR, postgresql.INET, postgresql.CIDR)


class AsText(UserDefinedType[str]):
    """A PostgreSQL type whose values travel as the database's own text of them.

    Python's JSON, intervals, ranges, times and enumerations each lose something: the layout
    of a document, the months of an interval, a bound at infinity.
    """

    cache_ok = True
    render_bind_cast = True

    # SQLAlchemy copies a type by its positional arguments: keyword-only ones would be lost.
    def __init__(
        self,
        sql_type: str,
        cast_on_read: bool = True,  # noqa: FBT001, FBT002
        length: int | None = None,
    ) -> None:
        self.sql_type = sql_type
        self.cast_on_read = cast_on_read
        self.length = length
        """Of a text that the database fills up with blanks, and that its cast cuts off unsaid."""

    def get_col_spec(self, **_: Any) -> str:
        return self.sql_type

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return sa.cast(column, sa.Text) if self.cast_on_read else column


class _StoredDate(sa.Date):
    """A date that may be the text of one, such as ``infinity``, also in a comparison."""

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if isinstance(value, str) else super().coerce_compared_value(op, value)


class _StoredDateTime(sa.DateTime):
    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if isinstance(value, str) else super().coerce_compared_value(op, value)


class RestoringInsert(Insert):
    """An INSERT that also sets columns which are GENERATED ALWAYS AS IDENTITY."""

    inherit_cache = True


@compiles(RestoringInsert, "postgresql")
def _overriding_identity(insert: RestoringInsert, compiler: PGCompiler, **options: Any) -> str:
    text: str = compiler.visit_insert(insert, **options)  # type: ignore[no-untyped-call]
    return text.replace(") VALUES (", ") OVERRIDING SYSTEM VALUE VALUES (", 1)


def restoring_insert(table: sa.Table) -> RestoringInsert:
    """The INSERT by which rows read from ``table`` are put back as they were.

    Leave out the columns of :func:`generated_columns`.
    """
    return RestoringInsert(table)


def generated_columns(table: sa.Table) -> frozenset[str]:
    """Columns that the database computes itself and that cannot be written."""
    return frozenset(column.name for column in table.columns if column.info.get("generated"))


def reflect_table(engine: Engine, name: str, schema: str | None) -> sa.Table | None:
    """The table's columns and primary key; ``None`` where there is no such table.

    Constraints and defaults are left out on purpose: foreign keys may point at tables that
    do not exist, and no default may replace a value that is put back.
    """
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # unknown types are met on purpose
        inspector = sa.inspect(connection)
        try:
            found = inspector.get_columns(name, schema=schema)
            key = set(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
        except NoSuchTableError:
            return None
        if not found:
            return None
        sqlite = connection.dialect.name == "sqlite"
        spelled = {} if sqlite else _postgresql_types(connection, name, schema)
    columns = [
        sa.Column(
            item["name"],
            NullType() if sqlite else _exact_type(item["type"], spelled.get(item["name"])),
            primary_key=item["name"] in key,
            nullable=item["nullable"],
            autoincrement=False,
            info={"generated": bool(item.get("computed"))},
        )
        for item in found
    ]
    return sa.Table(name, sa.MetaData(), *columns, schema=schema)


def equal_is_same(one: TypeEngine[Any], other: TypeEngine[Any]) -> bool:
    """Whether equal values of two columns are read as the same, whatever they are.

    Not so where letters of both cases are equal, where one is padded, or has decimals: the
    database then says that they are equal, and Python that they are not.
    """
    kinds = (one, other)
    if all(type(kind) in _EXACT_TEXT and not getattr(kind, "collation", "") for kind in kinds):
        return True
    return any(all(isinstance(kind, same) for kind in kinds) for same in (sa.Integer, sa.Uuid))


def _exact_type(reflected: TypeEngine[Any], spelled: str | None) -> TypeEngine[Any]:
    base = reflected
    while isinstance(base, postgresql.DOMAIN):
        base = base.data_type
    if isinstance(base, sa.Date):
        return _StoredDate()
    if isinstance(base, sa.DateTime):
        return _StoredDateTime(timezone=base.timezone)
    exact = type(base) in _EXACT_TEXT or isinstance(base, _EXACT)
    if exact or spelled is None:
        return base
    as_is = isinstance(base, _TEXT_WITHOUT_CAST) or spelled == "bpchar"
    return AsText(spelled, not as_is, base.length if isinstance(base, sa.CHAR) else None)


def _postgresql_types(connection: sa.Connection, table: str, schema: str | None) -> dict[str, str]:
    """The SQL spelling of each column's type, as the database itself gives it."""
    catalogue = sa.table(
        "pg_attribute",
        *map(sa.column, ("attname", "attrelid", "attnum", "atttypid", "atttypmod", "attisdropped")),
        schema="pg_catalog",
    )
    relation = connection.dialect.identifier_preparer.quote(table)
    if schema:
        relation = f"{connection.dialect.identifier_preparer.quote(schema)}.{relation}"
    spelled = sa.func.format_type(catalogue.c.atttypid, catalogue.c.atttypmod)
    rows = connection.execute(
        sa.select(catalogue.c.attname, spelled).where(
            catalogue.c.attrelid == sa.cast(relation, postgresql.REGCLASS),
            catalogue.c.attnum > 0,
            sa.not_(catalogue.c.attisdropped),
        )
    )
    return {str(name): str(text) for name, text in rows}
