"""What rows add to the declared accumulators when they leave the active base.

A row leaves the active base once: when it goes to the archive or is disposed of, or when it is
pseudonymised where it lies. A row that carries a pseudonym has been counted by then, and what
is left of it is not counted again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from anonymizers.pseudonyms import looks_like_pseudonym
from retention.catalogue.bound import BoundTable
from retention.catalogue.declarations import Pseudonymise
from retention.catalogue.labels import Labeller, labeller
from retention.catalogue.model import Catalogue, Role, Table, TableName
from retention.catalogue.rules import meaning
from retention.errors import ConfigurationError
from retention.execution.accumulating import LONGEST_CELL, Increment
from retention.execution.trees import Tree, TreeRow
from retention.holds import subjects
from retention.installation import Installation
from retention.planning.facts import Key
from retention.planning.judge import Row
from retention.planning.memory import record_token
from retention.stores import archive, control
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches


@dataclass
class Counting:
    """Works out increments; keeps what it has bound for the length of a run."""

    installation: Installation
    _labellers: dict[tuple[str, str], list[Labeller]] = field(default_factory=dict)
    _shapes: dict[tuple[str, str], str] = field(default_factory=dict)

    def of_trees(
        self,
        connection: Connection,
        bound: BoundTable,
        trees: Sequence[Tree],
    ) -> dict[Key, tuple[Increment, ...]]:
        """What the rows of ``trees`` (of ``bound``) add, by the root's key.

        Rows that carry a pseudonym are left out, and those that an earlier run archived and
        that came back: they were counted then.
        """
        if not trees or not any(table.accumulators for table in _tables(bound)):
            return {}
        back = self._archived_before(trees)
        people = _numbered(persons(connection, bound, [tree.root.row for tree in trees]))
        leaving: dict[TableName, list[tuple[Key, TreeRow]]] = {}
        for tree in trees:
            for row in tree.rows:
                if (
                    row.table.accumulators
                    and (row.name, row.key) not in back
                    and not counted_before(row.table, row.row)
                ):
                    leaving.setdefault(row.name, []).append((tree.root.key, row))
        found: dict[Key, list[Increment]] = {}
        for rows in leaving.values():
            for name in rows[0][1].table.accumulators:
                for root, increment in self._increments(name, rows, people):
                    found.setdefault(root, []).append(increment)
        return {root: tuple(increments) for root, increments in found.items()}

    def _archived_before(self, trees: Sequence[Tree]) -> set[tuple[TableName, Key]]:
        keyring, at = self.installation.keyring, archive.records.c
        tokens = {
            record_token(keyring, row.name, row.key): (row.name, row.key)
            for tree in trees
            for row in tree.rows
            if row.table.accumulators
        }
        found: set[tuple[TableName, Key]] = set()
        with reading(self.installation.stores.archive) as connection:
            for batch in batches(tokens, BATCH):
                statement = sa.select(at.record_token).where(at.record_token.in_(batch), at.settled)
                found.update(tokens[token] for token in connection.scalars(statement))
        return found

    def _increments(
        self, name: str, rows: Sequence[tuple[Key, TreeRow]], people: Mapping[Key, int]
    ) -> Iterator[tuple[Key, Increment]]:
        """What each of the ``rows`` of one table adds to its accumulator ``name``."""
        first = rows[0][1]
        accumulator = first.table.accumulators[name]
        labelled = [
            made.labels([row.row[made.coordinate.column] for _, row in rows])
            for made in self._labels(first.name, name)
        ]
        if accumulator.subject:
            named = {row.key: person(row.row, accumulator.subject, row.key) for _, row in rows}
            people = _numbered(named)
        at_once = accumulator.subject is None and leaves_at_once(
            self.installation.catalogue, first.name
        )
        for place, (root, row) in enumerate(rows):
            yield (
                root,
                Increment(
                    table=first.name,
                    name=name,
                    cell=cell_of([labels[place] for labels in labelled]),
                    sums={column: _number(row.row[column]) for column in accumulator.sums},
                    person=people[root],
                    at_once=at_once,
                    shape=self._shape(first.name, name),
                ),
            )

    def _labels(self, table: TableName, name: str) -> list[Labeller]:
        if (table, name) not in self._labellers:
            at = self.installation
            self._labellers[table, name] = [
                labeller(at.sources, at.catalogue, at.zone, table, dimension, at.catalogue_folder)
                for dimension in at.catalogue.table(table).accumulators[name].by
            ]
        return self._labellers[table, name]

    def _shape(self, table: TableName, name: str) -> str:
        if (table, name) not in self._shapes:
            self._shapes[table, name] = shape_of(self.installation, table, name)
        return self._shapes[table, name]


def _tables(bound: BoundTable) -> Iterator[Table]:
    yield bound.table
    yield from (follower.table for follower in bound.followers)


def persons(connection: Connection, bound: BoundTable, rows: Sequence[Row]) -> dict[Key, object]:
    """The person each of ``rows`` belongs to, by the row's key; equal where the person is."""
    if bound.subject.table == bound.name:
        keys = (tuple(row[name] for name in bound.table.key) for row in rows)
        return {key: key for key in keys}
    return dict(subjects(connection, bound, rows))


