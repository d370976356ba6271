"""Rectification in the archive: wrong values of archived records are replaced where they lie.

A record stays what it was in all but its values: its unit, incarnation, facts and day of expiry
are as they were, and so is the digest of the row that once left its source. Pseudonyms and
fingerprints follow the values they are of. The vault is written first, then the archive in one
transaction; between the two the journal knows what was meant, and the next run finishes it.

Until a unit expires, backups of vault and archive hold the earlier values under its key.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.encoding import encode
from retention.errors import StoreError
from retention.execution import fingerprinting, vaulted
from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.expiry_stage import ARCHIVE
from retention.execution.sealing import (
    PSEUDONYMS,
    SealedSegment,
    Segment,
    pseudonyms,
    seal,
    unseal_identity,
    unseal_payload,
)
from retention.execution.work import Work
from retention.planning.plan import Transition
from retention.stores import archive, vault
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches

Place = tuple[str, int]
"""A record's token and its incarnation."""


@dataclass(frozen=True)
class Correction:
    """What values of one archived record become; an owner's are called ``owner.NAME``."""

    table: TableName
    """Whose columns they are: the owner's table, where the record only carries them along."""
    record_token: str
    incarnation: int
    subject_token: str
    becomes: Mapping[str, Any]


@dataclass(frozen=True)
class _Part:
    """A record's part in one unit, unsealed."""

    segment: Segment
    unit_id: str
    key: bytes
    incarnation: int
    chunk_id: str

    @property
    def place(self) -> Place:
        return self.segment.record_token, self.incarnation

    @property
    def values(self) -> Mapping[str, Any]:
        return {**self.segment.payload, **self.segment.identity}


def correct_archived(work: Work, corrections: Sequence[Correction]) -> int:
    """Correct records of the archive; those of a person under a hold stay as they are.

    Returns how many were corrected. Raises StoreError: one cannot be unsealed, or read back.
    """
    held = work.held().tokens
    due = [item for item in corrections if item.becomes and item.subject_token not in held]
    for part in batches(due, work.chunk_rows):
        work.between_chunks()
        places = sorted((item.record_token, item.incarnation) for item in part)
        sequence = work.journal.next_sequence(ARCHIVE, "pseudonymise")
        chunk = work.journal.open_chunk(
            ARCHIVE, "pseudonymise", sequence, (places[0], places[-1]), work.clock()
        )
        rows = _intended(work, part)
        work.journal.intend(chunk, rows, work.clock())
        _correct(work, chunk, rows)
        work.progress("rectify", ARCHIVE, len(rows))
    return len(due)


def _intended(work: Work, part: Sequence[Correction]) -> list[IntendedRow]:
    rows = [
        IntendedRow(
            (item.record_token, item.incarnation), Transition.rectify, b"", becomes=item.becomes
        )
        for item in part
    ]
    held: dict[Place, dict[str, Any]] = defaultdict(dict)
    for there in _parts(work, rows):
        held[there.place] |= there.values
    return [replace(row, leaf=_leaf(work, row, held[row.key[0], row.key[1]])) for row in rows]


def _leaf(work: Work, row: IntendedRow, held: Mapping[str, Any]) -> bytes:
    before = {name: held.get(name) for name in row.becomes}
    return work.leaf(ARCHIVE, Transition.rectify, row.key, values=(before, row.becomes))


def repair(work: Work, chunk: Chunk, rows: Sequence[IntendedRow]) -> None:
    """Finish what a run that broke off had begun: what the vault has, the archive must have too.

    A record of which nothing was written yet is decided on anew: a hold may have come since.
    """
    begun = {part.place for part in _parts(work, rows) if _is_begun(part, _wanted(part, rows))}
    _correct(work, chunk, [row for row in rows if (row.key[0], row.key[1]) in begun])


def _is_begun(part: _Part, wanted: Mapping[str, Any]) -> bool:
    """Whether the part was written: the vault's half of it, where it has one."""
    sealed = {name for name in wanted if name in part.segment.identity}
    looked_at = sealed or {name for name in wanted if name in part.values}
    return bool(looked_at) and all(part.values[name] == wanted[name] for name in looked_at)


def _wanted(part: _Part, rows: Iterable[IntendedRow]) -> Mapping[str, Any]:
    return next((row.becomes for row in rows if tuple(row.key) == part.place), {})


