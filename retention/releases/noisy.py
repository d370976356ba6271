"""Making a cube with noise: differential privacy, one draw a period, and never a second one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from anonymizers.cubes.cells import ALL, ROWS, CubeShape, aggregate, in_order
from anonymizers.cubes.noise import bound_contributions, noisy_cube
from retention.catalogue.rules import make_rule
from retention.execution.work import Clock
from retention.releases.adding import of_different_persons
from retention.releases.budget import spend
from retention.releases.built import Figure
from retention.releases.cubes import all_of, in_amounts, in_units_again, records
from retention.releases.errors import EmptyRelease
from retention.releases.frames import FINER, SUBJECT
from retention.releases.history import departed
from retention.releases.model import CubeDeclaration, DifferentialPrivacy
from retention.releases.parts import Made, Making, shape_of_cube
from retention.releases.periods import drawable

WHOLE = ""
"""The period of a cube that has none: it is drawn anew each month."""


def noisy(
    making: Making,
    name: str,
    cube: CubeDeclaration,
    protection: DifferentialPrivacy,
    kept: pd.DataFrame | None,
    *,
    clock: Clock,
) -> Made:
    """The cube with noise in every cell of its closed domain.

    ``kept`` has the cells that were drawn before and stay as they are: for a cube with a period
    those of earlier releases, for another one those of the same month, if there are any.

    Raises:
        BudgetSpent: there is no budget left for what would have to be drawn.
    """
    shape = shape_of_cube(making.installation, cube)
    parts = [] if kept is None else [base_of(in_units_again(kept, cube), shape)]
    wanted = _to_draw(making, cube, protection, parts)
    if wanted:
        exact = _whole_units(all_of(records(making, cube), shape), shape)
        spend(
            making.installation,
            making.release,
            name,
            making.month,
            [period or making.month for period in wanted],
            epsilon=protection.epsilon,
            delta=protection.delta,
            now=clock(),
        )
        parts += [_draw(making, cube, protection, exact, period) for period in wanted]
    if not parts:
        raise EmptyRelease(f"{making.release}: no period of '{name}' is over that could be drawn")
    cells = _with_margins(pd.concat(parts, ignore_index=True), shape)
    figures: dict[str, Figure] = {
        "cells": len(cells),
        "cells_published": len(cells),
        "periods_drawn": len(wanted),
        "epsilon_spent": protection.epsilon * len(wanted),
        "suppressed_share": 0.0,
    }
    return Made(in_amounts(cells, cube), figures)


def _to_draw(
    making: Making,
    cube: CubeDeclaration,
    protection: DifferentialPrivacy,
    parts: Sequence[pd.DataFrame],
) -> list[str]:
    if protection.period is None:
        return [] if parts else [WHOLE]
    level = cube.dimensions[cube.columns.index(protection.period)].at
    known = {label for part in parts for label in part[protection.period]}
    over = drawable(level, making.as_of, protection.reach)
    return [period for period in over if period not in known]


def _draw(
    making: Making,
    cube: CubeDeclaration,
    protection: DifferentialPrivacy,
    exact: pd.DataFrame,
    period: str,
) -> pd.DataFrame:
    """One period's base cells: what each person adds is bounded, then noise is added."""
    shape = bare(shape_of_cube(making.installation, cube))
    gone = departed(making.installation, cube, shape, making.folder)
    if protection.period is not None:
        exact = exact[exact[protection.period] == period]
        gone = None if gone is None else gone[gone[protection.period] == period]
    clip = clips(cube)
    bounded = bound_contributions(
        exact.reset_index(drop=True),
        shape,
        SUBJECT,
        max_cells=protection.max_cells,
        max_rows=protection.max_rows,
        key=os.urandom(32),
        clip=clip or None,
    )
    cells = aggregate(bounded, shape, SUBJECT)
    if gone is not None and len(gone):  # one row each: bounded as it is
        cells = of_different_persons([cells, gone], shape)
    return noisy_cube(
        cells,
        shape,
        vocabularies(making, cube, protection, period),
        epsilon=protection.epsilon,
        delta=protection.delta,
        max_cells=protection.max_cells,
        max_rows=protection.max_rows,
        clip=clip or None,
        mechanism="gaussian" if protection.delta else "laplace",
    ).cells


def clips(cube: CubeDeclaration) -> dict[str, tuple[int, int]]:
    """What one row may add to each measure, in whole units."""
    return {
        measure.name: (int(measure.clip[0] / measure.round), int(measure.clip[1] / measure.round))
        for measure in cube.measures
        if measure.clip is not None
    }


def vocabularies(
    making: Making, cube: CubeDeclaration, protection: DifferentialPrivacy, period: str
) -> dict[str, list[str]]:
    """Every label each dimension can have, in order; the period has one."""
    found: dict[str, list[str]] = {}
    for dimension in cube.dimensions:
        if dimension.name == protection.period:
            found[dimension.name] = [period]
            continue
        closed = make_rule(dimension.rule, making.folder).closed_vocabulary(dimension.at)
        assert closed is not None, "the declaration was checked"
        found[dimension.name] = sorted(closed)
    return found


def bare(shape: CubeShape) -> CubeShape:
    """The shape without its margins: they are added up from what was drawn."""
    return CubeShape(shape.dimensions, shape.measures, (), shape.one_row_each)


def base_of(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """The cells that are no margins."""
    inner = (cells[list(shape.dimensions)] != ALL).all(axis=1)
    return cells.loc[inner].reset_index(drop=True)


def _whole_units(rows: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """Each row's measures in whole units: what clipping bounds."""
    ratio = int(1 / FINER)
    whole = {name: (rows[name] / ratio).round().astype("int64") for name in shape.measures}
    return rows.assign(**whole)


def _with_margins(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """The margins are the sums of the noisy cells: they cost no budget and add up."""
    numbers = [ROWS, *shape.measures]
    base = cells[[*shape.dimensions, *numbers]]
    parts = [base]
    for margin in shape.margins:
        groups = base.assign(_total=0).groupby(list(margin) or ["_total"], observed=True)
        summed = groups[numbers].sum().reset_index()
        summed = summed.assign(**{n: ALL for n in shape.dimensions if n not in margin})
        parts.append(summed[[*shape.dimensions, *numbers]])
    whole = pd.concat(parts, ignore_index=True)
    for name in shape.dimensions:
        whole[name] = whole[name].astype("str")
    return in_order(whole, shape)
