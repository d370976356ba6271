"""The archive stage: copy what is due for the archive, sealed, and read it back.

Nothing leaves the source here. A copy is not final (``settled``) before the source has
deleted the row; until then it can be written again or discarded.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.encoding import encode
from retention.errors import StoreError
from retention.execution import fingerprinting
from retention.execution.chunks import Chunk
from retention.execution.sealing import (
    SealedSegment,
    Segment,
    seal,
    segments,
    unseal_identity,
    unseal_payload,
    whole,
)
from retention.execution.trees import read_trees
from retention.execution.undecided import refuse_to_seal_again
from retention.execution.work import Work
from retention.holds import subject_token, subjects
from retention.planning.facts import Key, key_in
from retention.planning.judge import Judged
from retention.planning.pages import next_page, read_page
from retention.policy.decide import Action
from retention.stores import archive, vault
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches, upsert

COPIED = frozenset({Action.archive, Action.restrict})
"""What sends a row to the archive."""


def archive_table(work: Work, name: TableName) -> Counter[str]:
    """Open this run's chunks of ``name`` and copy what each has to archive.

    Chunks hold the rows to be disposed of and reviewed as well: the delete stage takes them
    up. Returns counts: chunks, rows to be looked at, copies written.
    """
    found = work.candidates(name)
    bound = found.bound
    sequence = work.journal.next_sequence(name, "move")
    allowance = work.allowance(name)
    counts: Counter[str] = Counter(chunks=0, candidates=0, copies=0)
    # Under a quota a run goes on where the last one stopped, and round: rows that cannot leave
    # yet would otherwise use up every day's quota.
    start = work.journal.last_key(name) if allowance is not None else None
    after, through = start, None
    while (allowance is None or allowance > 0) and work.window_open(name):
        work.between_chunks()
        size = work.chunk_rows if allowance is None else min(work.chunk_rows, allowance)
        with work.installation.sources.begin(bound.system) as connection:
            bounds = next_page(connection, bound, work.moving(name), size, after, through)
        if bounds is None:
            if start is None or through is not None:
                break
            after, through = None, start
            continue
        begun = time.monotonic()
        chunk = work.journal.open_chunk(name, "move", sequence, bounds, work.clock())
        looked_at, copies, leaving = copy_chunk(work, chunk)
        work.journal.mark(chunk, "archived", work.clock())
        work.progress("archive", name, looked_at)
        counts["chunks"] += 1
        counts["candidates"] += looked_at
        counts["copies"] += copies
        if allowance is not None:
            allowance -= leaving
        after = bounds[1]
        sequence += 1
        work.journal.took(chunk, time.monotonic() - begun)
    return counts


def copy_chunk(work: Work, chunk: Chunk) -> tuple[int, int, int]:
    """Write the copies of a chunk: rows looked at, copies written, rows about to leave."""
    bound = work.candidates(TableName(chunk.table)).bound
    installation = work.installation
    with installation.sources.begin(bound.system) as connection:
        rows = read_page(connection, bound, work.moving(bound.name), chunk.bounds)
        judged = work.judge(connection, bound, rows)
        due = {item.key: item for item in judged if item.decision.action in COPIED}
        leaving = len(due) + sum(item.decision.action is Action.dispose for item in judged)
        if not due:
            return len(judged), 0, leaving
        trees = read_trees(connection, bound, [(key, item.row) for key, item in due.items()])
        persons = subjects(connection, bound, [item.row for item in due.values()])
        carried = _carried(work, connection, bound, due)
    made: list[Segment] = []
    for key, item in due.items():
        token = subject_token(installation.keyring, *persons[key])
        if item.decision.action is Action.restrict:
            made += whole(installation.keyring, trees[key], token)
        else:
            made += segments(installation.keyring, trees[key], item, token, carried.get(key, {}))
    refuse_to_seal_again(work, made)
    _write(work, chunk, made)
    return len(judged), len({segment.record_token for segment in made}), leaving


def _carried(
    work: Work, connection: Connection, bound: BoundTable, due: Mapping[Key, Judged]
) -> dict[Key, dict[str, Any]]:
    """The owner's columns that a row takes along since it may outlive its owner."""
    declared = bound.table.owner
    if declared is None or not declared.carry or bound.owner is None:
        return {}
    owner = work.installation.sources.table(bound.owner).alias()
    owner_key = work.installation.catalogue.table(bound.owner).key
    # joined by the database: it may store the reference otherwise than the key it equals
    pairs = zip(declared.via, owner_key, strict=True)
    on = sa.and_(*(bound.sql.c[name] == owner.c[key] for name, key in pairs))
    columns = [owner.c[name] for name in declared.carry]
    statement = sa.select(*bound.key, *columns).select_from(bound.sql.join(owner, on))
    found: dict[Key, dict[str, Any]] = {}
    for batch in batches(due, BATCH):
        for row in connection.execute(statement.where(key_in(bound.key, batch))):
            values = row[len(bound.key) :]
            key = tuple(row[: len(bound.key)])
            found[key] = dict(zip(declared.carry, values, strict=True))
    return found


