"""What a row adds to the declared accumulators when it leaves the active base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from retention.catalogue.binding import BoundTable
from retention.catalogue.dates import read_day
from retention.catalogue.model import Dimension
from retention.execution.journal import Increment
from retention.execution.trees import Tree, TreeRow
from retention.policy.calendar import zone


def increments(tree: Tree, bound: BoundTable) -> Iterator[Increment]:
    """One increment for each accumulator declared for each row of ``tree``."""
    for row in tree.rows:
        for name, accumulator in row.table.accumulators.items():
            cell = [_coordinate(row, dimension) for dimension in accumulator.by]
            sums = {column: _number(row.row[column]) for column in accumulator.sums}
            yield Increment(row.name, name, json.dumps(cell), sums)


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
    try:
        return str(Decimal(str(value))) if value is not None else "0"
    except InvalidOperation:
        return "0"
