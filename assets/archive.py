"""Stage 3: what is due for the intermediate archive is copied there, sealed and read back.

And the archive's own end: units whose last day is past lose their key, then their records.
"""

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, at_work
from assets.stage import stage_asset
from retention.execution.expiry_stage import ARCHIVE, expire_archive
from retention.execution.reporting import archive_report, chunk_reports
from retention.settings import Mode


def archive_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``archived/<system>/<table>`` for each table with clocks, and ``archive/expired``."""
    tables = [
        stage_asset(
            blueprint,
            name,
            prefix="archived",
            group=naming.ARCHIVE,
            stage="archive",
            chunk_stage="move",
            deps=[naming.of_table("classified", name)],
            description=(
                f"{blueprint.title(name)}: rows due for the intermediate archive are copied "
                f"there under a pseudonym, sealed and read back. {blueprint.companions(name)} "
                "Nothing leaves the source yet. (Archivage intermédiaire.)"
            ),
        )
        for name in blueprint.catalogue.clocked_tables()
    ]
    return [*tables, _expired(blueprint)]


def _expired(blueprint: Blueprint) -> dg.AssetsDefinition:
    names = blueprint.catalogue.clocked_tables()

    @dg.asset(
        key=naming.ARCHIVE_EXPIRED,
        deps=[naming.of_table("deleted", name) for name in names],
        group_name=naming.DELETION,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "Archived units whose last day is past: the key is destroyed first, which reaches "
            "every backup, then vault and archive are cleared. (Fin de l'archivage.)"
        ),
        pool=naming.WRITER_POOL,
    )
    def expired(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with at_work(context, retention, "expire") as work:
            found: metadata.Metadata = {"as_of": work.as_of.isoformat()}
            if work.installation.settings.mode is Mode.execute:
                counts = expire_archive(work)
                found |= {"units_expired": counts["expired"], **metadata.skipped(counts)}
            archive = archive_report(work.installation.stores.archive)
            found |= {
                "live_units": archive.live_units,
                "destroyed_units": archive.destroyed_units,
                "records": archive.records,
            }
            if archive.next_expiry:
                found["next_expiry"] = archive.next_expiry.isoformat()
            engine, run_id = work.journal.engine, work.journal.run_id
            found |= metadata.chunks(chunk_reports(engine, run_id, ARCHIVE, "expire"))
            return dg.MaterializeResult(metadata=found)

    return expired
