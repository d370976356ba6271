"""``retention ledger``: the record of what was done."""

from __future__ import annotations

import typer

from cli.door import door
from cli.options import Config, Json
from cli.output import say, write_json
from retention.errors import RetentionError

app = typer.Typer(
    no_args_is_help=True, help="The ledger: what was done, in a tamper-evident chain."
)


@app.command()
def verify(ctx: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Verify the whole chain, and its head where it is exported; exit code 1 for a problem."""
    from retention import ledger

    with door(ctx, config).installation() as installation:
        settings = installation.settings
        head = settings.path(settings.ledger_head) if settings.ledger_head else None
        found = ledger.verify(installation.stores.control, head)
    if as_json:
        write_json({"sound": found.problem is None, "head_file": head and str(head)} | vars(found))
    elif found.problem is None:
        say(f"the ledger holds: {found.entries} entries, head {found.head}")
        if head is None:
            say("no 'ledger_head' is set: entries cut off the end would not be noticed")
    if found.problem is not None:
        raise RetentionError(f"ledger: {found.problem}")
