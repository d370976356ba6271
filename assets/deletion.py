"""Stage 5: rows leave the source, in one transaction a chunk, and the run is checked.

The check asks the databases afterwards, within the step: only while the run has its lease do
its figures belong to it.
"""

from functools import partial

import dagster as dg

from assets import naming
from assets.blueprint import Blueprint
from assets.expectations import Check, Equal, Expected, Zero, evaluate, red
from assets.stage import stage_asset
from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.execution.conservation import conservation
from retention.execution.work import Work
from retention.settings import Mode


def deletion_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``deleted/<system>/<table>`` for each table with clocks of its own."""
    return [_deleted(blueprint, name) for name in blueprint.catalogue.clocked_tables()]


def _deleted(blueprint: Blueprint, name: TableName) -> dg.AssetsDefinition:
    return stage_asset(
        blueprint,
        name,
        prefix="deleted",
        group=naming.DELETION,
        stage="delete",
        chunk_stage="move",
        deps=[
            naming.of_table("pseudonymised", name),
            *(naming.of_table("deleted", other) for other in blueprint.before(name)),
            *(naming.of_table("deleted", other) for other in blueprint.prolonged(name)),
        ],
        description=(
            f"{blueprint.title(name)}: archived and expired rows leave the source, each decided "
            f"on again and compared with its copy first. {blueprint.companions(name)} "
            "(Suppression.)"
        ),
        check_specs=[
            dg.AssetCheckSpec(
                naming.ROWS_ARE_CONSERVED,
                asset=naming.of_table("deleted", name),
                description=(
                    "Selected = archived + disposed + skipped; moved rows are gone from the "
                    "source and once in the archive; nothing due is left without a reason."
                ),
            )
        ],
        checks=partial(_conserved, name),
    )


def _conserved(name: TableName, work: Work, stopped: str | None) -> list[dg.AssetCheckResult]:
    asset = naming.of_table("deleted", name)
    if stopped:
        return [red(naming.ROWS_ARE_CONSERVED, asset, f"stopped: {stopped}")]
    try:
        found = conservation(work, name)
    except SourceError as error:
        return [red(naming.ROWS_ARE_CONSERVED, asset, str(error))]
    counts = found.counts
    kept = sum(number for what, number in counts.items() if what.startswith("skipped_"))
    unexplained = max(0, found.due_left - found.explained)
    backlog = work.allowance(name) is not None
    observing = work.installation.settings.mode is Mode.observe
    expected: list[Expected] = [Equal("selected", "moved_or_skipped"), Zero("still_at_source"),
                Zero("not_once_in_archive")]  # fmt: skip
    if not (observing or backlog):
        expected.append(Zero("due_and_left_without_a_reason"))
    check = Check(
        asset,
        naming.ROWS_ARE_CONSERVED,
        {
            "selected": counts.get("selected", 0),
            "moved_or_skipped": counts.get("archived", 0) + counts.get("disposed", 0) + kept,
            "still_at_source": found.still_at_source,
            "not_once_in_archive": found.not_once_in_archive,
            "due_and_left_without_a_reason": unexplained,
        },
        expected,
    )
    return evaluate([check])
