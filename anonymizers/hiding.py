"""Choosing the cells that have to be hidden with the small ones.

First by lines: where a single cell beneath a published margin is hidden, another one is hidden
with it. Then by proof: for every hidden cell the reader's problem is solved, and where the
reader comes too close, the smallest cell that shares a published sum with it is hidden too.
Deterministic: ties go by order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizers.cubes import ROWS, CubeShape
from anonymizers.reader import Reader, Sums

Mask = NDArray[np.bool_]

_NEAR = 1e-6


class Unprotectable(ValueError):
    """What earlier releases have told leaves no way to hide a cell of this one."""


@dataclass(frozen=True)
class Wanted:
    """What has to remain possible of hidden sums.

    The rows of a primary one: ``threshold`` different numbers at least, the highest of them
    ``threshold`` or more, so that nobody can say that it is small. Where one person dominates,
    each value may be ``room`` (a share of it) above and below the true one. Any other: two
    different numbers.
    """

    threshold: int
    room: float
    dominated: Mapping[str, Mask]
    """By value column: primary sums that one person dominates."""


def choose(sums: Sums, shape: CubeShape, primary: Mask, wanted: Wanted) -> Mask:
    """Which sums are hidden: the ``primary`` ones, and what hides them.

    Raises:
        Unprotectable: there is nothing left to hide them with.
    """
    told = np.array([one.told for one in sums.listed], dtype=bool)
    kept = np.array([one.kept for one in sums.listed], dtype=bool) & ~told
    if (primary & told).any():
        raise Unprotectable("a cell that is too small has been published before")
    free = np.zeros(len(told), dtype=bool)
    free[sums.current] = True
    free &= ~told & ~kept
    table = sums.table().astype(bool)
    subjects = np.array([one.subjects for one in sums.listed])
    reader = Reader(sums, shape)
    hidden = _by_lines(primary | kept, table, subjects, free)
    while (exposed := _exposed(reader, hidden, primary, wanted, shape)) is not None:
        offers = _around(exposed, hidden, table, free)
        if not len(offers):
            raise Unprotectable("what is known from earlier releases determines a cell")
        hidden[offers[np.lexsort((offers, subjects[offers]))[0]]] = True
        hidden = _by_lines(hidden, table, subjects, free)
    return hidden


def _by_lines(hidden: Mask, table: Mask, subjects: NDArray[np.int64], free: Mask) -> Mask:
    """Hide a second cell wherever the sums beneath a published one leave a single one open.

    A line is a published sum and the hidden base cells beneath it.
    """
    hidden = hidden.copy()
    single = table.sum(axis=1) == 1
    base = np.flatnonzero(single)
    unknown_of = table[base].argmax(axis=1)
    while True:
        open_ = np.zeros(table.shape[1], dtype=bool)
        open_[unknown_of[hidden[base]]] = True
        shown = np.flatnonzero(~hidden & ~single)
        alone = shown[(table[shown] & open_).sum(axis=1) == 1]
        added = False
        for line in alone.tolist():
            inside = base[table[line][unknown_of]]
            if hidden[inside].sum() != 1:
                continue  # another line has mended it meanwhile
            offers = [cell for cell in inside.tolist() if free[cell] and not hidden[cell]]
            offers = offers or ([line] if free[line] else [])
            if offers:
                hidden[min(offers, key=lambda cell: (subjects[cell], cell))] = True
                added = True
        if not added:
            return hidden


def _exposed(
    reader: Reader, hidden: Mask, primary: Mask, wanted: Wanted, shape: CubeShape
) -> int | None:
    """The first hidden sum of which the reader learns too much."""
    for number in np.flatnonzero(hidden).tolist():
        for name, ask in _asked(number, primary, wanted, shape):
            if ask(reader.low[name][number], reader.high[name][number]):
                continue
            if not ask(*reader.look(hidden, number, name)):
                return int(number)
    return None


def _asked(
    number: int, primary: Mask, wanted: Wanted, shape: CubeShape
) -> Iterator[tuple[str, _Enough]]:
    for name in shape.values:
        if primary[number] and name == ROWS:
            yield name, _Small(wanted.threshold)
        if wanted.dominated[name][number]:
            yield name, _Room(wanted.room)
        elif not primary[number] and name == ROWS:
            yield name, _Open()


class _Enough:
    """Whether a range is wide enough."""

    def __call__(self, low: float, high: float) -> bool:
        raise NotImplementedError


@dataclass(frozen=True)
class _Open(_Enough):
    def __call__(self, low: float, high: float) -> bool:
        return high - low > 1 - _NEAR


@dataclass(frozen=True)
class _Small(_Enough):
    threshold: int

    def __call__(self, low: float, high: float) -> bool:
        return high - low > self.threshold - 1 - _NEAR and high > self.threshold - _NEAR


@dataclass(frozen=True)
class _Room(_Enough):
    """As wide as ``room`` of the middle on either side; never of nothing at all."""

    room: float

    def __call__(self, low: float, high: float) -> bool:
        return high > low and (high - low) / 2 >= self.room * abs(high + low) / 2 - _NEAR


def _around(exposed: int, hidden: Mask, table: Mask, free: Mask) -> NDArray[np.int64]:
    """Sums that could be hidden and share a published sum with the exposed one, nearest first."""
    near = table[exposed].copy()
    offers = np.empty(0, dtype="int64")
    while not len(offers):
        touching = (table & near).any(axis=1)
        offers = np.flatnonzero(touching & free & ~hidden)
        wider = table[touching & ~hidden].any(axis=0) | near
        if (wider == near).all():
            break
        near = wider
    return offers
