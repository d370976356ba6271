"""Cubes: counts of people and sums of what they did, by cell. Exact, in whole units.

A cube is a frame with one row a cell: a column of labels for each dimension, and numbers.

==================  ==========================================================================
``subjects``        at least so many different people are in the cell (a lower bound: of
                    people who have left, the accumulators know no more)
``subjects_at_most``  at most so many are (``rows`` where nothing better is known)
``rows``            records, exact
a measure           the sum of its values, exact, in units of the declared rounding
``largest_rows``,   no single person adds more rows than this, or more to the sum (in absolute
``largest_<m>``     value); an upper bound
==================  ==========================================================================

A margin cell has ``ALL`` in the dimensions it sums over. A combination that is absent counts
nobody. What may be *published* of a cube is decided elsewhere (suppression, sticky, noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

import numpy as np
import pandas as pd

ALL = "(all)"
"""The label of a dimension that a margin cell sums over."""
MISSING = "(missing)"
"""The label of a value that is not there."""

SUBJECTS = "subjects"
SUBJECTS_AT_MOST = "subjects_at_most"
ROWS = "rows"
LARGEST = "largest_"

_LARGEST_SUM = 2**62


class CubeError(ValueError):
    """A cube, or what it is to be made of, is not what it must be. Names columns and counts."""


@dataclass(frozen=True)
class CubeShape:
    """What a cube is made of.

    ``margins`` are the sub-cubes published beside the base cells, each named by the dimensions
    it keeps; ``()`` is the grand total. ``one_row_each`` declares that a subject has one row
    (a table of customers, not of their connections): subjects then add up over cells, and
    active and departed people are never the same.
    """

    dimensions: tuple[str, ...]
    measures: tuple[str, ...] = ()
    margins: tuple[tuple[str, ...], ...] = ()
    one_row_each: bool = False

    def __post_init__(self) -> None:
        reserved = {SUBJECTS, SUBJECTS_AT_MOST, ROWS, "status", LARGEST + ROWS}
        names = [*self.dimensions, *self.measures]
        if not self.dimensions:
            raise CubeError("a cube needs a dimension")
        if len(set(names)) < len(names):
            raise CubeError("a cube names a dimension or a measure twice")
        if wrong := sorted(name for name in names if name in reserved or name.startswith(LARGEST)):
            raise CubeError(f"a cube cannot call a dimension or a measure {wrong[0]!r}")
        for margin in self.margins:
            if margin != tuple(name for name in self.dimensions if name in margin):
                raise CubeError("a margin keeps dimensions of its cube, in the cube's order")
            if margin == self.dimensions:
                raise CubeError("a margin that keeps every dimension is the cube itself")
        if len(set(self.margins)) < len(self.margins):
            raise CubeError("a cube names a margin twice")

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that add up from cells to margins."""
        return (ROWS, *self.measures)

    @property
    def largest(self) -> tuple[str, ...]:
        return tuple(LARGEST + name for name in self.values)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every column of a cube that is not a dimension."""
        return (SUBJECTS, SUBJECTS_AT_MOST, *self.values, *self.largest)


def in_units(values: pd.Series, unit: Decimal) -> pd.Series:
    """``values`` as whole numbers of ``unit``, rounded half to even; nothing counts nothing.

    Numbers, decimals or decimal text. What is no finite number counts 0, as accumulators do.
    """
    if unit <= 0:
        raise CubeError(f"{values.name}: a rounding unit must be positive")
    if pd.api.types.is_integer_dtype(values.dtype) and unit == 1:
        return values.fillna(0).astype("int64")
    if pd.api.types.is_float_dtype(values.dtype):
        amounts = np.rint(values.to_numpy("float64", na_value=np.nan) / float(unit))
        amounts[~np.isfinite(amounts)] = 0
        _refuse_large(str(values.name), float(np.abs(amounts).sum()))
        return pd.Series(amounts.astype("int64"), index=values.index, name=values.name)
    distinct, inverse = np.unique(values.astype(object).map(str).to_numpy(), return_inverse=True)
    units = [_units(text, unit) for text in distinct]
    _refuse_large(str(values.name), float(max((abs(number) for number in units), default=0)))
    # Taking from an empty array needs a dtype, and `distinct` is empty where `values` is.
    amounts = np.array(units, dtype="int64")[inverse]
    return pd.Series(amounts, index=values.index, name=values.name)


def _units(text: str, unit: Decimal) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return 0
    if not number.is_finite():
        return 0
    return int((number / unit).to_integral_value(ROUND_HALF_EVEN))


def aggregate(frame: pd.DataFrame, shape: CubeShape, subject: str) -> pd.DataFrame:
    """Base cells and margins of ``frame`` (a record a row), people counted exactly.

    Dimensions hold labels (already generalised); measures hold whole units (``in_units``);
    ``subject`` identifies the person and is never missing. Errors: CubeError.
    """
    data = _records(frame, shape, subject)
    persons = _by_person(data, shape, [*shape.dimensions, "_subject"])
    parts = [_cells(persons, shape, list(shape.dimensions))]
    for margin in shape.margins:
        regrouped = _by_person(persons, shape, [*margin, "_subject"])
        parts.append(_cells(regrouped, shape, list(margin)))
    return in_order(pd.concat(parts, ignore_index=True), shape)


def _records(frame: pd.DataFrame, shape: CubeShape, subject: str) -> pd.DataFrame:
    absent = [
        name for name in (*shape.dimensions, *shape.measures, subject) if name not in frame.columns
    ]
    if absent:
        raise CubeError(f"no column {absent[0]!r} to make a cube of")
    if without := int(frame[subject].isna().sum()):
        raise CubeError(f"{subject}: {without} rows belong to nobody")
    if shape.one_row_each and not frame[subject].is_unique:
        raise CubeError(f"{subject}: some people have more than one row")
    data = pd.DataFrame({name: labels(frame[name]) for name in shape.dimensions})
    data["_subject"] = pd.factorize(frame[subject])[0]
    data[ROWS] = 1
    data["_largest_" + ROWS] = 1
    for name in shape.measures:
        if not pd.api.types.is_integer_dtype(frame[name].dtype) or frame[name].isna().any():
            raise CubeError(f"{name}: a measure holds whole units, and never nothing")
        data[name] = frame[name].to_numpy("int64")
        data["_largest_" + name] = data[name].abs()
        _refuse_large(name, float(data["_largest_" + name].astype("float64").sum()))
    return data


def labels(values: pd.Series) -> pd.Series:
    """A dimension's labels: text, ``MISSING`` for nothing, never ``ALL``."""
    # Nothing may be a category of its own or None in an object column: fill after `astype`.
    texts = values.astype("str").where(values.notna(), MISSING).astype("str")
    if (texts == ALL).any():
        raise CubeError(f"{values.name}: {ALL!r} is the label of margins")
    return texts


