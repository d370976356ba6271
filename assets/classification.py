"""Stage 2: the plan of the day, and how each table's rows stand in it.

``plan`` takes the lease, repairs what an earlier run left, plans, and asks the guards; every
later step takes up that very plan, by its digest in the control store.
"""

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, at_work, safe_errors
from retention.catalogue.model import TableName
from retention.execution.run import begin
from retention.planning.plan import Transition


def classification_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``plan``, and ``classified/<system>/<table>`` for every table with clocks of its own."""
    names = blueprint.catalogue.clocked_tables()
    return [_plan(blueprint), *(_classified(blueprint, name) for name in names)]


def _plan(blueprint: Blueprint) -> dg.AssetsDefinition:
    @dg.asset(
        key=naming.PLAN,
        deps=[naming.of_table("source", name) for name, _ in blueprint.catalogue.tables()],
        group_name=naming.CLASSIFICATION,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "What the policy does to every table on this day: predicates and counts, approved "
            "by digest, never a list of rows (le plan du jour)."
        ),
        pool=naming.WRITER_POOL,
    )
    def plan(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with safe_errors():
            installation = retention.installation()
            retention.announce("plan", "", 0)
            work = begin(
                installation,
                retention.day(),
                today=retention.today(),
                clock=retention.now,
                run_id=context.run.run_id,
                expected=retention.plan_digest,
                progress=lambda table: retention.announce("plan", table, 0),
            )
            made = work.plan
            for name, reason in made.stopped.items():
                context.log.error("%s: stopped: %s", name, reason)
            found = {
                "as_of": made.as_of.isoformat(),
                "mode": str(installation.settings.mode),
                "plan_digest": made.digest,
                "policy": made.policy,
                "policy_digest": made.policy_digest,
                "catalogue_digest": made.catalogue_digest,
                **{f"to_{t}": made.rows(t) for t in Transition if made.rows(t)},
                "stopped_tables": len(made.stopped),
                "phases_by_table": metadata.plan_by_table(made),
                "phases_by_purpose": metadata.plan_by_purpose(made, installation.policy),
                "transitions": metadata.plan_by_transition(made),
            }
            if made.stopped:
                found["stopped"] = metadata.stopped(made.stopped)
            return dg.MaterializeResult(metadata=found)

    return plan


def _classified(blueprint: Blueprint, name: TableName) -> dg.AssetsDefinition:
    purposes = ", ".join(blueprint.purposes(name))

    @dg.asset(
        key=naming.of_table("classified", name),
        deps=[naming.PLAN],
        group_name=naming.CLASSIFICATION,
        owners=naming.OWNERS,
        kinds={blueprint.kind_of(name)},
        tags=blueprint.tags(name),
        description=(
            f"{blueprint.title(name)} by phase: active, archive, expired, review. "
            f"Held for: {purposes}. {blueprint.companions(name)}"
        ),
        pool=naming.WRITER_POOL,
    )
    def classified(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with at_work(context, retention, "classify") as work:
            found: metadata.Metadata = {"as_of": work.as_of.isoformat()}
            counts = work.plan.counts(name)
            if counts is not None:
                policy = work.installation.policy
                found |= metadata.phases(counts, policy, blueprint.catalogue.table(name).purposes)
                found["transitions"] = metadata.plan_by_transition(work.plan, [name])
            reason = work.journal.stopped().get(name)
            if reason:
                context.log.error("%s: stopped: %s", name, reason)
                found["stopped"] = reason
            return dg.MaterializeResult(metadata=found)

    return classified
