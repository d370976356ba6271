"""Groups of tuples: how many subjects each has, and how sensitive values are spread in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.recoding.integer_keys import Ints
from anonymizers.recoding.tuples import Tuples

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each value of a sensitive column occurs in each group: sparse, sorted by group.

    ``reference`` is how often each value occurs in the whole, against which closeness is
    measured; ``categories`` are the values, in their order.
    """

    groups: int
    group: Ints
    value: Ints
    count: Ints
    reference: Counts
    categories: pd.Index

    @cached_property
    def totals(self) -> npt.NDArray[np.float64]:
        """All values of each group together."""
        found = np.bincount(self.group, weights=self.count, minlength=self.groups)
        return found.astype(np.float64, copy=False)

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """The share of each entry in its group."""
        return np.asarray(self.count / self.totals[self.group])


class Groups(Protocol):
    """What a privacy model looks at."""

    @property
    def count(self) -> int:
        """How many groups there are."""

    @property
    def subjects(self) -> Counts:
        """How many subjects (rows, where no subject column is given) each group has."""

    def histogram(self, column: str) -> Histogram:
        """The spread of a sensitive column."""

    def only(self, keep: npt.NDArray[np.bool_]) -> Groups:
        """Some of the groups, numbered anew in their order."""


class TupleGroups:
    """Tuples put into groups. ``of_tuple`` is each tuple's group, -1 for those in none.

    ``references`` are those of the whole frame, unless others are given.
    """

    def __init__(
        self,
        tuples: Tuples,
        of_tuple: Ints,
        count: int,
        references: Mapping[str, Counts] | None = None,
    ) -> None:
        self.count = count
        self._tuples, self._of_tuple = tuples, of_tuple
        self._references = tuples.references if references is None else references
        self._histograms: dict[str, Histogram] = {}

    @cached_property
    def subjects(self) -> Counts:
        return self._tuples.subjects.totals(self._of_tuple, self.count)

    @cached_property
    def rows(self) -> Counts:
        """How many rows each group has."""
        kept = self._of_tuple >= 0
        return np.bincount(
            self._of_tuple[kept], weights=self._tuples.rows[kept], minlength=self.count
        ).astype(np.int64)

    def histogram(self, column: str) -> Histogram:
        if column not in self._histograms:
            group, value, count = self._tuples.sensitive[column].grouped(self._of_tuple, self.count)
            self._histograms[column] = Histogram(
                groups=self.count,
                group=group,
                value=value,
                count=count,
                reference=self._references[column],
                categories=self._tuples.categories[column],
            )
        return self._histograms[column]

    def only(self, keep: npt.NDArray[np.bool_]) -> TupleGroups:
        new = np.full(self.count + 1, -1, dtype=np.int64)
        new[:-1][keep] = np.arange(int(keep.sum()))
        return TupleGroups(self._tuples, new[self._of_tuple], int(keep.sum()), self._references)


@dataclass(frozen=True, eq=False)
class CountedGroups:
    """Groups whose counts are known: subjects, and a table of groups × values for each column."""

    subjects: Counts
    tables: Mapping[str, Counts]
    references: Mapping[str, Counts]
    categories: Mapping[str, pd.Index]

    @property
    def count(self) -> int:
        return len(self.subjects)

    def histogram(self, column: str) -> Histogram:
        table = self.tables[column]
        group, value = np.nonzero(table)
        return Histogram(
            groups=self.count,
            group=group,
            value=value,
            count=table[group, value],
            reference=self.references[column],
            categories=self.categories[column],
        )

    def only(self, keep: npt.NDArray[np.bool_]) -> CountedGroups:
        return CountedGroups(
            self.subjects[keep],
            {name: table[keep] for name, table in self.tables.items()},
            self.references,
            self.categories,
        )
