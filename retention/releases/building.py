"""Building a release into quarantine, from active rows and accumulators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from retention.catalogue.model import TableName
from retention.errors import ConfigurationError, SourceError, StoreError
from retention.execution.guards import check_day
from retention.execution.run import acquire_lease, unfit
from retention.execution.work import Clock
from retention.installation import Installation
from retention.lease import Lease
from retention.releases import records as store
from retention.releases.built import DICTIONARY, MANIFEST, Built, Figure, Record, Status
from retention.releases.describing import dictionary, manifest, part_meaning
from retention.releases.errors import EmptyRelease
from retention.releases.files import (
    SUFFIX,
    digest_of,
    json_bytes,
    parquet_bytes,
    parquet_frame,
    read_folder,
    remove_folder,
    sha256,
    write_folder,
)
from retention.releases.model import (
    CubeDeclaration,
    DifferentialPrivacy,
    MicrodataDeclaration,
    Release,
    Releases,
    Threshold,
)
from retention.releases.parts import Made, Making, Progress
from retention.releases.settling import settle
from retention.settings import Statistics

if TYPE_CHECKING:
    import pandas as pd

Part = CubeDeclaration | MicrodataDeclaration


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
        return _quarantined(making, release, made, clock)


def find_built(
    installation: Installation, name: str, month: str, digest: str | None = None
) -> Built:
    """The release in quarantine with that digest; without one, the newest of the month.

    Raises:
        ConfigurationError: there is none, or its bytes are not those of its digest any more.
    """
    found = [record for record in store.records(installation, name) if record.month == month]
    if digest is not None:
        found = [record for record in found if record.digest == digest]
    for record in sorted(found, key=lambda item: item.built_at, reverse=True):
        built = _built(installation, record)
        if built.folder.is_dir():
            if digest_of(read_folder(built.folder)) != record.digest:
                raise ConfigurationError(
                    f"{name} of {month}: the files in quarantine were changed; build it again"
                )
            return built
    raise ConfigurationError(f"{name} of {month} is not in quarantine: build it first")


def statistics_of(installation: Installation) -> Statistics:
    """The settings of statistics.

    Raises:
        ConfigurationError: there are none.
    """
    if installation.settings.statistics is None:
        raise ConfigurationError("the settings name no 'statistics': there is nothing to release")
    return installation.settings.statistics


def declaration_folder(installation: Installation) -> Path:
    """Where files that the declaration names are looked for."""
    return installation.settings.path(statistics_of(installation).declaration).parent


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

        made = recoded(making, part)
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
        history = [
            parquet_frame(kept.state, name) for kept in _published_before(making, name, cube)
        ]
        return thresholded(making, cube, protection, history)
    return noisy(
        making, name, cube, protection, _drawn_before(making, name, cube, protection), clock=clock
    )


def _published_before(making: Making, name: str, part: Part) -> list[store.Kept]:
    """What earlier releases have told of a part, oldest first.

    Raises:
        ConfigurationError: it was declared otherwise: the two could not be compared.
    """
    found = []
    for record in store.once_public(making.installation, making.release):
        kept = store.kept(making.installation, record).get(name)
        if kept is None:
            continue
        if kept.meaning != part_meaning(part, making.folder):
            raise ConfigurationError(
                f"{making.release}: '{name}' was published with other columns, margins or "
                "protection before, so that the two cannot be compared; give the changed one "
                "another name"
            )
        found.append(kept)
    return found


def _drawn_before(
    making: Making, name: str, cube: CubeDeclaration, protection: DifferentialPrivacy
) -> pd.DataFrame | None:
    """The noisy cells that stay as they are: drawn for an earlier release, or for this month's.

    What waits in quarantine counts as drawn, too: a second draw would cost budget for nothing.
    """
    wanted = part_meaning(cube, making.folder)
    _published_before(making, name, cube)  # refuses what was published otherwise
    public = store.once_public(making.installation, making.release)
    waiting = [
        record
        for record in store.records(making.installation, making.release)
        if record.published_at is None
    ]
    for record in [*reversed(waiting), *reversed(public)]:
        if protection.period is None and record.month != making.month:
            continue
        kept = store.kept(making.installation, record).get(name)
        if kept is not None and kept.meaning == wanted:
            return parquet_frame(kept.shown, name)
    return None


def _quarantined(making: Making, release: Release, made: Mapping[str, Made], clock: Clock) -> Built:
    shown = {
        name + SUFFIX: parquet_bytes(made[name].frame, _decimals(part))
        for name, part in release.parts
    }
    files = {**shown, DICTIONARY: json_bytes(dictionary(making.release, release, making.folder))}
    digest = digest_of(files)
    figures = {name: item.figures for name, item in made.items()}
    described = manifest(
        making.installation,
        making.release,
        release,
        month=making.month,
        as_of=making.as_of,
        digest=digest,
        files=files,
        figures=figures,
        left_out=making.left_out,
    )
    files[MANIFEST] = json_bytes(described)
    kept = {
        name: store.Kept(
            part_meaning(part, making.folder), _state(made[name]), shown[name + SUFFIX]
        )
        for name, part in release.parts
    }
    record = Record(
        making.release, making.month, digest, None, Status.quarantined, making.as_of, clock(),
        None, None, _flat(figures), None,
    )  # fmt: skip
    known = store.find(making.installation, making.release, making.month, digest)
    if known is None or not _is_whole(making.installation, known):
        folder = _built(making.installation, record).folder
        remove_folder(folder)
        write_folder(folder, files, secret=True)
        store.insert(making.installation, record, sha256(files[MANIFEST]), kept)
    _prune(making, digest)
    return _built(making.installation, known or record)


def _is_whole(installation: Installation, record: Record) -> bool:
    """Whether the very bytes of a build are in quarantine, its manifest included."""
    try:
        files = read_folder(_built(installation, record).folder)
    except StoreError:
        return False
    manifest_wanted = store.manifest_digests(installation, record)[0]
    return digest_of(files) == record.digest and sha256(files.get(MANIFEST, b"")) == manifest_wanted


def _state(made: Made) -> bytes:
    return b"" if made.state is None else parquet_bytes(made.state, {})


def _decimals(part: Part) -> dict[str, int]:
    if isinstance(part, MicrodataDeclaration):
        return {}
    exponents = {item.name: item.round.normalize().as_tuple().exponent for item in part.measures}
    return {name: -int(power) for name, power in exponents.items() if int(power) < 0}


def _flat(figures: Mapping[str, Mapping[str, Figure]]) -> dict[str, Figure]:
    return {
        f"{part}.{name}": value for part, found in figures.items() for name, value in found.items()
    }


def _built(installation: Installation, record: Record) -> Built:
    quarantine = installation.settings.path(statistics_of(installation).quarantine)
    folder = quarantine / record.release / record.month / record.digest
    names: Sequence[str] = ()
    if folder.is_dir():
        names = sorted(path.name for path in folder.iterdir() if path.suffix == SUFFIX)
    return Built(
        record.release,
        record.month,
        record.as_of,
        record.digest,
        folder,
        tuple(names),
        record.figures,
    )


def _prune(making: Making, digest: str) -> None:
    """Builds that another one has taken the place of are dropped, published copies kept."""
    installation = making.installation
    old = [
        record
        for record in store.records(installation, making.release)
        if record.digest != digest or record.month != making.month
    ]
    for record in old:
        if not (record.month == making.month and record.status is Status.published):
            remove_folder(_built(installation, record).folder)
    store.forget(installation, [record for record in old if record.published_at is None])
