"""The restricted accumulators: what the rows that left have added to counts and sums.

Only their size is shown here. A cell may count one person; releases are made of them
elsewhere, and attacked before they are published.
"""

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, at_work
from retention.execution.reporting import accumulator_reports


def statistics_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``statistics/accumulators``."""
    declared = [
        f"{name}: {', '.join(table.accumulators)}"
        for name, table in blueprint.catalogue.tables()
        if table.accumulators
    ]
    named = "; ".join(declared) or "none is declared"

    @dg.asset(
        key=naming.ACCUMULATORS,
        deps=[naming.ARCHIVE_EXPIRED],
        group_name=naming.STATISTICS,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "Counts and sums to which a row is added when it leaves the active base, once. "
            f"Restricted: sizes only are shown. (Statistiques.) Declared: {named}."
        ),
    )
    def accumulators(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with at_work(context, retention, "statistics") as work:
            reports = accumulator_reports(work.journal.engine)
            lines = [
                {"table": r.table, "accumulator": r.name, "cells": r.cells, "rows": r.rows}
                for r in reports
            ]
            return dg.MaterializeResult(
                metadata={
                    "as_of": work.as_of.isoformat(),
                    "cells": sum(report.cells for report in reports),
                    "rows": sum(report.rows for report in reports),
                    "by_accumulator": metadata.table(
                        lines, ["table", "accumulator", "cells", "rows"]
                    ),
                }
            )

    return [accumulators]
