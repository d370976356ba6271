"""Attacks on cubes: what a reader of the published cells learns of a person or of a group.

Suppressed cells are listed and blank; a combination that is not listed counts nobody. A cube
without the column ``status`` (one with noise) shows every cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.audits.attacks_result import LIMIT_OF_COUNTS, NOBODY, AttackResult, against_control
from anonymizers.cubes.cells import ALL, ROWS, SUBJECTS

_STATUS, _PUBLISHED = "status", "published"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PublishedCube:
    """A published cube: its cells, margins included, and the names of its dimensions."""

    name: str
    cells: pd.DataFrame
    dimensions: tuple[str, ...]

    @property
    def shown(self) -> Mask:
        """Which cells show their numbers."""
        cells = self.cells
        counted: Mask = cells[ROWS].notna().to_numpy(dtype=np.bool_)
        if _STATUS in cells.columns:
            counted = counted & (cells[_STATUS] == _PUBLISHED).to_numpy(dtype=np.bool_)
        return counted

    def kept(self, names: Sequence[str]) -> Mask:
        """The cells that keep exactly the dimensions ``names`` and sum over the others."""
        mask = np.ones(len(self.cells), dtype=np.bool_)
        for name in self.dimensions:
            mask &= ((self.cells[name] != ALL) == (name in names)).to_numpy(dtype=np.bool_)
        return mask


def cube_singling_out(cubes: Sequence[PublishedCube], *, limit: float = NOBODY) -> AttackResult:
    """Cells of one person: published, or left when a line's published cells are subtracted.

    A line are the cells that differ in one dimension only, and the margin that sums them. Where
    all but one are published, so is that one. A cell of one record is a cell of one person.
    """
    alone = tried = 0
    for cube in cubes:
        shown = cube.cells[cube.shown]
        # Where persons have several rows, one person is one by `subjects` and not by `rows`.
        count = shown[[name for name in (SUBJECTS, ROWS) if name in shown.columns]].min(axis=1)
        alone += int((count == 1).sum())
        tried += len(shown)
        for left, hidden in (_left(cube, name) for name in cube.dimensions):
            alone += int(((left == 1) & (hidden == 1)).sum())
            tried += int((hidden == 1).sum())
    return against_control(
        "singling out",
        alone,
        tried,
        0,
        0,
        limit=limit,
        exhaustive=True,
        details={"cubes": len(cubes)},
    )


def _left(cube: PublishedCube, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Of each line along ``name`` with a published margin: the rest of its rows, and its cells."""
    others = [dimension for dimension in cube.dimensions if dimension != name]
    shown = cube.shown
    margin = ((cube.cells[name] == ALL).to_numpy(dtype=np.bool_)) & shown
    lines = cube.cells.assign(
        _cell=(cube.cells[name] != ALL).to_numpy(dtype=np.bool_) & shown,
        _hidden=(cube.cells[name] != ALL).to_numpy(dtype=np.bool_) & ~shown,
        _margin=margin,
    )
    rows = lines[ROWS].astype("Float64").fillna(0).to_numpy("float64")
    signed = np.where(margin, rows, np.where(lines["_cell"], -rows, 0.0))
    group = (
        lines.groupby(others, sort=False).ngroup().to_numpy()
        if others
        else np.zeros(len(lines), dtype=np.int64)
    )
    count = int(group.max(initial=-1)) + 1
    left = np.bincount(group, weights=signed, minlength=count)
    hidden = np.bincount(group, weights=lines["_hidden"], minlength=count).astype(np.int64)
    complete = np.bincount(group, weights=margin, minlength=count) == 1
    return left[complete], hidden[complete]


def cube_inference(
    cubes: Sequence[PublishedCube],
    sensitive: Sequence[str],
    *,
    certainty: float = 0.95,
    limit: float = LIMIT_OF_COUNTS,
) -> AttackResult:
    """Lines of which one value of a sensitive dimension holds ≥ ``certainty``: group disclosure.

    Whoever is known to be in such a line is known to have the value. A value that holds that
    share of the whole cube is no news. ``sensitive`` names the dimensions that nobody must
    learn of a person; a dimension that follows from another (the region from the department)
    is certain by itself and none of them. What is measured is the share of a cube's records
    in such lines.
    """
    certain = tried = 0.0
    for cube in cubes:
        for name in [name for name in sensitive if name in cube.dimensions]:
            found, whole = _concentrated(cube, name, certainty)
            certain += found
            tried += whole
    return against_control(
        "inference",
        int(certain),
        int(tried),
        0,
        0,
        limit=limit,
        exhaustive=True,
        details={"cubes": len(cubes), "certainty": certainty},
    )


