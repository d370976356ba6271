"""The delete stage: rows leave the source, after everything has been asked again.

In one source transaction a chunk's rows are locked, decided on anew (remote evidence
included), compared with their archived copies, checked for rows that still refer to them,
and deleted. What is about to go is written to the journal before the source commits.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.execution.accumulating import Increment
from retention.execution.archive_stage import COPIED
from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.copies import discard_unsettled, settle
from retention.execution.trees import Tree, blocked, delete_trees, read_trees
from retention.execution.work import Work
from retention.planning.facts import Key, key_in
from retention.planning.judge import Judged
from retention.planning.memory import forget, keep_only, record_token, remember
from retention.planning.pages import read_page
from retention.planning.plan import Transition
from retention.policy.decide import Action
from retention.review import forget_cases, record_cases, record_orphans
from retention.stores import archive
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches

_LEAVES = {
    Action.archive: Transition.archive,
    Action.dispose: Transition.dispose,
    Action.restrict: Transition.restrict,
}
COUNTED = {
    Transition.archive: "archived",
    Transition.dispose: "disposed",
    Transition.restrict: "restricted",
}
"""The name of the count of each transition out of a table."""


class Outcome(NamedTuple):
    """What became of a chunk: ``selected`` = archived + disposed + skipped, by reason."""

    done: Sequence[IntendedRow]
    counts: Mapping[str, int]


def delete_table(work: Work, name: TableName) -> Counter[str]:
    """Delete what this run's chunks of ``name`` have archived or found expired."""
    total: Counter[str] = Counter()
    for chunk in work.journal.chunks("archived", table=name, stage="move"):
        work.between_chunks()
        if not work.window_open(name):
            break
        begun = time.monotonic()
        outcome = delete_chunk(work, chunk)
        work.pace(name, outcome.counts["selected"], time.monotonic() - begun)
        total.update(outcome.counts)
        work.progress("delete", name, outcome.counts["selected"])
    if work.aim.daily:
        record_orphans(work.installation, work.candidates(name).bound, work.as_of)
    return total


def delete_chunk(work: Work, chunk: Chunk) -> Outcome:
    """Take a chunk through its source transaction and out of the journal."""
    begun = time.monotonic()
    bound = work.candidates(TableName(chunk.table)).bound
    with work.installation.sources.begin(bound.system, write=True) as connection:
        outcome, judged = _prepare(work, chunk, connection)
        work.journal.intend(chunk, outcome.done, work.clock())
        work.lease.confirm()
    record_cases(work.installation, bound, judged, work.as_of)
    finish(work, chunk, outcome, time.monotonic() - begun)
    return outcome


def finish(work: Work, chunk: Chunk, outcome: Outcome, seconds: float) -> None:
    """After the source has committed: copies become final, leftovers go, counts are kept."""
    stores, keyring = work.installation.stores, work.installation.keyring
    table, keys = TableName(chunk.table), [row.key for row in outcome.done]
    settle(stores, [token for row in outcome.done for token in row.tokens])
    keep_only(stores, chunk.chunk_id, [record_token(keyring, table, key) for key in keys])
    # Who is restricted comes back, and what was remembered of them with them.
    gone = [row.key for row in outcome.done if row.transition is not Transition.restrict]
    forget(stores, keyring, table, gone)
    forget_cases(work.installation, table, gone)
    discard_unsettled(work.installation, chunk.chunk_id, work.clock())
    work.journal.complete(chunk, outcome.done, outcome.counts, seconds, work.clock())


