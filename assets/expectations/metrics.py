"""The metrics of a release's frame. Importing this module registers them.

k, ℓ and t are computed here a second time, plainly and by pandas, and not by the code that
made the release: what two programs agree on is more likely true.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from anonymizers.audits import leaks
from anonymizers.cubes import differencing
from anonymizers.cubes.cells import SUBJECTS, CubeShape
from anonymizers.cubes.suppression import PUBLISHED
from assets.expectations.measuring import Measured, metric, told

_FORMULA = re.compile(r"\s*[=+\-@].")
_NUMBER = re.compile(r"[+\-]?[0-9][0-9.,]*")
_ROUNDING = 1e-9
"""Of floating-point sums; far below any declared parameter."""


@metric("release.undeclared_columns", "columns")
def undeclared_columns(frame: pd.DataFrame, columns: Sequence[str]) -> Measured:
    """Columns too many or too few."""
    found = [*leaks.undeclared_columns(frame, columns), *leaks.index(frame)]
    missing = [name for name in columns if name not in frame.columns]
    return told(found) if found else Measured(len(missing), {"columns": len(frame.columns)})


@metric("release.identifier_patterns", "closed")
def identifier_patterns(frame: pd.DataFrame, closed: Mapping[str, Sequence[str]]) -> Measured:
    """Values that look like an identifier."""
    found = leaks.identifier_patterns(frame, closed)
    return told(found, {"values": int(frame.size)})


@metric("release.vocabulary", "closed")
def vocabulary(frame: pd.DataFrame, closed: Mapping[str, Sequence[str]]) -> Measured:
    """Labels outside the closed vocabularies."""
    found = leaks.vocabulary(frame, closed)
    return told(found, {"columns": len(closed), "labels": sum(map(len, closed.values()))})


@metric("release.plain_texts", "closed")
def plain_texts(frame: pd.DataFrame, closed: Mapping[str, Sequence[str]]) -> Measured:
    """Open labels with characters that are not seen, or that a spreadsheet would calculate.

    Both carry something along: bits between the letters, or a program to who opens the file.
    """
    found = {"hidden characters": 0, "formulas": 0}
    for name in frame.columns:
        if not pd.api.types.is_string_dtype(frame[name]):
            continue
        for text in set(frame[name].dropna()) - set(closed.get(name, ())):
            found["hidden characters"] += any(_is_hidden(character) for character in text)
            found["formulas"] += bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)
    return Measured(sum(found.values()), {what: n for what, n in found.items() if n})


@metric("release.row_order", "order")
def row_order(frame: pd.DataFrame, order: Sequence[str]) -> Measured:
    """Whether rows stand otherwise than by their values."""
    return told(leaks.row_order(frame, order), {"rows": len(frame)})


@metric("release.precision", "units")
def precision(frame: pd.DataFrame, units: Mapping[str, str]) -> Measured:
    """Numbers that are no multiple of their unit."""
    exact = {column: Decimal(unit) for column, unit in units.items()}
    return told(leaks.precision(frame, exact), {"columns": len(units)})


@metric("release.small_cells", "dimensions", "threshold")
def small_cells(frame: pd.DataFrame, dimensions: Sequence[str], threshold: int) -> Measured:
    """Published cells of too few subjects, of none that is told, or named twice."""
    published = frame[frame["status"] == PUBLISHED]
    counted = published[SUBJECTS]
    faults = int(counted.isna().sum() + (counted < threshold).sum())
    twice = int(frame.duplicated(list(dimensions)).sum())
    figures = {"published cells": len(published), "suppressed": len(frame) - len(published)}
    if len(published) and not counted.isna().all():
        figures["smallest"] = int(counted.min())
    return Measured(faults + twice, figures)


@metric("release.recoverable_cells", "dimensions", "units", "margins", "one_row_each", "threshold")
def recoverable_cells(
    frame: pd.DataFrame,
    dimensions: Sequence[str],
    units: Mapping[str, str],
    margins: Sequence[Sequence[str]],
    one_row_each: bool,  # noqa: FBT001 - metrics are called by name
    threshold: int,
) -> Measured:
    """Suppressed cells that follow from the published ones."""
    shape = CubeShape(
        tuple(dimensions),
        tuple(units),
        tuple(tuple(margin) for margin in margins),
        one_row_each=one_row_each,
    )
    suppressed = int((frame["status"] != PUBLISHED).sum())
    cells = frame.assign(**{name: _whole(frame[name], unit) for name, unit in units.items()})
    return told(differencing.recoverable(cells, shape, threshold), {"suppressed": suppressed})


@metric("release.smallest_class", "quasi_identifiers", "k")
def smallest_class(frame: pd.DataFrame, quasi_identifiers: Sequence[str], k: int) -> Measured:
    """Classes of fewer than ``k`` rows."""
    sizes = np.bincount(_class_of(frame, quasi_identifiers))
    if not len(sizes):
        return Measured(1, {"classes": 0})
    return Measured(
        int((sizes < k).sum()), {"classes": len(sizes), "smallest class": int(sizes.min())}
    )


@metric("release.diversity", "quasi_identifiers", "column", "kind", "diversity", "c")
def diversity(
    frame: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    column: str,
    kind: str,
    diversity: float,
    c: float,
) -> Measured:
    """Classes in which ``column`` is not ``diversity``-diverse."""
    classes, _, counts = _counts(frame, quasi_identifiers, column)
    if kind == "recursive":
        # r1 < c (rl + … + rm): counts of a class from the most frequent value on
        order = np.lexsort((-counts, classes))
        classes, counts = classes[order], counts[order]
        first = np.flatnonzero(np.r_[True, classes[1:] != classes[:-1]])
        rank = np.arange(len(counts)) - np.repeat(first, np.diff(np.r_[first, len(counts)]))
        tail = np.bincount(classes, np.where(rank >= int(diversity) - 1, counts, 0))
        met = counts[first] < c * tail
        return Measured(int((~met).sum()), {"least": int(np.bincount(classes).min())})
    if kind == "entropy":
        shares = counts / np.bincount(classes, counts)[classes]
        found = np.exp(-np.bincount(classes, shares * np.log(shares)))
    else:
        found = np.bincount(classes).astype(float)
    least = round(float(found.min()), 4)
    return Measured(int((found < diversity - _ROUNDING).sum()), {"least": least})


@metric("release.closeness", "quasi_identifiers", "column", "t", "distance")
def closeness(
    frame: pd.DataFrame, quasi_identifiers: Sequence[str], column: str, t: float, distance: str
) -> Measured:
    """Classes in which ``column`` is spread otherwise than in the whole frame."""
    classes, values, counts = _counts(frame, quasi_identifiers, column)
    table = np.zeros((classes.max() + 1, values.max() + 1))
    table[classes, values] = counts
    apart = table / table.sum(axis=1, keepdims=True) - table.sum(axis=0) / len(frame)
    if distance == "ordered":
        found = np.abs(apart.cumsum(axis=1)).sum(axis=1) / max(1, table.shape[1] - 1)
    else:
        found = np.abs(apart).sum(axis=1) / 2
    furthest = round(float(found.max()), 4)
    return Measured(int((found > t + _ROUNDING).sum()), {"furthest": furthest})


@metric("release.audit", "check")
def audit(frame: pd.DataFrame, check: str) -> Measured:
    """The lines of one check; a check of which there is none has not been made."""
    mine = frame[frame["check"] == check]
    figures: dict[str, Any] = dict(zip(mine["figure"], mine["value"], strict=True))
    faults = figures.pop("faults", None)
    if faults is None:
        return Measured(1, {"found": "the check was not made"})
    return Measured(int(faults), figures)


def _is_hidden(character: str) -> bool:
    """Controls, formats (zero-width joiners), private and unassigned ones; odd spaces."""
    kind = unicodedata.category(character)
    return (
        kind[0] == "C"
        or kind in ("Zl", "Zp")
        or (kind == "Zs" and character not in " \u00a0\u202f")
    )


def _class_of(frame: pd.DataFrame, quasi_identifiers: Sequence[str]) -> Any:
    """The number of each row's equivalence class."""
    grouped = frame.groupby(list(quasi_identifiers), dropna=False, observed=True, sort=False)
    return grouped.ngroup().to_numpy()


def _counts(frame: pd.DataFrame, quasi_identifiers: Sequence[str], column: str) -> Any:
    """Class, value and number of rows of each pair that there is; values in their order."""
    classes = _class_of(frame, quasi_identifiers)
    values, distinct = pd.factorize(frame[column], sort=True, use_na_sentinel=False)
    pairs, counts = np.unique(classes * len(distinct) + values, return_counts=True)
    return pairs // len(distinct), pairs % len(distinct), counts


def _whole(amounts: pd.Series[Any], unit: str) -> Any:
    """Amounts as whole numbers of their unit; what is hidden stays so."""
    one = Decimal(unit)
    numbers = [pd.NA if pd.isna(item) else int(Decimal(str(item)) / one) for item in amounts]
    return pd.array(numbers, dtype="Int64")
