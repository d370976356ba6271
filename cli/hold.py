"""``retention hold``: legal holds and restrictions (GDPR art. 18)."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from cli.door import door, utc_now
from cli.options import By, Config, Json, KeyArgument, Reason, TableArgument
from cli.output import say, show_table, write_json
from cli.request_show import SHORT

_ID = re.compile(r"\b[0-9a-f]{32}\b")
"""A request's id, in the reason of the restriction that it asked for."""

app = typer.Typer(
    no_args_is_help=True, help="Holds and restrictions: nothing of the person's changes or leaves."
)


@app.command()
def add(
    ctx: typer.Context,
    *,
    system_table: TableArgument,
    key: KeyArgument,
    reason: Reason,
    by: By,
    restriction: Annotated[
        bool, typer.Option("--restriction", help="A restriction (art. 18), not a legal hold.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Hold everything the person behind a record owns, in every linked system and the archive."""
    from retention import holds
    from retention.catalogue.model import TableName

    with door(ctx, config).installation() as installation:
        placed = holds.add(
            installation,
            TableName(system_table),
            key,
            kind="restriction" if restriction else "legal_hold",
            reason=reason,
            by=by,
            now=utc_now(),
        )
        if as_json:
            write_json(placed)
        else:
            say(f"{placed.kind} {placed.hold_id} placed; it covers {placed.persons} record(s)")
            say(f"Lift it with:  retention hold release {placed.hold_id} --reason TEXT --by NAME")


@app.command("list")
def list_holds(
    ctx: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="The released ones too.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the holds in force, oldest first. For restricted eyes: keys and reasons are shown."""
    from retention import holds

    with door(ctx, config).installation() as installation:
        found = holds.holds(installation, released=everything)
    if as_json:
        write_json(found)
    elif not found:
        say("no holds" if everything else "no holds in force")
    else:
        rows = [
            (
                item.hold_id[:SHORT],
                item.kind,
                f"{item.table} {' '.join(map(str, item.key))}",
                f"{item.placed_at:%Y-%m-%d}",
                item.placed_by,
                _ID.sub(lambda found: found[0][:SHORT], item.reason),
                f"released {item.released_at:%Y-%m-%d}" if item.released_at else "in force",
                item.persons,
            )
            for item in found
        ]
        columns = ["id", "kind", "record", "since", "by", "reason", "state", "covers"]
        show_table("Holds", columns, rows, numbers=1, fixed=("kind", "since"))


@app.command()
def release(
    ctx: typer.Context,
    *,
    hold_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Its id, or the beginning that 'retention hold list' shows."
        ),
    ],
    reason: Reason,
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Lift a hold; the next run, and requests that it had stopped, are taken up again.

    A restriction that a person asked for is ended by 'retention request lift', which puts the
    rows back.
    """
    from retention import holds
    from retention.requests.doing import lifting

    with door(ctx, config).installation() as installation:
        hold_id = holds.find_id(installation, hold_id)
        lifting.refuse_if_asked_for(installation, hold_id)
        holds.release(installation, hold_id, reason=reason, by=by, now=utc_now())
        taken_up = lifting.take_up(installation, utc_now())
    if as_json:
        write_json({"hold_id": hold_id, "released": True, "taken_up": taken_up})
    else:
        say(f"released: {hold_id}")
        for request_id in taken_up:
            say(f"to be carried out again: request {request_id}")
