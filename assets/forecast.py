"""What falls due over the coming months. Only counts, and not part of the daily run.

A month is counted in the sources table by table, so a forecast costs as much as many plans;
it has a job of its own.
"""

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.chart import stacked_bars
from assets.door import Door, safe_errors
from retention.planning.forecast import forecast

MONTHS = 24


def forecast_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``forecast``."""

    @dg.asset(
        key=naming.FORECAST,
        deps=[naming.of_table("source", name) for name in blueprint.catalogue.clocked_tables()],
        group_name=naming.CLASSIFICATION,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            f"Rows that leave the active base in each of the next {MONTHS} months if nothing "
            "new happens; upper bounds, by local evidence. (Échéances à venir.)"
        ),
    )
    def foreseen(retention: dg.ResourceParam[Door]) -> dg.MaterializeResult:
        with safe_errors():
            installation = retention.installation()
            day = retention.day()
            by_table: dict[str, dict[str, int]] = {}
            months: list[str] = []
            for due in forecast(installation, day, MONTHS):
                by_table.setdefault(due.table, {})[due.month] = due.leave_active
                if due.month not in months:
                    months.append(due.month)
            lines = [
                {
                    "month": month.replace("-", "\u2011"),
                    **{name: found[month] for name, found in by_table.items()},
                }
                for month in months
            ]
            return dg.MaterializeResult(
                metadata={
                    "as_of": day.isoformat(),
                    "leave_the_active_base": sum(
                        sum(found.values()) for found in by_table.values()
                    ),
                    "chart": dg.MetadataValue.md(stacked_bars(months, by_table)),
                    "by_month": metadata.table(lines, ["month", *by_table]),
                }
            )

    return [foreseen]
