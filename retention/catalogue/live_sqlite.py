"""What SQLite says of its tables, from its pragmas and ``sqlite_master``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.live_keys import LiveForeignKey
from retention.catalogue.live_rights import LiveRights

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r'(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|\w+)'
# The only place where SQLite keeps whether a key is deferred is the text of the statement.
_REFERENCE = re.compile(
    rf"\bREFERENCES\s+(?P<target>{_NAME})\s*(?:\([^)]*\))?(?P<rest>[^,()]*)", re.IGNORECASE
)
_DEFERRED = re.compile(r"(?<!NOT )DEFERRABLE INITIALLY DEFERRED", re.IGNORECASE)


def _master(schema: str | None) -> sa.TableClause:
    columns: list[sa.ColumnClause[Any]] = [
        sa.column(name) for name in ("type", "name", "tbl_name", "sql")
    ]
    return sa.table("sqlite_master", *columns, schema=schema)


def table_names(connection: Connection, schema: str | None) -> frozenset[str]:
    """Every table that SQLite does not keep for itself."""
    master = _master(schema)
    names = connection.scalars(sa.select(master.c.name).where(master.c.type == "table"))
    return frozenset(name for name in names if not name.startswith("sqlite_"))


def rights(connection: Connection, schema: str | None) -> dict[str, LiveRights]:
    """SQLite knows no accounts: nothing is lacking."""
    del connection, schema
    return {}


def triggers(connection: Connection, schema: str | None) -> dict[str, list[str]]:
    """Trigger names by table."""
    master = _master(schema)
    spelled = {name.casefold(): name for name in table_names(connection, schema)}
    found: dict[str, list[str]] = {}
    rows = connection.execute(
        sa.select(master.c.tbl_name, master.c.name).where(master.c.type == "trigger")
    )
    for table, name in rows:  # the table as the trigger spells it
        found.setdefault(spelled.get(table.casefold(), table), []).append(name)
    return found


def foreign_keys(
    connection: Connection, schema: str | None, primary_keys: Mapping[str, tuple[str, ...]]
) -> tuple[LiveForeignKey, ...]:
    """The foreign keys into the tables of ``primary_keys``, whatever table they are in."""
    master = _master(schema)
    rows = connection.execute(
        sa.select(master.c.name, master.c.sql).where(master.c.type == "table")
    ).all()
    return tuple(
        key
        for name, statement in rows
        if not str(statement or "").upper().startswith("CREATE VIRTUAL")
        for key in _keys_of(connection, schema, name, statement or "", primary_keys)
    )


def _keys_of(
    connection: Connection,
    schema: str | None,
    name: str,
    statement: str,
    primary_keys: Mapping[str, tuple[str, ...]],
) -> Iterator[LiveForeignKey]:
    governed = {name.casefold(): name for name in primary_keys}
    listed = sa.func.pragma_foreign_key_list(name, schema or "main").table_valued(
        "id", "seq", "table", "from", "to", "on_delete"
    )
    columns = (
        listed.c.id,
        listed.c.table.label("target"),
        listed.c["from"].label("near"),
        listed.c.to.label("far"),
        listed.c.on_delete,
    )
    by_id: dict[int, list[Any]] = {}
    for row in connection.execute(sa.select(*columns).order_by(listed.c.id, listed.c.seq)):
        by_id.setdefault(row.id, []).append(row)
    deferred = _deferred_targets(statement)
    for rows in by_id.values():
        target = governed.get(str(rows[0].target).casefold())
        if target is None:
            continue
        # a key that names no columns means the other's primary key
        implied = (*primary_keys[target], *[""] * len(rows))
        yield LiveForeignKey(
            source=name,
            same_schema=True,
            target=target,
            pairs=tuple((row.near, row.far or implied[at]) for at, row in enumerate(rows)),
            on_delete=rows[0].on_delete,
            deferred=target.casefold() in deferred,
        )


def _deferred_targets(statement: str) -> set[str]:
    """Tables to which the statement's deferred keys point, in lower case."""
    found = set()
    for match in _REFERENCE.finditer(_COMMENT.sub(" ", statement)):
        if _DEFERRED.search(" ".join(match["rest"].split())):
            found.add(match["target"].strip('"`[]').casefold())
    return found
