"""What a row adds to the declared accumulators when it leaves the active base."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.dates import read_day
from retention.catalogue.declarations import Dimension
from retention.execution.trees import TreeRow
from retention.policy.calendar import zone
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


def increments(row: TreeRow) -> Iterator[Increment]:
    """One increment for each accumulator declared for the row's table."""
    for name, accumulator in row.table.accumulators.items():
        cell = [_coordinate(row, dimension) for dimension in accumulator.by]
        sums = {column: _number(row.row[column]) for column in accumulator.sums}
        yield Increment(row.name, name, _cell(cell), sums)


def _cell(coordinates: Sequence[str | None]) -> str:
    """A cell's name. One that does not fit its column goes by its digest, not by its text."""
    text = json.dumps(coordinates)
    if len(text) <= LONGEST_CELL:
        return text
    return json.dumps(["too long", hashlib.sha256(text.encode()).hexdigest()])


def _coordinate(row: TreeRow, dimension: Dimension) -> str | None:
    value = row.row[dimension.column]
    if value is None:
        return None
    if dimension.by == "value":
        return str(value)
    utc = zone("UTC")
    day = read_day(value, utc, utc, None)
    if day is None:
        return None
    return f"{day.year:04}" if dimension.by == "year" else f"{day.year:04}-{day.month:02}"


def _number(value: Any) -> str:
    """What a value adds to a sum: nothing where it is no number, or not a finite one."""
    try:
        number = Decimal(str(value)) if value is not None else Decimal(0)
    except InvalidOperation:
        return "0"
    return str(number) if number.is_finite() else "0"


def accumulate(connection: Connection, increments: Iterable[Increment]) -> None:
    """Add to the cells, within the caller's transaction on the control store."""
    rows: Counter[tuple[str, str, str]] = Counter()
    sums: dict[tuple[str, str, str], dict[str, Decimal]] = {}
    for increment in increments:
        place = (increment.table, increment.name, increment.cell)
        rows[place] += 1
        total = sums.setdefault(place, {})
        for column, text in increment.sums.items():
            total[column] = total.get(column, Decimal(0)) + Decimal(text)
    at = control.accumulators.c
    for place in sorted(rows):
        where = (at.table_name == place[0], at.name == place[1], at.cell == place[2])
        cell = sa.select(control.accumulators).where(*where).with_for_update()
        there = connection.execute(cell).first()
        before = dict(there.sums) if there else {}
        after = {
            column: str(Decimal(before.get(column, "0")) + total)
            for column, total in sums[place].items()
        }
        row = {
            "table_name": place[0],
            "name": place[1],
            "cell": place[2],
            "rows": rows[place] + (there.rows if there else 0),
            "sums": {**before, **after},
        }
        key = ["table_name", "name", "cell"]
        upsert(connection, control.accumulators, [row], key, ["rows", "sums"])
