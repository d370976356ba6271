"""The figures that privacy models compare, for all groups of a histogram at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding.groups import Histogram
from anonymizers.recoding.integer_keys import Ints

Floats = npt.NDArray[np.float64]
Distance = Literal["equal", "ordered", "hierarchical"]

_CELLS = 1 << 21
"""Cells of a dense table of groups and values that is held at once."""


def distinct(histogram: Histogram) -> npt.NDArray[np.int64]:
    """How many distinct values each group has."""
    return np.bincount(histogram.group, minlength=histogram.groups)


def effective(histogram: Histogram) -> Floats:
    """The exponential of each group's entropy: as many equally common values say as little."""
    share = histogram.shares
    return np.asarray(np.exp(_sums(histogram, -share * np.log(share))))


def commonest_and_tail(histogram: Histogram, l: int) -> tuple[Floats, Floats]:  # noqa: E741
    """In each group the count of the commonest value, and of all from the l-th commonest on."""
    order = np.lexsort((-histogram.count, histogram.group))
    group, count = histogram.group[order], histogram.count[order].astype(np.float64)
    sizes = distinct(histogram)
    place = np.arange(len(group)) - (np.cumsum(sizes) - sizes)[group]
    ranked = replace(histogram, group=group)
    return _sums(ranked, count * (place == 0)), _sums(ranked, count * (place >= l - 1))


def distance(histogram: Histogram, kind: Distance, hierarchy: Hierarchy | None = None) -> Floats:
    """The earth mover's distance of each group's distribution from the reference, in [0, 1].

    A value that the reference lacks has the share 0 there; one that neither has does not count. ``hierarchy`` orders the values or
    gives their distances; a value outside it raises ``HierarchyError``.
    """
    reference = histogram.reference / max(histogram.reference.sum(), 1)
    if kind == "equal":
        # Half the sum of |p - q| is the sum of what p has more than q; where p has any.
        more = np.maximum(histogram.shares - reference[histogram.value], 0)
        return _sums(histogram, more)
    places = _places(histogram, hierarchy)
    if kind == "ordered":
        met = histogram.reference > 0
        met[histogram.value] = True
        order = np.argsort(places, kind="stable")
        order = order[met[order]]
        return _in_pieces(histogram, lambda shares: _ordered((shares - reference)[:, order]))
    assert hierarchy is not None
    return _in_pieces(
        histogram, lambda shares: _hierarchical(shares - reference, places, hierarchy)
    )


def _sums(histogram: Histogram, weights: Floats) -> Floats:
    """What the entries of each group weigh together."""
    found = np.bincount(histogram.group, weights=weights, minlength=histogram.groups)
    return found.astype(np.float64, copy=False)


def _places(histogram: Histogram, hierarchy: Hierarchy | None) -> Ints:
    if hierarchy is None:
        return np.arange(len(histogram.categories))
    return hierarchy.encode(histogram.categories.to_series())


def _ordered(extra: Floats) -> Floats:
    steps = max(extra.shape[1] - 1, 1)
    return np.asarray(np.abs(np.cumsum(extra, axis=1)[:, :-1]).sum(axis=1) / steps)


def _hierarchical(extra: Floats, leaves: Ints, hierarchy: Hierarchy) -> Floats:
    # Li and others 2007, 5.2: what the children of a label have too much of is moved to those
    # that have too little, as far as it goes, at the cost of the label's height.
    height = hierarchy.depth - 1
    total = np.zeros(len(extra))
    below = _summed(extra, leaves, len(hierarchy.labels[0]))
    for level in range(1, hierarchy.depth):
        parent = np.empty(len(hierarchy.labels[level - 1]), dtype=np.int64)
        parent[hierarchy.codes[level - 1]] = hierarchy.codes[level]
        size = len(hierarchy.labels[level])
        too_much = _summed(np.maximum(below, 0), parent, size)
        too_little = _summed(np.maximum(-below, 0), parent, size)
        total += level / height * np.minimum(too_much, too_little).sum(axis=1)
        below = _summed(below, parent, size)
    return total


def _summed(columns: Floats, into: Ints, size: int) -> Floats:
    found = np.zeros((len(columns), size))
    for column, target in enumerate(into):
        found[:, target] += columns[:, column]
    return found


def _in_pieces(histogram: Histogram, measure: object) -> Floats:
    assert callable(measure)
    values = len(histogram.categories)
    step = max(_CELLS // max(values, 1), 1)
    found = np.empty(histogram.groups)
    starts = np.searchsorted(histogram.group, np.arange(0, histogram.groups + step, step))
    for number, (low, high) in enumerate(pairwise(starts)):
        first = number * step
        size = min(step, histogram.groups - first)
        dense = np.zeros((size, values))
        dense[histogram.group[low:high] - first, histogram.value[low:high]] = histogram.shares[
            low:high
        ]
        found[first : first + size] = measure(dense)
    return found
