"""Adding up cubes of different persons, and bringing sums to the units they are published in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from anonymizers.cubes.cells import (
    LARGEST,
    ROWS,
    SUBJECTS,
    SUBJECTS_AT_MOST,
    CubeShape,
    checked,
    in_order,
)


def of_different_persons(cubes: Sequence[pd.DataFrame], shape: CubeShape) -> pd.DataFrame:
    """One cube of several, none of which has a person of another: persons add up, cell by cell.

    Margins add up as base cells do; a part that lacks them makes them incomplete.
    """
    together = pd.concat([checked(cube, shape) for cube in cubes], ignore_index=True)
    groups = together.groupby(list(shape.dimensions), sort=False, observed=True)
    merged = groups[[SUBJECTS, SUBJECTS_AT_MOST, ROWS, *shape.measures]].sum()
    for name in shape.largest:
        merged[name] = groups[name].max()
    return in_order(merged.reset_index()[[*shape.dimensions, *shape.numbers]], shape)


def in_published_units(
    cube: pd.DataFrame, shape: CubeShape, ratios: Mapping[str, int]
) -> pd.DataFrame:
    """Measures of ``cube`` in coarser units: ``ratios`` has how many fine ones make one, by name.

    Sums are rounded half to even, the largest contributions up.
    """
    cells = cube.copy()
    for name in shape.measures:
        ratio = ratios[name]
        cells[name] = _rounded(cells[name].to_numpy("int64"), ratio)
        largest = cells[LARGEST + name].to_numpy("int64")
        cells[LARGEST + name] = -(-largest // ratio)
    return cells


def _rounded(values: np.ndarray, ratio: int) -> np.ndarray:
    whole, rest = np.divmod(values, ratio)
    up = (rest * 2 > ratio) | ((rest * 2 == ratio) & (whole % 2 == 1))
    return np.asarray(whole + up, dtype=np.int64)
