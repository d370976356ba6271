"""Which cells of a cube may be published: not the small ones, nor what would give them away.

*Primary*: a cell of fewer people than the threshold, or one whose sum (or rows) comes for the
greater part from one person (the dominance rule of official statistics: France hides a cell of
fewer than three enterprises, or of one that makes 85 % of it). *Secondary*: cells hidden because
a primary one could be computed from them. A hidden cell shows none of its numbers.

What a reader can still bound is kept wide (``reader``, ``hiding``):

- the rows of a primary cell have at least ``threshold`` possible values, of which the highest is
  ``threshold`` or more: nobody can say that it is small;
- a measure of a primary cell, and any value that one person dominates, may be
  ``1 / dominance - 1`` (a quarter) above and below the true one;
- no other hidden cell is determined;
- where a person can be in several cells, what is hidden of a published sum has a crowd in it.

Zeros are not hidden: a combination that is absent counts nobody, and says so. The reader is
taken to know it, so that a hidden cell, which is listed, counts somebody. That all of a group
are in one cell is a disclosure of another kind (``attacks_cubes``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from anonymizers.cubes.cells import (
    ALL,
    LARGEST,
    MISSING,
    ROWS,
    SUBJECTS,
    CubeError,
    CubeShape,
    checked,
    in_order,
)
from anonymizers.cubes.hiding import Mask, Unprotectable, Wanted, choose
from anonymizers.cubes.reader import PRIMARY, PUBLISHED, SECONDARY, STATUS, sums_of

__all__ = [
    "ALL",
    "MISSING",
    "PRIMARY",
    "PUBLISHED",
    "SECONDARY",
    "STATUS",
    "SUPPRESSED",
    "Unprotectable",
    "blanked",
    "decide",
    "for_publication",
    "protect",
]

SUPPRESSED = "suppressed"
"""What readers are told of primary and secondary cells alike."""

_RELATIVE_ROOM = 0.25
"""``1 / 0.8 - 1``: the room where no dominance is declared."""


def protect(
    cube: pd.DataFrame, shape: CubeShape, threshold: int, *, dominance: float | None = 0.8
) -> pd.DataFrame:
    """The cube with a column ``status``; hidden cells are blank (pd.NA in every number).

    ``cube`` holds base cells and margins (``cubes.with_margins``). For a first release; one
    that has predecessors goes through ``sticky.next_release``. Errors: CubeError.
    """
    return blanked(decide(cube, shape, threshold, dominance=dominance), shape)


def decide(
    cube: pd.DataFrame,
    shape: CubeShape,
    threshold: int,
    *,
    dominance: float | None = 0.8,
    history: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """The cube with a ``status`` and every number still there: RESTRICTED.

    ``history``: what this function returned for earlier published releases, oldest first.
    Errors: CubeError; Unprotectable where earlier releases have told too much.
    """
    if threshold < 2:
        raise CubeError("a threshold below 2 protects nobody")
    if dominance is not None and not 0.5 < dominance < 1:
        raise CubeError("dominance is a share above one half and below 1")
    cells = in_order(checked(cube, shape), shape)
    if not len(cells):
        return cells.assign(**{STATUS: pd.Series(dtype="str")})
    _refuse_missing_margins(cells, shape)
    sums = sums_of(cells, shape, history)
    primary = np.array([one.primary and not one.told for one in sums.listed], dtype=bool)
    small, dominated = _primary(cells, shape, threshold, dominance)
    primary[np.array(sums.current)[small]] = True
    room = _RELATIVE_ROOM if dominance is None else 1 / dominance - 1
    by_sum: dict[str, Mask] = {}
    for name in shape.values:
        by_sum[name] = np.zeros(len(primary), dtype=bool)
        by_sum[name][np.array(sums.current)[dominated[name]]] = True
    hidden = choose(sums, shape, primary, Wanted(threshold, room, by_sum))
    status = np.where(hidden, np.where(primary, PRIMARY, SECONDARY), PUBLISHED)
    return cells.assign(**{STATUS: pd.Series(status[sums.current], dtype="str")})


def _primary(
    cells: pd.DataFrame, shape: CubeShape, threshold: int, dominance: float | None
) -> tuple[Mask, dict[str, Mask]]:
    """Which cells may not be published for their own sake; by column, where one person is why."""
    small = (cells[SUBJECTS] < threshold).to_numpy(dtype=bool)
    dominated = {name: np.zeros(len(cells), dtype=bool) for name in shape.values}
    for name in shape.values if dominance is not None else ():
        if name == ROWS and shape.one_row_each:
            continue
        largest = cells[LARGEST + name].to_numpy()
        whole = np.abs(cells[name].to_numpy())
        dominated[name] = (largest > 0) & (largest >= dominance * whole)
        small = small | dominated[name]
    return small, dominated


def blanked(state: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """``state`` without the numbers of its hidden cells."""
    shown = state[STATUS] == PUBLISHED
    numbers = {name: state[name].astype("Int64").where(shown) for name in shape.numbers}
    return state.assign(**numbers)


def for_publication(protected: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """What analysts get: dimensions, ``subjects``, ``rows``, measures, ``status``.

    ``status`` is ``published`` or ``suppressed``: which cell was small and which one covers it
    is not told. The bounds that serve protection are left out. In canonical order.
    """
    told = blanked(protected, shape)
    told[STATUS] = told[STATUS].where(told[STATUS] == PUBLISHED, SUPPRESSED)
    return in_order(told[[*shape.dimensions, SUBJECTS, *shape.values, STATUS]], shape)


def _refuse_missing_margins(cells: pd.DataFrame, shape: CubeShape) -> None:
    kept = [(cells[name] != ALL).to_numpy() for name in shape.dimensions]
    kinds = {
        tuple(name for name, there in zip(shape.dimensions, row, strict=True) if there)
        for row in np.column_stack(kept)
    }
    if kinds != {shape.dimensions, *shape.margins}:
        raise CubeError("a cube lacks margins, or has others than declared: see with_margins")
