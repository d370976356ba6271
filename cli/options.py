"""Options that several commands share, declared once so that they read the same everywhere."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer


def read_day(text: str) -> date:
    """A civil day written as ``YYYY-MM-DD``."""
    if isinstance(text, date):
        return text
    try:
        if len(text) != len("2026-11-24") or text[4] != "-" or text[7] != "-":
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write a day as YYYY-MM-DD") from None


def _not_blank(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("it may not be empty")
    return text.strip()


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The installation's retention.yaml; by default what RETENTION_CONFIG names.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines on standard output.")]
AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        parser=read_day,
        help="The day to decide for (YYYY-MM-DD); by default today in the policy's time zone.",
    ),
]
TableArgument = Annotated[
    str, typer.Argument(metavar="SYSTEM.TABLE", help="A table of the catalogue, as crm.customers.")
]
KeyArgument = Annotated[
    list[str],
    typer.Argument(metavar="KEY", help="The record's key; a key of several columns in order."),
]
RequestArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A request's id, or its beginning, as 'retention request list' shows."
    ),
]
Lifting = Annotated[
    str | None,
    typer.Option(
        "--lifting",
        metavar="TEXT",
        parser=_not_blank,
        help="A restriction is about to be lifted, for this reason: it stands in the letter.",
    ),
]
ToldOn = Annotated[
    date,
    typer.Option(
        "--told-on",
        metavar="DATE",
        parser=read_day,
        help="The day the person was told that the restriction will end (YYYY-MM-DD); kept on "
        "record. 'retention request inform' writes the letter.",
    ),
]
By = Annotated[
    str,
    typer.Option("--by", metavar="NAME", parser=_not_blank, help="Who decides: name and function."),
]
ToldReason = Annotated[
    str,
    typer.Option(
        "--reason",
        metavar="TEXT",
        parser=_not_blank,
        help="Why, in the person's language and naming nobody else: it stands in the letter.",
    ),
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", parser=_not_blank, help="Why; kept on record."),
]
