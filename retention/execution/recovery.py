"""Repairing what a crash left: every unfinished chunk of earlier runs, before anything new.

An intended chunk is asked at the source. A row that is gone has been moved, and its copy is
final; a row that is still there has not. Every other chunk has touched nothing that counts:
its copies are discarded, and the plan finds its rows again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.execution import correcting, restoring
from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.copies import discard_unsettled
from retention.execution.delete_stage import COUNTED as LEFT
from retention.execution.delete_stage import Outcome, copies_of, finish, still_there
from retention.execution.expiry_stage import ARCHIVE, expire_chunk
from retention.execution.in_place_stage import COUNTED, keep
from retention.execution.undecided import committed
from retention.execution.work import Work
from retention.planning.facts import Key, key_in
from retention.planning.memory import keep_only, record_token
from retention.planning.pages import read_rows
from retention.planning.plan import Transition
from retention.stores.sql import BATCH, batches

UNDECIDED = "undecided"
"""What no repair can tell: it waits for a person, and nothing else waits for it."""

_TO_DECIDE = "broke off; 'retention request lift' says what a person has to decide"


def recover(work: Work) -> tuple[Counter[str], dict[TableName, str]]:
    """Repair, then close the ledger of the runs that broke off. Repeatable.

    Returns counts, and the tables whose repair has to wait since their system cannot be
    reached, with the reason: nothing of their owner tree may move before that.
    """
    counts: Counter[str] = Counter()
    waiting: dict[TableName, str] = {}
    undecided: set[str] = set()
    for chunk in work.journal.chunks("intended", "open", "archived", any_run=True):
        if chunk.run_id == work.journal.run_id:
            continue
        try:
            done = _repair(work, chunk)
            counts[done] += 1
            if done == UNDECIDED:
                undecided.add(chunk.run_id)
        except SourceError as error:
            waiting[TableName(chunk.table)] = f"unfinished work of an earlier run: {error}"
    if not waiting:
        for run_id, as_of in work.journal.open_ledgers():
            work.journal.close_transitions(run_id, as_of, work.clock())
        for run_id, _ in work.journal.unfinished_runs():
            counts["runs"] += 1
            note = _TO_DECIDE if run_id in undecided else "broke off; repaired by a later run"
            work.journal.close_run(run_id, "failed", note, work.clock())
    return counts, waiting


def _repair(work: Work, chunk: Chunk) -> str:
    if chunk.state != "intended":
        if chunk.stage == "move":
            discard_unsettled(work.installation, chunk.chunk_id, work.clock())
        keep_only(work.installation.stores, chunk.chunk_id, ())
        work.journal.mark(chunk, "abandoned", work.clock())
        return "abandoned"
    rows = work.journal.intent(chunk)
    if chunk.stage == "expire":
        # A unit whose key is still there is decided on anew: a hold may have come since.
        destroyed = work.installation.keyring.destroyed(str(row.key[0]) for row in rows)
        expire_chunk(work, chunk, [row for row in rows if row.key[0] in destroyed])
    elif chunk.stage == "restore":
        done = committed(work, rows)
        if done is None:
            return UNDECIDED
        if not done:
            work.journal.mark(chunk, "abandoned", work.clock())
            return "abandoned"
        restoring.finish(work, chunk, rows, 0.0)
    elif chunk.table == ARCHIVE:
        correcting.repair(work, chunk, rows)
    elif chunk.stage == "move":
        gone = _gone(work, chunk, rows)
        counts: Counter[str] = Counter(selected=len(gone))
        for row in gone:
            counts[LEFT[row.transition]] += 1
        finish(work, chunk, Outcome(gone, counts), 0.0)
    else:
        changed = _changed(work, chunk, rows)
        # One transaction: where one row has been changed, all have, whatever befell them since.
        keep(work, chunk, rows if changed else ())
        counts = Counter(selected=len(changed))
        counts.update(COUNTED[row.transition] for row in changed)
        work.journal.complete(chunk, changed, counts, 0.0, work.clock())
    return "repaired"


def _gone(work: Work, chunk: Chunk, rows: list[IntendedRow]) -> list[IntendedRow]:
    """The rows that the source had committed to lose.

    The transaction was one: where a row is still there as it was copied, nothing was committed,
    and one that differs was changed since. Where none is, a row that differs from its copy is
    another one under the same key, and the copy is all there is of the first.
    """
    bound = work.candidates(TableName(chunk.table)).bound
    keyring = work.installation.keyring
    with work.installation.sources.begin(bound.system) as connection:
        there = still_there(connection, bound, [row.key for row in rows])
        digests = {
            tuple(row[name] for name in bound.table.key): keyring.row_digest(row)
            for batch in batches(sorted(there, key=repr), BATCH)
            for row in read_rows(connection, bound, key_in(bound.key, batch))
        }
    copied = copies_of(work, chunk)
    gone = [row for row in rows if row.key not in there]
    left = [row for row in rows if row.key in there]
    as_copied = {
        row.key: copied.get(record_token(keyring, bound.name, row.key)) == {digests.get(row.key)}
        for row in left
    }
    disposed = any(row.transition is Transition.dispose for row in left)
    if disposed or any(as_copied.values()):
        return gone
    return [*gone, *left]


def _changed(work: Work, chunk: Chunk, rows: list[IntendedRow]) -> list[IntendedRow]:
    """The rows whose change in place was committed.

    They hold what they were to hold, and so do the dependants that were to change with them. A
    row of which neither was written down (by an earlier version) is not said to have changed.
    """
    bound = work.candidates(TableName(chunk.table)).bound
    tables = {bound.name: (bound.sql, bound.key)}
    tables |= {follower.name: (follower.sql, follower.key) for follower in bound.followers}
    wanted: dict[TableName, dict[Key, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        wanted[bound.name][row.key] = row.becomes
        for other in row.beside:
            wanted[TableName(other.table)][other.key] = other.becomes
    held: set[tuple[str, Key]] = set()
    with work.installation.sources.begin(bound.system, write=True) as connection:
        for name, places in wanted.items():
            if name in tables:  # the catalogue may have changed since
                held |= {(name, key) for key in _holding(connection, *tables[name], places)}
    return [
        row
        for row in rows
        if (row.becomes or row.beside)
        and (bound.name, row.key) in held
        and all((other.table, other.key) in held for other in row.beside)
    ]


def _holding(
    connection: Connection,
    table: sa.Table,
    columns: Sequence[sa.Column[Any]],
    wanted: Mapping[Key, Mapping[str, Any]],
) -> Iterator[Key]:
    """The keys of ``wanted`` whose row is there and holds what it says.

    Waits for whoever is changing them.
    """
    for batch in batches(wanted, BATCH):
        statement = sa.select(*table.columns).where(key_in(columns, batch))
        if connection.dialect.name != "sqlite":
            statement = statement.with_for_update(of=table)
        for row in connection.execute(statement).mappings():
            key = tuple(row[column.name] for column in columns)
            if key in wanted and all(row[name] == v for name, v in wanted[key].items()):
                yield key
