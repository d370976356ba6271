"""What a reader of all releases of a cube can compute of the cells that were hidden from them.

The attacker's problem of statistical disclosure control (Hundepool et al., *Statistical
Disclosure Control*, 2012, chapter 4): a reader knows the published cells of every release, that
cells add up to margins, that a cell which is listed counts at least one row, and, given the
benefit of the doubt, which cells have not changed since the release before. An *unknown* is the
value of a base cell for as long as it does not change; a *sum* is the set of unknowns that a
cell, base or margin, of whichever release adds up. Cells of the same set are one: a region of
a single town is that town.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anonymizers.cubes.cells import ALL, ROWS, CubeShape

STATUS = "status"
PUBLISHED = "published"
PRIMARY = "primary"
SECONDARY = "secondary"

Floats = NDArray[np.float64]
Support = tuple[int, ...]


@dataclass
class Sum:
    """One sum of unknowns, and what is to become of it."""

    support: Support
    values: dict[str, float]
    subjects: int
    told: bool = False
    """Published by an earlier release: it cannot be taken back."""
    kept: bool = False
    """Hidden by an earlier release, and unchanged since: it stays hidden."""
    primary: bool = False


@dataclass
class Sums:
    """Every sum of a cube and its earlier releases."""

    listed: list[Sum] = field(default_factory=list)
    current: list[int] = field(default_factory=list)
    """The sum of each cell of the current cube, in the order of its rows."""
    unknowns: int = 0

    def table(self) -> Floats:
        """(sums, unknowns): ones."""
        table = np.zeros((len(self.listed), self.unknowns))
        for number, one in enumerate(self.listed):
            table[number, list(one.support)] = 1
        return table


def sums_of(cube: pd.DataFrame, shape: CubeShape, history: Sequence[pd.DataFrame]) -> Sums:
    """The sums of ``cube`` (with margins) after the ``history`` of states, oldest first."""
    found = Sums()
    by_support: dict[Support, int] = {}
    last: dict[tuple[str, ...], tuple[tuple[int, ...], int]] = {}
    for release in (*history, cube):
        current = release is cube
        last = _named(release, shape, last, found)
        for support, row in _cells(release, shape, last):
            number = by_support.setdefault(support, len(found.listed))
            if number == len(found.listed):
                values = {name: float(row[name]) for name in shape.values}
                found.listed.append(Sum(support, values, int(row["subjects"])))
            one = found.listed[number]
            if current:
                found.current.append(number)
            else:
                one.told |= row[STATUS] == PUBLISHED
                one.kept |= row[STATUS] != PUBLISHED
                one.primary |= row[STATUS] == PRIMARY
    return found


def _named(
    release: pd.DataFrame,
    shape: CubeShape,
    before: Mapping[tuple[str, ...], tuple[tuple[int, ...], int]],
    found: Sums,
) -> dict[tuple[str, ...], tuple[tuple[int, ...], int]]:
    """The unknown of each base cell: the one it was, unless any of its values has changed."""
    now = {}
    keys = list(shape.dimensions)
    base = release[(release[keys] != ALL).all(axis=1)]
    values = base[list(shape.values)].itertuples(index=False, name=None)
    for key, value in zip(base[keys].itertuples(index=False, name=None), values, strict=True):
        old = before.get(key)
        if old is not None and old[0] == value:
            now[key] = old
        else:
            now[key] = (value, found.unknowns)
            found.unknowns += 1
    return now


def _cells(
    release: pd.DataFrame,
    shape: CubeShape,
    unknowns: Mapping[tuple[str, ...], tuple[tuple[int, ...], int]],
) -> Iterable[tuple[Support, Any]]:
    kinds = [shape.dimensions, *shape.margins]
    beneath: dict[tuple[str, ...], list[int]] = {}
    for key, (_, unknown) in unknowns.items():
        for kept in kinds:
            place = tuple(
                label if name in kept else ALL
                for name, label in zip(shape.dimensions, key, strict=True)
            )
            beneath.setdefault(place, []).append(unknown)
    for row in release.to_dict("records"):
        place = tuple(str(row[name]) for name in shape.dimensions)
        yield tuple(sorted(beneath[place])), row


class Reader:
    """Somebody who solves for the hidden sums. Hiding more only widens what she must allow.

    ``low`` and ``high`` by value column: how far each sum has been shown to range, by a whole
    table that agrees with everything published. ``true``: what each is.
    """

    def __init__(self, sums: Sums, shape: CubeShape) -> None:
        from scipy import sparse  # noqa: PLC0415 - slow to import

        self._table = sparse.csr_matrix(sums.table())
        self._values = {
            name: np.array([one.values[name] for one in sums.listed]) for name in shape.values
        }
        self._unit = np.zeros(sums.unknowns, dtype="int64")
        for number, one in enumerate(sums.listed):
            if len(one.support) == 1:
                self._unit[one.support[0]] = number
        # Beyond two dimensions whole numbers allow less than real ones do.
        self._whole = len(shape.dimensions) > 2
        self.true = self._values
        self.low = {name: values.copy() for name, values in self._values.items()}
        self.high = {name: values.copy() for name, values in self._values.items()}

    def reach(self, hidden: NDArray[np.bool_], number: int, name: str) -> tuple[float, float]:
        """The least and the greatest a hidden sum could be if its cells need not be whole.

        Whoever finds this too narrow need not ask further. Whole tables met on the way are
        remembered.
        """
        goal = self._row(number)
        low, high = self._try(hidden, name, [goal, -goal])
        return low, -high

    def look(self, hidden: NDArray[np.bool_], number: int, name: str) -> tuple[float, float]:
        """The least and the greatest that a hidden sum can be, as far as a table proves it."""
        goal = self._row(number)
        self._try(hidden, name, [goal, -goal], whole=self._whole and name == ROWS)
        return float(self.low[name][number]), float(self.high[name][number])

    def scan(self, hidden: NDArray[np.bool_], numbers: Sequence[int], name: str) -> None:
        """Stretch many sums at once, some up and some down, to see most of what they can be."""
        draw = np.random.default_rng(len(numbers))
        chosen = self._table[list(numbers)]
        for _ in range(_SCANS):
            weights = draw.uniform(0.5, 1, len(numbers)) * draw.choice([-1, 1], len(numbers))
            goal = np.asarray(chosen.T @ weights).ravel()
            self._try(hidden, name, [goal, -goal])

    def _row(self, number: int) -> Floats:
        return np.asarray(self._table[[number]].todense()).ravel()

    def _try(
        self,
        hidden: NDArray[np.bool_],
        name: str,
        goals: Sequence[Floats],
        *,
        whole: bool = False,
    ) -> list[float]:
        """How far each goal goes down; what whole tables show of any sum is remembered.

        ``nan`` where no answer was found.
        """
        values = self._values[name]
        open_ = hidden[self._unit]
        known = np.where(open_, 0.0, values[self._unit])
        offset = self._table @ known
        columns = self._table[:, open_]
        lines = np.flatnonzero(~hidden & (columns.getnnz(axis=1) > 0))
        equations, right = columns[lines], (values - offset)[lines]
        found = []
        for goal in goals:
            if not goal[open_].any():
                found.append(float(goal @ known))
                continue
            table = self._extreme(equations, right, goal[open_], name, whole=whole)
            if table is None:
                found.append(float("nan"))
                continue
            found.append(float(goal @ known + goal[open_] @ table))
            if name == ROWS:
                table = np.round(table)
                if not np.array_equal(equations @ table, right):
                    continue
            ranged = offset + columns @ table
            self.low[name] = np.minimum(self.low[name], ranged)
            self.high[name] = np.maximum(self.high[name], ranged)
        return found

    def _extreme(
        self, equations: Any, right: Floats, goal: Floats, name: str, *, whole: bool
    ) -> Floats | None:
        """A table of the open unknowns that agrees with what is known and goes as far as it can."""
        from scipy import optimize  # noqa: PLC0415 - slow to import

        values = self._values[name]
        far = float(np.abs(values).max(initial=1.0)) * 4 + 1_000
        least = 1.0 if name == ROWS else (-far if (values < 0).any() else 0.0)
        solved = optimize.milp(
            goal,
            integrality=np.full(len(goal), int(whole)),
            bounds=optimize.Bounds(least, far),
            constraints=optimize.LinearConstraint(equations, right, right) if len(right) else None,
            options={"time_limit": _SECONDS},
        )
        if solved.x is None:
            return None
        table: Floats = solved.x
        agrees = np.allclose(equations @ table, right, rtol=0, atol=1e-7 * far)
        return table if agrees else None


_SECONDS = 2.0
"""For one answer: a cell of which nothing is proved by then is held to be exposed."""
_SCANS = 6
"""Directions in which all sums are stretched before each is looked at by itself."""
