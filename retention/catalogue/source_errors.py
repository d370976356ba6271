"""What may be said of a database's error: which kind, where, and never a value of a row.

Drivers put row values into their messages (``Key (email)=(x@y) already exists``), so no
message is passed on. Error classes, SQLSTATE and the names of tables, columns and
constraints are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DataError, DBAPIError, NoSuchTableError, SQLAlchemyError

from retention.errors import ConfigurationError, SourceError

# How a connection fails is told by the client library in its text alone.
_CONNECTION_REASONS = (
    ("connection refused", "connection refused"),
    ("password authentication failed", "password refused"),
    ("no password supplied", "a password is needed"),
    ("no pg_hba.conf entry", "the server does not admit this client"),
    ("failed to resolve host", "its host name is unknown"),
    ("could not translate host name", "its host name is unknown"),
    ("timeout expired", "no answer in time"),
    ("too many clients", "too many connections"),
    ("no route to host", "no route to its host"),
    ("network is unreachable", "the network is unreachable"),
    ("server closed the connection", "the server closed the connection"),
    ("connection is closed", "the connection is closed"),
    ("connection is lost", "the connection was lost"),
    ("terminating connection", "the server ended the connection"),
    ("decode to utf-8", "a text is not UTF-8"),
)
_DATABASE_MISSING = "does not exist"


@contextmanager
def source_errors(system: str, doing: str = "the database gave an error") -> Iterator[None]:
    """Turn the errors of SQLAlchemy and of the drivers into a one-line SourceError.

    Raises:
        SourceError: ``system: doing: reason``. Its traceback does not show the driver's
            error, whose text may hold values of rows.
    """
    try:
        yield
    except (SQLAlchemyError, psycopg.Error, sqlite3.Error, UnicodeError) as error:
        raise SourceError(f"{system}: {doing}: {safe_reason(error)}") from None


@contextmanager
def given_key(table: str) -> Iterator[None]:
    """Around looking for a key that a person gave: what the columns cannot hold is bad input.

    Raises:
        ConfigurationError: the key is none of ``table``'s.
    """
    try:
        yield
    except DataError:
        raise ConfigurationError(f"{table}: that is not a key of the table") from None


def safe_reason(error: BaseException) -> str:
    """What kind of error it is and where, with names of the schema but no values."""
    if isinstance(error, NoSuchTableError):
        return "there is no such table"
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, psycopg.Error):
        return _postgresql_reason(cause)
    if isinstance(cause, sqlite3.Error):
        return _sqlite_reason(cause)
    return type(cause).__name__


def _postgresql_reason(error: psycopg.Error) -> str:
    name = type(error).__name__
    if error.sqlstate is None:
        return _by_text(error) or name
    diagnosis = error.diag
    places = (
        ("constraint", diagnosis.constraint_name),
        ("table", diagnosis.table_name),
        ("column", diagnosis.column_name),
    )
    where = "".join(f", {kind} {place}" for kind, place in places if place)
    return f"{name} (SQLSTATE {error.sqlstate}){where}"


def _sqlite_reason(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", None)
    if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return "the database is locked"
    if name == "SQLITE_NOTADB":
        return "the file is not a database"
    return name or _by_text(error) or type(error).__name__


def _by_text(error: Exception) -> str | None:
    text = str(error).lower()
    for sign, reason in _CONNECTION_REASONS:
        if sign in text:
            return reason
    if isinstance(error, psycopg.OperationalError) and _DATABASE_MISSING in text:
        return "there is no such database or role"
    return None
