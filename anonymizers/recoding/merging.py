"""Merging what has no class into the classes there are, rather than suppressing it.

A class that takes up other rows gets the least common label of all in every column, so it loses
a little on all its rows; the class is chosen for which the loss of all rows rises least, among
those that satisfy the models with what they take up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from anonymizers.recoding.axes import Axis, Floats
from anonymizers.recoding.groups import CountedGroups, Groups, TupleGroups
from anonymizers.recoding.integer_keys import Ints
from anonymizers.recoding.models import PrivacyModel, satisfied
from anonymizers.recoding.tuples import Tuples

_TABLE = 1 << 25
"""Cells of a table of classes and values, up to which counts are kept for every class."""


def merge(
    axes: Sequence[Axis],
    tuples: Tuples,
    models: Sequence[PrivacyModel],
    found: Ints,
    classes: int,
    budget: int,
) -> Ints:
    """The class of each tuple, where ``found`` has -1 for those left over.

    Leftovers are taken up where that costs least, first those for which it costs less than
    suppressing them, then those for which it costs twice that, and so on. What no class can
    take up without breaking a model stays -1, up to ``budget`` rows; beyond that it is put
    together with its nearest class until both are one that satisfies the models. -1 remains
    where even all rows together do not.
    """
    if (found >= 0).all():
        return found
    merging = _Merging(axes, tuples, models, found, classes)
    rows = merging.rows
    waiting = sorted(merging.bundles.tolist(), key=lambda bundle: (-rows[bundle], bundle))
    for cap in _caps(monotone=all(model.monotone for model in models)):
        before = len(waiting) + 1
        while len(waiting) < before:
            before = len(waiting)
            waiting = [bundle for bundle in waiting if not merging.take_up(bundle, cap)]
    waiting.sort(key=lambda bundle: (rows[bundle], bundle))
    while waiting and rows[waiting].sum() > budget:
        bundle = waiting.pop()
        grown = merging.grow(bundle, waiting)
        if grown is None:
            break
        waiting = [other for other in waiting if other != grown]
        if not merging.is_class(grown):
            waiting.append(grown)
        waiting = [other for other in waiting if not merging.take_up(other, np.inf)]
    return merging.found()


def _caps(*, monotone: bool) -> Iterator[float]:
    """How much dearer than suppression a merge may be, in rising order."""
    if not monotone:
        yield from (1.0, 2.0, 4.0, 8.0, 16.0)
    yield np.inf


class _Merging:
    """Groups in slots: first the classes, then one bundle for each leftover tuple.

    A slot that is ``open`` is a class that satisfies the models; what is put together moves
    into one slot, and ``_into`` says where the other went.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        tuples: Tuples,
        models: Sequence[PrivacyModel],
        found: Ints,
        classes: int,
    ) -> None:
        left = np.flatnonzero(found < 0)
        slots = classes + len(left)
        slot = found.copy()
        slot[left] = np.arange(classes, slots)
        self._axes, self._tuples, self._models, self._slot = axes, tuples, models, slot
        self._monotone = all(model.monotone for model in models)
        self._classes, self.bundles = classes, np.arange(classes, slots)
        self._into = np.arange(slots)
        self._open = np.arange(slots) < classes
        groups = TupleGroups(tuples, slot, slots)
        self.rows = groups.rows
        self._low, self._high = stretches(tuples, slot, slots)
        self._loss = self._losses(self._low, self._high)
        self._subjects, self._tables = groups.subjects, self._counted(groups)
        self._members: list[Ints] = []
        if self._tables is None:
            order = np.argsort(slot, kind="stable")
            self._members = np.split(order, np.cumsum(np.bincount(slot))[:-1])

    def found(self) -> Ints:
        """The class of each tuple, -1 where its bundle is none; numbers may have gaps."""
        into = self._into
        while not np.array_equal(into, into[into]):
            into = into[into]
        return np.where(self._open[into], into, -1)[self._slot]

    def take_up(self, bundle: int, cap: float) -> bool:
        """Put a bundle into the cheapest class that can take it; false where none can."""
        cost = self._costs(bundle)
        limit = cap * float(self.rows[bundle]) * len(self._axes)
        candidates = np.flatnonzero(self._open[: self._classes] & (cost <= limit))
        candidates = candidates[np.argsort(cost[candidates], kind="stable")]
        if not self._monotone:
            candidates = self._first_fitting(candidates, bundle)
        if not len(candidates):
            return False
        self._put(bundle, int(candidates[0]))
        return True

    def grow(self, bundle: int, others: Sequence[int]) -> int | None:
        """Put a bundle together with its nearest class, or else bundle, which is returned.

        It is open where it satisfies the models. None where there is nothing else.
        """
        target: int
        if self._open[: self._classes].any():
            target = int(np.argmin(self._costs(bundle)))
        elif others:
            target = others[0]
        else:
            return None
        self._put(bundle, target)
        self._classes = max(self._classes, target + 1)
        self._open[target] = bool(self._satisfied(np.array([target]), None)[0])
        return target

    def is_class(self, slot: int) -> bool:
        """Whether a slot is a class that satisfies the models."""
        return bool(self._open[slot])

    def _costs(self, bundle: int) -> Floats:
        """What putting a bundle into each class adds to the loss of all rows, in cells."""
        size = self._classes
        low = [np.minimum(ends[:size], ends[bundle]) for ends in self._low]
        high = [np.maximum(ends[:size], ends[bundle]) for ends in self._high]
        loss = self._losses(low, high)
        cost = self.rows[:size] * (loss - self._loss[:size]) + self.rows[bundle] * loss
        return np.where(self._open[:size], np.round(cost, 9), np.inf)

    def _losses(self, low: Sequence[Ints], high: Sequence[Ints]) -> Floats:
        total = np.zeros(len(low[0]))
        for axis, first, last in zip(self._axes, low, high, strict=True):
            total += axis.loss(axis.labels(first, last))
        return total

    def _first_fitting(self, candidates: Ints, bundle: int) -> Ints:
        start, size = 0, 8
        while start < len(candidates):
            piece = candidates[start : start + size]
            fits = np.flatnonzero(self._satisfied(piece, bundle))
            if len(fits):
                return piece[fits[:1]]
            start, size = start + size, size * 4
        return candidates[:0]

    def _satisfied(self, slots: Ints, bundle: int | None) -> npt.NDArray[np.bool_]:
        """Whether each slot, with the bundle in it, satisfies the models."""
        groups: Groups
        if self._tables is None:
            added = [] if bundle is None else [self._members[bundle]]
            members = [np.concatenate([self._members[slot], *added]) for slot in slots]
            of_member = np.repeat(np.arange(len(slots)), [len(each) for each in members])
            some = self._tuples.take(np.concatenate(members))
            groups = TupleGroups(some, of_member, len(slots))
        else:
            more = np.array([] if bundle is None else [bundle], dtype=np.int64)
            groups = CountedGroups(
                self._subjects[slots] + self._subjects[more].sum(),
                {name: table[slots] + table[more].sum(0) for name, table in self._tables.items()},
                self._tuples.references,
                self._tuples.categories,
            )
        return satisfied(self._models, groups)

    def _put(self, bundle: int, target: int) -> None:
        self._into[bundle] = target
        for low, high in zip(self._low, self._high, strict=True):
            low[target] = min(low[target], low[bundle])
            high[target] = max(high[target], high[bundle])
        self.rows[target] += self.rows[bundle]
        self._subjects[target] += self._subjects[bundle]
        if self._tables is not None:
            for table in self._tables.values():
                table[target] += table[bundle]
        else:
            gained = [self._members[target], self._members[bundle]]
            self._members[target] = np.concatenate(gained)
        first = [ends[[target]] for ends in self._low]
        last = [ends[[target]] for ends in self._high]
        self._loss[target] = self._losses(first, last)[0]

    def _counted(self, groups: TupleGroups) -> dict[str, npt.NDArray[np.int64]] | None:
        """Counts that add up; none where a subject is in several tuples, or they are too many."""
        tallies = [self._tuples.subjects, *self._tuples.sensitive.values()]
        if any(len(tally.roaming_at) for tally in tallies):
            return None
        if groups.count * sum(tally.values for tally in tallies) > _TABLE:
            return None
        tables = {}
        for name, tally in self._tuples.sensitive.items():
            histogram = groups.histogram(name)
            tables[name] = np.zeros((groups.count, tally.values), dtype=np.int64)
            tables[name][histogram.group, histogram.value] = histogram.count
        return tables


def stretches(tuples: Tuples, group: Ints, groups: int) -> tuple[list[Ints], list[Ints]]:
    """The first and last place of each group in each column; ``group`` is -1 for none."""
    kept = np.flatnonzero(group >= 0)
    kept = kept[np.argsort(group[kept], kind="stable")]
    starts = np.searchsorted(group[kept], np.arange(groups))
    low = [np.minimum.reduceat(codes[kept], starts).astype(np.int32) for codes in tuples.codes]
    high = [np.maximum.reduceat(codes[kept], starts).astype(np.int32) for codes in tuples.codes]
    return low, high
