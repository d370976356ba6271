"""The stage that changes rows where they lie: pseudonymisation, and clearing of columns.

Statements exclude what is done already: a pseudonym is recognisable as one, a cleared column
holds what it is cleared to. Running again changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from anonymizers.pseudonyms import is_pseudonym, pseudonym
from retention.catalogue.bound import BoundTable
from retention.catalogue.declarations import Pseudonymise
from retention.catalogue.model import TableName
from retention.execution.accumulating import Increment
from retention.execution.aim import Writes
from retention.execution.chunks import Beside, Chunk, IntendedRow
from retention.execution.counting import counted_before
from retention.execution.trees import Tree, TreeRow, VanishedRows, read_trees
from retention.execution.work import Work
from retention.planning import clearing
from retention.planning.facts import Key
from retention.planning.judge import Judged
from retention.planning.memory import keep_only, record_token, remember
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
        writes, trees = _writes(work, connection, bound, judged)
        changes = [change for item in judged if (change := _change(work, bound, item, writes))]
        added = _added(work, connection, bound, changes)
        _remember(work, connection, bound, changes, chunk)
        for item, _, values in changes:
            _update(connection, bound, item, values)
        _update_dependants(connection, bound, writes)
        done = [
            IntendedRow(
                item.key,
                transition,
                _leaf(work, bound.name, item, transition, values, writes, trees),
                increments=added.get(item.key, ()),
                becomes=values,
                beside=_beside(bound, item.key, writes),
            )
            for item, transition, values in changes
        ]
        work.journal.intend(chunk, done, work.clock())
        work.lease.confirm()
    keep(work, chunk, done)
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


def _leaf(
    work: Work,
    name: TableName,
    item: Judged,
    transition: Transition,
    values: Mapping[str, Any],
    writes: Mapping[Key, Writes],
    trees: Mapping[Key, Tree],
) -> bytes:
    """The commitment to one change; of a rectification to all values that it replaced as well."""
    if transition is not Transition.rectify:
        return work.leaf(name, transition, item.key)
    written = {**writes.get(item.key, {}), (name, item.key): values}
    rows = {(row.name, row.key): row.row for row in trees[item.key].rows}
    columns = [(place, column) for place, changed in written.items() for column in changed]
    before = {_named(*at): rows[at[0]][at[1]] for at in columns}
    after = {_named(*at): written[at[0]][at[1]] for at in columns}
    return work.leaf(name, transition, item.key, values=(before, after))


def _named(place: tuple[TableName, Key], column: str) -> str:
    """A column of one row, as a commitment names it: ``system.table:KEY:column``."""
    name, key = place
    return f"{name}:{','.join(map(str, key))}:{column}"


def _writes(
    work: Work, connection: Connection, bound: BoundTable, judged: Sequence[Judged]
) -> tuple[dict[Key, Writes], dict[Key, Tree]]:
    """What the run's aim writes into rows that stay and their dependants, and these as they are.

    Both by the key of the row that stays.
    """
    if work.aim.writes is None:
        return {}, {}
    staying = {item.key: item for item in judged if item.decision.action in _STAYS}
    roots = [(key, item.row) for key, item in staying.items()]
    trees = read_trees(connection, bound, roots, lock=True)
    return {key: work.aim.written(staying[key], tree) for key, tree in trees.items()}, trees


_STAYS = (Action.keep, Action.review, Action.pseudonymise, Action.hold)
"""Into what a hold covers an aim may write too, where the law does not let it wait."""


def _change(
    work: Work, bound: BoundTable, item: Judged, writes: Mapping[Key, Writes]
) -> Change | None:
    values: dict[str, Any] = clearing.due(item, bound)
    transition = Transition.clear
    written = writes.get(item.key, {}).get((bound.name, item.key))
    if work.aim.writes is not None and written is not None:
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


def _remember(
    work: Work, connection: Connection, bound: BoundTable, changes: Sequence[Change], chunk: Chunk
) -> None:
    """What rows say of others, before a column is changed by which a link leads to them."""
    afar = [item for item in work.lent_afar(bound.name) if item.remote.link.far_table == bound.name]
    columns = {item.remote.link.far_column for item in afar}
    cut = {item.key: item.key for item, _, values in changes if columns & set(values)}
    remember(
        connection, work.installation, bound, (), chunk.chunk_id,
        afar=afar, keys={bound.name: cut},
    )  # fmt: skip


def keep(work: Work, chunk: Chunk, done: Iterable[IntendedRow]) -> None:
    """After the source has committed: what is remembered of the changed rows stays."""
    name, keyring = TableName(chunk.table), work.installation.keyring
    gone = [record_token(keyring, name, row.key) for row in done]
    keep_only(work.installation.stores, chunk.chunk_id, gone)


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


def _beside(bound: BoundTable, key: Key, writes: Mapping[Key, Writes]) -> tuple[Beside, ...]:
    """What is written into the dependants of one row."""
    return tuple(
        Beside(name, place, values)
        for (name, place), values in writes.get(key, {}).items()
        if values and (name, place) != (bound.name, key)
    )


def _update_dependants(
    connection: Connection, bound: BoundTable, writes: Mapping[Key, Writes]
) -> None:
    for follower in bound.followers:
        for other in (other for key in writes for other in _beside(bound, key, writes)):
            if other.table == follower.name:
                match = [c == part for c, part in zip(follower.key, other.key, strict=True)]
                statement = follower.sql.update().where(*match).values(other.becomes)
                if connection.execute(statement).rowcount != 1:
                    raise VanishedRows(f"{other.table}: a row that was read could not be updated")


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
