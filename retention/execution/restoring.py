"""Putting restricted rows back exactly as they were: the archive stage, backwards.

The rows of one system go back in one transaction, owners before owned, and are read back and
compared before it commits. Only then do their copies go, keys first. A crash at any statement
leaves either the copies or the rows, never neither: running again goes on.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from retention.errors import SourceError
from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.putting_back import RestrictedRow, insertion_order, put_back
from retention.execution.restricted import restricted_rows
from retention.execution.sealing import RESTRICTED
from retention.execution.undecided import undecided_chunks, what_to_do
from retention.execution.work import Work
from retention.planning.plan import Transition
from retention.stores import archive, vault
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches


def restore(work: Work, tokens: Sequence[str], *, keep_rows: bool = False) -> Counter[str]:
    """Put every restricted row of the subjects back, system by system. Returns rows by table.

    ``keep_rows`` is the word of a person who has looked at what an attempt that broke off left
    undecided: the rows that are there are the restricted ones, changed since.

    Raises:
        SourceError: a system is out of reach, a key is taken by another row meanwhile, or a
            person has to decide, or nothing is undecided that ``keep_rows`` could be about.
    """
    by_system: dict[str, list[RestrictedRow]] = defaultdict(list)
    for row in restricted_rows(work.installation, tokens):
        by_system[row.table.partition(".")[0]].append(row)
    unsure = {system: _unsure(work, rows) for system, rows in by_system.items()}
    if keep_rows and not any(unsure.values()):
        raise SourceError(
            "there are no rows to keep: no attempt to put these rows back is undecided; lift "
            "without '--keep-rows'"
        )
    total: Counter[str] = Counter()
    for system, rows in sorted(by_system.items()):
        work.between_chunks()
        left = _kept(work, rows, unsure[system], keep_rows=keep_rows) if unsure[system] else rows
        if left:
            _restore_system(work, system, left)
        total.update(Counter(str(row.table) for row in rows))
    return total


Unsure = Sequence[tuple[Chunk, Sequence[IntendedRow]]]


def _unsure(work: Work, rows: Sequence[RestrictedRow]) -> Unsure:
    """What earlier attempts left undecided of ``rows``."""
    mine = {row.record_token for row in rows}
    return [(chunk, done) for chunk, done in undecided_chunks(work) if mine & _tokens(done)]


def _tokens(rows: Sequence[IntendedRow]) -> set[str]:
    return {token for row in rows for token in row.tokens}


def _kept(
    work: Work, rows: Sequence[RestrictedRow], unsure: Unsure, *, keep_rows: bool
) -> list[RestrictedRow]:
    """Take what is in the source for the restricted rows, as a person says; the rows left over.

    Raises:
        SourceError: no person says so, or copies would go of which nothing was said.
    """
    if not keep_rows:
        raise SourceError(what_to_do(work, [row for _, done in unsure for row in done]))
    said = {token for _, done in unsure for token in _tokens(done)}
    left = [row for row in rows if row.record_token not in said]
    units = {row.unit_id for row in rows if row.record_token in said}
    if any(row.unit_id in units for row in left):
        raise SourceError(
            "more rows of the same person were sealed since an attempt to put them back broke "
            "off: remove what is under the keys of that attempt, then lift again"
        )
    for chunk, done in unsure:
        finish(work, chunk, done, 0.0)
    runs = {chunk.run_id for chunk, _ in unsure}
    for run_id, as_of in work.journal.open_ledgers():
        if run_id in runs:
            work.journal.close_transitions(run_id, as_of, work.clock())
    return left


def _restore_system(work: Work, system: str, rows: Sequence[RestrictedRow]) -> None:
    begun = time.monotonic()
    catalogue = work.installation.catalogue
    name = catalogue.clock_of(insertion_order(catalogue, {row.table for row in rows})[0])
    bounds = ((rows[0].record_token,), (rows[-1].record_token,))
    sequence = work.journal.next_sequence(name, "restore")
    chunk = work.journal.open_chunk(name, "restore", sequence, bounds, work.clock())
    done = [
        IntendedRow(
            (str(row.table), *row.key),
            Transition.restore,
            work.leaf(row.table, Transition.restore, row.key),
            tokens=(row.record_token,),
        )
        for row in rows
    ]
    with work.installation.sources.begin(system, write=True) as connection:
        put_back(work, connection, rows)
        work.journal.intend(chunk, done, work.clock())
        work.lease.confirm()
    finish(work, chunk, done, time.monotonic() - begun)


def finish(work: Work, chunk: Chunk, done: Sequence[IntendedRow], seconds: float) -> None:
    """After the source has committed: the copies and their keys go. Repeatable."""
    stores = work.installation.stores
    tokens = sorted({token for row in done for token in row.tokens})
    at = archive.records.c
    units: set[str] = set()
    with reading(stores.archive) as connection:
        for batch in batches(tokens, BATCH):
            statement = sa.select(at.unit_id, at.facts).where(at.record_token.in_(batch))
            rows = connection.execute(statement).all()
            units |= {row.unit_id for row in rows if RESTRICTED in row.facts}
    if units:
        work.installation.keyring.destroy_units(sorted(units), work.clock())
    for batch in batches(sorted(units), BATCH):
        with writing(stores.vault) as connection:
            connection.execute(vault.records.delete().where(vault.records.c.unit_id.in_(batch)))
        with writing(stores.archive) as connection:
            for table in (archive.fingerprints, archive.records, archive.units):
                connection.execute(table.delete().where(table.c.unit_id.in_(batch)))
    counts = Counter(selected=len(done), restored=len(done))
    work.journal.complete(chunk, done, counts, seconds, work.clock())
