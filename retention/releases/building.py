"""Building a release into quarantine, from active rows and accumulators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from retention.catalogue.model import TableName
from retention.errors import ConfigurationError, SourceError
from retention.execution.guards import check_day
from retention.execution.run import acquire_lease, unfit
from retention.execution.work import Clock
from retention.installation import Installation
from retention.lease import Lease
from retention.releases import records as store
from retention.releases.built import Built
from retention.releases.describing import Part
from retention.releases.earlier import drawn_before, published_before
from retention.releases.errors import EmptyRelease
from retention.releases.files import parquet_frame
from retention.releases.model import (
    CubeDeclaration,
    DifferentialPrivacy,
    MicrodataDeclaration,
    Release,
    Releases,
    Threshold,
)
from retention.releases.parts import Made, Making, Progress
from retention.releases.quarantine import (
    declaration_folder,
    find_built,
    put_into_quarantine,
    statistics_of,
)
from retention.releases.settling import settle

__all__ = ["build", "declaration_folder", "find_built", "leased", "statistics_of"]


def build(
    installation: Installation,
    releases: Releases,
    name: str,
    as_of: date,
    *,
    clock: Clock,
    run_id: str,
    lease: Lease | None = None,
    progress: Progress = lambda _table, _rows: None,
) -> Built:
    """Build release ``name`` for the month of ``as_of`` into quarantine.

    The lease is taken for the time of reading (holder ``run_id``) unless the caller has it and
    hands it in, so that no row moves between the sources and the accumulators meanwhile. The
    archive, the vault and the keys are not opened. The same data give the same bytes, and the
    build of them that is there already.

    Raises:
        ConfigurationError: no such release; a month whose day has gone (its data cannot be had
            any more); a cube that was published with other columns before. BudgetSpent: no
            privacy budget is left. SourceError: a table that feeds the release is unfit or out
            of reach, or an earlier run left unfinished work. LeaseHeld: another run is at work.
            EmptyRelease: no cell, or no row, could be published.
    """
    release = _declared(releases, name)
    _check_day(installation, as_of, clock)
    with leased(installation, run_id, clock, lease) as held:
        settle(installation, name, clock(), run_id)
        _check_sources(installation, release)
        making = Making(
            installation,
            declaration_folder(installation),
            name,
            f"{as_of:%Y-%m}",
            as_of,
            renew=lambda: held.renew(clock()),
            progress=progress,
        )
        made = {
            part_name: _make(making, part_name, part, clock) for part_name, part in release.parts
        }
        return put_into_quarantine(making, release, made, clock())


@contextmanager
def leased(
    installation: Installation, run_id: str, clock: Clock, lease: Lease | None
) -> Iterator[Lease]:
    """The lease that the caller has, or one of our own for the length of the work."""
    if lease is not None:
        lease.confirm()
        yield lease
        return
    with acquire_lease(installation, run_id, clock) as own:
        yield own


def _declared(releases: Releases, name: str) -> Release:
    if name not in releases.releases:
        raise ConfigurationError(f"there is no release '{name}'")
    return releases.releases[name]


def _check_day(installation: Installation, as_of: date, clock: Clock) -> None:
    """Statistics are made of the data as they stand: those of a day that has gone are gone."""
    today = clock().astimezone(installation.zone).date()
    check_day(installation, as_of, today)
    last = store.last_run_day(installation)
    if last is not None and as_of < last:
        raise ConfigurationError(
            f"a release of {as_of} cannot be built any more: rows have moved since, "
            f"for {last}; build the release of that day or a later one"
        )
    if f"{as_of:%Y-%m}" < f"{today:%Y-%m}" and not installation.catalogue.demo:
        raise ConfigurationError(
            f"the month of {as_of} is over, and its data are gone: today is {today}"
        )


def _check_sources(installation: Installation, release: Release) -> None:
    if store.unfinished_chunks(installation):
        raise SourceError(
            "an earlier run left unfinished work: run the day first ('retention run'), which "
            "repairs it"
        )
    stopped = unfit(installation)
    for _, part in release.parts:
        reason = stopped.get(TableName(part.table))
        if reason is not None:
            raise SourceError(f"statistics cannot be made of {part.table}: {reason}")


def _make(making: Making, name: str, part: Part, clock: Clock) -> Made:
    """One file of the release, compared with what was published of it before."""
    if isinstance(part, MicrodataDeclaration):
        from retention.releases.microdata import recoded  # noqa: PLC0415 - imports pandas

        history = [parquet_frame(kept.shown, name) for kept in published_before(making, name, part)]
        made = recoded(making, part, history)
    else:
        made = _cube(making, name, part, part.protection, clock)
    published = made.figures.get("cells_published", len(made.frame))
    if not published:
        raise EmptyRelease(
            f"{making.release}: nothing of '{name}' could be published; "
            "the last release that is out stays"
        )
    return made


def _cube(
    making: Making,
    name: str,
    cube: CubeDeclaration,
    protection: Threshold | DifferentialPrivacy,
    clock: Clock,
) -> Made:
    from retention.releases.cubes import thresholded  # noqa: PLC0415 - imports pandas
    from retention.releases.noisy import noisy  # noqa: PLC0415

    if isinstance(protection, Threshold):
        history = [parquet_frame(kept.state, name) for kept in published_before(making, name, cube)]
        return thresholded(making, cube, protection, history)
    return noisy(
        making, name, cube, protection, drawn_before(making, name, cube, protection), clock=clock
    )
