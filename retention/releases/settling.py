"""Finishing what a publication that broke off has left, before anything new is begun."""

from __future__ import annotations

from datetime import datetime

from retention import ledger
from retention.errors import StoreError
from retention.installation import Installation
from retention.releases import records as store
from retention.releases.built import MANIFEST, Record, Status
from retention.releases.files import digest_of, read_folder, sha256
from retention.releases.places import clear_versions, is_in_place, version_folder
from retention.stores.open import writing

PUBLISH = "publish"
"""The transition of a ledger entry for a published release."""


def settle(installation: Installation, name: str, now: datetime, run_id: str) -> None:
    """Bring the records of release ``name`` into agreement with what readers find.

    What broke off once readers could find it is finished; before that, it is as if it had not
    begun. Repeatable.
    """
    for record in store.records(installation, name):
        if record.status is not Status.publishing:
            continue
        if is_in_place(installation, record) and is_whole(installation, record):
            finish(installation, record, now, run_id)
        else:
            with writing(installation.stores.control) as connection:
                store.change(
                    connection, record.release, record.month, record.digest,
                    status=Status.audited, revision=None, published_manifest=None,
                )  # fmt: skip
    clear_versions(installation, name)


def is_whole(installation: Installation, record: Record) -> bool:
    """Whether the published files of a release are, byte for byte, what is on record."""
    try:
        files = read_folder(version_folder(installation, record))
    except StoreError:
        return False
    wanted = store.manifest_digests(installation, record)[1]
    return digest_of(files) == record.digest and sha256(files.get(MANIFEST, b"")) == wanted


def finish(installation: Installation, record: Record, now: datetime, run_id: str) -> None:
    """Readers find the release: put that on record and into the ledger, in one transaction."""
    replaced = [
        other
        for other in store.records(installation, record.release)
        if other.month == record.month
        and other.status is Status.published
        and other.digest != record.digest
    ]
    with writing(installation.stores.control) as connection:
        for other in replaced:
            store.change(
                connection, other.release, other.month, other.digest, status=Status.withdrawn
            )
        store.change(
            connection, record.release, record.month, record.digest,
            status=Status.published, published_at=now,
        )  # fmt: skip
        ledger.append(
            connection,
            run_id=run_id,
            table_name=ledger_name(record.release),
            transition=PUBLISH,
            as_of=record.as_of,
            counts={"revision": record.revision or 0, "replaced": len(replaced)},
            merkle_root=record.digest,
            now=now,
        )
    head = installation.settings.ledger_head
    if head is not None:
        ledger.export_head(installation.stores.control, installation.settings.path(head))


def ledger_name(release: str) -> str:
    """What stands for a table in the ledger entry of a release."""
    return f"statistics.{release}"
