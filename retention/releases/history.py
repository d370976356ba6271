"""What an accumulator knows of rows that have left, as a cube of the release's own cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from anonymizers.cubes.cells import LARGEST, MISSING, ROWS, SUBJECTS, CubeShape
from retention.catalogue.declarations import Accumulator
from retention.catalogue.model import TableName
from retention.catalogue.rules import make_rule
from retention.errors import ConfigurationError
from retention.execution.counting import own_person, shape_of
from retention.installation import Installation
from retention.releases.coarsening import Way, days_of, source_of, way
from retention.releases.frames import fine_unit
from retention.releases.model import CubeDeclaration, ReleaseColumn
from retention.stores import control
from retention.stores.open import reading

_DIGEST = 64


def departed(
    installation: Installation, cube: CubeDeclaration, shape: CubeShape, folder: Path
) -> pd.DataFrame | None:
    """The base cells of ``cube`` that rows which have left filled; ``None`` where none did.

    Measures are in fine units (``frames.fine_unit``). Cells of the accumulator that fall into
    one cell of the cube are added up; ``subjects`` stays a lower bound, ``largest_…`` an upper.

    Raises:
        ConfigurationError: the accumulator was declared otherwise when its cells were written.
    """
    if cube.accumulator is None:
        return None
    table = TableName(cube.table)
    accumulator = installation.catalogue.table(table).accumulators[cube.accumulator]
    stored = _stored(installation, table, cube.accumulator)
    if not stored:
        return None
    shape_now = shape_of(installation, table, cube.accumulator)
    cells = [_coordinates(row, accumulator, cube, shape_now) for row in stored]
    columns: dict[str, Any] = {
        column.name: _labels(column, cells, accumulator, folder, installation.catalogue_folder)
        for column in cube.dimensions
    }
    once = own_person(installation.catalogue, table) and accumulator.subject is None
    columns[ROWS] = [row.rows for row in stored]
    # each row of a person's own table is another person
    columns[SUBJECTS] = [row.rows if once else row.persons for row in stored]
    columns[LARGEST + ROWS] = _known([1 if once else row.largest_rows for row in stored])
    for measure in cube.measures:
        unit = fine_unit(measure)
        columns[measure.name] = [
            _in_units(row.sums.get(measure.column), unit, cube.accumulator) for row in stored
        ]
        columns[LARGEST + measure.name] = _known(
            [_largest((row.largest or {}).get(measure.column), unit) for row in stored]
        )
    return _added_up(pd.DataFrame(columns), shape)


def _stored(installation: Installation, table: TableName, name: str) -> list[Any]:
    at = control.accumulators.c
    statement = (
        sa.select(control.accumulators)
        .where(at.table_name == table, at.name == name, at.rows > 0)
        .order_by(at.cell)
    )
    with reading(installation.stores.control) as connection:
        return list(connection.execute(statement))


def _coordinates(
    row: Any, accumulator: Accumulator, cube: CubeDeclaration, shape: str
) -> list[str | None]:
    cell = json.loads(row.cell)
    if cell[0] == "too long" and len(cell) == 2 and len(str(cell[1])) == _DIGEST:
        raise ConfigurationError(
            f"{cube.table}: accumulator '{cube.accumulator}' has cells whose coordinates were too "
            "long to be kept; give its dimensions a coarser rule"
        )
    if row.shape not in (None, shape) or len(cell) != len(accumulator.by):
        raise ConfigurationError(
            f"{cube.table}: accumulator '{cube.accumulator}' was declared otherwise when its "
            "cells were written; declare the new one under another name"
        )
    return [None if part is None else str(part) for part in cell]


def _labels(
    column: ReleaseColumn,
    cells: Sequence[Sequence[str | None]],
    accumulator: Accumulator,
    folder: Path,
    catalogue_folder: Path,
) -> list[str]:
    source = source_of(column, accumulator)
    assert source is not None, "the declaration was checked against the catalogue"
    place = accumulator.by.index(source)
    kept = [cell[place] for cell in cells]
    how = way(column, folder, accumulator, catalogue_folder)
    if how is Way.same:
        return [MISSING if label is None else label for label in kept]
    values = days_of(kept) if how is Way.from_date else kept
    series = pd.Series(values, name=column.name, dtype=object)
    return [str(label) for label in make_rule(column.rule, folder).label(series, column.at)]


def _in_units(text: str | None, unit: Decimal, accumulator: str) -> int:
    if text is None:
        raise ConfigurationError(
            f"accumulator '{accumulator}' did not sum all of what a release sums when its cells "
            "were written; declare the new one under another name"
        )
    return int((Decimal(text) / unit).to_integral_value())


def _largest(text: str | None, unit: Decimal) -> int | None:
    if text is None:
        return None
    return int((Decimal(text) / unit).to_integral_value(ROUND_CEILING))


def _known(numbers: Sequence[int | None]) -> Any:
    return pd.array([pd.NA if number is None else number for number in numbers], dtype="Int64")


def _added_up(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """One row a cell of the cube. A person can be in several cells of the accumulator."""
    groups = cells.groupby(list(shape.dimensions), sort=True, observed=True)
    merged = groups[[ROWS, *shape.measures]].sum()
    merged[SUBJECTS] = groups[SUBJECTS].sum() if shape.one_row_each else groups[SUBJECTS].max()
    for name in shape.largest:
        known = groups[name].count() == groups.size()
        most = groups[name].max() if shape.one_row_each else groups[name].sum()
        merged[name] = most.where(known, pd.NA)
    return merged.reset_index()
