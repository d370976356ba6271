"""The shape the three stages of a table share; each has its own module for what it says.

The chain of a table runs archived → pseudonymised → deleted. Where its rows keep another
table's in place, they are archived before that one is changed and deleted before it is. No check blocks: a blocking check would keep the ledger
from being closed. The engine itself stops a faulty owner tree, and the others go on.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, at_work
from retention.catalogue.model import TableName
from retention.execution.chunks import Stage as ChunkStage
from retention.execution.reporting import chunk_reports
from retention.execution.run import Stage, do_stage
from retention.execution.work import Work

Checks = Callable[[Work, str | None], Sequence[dg.AssetCheckResult]]
"""Given the run at work and why the table is stopped, if it is: the checks' results."""


def stage_asset(
    blueprint: Blueprint,
    name: TableName,
    *,
    prefix: str,
    group: str,
    stage: Stage,
    chunk_stage: ChunkStage,
    deps: Sequence[dg.AssetKey],
    description: str,
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    checks: Checks = lambda _work, _reason: (),
) -> dg.AssetsDefinition:
    """One stage of one table: does it, and tells counts, chunks and what was skipped."""

    @dg.asset(
        key=naming.of_table(prefix, name),
        deps=deps,
        group_name=group,
        owners=naming.OWNERS,
        kinds={blueprint.kind_of(name)},
        tags=blueprint.tags(name),
        description=description,
        pool=naming.WRITER_POOL,
        check_specs=check_specs,
    )
    def staged(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with at_work(context, retention, stage) as work:
            counts = do_stage(work, stage, name)
            reports = chunk_reports(work.journal.engine, work.journal.run_id, name, chunk_stage)
            found: metadata.Metadata = {
                "as_of": work.as_of.isoformat(),
                **{key: number for key, number in counts.items() if not key.startswith("skipped_")},
                **metadata.skipped(counts),
                **metadata.chunks(reports),
            }
            reason = work.journal.stopped().get(name)
            if reason:
                context.log.error("%s: stopped: %s", name, reason)
                found["stopped"] = reason
            return dg.MaterializeResult(metadata=found, check_results=checks(work, reason))

    return staged
