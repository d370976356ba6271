"""Dissolving classes that lose more than their rows would lose in other classes.

The sweep makes classes of the last, rarest rows on nodes that lose nearly everything. Some of
those rows have a class nearby that would have to become only a little wider for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anonymizers.recoding.axes import Axis, CategoryAxis, Floats
from anonymizers.recoding.integer_keys import Ints
from anonymizers.recoding.merging import stretches
from anonymizers.recoding.tuples import Tuples

_EFFORT = 3_000_000
"""Pairs of a tuple and a class that are looked at: a fifth of a second."""

_SLACK = 1.25

_TABLE = 1 << 22

_WORTHWHILE = 300
"""Tuples that must be affordable: with so many classes as to afford fewer, few rows lose much."""


def refine(axes: Sequence[Axis], tuples: Tuples, found: Ints) -> Ints:
    """The class of each tuple after dissolving what is better dissolved; -1 stays -1.

    Only for models that are monotone: a class takes up any rows and satisfies them still. Classes
    are tried in order of what a row of them loses. The tuples of one go one after another to
    where the loss of all rows rises least; if in the end it has fallen, they stay there.
    """
    numbered = found.copy()
    met, numbered[found >= 0] = np.unique(found[found >= 0], return_inverse=True)
    affordable = _EFFORT // max(len(met), 1)
    if affordable < _WORTHWHILE or len(met) < 2:
        return found
    refining = _Refining(axes, tuples, numbered, len(met))
    for number in np.argsort(-refining.loss, kind="stable").tolist():
        if refining.loss[number] <= 0 or refining.looked_at > affordable:
            break
        refining.try_without(number)
    return refining.found


class _Refining:
    def __init__(self, axes: Sequence[Axis], tuples: Tuples, found: Ints, classes: int) -> None:
        self._axes, self._tuples, self.found = axes, tuples, found
        self._low, self._high = (np.array(ends) for ends in stretches(tuples, found, classes))
        kept = np.flatnonzero(found >= 0)
        self._rows = np.bincount(found[kept], weights=tuples.rows[kept], minlength=classes)
        self._tables = [_penalties(axis) for axis in axes]
        self._labels = self._labelled(self._low, self._high)
        self.loss = self._losses(self._labels)
        self.looked_at = 0
        order = kept[np.argsort(found[kept], kind="stable")]
        ends = np.cumsum(np.bincount(found[kept], minlength=classes))
        self._members = [each.tolist() for each in np.split(order, ends[:-1])]

    def try_without(self, number: int) -> None:
        """Dissolve a class if its rows lose less elsewhere."""
        rows, allowed = self._rows[number], self.loss[number]
        before: dict[int, tuple[Ints, Ints, float]] = {}
        moves: list[tuple[int, int]] = []
        self._rows[number] = np.inf  # no place for its own rows
        spent = placed = 0.0
        for member in sorted(self._members[number], key=lambda at: (-self._tuples.rows[at], at)):
            target, cost = self._nearest(member)
            spent += cost
            placed += self._tuples.rows[member]
            # Where the first rows do not go cheaply, the last ones hardly make up for it.
            if spent >= allowed * min(rows, _SLACK * placed) - 1e-9:
                break
            state = (self._low[:, target].copy(), self._high[:, target].copy())
            before.setdefault(target, (*state, self._rows[target]))
            self._widen(target, member)
            moves.append((member, target))
        else:
            self._members[number] = []
            for member, target in moves:
                self._members[target].append(member)
                self.found[member] = target
            return
        self._rows[number] = rows
        for target, (low, high, size) in before.items():
            self._low[:, target], self._high[:, target] = low, high
            self._rows[target] = size
            self._relabel(target)

    def _nearest(self, member: int) -> tuple[int, float]:
        """The class that takes a tuple up at the least cost, in cells, and that cost."""
        self.looked_at += 1
        loss = self._widened(member)
        with np.errstate(invalid="ignore"):  # a class of infinite rows that loses no more
            cost = self._rows * (loss - self.loss) + self._tuples.rows[member] * loss
        cost = np.where(np.isfinite(self._rows), np.round(cost, 9), np.inf)
        target = int(np.argmin(cost))
        return target, float(cost[target])

    def _widened(self, member: int) -> Floats:
        """What each class would lose on a row if it took a tuple up."""
        total = np.zeros(len(self.loss))
        for column, (axis, table) in enumerate(zip(self._axes, self._tables, strict=True)):
            place = self._tuples.codes[column][member]
            if table is not None:
                total += table[place][self._labels[column]]
            else:
                low = np.minimum(self._low[column], place)
                high = np.maximum(self._high[column], place)
                total += axis.loss(axis.labels(low, high))
        return total

    def _widen(self, target: int, member: int) -> None:
        place = [codes[member] for codes in self._tuples.codes]
        self._low[:, target] = np.minimum(self._low[:, target], place)
        self._high[:, target] = np.maximum(self._high[:, target], place)
        self._rows[target] += self._tuples.rows[member]
        self._relabel(target)

    def _relabel(self, target: int) -> None:
        labels = self._labelled(self._low[:, [target]], self._high[:, [target]])
        self.loss[target] = self._losses(labels)[0]
        for mine, label in zip(self._labels, labels, strict=True):
            mine[target] = label[0]

    def _labelled(self, low: Ints, high: Ints) -> list[Ints]:
        return [axis.labels(*ends) for axis, *ends in zip(self._axes, low, high, strict=True)]

    def _losses(self, labels: Sequence[Ints]) -> Floats:
        total = np.zeros(len(labels[0]))
        for axis, label in zip(self._axes, labels, strict=True):
            total += axis.loss(label)
        return total


def _penalties(axis: Axis) -> Floats | None:
    """What the least common label of a place and a label loses: places × labels, if not too many.

    Looking it up takes a fifth of the time of finding that label.
    """
    if not isinstance(axis, CategoryAxis) or axis.places * axis.size > _TABLE:
        return None
    low, high = axis.stretch(np.arange(axis.size))
    place = np.arange(axis.places)[:, None]
    return axis.loss(axis.labels(np.minimum(low, place), np.maximum(high, place)))
