"""The generalisation lattice: one node for each choice of a level in every column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from anonymizers.recoding.axes import CategoryAxis, Floats
from anonymizers.recoding.integer_keys import Ints, combine, factorise
from anonymizers.recoding.tuples import Tuples

_CACHED = 1 << 24
"""Entries of tables of keys that are kept (64 MB)."""


class Lattice:
    """The nodes over some columns, ordered by the sum of their levels.

    Of several levels that part the leaves alike only the lowest is used: the others lose as
    much and show no more.
    """

    def __init__(self, axes: Sequence[CategoryAxis]) -> None:
        self.axes = tuple(axes)
        self.levels = tuple(_distinct_levels(axis) for axis in axes)
        """The label number at each place of a column, for each level that is used."""

    @property
    def size(self) -> int:
        """How many nodes there are; they are not made to be counted."""
        return math.prod(len(levels) for levels in self.levels)

    def above(self, node: int) -> list[int]:
        """The nodes that are one level higher in one column."""
        levels = self.nodes[node]
        return [
            int(self._number[tuple(levels + (np.arange(len(levels)) == column))])
            for column in range(len(levels))
            if levels[column] + 1 < len(self.levels[column])
        ]

    @cached_property
    def _number(self) -> Ints:
        shape = tuple(len(levels) for levels in self.levels)
        number = np.empty(shape, dtype=np.int64)
        number[tuple(self.nodes.T)] = np.arange(len(self.nodes))
        return number

    @cached_property
    def nodes(self) -> npt.NDArray[np.int8]:
        """Levels (numbers into ``levels`` of each column) of each node: nodes × columns."""
        shape = tuple(len(levels) for levels in self.levels)
        nodes = np.indices(shape, dtype=np.int8).reshape(len(shape), -1).T
        return np.ascontiguousarray(nodes[np.argsort(nodes.sum(axis=1), kind="stable")])

    @cached_property
    def penalties(self) -> tuple[Floats, ...]:
        """For each column the loss of every place's label on every level: levels × places."""
        return tuple(
            np.array([axis.loss(level) for level in levels])
            for axis, levels in zip(self.axes, self.levels, strict=True)
        )

    def original(self, node: npt.NDArray[np.int8]) -> tuple[int, ...]:
        """The levels of a node as the hierarchies number them."""
        return tuple(
            next(at for at, level in enumerate(axis.levels) if level is levels[chosen])
            for axis, levels, chosen in zip(self.axes, self.levels, node, strict=True)
        )

    def losses(self, tuples: Tuples) -> Floats:
        """The mean loss that each node would mean for the cells of these tuples."""
        total = np.zeros(len(self.nodes))
        for column, penalties in enumerate(self.penalties):
            rows = np.bincount(
                tuples.codes[column], weights=tuples.rows, minlength=penalties.shape[1]
            )
            loss = (penalties * rows).sum(axis=1) / rows.sum()
            total += loss[self.nodes[:, column]]
        # Rounded, so that nodes that lose the same keep their order whatever the machine adds up.
        return np.round(total / len(self.axes), 12)


class Keys:
    """For any node, the number of each tuple's group: equal numbers are equal labels.

    Made from two halves of the columns. Each half has few distinct tuples of its own, whose
    keys are made once for each choice of levels; a node's key is then two look-ups.
    """

    def __init__(self, lattice: Lattice, tuples: Tuples) -> None:
        columns = np.argsort([-len(levels) for levels in lattice.levels], kind="stable")
        self._halves = tuple(_Half(lattice, np.sort(columns[start::2]), tuples) for start in (0, 1))

    def of(self, node: npt.NDArray[np.int8]) -> tuple[Ints, int]:
        """The keys of the tuples at a node, and a number that all of them are below."""
        (first, high), (second, low) = (half.keys(node) for half in self._halves)
        return first * np.int64(low) + second, high * low

    def take(self, index: Ints) -> None:
        """Go on with some of the tuples, by their numbers."""
        for half in self._halves:
            half.take(index)


class _Half:
    def __init__(self, lattice: Lattice, columns: Ints, tuples: Tuples) -> None:
        self._columns = columns
        self._levels = tuple(lattice.levels[column] for column in columns)
        self._codes = tuple(tuples.codes[column] for column in columns)
        self._of_tuple = np.zeros(len(tuples), dtype=np.int32)
        self._tables: dict[bytes, tuple[Ints, int]] = {}
        if len(columns):
            self._gather()

    def keys(self, node: npt.NDArray[np.int8]) -> tuple[Ints, int]:
        if not len(self._columns):
            return self._of_tuple, 1
        chosen = node[self._columns]
        table = self._tables.get(chosen.tobytes())
        if table is None:
            if (len(self._tables) + 1) * len(self._codes[0]) > _CACHED:
                self._tables.clear()
            table = self._tables[chosen.tobytes()] = self._table(chosen)
        keys, size = table
        return keys[self._of_tuple], size

    def take(self, index: Ints) -> None:
        self._of_tuple = self._of_tuple[index]
        if len(self._columns) and 4 * len(index) < len(self._codes[0]):
            self._codes = tuple(codes[self._of_tuple] for codes in self._codes)
            self._tables.clear()
            self._gather()

    def _gather(self) -> None:
        radices = [len(levels[0]) for levels in self._levels]
        self._of_tuple, first = factorise(combine(self._codes, radices))
        self._codes = tuple(codes[first] for codes in self._codes)

    def _table(self, chosen: npt.NDArray[np.int8]) -> tuple[Ints, int]:
        codes, radices = [], []
        for levels, level, column in zip(self._levels, chosen, self._codes, strict=True):
            labels = levels[level] - levels[level].min()
            codes.append(labels[column])
            radices.append(int(labels.max()) + 1)
        key = combine(codes, radices)
        size = math.prod(radices)
        if size > 4 * len(key):
            ids, first = factorise(key)
            return ids, len(first)
        return key.astype(np.int32), size


def _distinct_levels(axis: CategoryAxis) -> tuple[Ints, ...]:
    found: list[Ints] = []
    for level in axis.levels:
        cuts = np.flatnonzero(np.diff(level))
        if not found or not np.array_equal(cuts, np.flatnonzero(np.diff(found[-1]))):
            found.append(level)
    return tuple(found)