def _prepare(work: Work, chunk: Chunk, connection: Connection) -> tuple[Outcome, list[Judged]]:
    """Lock, decide again, compare, delete. Nothing is committed here."""
    bound = work.candidates(TableName(chunk.table)).bound
    rows = read_page(connection, bound, work.moving(bound.name), chunk.bounds, lock=True)
    # The whole trees are locked before the decision, since dependants' dates are part of it.
    keys = [tuple(row[name] for name in bound.table.key) for row in rows]
    every = read_trees(connection, bound, zip(keys, rows, strict=True), lock=True)
    judged = work.judge(connection, bound, rows)
    leaving = {item.key: item for item in judged if item.decision.action in _LEAVES}
    counts: Counter[str] = Counter(selected=len(judged))
    for item in judged:
        if item.decision.action not in _LEAVES:
            counts[f"skipped_{_REASON[item.decision.action]}"] += 1
    trees = {key: tree for key, tree in every.items() if key in leaving}
    changed = _changed(work, chunk, trees, leaving)
    referred = blocked(connection, bound, trees.values())
    going: list[tuple[Transition, Tree]] = []
    for key, tree in trees.items():
        if key in changed:
            counts["skipped_changed"] += 1
        elif key in referred:
            counts["skipped_referred_to"] += 1
        else:
            transition = _LEAVES[leaving[key].decision.action]
            counts[COUNTED[transition]] += 1
            going.append((transition, tree))
    # A restricted row comes back: it is not history, and nobody's clock may miss it for good.
    for_good = [tree for transition, tree in going if transition is not Transition.restrict]
    added = work.counting.of_trees(connection, bound, for_good)
    with_root: dict[TableName, dict[Key, Key]] = defaultdict(dict)
    for tree in for_good:
        for row in tree.rows:
            with_root[row.name][row.key] = tree.root.key
    remember(
        connection,
        work.installation,
        bound,
        [tree.root.row for tree in for_good],
        chunk.chunk_id,
        afar=work.lent_afar(bound.name),
        keys=with_root,
    )
    delete_trees(connection, bound, [tree for _, tree in going])
    done = [
        _intended(work, bound, transition, tree, added.get(tree.root.key, ()))
        for transition, tree in going
    ]
    return Outcome(done, counts), judged


_REASON = {
    Action.keep: "prolonged_elsewhere",
    Action.review: "review",
    Action.hold: "held",
    Action.pseudonymise: "pseudonymised_in_place",
}


def _changed(
    work: Work, chunk: Chunk, trees: Mapping[Key, Tree], leaving: Mapping[Key, Judged]
) -> set[Key]:
    """The rows to be archived whose tree is not, row for row, what was copied."""
    wanted = {key: tree for key, tree in trees.items()
              if leaving[key].decision.action in COPIED}  # fmt: skip
    if not wanted:
        return set()
    keyring = work.installation.keyring
    copied = copies_of(work, chunk)
    changed = set()
    for key, tree in wanted.items():
        now = {
            record_token(keyring, row.name, row.key): keyring.row_digest(row.row)
            for row in tree.rows
        }
        if any(copied.get(token) != {digest} for token, digest in now.items()):
            changed.add(key)
    return changed


def copies_of(work: Work, chunk: Chunk) -> dict[str, set[bytes]]:
    """The digests of a chunk's copies that are not final yet, by record token."""
    at = archive.records.c
    statement = sa.select(at.record_token, at.row_digest).where(
        at.chunk_id == chunk.chunk_id, at.settled.is_(False)
    )
    found: dict[str, set[bytes]] = defaultdict(set)
    with reading(work.installation.stores.archive) as connection:
        for token, digest in connection.execute(statement):
            found[token].add(bytes(digest))
    return found


def _intended(
    work: Work, bound: BoundTable, transition: Transition, tree: Tree, added: tuple[Increment, ...]
) -> IntendedRow:
    keyring = work.installation.keyring
    tokens = tuple(record_token(keyring, row.name, row.key) for row in tree.rows)
    return IntendedRow(
        key=tree.root.key,
        transition=transition,
        leaf=work.leaf(bound.name, transition, tree.root.key),
        tokens=() if transition is Transition.dispose else tokens,
        rows=len(tree.rows),
        increments=added,
    )


def still_there(connection: Connection, bound: BoundTable, keys: Iterable[Key]) -> set[Key]:
    """Which of ``keys`` the source still has; waits for whoever is deleting them."""
    found: set[Key] = set()
    for batch in batches(keys, BATCH):
        statement = sa.select(*bound.key).where(key_in(bound.key, batch))
        if bound.dialect != "sqlite":
            statement = statement.with_for_update(of=bound.sql)
        found.update(tuple(row) for row in connection.execute(statement))
    return found
