"""What a person reads (tables) and what a machine reads (JSON), both on standard output."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where output goes to a file or a pipe."""

PHASES_FR = {
    "active": "base active",
    "review": "à examiner",
    "archive": "archivage intermédiaire",
    "expired": "expiré",
}
ACTIONS_FR = {
    "keep": "conserver",
    "archive": "archiver",
    "pseudonymise": "pseudonymiser",
    "dispose": "supprimer",
    "review": "examiner",
    "hold": "geler",
}


def write_json(value: Any) -> None:
    """``value`` as indented JSON. Dates as ISO text, dataclasses as objects."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=True, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; in a file or a pipe always equally wide."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS") or PLAIN_WIDTH)
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: int = 0,
    fixed: Sequence[str] = (),
) -> None:
    """Print a table.

    The last ``numbers`` columns are right-aligned counts, in which zero is shown as a dot. The
    first column, the counts and the ``fixed`` columns are never broken over lines.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        is_number = index >= len(columns) - numbers
        drawn.add_column(
            Text(name),
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=is_number or index == 0 or name in fixed,
        )
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    out = _console()
    out.print(Text(title, style="bold"), soft_wrap=True)
    out.print(drawn)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}" if value else "·"


def say(*lines: str) -> None:
    """Lines of text as they are: commands and digests stay whole, to be copied."""
    for line in lines:
        sys.stdout.write(line + "\n")


def prose(*lines: str) -> None:
    """Sentences, wrapped to the console; what follows the first line is indented further."""
    width = _console().width
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        say(*(textwrap.wrap(line, width, subsequent_indent=indent + "  ") or [""]))


class Advance(Protocol):
    """Tells a progress bar that so much more is done, and of what."""

    def __call__(self, what: str = "", amount: int = 1) -> None: ...


def _nothing(what: str = "", amount: int = 1) -> None:
    """Advance nothing: nobody is watching."""


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Advance]:
    """A progress bar on standard error, only where that is a terminal.

    Call what it yields at the *start* of each step with its name, or with an amount done.
    """
    if not sys.stderr.isatty():
        yield _nothing
        return
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    shape = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*shape, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)

        def advance(what: str = "", amount: int = 1) -> None:
            bar.update(task, advance=amount, description=f"{doing} {what}".rstrip())

        yield advance
