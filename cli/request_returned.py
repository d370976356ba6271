"""``retention request returned``: what a restored backup has brought back."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.door import door, utc_now
from cli.options import Config, Json
from cli.output import say, show_table, write_json
from cli.request_show import SHORT


def returned(
    ctx: typer.Context,
    *,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo", help="Make a verified request for each erasure whose rows are back."
        ),
    ] = False,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="ID", help="Records of this request may be there again."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="With --keep: why.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="With --keep: who decides that.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List records that were erased or restricted and are there again, by a restored backup.

    The very same rows of an erasure can be taken up again: --redo, or the daily run by itself
    (requests.redo_returned). A row that only looks like one may be an older backup's, or the
    person may have come back: a person decides, and asks with 'retention request add'. --keep is
    for rows put back on purpose, after an erasure by mistake. Exit code 1 where anything is left
    for a person. For restricted eyes: keys are shown.
    """
    from retention.requests.doing import again
    from retention.requests.model import RequestError
    from retention.requests.proving import returning
    from retention.settings import Mode

    with door(ctx, config).installation() as installation:
        if keep is not None:
            forgotten = again.keep(
                installation, keep, by=by or "", reason=reason or "", now=utc_now()
            )
            say(f"{forgotten} record(s) of request {keep[:SHORT]} may be there again")
            return
        found = returning.returned(installation)
        if redo and installation.settings.mode is Mode.observe:
            raise RequestError("'mode: observe' touches nothing: nothing is erased again")
        made = again.redo(installation, found, utc_now()) if redo else {}
    left = [item for item in found if not (item.unchanged and item.request_id in made)]
    if as_json:
        write_json(
            [
                {
                    "request_id": item.request_id,
                    "kind": item.kind,
                    "table": item.table,
                    "key": list(item.key),
                    "unchanged": item.unchanged,
                    "taken_up_by": made.get(item.request_id) if item.unchanged else None,
                }
                for item in found
            ]
        )
    elif not found:
        say("nothing that was erased or restricted is there again")
    else:
        rows = [
            (
                item.request_id[:SHORT],
                item.kind,
                item.table,
                " ".join(str(part) for part in item.key),
                "the very same" if item.unchanged else "looks like it",
            )
            for item in found
        ]
        show_table("Returned", ["request", "kind", "table", "key", "row"], rows)
        for old, new in made.items():
            say(f"to be carried out again for {old[:SHORT]}: request {new}")
    if left:
        raise typer.Exit(1)
