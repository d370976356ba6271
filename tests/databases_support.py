"""Databases for tests, ready sooner: made once, then copied or emptied instead of made again."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import Pool

_folders: dict[str, tempfile.TemporaryDirectory[str]] = {}
_forms: dict[str, str] = {}

_FORM = """
WITH ours AS (
  SELECT c.oid, c.relnamespace::regnamespace || '.' || c.relname || '.' AS name, c.relkind
  FROM pg_class c WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
)
SELECT md5(string_agg(line, '|' ORDER BY line COLLATE "C")) FROM (
  SELECT name || relkind::text AS line FROM ours
  UNION ALL
  SELECT name || attname || format_type(atttypid, atttypmod) || attnotnull
    || coalesce(pg_get_expr(adbin, adrelid), '')
  FROM ours JOIN pg_attribute ON attrelid = oid AND attnum > 0
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  UNION ALL
  SELECT name || pg_get_constraintdef(c.oid) FROM ours JOIN pg_constraint c ON conrelid = ours.oid
  UNION ALL
  SELECT pg_get_indexdef(oid) FROM ours WHERE relkind = 'i'
  UNION ALL
  SELECT name || pg_get_triggerdef(t.oid) FROM ours JOIN pg_trigger t ON tgrelid = ours.oid
  WHERE NOT tgisinternal
  UNION ALL
  SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text = ANY(%(schemas)s)
) AS lines
"""
"""All of a database that is not rows: tables, columns, keys, indexes, triggers, functions."""

_EMPTY = """
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname = ANY({schemas}) AND tablename NOT LIKE '%alembic_version'
  LOOP EXECUTE format('DELETE FROM %I.%I', found.schemaname, found.tablename); END LOOP;
  FOR found IN SELECT schemaname, sequencename FROM pg_sequences WHERE schemaname = ANY({schemas})
  LOOP EXECUTE format('ALTER SEQUENCE %I.%I RESTART', found.schemaname, found.sequencename);
  END LOOP;
END $$
"""


def copy_of(name: str, folder: Path, make: Callable[[Path], object]) -> None:
    """Put into ``folder`` what ``make`` writes, which it does once for all tests that say ``name``.

    Nothing of it may be open, nor name the folder it was made in.
    """
    if name not in _folders:
        template = tempfile.TemporaryDirectory(prefix="template")
        make(Path(template.name))
        _folders[name] = template  # kept: removed at the end of the process
    shutil.copytree(_folders[name].name, folder, dirs_exist_ok=True)


def emptied(url: str, schemas: Sequence[str], make: Callable[[], object]) -> None:
    """Schemas of a PostgreSQL database as ``make`` left them, without any row.

    ``make`` builds them anew the first time, and wherever a test changed more than rows.
    """
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        if _forms.get(url) == _form(connection, schemas):
            with connection.transaction():
                connection.execute("SET LOCAL session_replication_role = replica")
                connection.execute(_EMPTY.replace("{schemas}", f"'{{{','.join(schemas)}}}'"))
            return
        make()
        _forms[url] = _form(connection, schemas)


def _form(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> str:
    row = connection.execute(_FORM, {"schemas": list(schemas)}).fetchone()
    return str(row[0]) if row else ""


def wait_for_no_disk(*, wanted: bool = True) -> None:
    """Let no SQLite database of this process wait until the disk has what was committed.

    A test's process may be killed, and its computer will not lose power: the system's own memory
    keeps what was written. What the product sets is tested with ``wanted=False``.
    """
    if wanted:
        event.listen(Pool, "checkout", _unsynchronised)
    else:
        event.remove(Pool, "checkout", _unsynchronised)


def _unsynchronised(raw: Any, _record: object, _proxy: object) -> None:
    if type(raw).__module__ == "sqlite3":
        raw.execute("PRAGMA synchronous = OFF")


def keep_engines_of_dagster() -> None:
    """Let Dagster's storage on SQLite keep its engines, of which it makes one for each event.

    What is stored is the same; a run of the daily job takes three quarters of the time.
    """
    made: dict[str, sa.Engine] = {}

    def kept(url: str, **more: Any) -> sa.Engine:
        name = f"{url} {more}"
        if name not in made:
            made[name] = sa.create_engine(url, **more)
        return made[name]

    for module in ("event_log.sqlite.sqlite_event_log", "runs.sqlite.sqlite_run_storage"):
        place = importlib.import_module(f"dagster._core.storage.{module}")
        assert place.create_engine is sa.create_engine or place.create_engine.__name__ == "kept"
        place.create_engine = kept  # type: ignore[attr-defined]