def person(row: Row, columns: Sequence[str], key: Key) -> object:
    """The person that the first of ``columns`` that is not null names; else the row itself."""
    for column in columns:
        if row[column] is not None:
            return column, row[column]
    return "", key


def _numbered(people: Mapping[Key, object]) -> dict[Key, int]:
    numbers: dict[object, int] = {}
    return {key: numbers.setdefault(who, len(numbers)) for key, who in people.items()}


def own_person(catalogue: Catalogue, name: TableName) -> bool:
    """Whether a row of the table is a person, and each of its rows another one."""
    return catalogue.table(name).role is Role.subject


def leaves_at_once(catalogue: Catalogue, table: TableName) -> bool:
    """Whether all of a person's rows of ``table`` leave in one go, with the person's own row."""
    return own_person(catalogue, catalogue.clock_of(table))


def counted_before(table: Table, row: Row) -> bool:
    """Whether the row carries a pseudonym: it was counted when it was given that."""
    return any(
        column.pseudonymise is Pseudonymise.token
        and isinstance(row[name], str)
        and looks_like_pseudonym(row[name])
        for name, column in table.columns.items()
    )


def cell_of(coordinates: Sequence[str | None]) -> str:
    """A cell's name. One that does not fit its column goes by its digest, not by its text."""
    text = json.dumps(coordinates)
    if len(text) <= LONGEST_CELL:
        return text
    return json.dumps(["too long", hashlib.sha256(text.encode()).hexdigest()])


def _number(value: Any) -> str:
    """What a value adds to a sum: nothing where it is no number, or not a finite one."""
    try:
        number = Decimal(str(value)) if value is not None else Decimal(0)
    except InvalidOperation:
        return "0"
    return str(number) if number.is_finite() else "0"


# --- what cells mean ----------------------------------------------------------------------


def shape_of(installation: Installation, table: TableName, name: str) -> str:
    """A digest of what an accumulator's cells mean: coordinates, sums, whose they are.

    Raises:
        ConfigurationError: a hierarchy's file cannot be read.
    """
    accumulator = installation.catalogue.table(table).accumulators[name]
    by = meaning(accumulator.by, installation.catalogue_folder)
    text = json.dumps([by, sorted(accumulator.sums), accumulator.subject])
    return hashlib.sha256(text.encode()).hexdigest()


def redeclared(installation: Installation) -> dict[TableName, str]:
    """Tables with an accumulator whose cells meant something else when they were written.

    Adding to them would mix two meanings: the table must not be touched.
    """
    at = control.accumulators.c
    statement = sa.select(at.table_name, at.name, at.shape).distinct()
    with reading(installation.stores.control) as connection:
        stored = [tuple(row) for row in connection.execute(statement)]
    declared = dict(installation.catalogue.tables())
    found: dict[TableName, str] = {}
    for table, name, shape in stored:
        if table not in declared or name not in declared[table].accumulators:
            continue
        try:
            same = _means_the_same(installation, TableName(table), name, shape)
        except ConfigurationError as error:
            found[TableName(table)] = f"{table}: accumulator '{name}': {error}"
            continue
        if not same:
            found[TableName(table)] = (
                f"{table}: accumulator '{name}' was declared otherwise when its cells were "
                "written; declare the new one under another name"
            )
    return found


def _means_the_same(
    installation: Installation, table: TableName, name: str, shape: str | None
) -> bool:
    if shape is not None:
        return shape == shape_of(installation, table, name)
    # Cells written before shapes were kept: they hold values, years and months only.
    accumulator = installation.catalogue.table(table).accumulators[name]
    return accumulator.subject is None and all(
        item.by is not None or item.raw for item in accumulator.by
    )
