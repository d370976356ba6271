"""The last step: the run's ledger is closed, its chain verified, its head exported.

Where an owner tree was stopped the step fails after all that: every other tree is done and
in the ledger, and the run is red all the same.
"""

from collections.abc import Iterator

import dagster as dg

from assets import metadata, naming
from assets.door import EXIT_CODE, Door, at_work
from assets.expectations import Check, Zero, evaluate
from retention import ledger
from retention.errors import RunFailed
from retention.execution.reporting import moved_in_run
from retention.execution.run import end, failure_text
from retention.execution.work import Work


def evidence_assets() -> list[dg.AssetsDefinition]:
    """``ledger``."""

    @dg.asset(
        key=naming.LEDGER,
        deps=[naming.ACCUMULATORS],
        group_name=naming.EVIDENCE,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "What this run did, one entry for each table and transition, chained: any later "
            "change of it shows. Counts and commitments only. (Registre des suppressions.)"
        ),
        pool=naming.WRITER_POOL,
        check_specs=[
            dg.AssetCheckSpec(
                naming.CHAIN_HOLDS,
                asset=naming.LEDGER,
                description="Every entry follows the one before, up to the head exported.",
            )
        ],
    )
    def closed(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> Iterator[dg.MaterializeResult]:
        with at_work(context, retention, "ledger") as work:
            stopped = end(work)
            found, check = _closed(work)
            if stopped:
                found["stopped"] = metadata.stopped(stopped)
            yield dg.MaterializeResult(metadata=found, check_results=[check])
            if stopped:
                raise dg.Failure(
                    description=failure_text(work, stopped),
                    metadata={EXIT_CODE: RunFailed.exit_code},
                    allow_retries=False,
                )

    return [closed]


def _closed(work: Work) -> tuple[metadata.Metadata, dg.AssetCheckResult]:
    settings = work.installation.settings
    head_file = settings.path(settings.ledger_head) if settings.ledger_head else None
    verified = ledger.verify(work.journal.engine, head_file)
    moved = moved_in_run(work.journal.engine, work.journal.run_id)
    lines = [
        {
            "table": item.table,
            "transition": item.transition,
            "rows": item.rows,
            "with dependants": item.with_dependants,
        }
        for item in moved
    ]
    found = {
        "as_of": work.as_of.isoformat(),
        "plan_digest": work.plan.digest,
        "entries_of_this_run": len(moved),
        "entries": verified.entries,
        "head": verified.head,
        "transitions": metadata.table(lines, ["table", "transition", "rows", "with dependants"]),
    }
    check = Check(
        naming.LEDGER,
        naming.CHAIN_HOLDS,
        {"faults": int(verified.problem is not None)},
        [Zero("faults")],
        why=verified.problem,
    )
    (result,) = evaluate([check])
    return found, result
