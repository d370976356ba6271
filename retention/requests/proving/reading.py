"""Reading everything there is, raw: every table of every system, and the files of releases.

Nothing here goes by the catalogue but the address of a system: a table that nobody declared,
or that somebody put out of scope, is read like any other. Views only show what tables hold.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning

from retention.catalogue.sources import source_errors
from retention.errors import StoreError
from retention.installation import Installation
from retention.releases.files import read_bytes, read_parquet

_PAGE = 2_000
_OLD_LETTERS = "retention.old-letters"
"""What is no UTF-8 is read as the letters of before Unicode: René is René in those, too."""
_NO_TEXT = (sa.Boolean, sa.Date, sa.DateTime, sa.Time, sa.Interval)

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class Pointer:
    """A foreign key of the database: columns, and what they point at."""

    columns: tuple[str, ...]
    table: str
    far: tuple[str, ...]


@dataclass(frozen=True)
class RawTable:
    """A table as the database has it."""

    system: str
    short: str
    columns: tuple[str, ...]
    pointers: tuple[Pointer, ...]
    statement: sa.Select[Any]

    @property
    def name(self) -> str:
        return f"{self.system}.{self.short}"

    def rows(self, connection: Connection) -> Iterator[Cells]:
        """Every row, each value as text."""
        streamed = connection.execution_options(yield_per=_PAGE).execute(self.statement)
        for row in streamed:
            yield tuple(map(_text, row))


def raw_tables(installation: Installation, system: str) -> list[RawTable]:
    """The tables of a system's schema, partitions in their table.

    Materialised views and foreign tables are among them: whoever reads there reads the person.

    Raises:
        SourceError: the system cannot be reached or read.
    """
    schema = installation.catalogue.systems[system].db_schema
    engine = installation.sources.engine(system)
    with source_errors(system), engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # types nobody knows are met on purpose
        inspector = sa.inspect(connection)
        names = set(inspector.get_table_names(schema=schema))
        if connection.dialect.name == "postgresql":
            names |= _further(connection, schema)
            names -= _partitions(connection, schema)
        return [_reflected(connection, inspector, system, name, schema) for name in sorted(names)]


def _pg(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns), schema="pg_catalog")


_CLASS = _pg("pg_class", "oid", "relname", "relnamespace", "relkind", "relispartition",
             "relispopulated")  # fmt: skip
_SPACE = _pg("pg_namespace", "oid", "nspname")
_INHERITS = _pg("pg_inherits", "inhrelid", "inhparent")


def _here(schema: str | None) -> sa.ScalarSelect[Any]:
    where = _SPACE.c.nspname == (schema or sa.func.current_schema())
    return sa.select(_SPACE.c.oid).where(where).scalar_subquery()


def _further(connection: Connection, schema: str | None) -> set[str]:
    """Foreign tables and materialised views; one that was never filled holds nothing."""
    statement = sa.select(_CLASS.c.relname).where(
        _CLASS.c.relnamespace == _here(schema),
        sa.cast(_CLASS.c.relkind, sa.Text).in_(["f", "m"]),
        _CLASS.c.relispopulated,
    )
    return set(connection.scalars(statement))


def _partitions(connection: Connection, schema: str | None) -> set[str]:
    """Those that are read with their table: one of another schema's table is not."""
    parent = _CLASS.alias()
    statement = (
        sa.select(_CLASS.c.relname)
        .join_from(_CLASS, _INHERITS, _INHERITS.c.inhrelid == _CLASS.c.oid)
        .join(parent, parent.c.oid == _INHERITS.c.inhparent)
        .where(
            _CLASS.c.relispartition,
            _CLASS.c.relnamespace == _here(schema),
            parent.c.relnamespace == _here(schema),
        )
    )
    return set(connection.scalars(statement))


def _reflected(
    connection: Connection, inspector: Any, system: str, short: str, schema: str | None
) -> RawTable:
    sqlite = connection.dialect.name == "sqlite"
    found = [
        column
        for column in inspector.get_columns(short, schema=schema)
        if sqlite or not isinstance(column["type"], _NO_TEXT)
    ]
    names = tuple(str(column["name"]) for column in found)
    table = sa.table(short, *(sa.column(name) for name in names), schema=schema)
    as_bytes = sqlite and _is_utf8(connection)
    chosen = [
        _as_text(table.c[name], column["type"], as_bytes=as_bytes, sqlite=sqlite)
        for name, column in zip(names, found, strict=True)
    ]
    pointers = tuple(
        Pointer(
            tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"])
        )
        for key in inspector.get_foreign_keys(short, schema=schema)
    )
    return RawTable(system, short, names, pointers, sa.select(*chosen).select_from(table))


def _is_utf8(connection: Connection) -> bool:
    return str(connection.exec_driver_sql("PRAGMA encoding").scalar_one()) == "UTF-8"


def _as_text(column: Any, kind: Any, *, as_bytes: bool, sqlite: bool) -> Any:
    if sqlite:
        # As bytes: one text that is not UTF-8 must not keep the others from being read.
        return sa.cast(column, sa.LargeBinary) if as_bytes else column
    while isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    return column if isinstance(kind, sa.LargeBinary) else sa.cast(column, sa.Text)


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_OLD_LETTERS, _as_latin)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        # Without the zeros that a wide encoding puts between the letters.
        return bytes(value).replace(b"\0", b"").decode("utf-8", _OLD_LETTERS)
    return str(value).replace("\0", "")


def release_files(installation: Installation) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """Every file of published and quarantined releases, as rows of texts.

    Raises:
        StoreError: a file cannot be read.
    """
    statistics = installation.settings.statistics
    if statistics is None:
        return
    for folder in (statistics.folder, statistics.quarantine):
        top = installation.settings.path(folder)
        for path in _files(top):
            yield f"release:{folder.name}/{path.relative_to(top)}", _rows_of(path)


def _files(folder: Path) -> Iterator[Path]:
    """Links are not followed: what a month's link leads to is met in its own place."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place) / name for name in sorted(names))


def _rows_of(path: Path) -> Iterator[list[str]]:
    if path.suffix == ".parquet":
        frame = read_parquet(path)
        for row in frame.itertuples(index=False, name=None):
            yield [str(value) for value in row if value is not None]
        return
    if path.is_symlink() or not path.is_file():
        return
    text = read_bytes(path).decode("utf-8", "replace")
    yield from (_csv_rows(text) if path.suffix == ".csv" else ([line] for line in _lines(text)))


def _lines(text: str) -> Sequence[str]:
    return text.splitlines()


def _csv_rows(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error:
        raise StoreError(
            "a CSV file of a release cannot be read; build the release again"
        ) from None