def _correct(work: Work, chunk: Chunk, rows: Sequence[IntendedRow]) -> None:
    """Write what ``rows`` are to hold, read it back, and enter it. Repeatable."""
    begun = time.monotonic()
    stores = work.installation.stores
    parts = _parts(work, rows)
    becomes = {(row.key[0], row.key[1]): row.becomes for row in rows}
    corrected = [_corrected(work, part, becomes.get(part.place, {})) for part in parts]
    written = [
        (seal(new.segment, new.unit_id, new.key, new.incarnation), new)
        for old, new in zip(parts, corrected, strict=True)
        if new.place in becomes and set(becomes[new.place]) & set(old.values)
    ]
    work.lease.confirm()
    with writing(stores.vault) as connection:
        for sealed, part in written:
            if part.segment.identity:
                _update(connection, vault.records, sealed, sealed=sealed.identity)
    with writing(stores.archive) as connection:
        for sealed, _ in written:
            _update(connection, archive.records, sealed, payload=sealed.payload)
        touched = {(part.unit_id, part.segment.record_token) for _, part in written}
        _replace_fingerprints(work, connection, touched, corrected)
    _read_back(work, [part for _, part in written])
    counts = Counter(selected=len(rows), rectified=len(rows))
    work.journal.complete(chunk, rows, counts, time.monotonic() - begun, work.clock())


def _corrected(work: Work, part: _Part, becomes: Mapping[str, Any]) -> _Part:
    segment = part.segment
    identity = {name: becomes.get(name, value) for name, value in segment.identity.items()}
    payload = {name: becomes.get(name, value) for name, value in segment.payload.items()}
    columns = work.installation.catalogue.table(segment.table).columns
    if tokens := pseudonyms(work.installation.keyring, columns, identity):
        payload[PSEUDONYMS] = tokens
    return replace(part, segment=replace(segment, identity=identity, payload=payload))


def _parts(work: Work, rows: Sequence[IntendedRow]) -> list[_Part]:
    """Every settled part of the records of ``rows``, in whatever incarnation.

    Incarnations of a record that expire together share their fingerprints. What the catalogue
    no longer knows is left out.
    """
    tokens = sorted({str(row.key[0]) for row in rows})
    at, unit = archive.records.c, archive.units.c
    statement = (
        sa.select(archive.records, unit.expires_on)
        .join(archive.units, unit.unit_id == at.unit_id)
        .where(at.settled.is_(True), unit.destroyed_on.is_(None))
        .order_by(at.record_token, at.incarnation, at.unit_id)
    )
    stored: list[Any] = []
    with reading(work.installation.stores.archive) as connection:
        for batch in batches(tokens, BATCH):
            stored += connection.execute(statement.where(at.record_token.in_(batch))).all()
    known = {str(name) for name, _ in work.installation.catalogue.tables()}
    stored = [row for row in stored if row.table_name in known]
    keys = work.installation.keyring.open_units({row.unit_id for row in stored})
    identities = vaulted.of_records(work.installation.stores, tokens)
    found = []
    for row in stored:
        place = (row.record_token, row.incarnation, row.unit_id)
        if row.unit_id not in keys:
            continue  # its expiry has begun: what is left of it goes
        key, sealed = keys[row.unit_id], identities.get(place)
        payload = unseal_payload(*place, key, row.payload)
        payload.pop(PSEUDONYMS, None)
        segment = Segment(
            row.record_token, row.table_name, row.subject_token, row.expires_on, payload,
            unseal_identity(*place, key, sealed) if sealed else {}, row.facts, row.row_digest,
        )  # fmt: skip
        found.append(_Part(segment, row.unit_id, key, row.incarnation, row.chunk_id))
    return found


def _update(
    connection: sa.Connection, table: sa.Table, item: SealedSegment, **values: bytes
) -> None:
    statement = table.update().where(
        table.c.record_token == item.segment.record_token,
        table.c.incarnation == item.incarnation,
        table.c.unit_id == item.unit_id,
    )
    if connection.execute(statement.values(**values)).rowcount != 1:
        raise StoreError(f"archive: a {item.segment.table} record that was read is not there")


def _replace_fingerprints(
    work: Work,
    connection: sa.Connection,
    places: Collection[tuple[str, str]],
    parts: Sequence[_Part],
) -> None:
    """What the records of ``places`` (unit and token) are found by: what they now hold."""
    of = archive.fingerprints.c
    by_chunk: dict[str, list[tuple[Segment, str]]] = defaultdict(list)
    for part in parts:
        if (part.unit_id, part.segment.record_token) in places:
            by_chunk[part.chunk_id].append((part.segment, part.unit_id))
    for batch in batches(sorted(places), BATCH):
        place = sa.tuple_(of.unit_id, of.record_token)
        connection.execute(archive.fingerprints.delete().where(place.in_(batch)))
    for chunk_id, made in sorted(by_chunk.items()):
        fingerprinting.write(work.installation, connection, made, chunk_id)


def _read_back(work: Work, written: Sequence[_Part]) -> None:
    """A record that does not hold what was written into it is not corrected.

    Raises:
        StoreError: one does not.
    """
    rows = [IntendedRow(part.place, Transition.rectify, b"") for part in written]
    there = {(*part.place, part.unit_id): part for part in _parts(work, rows)}
    for part in written:
        found = there.get((*part.place, part.unit_id))
        if found is None or encode(dict(found.values)) != encode(_plain(part.values)):
            raise StoreError(
                f"archive: a corrected {part.segment.table} record cannot be read back"
            )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != PSEUDONYMS}
