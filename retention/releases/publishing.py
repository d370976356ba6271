"""Publishing: only bytes that an audit has passed leave quarantine, all of them or none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from retention.execution.work import Clock
from retention.installation import Installation
from retention.lease import Lease
from retention.releases import records as store
from retention.releases.auditing import CHECKS
from retention.releases.building import leased
from retention.releases.built import MANIFEST, Built, Published, Record, Status
from retention.releases.errors import EmptyRelease, NotAudited
from retention.releases.files import (
    SUFFIX,
    digest_of,
    json_bytes,
    parquet_frame,
    read_folder,
    remove_folder,
    sha256,
    write_folder,
)
from retention.releases.model import Releases
from retention.releases.places import month_folder, put_in_place, version_folder
from retention.releases.settling import finish, is_whole, settle
from retention.stores.open import writing

records = store.records


def publish(
    installation: Installation,
    releases: Releases,
    built: Built,
    *,
    clock: Clock,
    run_id: str,
    lease: Lease | None = None,
) -> Published:
    """Publish ``built`` into ``<statistics>/<release>/<month>``.

    The last good release stays in place on any failure. The same bytes again change nothing;
    other bytes of the same month are a new revision.

    Raises:
        NotAudited: no audit that passed is on record for exactly these bytes (the digest is
            computed again). EmptyRelease: nothing in it. StoreError: it cannot be written.
    """
    with leased(installation, run_id, clock, lease):
        settle(installation, built.release, clock(), run_id)
        record, files = _fit_to_publish(installation, releases, built)
        if record.status is Status.published:
            _mend(installation, record, files)
            return _published(installation, record)
        record = _announce(installation, record, files)
        _write(installation, record, files)
        put_in_place(installation, record)
        finish(installation, record, clock(), run_id)
        settle(installation, built.release, clock(), run_id)  # clears what was replaced
    done = store.find(installation, built.release, built.month, built.digest)
    assert done is not None
    return _published(installation, done)


def published(installation: Installation) -> list[Published]:
    """The releases that are out, by name and month; revisions that were replaced are left out."""
    found = [
        _published(installation, record)
        for record in store.records(installation)
        if record.status is Status.published
    ]
    return sorted(found, key=lambda item: (item.release, item.month))


def _fit_to_publish(
    installation: Installation, releases: Releases, built: Built
) -> tuple[Record, dict[str, bytes]]:
    """The record of the bytes in quarantine as they are now, and the bytes."""
    place = f"{built.release} of {built.month}"
    if built.release not in releases.releases:
        raise NotAudited(f"{place}: the release is not declared any more")
    files = read_folder(built.folder)
    record = store.find(installation, built.release, built.month, digest_of(files))
    if record is None or record.digest != built.digest:
        raise NotAudited(f"{place}: the files in quarantine are not those that were built")
    if record.audited_at is None or not record.passed:
        raise NotAudited(f"{place}: no audit that passed is on record for these bytes")
    if sha256(files.get(MANIFEST, b"")) != store.manifest_digests(installation, record)[0]:
        raise NotAudited(f"{place}: the manifest in quarantine was changed")
    tables = [name for name in files if name.endswith(SUFFIX)]
    if not tables or not all(len(parquet_frame(files[name], name)) for name in tables):
        raise EmptyRelease(f"{place}: a file without a row; the last release that is out stays")
    return record, files


def _announce(installation: Installation, record: Record, files: dict[str, bytes]) -> Record:
    """Put on record what is about to appear: what breaks off from here on can be told apart."""
    taken = [
        other.revision
        for other in store.records(installation, record.release)
        if other.month == record.month and other.revision is not None
    ]
    announced = replace(record, status=Status.publishing, revision=max(taken, default=0) + 1)
    files[MANIFEST] = _final_manifest(announced, files[MANIFEST])
    with writing(installation.stores.control) as connection:
        store.change(
            connection, record.release, record.month, record.digest,
            status=Status.publishing,
            revision=announced.revision,
            published_manifest=sha256(files[MANIFEST]),
        )  # fmt: skip
    return announced


def _final_manifest(record: Record, built: bytes) -> bytes:
    """The manifest with the audit's figures and the revision."""
    document: dict[str, Any] = json.loads(built)
    assert record.audited_at is not None
    checks: dict[str, dict[str, Any]] = {}
    for name, value in record.figures.items():
        check, _, figure = name.partition(".")
        if check in CHECKS:  # the others are figures of the build
            checks.setdefault(check, {})[figure] = value
    document["revision"] = record.revision
    document["audit"] = {"passed_at": record.audited_at.isoformat(), "checks": checks}
    return json_bytes(document)


def _write(installation: Installation, record: Record, files: dict[str, bytes]) -> None:
    folder = version_folder(installation, record)
    remove_folder(folder)
    write_folder(folder, files, secret=False)


def _mend(installation: Installation, record: Record, files: dict[str, bytes]) -> None:
    """Published already: whatever was changed since is put back from quarantine."""
    if not is_whole(installation, record):
        mended = {**files, MANIFEST: _final_manifest(record, files[MANIFEST])}
        with writing(installation.stores.control) as connection:
            store.change(
                connection, record.release, record.month, record.digest,
                published_manifest=sha256(mended[MANIFEST]),
            )  # fmt: skip
        _write(installation, record, mended)
    put_in_place(installation, record)


def _published(installation: Installation, record: Record) -> Published:
    folder = month_folder(installation, record)
    files = sorted(path.name for path in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    assert record.published_at is not None
    return Published(
        release=record.release,
        month=record.month,
        revision=record.revision or 0,
        digest=record.digest,
        folder=folder,
        files=tuple(files),
        published_at=record.published_at,
        passed_at=record.audited_at or record.published_at,
    )
