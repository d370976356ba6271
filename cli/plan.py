"""``retention plan`` and ``retention approve``: look at what a run would do, then allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.door import door, today, utc_now
from cli.options import AsOf, By, Config, Json, Reason
from cli.output import progress, prose, say, show_table, write_json
from retention.errors import ApprovalNeeded, RunFailed

if TYPE_CHECKING:
    from retention.installation import Installation
    from retention.planning.plan import Plan

PHASES = ("active", "review", "archive", "expired")
TRANSITIONS = ("archive", "pseudonymise", "clear", "dispose", "expire", "review", "hold")


def plan(
    ctx: typer.Context, *, as_of: AsOf = None, config: Config = None, as_json: Json = False
) -> None:
    """Preview a run: what would change, counted table by table. Nothing is touched.

    The plan is kept under its digest, so that it can be approved ('retention approve'). Any
    day will do, a future one too. Counts are upper bounds. Where owner trees are stopped the
    others are planned, the reasons are shown, and the exit code is 7.
    """
    from retention.execution.guards import save_plan
    from retention.execution.run import plan_day

    with door(ctx, config).installation() as installation:
        with progress("counting", len(installation.catalogue.clocked_tables())) as advance:
            made = plan_day(installation, as_of or today(installation), progress=advance)
        save_plan(installation.stores.control, made, utc_now())
        asked = approval(installation, made)
        stopped = trees(installation, made)
        if as_json:
            write_json(as_document(made, asked))
        else:
            _show(made, asked, stopped)
    if stopped:
        raise RunFailed(f"{len(stopped)} owner tree(s) are stopped; the others can run")


def approve(
    ctx: typer.Context,
    *,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As 'retention plan' shows it.")],
    by: By,
    reason: Reason,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Approve a plan by its digest: a run may then go beyond the caps, up to its counts.

    The approval holds for this very plan only: another day, policy or catalogue has another
    digest, and counts that have grown since want a new approval.
    """
    from retention.execution import guards

    with door(ctx, config).installation() as installation:
        at = utc_now()
        approved = guards.approve(installation.stores.control, digest, by=by, reason=reason, now=at)
        if as_json:
            write_json({"digest": approved.digest, "as_of": approved.as_of, "approved_by": by})
        else:
            say(f"approved: the plan for {approved.as_of}, {approved.digest}")
            say(f"Next:  retention run --as-of {approved.as_of} --plan {approved.digest}")


def approval(installation: Installation, made: Plan) -> dict[str, Any]:
    """Whether a person must approve the plan before it can run, and why."""
    from retention.execution import guards

    reasons = guards.reasons_to_ask(installation, made)
    approved = guards.approved_plan(installation.stores.control, made.digest)
    try:
        guards.check_approval(installation, made)
        needed = False
    except ApprovalNeeded:
        needed = True
    return {"needed": needed, "approved": approved is not None, "reasons": reasons}


def trees(installation: Installation, made: Plan) -> list[tuple[str, str]]:
    """Each stopped owner tree: its tables, joined by commas, and why it is stopped.

    A table that nobody governs belongs to no tree: it stands for itself.
    """
    catalogue = installation.catalogue
    governed = {str(name): name for name, _ in catalogue.tables()}
    found: dict[frozenset[str], str] = {}
    for name, why in made.stopped.items():
        tree = catalogue.tree_of(governed[name]) if name in governed else {name}
        found.setdefault(frozenset(map(str, tree)), why)
    return [(", ".join(sorted(tree)), why) for tree, why in found.items()]


def as_document(made: Plan, asked: dict[str, Any]) -> dict[str, Any]:
    """The plan for machines."""
    return {"digest": made.digest, **made.model_dump(mode="json"), "approval": asked}


def _show(made: Plan, asked: dict[str, Any], stopped: list[tuple[str, str]]) -> None:
    rows = [
        (counts.table, counts.rows, *(counts.phases.get(phase, 0) for phase in PHASES))
        for counts in made.tables
    ]
    title = f"How the rows stand on {made.as_of} under policy {made.policy}"
    show_table(title, ["table", "rows", *PHASES], rows, numbers=1 + len(PHASES))
    _show_changes(made)
    for tables, why in stopped:
        prose(f"Stopped: {tables}", f"  because {why}")
    say(f"Plan {made.digest}")
    for reason in asked["reasons"]:
        prose(f"  {reason}")
    if asked["needed"]:
        say(f"It needs approval:  retention approve {made.digest} --by NAME --reason TEXT")
    elif asked["approved"]:
        say("It is approved.")
    else:
        say("It needs no approval.")


def _show_changes(made: Plan) -> None:
    """One line a table, dependants indented below the table they follow."""
    per_table: dict[tuple[str, str | None], dict[str, int]] = {}
    for item in made.items:
        counts = per_table.setdefault((item.table, item.follows), {})
        counts[item.transition] = counts.get(item.transition, 0) + item.rows
    used = [name for name in TRANSITIONS if any(name in counts for counts in per_table.values())]
    rows = [
        (f"  {name}" if follows else name, *(counts.get(item, 0) for item in used))
        for (name, follows), counts in per_table.items()
    ]
    show_table("What a run would do (rows, at most)", ["table", *used], rows, numbers=len(used))
