"""The quarantine: where a release is written first, and waits for its audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from retention.errors import ConfigurationError, StoreError
from retention.installation import Installation
from retention.releases import records as store
from retention.releases.built import DICTIONARY, MANIFEST, Built, Figure, Record, Status
from retention.releases.describing import Part, dictionary, manifest, part_meaning
from retention.releases.files import (
    SUFFIX,
    digest_of,
    json_bytes,
    parquet_bytes,
    read_folder,
    remove_folder,
    sha256,
    write_folder,
)
from retention.releases.model import MicrodataDeclaration, Release
from retention.releases.parts import Made, Making
from retention.settings import Statistics


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


def put_into_quarantine(
    making: Making, release: Release, made: Mapping[str, Made], now: datetime
) -> Built:
    """Write what was made, and put it on record; the same bytes that are there already stay."""
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
        making.release, making.month, digest, None, Status.quarantined, making.as_of, now,
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
