"""Mondrian (LeFevre and others 2006) by levels: all parts of a level are cut at once.

For lattices too large to sweep, and for columns of numbers without a hierarchy. Every cut is
between two branches of a label, so what comes out has labels of the hierarchies, or ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding.axes import Axis, Floats, NumberAxis
from anonymizers.recoding.groups import TupleGroups
from anonymizers.recoding.integer_keys import Ints
from anonymizers.recoding.merging import stretches
from anonymizers.recoding.models import PrivacyModel, least_subjects, satisfied
from anonymizers.recoding.recode import Recoding
from anonymizers.recoding.tuples import Tuples


class Mondrian(Recoding):
    """Cuts the rows in pieces, and the pieces again, as long as all satisfy the models.

    A part is cut in the column where that saves most: into the branches of its label, those
    that would not satisfy the models pooled, or into two ranges. Where the pieces would not do,
    the next best column is tried. Nothing is suppressed.
    ``numbers`` names columns of numbers without a hierarchy, which get ranges.
    """

    def __init__(
        self,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[PrivacyModel],
        *,
        numbers: Sequence[str] = (),
        subject: str | None = None,
        max_suppressed: float = 0.0,
        merge_leftovers: bool = True,
    ) -> None:
        self.numbers = tuple(numbers)
        super().__init__(
            hierarchies,
            models,
            subject=subject,
            max_suppressed=max_suppressed,
            merge_leftovers=merge_leftovers,
        )

    @property
    def quasi_identifiers(self) -> tuple[str, ...]:
        return (*super().quasi_identifiers, *self.numbers)

    def _axes(self, frame: pd.DataFrame) -> tuple[Axis, ...]:
        return (*super()._axes(frame), *(NumberAxis.of(frame[name]) for name in self.numbers))

    def _classes(self, tuples: Tuples, allowed: int) -> tuple[Ints, str]:
        del allowed  # one part is the whole: nothing is left over
        return partition(self.axes_, tuples, self.models), "mondrian"


def partition(axes: Sequence[Axis], tuples: Tuples, models: Sequence[PrivacyModel]) -> Ints:
    """The part of each tuple; -1 for all where not even the whole satisfies the models."""
    part, parts = np.zeros(len(tuples), dtype=np.int64), 1
    found = part - 1
    if not satisfied(models, TupleGroups(tuples, part, 1)).all():
        return found
    left, number, done = tuples, np.arange(len(tuples)), 0
    least = least_subjects(models)
    tried = np.zeros((1, len(axes)), dtype=np.bool_)
    while len(left):
        column, branch = _chosen(axes, left, part, tried, least)
        cut = column >= 0
        piece, good = _agreed(models, left, part, branch, cut)
        refused = np.flatnonzero(cut & ~good)
        tried[refused, column[refused]] = True
        tried[good] = False
        stay = cut[part]
        found[number[~stay]] = part[~stay] + done
        done += parts
        left, number = left.take(np.flatnonzero(stay)), number[stay]
        before = part[stay]
        met, part = np.unique(np.where(good[before], piece[stay], -1 - before), return_inverse=True)
        origin = np.zeros(len(met), dtype=np.int64)
        origin[part] = before
        tried, parts = tried[origin], len(met)
    return np.unique(found, return_inverse=True)[1]


def _chosen(
    axes: Sequence[Axis], tuples: Tuples, part: Ints, tried: npt.NDArray[np.bool_], least: int
) -> tuple[Ints, Ints]:
    """The column in which each part is cut, or -1, and the branch of each tuple there."""
    ends = stretches(tuples, part, len(tried))
    branches, scores = [], []
    for number, (axis, low, high) in enumerate(zip(axes, *ends, strict=True)):
        label = axis.labels(low, high)
        place = tuples.codes[number]
        if axis.halved:
            branch = _upper_half(part, len(tried), place, tuples.rows).astype(np.int64)
        else:
            branch = axis.branch(label[part], place)
        branches.append(part * np.int64(int(branch.max()) + 1) + branch)
        scores.append(_score(axis, tuples, place, part, branches[-1], axis.loss(label), least))
    score = np.where(tried, -1.0, np.array(scores).T)
    column = np.where(score.max(axis=1) >= 0, score.argmax(axis=1), -1)
    return column, np.array(branches)[column[part], np.arange(len(tuples))]


def _score(
    axis: Axis, tuples: Tuples, place: Ints, part: Ints, branch: Ints, loss: Floats, least: int
) -> Floats:
    """For each part, the loss that a cut saves, over the root of the bits that tell the pieces.

    A part can be cut only so often as its rows last, so a cut that takes few bits leaves more
    to the columns after it; the root did best by trial. -1 where there is nothing to cut.
    """
    parts = len(loss)
    met, inverse = np.unique(branch, return_inverse=True)
    weight = np.bincount(inverse, weights=tuples.rows)
    of_branch = np.zeros(len(met), dtype=np.int64)
    of_branch[inverse] = part
    alone = weight >= least
    pool = np.bincount(of_branch, weights=weight * ~alone, minlength=parts)
    alone = _less_smallest(alone, weight, of_branch, (pool > 0) & (pool < least))
    piece = np.where(alone, np.arange(len(met)), len(met) + of_branch)
    kept, piece = np.unique(piece, return_inverse=True)
    weight = np.bincount(piece, weights=weight)
    of_piece = np.zeros(len(kept), dtype=np.int64)
    of_piece[piece] = of_branch
    low = np.full(len(kept), axis.places, dtype=np.int64)
    high = np.zeros(len(kept), dtype=np.int64)
    np.minimum.at(low, piece[inverse], place)
    np.maximum.at(high, piece[inverse], place)
    total = np.bincount(of_piece, weights=weight, minlength=parts)
    after = np.bincount(of_piece, weights=weight * axis.loss(axis.labels(low, high)))
    bits = np.bincount(of_piece, weights=weight * np.log2(total[of_piece] / weight))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.round((total * loss - after) / np.sqrt(bits), 9)
    return np.where(np.bincount(of_piece) > 1, score, -1.0)


def _agreed(
    models: Sequence[PrivacyModel],
    tuples: Tuples,
    part: Ints,
    branch: Ints,
    cut: npt.NDArray[np.bool_],
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The piece of each tuple, and for each part whether all its pieces satisfy the models.

    Branches that do not are pooled; a pool that still does not takes up the smallest branch
    that does.
    """
    parts = len(cut)
    met, inverse = np.unique(branch, return_inverse=True)
    of_branch = np.zeros(len(met), dtype=np.int64)
    of_branch[inverse] = part
    weight = np.bincount(inverse, weights=tuples.rows)
    alone = satisfied(models, TupleGroups(tuples, inverse, len(met)))
    good = np.zeros(parts, dtype=np.bool_)
    needy = good
    for _ in range(2):
        alone = _less_smallest(alone, weight, of_branch, needy)
        piece = np.where(alone, np.arange(len(met)), len(met) + of_branch)
        kept, group = np.unique(piece, return_inverse=True)
        verdict = satisfied(models, TupleGroups(tuples, group[inverse], len(kept)))
        of_piece = np.zeros(len(kept), dtype=np.int64)
        of_piece[group] = of_branch
        failing = np.bincount(of_piece, weights=~verdict, minlength=parts)
        good = cut & (failing == 0) & (np.bincount(of_piece, minlength=parts) > 1)
        needy = cut & (failing > 0)
    return piece[inverse], good


def _less_smallest(
    alone: npt.NDArray[np.bool_],
    weight: npt.NDArray[Any],
    of_branch: Ints,
    needy: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """``alone`` without the smallest such branch of each needy part."""
    some = np.flatnonzero(alone & needy[of_branch])
    order = some[np.lexsort((some, weight[some], of_branch[some]))]
    left = alone.copy()
    left[order[np.unique(of_branch[order], return_index=True)[1]]] = False
    return left


def _upper_half(part: Ints, parts: int, place: Ints, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which tuples are above the place that halves the rows of their part best."""
    radix = np.int64(int(place.max()) + 1)
    met, inverse = np.unique(part * radix + place, return_inverse=True)
    weight = np.bincount(inverse, weights=rows)
    of_place = met // radix
    total = np.bincount(of_place, weights=weight, minlength=parts)
    until = np.cumsum(weight) - (np.cumsum(total) - total)[of_place]
    smaller = np.minimum(until, total[of_place] - until)
    order = np.lexsort((np.arange(len(met)), -smaller, of_place))
    first = order[np.unique(of_place[order], return_index=True)[1]]
    cut = np.zeros(parts, dtype=np.int64)
    cut[of_place[first]] = met[first] % radix
    return np.asarray(place > cut[part])
