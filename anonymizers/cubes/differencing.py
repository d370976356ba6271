"""Audits of published cubes: what can be computed from them by subtracting.

They know no more than a reader has, and share nothing with the code that chose what to hide:
the attacker's problem is solved anew, by linear algebra and linear programming over the hidden
base cells (Hundepool et al., *Statistical Disclosure Control*, 2012, chapter 4). A hidden cell
that is listed counts at least one row; what is absent counts none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anonymizers.audits.findings import Finding
from anonymizers.cubes.cells import ALL, ROWS, SUBJECTS, CubeShape
from anonymizers.cubes.reader import PUBLISHED, STATUS

Floats = NDArray[np.float64]

_NEAR = 1e-7
"""What a null space holds of a cell that nothing moves."""


def small_cells(cells: pd.DataFrame, shape: CubeShape, threshold: int) -> list[Finding]:
    """Published cells, margins among them, of fewer than ``threshold`` subjects or rows."""
    shown = cells[cells[STATUS] == PUBLISHED]
    few = (shown[SUBJECTS] < threshold) | (shown[ROWS] < threshold)
    missing = shown[[SUBJECTS, *shape.values]].isna().any(axis=1)
    told = cells[cells[STATUS] != PUBLISHED][[SUBJECTS, *shape.values]].notna().any(axis=1)
    found = []
    if few.fillna(value=True).any():
        figures = {"cells": int(few.fillna(value=True).sum()), "threshold": threshold}
        found.append(
            Finding("differencing.small_cells", "published cells count too few people", figures)
        )
    for what, wrong in (
        ("published cells lack a number", missing),
        ("suppressed cells show a number", told),
    ):
        if wrong.any():
            found.append(Finding("differencing.small_cells", what, {"cells": int(wrong.sum())}))
    return found


def recoverable(cells: pd.DataFrame, shape: CubeShape, threshold: int) -> list[Finding]:
    """Suppressed cells that follow from the published ones, exactly or as small ones.

    ``cells``: a published cube (``status``, blanks where suppressed), nothing else is needed.
    """
    check = "differencing.recoverable"
    reader = _read(cells, shape)
    if reader.contradictions:
        return [
            Finding(check, "sums do not add up to their margins", {"sums": reader.contradictions})
        ]
    outcome = reader.attack(threshold)
    if outcome is None:
        return [Finding(check, "published sums contradict each other", {})]
    return _told(check, outcome, threshold)


@dataclass(frozen=True)
class _Outcome:
    """Places of hidden cells (base and margins, numbered alike for one shape)."""

    hidden: int
    determined: frozenset[tuple[str, ...]]
    small: frozenset[tuple[str, ...]]
    """Cells of which the published ones prove that they count fewer than the threshold."""


def _told(check: str, outcome: _Outcome, threshold: int) -> list[Finding]:
    found = []
    if outcome.determined:
        found.append(
            Finding(
                check,
                "suppressed cells can be computed from published ones",
                {"cells": len(outcome.determined), "suppressed": outcome.hidden},
            )
        )
    if outcome.small - outcome.determined:
        found.append(
            Finding(
                check,
                "published cells prove that suppressed ones are small",
                {
                    "cells": len(outcome.small - outcome.determined),
                    "suppressed": outcome.hidden,
                    "threshold": threshold,
                },
            )
        )
    return found


@dataclass(frozen=True)
class _Reader:
    """What somebody has who adds and subtracts: equations over the hidden base cells."""

    matrix: Floats
    """(equations, hidden base cells): which of them a published margin sums."""
    right: Floats
    """(equations,): rows of the margin that the published base cells leave."""
    asked: Floats
    """(hidden cells, hidden base cells): each hidden cell, base or margin, as a sum."""
    places: tuple[tuple[str, ...], ...]
    """The labels of each hidden cell asked for."""
    offset: Floats
    """(hidden cells,): rows that published base cells add to it."""
    contradictions: int

    def attack(self, threshold: int) -> _Outcome | None:
        """What follows; ``None`` where no table agrees with what was published."""
        if not self.places:
            return _Outcome(0, frozenset(), frozenset())
        still = self._still()
        small = set()
        for number, place in enumerate(self.places):
            bounds = (
                self._bounds(number) if self.asked[number].any() else (self.offset[number],) * 2
            )
            if bounds is None:
                return None
            low, high = bounds
            if high - low < 0.5:
                still.add(place)
            if high + 0.5 < threshold:
                small.add(place)
        return _Outcome(len(self.places), frozenset(still), frozenset(small))

    def _still(self) -> set[tuple[str, ...]]:
        """Cells that no change can move which keeps every published sum."""
        from scipy.linalg import null_space  # noqa: PLC0415 - slow to import

        width = self.matrix.shape[1]
        moves = null_space(self.matrix) if self.matrix.size else np.eye(width)
        moved = self.asked @ moves
        held = np.abs(moved).max(axis=1, initial=0.0) < _NEAR
        return {place for place, fixed in zip(self.places, held, strict=True) if fixed}

    def _bounds(self, number: int) -> tuple[float, float] | None:
        from scipy.optimize import linprog  # noqa: PLC0415 - slow to import

        found = []
        for sign in (1.0, -1.0):
            solved = linprog(
                sign * self.asked[number],
                A_eq=self.matrix if len(self.matrix) else None,
                b_eq=self.right if len(self.matrix) else None,
                bounds=(1, None),
                method="highs",
            )
            if solved.status == 3:
                found.append(sign * -np.inf)
            elif solved.status == 0:
                found.append(sign * float(solved.fun))
            else:
                return None
        low, high = (float(bound + self.offset[number]) for bound in found)
        return low, high


def _read(cells: pd.DataFrame, shape: CubeShape) -> _Reader:
    dimensions = list(shape.dimensions)
    labels = cells[dimensions].astype("str").to_numpy(dtype=object)
    rows = cells[ROWS].astype("float64").fillna(0).to_numpy()
    shown = (cells[STATUS] == PUBLISHED).to_numpy(dtype=bool)
    inner = (labels != ALL).all(axis=1)
    base = np.flatnonzero(inner)
    column = {int(at): place for place, at in enumerate(base[~shown[base]])}
    matrix, right, asked, offset, places = [], [], [], [], []
    contradictions = 0
    for at in range(len(cells)):
        under = base[((labels[base] == labels[at]) | (labels[at] == ALL)).all(axis=1)]
        line = np.zeros(len(column))
        line[[column[int(one)] for one in under if not shown[one]]] = 1
        told = float(rows[under[shown[under]]].sum())
        if not shown[at]:
            asked.append(line)
            offset.append(told)
            places.append(tuple(str(label) for label in labels[at]))
        elif not inner[at]:
            if line.any():
                matrix.append(line)
                right.append(rows[at] - told)
            elif rows[at] != told or not _adds_up(cells, shape, at, under):
                contradictions += 1
    width = len(column)
    return _Reader(
        np.array(matrix).reshape(len(matrix), width),
        np.array(right),
        np.array(asked).reshape(len(asked), width),
        tuple(places),
        np.array(offset),
        contradictions,
    )


def _adds_up(cells: pd.DataFrame, shape: CubeShape, at: int, under: NDArray[np.int64]) -> bool:
    """Whether the sums of a margin of which every cell is published are those of its cells."""
    return all(
        sum(cells[name].iloc[under].tolist()) == cells[name].iloc[at] for name in shape.measures
    )


def between(
    previous: pd.DataFrame, current: pd.DataFrame, shape: CubeShape, threshold: int
) -> list[Finding]:
    """What two published releases of a cube say together that neither says alone.

    A cell published in both has changed by at least ``threshold`` people, or in nothing; what a
    published margin has changed by beside its published cells is no small number of rows; and
    no cell hidden in one follows from the other, taking for unchanged what can be unchanged.
    """
    check = "differencing.between"
    keys = list(shape.dimensions)
    old, new = (_indexed(cells, keys) for cells in (previous, current))
    places = old.index.union(new.index)
    old, new = old.reindex(places), new.reindex(places)
    told = (old[STATUS] == PUBLISHED) & (new[STATUS] == PUBLISHED)
    margin = pd.Series((places.to_frame() == ALL).any(axis=1).to_numpy(), index=places)
    changed = _changed(old, new, shape)
    people = (new[SUBJECTS] - old[SUBJECTS]).abs().astype("float64")
    wrong = told & ~margin & changed & (people < threshold)
    found = []
    if wrong.any():
        figures = {"cells": int(wrong.sum()), "threshold": threshold}
        found.append(Finding(check, "cells have changed by fewer people than allowed", figures))
    rest = _unexplained(old, new, told & margin, told & ~margin)
    few = int(((rest > 0) & (rest < threshold)).sum())
    if few:
        figures = {"margins": few, "threshold": threshold}
        found.append(Finding(check, "margins have changed by fewer rows than allowed", figures))
    for first, second, names in ((previous, current, keys), (current, previous, keys)):
        found += _completed(check, first, second, shape, threshold, names)
    return found


def _indexed(cells: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    frame = cells.copy()
    for key in keys:
        frame[key] = frame[key].astype("str")
    return frame.set_index(keys)


def _changed(old: pd.DataFrame, new: pd.DataFrame, shape: CubeShape) -> pd.Series:
    different = pd.Series(data=False, index=old.index)
    for name in (SUBJECTS, *shape.values):
        different |= (old[name] != new[name]).fillna(value=False).astype(bool)
    return different


def _unexplained(
    old: pd.DataFrame,
    new: pd.DataFrame,
    margins: pd.Series,
    bases: pd.Series,
) -> pd.Series:
    """By how many rows each margin published twice has changed beside the cells published twice."""
    labels = old.index.to_frame(index=False).to_numpy(dtype=object)
    change = (new[ROWS].astype("float64") - old[ROWS].astype("float64")).to_numpy()
    at_base = np.flatnonzero(bases.to_numpy(dtype=bool))
    rest = {}
    for at in np.flatnonzero(margins.to_numpy(dtype=bool)):
        under = at_base[((labels[at_base] == labels[at]) | (labels[at] == ALL)).all(axis=1)]
        rest[tuple(labels[at])] = abs(float(change[at] - change[under].sum()))
    return pd.Series(list(rest.values()), dtype="float64")


def _completed(
    check: str,
    cells: pd.DataFrame,
    other: pd.DataFrame,
    shape: CubeShape,
    threshold: int,
    keys: list[str],
) -> list[Finding]:
    """``cells``, with what is hidden in it read from ``other`` where it may be unchanged.

    A hidden cell is taken for unchanged where the published margins above it are.
    """
    here, there = _indexed(cells, keys), _indexed(other, keys)
    hidden = here.index[(here[STATUS] != PUBLISHED).to_numpy(dtype=bool)]
    shown = there.index[(there[STATUS] == PUBLISHED).to_numpy(dtype=bool)]
    both = hidden.intersection(shown)
    if not len(both):
        return []
    above = _same_margins(here, there, both)
    if not len(above):
        return []
    filled = here.copy()
    taken = pd.Series(here.index.isin(above), index=here.index)
    for name in (SUBJECTS, *shape.values):
        filled[name] = here[name].where(~taken, there[name].reindex(here.index))
    filled.loc[above, STATUS] = PUBLISHED
    alone = _read(here.reset_index(), shape).attack(threshold)
    together = _read(filled.reset_index(), shape)
    if together.contradictions or alone is None:
        return []  # something beneath has changed: the cells were not the same
    outcome = together.attack(threshold)
    if outcome is None:
        return []
    return _told(
        check,
        _Outcome(
            outcome.hidden,
            outcome.determined - alone.determined,
            outcome.small - alone.small,
        ),
        threshold,
    )


def _same_margins(here: pd.DataFrame, there: pd.DataFrame, cells: pd.Index) -> pd.Index:
    """Which of ``cells`` lie beneath a margin published twice with the same rows, and none other.

    Without such a margin nothing says that they have not changed.
    """
    both = here.index.intersection(there.index)
    labels = both.to_frame(index=False).to_numpy(dtype=object)
    twice = (
        (labels == ALL).any(axis=1)
        & (here.loc[both, STATUS] == PUBLISHED).to_numpy(dtype=bool)
        & (there.loc[both, STATUS] == PUBLISHED).to_numpy(dtype=bool)
    )
    moved = (here.loc[both, ROWS] != there.loc[both, ROWS]).fillna(value=True).to_numpy(dtype=bool)
    wanted = cells.to_frame(index=False).to_numpy(dtype=object)
    still, touched = np.zeros((2, len(cells)), dtype=bool)
    for margin, changed in zip(labels[twice], moved[twice], strict=True):
        beneath = ((wanted == margin) | (margin == ALL)).all(axis=1)
        touched |= beneath & changed
        still |= beneath & ~changed
    return cells[still & ~touched]


def linked(cubes: Sequence[tuple[pd.DataFrame, CubeShape]], threshold: int) -> list[Finding]:
    """The same for several cubes of one release that count the same people.

    A sum that two cubes have in common is hidden in both, or in neither.
    """
    del threshold  # whatever it is, a cell hidden in one cube must not stand in another
    wrong = 0
    for (one, shape), (other, further) in combinations(cubes, 2):
        names = sorted(set(shape.dimensions) & set(further.dimensions))
        first, second = _common(one, shape, names), _common(other, further, names)
        for key, shown in first.items():
            wrong += key in second and second[key] != shown
    if not wrong:
        return []
    return [
        Finding(
            "differencing.linked",
            "cells suppressed in one cube are published in another",
            {"cells": wrong},
        )
    ]


def _common(
    cells: pd.DataFrame, shape: CubeShape, names: Sequence[str]
) -> dict[tuple[str, ...], bool]:
    """Whether each sum over nothing but ``names`` is published."""
    others = [name for name in shape.dimensions if name not in names]
    inner = (cells[others] == ALL).all(axis=1) if others else cells[ROWS].map(lambda _: True)
    mine = cells[inner.to_numpy(dtype=bool)]
    keys = mine[list(names)].astype("str").to_numpy(dtype=object)
    return {
        tuple(key): bool(shown) for key, shown in zip(keys, mine[STATUS] == PUBLISHED, strict=True)
    }
