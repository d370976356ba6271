"""The command line ``retention``: one command a module, put together here.

Nothing slow is imported at the top: each command imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cli import hold, ledger, opposition, outbox, policy, request, review, statistics
from cli.check import check
from cli.decide import decide
from cli.demo import demo
from cli.explain import explain
from cli.failure import Command
from cli.forecast import forecast
from cli.options import Config
from cli.plan import approve, plan
from cli.run import run

app = typer.Typer(
    name="retention",
    cls=Command,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:  # noqa: FBT001 - Typer's way of a flag
    if asked:
        from importlib.metadata import version

        typer.echo(version("retention-orchestrator"))
        raise typer.Exit


@app.callback()
def retention(
    *,
    config: Config = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of a fault; it may quote data.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run a published data-retention policy on live databases, and prove it.

    Exit codes: 0 done; 1 something was found wrong; 2 configuration or usage; 3 a source
    system; 4 a store; 5 a plan waits for approval; 6 another run is at work; 7 an owner tree
    was stopped, the others went on; 8 a data subject's request cannot do what was asked, or
    was not taken in; 70 a fault of this program; 130 interrupted.
    """
    del config, debug, version  # read where they are needed: cli.door and cli.failure


app.command()(demo)
app.command()(check)
app.command()(decide)
app.command()(plan)
app.command()(approve)
app.command()(run)
app.command()(explain)
app.command()(forecast)
app.add_typer(request.app, name="request")
app.add_typer(outbox.app, name="outbox")
app.add_typer(opposition.app, name="opposition")
app.add_typer(hold.app, name="hold")
app.add_typer(review.app, name="review")
app.add_typer(ledger.app, name="ledger")
app.add_typer(policy.app, name="policy")
app.add_typer(statistics.app, name="statistics")

if __name__ == "__main__":
    app()