def _concentrated(cube: PublishedCube, name: str, certainty: float) -> tuple[float, float]:
    """Records in the finest lines that are certain, and all records in finest lines."""
    others = [dimension for dimension in cube.dimensions if dimension != name]
    base = cube.cells[cube.kept(cube.dimensions) & cube.shown]
    rows = base[ROWS].astype("float64").to_numpy()
    if not len(base) or rows.sum() <= 0:
        return 0.0, 0.0
    value, _ = pd.factorize(base[name])
    line = (
        base.groupby(others, sort=False).ngroup().to_numpy()
        if others
        else np.zeros(len(base), dtype=np.int64)
    )
    overall = np.bincount(value, weights=rows) / rows.sum()
    total = _line_totals(cube, base, others, line, rows)
    sure = (rows >= certainty * total[line]) & (overall[value] < certainty)
    return float(rows[sure].sum()), float(rows.sum())


def _line_totals(
    cube: PublishedCube,
    base: pd.DataFrame,
    others: Sequence[str],
    line: npt.NDArray[Any],
    rows: npt.NDArray[Any],
) -> npt.NDArray[Any]:
    """The rows of each line: its margin's, or at least those of its published cells.

    Hidden cells of a line without a margin count one record each: what a reader cannot rule out.
    """
    total = np.bincount(line, weights=rows)
    if not others:
        return total
    keys = base.groupby(list(others), sort=False).head(1)[list(others)]
    inner = cube.cells[cube.kept(cube.dimensions) & ~cube.shown]
    hidden = inner.groupby(list(others), sort=False).size().rename("hidden").reset_index()
    margins = cube.cells[cube.kept(others) & cube.shown][[*others, ROWS]]
    known = keys.merge(margins, on=list(others), how="left").merge(
        hidden, on=list(others), how="left"
    )
    least = total + known["hidden"].fillna(0).to_numpy("float64")
    margin = known[ROWS].astype("Float64").fillna(0).to_numpy("float64")
    return np.asarray(np.maximum(least, margin))


def cube_linkability(
    cubes: Sequence[PublishedCube], *, threshold: int, limit: float = NOBODY
) -> AttackResult:
    """Hidden cells of a cube that another cube of the same people gives away.

    The cubes count the same records; dimensions of one name mean the same. What one says of a
    combination of the dimensions they share, less what the other publishes there, is what the
    other hides: linked, where that is fewer than ``threshold`` records. (Necessary, and fast;
    ``differencing`` has the exact answer.)
    """
    linked = tried = 0
    for cube in cubes:
        for other in cubes:
            if cube is not other:
                found, compared = _given_away(cube, other, threshold)
                linked += found
                tried += compared
    return against_control(
        "linkability",
        linked,
        tried,
        0,
        0,
        limit=limit,
        exhaustive=True,
        details={"cubes": len(cubes), "threshold": threshold},
    )


def _given_away(cube: PublishedCube, other: PublishedCube, threshold: int) -> tuple[int, int]:
    """Combinations where ``other`` hides fewer than ``threshold`` records that ``cube`` shows."""
    shared = [name for name in cube.dimensions if name in other.dimensions]
    if not shared:
        return 0, 0
    told = _totals(cube, shared)
    base = other.cells[other.kept(other.dimensions)].assign(
        _shown=other.shown[other.kept(other.dimensions)]
    )
    base["_rows"] = base[ROWS].astype("Float64").fillna(0).where(base["_shown"], 0)
    lines = base.groupby(shared, sort=False).agg(
        published=("_rows", "sum"), shown=("_shown", "sum"), cells=("_shown", "size")
    )
    both = lines[lines["shown"] < lines["cells"]].join(told, how="inner")
    left = (both["told"] - both["published"]).to_numpy("float64")
    return int(((left > 0) & (left < threshold)).sum()), len(both)


def _totals(cube: PublishedCube, shared: Sequence[str]) -> pd.DataFrame:
    """The rows of each combination of ``shared`` that the cube tells: margins, or sums of cells."""
    margins = cube.cells[cube.kept(shared) & cube.shown]
    told = margins[[*shared, ROWS]].rename(columns={ROWS: "told"})
    inner = cube.cells[cube.kept(cube.dimensions)]
    sums = inner.assign(_hidden=~cube.shown[cube.kept(cube.dimensions)])
    by = sums.groupby(list(shared), sort=False).agg(told=(ROWS, "sum"), hidden=("_hidden", "any"))
    known = by[~by["hidden"]].reset_index()[[*shared, "told"]]
    every = pd.concat([told, known], ignore_index=True).drop_duplicates(list(shared))
    return every.astype({"told": "Float64"}).set_index(list(shared))
