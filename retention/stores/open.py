"""Opening the five stores and bringing their tables up to date.

All five may share one PostgreSQL database. They may share one SQLite file too, as long as no
two transactions of different stores are open for writing at once: SQLite has one writer.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Engine,
    String,
    column,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    table,
)
from sqlalchemy.engine import URL

from retention import settings as configuration
from retention.errors import ConfigurationError, StoreError
from retention.stores.errors import store_errors

if TYPE_CHECKING:
    from alembic.config import Config

STORE_NAMES = ("control", "cases", "archive", "vault", "keys")

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 30
_PAUSE_SECONDS = 0.05
_MIGRATION_LOCK = 5_706_433_190
"""Any number that is the same everywhere: PostgreSQL's name for the lock on migrating."""

_READ_ONLY = "retention_read_only"
_STORE = "retention_store"


@dataclass(frozen=True)
class Stores:
    """The orchestrator's own databases."""

    control: Engine
    cases: Engine
    archive: Engine
    vault: Engine
    keys: Engine

    def items(self) -> Iterator[tuple[str, Engine]]:
        """Each store's name and engine."""
        for name in STORE_NAMES:
            yield name, getattr(self, name)

    def dispose(self) -> None:
        """Close every idle connection."""
        for name in STORE_NAMES:
            engine: Engine = getattr(self, name)
            engine.dispose()


def open_stores(settings: configuration.Settings) -> Stores:
    """The stores at the addresses of ``settings``; connections are made when first needed.

    Raises:
        ConfigurationError: an address is missing, or is neither PostgreSQL nor a SQLite file.
        StoreError: the folder or file of a SQLite store cannot be created.
    """
    engines: dict[str, Engine] = {}
    for name in STORE_NAMES:
        address: configuration.StoreAddress = getattr(settings.stores, name)
        engines[name] = open_store(name, settings.address(address.url, address.url_env))
    return Stores(**engines)


def open_store(name: str, address: str) -> Engine:
    """One store's engine. ``address`` is a full SQLAlchemy URL and is never shown.

    Raises:
        ConfigurationError: it is neither PostgreSQL nor a SQLite file.
        StoreError: the folder or file of a SQLite store cannot be created.
    """
    url = make_url(address)
    backend = url.get_backend_name()
    if backend == "sqlite":
        engine = _open_sqlite(name, url)
    elif backend == "postgresql":
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        wait = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=wait)
        event.listen(engine, "connect", _set_up_postgresql)
    else:
        raise ConfigurationError(f"stores.{name}: only PostgreSQL and SQLite can hold a store")
    engine.update_execution_options(**{_STORE: name})
    return engine


def migrate(stores: Stores) -> None:
    """Bring every store's tables to the newest form; safe to repeat, and from two processes.

    Each store has a version table of its own, ``<store>_alembic_version``, and is migrated in
    one transaction.

    Raises:
        StoreError: a store cannot be reached or written, or was made by a newer release.
    """
    for name, engine in stores.items():
        with reading(engine) as connection:
            newest = _is_newest(connection, name)
        if not newest:
            with writing(engine) as connection:
                _upgrade(name, connection)


def _is_newest(connection: Connection, name: str) -> bool:
    """Whether the store has the tables of this release already.

    A revision is called as its file, so that this asks no Alembic, whose loading alone takes
    longer than what a command such as ``request list`` has to do.
    """
    newest = max(path.stem for path in (_MIGRATIONS / "versions" / name).glob(f"{name}_*.py"))
    versions = f"{name}_alembic_version"
    if not inspect(connection).has_table(versions):
        return False
    found = connection.execute(select(column("version_num", String)).select_from(table(versions)))
    return found.scalars().all() == [newest]


def _upgrade(name: str, connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load and seldom needed
    from alembic.util import CommandError  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    try:
        command.upgrade(_alembic(name, connection), "head")
    except CommandError:
        raise StoreError(
            f"store '{name}': its tables are of a newer release; update this program"
        ) from None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that only reads: on SQLite it does not wait for, nor keep out, a writer.

    Raises:
        StoreError: the store cannot be reached or read.
    """
    with store_errors(_name_of(engine)), engine.connect() as connection:
        yield connection.execution_options(**{_READ_ONLY: True})


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits at the end.

    Raises:
        StoreError: the store cannot be reached or written; nothing was committed.
    """
    with store_errors(_name_of(engine)), engine.begin() as connection:
        yield connection


def _name_of(engine: Engine) -> str:
    return str(engine.get_execution_options().get(_STORE, "store"))


def _alembic(name: str, connection: Connection) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - slow to load and seldom needed

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    versions = str(_MIGRATIONS / "versions" / name).replace("%", "%%")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", versions)
    config.attributes["connection"] = connection
    config.attributes["store"] = name
    return config


def _open_sqlite(name: str, url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(f"stores.{name}: a store needs a file, not SQLite's memory")
    with store_errors(name):
        _create_file(Path(url.database))
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_file(path: Path) -> None:
    """An empty file is an empty database. Only its owner may read it, nor its WAL."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _set_up_postgresql(dbapi_connection: Any, _record: object) -> None:
    with dbapi_connection.cursor() as cursor:
        # The only style of instants that the driver reads; the server's own may be another.
        cursor.execute("SET DateStyle = 'ISO, YMD'")
    dbapi_connection.commit()


def _set_up_sqlite(dbapi_connection: Any, _record: object) -> None:
    # The driver would begin transactions late, and none before DDL: `_begin_sqlite` does.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    try:
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        # Freed content is overwritten: a destroyed key must not linger in a free page.
        cursor.execute("PRAGMA secure_delete = ON")
    finally:
        cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch to a write-ahead log, which waits for nobody by itself: another process may be at it."""
    tries = int(_BUSY_SECONDS / _PAUSE_SECONDS)
    for left in reversed(range(tries)):
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if not left:
                raise
            time.sleep(_PAUSE_SECONDS)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once where another wrote in
    # between; taking the write lock at the start makes it wait instead.
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")
