"""Stage 6, write: each release is built into quarantine, where nobody may use it yet.

Partitioned by month: a release stands for the data of the day it was built on, and a month
whose days have gone cannot be built again, since the data of then are gone.
"""

from datetime import date
from typing import Any

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from retention.errors import ConfigurationError
from retention.installation import Installation
from retention.releases.building import build
from retention.releases.built import Built
from retention.releases.model import Releases
from retention.releases.reading import declared_releases


def months(blueprint: Blueprint) -> dg.MonthlyPartitionsDefinition:
    """The months of which there can be releases, the current one included."""
    return dg.MonthlyPartitionsDefinition(
        start_date=blueprint.first_month.strftime("%Y-%m"),
        fmt="%Y-%m",
        timezone=blueprint.policy.time_zone,
        end_offset=1,
    )


def of_release(blueprint: Blueprint, name: str) -> dict[str, Any]:
    """What the assets of a release have in common, in quarantine and published."""
    return {
        "partitions_def": months(blueprint),
        "group_name": naming.STATISTICS,
        "owners": naming.OWNERS,
        "kinds": {"parquet"},
        "tags": {"release": name},
        "pool": naming.WRITER_POOL,
    }


def quarantine_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``quarantine/<release>`` for each declared release."""
    return [_quarantined(blueprint, name) for name in blueprint.release_names]


def _quarantined(blueprint: Blueprint, name: str) -> dg.AssetsDefinition:
    tables = blueprint.feeding(name)
    clocked = dict.fromkeys(blueprint.catalogue.clock_of(table) for table in tables)

    @dg.asset(
        key=naming.of_release(naming.QUARANTINE, name),
        deps=[
            naming.ACCUMULATORS,
            *(naming.of_table("classified", table) for table in clocked),
            *(naming.of_table("deleted", table) for table in clocked),
        ],
        **of_release(blueprint, name),
        description=(
            f"{blueprint.release_title(name)}, written where nobody may use it yet "
            f"(en quarantaine). Built from active rows of {', '.join(tables)} and from the "
            "accumulators; held, restricted and undecided rows are left out. Not for use: "
            "its checks attack it first."
        ),
    )
    def quarantined(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with safe_errors():
            installation, releases = at_statistics(retention)
            day = day_of(context.partition_key, retention.day())
            retention.announce("build", name, 0)
            built = build(
                installation,
                releases,
                name,
                day,
                clock=retention.now,
                run_id=context.run.run_id,
                progress=lambda _table, rows: retention.announce("build", name, rows),
            )
            return dg.MaterializeResult(metadata=_told(built))

    return quarantined


def at_statistics(door: Door) -> tuple[Installation, Releases]:
    """The installation and its declaration of releases.

    Raises:
        ConfigurationError: it has none, or a faulty one.
    """
    installation = door.installation()
    releases = declared_releases(installation)
    if releases is None:
        raise ConfigurationError("the settings name no 'statistics': there is nothing to release")
    return installation, releases


def day_of(month: str, day: date) -> date:
    """The day a release of ``month`` is built for: the run's own.

    Raises:
        ConfigurationError: the run's day lies in another month.
    """
    if day.strftime("%Y-%m") != month:
        raise ConfigurationError(
            f"the release of {month} cannot be built on {day.isoformat()}: statistics are made of"
            f" the data as they stand, and those of {month} are not there any more, or not yet."
            f" Launch {day.strftime('%Y-%m')} instead"
        )
    return day


def _told(built: Built) -> dict[str, Any]:
    """Sizes only: a release that nobody has attacked yet is not shown."""
    found: metadata.Metadata = {
        "as_of": built.as_of.isoformat(),
        "digest": built.digest,
        "files": len(built.files),
        **metadata.figures(built.figures),
    }
    for name, value in built.figures.items():
        if name.endswith("suppressed_share"):
            found[name.replace(".", "_")] = value  # plotted over the months
    return found