def _by_person(data: pd.DataFrame, shape: CubeShape, keys: list[str]) -> pd.DataFrame:
    names = [name for value in shape.values for name in (value, "_largest_" + value)]
    return data.groupby(keys, sort=False, observed=True)[names].sum().reset_index()


def _cells(persons: pd.DataFrame, shape: CubeShape, kept: list[str]) -> pd.DataFrame:
    """Cells over the dimensions ``kept``; ``persons`` has one row a person and cell."""
    # The grand total groups by a constant.
    keys: list[str] = kept or ["_total"]
    groups = persons.assign(_total=0).groupby(keys, sort=False, observed=True)
    cells = groups[list(shape.values)].sum()
    cells[SUBJECTS] = groups.size()
    cells[SUBJECTS_AT_MOST] = cells[SUBJECTS]
    for value in shape.values:
        cells[LARGEST + value] = groups["_largest_" + value].max()
    return _arranged(cells.reset_index(), shape)


def _arranged(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """The columns of a cube in their order, ``ALL`` in the dimensions that are not there."""
    here = {name: cells[name] for name in shape.dimensions if name in cells.columns}
    spread = {
        name: here.get(name, pd.Series(ALL, index=cells.index)).astype("str")
        for name in shape.dimensions
    }
    numbers = {name: cells[name].astype("int64") for name in shape.numbers}
    return pd.DataFrame({**spread, **numbers})


def checked(cube: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """``cube`` with every column of a cube, bounds filled in where they were not known.

    ``largest_<m>`` that is not known is as bad as it can be: the whole of the sum (which
    supposes that the measure has one sign). Cells without rows are left out. Errors: CubeError.
    """
    for name in (*shape.dimensions, SUBJECTS, *shape.values):
        if name not in cube.columns:
            raise CubeError(f"a cube without a column {name!r}")
    cells = cube.reset_index(drop=True)
    for name in (SUBJECTS, *shape.values):
        if cells[name].isna().any():
            raise CubeError(f"{name}: a cell without a number")
    if (cells[ROWS] < 0).any() or (cells[SUBJECTS] < 0).any():
        raise CubeError("a cell counts fewer than nobody")
    cells = cells[cells[ROWS] > 0].reset_index(drop=True)
    if cells.duplicated(list(shape.dimensions)).any():
        raise CubeError("a cube has a cell twice")
    if (cells[SUBJECTS] > cells[ROWS]).any():
        raise CubeError("a cell counts more people than rows")
    # Where there is a row, there is somebody.
    cells[SUBJECTS] = cells[SUBJECTS].clip(lower=1)
    at_most = cells.get(SUBJECTS_AT_MOST, pd.Series(pd.NA, index=cells.index, dtype="Int64"))
    cells[SUBJECTS_AT_MOST] = at_most.fillna(cells[ROWS])
    for value in shape.values:
        whole = cells[value].abs()
        if shape.one_row_each and value == ROWS:
            whole = whole.clip(upper=1)
        given = cells.get(LARGEST + value, pd.Series(pd.NA, index=cells.index, dtype="Int64"))
        cells[LARGEST + value] = given.fillna(whole)
    return _arranged(cells, shape)


def combine(cubes: Sequence[pd.DataFrame], shape: CubeShape) -> pd.DataFrame:
    """One cube of several that count different *rows*: active ones, and accumulators.

    Rows and sums add up exactly. People add up only where each has one row
    (``shape.one_row_each``: one is active or has left, not both); otherwise someone may be in
    both parts, so that the larger lower bound is the bound of the whole. Where one part has a
    margin and another lacks it, the margin is incomplete: ``with_margins`` mends that.
    """
    parts = [checked(cube, shape) for cube in cubes]
    together = pd.concat(parts, ignore_index=True)
    return in_order(_merged(together, shape, list(shape.dimensions), kept=shape.dimensions), shape)


def _merged(
    cells: pd.DataFrame, shape: CubeShape, keys: list[str], *, kept: Sequence[str]
) -> pd.DataFrame:
    groups = cells.assign(_total=0).groupby(keys or ["_total"], sort=False, observed=True)
    merged = groups[[*shape.values, SUBJECTS_AT_MOST]].sum()
    people = groups[SUBJECTS]
    merged[SUBJECTS] = people.sum() if shape.one_row_each else people.max()
    for name in shape.largest:
        # Who is in two cells may add to both.
        merged[name] = groups[name].max() if shape.one_row_each else groups[name].sum()
    for name in shape.values:
        _refuse_large(name, float(cells[name].abs().astype("float64").sum()))
    merged = merged.reset_index()
    return _arranged(merged[[*kept, *shape.numbers]], shape)


def with_margins(cube: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """``cube`` with its declared margins, computed from the base cells.

    Rows and sums of a margin are those of its cells. Its people are at least those of its
    largest cell (all of them added up where each has one row only), or what the cube says
    already: ``aggregate`` has counted the active ones exactly. Margins not declared are left out.
    """
    cells = checked(cube, shape)
    base = base_cells(cells, shape)
    given = cells.drop(index=base.index)
    parts = [base]
    # From fine to coarse: the bounds of a finer margin bound the coarser one.
    for margin in sorted(shape.margins, key=len, reverse=True):
        sources = [part for part in parts if _keeps(part, shape, margin)]
        merged = [_merged(part, shape, list(margin), kept=margin) for part in sources]
        parts.append(_tightest([*merged], given, shape))
    return in_order(pd.concat(parts, ignore_index=True), shape)


def _keeps(part: pd.DataFrame, shape: CubeShape, margin: tuple[str, ...]) -> bool:
    kept = cuboid(part, shape) if len(part) else shape.dimensions
    return set(margin) <= set(kept)


def cuboid(part: pd.DataFrame, shape: CubeShape) -> tuple[str, ...]:
    """The dimensions that the first cell of ``part`` keeps; a part holds one kind of cell."""
    first = part.iloc[0]
    return tuple(name for name in shape.dimensions if first[name] != ALL)


def _tightest(merged: list[pd.DataFrame], given: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """Bounds that hold from several sides: the best of each."""
    keys = list(shape.dimensions)
    margin = merged[0].set_index(keys)
    for other in merged[1:]:
        _tighten(margin, other.set_index(keys).reindex(margin.index), shape)
    known = given.set_index(keys).reindex(margin.index)
    # A margin that covers a part of the rows only (the active ones) is no upper bound.
    whole = known[ROWS] == margin[ROWS]
    known[SUBJECTS_AT_MOST] = known[SUBJECTS_AT_MOST].where(whole)
    for name in shape.largest:
        known[name] = known[name].where(whole)
    _tighten(margin, known, shape)
    return _arranged(margin.reset_index(), shape)


def _tighten(margin: pd.DataFrame, other: pd.DataFrame, shape: CubeShape) -> None:
    margin[SUBJECTS] = np.fmax(margin[SUBJECTS], other[SUBJECTS]).astype("int64")
    for name in (SUBJECTS_AT_MOST, *shape.largest):
        margin[name] = np.fmin(margin[name], other[name]).astype("int64")


def base_cells(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """The cells that are no margins, with the index they had."""
    inner = np.ones(len(cells), dtype=bool)
    for name in shape.dimensions:
        inner &= (cells[name] != ALL).to_numpy(dtype=bool)
    return cells[inner]


def in_order(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    """Canonical order: by the labels, code point by code point. Says nothing of insertion."""
    return cells.sort_values(list(shape.dimensions), kind="stable", ignore_index=True)


def _refuse_large(name: str, total: float) -> None:
    if not total < _LARGEST_SUM:
        raise CubeError(f"{name}: the sum does not fit; declare a coarser rounding")
