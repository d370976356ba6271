"""``retention demo``: made-up source systems to try everything on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.decide import PACKAGED_POLICY
from cli.door import utc_now
from cli.options import AsOf, Json
from cli.output import progress, say, show_table, write_json

if TYPE_CHECKING:
    from demo.write import DemoSummary


def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put it; made where it is missing.")
    ],
    *,
    people: Annotated[int, typer.Option(metavar="N", min=1, help="How many lives.")] = 10_000,
    as_of: AsOf = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other people.")] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an older demonstration in DIR.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make demonstration systems: three SQLite databases full of made-up people.

    Writes a CRM, a marketing and a web database, dirty as real ones are, their catalogue, the
    policy, the settings (retention.yaml) and the true answer for each record (truth.jsonl). In
    the inbox lie requests of some of these people: one of each kind at least, and one in doubt.
    The same people, day and seed give the same data.
    """
    from demo.write import write_demo

    with progress("making people", None):
        made = write_demo(
            directory,
            people=people,
            as_of=as_of or _today(),
            seed=seed,
            overwrite=overwrite,
            requests=True,
        )
    config = (directory / "retention.yaml").resolve()
    if as_json:
        write_json(
            {
                "directory": str(made.directory.resolve()),
                "config": str(config),
                "people": made.people,
                "as_of": made.as_of.isoformat(),
                "seed": made.seed,
                "rows": dict(made.rows),
                "archetypes": dict(made.archetypes),
                "truth_records": made.truth_records,
                "requests": made.requests,
            }
        )
        return
    _show(made)
    say(
        "",
        f"Next:  export RETENTION_CONFIG={config}",
        "       retention plan",
        "       retention run",
        "       retention request take-in",
        "       retention request process --all",
    )


def _show(made: DemoSummary) -> None:
    title = f"{made.people:,} people as they stand on {made.as_of}, seed {made.seed}"
    show_table(title, ["table", "rows"], sorted(made.rows.items()), numbers=1)
    say(
        f"{len(made.archetypes)} kinds of lives; the true answer for {made.truth_records:,} "
        "records stands in truth.jsonl"
    )
    say(f"{made.requests} people have written: their requests lie in the inbox")


def _today() -> date:
    """Today where the packaged policy is at home."""
    from retention.policy.calendar import zone
    from retention.policy.table import read_policy

    return utc_now().astimezone(zone(read_policy(PACKAGED_POLICY).time_zone)).date()
