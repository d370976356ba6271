"""Connections to the source systems, and their tables as the databases hold them.

Values come back as they are stored, so that a row that was read and deleted can be put back
exactly. What the columns mean is the catalogue's; whether they fit is ``drift``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

import psycopg
import sqlalchemy as sa
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.string import TextLoader
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

from retention.catalogue.dates import register_sqlite_functions
from retention.catalogue.model import Catalogue, System, TableName
from retention.catalogue.reflection import reflect_table
from retention.catalogue.source_errors import given_key, source_errors
from retention.errors import SourceError

__all__ = ["Sources", "given_key", "source_errors"]

_SQLITE_PRAGMAS = ("PRAGMA foreign_keys=ON", "PRAGMA busy_timeout=30000")

# One style for every server, whatever its own settings say: texts of intervals, dates and
# floats are written back by a later session and must then mean the same.
_POSTGRESQL_SESSION = (
    "SET TIME ZONE 'UTC'",
    "SET lock_timeout = '30s'",
    "SET application_name = 'retention'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET extra_float_digits = 3",
    # a decision compiles to wide expressions: compiling them took seconds, running them did not
    "SET jit = off",
)
_CONNECT_SECONDS = 10


class Sources:
    """The source systems of a catalogue; connects to each when it is first asked for.

    ``address`` turns a system's ``url`` and ``url_env`` into a database URL
    (``Settings.address``).
    """

    def __init__(
        self,
        catalogue: Catalogue,
        policy_zone: ZoneInfo,
        address: Callable[[str | None, str | None], str],
    ) -> None:
        self._catalogue = catalogue
        self._policy_zone = policy_zone
        self._address = address
        self._engines: dict[str, Engine] = {}
        self._tables: dict[TableName, sa.Table] = {}

    def engine(self, system: str) -> Engine:
        """The engine of ``system``, made and tried at the first call.

        On SQLite a transaction starts with ``BEGIN``, or ``BEGIN IMMEDIATE`` where the
        connection has the execution option ``write=True``: it then holds the write lock
        before it reads. On PostgreSQL the session is in UTC and waits 30 s for a lock.

        Raises:
            SourceError: the database does not exist, cannot be reached or is of a kind that
                is not supported.
        """
        engine = self._engines.get(system)
        if engine is None:
            engine = self._create(system, self._catalogue.systems[system])
            self._engines[system] = engine
        return engine

    @contextmanager
    def begin(self, system: str, *, write: bool = False) -> Iterator[Connection]:
        """A transaction on ``system``; every database error in it becomes a SourceError."""
        engine = self.engine(system).execution_options(write=write)
        with source_errors(system), engine.begin() as connection:
            yield connection

    def table(self, name: TableName) -> sa.Table:
        """The live table called ``system.table``: its columns and primary key, nothing else.

        On SQLite every column is typeless, so values are the stored str, int, float or
        bytes. On PostgreSQL dates, numbers, texts, booleans, bytes and UUIDs come as Python
        objects; every other type (JSON, intervals, arrays, enums …) as the text by which the
        database itself would write it, and so do dates that Python cannot hold. Generated
        columns, which cannot be written, have ``column.info["generated"]``.

        Raises:
            SourceError: there is no such table, or its system cannot be reached.
        """
        table = self._tables.get(name)
        if table is None:
            system, _, short = name.partition(".")
            engine = self.engine(system)
            with source_errors(system):
                table = reflect_table(engine, short, self._catalogue.systems[system].db_schema)
            if table is None:
                raise SourceError(f"{name}: there is no such table")
            self._tables[name] = table
        return table

    def dispose(self) -> None:
        """Close every connection."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        self._tables.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.dispose()

    def _create(self, name: str, system: System) -> Engine:
        url = sa.make_url(self._address(system.url, system.url_env))
        if url.get_backend_name() == "sqlite":
            engine = _sqlite_engine(name, url, self._policy_zone)
        elif url.drivername == "postgresql+psycopg":
            engine = _postgresql_engine(url)
        else:
            raise SourceError(
                f"{name}: '{url.drivername}' is not supported; "
                "use sqlite, or postgresql with the psycopg driver"
            )
        try:
            with source_errors(name, doing="cannot be reached"), engine.connect():
                pass
        except SourceError:
            engine.dispose()
            raise
        return engine


def _sqlite_engine(name: str, url: URL, policy_zone: ZoneInfo) -> Engine:
    path = Path(url.database or ":memory:")
    if not path.is_file():
        raise SourceError(f"{name}: there is no database at {path}")
    engine = sa.create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def open_existing(
        _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> None:
        # sqlite would create a file that has gone meanwhile
        arguments[0] = f"file:{quote(str(path))}?mode=rw"
        options["uri"] = True

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 itself begins too late, and not for SELECT
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(pragma)
        register_sqlite_functions(connection, policy_zone)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    # Of a database in SQL_ASCII the driver would make bytes of every text.
    wanted = {"connect_timeout": _CONNECT_SECONDS, "client_encoding": "utf8"}
    arguments = {name: value for name, value in wanted.items() if name not in url.query}
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        use_native_hstore=False,
        connect_args=arguments,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        for kind, loader in _LOADERS.items():
            connection.adapters.register_loader(kind, loader)
        with connection.cursor() as cursor:
            for statement in _POSTGRESQL_SESSION:
                cursor.execute(statement)
        connection.commit()

    return engine


class _Date(DateLoader):
    """Dates that Python cannot hold (``infinity``, years BC) come as text."""

    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


class _Timestamp(TimestampLoader):
    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


class _Timestamptz(TimestamptzLoader):
    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


_LOADERS = {
    "date": _Date,
    "timestamp": _Timestamp,
    "timestamptz": _Timestamptz,
    "inet": TextLoader,
    "cidr": TextLoader,
}
