"""Releases that follow each other: what one may say, given what its predecessors said.

Whoever lays two releases side by side sees how each cell has changed. So a base cell changes by
as many people as a cell must count, or not at all: until then it keeps its previous numbers,
sums with it. A margin is the sum of its cells as they are shown, and is held the same way: the
cell beneath it that changed least is put back until the margin is fit to be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anonymizers.cubes.cells import (
    ALL,
    LARGEST,
    ROWS,
    SUBJECTS,
    CubeError,
    CubeShape,
    base_cells,
    checked,
    in_order,
    with_margins,
)
from anonymizers.cubes.differencing import between
from anonymizers.cubes.suppression import STATUS, Unprotectable, blanked, decide, for_publication


@dataclass(frozen=True)
class NextRelease:
    """A protected cube, and what the next release has to know of it."""

    published: pd.DataFrame
    """As ``suppression.protect`` returns it: blanks where suppressed, and ``status``."""
    state: pd.DataFrame
    """The same cells with every number filled in: RESTRICTED, as the accumulators are. The
    caller keeps it (control store) once ``published`` is published, and hands it in again."""
    held: int
    """Base cells that keep their previous value."""


def next_release(
    cube: pd.DataFrame,
    shape: CubeShape,
    history: Sequence[pd.DataFrame],
    threshold: int,
    *,
    dominance: float | None = 0.8,
) -> NextRelease:
    """Hold back, and protect in view of all earlier releases.

    ``history``: the ``state`` of each earlier *published* release of this cube, oldest first;
    empty for the first release. A release published twice in a month is in it twice. Where
    nothing may be shown to have changed, or no way is left to hide what must be hidden, the
    last release is repeated, which tells nothing new.

    Raises:
        CubeError: the cube or its history is not what it must be.
    """
    if not history:
        state = decide(with_margins(cube, shape), shape, threshold, dominance=dominance)
        return NextRelease(blanked(state, shape), state, 0)
    last = in_order(history[-1], shape)
    held = hold_back(cube, last, shape, threshold, dominance=dominance, earlier=history[:-1])
    if _same(held, last, shape):
        return NextRelease(blanked(last, shape), last, _differing(cube, held, shape))
    try:
        state = decide(held, shape, threshold, dominance=dominance, history=history)
    except Unprotectable:
        state = last
    if _tells(state, history, shape, threshold):
        state = last
    return NextRelease(blanked(state, shape), state, _differing(cube, state, shape))


def _tells(
    state: pd.DataFrame, history: Sequence[pd.DataFrame], shape: CubeShape, threshold: int
) -> bool:
    """Whether a reader of an earlier release learns something.

    Changes of hidden cells that cancel out look like that of one person, and are not told apart.
    """
    now = for_publication(state, shape)
    return any(between(for_publication(old, shape), now, shape, threshold) for old in history)


def hold_back(
    cube: pd.DataFrame,
    previous: pd.DataFrame | None,
    shape: CubeShape,
    threshold: int,
    *,
    dominance: float | None = 0.8,
    earlier: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """The cube in which no cell, no margin differs from ``previous`` by fewer people than allowed.

    ``previous`` has every number of the release before (its ``state``), ``earlier`` those of the
    releases before that: a cell that has changed twice must not be one person away from what it
    was at first. A cell that is absent counts nobody, before and after. With ``dominance`` a sum
    does not change by an amount that one person may have added for the greater part. Margins not
    declared are left out.

    Raises:
        CubeError: a threshold below 2, or a frame that is no cube of this shape.
    """
    if threshold < 2:
        raise CubeError("a threshold below 2 protects nobody")
    now = with_margins(cube, shape)
    if previous is None:
        return now
    befores = [checked(_numbers(state), shape) for state in (*earlier, previous)]
    keys = list(shape.dimensions)
    bases = [base_cells(cells, shape).set_index(keys) for cells in (*befores, now)]
    places = bases[0].index
    for base in bases[1:]:
        places = places.union(base.index)
    *olds, new = (base.reindex(places).fillna(0).astype("int64") for base in bases)
    held = pd.Series(data=False, index=places)
    for old in olds:
        held |= _few(new, old, shape, threshold) | _by_one(new, old, shape, dominance)
    last = olds[-1]
    moves = (new[list(shape.values)] != last[list(shape.values)]).any(axis=1)
    step = (new[SUBJECTS] - last[SUBJECTS]).abs()
    while True:
        shown = new.where(~held, last)
        whole = with_margins(shown[shown[ROWS] > 0].reset_index(), shape)
        back = _too_little(whole, befores, shape, threshold, moves & ~held, step)
        if back is None:
            return _as_known(_as_known(whole, now, shape), befores[-1], shape)
        held[back] = True


def _numbers(state: pd.DataFrame) -> pd.DataFrame:
    return state.drop(columns=STATUS, errors="ignore")


def _few(new: pd.DataFrame, old: pd.DataFrame, shape: CubeShape, threshold: int) -> pd.Series:
    """Which cells have changed, but not by enough people (if by none, then by an unknown few)."""
    names = [SUBJECTS, *shape.values]
    changed = (new[names] != old[names]).any(axis=1)
    return changed & ((new[SUBJECTS] - old[SUBJECTS]).abs() < threshold)


def _by_one(
    new: pd.DataFrame, old: pd.DataFrame, shape: CubeShape, dominance: float | None
) -> pd.Series:
    """Whether one person may have made the greater part of a change of a sum."""
    found = pd.Series(data=False, index=new.index)
    if dominance is None:
        return found
    for name in shape.values:
        if name == ROWS and shape.one_row_each:
            continue
        change = (new[name] - old[name]).abs()
        largest = np.maximum(new[LARGEST + name], old[LARGEST + name])
        found |= (change > 0) & (largest >= dominance * change)
    return found


def _too_little(
    whole: pd.DataFrame,
    befores: Sequence[pd.DataFrame],
    shape: CubeShape,
    threshold: int,
    moved: pd.Series,
    step: pd.Series,
) -> Any:
    """The base cell to put back, beneath the first margin that changes by too few rows."""
    keys = list(shape.dimensions)
    for margin in shape.margins:
        new = _cuboid(whole, shape, margin).set_index(keys)[ROWS]
        for before in befores:
            old = _cuboid(before, shape, margin).set_index(keys)[ROWS]
            places = old.index.union(new.index)
            change = (new.reindex(places).fillna(0) - old.reindex(places).fillna(0)).abs()
            for cell in change.index[(change > 0) & (change < threshold)]:
                beneath = _beneath(moved, keys, margin, cell)
                if beneath.any():
                    return step[beneath].idxmin()
    return None


def _beneath(moved: pd.Series, keys: list[str], margin: tuple[str, ...], cell: Any) -> pd.Series:
    labelled = dict(zip(keys, cell if isinstance(cell, tuple) else (cell,), strict=True))
    inside = moved.copy()
    for name in margin:
        inside &= moved.index.get_level_values(name) == labelled[name]
    return inside


def _cuboid(cells: pd.DataFrame, shape: CubeShape, margin: tuple[str, ...]) -> pd.DataFrame:
    mine = np.ones(len(cells), dtype=bool)
    for name in shape.dimensions:
        mine &= (cells[name] != ALL).to_numpy() == (name in margin)
    return cells[mine]


def _as_known(whole: pd.DataFrame, known: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """``whole``, with each cell whose sums are those in ``known`` as it is there, people too."""
    keys = list(shape.dimensions)
    new, old = whole.set_index(keys), known.set_index(keys)
    both = new.index.intersection(old.index)
    values = list(shape.values)
    same = both[(new.loc[both, values] == old.loc[both, values]).all(axis=1).to_numpy()]
    new.loc[same] = old.loc[same, list(new.columns)]
    return in_order(new.reset_index(), shape)


def _same(cells: pd.DataFrame, other: pd.DataFrame, shape: CubeShape) -> bool:
    names = [*shape.dimensions, *shape.values]
    here, there = (in_order(frame, shape)[names] for frame in (cells, other))
    return len(here) == len(there) and bool((here.to_numpy() == there.to_numpy()).all())


def _differing(cube: pd.DataFrame, shown: pd.DataFrame, shape: CubeShape) -> int:
    """How many base cells are not shown as they are."""
    keys, values = list(shape.dimensions), list(shape.values)
    true, told = (
        base_cells(checked(_numbers(cells), shape), shape).set_index(keys)[values]
        for cells in (cube, shown)
    )
    places = true.index.union(told.index)
    gap = true.reindex(places).fillna(0) != told.reindex(places).fillna(0)
    return int(gap.any(axis=1).sum())
