"""Verifying what is published: bytes against manifest, control store and ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from anonymizers.audits.findings import Finding
from retention.errors import StoreError
from retention.installation import Installation
from retention.releases import records as store
from retention.releases.auditing import Auditor, checks_of, run_check
from retention.releases.building import statistics_of
from retention.releases.built import MANIFEST, Built, Record, Status
from retention.releases.describing import release_digest
from retention.releases.files import SUFFIX, digest_of, read_folder, sha256
from retention.releases.model import Releases
from retention.releases.places import PAGES, VERSIONS, is_in_place, version_folder
from retention.releases.settling import PUBLISH, ledger_name
from retention.stores import control
from retention.stores.open import reading

REPEATED = (
    "schema_is_as_declared",
    "no_direct_identifier",
    "no_small_cell",
    "no_recoverable_cell",
    "no_differencing",
    "order_is_canonical",
    "bytes_are_plain",
)
"""Checks that need no source: what held for the bytes then holds for them now."""


def verify(installation: Installation, releases: Releases) -> list[Finding]:
    """What is wrong with what is published; empty where all is well.

    Any changed, added or missing byte is noticed. Checks that need no source are repeated where
    the release is still declared as it was.
    """
    found = list(_strangers(installation))
    for record in store.records(installation):
        if record.status is Status.publishing:
            problem = "its publication broke off; publishing again repairs it"
            found.append(_finding(record, problem))
        elif record.status is Status.published:
            bytes_found = list(_of_bytes(installation, record))
            found += [*bytes_found, *_of_ledger(installation, record)]
            if not bytes_found:
                found += _again(installation, releases, record)
    return found


def _finding(record: Record, problem: str) -> Finding:
    place = {"release": record.release, "month": record.month}
    return Finding("verify", problem, place)


def _of_bytes(installation: Installation, record: Record) -> Iterator[Finding]:
    if not is_in_place(installation, record):
        yield _finding(record, "readers of the month do not find it")
    try:
        files = read_folder(version_folder(installation, record))
    except StoreError as error:
        yield _finding(record, str(error))
        return
    manifest = files.get(MANIFEST, b"")
    if sha256(manifest) != store.manifest_digests(installation, record)[1]:
        yield _finding(record, "its manifest is not the one that was published")
        return
    document: dict[str, Any] = json.loads(manifest)
    listed = {name: item["sha256"] for name, item in document["files"].items()}
    for name, digest in listed.items():
        if name not in files:
            yield _finding(record, f"{name} is missing")
        elif sha256(files[name]) != digest:
            yield _finding(record, f"{name} was changed")
    for name in sorted(set(files) - set(listed) - {MANIFEST}):
        yield _finding(record, f"{name} does not belong to it")
    if document["digest"] != record.digest or digest_of(files) != record.digest:
        yield _finding(record, "its bytes are not those that are on record")
    if not record.passed:
        yield _finding(record, "its last audit did not pass")


def _of_ledger(installation: Installation, record: Record) -> Iterator[Finding]:
    at = control.ledger.c
    statement = sa.select(sa.func.count()).where(
        at.table_name == ledger_name(record.release),
        at.transition == PUBLISH,
        at.merkle_root == record.digest,
        at.as_of == record.as_of,
    )
    with reading(installation.stores.control) as connection:
        if not connection.execute(statement).scalar_one():
            yield _finding(record, "the ledger has no entry for it")


def _again(installation: Installation, releases: Releases, record: Record) -> Iterator[Finding]:
    folder = version_folder(installation, record)
    declared = releases.releases.get(record.release)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    if declared is None or manifest["declaration"] != release_digest(declared):
        return
    names = tuple(sorted(path.name for path in folder.iterdir() if path.suffix == SUFFIX))
    built = Built(
        record.release, record.month, record.as_of, record.digest, folder, names, record.figures
    )
    auditor = Auditor(installation, releases, built)
    for name in [name for name in checks_of(auditor.release) if name in REPEATED]:
        for finding in run_check(auditor, name).findings:
            yield Finding(
                f"verify.{finding.check}",
                finding.problem,
                {"release": record.release, "month": record.month, **finding.figures},
            )


def _strangers(installation: Installation) -> Iterator[Finding]:
    """Whatever lies among the published releases and was not published."""
    folder = installation.settings.path(statistics_of(installation).folder)
    if not folder.is_dir():
        return
    known: dict[str, set[str]] = {}
    for record in store.records(installation):
        if record.status in (Status.published, Status.publishing):
            known.setdefault(record.release, set()).update((record.month, VERSIONS))
    for release in sorted(folder.iterdir()):
        if release.name == PAGES:
            continue
        if release.name not in known:
            yield Finding("verify", f"{release.name} was never published", {})
            continue
        for path in sorted(release.iterdir()):
            if path.name not in known[release.name]:
                place = {"release": release.name}
                yield Finding("verify", f"{path.name} was never published", place)
