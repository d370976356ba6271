"""Generalisation hierarchies: finite trees of labels over the values of one column.

Level 0 is the value itself, the last level is ``*`` (everything). What makes a hierarchy out of
a rule (dates, postcodes, bands) lives in ``rules``; what chooses levels lives in the recodings.

A label means one set of leaves, wherever it stands: so the label in a released cell says by
itself what it covers, and two classes of a release that look alike are alike.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

MISSING = "(missing)"
"""The leaf of nulls, and its label on every level below the last."""

EVERYTHING = "*"

Codes = npt.NDArray[np.int32]


class HierarchyError(ValueError):
    """A declaration with a hole or a contradiction, or a value outside it.

    The text names the column, and the level where there is one; labels are named where the
    declaration itself is at fault, values of rows never.
    """


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The labels of one column, from the values (level 0) to everything (the last level).

    ``labels[level]`` are the distinct labels of a level, ``codes[level]`` is an int32 array of
    one index into them for each leaf. One leaf is always ``MISSING``, where nulls go.
    Two leaves with one label on a level have one label on every level above.
    """

    column: str
    levels: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    codes: tuple[Codes, ...]

    @classmethod
    def from_rows(
        cls, column: str, rows: Iterable[Sequence[str]], levels: Sequence[str] | None = None
    ) -> Self:
        """The hierarchy whose rows are paths: a leaf, then its label on each level above.

        The last level is added where the rows do not end in ``*``, the leaf ``MISSING`` where
        no row declares it. ``levels`` names the levels of the rows. Raises ``HierarchyError``
        for a hole (an empty label, a row too short), a leaf declared twice, a label whose rows
        part again above it, and a label that means other leaves on another level.
        """
        table = _read(column, rows)
        if len(table[0]) == 1 or {row[-1] for row in table} != {EVERYTHING}:
            table = [(*row, EVERYTHING) for row in table]
        depth = len(table[0])
        if MISSING not in {row[0] for row in table}:
            table.append((*[MISSING] * (depth - 1), EVERYTHING))
        names = _level_names(column, depth, levels)
        labels: list[tuple[str, ...]] = []
        codes: list[Codes] = []
        for level in range(depth):
            index = {label: i for i, label in enumerate(dict.fromkeys(row[level] for row in table))}
            labels.append(tuple(index))
            codes.append(np.array([index[row[level]] for row in table], dtype=np.int32))
            codes[-1].setflags(write=False)
        return cls(column, names, tuple(labels), tuple(codes))

    @classmethod
    def from_csv(cls, path: Path, column: str, separator: str = ";") -> Self:
        """The hierarchy of a file without a header: one path a line, the first field the leaf."""
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=separator) if row]
        return cls.from_rows(column, rows)

    @property
    def depth(self) -> int:
        """How many levels there are, values and everything included."""
        return len(self.levels)

    @property
    def leaves(self) -> int:
        """How many leaves there are; ``MISSING``, which is always there, does not count."""
        return len(self.labels[0]) - 1

    @cached_property
    def _leaf_codes(self) -> dict[str, int]:
        return {label: code for code, label in enumerate(self.labels[0])}

    def level_index(self, level: int | str) -> int:
        """The number of a level given by its name or number."""
        if isinstance(level, str):
            if level not in self.levels:
                raise HierarchyError(f"{self.column}: there is no level {level!r}")
            return self.levels.index(level)
        if not 0 <= level < self.depth:
            raise HierarchyError(f"{self.column}: there is no level {level}")
        return level

    def encode(
        self, values: pd.Series[Any], unknown: Literal["raise", "suppress"] = "raise"
    ) -> Codes:
        """Leaf codes of a column, int32, one a row; nulls get the leaf ``MISSING``.

        Values are compared by their text: 39 and 39.0 are the leaf "39", a date without a time
        of day is its ISO form. Values that are no leaf raise ``HierarchyError``, or get -1.
        """
        if isinstance(values.dtype, pd.CategoricalDtype):
            met, uniques = values.cat.codes.to_numpy(), values.cat.categories
        else:
            met, uniques = pd.factorize(values)
        known = self._leaf_codes
        codes = np.fromiter(
            (known.get(leaf_text(value), -1) for value in uniques), np.int32, len(uniques)
        )
        found = np.append(codes, np.int32(known[MISSING]))[met]
        if unknown == "raise" and (outside := int((found < 0).sum())):
            raise HierarchyError(
                f"{self.column}: {outside} of {len(found)} rows have a value that is not in the "
                f"hierarchy"
            )
        return found

    def generalise(self, values: pd.Series[Any], level: int | str) -> pd.Series[Any]:
        """The labels of a column on a level, as a categorical of the labels met only."""
        at = self.level_index(level)
        return self.label_series(self.codes[at][self.encode(values)], at, values.index)

    def label_series(self, codes: Codes, level: int, index: pd.Index | None) -> pd.Series[Any]:
        """Label codes of a level as a categorical.

        It names no label that no row has: a category left over would be in a release's file.
        """
        categories = pd.Categorical.from_codes(
            codes, categories=pd.Index(self.labels[level], dtype="str")
        )
        series = pd.Series(categories, index=index, name=self.column)
        return series.cat.remove_unused_categories()

    def leaf_counts(self, level: int | str) -> npt.NDArray[np.int64]:
        """How many leaves each label of a level covers, ``MISSING`` not counted."""
        at = self.level_index(level)
        counts = np.bincount(self.codes[at], minlength=len(self.labels[at])).astype(np.int64)
        counts[self.codes[at][self._leaf_codes[MISSING]]] -= 1
        return counts

    def ncp(self, level: int | str) -> npt.NDArray[np.float64]:
        """The normalised certainty penalty of each label of a level, in [0, 1].

        (leaves under the label − 1) / (leaves − 1), as Xu and others (2006) define it for
        categories; ``MISSING`` counts as no leaf, and a column with one leaf loses nothing.
        """
        counts = np.maximum(self.leaf_counts(level), 1)
        return (counts - 1) / max(self.leaves - 1, 1)

    def vocabulary(self) -> frozenset[str]:
        """Every label of every level above the values."""
        return frozenset(label for labels in self.labels[1:] for label in labels)

    def __repr__(self) -> str:
        return f"Hierarchy({self.column!r}, levels={self.levels!r}, leaves={self.leaves})"

    def __post_init__(self) -> None:
        for level in range(1, self.depth):
            below, above = self.codes[level - 1], self.codes[level]
            parent = np.empty(len(self.labels[level - 1]), dtype=np.int32)
            parent[below] = above
            if (torn := np.flatnonzero(parent[below] != above)).size:
                label = self.labels[level - 1][below[torn[0]]]
                raise HierarchyError(
                    f"{self.column}: the leaves under {label!r} of level "
                    f"{self.levels[level - 1]!r} have several labels on level "
                    f"{self.levels[level]!r}"
                )
        met: dict[str, tuple[int, int, int]] = {}
        for level, labels in enumerate(self.labels):
            codes = self.codes[level]
            counts = np.bincount(codes, minlength=len(labels)).tolist()
            leaves = np.zeros(len(labels), dtype=np.int64)
            leaves[codes] = np.arange(len(codes))
            for number, (label, count, leaf) in enumerate(
                zip(labels, counts, leaves.tolist(), strict=True)
            ):
                first, known, of_first = met.setdefault(label, (level, count, leaf))
                # Labels are nested: those with one leaf in common and of one size are the same.
                if first != level and (known != count or codes[of_first] != number):
                    raise HierarchyError(
                        f"{self.column}: the label {label!r} covers other leaves on level "
                        f"{self.levels[level]!r} than on level {self.levels[first]!r}"
                    )


