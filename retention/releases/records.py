"""What the control store knows of releases; what a release did not show of itself is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.encoding import decode, encode
from retention.installation import Installation
from retention.releases.built import Figure, Record, Status
from retention.stores import control
from retention.stores.open import reading, writing
from retention.stores.sql import insert_if_absent


@dataclass(frozen=True)
class Kept:
    """One file of a release as later releases need it."""

    meaning: str
    """A digest of what its columns mean: only alike ones can be compared."""
    state: bytes
    """RESTRICTED: a thresholded cube with every number, as Parquet; else empty."""
    shown: bytes
    """The file itself."""


def insert(
    installation: Installation,
    record: Record,
    manifest: str,
    kept: Mapping[str, Kept],
) -> None:
    """Record a build.

    Of one of the same bytes that is on record only the manifest in quarantine is new.
    """
    plain = {name: [item.meaning, item.state, item.shown] for name, item in kept.items()}
    row = {
        "release": record.release,
        "month": record.month,
        "digest": record.digest,
        "manifest": manifest,
        "status": Status.quarantined,
        "as_of": record.as_of,
        "built_at": record.built_at,
        "figures": dict(record.figures),
        "state": installation.keyring.seal(_context(record.digest), encode(plain)),
    }
    with writing(installation.stores.control) as connection:
        if not insert_if_absent(connection, control.releases, row, ["release", "month", "digest"]):
            connection.execute(
                control.releases.update()
                .where(*_is(record.release, record.month, record.digest))
                .values(manifest=manifest)
            )


def _context(digest: str) -> str:
    return f"release:{digest}"


def records(installation: Installation, name: str | None = None) -> list[Record]:
    """Every build on record, of one release or of all; newest last."""
    at = control.releases.c
    statement = sa.select(control.releases).order_by(at.month, at.built_at, at.digest)
    if name is not None:
        statement = statement.where(at.release == name)
    with reading(installation.stores.control) as connection:
        return [_record(row) for row in connection.execute(statement)]


def find(installation: Installation, release: str, month: str, digest: str) -> Record | None:
    """The record of exactly these bytes."""
    statement = sa.select(control.releases).where(*_is(release, month, digest))
    with reading(installation.stores.control) as connection:
        row = connection.execute(statement).first()
    return _record(row) if row else None


def manifest_digests(installation: Installation, record: Record) -> tuple[str, str | None]:
    """The SHA-256 that a release's manifest must have: in quarantine, and as published."""
    at = control.releases.c
    statement = sa.select(at.manifest, at.published_manifest).where(
        *_is(record.release, record.month, record.digest)
    )
    with reading(installation.stores.control) as connection:
        row = connection.execute(statement).one()
    return row.manifest, row.published_manifest


def kept(installation: Installation, record: Record) -> dict[str, Kept]:
    """What ``insert`` kept of a release, by file.

    Raises:
        StoreError: it cannot be unsealed.
    """
    statement = sa.select(control.releases.c.state).where(
        *_is(record.release, record.month, record.digest)
    )
    with reading(installation.stores.control) as connection:
        sealed = connection.execute(statement).scalar_one()
    plain = decode(installation.keyring.unseal(_context(record.digest), sealed))
    return {name: Kept(*item) for name, item in plain.items()}


def once_public(installation: Installation, name: str) -> list[Record]:
    """Every revision of a release that was ever published, in the order of publication."""
    found = [record for record in records(installation, name) if record.published_at is not None]
    return sorted(found, key=lambda record: (record.published_at, record.revision or 0))


def change(connection: Connection, release: str, month: str, digest: str, **values: Any) -> None:
    """Change the record of exactly these bytes, within the caller's transaction."""
    connection.execute(
        control.releases.update().where(*_is(release, month, digest)).values(**values)
    )


def forget(installation: Installation, gone: Sequence[Record]) -> None:
    """Drop builds that were never published."""
    with writing(installation.stores.control) as connection:
        for record in gone:
            connection.execute(
                control.releases.delete().where(
                    *_is(record.release, record.month, record.digest),
                    control.releases.c.published_at.is_(None),
                )
            )


def last_run_day(installation: Installation) -> date | None:
    """The latest day any run has moved rows for."""
    at = control.runs.c
    statement = sa.select(sa.func.max(at.as_of)).where(at.mode == "execute")
    with reading(installation.stores.control) as connection:
        return connection.execute(statement).scalar()


def unfinished_chunks(installation: Installation) -> int:
    """Chunks of runs that broke off: their rows may have left, and not be counted yet.

    Rows that were to be put back are none of them: they were not counted when they left.
    """
    at = control.chunks.c
    statement = sa.select(sa.func.count()).where(at.state == "intended", at.stage != "restore")
    with reading(installation.stores.control) as connection:
        return int(connection.execute(statement).scalar_one())


def _is(release: str, month: str, digest: str) -> tuple[sa.ColumnElement[bool], ...]:
    at = control.releases.c
    return at.release == release, at.month == month, at.digest == digest


def _record(row: Any) -> Record:
    figures: dict[str, Figure] = dict(row.figures)
    return Record(
        release=row.release,
        month=row.month,
        digest=row.digest,
        revision=row.revision,
        status=Status(row.status),
        as_of=row.as_of,
        built_at=row.built_at,
        audited_at=row.audited_at,
        passed=row.passed,
        figures=figures,
        published_at=row.published_at,
    )
