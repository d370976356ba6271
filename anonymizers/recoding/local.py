"""Local recoding by a sweep over the generalisation lattice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anonymizers.recoding.axes import CategoryAxis
from anonymizers.recoding.groups import TupleGroups
from anonymizers.recoding.integer_keys import Ints
from anonymizers.recoding.lattice import Keys, Lattice
from anonymizers.recoding.models import PrivacyModel, least_subjects, satisfied
from anonymizers.recoding.mondrian import partition
from anonymizers.recoding.recode import Recoding
from anonymizers.recoding.refining import refine
from anonymizers.recoding.tuples import Tuples

_SHRUNK = 0.95
"""The nodes are ordered anew when this share of the rows is left: what is left is rarer."""

_DENSE = 1 << 12
_PRIMES = (4093, 16_381, 65_521, 262_139, 1_048_573, 4_194_301)

LARGEST_LATTICE = 50_000
"""Nodes beyond which Mondrian is used instead: the time of the sweep grows with them."""


class LocalRecoding(Recoding):
    """Each class gets labels of its own, as low in the hierarchies as the models let it.

    A sweep over the generalisation lattice; where that has more than ``LARGEST_LATTICE`` nodes,
    Mondrian (``report_.method`` says which). Leftovers are merged into the nearest classes, and
    classes that lose more than their rows would elsewhere are dissolved; or leftovers are
    suppressed with ``merge_leftovers=False``.
    """

    def _classes(self, tuples: Tuples, allowed: int) -> tuple[Ints, str]:
        lattice = Lattice([axis for axis in self.axes_ if isinstance(axis, CategoryAxis)])
        if lattice.size > LARGEST_LATTICE:
            return partition(self.axes_, tuples, self.models), "mondrian"
        found, classes = sweep(lattice, tuples, self.models)
        found = self._merged(tuples, found, classes, allowed)
        if self.merge_leftovers and all(model.monotone for model in self.models):
            found = refine(self.axes_, tuples, found)
        return found, "lattice sweep"


def sweep(lattice: Lattice, tuples: Tuples, models: Sequence[PrivacyModel]) -> tuple[Ints, int]:
    """The class of each tuple, -1 where none was found, and how many classes there are.

    The nodes are visited in order of the loss they mean for the rows still there; at each,
    every group that satisfies the models is a class and leaves. A group that does not is not
    lost: its tuples go on, and what never finds a class is left to merging.
    """
    least = least_subjects(models)
    left = _Left(lattice, tuples)
    visited = np.zeros(len(lattice.nodes), dtype=np.bool_)
    while left.may_hold(least) and not visited.all():
        enough = _SHRUNK * left.tuples.rows.sum()
        losses = np.where(visited, np.inf, lattice.losses(left.tuples))
        for at in np.argsort(losses, kind="stable")[: int((~visited).sum())]:
            visited[at] = True
            group, count = left.candidates(lattice.nodes[at], least)
            if not count:
                continue
            good = satisfied(models, TupleGroups(left.tuples, group, count))
            if good.any():
                left.settle(group, good)
                if not left.may_hold(least) or left.tuples.rows.sum() < enough:
                    break
    return left.found, left.classes


class _Left:
    """The tuples that have no class yet, and the classes of those that have."""

    def __init__(self, lattice: Lattice, tuples: Tuples) -> None:
        self.tuples = tuples
        self._most = tuples.subjects.most()
        self.found = np.full(len(tuples), -1, dtype=np.int64)
        self.classes = 0
        self._number = np.arange(len(tuples))
        self._keys = Keys(lattice, tuples)

    def may_hold(self, subjects: int) -> bool:
        """Whether there may be so many subjects left: never no where there are."""
        return bool(self._most.sum() >= subjects)

    def candidates(self, node: npt.NDArray[np.int8], least: int) -> tuple[Ints, int]:
        """The groups at a node with at least so many subjects: (group or -1 a tuple, count)."""
        keys, size = self._keys.of(node)
        if size > max(4 * len(keys), _DENSE):
            keys, size = self._thinned(keys, least)
            if not size:
                return keys, 0
        enough = self.tuples.subjects.totals(keys, size) >= least
        count = int(np.count_nonzero(enough))
        if not count:
            return keys, 0
        number = np.append(np.where(enough, np.cumsum(enough) - 1, -1), -1)
        return number[keys], count

    def _thinned(self, keys: Ints, least: int) -> tuple[Ints, int]:
        """Keys numbered anew, -1 where a look at remainders shows a group too small.

        Most groups of a late node are: keys with one remainder have together at least the
        subjects of each, and counting remainders needs neither sorting nor much memory.
        """
        prime = next((prime for prime in _PRIMES if prime > 4 * len(keys)), _PRIMES[-1])
        remainder = keys % prime
        enough = np.bincount(remainder, weights=self._most, minlength=prime) >= least
        kept = np.flatnonzero(enough[remainder])
        numbers = np.full(len(keys), -1, dtype=np.int64)
        if not len(kept):
            return numbers, 0
        met, numbers[kept] = np.unique(keys[kept], return_inverse=True)
        return numbers, len(met)

    def settle(self, group: Ints, good: npt.NDArray[np.bool_]) -> None:
        """Make classes of the good groups and go on without their tuples."""
        number = np.append(np.where(good, np.cumsum(good) - 1 + self.classes, -1), -1)[group]
        leaving = number >= 0
        self.found[self._number[leaving]] = number[leaving]
        self.classes += int(np.count_nonzero(good))
        stay = np.flatnonzero(~leaving)
        self.tuples = self.tuples.take(stay)
        self._number = self._number[stay]
        self._most = self._most[stay]
        self._keys.take(stay)