def leaf_text(value: object) -> str:
    """The text by which a value is looked up among the leaves."""
    if isinstance(value, str):
        return value
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value == datetime.combine(
        value.date(), datetime.min.time(), value.tzinfo
    ):
        return value.date().isoformat()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)


def _read(column: str, rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    table = [tuple(row) for row in rows]
    if not table:
        raise HierarchyError(f"{column}: the hierarchy has no rows")
    depth = max(map(len, table))
    met: set[str] = set()
    for number, row in enumerate(table, start=1):
        for level in range(depth):
            if level >= len(row) or not isinstance(row[level], str) or not row[level].strip():
                raise HierarchyError(
                    f"{column}: row {number} of the hierarchy has a hole at level {level}"
                )
        if row[0] in met:
            raise HierarchyError(f"{column}: row {number} declares the leaf {row[0]!r} again")
        met.add(row[0])
    return table


def _level_names(column: str, depth: int, given: Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        between = [f"level {number}" for number in range(1, depth - 1)]
        return ("value", *between, EVERYTHING)
    names = (*given,) if len(given) == depth else (*given, EVERYTHING)
    if len(names) != depth or len(set(names)) != depth:
        raise HierarchyError(
            f"{column}: {len(given)} names of levels for a hierarchy of {depth} levels"
        )
    return names
