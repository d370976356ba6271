"""Columns as ordered axes: a class covers a stretch of each, and a stretch has a label and a loss.

The leaves of a hierarchy stand in the order of its tree, so that every label covers a stretch
and the least common label of a stretch is that of its two ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy
from anonymizers.recoding.integer_keys import Ints

Floats = npt.NDArray[np.float64]


class Axis(Protocol):
    """One quasi-identifier. ``places`` counts the places on it; codes of a column are places."""

    @property
    def column(self) -> str: ...

    @property
    def places(self) -> int: ...

    @property
    def halved(self) -> bool:
        """Whether a part is cut in two halves, rather than into the branches of its label."""

    def encode(self, values: pd.Series[Any]) -> Ints:
        """The place of each row's value."""

    def labels(self, low: Ints, high: Ints) -> Ints:
        """The label of each stretch, as a number: equal numbers are equal labels."""

    def stretch(self, label: Ints) -> tuple[Ints, Ints]:
        """The first and last place under each label."""

    def branch(self, label: Ints, place: Ints) -> Ints:
        """In which of its label's branches each place is, rising with the place.

        The branches are what a label can be parted into: the labels below it, the numbers.
        """

    def loss(self, label: Ints) -> Floats:
        """The normalised certainty penalty of each label, in [0, 1]."""

    def texts(self, label: Ints) -> list[str]:
        """What stands in a released cell."""


@dataclass(frozen=True, eq=False)
class CategoryAxis:
    """The leaves of a hierarchy. A label is its lowest level with exactly these leaves."""

    hierarchy: Hierarchy

    halved = False

    @property
    def column(self) -> str:
        return self.hierarchy.column

    @property
    def places(self) -> int:
        return len(self.hierarchy.labels[0])

    @cached_property
    def size(self) -> int:
        """How many labels there are on all levels together."""
        return sum(map(len, self.hierarchy.labels))

    @cached_property
    def order(self) -> Ints:
        """The leaf code at each place."""
        return np.lexsort(self.hierarchy.codes)

    @cached_property
    def place(self) -> Ints:
        """The place of each leaf code."""
        place = np.empty(self.places, dtype=np.int32)
        place[self.order] = np.arange(self.places)
        return place

    @cached_property
    def levels(self) -> tuple[Ints, ...]:
        """On each level the label number at each place."""
        offsets = np.cumsum([0, *(len(labels) for labels in self.hierarchy.labels)])
        return tuple(
            (codes[self.order] + offset).astype(np.int32)
            for codes, offset in zip(self.hierarchy.codes, offsets[:-1], strict=True)
        )

    def encode(self, values: pd.Series[Any]) -> Ints:
        return self.place[self.hierarchy.encode(values)]

    def labels(self, low: Ints, high: Ints) -> Ints:
        found = self.levels[-1][low].copy()
        for level in self.levels[-2::-1]:
            ends = level[low]
            np.copyto(found, ends, where=ends == level[high])
        return found

    @cached_property
    def _stretches(self) -> tuple[Ints, Ints]:
        low, high = np.zeros(self.size, dtype=np.int32), np.zeros(self.size, dtype=np.int32)
        for level in self.levels:
            high[level] = np.arange(self.places)
            low[level[::-1]] = np.arange(self.places)[::-1]
        return low, high

    def stretch(self, label: Ints) -> tuple[Ints, Ints]:
        low, high = self._stretches
        return low[label], high[label]

    @cached_property
    def _level_of(self) -> Ints:
        found = np.zeros(self.size, dtype=np.int32)
        for number, level in enumerate(self.levels):
            found[level] = number
        return found

    def branch(self, label: Ints, place: Ints) -> Ints:
        below = np.maximum(self._level_of[label] - 1, 0)
        return np.asarray(self._all_levels[below, place])

    @cached_property
    def _all_levels(self) -> Ints:
        return np.array(self.levels)

    @cached_property
    def _losses(self) -> Floats:
        return np.concatenate([self.hierarchy.ncp(at) for at in range(self.hierarchy.depth)])

    def loss(self, label: Ints) -> Floats:
        return self._losses[label]

    @cached_property
    def _texts(self) -> list[str]:
        return [text for labels in self.hierarchy.labels for text in labels]

    def texts(self, label: Ints) -> list[str]:
        return [self._texts[number] for number in label]


@dataclass(frozen=True, eq=False)
class NumberAxis:
    """The distinct numbers of a column in rising order, nulls last; a label is a range.

    The loss of a range is its width over that of the column; a range with nulls is ``*``.
    """

    column: str
    numbers: npt.NDArray[Any]

    halved = True

    @classmethod
    def of(cls, values: pd.Series[Any]) -> NumberAxis:
        """The axis of the numbers met. Raises ``ValueError`` where the column is not of numbers."""
        name = str(values.name)
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            raise ValueError(f"{name}: ranges are made of numbers only")
        met = np.unique(values.dropna().to_numpy())
        if not np.isfinite(met.astype(np.float64)).all():
            raise ValueError(f"{name}: a range cannot end in an infinite number")
        return cls(name, met)

    @property
    def places(self) -> int:
        return len(self.numbers) + 1

    def encode(self, values: pd.Series[Any]) -> Ints:
        missing = values.isna().to_numpy()
        found = np.full(len(values), len(self.numbers), dtype=np.int32)
        met = values[~missing].to_numpy()
        place = np.searchsorted(self.numbers, met)
        if (self.numbers[np.minimum(place, len(self.numbers) - 1)] != met).any():
            raise ValueError(f"{self.column}: numbers that were not there when it was fitted")
        found[~missing] = place
        return found

    def labels(self, low: Ints, high: Ints) -> Ints:
        mixed = (high == len(self.numbers)) & (low < high)
        return np.where(mixed, 0, low).astype(np.int64) * self.places + high

    def branch(self, label: Ints, place: Ints) -> Ints:
        del label  # every number is a branch of its own
        return place

    def stretch(self, label: Ints) -> tuple[Ints, Ints]:
        return label // self.places, label % self.places

    def loss(self, label: Ints) -> Floats:
        low, high = self.stretch(label)
        if not len(self.numbers):
            return np.zeros(len(label))
        ends = self.numbers.astype(np.float64)
        last = len(ends) - 1
        width = max(ends[-1] - ends[0], np.finfo(np.float64).tiny)
        found = (ends[np.minimum(high, last)] - ends[np.minimum(low, last)]) / width
        return np.where((high > last) & (low <= last), 1.0, found)

    def texts(self, label: Ints) -> list[str]:
        return [
            self._text(low, high)
            for low, high in zip(*(ends.tolist() for ends in self.stretch(label)), strict=True)
        ]

    def _text(self, low: int, high: int) -> str:
        if low == len(self.numbers):
            return MISSING
        if high == len(self.numbers):
            return EVERYTHING
        first, last = self.numbers[low], self.numbers[high]
        return f"{first}" if low == high else f"{first}–{last}"
