"""``retention forecast``: what falls due over the coming months."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.door import door, today
from cli.options import AsOf, Config, Json
from cli.output import progress, say, show_table, write_json

if TYPE_CHECKING:
    from retention.planning.forecast import Due

BARS = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 40


def forecast(
    ctx: typer.Context,
    *,
    months: Annotated[int, typer.Option(metavar="N", min=1, max=240, help="How many.")] = 24,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Forecast, month by month, how many rows leave the active base if nothing new happens.

    By each system's own evidence, so upper bounds. What is due already is not counted: that
    is for 'retention plan'.
    """
    from retention.planning.forecast import forecast as forecast_months

    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        with progress("counting", len(installation.catalogue.clocked_tables())) as advance:
            due = list(forecast_months(installation, day, months, progress=advance))
    if as_json:
        write_json(due)
    else:
        _show(due)


def sparkline(numbers: list[int]) -> str:
    """One character a number, the highest bar for the largest; a dot for none."""
    top = max(numbers, default=0)
    return "".join(
        BARS[(number * (len(BARS) - 1) + top - 1) // top] if number else "·" for number in numbers
    )


def _show(due: list[Due]) -> None:
    by_table: dict[str, list[Due]] = defaultdict(list)
    by_month: dict[str, int] = defaultdict(int)
    for item in due:
        by_table[item.table].append(item)
        by_month[item.month] += item.leave_active
    rows = []
    for name, items in by_table.items():
        peak = max(items, key=lambda item: item.leave_active)
        rows.append(
            (
                name,
                sparkline([item.leave_active for item in items]),
                peak.month if peak.leave_active else None,
                sum(item.leave_active for item in items),
                sum(item.leave_archive_phase for item in items),
            )
        )
    months = list(by_month)
    title = f"Rows that fall due, {months[0]} to {months[-1]} (at most)"
    columns = ["table", "by month", "peak", "leave active", "archive phase ends"]
    show_table(title, columns, rows, numbers=2, fixed=("by month", "peak"))
    top = max(by_month.values())
    bars = [
        (month, "█" * -(-number * BAR_WIDTH // top) if number else "", number)
        for month, number in by_month.items()
    ]
    show_table(
        "All tables, rows that leave the active base", ["month", "", "rows"], bars, numbers=1
    )
    if not top:
        say("Nothing falls due.")
