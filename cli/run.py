"""``retention run``: the daily job, in this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import typer

from cli.door import Door, door, today
from cli.failure import exit_unless
from cli.options import AsOf, Config, Json
from cli.output import progress, say, write_json
from cli.report import read_outcome, show_outcome
from cli.stopping import stoppable

NEXT = (
    "Where to look next",
    "  DAGSTER_HOME={home} RETENTION_CONFIG={config} dagster dev -w workspace.yaml",
    "  retention explain SYSTEM.TABLE KEY   why a record is where it is",
    "  retention review list                what a person has to decide on",
    "  retention ledger verify              what was done, and that nobody changed the record",
)


STEPS = 3
"""The stages of each table: archive, pseudonymise, delete."""


def launcher() -> Callable[..., Any]:
    """What runs the daily job: the Dagster job, in this process."""
    from pipelines.launch import run_daily

    return run_daily


def run(
    ctx: typer.Context,
    *,
    as_of: AsOf = None,
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="DIGEST", help="Run only if the plan is this very one."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run the day: archive, pseudonymise, delete, expire; then show what happened.

    This is the same job that Dagster's schedule starts, in this process and for the same
    DAGSTER_HOME. Only one run works at a time (exit code 6). A plan over its caps waits for
    approval (5). An owner tree that must not be touched is stopped and the others go on (7).
    Interrupted (Ctrl-C or SIGTERM), it stops between two chunks; run it again to go on.
    """
    at = door(ctx, config)
    with at.installation() as installation:
        day = as_of or today(installation)
        tables = len(installation.catalogue.clocked_tables())
        home = installation.settings.path(installation.settings.dagster_home)
    result = _launch(at, day, plan, tables)
    with at.installation() as installation:
        outcome = read_outcome(installation, result.run_id) if result.run_id else None
    if as_json:
        write_json(
            {
                "success": result.success,
                "run_id": result.run_id,
                "exit_code": result.exit_code,
                "failures": list(result.failures),
                "outcome": outcome,
            }
        )
    elif outcome is not None:
        show_outcome(outcome)
        say(*(line.format(home=home, config=at.required_config().resolve()) for line in NEXT))
    exit_unless(result)


def _launch(at: Door, day: date, plan: str | None, tables: int) -> Any:
    launch = launcher()
    with progress(f"run of {day}", STEPS * tables) as advance, stoppable() as stop_asked:

        def on_event(stage: str, table: str, rows: int) -> None:
            """No rows at the start of a step, then the rows of each chunk."""
            advance(f"{stage} {table}", 0 if rows else 1)

        return launch(
            at.required_config(),
            at.environment,
            as_of=day,
            plan_digest=plan,
            on_event=on_event,
            stop_asked=stop_asked,
        )
