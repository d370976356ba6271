"""What went wrong with a store, in one line without addresses, passwords or values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from retention.errors import StoreError

_SQLITE = {
    "SQLITE_FULL": "its disk is full",
    "SQLITE_READONLY": "it cannot be written: the file or its folder is read-only",
    "SQLITE_CANTOPEN": "its file cannot be opened",
    "SQLITE_PERM": "its file may not be opened",
    "SQLITE_BUSY": "another process has locked it",
    "SQLITE_LOCKED": "another process has locked it",
    "SQLITE_NOTADB": "its file is not a SQLite database",
    "SQLITE_CORRUPT": "its file is damaged",
    "SQLITE_IOERR": "its file cannot be read or written",
    "SQLITE_TOOBIG": "a value is too big for it",
    "SQLITE_CONSTRAINT": "a row breaks one of its constraints",
}

_POSTGRES = {
    "08": "the connection broke",
    "22": "a value does not fit its column",
    "23": "a row breaks one of its constraints",
    "25006": "it is read-only",
    "28": "the server refuses the user or the password",
    "3D000": "there is no such database",
    "40": "another transaction was in the way",
    "42501": "the user lacks a right that is needed",
    "42P01": "it lacks a table; it must be migrated first",
    "53100": "its disk is full",
    "53": "the server is out of resources",
    "55": "another process has locked it",
    "57": "the server stopped the work",
    "58": "the server met an error of its system",
}

_REFUSALS = {
    "password authentication failed": "28",
    "no password supplied": "28",
    "does not exist": "3D000",
}


@contextmanager
def store_errors(name: str) -> Iterator[None]:
    """Turn database and file errors into one line that names the store ``name``.

    The cause is dropped on purpose: a driver's text can quote rows and addresses.

    Raises:
        StoreError: the store cannot be reached, read or written.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout, sqlite3.Error, psycopg.Error, OSError) as error:
        raise StoreError(f"store '{name}': {reason(error)}") from None


def reason(error: BaseException) -> str:
    """Why ``error`` happened, without anything it quotes."""
    if isinstance(error, DBAPIError):
        if error.orig is None:
            return "the statement failed"
        error = error.orig
    if isinstance(error, sqlite3.Error):
        return _sqlite_reason(error)
    if isinstance(error, psycopg.Error):
        return _postgres_reason(error)
    if isinstance(error, PoolTimeout):
        return "no connection became free in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return f"the work failed ({type(error).__name__})"


def _sqlite_reason(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    for code, text in _SQLITE.items():
        if name == code or name.startswith(code + "_"):
            return text
    if str(error).startswith("no such table"):
        return "it lacks a table; it must be migrated first"
    return f"the statement failed ({name or type(error).__name__})"


def _postgres_reason(error: psycopg.Error) -> str:
    state = error.sqlstate
    if state is None:
        text = str(error)
        if "connection failed" not in text and "connection is bad" not in text:
            return "the connection broke"
        state = next((code for phrase, code in _REFUSALS.items() if phrase in text), None)
        if state is None:
            return "the server cannot be reached"
    for code in (state, state[:2]):
        if code in _POSTGRES:
            return _POSTGRES[code]
    return f"the statement failed (SQLSTATE {state})"
