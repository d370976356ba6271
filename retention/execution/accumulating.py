"""Adding to the cells of accumulators, within the journal's transaction.

A cell holds rows and sums, exactly; how many distinct persons it counts at least; and how much
one of them has added at most. What a row adds is worked out in ``counting``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.stores import control
from retention.stores.sql import upsert

LONGEST_CELL = 500
"""Characters; the width of the column in the control store."""


@dataclass(frozen=True)
class Increment:
    """What one row adds to a cell of an accumulator."""

    table: str
    name: str
    cell: str
    sums: Mapping[str, str] = field(default_factory=dict)
    """Decimal text by column."""
    person: int | None = None
    """The person, by a number that means nothing outside of its chunk."""
    at_once: bool = False
    """Whether all that this person adds to the accumulator is added in this chunk."""
    shape: str | None = None
    """What the cell's coordinates mean (``counting.shape_of``)."""


class _Place(NamedTuple):
    table: str
    name: str
    cell: str


@dataclass
class _Added:
    """What a chunk adds to a cell."""

    rows: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    rows_by_person: Counter[int] = field(default_factory=Counter)
    by_person: dict[str, dict[int, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    unknown: bool = False
    """A row of nobody knows whom: written down by an older release of this program."""
    at_once: bool = False
    shape: str | None = None

    def add(self, increment: Increment) -> None:
        self.rows += 1
        self.at_once, self.shape = increment.at_once, increment.shape
        person = increment.person
        self.unknown |= person is None
        if person is not None:
            self.rows_by_person[person] += 1
        for column, text in increment.sums.items():
            amount = Decimal(text)
            self.sums[column] = self.sums.get(column, Decimal(0)) + amount
            if person is not None:
                theirs = self.by_person[column]
                theirs[person] = theirs.get(person, Decimal(0)) + abs(amount)

    @property
    def persons(self) -> int:
        return max(len(self.rows_by_person), int(self.rows > 0))

    @property
    def largest_rows(self) -> int:
        return self.rows if self.unknown else max(self.rows_by_person.values())

    def largest(self, column: str) -> Decimal:
        if self.unknown:  # a sum of several signs would hide what one has added
            return Decimal("Infinity")
        return max(self.by_person[column].values(), default=Decimal(0))


def accumulate(connection: Connection, increments: Iterable[Increment]) -> None:
    """Add to the cells, within the caller's transaction on the control store.

    Where all that a person adds is added at once, persons of different chunks are different
    ones and are added up; else they may be the same, and the larger number is what is sure.
    """
    added: dict[_Place, _Added] = defaultdict(_Added)
    for increment in increments:
        added[_Place(increment.table, increment.name, increment.cell)].add(increment)
    at = control.accumulators.c
    for place, more in sorted(added.items(), key=lambda item: item[0]):
        where = (at.table_name == place.table, at.name == place.name, at.cell == place.cell)
        cell = sa.select(control.accumulators).where(*where).with_for_update()
        row = {**place._asdict(), **_together(connection.execute(cell).first(), more)}
        row["table_name"] = row.pop("table")
        key = ["table_name", "name", "cell"]
        changed = [name for name in row if name not in key]
        upsert(connection, control.accumulators, [row], key, changed)


def _together(there: Any, more: _Added) -> dict[str, Any]:
    """The cell as it is after ``more``; ``there`` is its row, or ``None``."""
    sums = dict(there.sums) if there else {}
    after = {
        column: str(Decimal(sums.get(column, "0")) + total) for column, total in more.sums.items()
    }
    largest_rows: int | None
    if there is None:
        persons, largest_rows = more.persons, more.largest_rows
    elif more.at_once:
        persons = there.persons + more.persons
        largest_rows = _either(there.largest_rows, more.largest_rows)
    else:
        persons = max(there.persons, more.persons)
        largest_rows = _both(there.largest_rows, more.largest_rows)
    return {
        "rows": more.rows + (there.rows if there else 0),
        "sums": {**sums, **after},
        "persons": persons,
        "largest_rows": largest_rows,
        "largest": _largest(there, more),
        "shape": more.shape,
    }


def _largest(there: Any, more: _Added) -> dict[str, str]:
    """The most that one person has added to each sum; a sum of which that is unknown is absent."""
    if there is None:
        found = {column: more.largest(column) for column in more.sums}
    else:
        known = there.largest or {}
        found = {
            column: _join(Decimal(known[column]), more.largest(column), once=more.at_once)
            for column in more.sums
            if column in known
        }
    return {column: str(amount) for column, amount in found.items() if amount.is_finite()}


def _join(one: Decimal, other: Decimal, *, once: bool) -> Decimal:
    return max(one, other) if once else one + other


def _either(one: int | None, other: int) -> int | None:
    return None if one is None else max(one, other)


def _both(one: int | None, other: int) -> int | None:
    return None if one is None else one + other
