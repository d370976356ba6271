"""Load a web server's access log (combined format) into a SQLite table of connections.

    python load.py LOGFILE DATABASE

The lines are read strictly: one that is not of the format is left out, and named by its number
only, since a log line is personal data and does not belong on a terminal.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

# host ident user [time] "method target protocol" status bytes "referer" "user agent"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r"(?P<ip>\S+) \S+ (?P<user_name>\S+) "
    r"\[(?P<at>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] "
    r'"(?P<method>[A-Z]+) (?P<path>[^\s"?]*)(?:\?(?P<query>[^\s"]*))? HTTP/\d(?:\.\d)?" '
    r"(?P<status>[1-5]\d{2}) (?P<bytes>\d+|-) "
    rf"{_QUOTED.replace('(', '(?P<referer>', 1)} {_QUOTED.replace('(', '(?P<user_agent>', 1)}"
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_SCHEMA = """
CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    ip TEXT NOT NULL,
    user_name TEXT,
    at TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    query TEXT,
    status INTEGER NOT NULL,
    bytes INTEGER,
    referer TEXT,
    user_agent TEXT
);
CREATE INDEX connections_at ON connections (at);
"""

_INSERT = "INSERT INTO connections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_BATCH = 10_000

Row = tuple[
    int, str, str | None, str, str, str, str | None, int, int | None, str | None, str | None
]


@dataclass
class Outcome:
    """How many lines were loaded, and the numbers of those that were not."""

    loaded: int = 0
    refused: list[int] = field(default_factory=list)


def read_line(number: int, line: bytes) -> Row | None:
    """A row of ``connections``; ``None`` where the line is not of the combined format."""
    try:
        found = _LINE.fullmatch(line.decode("utf-8"))
        at = _instant(found["at"]) if found else None
    except ValueError:  # bytes that are no text, or a day that is no day
        return None
    if found is None or at is None:
        return None
    return (
        number,
        found["ip"],
        _absent(found["user_name"]),
        at,
        found["method"],
        found["path"],
        found["query"],
        int(found["status"]),
        None if found["bytes"] == "-" else int(found["bytes"]),
        _absent(found["referer"]),
        _absent(found["user_agent"]),
    )


def _instant(text: str) -> str:
    """``17/May/2015:10:05:03 +0000`` in ISO form, with its offset. Names of months are English."""
    day, month, rest = text.split("/")
    year, clock = rest.split(":", 1)
    number = _MONTHS.index(month) + 1
    written = f"{year}-{number:02}-{day} {clock}"
    return datetime.strptime(written, "%Y-%m-%d %H:%M:%S %z").isoformat()


def _absent(text: str) -> str | None:
    """The format writes ``-`` for what there is not."""
    return None if text == "-" else text


def load(lines: Iterable[bytes], database: Path) -> Outcome:
    """Write ``lines`` to a new table ``connections``, all of them or, on an error, none.

    Raises:
        sqlite3.OperationalError: the table is there already.
    """
    outcome = Outcome()

    def rows() -> Iterator[Row]:
        for number, line in enumerate(lines, start=1):
            row = read_line(number, line.rstrip(b"\r\n"))
            if row is None:
                outcome.refused.append(number)
            else:
                yield row

    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executescript("BEGIN;" + _SCHEMA)
        found = rows()
        while batch := list(islice(found, _BATCH)):
            connection.executemany(_INSERT, batch)
            outcome.loaded += len(batch)
        connection.execute("COMMIT")
    return outcome


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Load an access log in the combined format.")
    parser.add_argument("logfile", type=Path)
    parser.add_argument("database", type=Path)
    given = parser.parse_args(arguments)
    given.database.parent.mkdir(parents=True, exist_ok=True)
    try:
        with given.logfile.open("rb") as lines:
            outcome = load(lines, given.database)
    except OSError as error:
        print(f"error: {given.logfile}: {error.strerror}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(f"error: {given.database}: {error}", file=sys.stderr)
        return 1
    print(f"{outcome.loaded} lines loaded")
    if outcome.refused:
        listed = ", ".join(str(number) for number in outcome.refused[:20])
        more = f" and {len(outcome.refused) - 20} more" if len(outcome.refused) > 20 else ""
        print(f"{len(outcome.refused)} lines left out, not of the combined format: {listed}{more}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
