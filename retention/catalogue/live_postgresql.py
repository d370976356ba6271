"""What PostgreSQL says of its tables, from ``pg_catalog``."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from retention.catalogue.live_keys import LiveForeignKey
from retention.catalogue.live_rights import LiveRights


def _catalogue(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns), schema="pg_catalog")


_CLASS = _catalogue("pg_class", "oid", "relname", "relnamespace", "relkind", "relispartition")
_NAMESPACE = _catalogue("pg_namespace", "oid", "nspname")
_CONSTRAINT = _catalogue(
    "pg_constraint",
    "oid",
    "conname",
    "contype",
    "conrelid",
    "confrelid",
    "conkey",
    "confkey",
    "confdeltype",
    "condeferred",
    "conparentid",
)
_ATTRIBUTE = _catalogue("pg_attribute", "attrelid", "attnum", "attname")
_TRIGGER = _catalogue("pg_trigger", "tgrelid", "tgname", "tgisinternal", "tgenabled")

_ACTIONS = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}


def _is_schema(column: ColumnElement[str], schema: str | None) -> ColumnElement[bool]:
    return column == (schema or sa.func.current_schema())


def table_names(connection: Connection, schema: str | None) -> frozenset[str]:
    """Tables, foreign tables and materialised views; partitions go by their parent's name."""
    statement = (
        sa.select(_CLASS.c.relname)
        .join_from(_CLASS, _NAMESPACE, _NAMESPACE.c.oid == _CLASS.c.relnamespace)
        .where(
            _is_schema(_NAMESPACE.c.nspname, schema),
            sa.cast(_CLASS.c.relkind, sa.Text).in_(["r", "p", "f", "m"]),
            sa.not_(_CLASS.c.relispartition),
        )
    )
    return frozenset(connection.scalars(statement))


def tables_by_schema(connection: Connection) -> dict[str, list[str]]:
    """As ``table_names``, of every schema that is not PostgreSQL's own."""
    statement = (
        sa.select(_NAMESPACE.c.nspname, _CLASS.c.relname)
        .join_from(_CLASS, _NAMESPACE, _NAMESPACE.c.oid == _CLASS.c.relnamespace)
        .where(
            sa.not_(_NAMESPACE.c.nspname.startswith("pg_", autoescape=True)),
            _NAMESPACE.c.nspname != "information_schema",
            sa.cast(_CLASS.c.relkind, sa.Text).in_(["r", "p", "f", "m"]),
            sa.not_(_CLASS.c.relispartition),
        )
    )
    found: dict[str, list[str]] = {}
    for schema, table in connection.execute(statement):
        found.setdefault(schema, []).append(table)
    return found


def schema_at(connection: Connection) -> str:
    """The schema that is meant where a system names none."""
    return str(connection.scalar(sa.select(sa.func.current_schema())))


def rights(connection: Connection, schema: str | None) -> dict[str, LiveRights]:
    """What this account may do with each table, by the table's name."""
    may = sa.func.has_table_privilege
    statement = (
        sa.select(
            _CLASS.c.relname,
            may(_CLASS.c.oid, "SELECT"),
            sa.func.has_any_column_privilege(_CLASS.c.oid, "UPDATE"),
            may(_CLASS.c.oid, "DELETE"),
            may(_CLASS.c.oid, "INSERT"),
            sa.func.row_security_active(_CLASS.c.oid),
        )
        .join_from(_CLASS, _NAMESPACE, _NAMESPACE.c.oid == _CLASS.c.relnamespace)
        .where(
            _is_schema(_NAMESPACE.c.nspname, schema),
            sa.cast(_CLASS.c.relkind, sa.Text).in_(["r", "p", "f", "m"]),
        )
    )
    kinds = ("SELECT", "UPDATE", "DELETE", "INSERT")
    return {
        name: LiveRights(
            frozenset(kind for kind, allowed in zip(kinds, granted, strict=True) if not allowed),
            hides_rows,
        )
        for name, *granted, hides_rows in connection.execute(statement)
    }


