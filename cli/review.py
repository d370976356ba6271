"""``retention review``: rows that only a person can decide on."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Literal

import typer

from cli.door import door, today, utc_now
from cli.options import AsOf, Config, Json, TableArgument
from cli.output import say, show_table, write_json

app = typer.Typer(
    no_args_is_help=True, help="The review queue: rows that only a person can decide on."
)


@app.command("list")
def list_cases(
    ctx: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="The resolved ones too.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the open cases, oldest first. For restricted eyes: keys are shown."""
    from retention.review import review_cases

    with door(ctx, config).installation() as installation:
        found = review_cases(installation, resolved=everything)
    if as_json:
        write_json(found)
    elif not found:
        say("no cases" if everything else "no open cases")
    else:
        rows = [
            (
                item.case_id,
                f"{item.table} {' '.join(map(str, item.key))}",
                item.reason,
                ", ".join(item.purposes),
                item.first_seen,
                item.last_seen,
                item.resolution or "open",
            )
            for item in found
        ]
        columns = ["id", "record", "reason", "purposes", "first seen", "last seen", "state"]
        show_table("Review queue", columns, rows)
        say("See one with:  retention explain SYSTEM.TABLE KEY")


@app.command()
def find(
    ctx: typer.Context,
    *,
    system_table: TableArgument,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many to show at most.")
    ] = 20,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Look now for rows of a table that cannot be decided on. For restricted eyes: keys are shown.

    Nothing is entered in the queue. It answers where the queue does not: in observe mode, and of
    a table that is stopped since too many of its rows cannot be decided on.
    """
    from retention.catalogue.model import TableName
    from retention.review import undecidable

    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        found = list(islice(undecidable(installation, TableName(system_table), day), limit))
    if as_json:
        write_json(found)
    elif not found:
        say(f"every row of {system_table} can be decided on")
    else:
        rows = [
            (" ".join(map(str, item.key)), item.reason, ", ".join(item.purposes)) for item in found
        ]
        show_table(f"Undecidable rows of {system_table}", ["key", "reason", "purposes"], rows)
        say(f"See one with:  retention explain {system_table} KEY")


@app.command()
def resolve(
    ctx: typer.Context,
    *,
    case_id: Annotated[str, typer.Argument(metavar="ID", help="As 'retention review list' shows.")],
    resolution: Annotated[
        Literal["corrected", "accepted"],
        typer.Option(
            "--as",
            metavar="corrected|accepted",
            help="The source was corrected; or the row is accepted as it is.",
        ),
    ],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Kept on record.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Close a case. The queue changes no source: a row that is still in doubt comes back."""
    from retention import review

    with door(ctx, config).installation() as installation:
        review.resolve(installation, case_id, resolution=resolution, note=note, now=utc_now())
    if as_json:
        write_json({"case_id": case_id, "resolution": resolution})
    else:
        say(f"resolved as {resolution}: {case_id}")
