"""Where published releases lie, and how one takes the place of another at once.

``<folder>/<release>/<month>`` is a relative link to ``.versions/<month>-<digest>`` beside it. A
link can be replaced by one rename: there is a whole release behind it at every moment.
"""

from __future__ import annotations

from pathlib import Path

from retention.errors import StoreError
from retention.installation import Installation
from retention.releases.built import Record
from retention.releases.files import remove_folder, sync

VERSIONS = ".versions"

PAGES = "data_docs"
"""Beside the releases: the pages that show how their audits came out."""


def release_folder(installation: Installation, name: str) -> Path:
    """The folder of a release's months."""
    statistics = installation.settings.statistics
    assert statistics is not None
    return installation.settings.path(statistics.folder) / name


def month_folder(installation: Installation, record: Record) -> Path:
    """Where readers find a release."""
    return release_folder(installation, record.release) / record.month


def version_folder(installation: Installation, record: Record) -> Path:
    """Where its files are."""
    folder = release_folder(installation, record.release) / VERSIONS
    return folder / f"{record.month}-{record.digest}"


def is_in_place(installation: Installation, record: Record) -> bool:
    """Whether readers of the month find this very release."""
    link = month_folder(installation, record)
    return link.is_symlink() and link.readlink() == _target(installation, record)


def put_in_place(installation: Installation, record: Record) -> None:
    """Let readers of the month find this release, which is written already.

    Raises:
        StoreError: something that is no link of ours is in the way, or it cannot be written.
    """
    link = month_folder(installation, record)
    if link.exists() and not link.is_symlink():
        raise StoreError(f"{link}: is in the way, and not of our making; move it away")
    temporary = link.with_name(f".{link.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(_target(installation, record), target_is_directory=True)
        temporary.replace(link)
        sync(link.parent)
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise StoreError(f"{link}: cannot be written: {why}") from None


def clear_versions(installation: Installation, name: str) -> None:
    """Remove the files of versions that no month leads to."""
    folder = release_folder(installation, name)
    versions = folder / VERSIONS
    if not versions.is_dir():
        return
    led_to = {link.readlink() for link in folder.iterdir() if link.is_symlink()}
    for version in versions.iterdir():
        if Path(VERSIONS) / version.name not in led_to:
            remove_folder(version)


def _target(installation: Installation, record: Record) -> Path:
    return Path(VERSIONS) / version_folder(installation, record).name