def triggers(connection: Connection, schema: str | None) -> dict[str, list[str]]:
    """Names of the enabled triggers by table, those that PostgreSQL makes for keys left out."""
    statement = (
        sa.select(_CLASS.c.relname, _TRIGGER.c.tgname)
        .join_from(_TRIGGER, _CLASS, _CLASS.c.oid == _TRIGGER.c.tgrelid)
        .join(_NAMESPACE, _NAMESPACE.c.oid == _CLASS.c.relnamespace)
        .where(
            _is_schema(_NAMESPACE.c.nspname, schema),
            sa.not_(_TRIGGER.c.tgisinternal),
            sa.cast(_TRIGGER.c.tgenabled, sa.Text) != "D",
        )
    )
    found: dict[str, list[str]] = {}
    for table, name in connection.execute(statement):
        found.setdefault(table, []).append(name)
    return found


def foreign_keys(
    connection: Connection, schema: str | None, primary_keys: Mapping[str, tuple[str, ...]]
) -> tuple[LiveForeignKey, ...]:
    """The foreign keys into the tables of ``primary_keys``, from every schema."""
    source, target = _CLASS.alias(), _CLASS.alias()
    source_schema, target_schema = _NAMESPACE.alias(), _NAMESPACE.alias()
    statement = (
        sa.select(
            _CONSTRAINT.c.oid,
            source.c.relname,
            sa.case(
                (source_schema.c.oid == target_schema.c.oid, None), else_=source_schema.c.nspname
            ),
            target.c.relname,
            sa.cast(_CONSTRAINT.c.confdeltype, sa.Text),
            _CONSTRAINT.c.condeferred,
        )
        .join_from(_CONSTRAINT, source, source.c.oid == _CONSTRAINT.c.conrelid)
        .join(source_schema, source_schema.c.oid == source.c.relnamespace)
        .join(target, target.c.oid == _CONSTRAINT.c.confrelid)
        .join(target_schema, target_schema.c.oid == target.c.relnamespace)
        .where(
            sa.cast(_CONSTRAINT.c.contype, sa.Text) == "f",
            _CONSTRAINT.c.conparentid == 0,  # a partition's copy of its parent's key
            _is_schema(target_schema.c.nspname, schema),
            target.c.relname.in_(sorted(primary_keys)),
        )
        .order_by(source_schema.c.nspname, source.c.relname, _CONSTRAINT.c.conname)
    )
    found = connection.execute(statement).all()
    pairs = _pairs(connection, [row.oid for row in found])
    return tuple(
        LiveForeignKey(
            source=f"{other_schema}.{name}" if other_schema else name,
            same_schema=other_schema is None,
            target=target_name,
            pairs=tuple(pairs[oid]),
            on_delete=_ACTIONS.get(action, action),
            deferred=deferred,
        )
        for oid, name, other_schema, target_name, action, deferred in found
    )


def _pairs(connection: Connection, constraints: list[int]) -> dict[int, list[tuple[str, str]]]:
    """The column pairs of each constraint, in its order."""
    near, far = _ATTRIBUTE.alias(), _ATTRIBUTE.alias()
    both = (
        sa.func.unnest(_CONSTRAINT.c.conkey, _CONSTRAINT.c.confkey)
        .table_valued("near", "far", with_ordinality="place")
        .render_derived()
    )
    statement = (
        sa.select(_CONSTRAINT.c.oid, near.c.attname, far.c.attname)
        .select_from(_CONSTRAINT)
        .join(both, sa.true())
        .join(
            near,
            sa.and_(near.c.attrelid == _CONSTRAINT.c.conrelid, near.c.attnum == both.c.near),
        )
        .join(far, sa.and_(far.c.attrelid == _CONSTRAINT.c.confrelid, far.c.attnum == both.c.far))
        .where(_CONSTRAINT.c.oid.in_(constraints))
        .order_by(_CONSTRAINT.c.oid, both.c.place)
    )
    found: dict[int, list[tuple[str, str]]] = {oid: [] for oid in constraints}
    for oid, one, other in connection.execute(statement):
        found[oid].append((one, other))
    return found
