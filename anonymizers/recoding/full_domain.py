"""Global (full-domain) recoding: one level for each column, for all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding.axes import CategoryAxis
from anonymizers.recoding.groups import TupleGroups
from anonymizers.recoding.integer_keys import Ints, factorise
from anonymizers.recoding.lattice import Keys, Lattice
from anonymizers.recoding.local import LARGEST_LATTICE
from anonymizers.recoding.models import PrivacyModel, satisfied
from anonymizers.recoding.recode import Recoding, RecodingError
from anonymizers.recoding.tuples import Tuples


class GlobalRecoding(Recoding):
    """The node of the generalisation lattice that loses least, groups that fail suppressed.

    Loss is the mean over all cells, suppressed ones counted 1, with at most ``max_suppressed``
    of the rows suppressed. The search is exact: it returns a node that no other beats. After
    ``fit``, ``levels_`` has the level of each column. A lattice of more than
    ``LARGEST_LATTICE`` nodes is refused.
    """

    def __init__(
        self,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[PrivacyModel],
        *,
        subject: str | None = None,
        max_suppressed: float = 0.05,
    ) -> None:
        super().__init__(
            hierarchies,
            models,
            subject=subject,
            max_suppressed=max_suppressed,
            merge_leftovers=False,
        )

    levels_: tuple[int, ...]

    def _classes(self, tuples: Tuples, allowed: int) -> tuple[Ints, str]:
        axes = [axis for axis in self.axes_ if isinstance(axis, CategoryAxis)]
        lattice = Lattice(axes)
        if lattice.size > LARGEST_LATTICE:
            raise RecodingError(f"a lattice of {lattice.size} nodes is too large to be searched")
        best = _Search(self, lattice, tuples, allowed).best()
        self.levels_ = (0,) * len(axes)
        if best is None:
            raise RecodingError(
                f"no levels satisfy the models with at most {allowed} of {tuples.rows.sum()} rows "
                f"suppressed"
            )
        self.levels_ = lattice.original(lattice.nodes[best.node])
        return best.found, "full-domain search"

    def _labels(self, low: Sequence[Ints], high: Sequence[Ints]) -> list[Ints]:
        # Those of the node, though all rows of a class may have a lower one in common.
        del high
        axes = [axis for axis in self.axes_ if isinstance(axis, CategoryAxis)]
        return [
            axis.levels[level][place]
            for axis, level, place in zip(axes, self.levels_, low, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class _Judged:
    node: int
    loss: float
    found: Ints


class _Search:
    """Nodes in order of the least they can lose, with what is known of the nodes above them.

    A node loses at least what its labels lose on all rows, as a suppressed cell loses more than
    any label: so the search ends at the first node whose labels lose what the best one does.
    Rows that are suppressed for k alone grow fewer from a node to those above it: so a node with
    too many of them speaks for all nodes below.
    """

    def __init__(
        self, recoding: GlobalRecoding, lattice: Lattice, tuples: Tuples, allowed: int
    ) -> None:
        self._recoding, self._lattice, self._tuples = recoding, lattice, tuples
        self._allowed = allowed
        self._monotone = [model for model in recoding.models if model.monotone]
        self._keys = Keys(lattice, tuples)
        self._least = lattice.losses(tuples)
        self._closed = np.zeros(len(lattice.nodes), dtype=np.bool_)
        self._few: dict[int, bool] = {}
        self._best: _Judged | None = None

    def best(self) -> _Judged | None:
        """The node that loses least, the first in order among equals; None where none will do."""
        for node in np.argsort(self._least, kind="stable").tolist():
            if self._best is not None and self._least[node] >= self._best.loss:
                break
            if not self._closed[node] and node not in self._few:
                self._follow(node)
        return self._best

    def _follow(self, node: int) -> None:
        """Judge a node, and where it will not do some above it, which may close others."""
        chain = self._chain(node)
        low, high = 0, len(chain) - 1
        while low < high:
            middle = (low + high) // 2
            if self._judge(chain[middle]):
                high = middle
            else:
                low = middle + 1
        self._judge(chain[low])

    def _chain(self, node: int) -> list[int]:
        """The way from a node to the top by the cheapest next level each time."""
        chain = [node]
        while steps := self._lattice.above(chain[-1]):
            chain.append(min(steps, key=self._least.__getitem__))
        return chain

    def _judge(self, node: int) -> bool:
        """Whether few enough rows fail what is monotone; if so the node may become the best."""
        if node not in self._few:
            levels = self._lattice.nodes[node]
            group, first = factorise(self._keys.of(levels)[0])
            good = satisfied(self._monotone, TupleGroups(self._tuples, group, len(first)))
            found = np.append(np.where(good, np.cumsum(good) - 1, -1), -1)[group]
            self._few[node] = self._suppressed(found) <= self._allowed
            if self._few[node]:
                self._compare(node, found, int(good.sum()))
            else:
                self._closed |= (self._lattice.nodes <= levels).all(axis=1)
        return self._few[node]

    def _compare(self, node: int, found: Ints, classes: int) -> None:
        found = self._recoding.holding(self._tuples, found, classes)
        if self._suppressed(found) > self._allowed:
            return
        rows = self._tuples.rows * (found >= 0)
        levels = self._lattice.nodes[node]
        lost = sum(
            float((rows * penalties[level][codes]).sum())
            for penalties, level, codes in zip(
                self._lattice.penalties, levels, self._tuples.codes, strict=True
            )
        )
        suppressed = self._suppressed(found)
        loss = (lost / len(levels) + suppressed) / int(self._tuples.rows.sum())
        judged = _Judged(node, round(loss, 12), found)
        if self._best is None or (judged.loss, node) < (self._best.loss, self._best.node):
            self._best = judged

    def _suppressed(self, found: Ints) -> int:
        return int(self._tuples.rows[found < 0].sum())
