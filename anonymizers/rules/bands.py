"""Numbers generalised to bands: ages, amounts, durations.

A band holds its lower edge and not its upper one. Edges are exact decimals, and a float is the
decimal it is written as: 0.3 lies in [0.3, 0.4), whatever 3 * 0.1 may be.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.distinct import Places
from anonymizers.hierarchies import EVERYTHING, HierarchyError
from anonymizers.rules.labelling import DistinctRule

Number = int | float | Decimal | str

_TEXT = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,3})?|Infinity)", re.ASCII)
_FURTHEST = 400
"""Powers of ten beyond any float: a text that names such a number is a fault."""
_EXACT_DIGITS = {2: 3, 4: 6, 8: 15, 16: 15}
"""Decimal digits that a float of so many bytes can always hold (IEEE 754)."""


@dataclass(frozen=True)
class _Grid:
    """The bands of one level, in units of 10**-digits: by cuts, or by steps between two ends."""

    digits: int
    cuts: tuple[int, ...] = ()
    origin: int = 0
    step: int = 0
    low: int | None = None
    high: int | None = None
    whole: bool = False

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """The numbers of the lowest band and of the highest; ``None``: there is no end."""
        if self.cuts:
            return 0, len(self.cuts)
        low = None if self.low is None else (self.low - self.origin) // self.step - 1
        return low, None if self.high is None else (self.high - self.origin) // self.step

    def band(self, number: Decimal) -> int | None:
        """The band of a number; ``None`` for an infinity beyond which no band lies open."""
        low, high = self.bounds
        if number.is_infinite():
            return low if number < 0 else high
        units = _floor_units(number, self.digits)
        if self.cuts:
            return bisect_right(self.cuts, units)
        band = (units - self.origin) // self.step
        return (
            band if low is None else max(band, low) if high is None else min(max(band, low), high)
        )

    def edge(self, band: int) -> int:
        """The lower edge of a band, in units."""
        return self.cuts[band - 1] if self.cuts else self.origin + band * self.step

    def label(self, band: int) -> str:
        low, high = self.bounds
        if band == low:
            return f"< {self._text(self.edge(band + 1))}"
        if band == high:
            return f">= {self._text(self.edge(band))}"
        first, end = self.edge(band), self.edge(band + 1)
        if self.whole:
            return f"{first}-{end - 1}" if first >= 0 else f"{first} to {end - 1}"
        return f"[{self._text(first)}, {self._text(end)})"

    def _text(self, units: int) -> str:
        return _plain(units, self.digits)


@dataclass(frozen=True, init=False)
class ByBands(DistinctRule):
    """Bands between ``edges``, or of a ``width``: "[18, 25)", below them "< 18", above ">= 65".

    ``edges`` leave both ends open and make one level, "band". ``width`` counts from ``origin``
    and may be several widths, each a multiple of the one before: then the levels are "band 5",
    "band 10" … ``low`` and ``high``, on edges of the widest, open the ends there.
    ``whole=True`` is for whole numbers: bands are called "18-24". A text that is no number is
    ``UNKNOWN``, and so is an infinity where the end is not open.
    """

    grids: tuple[_Grid, ...]
    band_names: tuple[str, ...]

    def __init__(
        self,
        edges: Sequence[Number] | None = None,
        *,
        width: Number | Sequence[Number] | None = None,
        origin: Number = 0,
        low: Number | None = None,
        high: Number | None = None,
        whole: bool = False,
    ) -> None:
        if (edges is None) == (width is None):
            raise HierarchyError("bands are declared either by their edges or by their width")
        if edges is not None:
            if (origin, low, high) != (0, None, None):
                raise HierarchyError("bands between edges have no origin, low or high end")
            grids, names = [_between([_exact(edge) for edge in edges], whole=whole)], ["band"]
        else:
            one = [width] if isinstance(width, (int, float, Decimal, str)) else None
            widths = [_exact(each) for each in one or width or ()]  # type: ignore[union-attr]
            ends = tuple(None if end is None else _exact(end) for end in (low, high))
            grids = _steps(widths, _exact(origin), ends, whole=whole)
            names = ["band"] if one else [f"band {_canonical(each)}" for each in widths]
        object.__setattr__(self, "grids", tuple(grids))
        object.__setattr__(self, "band_names", tuple(names))

    @property
    def levels(self) -> tuple[str, ...]:
        return ("value", *self.band_names, EVERYTHING)

    def _labelled(self, values: pd.Series[Any], at: int) -> tuple[Places, Sequence[str]]:
        kind = getattr(values.dtype, "kind", "O")
        if kind in "bmM":
            raise HierarchyError(f"{values.name}: a column of {values.dtype} has no bands")
        if at > 0 and isinstance(values.dtype, np.dtype):
            if kind == "f":
                return self._labelled_floats(values.to_numpy(), at)
            bands = (
                _bands_of_integers(values.to_numpy(), self.grids[at - 1]) if kind in "iu" else None
            )
            if bands is not None:
                places, uniques = pd.factorize(bands)
                return places, [self.grids[at - 1].label(int(band)) for band in uniques]
        return super()._labelled(values, at)

    def _labelled_floats(self, numbers: npt.NDArray[Any], at: int) -> tuple[Places, Sequence[str]]:
        grid, missing = self.grids[at - 1], np.isnan(numbers)
        # Decimals of so few digits and floats of this size are one to one.
        exactly = _EXACT_DIGITS[numbers.dtype.itemsize]
        near = np.abs(numbers.astype(np.float64)) < 10.0 ** (exactly - grid.digits)
        places, uniques = pd.factorize(_bands_of_floats(np.where(near, numbers, 0), grid))
        labels = [grid.label(int(band)) for band in uniques]
        far = ~near & ~missing
        if far.any():
            far_places, far_numbers = pd.factorize(numbers[far])
            places[far] = far_places + len(labels)
            labels += [self._label_of(number, at) for number in far_numbers]
        places[missing] = -1
        return places, labels

    def _path(self, value: object) -> Sequence[str] | None:
        number = _number(value)
        if number is None:
            return None
        bands = [grid.band(number) for grid in self.grids]
        labels = [
            grid.label(band)
            for grid, band in zip(self.grids, bands, strict=True)
            if band is not None
        ]
        return (_canonical(number), *labels) if len(labels) == len(self.grids) else None

    def _vocabulary(self, level: str) -> frozenset[str] | None:
        if level == "value":
            return None
        grid = self.grids[self.levels.index(level) - 1]
        low, high = grid.bounds
        if low is None or high is None:
            return None
        return frozenset(grid.label(band) for band in range(low, high + 1))


def _between(edges: Sequence[Decimal], *, whole: bool) -> _Grid:
    if not edges or any(first >= second for first, second in pairwise(edges)):
        raise HierarchyError("the edges of bands must be there, and rise")
    digits = _digits(edges)
    if whole and digits:
        raise HierarchyError("bands of whole numbers have whole edges")
    return _Grid(digits, cuts=tuple(_floor_units(edge, digits) for edge in edges), whole=whole)


def _steps(
    widths: Sequence[Decimal],
    origin: Decimal,
    ends: Sequence[Decimal | None],
    *,
    whole: bool,
) -> list[_Grid]:
    digits = _digits([*widths, origin, *(end for end in ends if end is not None)])
    steps = [_floor_units(width, digits) for width in widths]
    start = _floor_units(origin, digits)
    low, high = (None if end is None else _floor_units(end, digits) for end in ends)
    if not steps or steps[0] <= 0:
        raise HierarchyError("the width of bands is a number above 0")
    if any(second % first or second == first for first, second in pairwise(steps)):
        raise HierarchyError("each width of bands is a multiple of the one before")
    if any(end is not None and (end - start) % steps[-1] for end in (low, high)):
        raise HierarchyError("the low and the high end of bands lie on edges of the widest")
    if low is not None and high is not None and low >= high:
        raise HierarchyError("the low end of bands lies below the high one")
    if whole and digits:
        raise HierarchyError("bands of whole numbers have whole edges")
    return [_Grid(digits, (), start, step, low, high, whole) for step in steps]


def _bands_of_integers(numbers: npt.NDArray[Any], grid: _Grid) -> npt.NDArray[np.int64] | None:
    """Bands of whole numbers, ``None`` where 64 bits could overflow."""
    scale = 10**grid.digits
    ends = (numbers.min(), numbers.max()) if len(numbers) else ()
    largest = max((abs(int(end)) for end in ends), default=0)
    furthest = max(abs(grid.origin), grid.step, *map(abs, grid.cuts), 0)
    if largest * scale + furthest >= 2**62:
        return None
    units = numbers.astype(np.int64) * scale
    if grid.cuts:
        cuts = np.array(grid.cuts, dtype=np.int64)
        bands: npt.NDArray[np.int64] = np.searchsorted(cuts, units, side="right")
        return bands
    return _within((units - grid.origin) // grid.step, grid)


def _bands_of_floats(numbers: npt.NDArray[Any], grid: _Grid) -> npt.NDArray[np.int64]:
    """Bands of finite floats that are one to one with their decimals, exact at the edges.

    Such a float is at or above a decimal edge just if it is at or above the float nearest to
    that edge: rounding is monotone.
    """
    scale = 10**grid.digits
    if grid.cuts:
        cuts = np.array([cut / scale for cut in grid.cuts], dtype=numbers.dtype)
        return np.searchsorted(cuts, numbers, side="right").astype(np.int64)
    near = np.floor((numbers.astype(np.float64) * scale - grid.origin) / grid.step)
    bands = near.astype(np.int64)
    # The division may be off by one band: the edges themselves decide.
    uniques, places = np.unique(bands, return_inverse=True)
    lower, upper = (
        np.array([grid.edge(int(band) + above) / scale for band in uniques], dtype=numbers.dtype)
        for above in (0, 1)
    )
    bands = bands - (numbers < lower[places]) + (numbers >= upper[places])
    return _within(bands, grid)


def _within(bands: npt.NDArray[np.int64], grid: _Grid) -> npt.NDArray[np.int64]:
    low, high = grid.bounds
    return bands if low is None and high is None else np.clip(bands, low, high)


def _number(value: object) -> Decimal | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, (int, float, np.integer, np.floating)):
        number = Decimal(str(value))
    elif isinstance(value, str) and _TEXT.fullmatch(value.strip()):
        number = Decimal(value.strip())
    else:
        return None
    if number.is_nan() or (number.is_finite() and number and abs(number.adjusted()) > _FURTHEST):
        return None
    return number


def _exact(value: Number) -> Decimal:
    number = _number(value)
    if number is None or number.is_infinite():
        raise HierarchyError("an edge or a width of bands is a finite number")
    return number


def _parts(number: Decimal) -> tuple[int, int]:
    """The whole number and the power of ten whose product is ``number``, exactly."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits)) or "0")
    return (-whole if sign else whole), int(exponent)


def _digits(numbers: Sequence[Decimal]) -> int:
    """Decimals needed to write all ``numbers`` exactly."""
    return max((max(0, -_parts(_shortest(number))[1]) for number in numbers), default=0)


def _shortest(number: Decimal) -> Decimal:
    return Decimal(_canonical(number))


def _floor_units(number: Decimal, digits: int) -> int:
    """The greatest whole number of units of 10**-digits that is not above ``number``."""
    whole, exponent = _parts(number)
    power = exponent + digits
    return int(whole * 10**power if power >= 0 else whole // 10**-power)


def _canonical(number: Decimal) -> str:
    """One text for equal numbers, without exponent: 7, 7.0 and 7E0 are "7"."""
    if number.is_infinite():
        return "Infinity" if number > 0 else "-Infinity"
    whole, exponent = _parts(number)
    return _plain(whole * 10**exponent, 0) if exponent >= 0 else _plain(whole, -exponent)


def _plain(units: int, digits: int) -> str:
    sign, figures = "-" if units < 0 else "", str(abs(units)).zfill(digits + 1)
    if not digits:
        return sign + figures
    return (sign + figures[:-digits] + "." + figures[-digits:]).rstrip("0").rstrip(".")