def _write(work: Work, chunk: Chunk, made: Sequence[Segment]) -> None:
    """Keys first, then vault, then archive; each commits; then all is read back.

    A copy of an earlier attempt that never became final is replaced.
    """
    stores, tokens = work.installation.stores, sorted({item.record_token for item in made})
    units = _units(work, made)
    keys = work.installation.keyring.ensure_units(sorted(set(units.values())))
    with reading(stores.archive) as connection:
        incarnations = _incarnations(connection, tokens)
    sealed = []
    for item in made:
        unit_id = units[item.subject_token, item.expires_on]
        sealed.append(
            seal(item, unit_id, keys[unit_id], incarnations.get(item.record_token, 0) + 1)
        )
    places = sorted({(item.segment.record_token, item.incarnation) for item in sealed})
    with writing(stores.vault) as connection:
        for batch in batches(places, BATCH):
            connection.execute(vault.records.delete().where(_at(vault.records, batch)))
        rows = [_vault_row(item, chunk) for item in sealed if item.segment.identity]
        for part in batches(rows, BATCH):
            connection.execute(vault.records.insert(), part)
    with writing(stores.archive) as connection:
        for batch in batches(places, BATCH):
            connection.execute(archive.records.delete().where(_at(archive.records, batch)))
        unit_rows = {units[s.subject_token, s.expires_on]: s for s in made}
        new_units = [
            {
                "unit_id": unit_id,
                "subject_token": segment.subject_token,
                "expires_on": segment.expires_on,
                "created_on": work.as_of,
            }
            for unit_id, segment in sorted(unit_rows.items())
        ]
        for part in batches(new_units, BATCH):
            upsert(connection, archive.units, part, ["unit_id"], [])
        pairs = [(item.segment, item.unit_id) for item in sealed]
        fingerprinting.write(work.installation, connection, pairs, chunk.chunk_id)
        for rows_part in batches([_archive_row(item, chunk, work) for item in sealed], BATCH):
            connection.execute(archive.records.insert(), rows_part)
    _read_back(work, sealed, keys)


def _units(work: Work, made: Sequence[Segment]) -> dict[tuple[str, date], str]:
    """The archive unit of each subject and day of expiry.

    One that is destroyed is never used again, nor one that a changed policy has given another
    day since: what is archived now would go with it.
    """
    keyring = work.installation.keyring
    wanted = {(item.subject_token, item.expires_on): 0 for item in made}
    while True:
        ids = {place: keyring.unit_id(*place, generation) for place, generation in wanted.items()}
        gone = keyring.destroyed(sorted(ids.values())) | moved(work, ids)
        if not gone:
            return ids
        wanted = {p: g + (ids[p] in gone) for p, g in wanted.items()}


