"""Choosing the cells that have to be hidden with the small ones.

First by lines: where a single cell beneath a published margin is hidden, another one is hidden
with it. Then by proof: for every hidden cell the reader's problem is solved, and where the
reader comes too close, the smallest cell that shares a published sum with it is hidden too. At
last, what has turned out not to be needed is shown again, the largest first. Deterministic: ties go by order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizers.cubes.cells import ROWS, CubeShape
from anonymizers.cubes.reader import Reader, Sums

Mask = NDArray[np.bool_]

_NEAR = 1e-6
_FEW = 60
"""Of so many cells it is tried, one by one, whether they had to be hidden after all."""
_MANY = 4
"""More cells than this are first looked at together."""


class Unprotectable(ValueError):
    """What earlier releases have told leaves no way to hide a cell of this one."""


@dataclass(frozen=True)
class Wanted:
    """What has to remain possible of hidden sums.

    The rows of a primary one: ``threshold`` different numbers at least, the highest of them
    ``threshold`` or more, so that nobody can say that it is small. Its measures, and any value
    that one person dominates, may be ``room`` (a share) above and below the true one. Any other
    sum: two different numbers of rows. What is hidden of a published sum has ``threshold``
    people in it, for certain.
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
    crowd = 1 if shape.one_row_each else wanted.threshold
    hidden = _by_lines(primary | kept, table, subjects, free, crowd)
    while (exposed := _exposed(reader, hidden, primary, wanted, shape)) is not None:
        offers = _around(exposed, hidden, table, free)
        if not len(offers):
            raise Unprotectable("what is known from earlier releases determines a cell")
        hidden[offers[np.lexsort((offers, subjects[offers]))[0]]] = True
        hidden = _by_lines(hidden, table, subjects, free, crowd)
    extra = np.flatnonzero(hidden & ~primary & ~kept)
    if len(extra) > _FEW:
        return hidden
    for cell in extra[np.lexsort((extra, -subjects[extra]))].tolist():
        without = hidden.copy()
        without[cell] = False
        if (_by_lines(without, table, subjects, free, crowd) != without).any():
            continue
        if _exposed(Reader(sums, shape), without, primary, wanted, shape) is None:
            hidden = without
    return hidden


def _by_lines(
    hidden: Mask, table: Mask, subjects: NDArray[np.int64], free: Mask, crowd: int
) -> Mask:
    """Hide a second cell wherever the sums beneath a published one leave a single one open.

    A line is a published sum and the hidden base cells beneath it. Where people can be in
    several cells, two cells may be one person: the largest must have a ``crowd``.
    """
    hidden = hidden.copy()
    single = table.sum(axis=1) == 1
    base = np.flatnonzero(single)
    unknown_of = table[base].argmax(axis=1)
    while True:
        open_ = np.zeros(table.shape[1], dtype=bool)
        open_[unknown_of[hidden[base]]] = True
        people = np.zeros(table.shape[1], dtype="int64")
        people[unknown_of] = np.where(hidden[base], subjects[base], 0)
        shown = np.flatnonzero(~hidden & ~single)
        count = (table[shown] & open_).sum(axis=1)
        largest = (table[shown] * people).max(axis=1, initial=0)
        added = False
        for line in shown[(count == 1) | ((count > 0) & (largest < crowd))].tolist():
            inside = base[table[line][unknown_of]]
            within = inside[hidden[inside]]
            if len(within) != 1 and subjects[within].max() >= crowd:
                continue  # another line has mended it meanwhile
            offers = [cell for cell in inside.tolist() if free[cell] and not hidden[cell]]
            offers = offers or ([line] if free[line] else [])
            if offers:
                best = min(offers, key=lambda cell: (subjects[cell] < crowd, subjects[cell], cell))
                hidden[best] = True
                added = True
        if not added:
            return hidden


def _exposed(
    reader: Reader, hidden: Mask, primary: Mask, wanted: Wanted, shape: CubeShape
) -> int | None:
    """The first hidden sum of which the reader learns too much."""

    def unmet(name: str) -> list[tuple[int, _Enough]]:
        return [
            (number, ask)
            for number in np.flatnonzero(hidden).tolist()
            for column, ask in _asked(number, reader, primary, wanted, shape)
            if column == name and not ask(reader.low[name][number], reader.high[name][number])
        ]

    for name in shape.values:
        if len(numbers := [number for number, _ in unmet(name)]) > _MANY:
            reader.scan(hidden, numbers, name)
        for number, ask in unmet(name):
            if not ask(*reader.reach(hidden, number, name)):
                return number
            met = ask(reader.low[name][number], reader.high[name][number])
            if not met and not ask(*reader.look(hidden, number, name)):
                return number
    return None


def _asked(
    number: int, reader: Reader, primary: Mask, wanted: Wanted, shape: CubeShape
) -> Iterator[tuple[str, _Enough]]:
    for name in shape.values:
        if name == ROWS:
            yield name, _Small(wanted.threshold) if primary[number] else _Open()
        if wanted.dominated[name][number] or (primary[number] and name != ROWS):
            true = float(reader.true[name][number])
            # Rows are whole, and a cell that is listed has one: nobody can be told to have 0.75.
            most = int(abs(true) * wanted.room) if name == ROWS else abs(true) * wanted.room
            yield name, _Room(most, true)


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
    """From ``most`` below the true value to as much above it; a sum of nothing asks nothing."""

    most: float
    true: float

    def __call__(self, low: float, high: float) -> bool:
        near = _NEAR * max(1.0, abs(self.true))
        return low <= self.true - self.most + near and high >= self.true + self.most - near


def _around(exposed: int, hidden: Mask, table: Mask, free: Mask) -> NDArray[np.int64]:
    """Sums that could be hidden to cover the exposed one: those nearest to it.

    What it is made of, where all of that is published; else the published sums it is in, and
    what these have beside it; else what is further away.
    """
    near = table[exposed]
    inside = (table & near).any(axis=1) & ~(table & ~near).any(axis=1)
    parts = np.flatnonzero(inside & (table.sum(axis=1) == 1))
    offers = np.flatnonzero(inside & free & ~hidden)
    if not hidden[parts].any() and len(offers):
        return offers
    while True:
        touching = (table & near).any(axis=1) & ~hidden
        wider = near | table[touching].any(axis=0)
        within = ~(table & ~wider).any(axis=1) & (table & wider).any(axis=1)
        offers = np.flatnonzero((within | touching) & free & ~hidden)
        if len(offers) or (wider == near).all():
            return offers
        near = wider
