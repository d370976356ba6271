"""The stage that changes rows where they lie: pseudonymisation, and clearing of columns.

Statements exclude what is done already: a pseudonym is recognisable as one, a cleared column
holds what it is cleared to. Running again changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from anonymizers.pseudonyms import is_pseudonym, pseudonym
from retention.catalogue.bound import BoundTable
from retention.catalogue.declarations import Pseudonymise
from retention.catalogue.model import TableName
from retention.execution.accumulating import Increment
from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.counting import counted_before
from retention.execution.trees import Tree, TreeRow, VanishedRows, read_trees
from retention.execution.work import Work
from retention.planning import clearing
from retention.planning.facts import Key
from retention.planning.judge import Judged
from retention.planning.pages import next_page, read_page
from retention.planning.plan import Transition
from retention.policy.decide import Action

Change = tuple[Judged, Transition, Mapping[str, Any]]


def change_in_place(work: Work, name: TableName) -> Counter[str]:
    """Pseudonymise and clear what is due in ``name``, chunk by chunk."""
    found = work.candidates(name)
    condition = work.aim.changing(found)
    total: Counter[str] = Counter()
    sequence = work.journal.next_sequence(name, "pseudonymise")
    after: Key | None = None
    while work.window_open(name):
        work.between_chunks()
        with work.installation.sources.begin(found.bound.system) as connection:
            bounds = next_page(connection, found.bound, condition, work.chunk_rows, after)
        if bounds is None:
            break
        chunk = work.journal.open_chunk(name, "pseudonymise", sequence, bounds, work.clock())
        begun = time.monotonic()
        counts = change_chunk(work, chunk, condition)
        total.update(counts)
        work.pace(name, counts["selected"], time.monotonic() - begun)
        work.progress("pseudonymise", name, counts["selected"])
        after = bounds[1]
        sequence += 1
    return total


def change_chunk(work: Work, chunk: Chunk, condition: sa.ColumnElement[bool]) -> Counter[str]:
    """Change a chunk's rows in one source transaction."""
    begun = time.monotonic()
    bound = work.candidates(TableName(chunk.table)).bound
    with work.installation.sources.begin(bound.system, write=True) as connection:
        rows = read_page(connection, bound, condition, chunk.bounds, lock=True)
        judged = work.judge(connection, bound, rows)
        writes = _writes(work, connection, bound, judged)
        changes = [change for item in judged if (change := _change(work, bound, item, writes))]
        added = _added(work, connection, bound, changes)
        for item, _, values in changes:
            _update(connection, bound, item, values)
        _update_dependants(connection, bound, writes)
        done = [
            IntendedRow(
                item.key,
                transition,
                work.leaf(bound.name, transition, item.key),
                increments=added.get(item.key, ()),
                becomes=values,
            )
            for item, transition, values in changes
        ]
        work.journal.intend(chunk, done, work.clock())
        work.lease.confirm()
    counts = Counter(selected=len(judged), skipped_unchanged=len(judged) - len(changes))
    counts.update(COUNTED[transition] for _, transition, _ in changes)
    work.journal.complete(chunk, done, counts, time.monotonic() - begun, work.clock())
    return counts


COUNTED = {
    Transition.pseudonymise: "pseudonymised",
    Transition.clear: "cleared",
    Transition.oppose: "opposed",
    Transition.rectify: "rectified",
}


def _writes(
    work: Work, connection: Connection, bound: BoundTable, judged: Sequence[Judged]
) -> dict[tuple[TableName, Key], Mapping[str, Any]]:
    """What the run's aim writes into rows that stay, and into their dependants."""
    if work.aim.writes is None:
        return {}
    staying = {item.key: item for item in judged if item.decision.action in _STAYS}
    roots = [(key, item.row) for key, item in staying.items()]
    found: dict[tuple[TableName, Key], Mapping[str, Any]] = {}
    for key, tree in read_trees(connection, bound, roots, lock=True).items():
        found |= work.aim.written(staying[key], tree)
    return found


_STAYS = (Action.keep, Action.review, Action.pseudonymise)


def _change(
    work: Work,
    bound: BoundTable,
    item: Judged,
    writes: Mapping[tuple[TableName, Key], Mapping[str, Any]],
) -> Change | None:
    values: dict[str, Any] = clearing.due(item, bound)
    transition = Transition.clear
    if work.aim.writes is not None and (written := writes.get((bound.name, item.key))) is not None:
        transition = work.aim.writes
        values |= written
        return item, transition, values
    if item.decision.action is Action.pseudonymise:
        transition = Transition.pseudonymise
        values |= _pseudonymised(work, bound, item)
    return (item, transition, values) if values else None


def _added(
    work: Work, connection: Connection, bound: BoundTable, changes: Sequence[Change]
) -> dict[Key, tuple[Increment, ...]]:
    """What the rows that get a pseudonym add to the accumulators: they leave the active base.

    A row that has nothing to be replaced by a pseudonym could not be told from one that was
    counted: it is counted when it leaves the table.
    """
    leaving = [
        Tree(TreeRow(bound.name, bound.table, item.key, item.row))
        for item, transition, values in changes
        if transition is Transition.pseudonymise
        and counted_before(bound.table, {**item.row, **values})
    ]
    return work.counting.of_trees(connection, bound, leaving)


def _pseudonymised(work: Work, bound: BoundTable, item: Judged) -> dict[str, Any]:
    key = work.installation.keyring.pseudonym_key
    values: dict[str, Any] = {}
    for name, column in bound.table.columns.items():
        value = item.row[name]
        if column.pseudonymise is Pseudonymise.clear:
            values[name] = column.cleared_as
        elif column.pseudonymise is Pseudonymise.token and value is not None:
            text = str(value)
            if not is_pseudonym(key, text):
                values[name] = pseudonym(key, f"{bound.name}.{name}", text)
    return values


def _update_dependants(
    connection: Connection,
    bound: BoundTable,
    writes: Mapping[tuple[TableName, Key], Mapping[str, Any]],
) -> None:
    for follower in bound.followers:
        for (name, key), values in writes.items():
            if name == follower.name and values:
                match = [column == part for column, part in zip(follower.key, key, strict=True)]
                changed = connection.execute(follower.sql.update().where(*match).values(values))
                if changed.rowcount != 1:
                    raise VanishedRows(f"{name}: a row that was read could not be updated")


def _update(
    connection: Connection, bound: BoundTable, item: Judged, values: Mapping[str, Any]
) -> None:
    clocks = {
        name: item.row[name]
        for name, column in bound.table.columns.items()
        if column.on_update_clock and name not in values
    }
    if not values:
        return  # what changes is in its dependants
    match = [column == part for column, part in zip(bound.key, item.key, strict=True)]
    result = connection.execute(bound.sql.update().where(*match).values({**clocks, **values}))
    if result.rowcount != 1:
        raise VanishedRows(f"{bound.name}: a row that was read could not be updated")