def moved(work: Work, ids: Mapping[tuple[str, date], str]) -> set[str]:
    """The units among ``ids`` that expire on another day than the one they are wanted for."""
    at = archive.units.c
    wanted = {unit_id: day for (_, day), unit_id in ids.items()}
    found: set[str] = set()
    with reading(work.installation.stores.archive) as connection:
        for batch in batches(sorted(wanted), BATCH):
            statement = sa.select(at.unit_id, at.expires_on).where(at.unit_id.in_(batch))
            found |= {unit for unit, day in connection.execute(statement) if day != wanted[unit]}
    return found


def _incarnations(connection: Connection, tokens: Sequence[str]) -> dict[str, int]:
    """How often each record has become final in the archive before."""
    at = archive.records.c
    found: dict[str, int] = {}
    for batch in batches(tokens, BATCH):
        statement = (
            sa.select(at.record_token, sa.func.max(at.incarnation))
            .where(at.record_token.in_(batch), at.settled.is_(True))
            .group_by(at.record_token)
        )
        found.update((row[0], row[1]) for row in connection.execute(statement))
    return found


def _at(table: sa.Table, places: Sequence[tuple[str, int]]) -> sa.ColumnElement[bool]:
    return sa.tuple_(table.c.record_token, table.c.incarnation).in_(places)


def _vault_row(item: SealedSegment, chunk: Chunk) -> dict[str, Any]:
    return {
        "record_token": item.segment.record_token,
        "incarnation": item.incarnation,
        "unit_id": item.unit_id,
        "sealed": item.identity,
        "chunk_id": chunk.chunk_id,
    }


def _archive_row(item: SealedSegment, chunk: Chunk, work: Work) -> dict[str, Any]:
    return {
        "record_token": item.segment.record_token,
        "incarnation": item.incarnation,
        "unit_id": item.unit_id,
        "table_name": item.segment.table,
        "subject_token": item.segment.subject_token,
        "payload": item.payload,
        "facts": dict(item.segment.facts),
        "policy_digest": work.plan.policy_digest,
        "row_digest": item.segment.row_digest,
        "chunk_id": chunk.chunk_id,
        "settled": False,
        "archived_on": work.as_of,
    }


def _read_back(work: Work, sealed: Sequence[SealedSegment], keys: Mapping[str, bytes]) -> None:
    """Unseal what was written and compare: a copy that cannot be read is no copy.

    Raises:
        StoreError: a copy is missing or differs.
    """
    wanted = {(s.segment.record_token, s.incarnation, s.unit_id): s.segment for s in sealed}
    copies: dict[str, dict[tuple[str, int, str], bytes]] = defaultdict(dict)
    for store, engine, table, column in (
        ("archive", work.installation.stores.archive, archive.records, archive.records.c.payload),
        ("vault", work.installation.stores.vault, vault.records, vault.records.c.sealed),
    ):
        with reading(engine) as connection:
            for batch in batches(sorted({token for token, _, _ in wanted}), BATCH):
                statement = sa.select(
                    table.c.record_token, table.c.incarnation, table.c.unit_id, column
                ).where(table.c.record_token.in_(batch))
                for row in connection.execute(statement):
                    copies[store][row[0], row[1], row[2]] = row[3]
    for place, segment in wanted.items():
        token, incarnation, unit_id = place
        key = keys[unit_id]
        payload = copies["archive"].get(place)
        if payload is None or (
            encode(unseal_payload(token, incarnation, unit_id, key, payload))
            != encode(dict(segment.payload))
        ):
            raise StoreError(f"archive: a copy of a {segment.table} record cannot be read back")
        identity = copies["vault"].get(place)
        if segment.identity and (
            identity is None
            or encode(unseal_identity(token, incarnation, unit_id, key, identity))
            != encode(dict(segment.identity))
        ):
            raise StoreError(f"vault: a copy of a {segment.table} record cannot be read back")
