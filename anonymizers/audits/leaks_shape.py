"""Audits of a frame's shape: columns, types, labels, order, precision.

Names of declared columns may be shown; those of others may hold a value, and are counted only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.audits.findings import Figure, Finding
from anonymizers.hierarchies import leaf_text

Kind = Literal["text", "integer", "number"]

# What a spreadsheet takes for a formula (OWASP, CSV injection); a signed number is one.
_FORMULA = re.compile(r"[\t\r\n ]*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?%?")


def undeclared_columns(frame: pd.DataFrame, declared: Sequence[str]) -> list[Finding]:
    """Columns that were not declared, are missing, stand twice or in another order."""
    check = "leaks.undeclared_columns"
    found: list[Finding] = []
    names = list(frame.columns)
    if extra := [name for name in names if name not in declared]:
        # The name itself may be the leak: only how many.
        found.append(Finding(check, "columns that were not declared", {"columns": len(extra)}))
    found += [
        Finding(check, "a declared column is missing", {"column": name})
        for name in declared
        if name not in names
    ]
    if len(set(names)) < len(names):
        twice = len(names) - len(set(names))
        found.append(Finding(check, "columns of the same name", {"columns": twice}))
    if not found and names != list(declared):
        found.append(Finding(check, "the columns are not in the declared order"))
    return found


def column_types(frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> list[Finding]:
    """Columns that hold something else than text, whole numbers, or numbers (of any kind)."""
    found = []
    for name, kind in kinds.items():
        if name not in frame.columns:
            continue
        values = _distinct(named(frame, name))
        if wrong := sum(not _is(value, kind) for value in values):
            figures: dict[str, Figure] = {"column": name, "declared": kind, "values": wrong}
            found.append(Finding("leaks.column_types", "values of another type", figures))
    return found


def _is(value: object, kind: Kind) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if isinstance(value, bool | np.bool_):
        return False
    if kind == "integer":
        return isinstance(value, int | np.integer)
    return isinstance(value, int | float | Decimal | np.integer | np.floating)


def index(frame: pd.DataFrame) -> list[Finding]:
    """What a frame carries beside its cells: an index, names of axes, attributes, categories.

    An index other than 0, 1, 2 … tells which rows of the source these were, or what they were
    called; a category that no row has is the value of a row that was left out.
    """
    check = "leaks.index"
    found = []
    own = frame.index
    plain = isinstance(own, pd.RangeIndex) and (own.start, own.step) == (0, 1)
    if not plain and not (own.nlevels == 1 and np.array_equal(own, np.arange(len(frame)))):
        found.append(Finding(check, "the index is not 0, 1, 2 …", {"rows": len(frame)}))
    if any(name is not None for name in (*own.names, *frame.columns.names)):
        found.append(Finding(check, "an axis has a name"))
    if frame.attrs:
        found.append(Finding(check, "the frame has attributes", {"attributes": len(frame.attrs)}))
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            unused = len(column.cat.categories) - column.nunique()
            if unused:
                figures: dict[str, Figure] = {"column": str(name), "categories": int(unused)}
                found.append(Finding(check, "categories that no row has", figures))
    return found


def vocabulary(frame: pd.DataFrame, closed: Mapping[str, Collection[str]]) -> list[Finding]:
    """Columns with values outside of their closed vocabulary. Nulls are no values."""
    found = []
    for name, labels in closed.items():
        if name not in frame.columns:
            continue
        known = frozenset(labels)
        counts = named(frame, name).value_counts()
        outside = [
            int(rows) for value, rows in counts.items() if rows and leaf_text(value) not in known
        ]
        if outside:
            figures: dict[str, Figure] = {
                "column": name, "values": len(outside), "rows": sum(outside),
            }  # fmt: skip
            problem = "values outside of the closed vocabulary"
            found.append(Finding("leaks.vocabulary", problem, figures))
    return found


def formulas(
    frame: pd.DataFrame, closed: Mapping[str, Collection[str]] | None = None
) -> list[Finding]:
    """Texts (and names of columns) that a spreadsheet would run as a formula.

    They begin with =, +, -, @, or with blanks and one of these; a number may have a sign. Labels
    of ``closed`` are not looked at: hand in none of a vocabulary that comes from the sources.
    """
    found = []
    for name, values in open_texts(frame, closed or {}):
        if hits := sum(_is_formula(value) for value in values):
            figures: dict[str, Figure] = {"column": name, "values": hits}
            found.append(Finding("leaks.formulas", "texts that begin as a formula", figures))
    if names := sum(_is_formula(str(name)) for name in frame.columns):
        problem = "names of columns that begin as a formula"
        found.append(Finding("leaks.formulas", problem, {"columns": names}))
    return found


def _is_formula(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def open_texts(
    frame: pd.DataFrame, closed: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, list[str]]]:
    """The distinct texts of each column that are no declared labels of it."""
    for at, name in enumerate(frame.columns):
        known = frozenset(closed.get(str(name), ()))
        texts = [_text(value) for value in _distinct(frame.iloc[:, at]) if not _is_number(value)]
        left = list(dict.fromkeys(text for text in texts if text not in known))
        if left:
            yield str(name), left


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return leaf_text(value)


def _is_number(value: object) -> bool:
    return not isinstance(value, bool | np.bool_) and _is(value, "number")


def open_numbers(frame: pd.DataFrame) -> Iterator[tuple[str, list[Any]]]:
    """The distinct numbers of each column (numbers written as text are texts)."""
    for at, name in enumerate(frame.columns):
        numbers = [value for value in _distinct(frame.iloc[:, at]) if _is_number(value)]
        if numbers:
            yield str(name), numbers


def whole_number(value: object) -> int | None:
    """A finite number without digits behind the point as ``int``; ``None`` for anything else."""
    if not _is_number(value) or not math.isfinite(value):  # type: ignore[arg-type]
        return None
    whole = int(value)  # type: ignore[call-overload]
    return int(whole) if whole == value else None


def named(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """The first column of a name; that there are two is another audit's finding."""
    found: pd.Series[Any] = frame.iloc[:, list(frame.columns).index(name)]
    return found


def _distinct(values: pd.Series[Any]) -> list[Any]:
    """The distinct values, nulls left out; unhashable ones (lists, dicts) as their text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        # Categories that no row has are values too: a file would hold them.
        return list(values.cat.categories)
    try:
        return list(values.dropna().unique())
    except TypeError:
        return list(values.dropna().map(repr).unique())


def row_order(frame: pd.DataFrame, order: Sequence[str]) -> list[Finding]:
    """Rows sorted by ``order``, then by all other columns; anything else reveals insertion.

    Texts are compared code point by code point, nulls come last.
    """
    missing = [name for name in order if name not in frame.columns]
    if missing:
        figures: dict[str, Figure] = {"column": missing[0]}
        return [Finding("leaks.row_order", "a column of the order is missing", figures)]
    names = list(dict.fromkeys([*order, *frame.columns]))
    sorted_so_far = np.zeros(max(len(frame) - 1, 0), dtype=np.bool_)
    wrong = 0
    for name in names:
        ranks = _ranks(named(frame, name))
        step = np.diff(ranks)
        wrong += int(((step < 0) & ~sorted_so_far).sum())
        sorted_so_far |= step != 0
    if not wrong:
        return []
    problem = "rows stand otherwise than in the order of their values"
    return [Finding("leaks.row_order", problem, {"rows": len(frame), "out of order": wrong})]


def _ranks(values: pd.Series[Any]) -> npt.NDArray[np.int64]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    met, uniques = pd.factorize(values)
    keys = list(uniques)
    try:
        ordered = sorted(range(len(keys)), key=keys.__getitem__)
    except TypeError:  # texts beside numbers
        ordered = sorted(range(len(keys)), key=lambda at: str(keys[at]))
    ranks = np.empty(len(keys) + 1, dtype=np.int64)
    ranks[ordered] = np.arange(len(keys))
    ranks[-1] = len(keys)
    return ranks[met]


def precision(frame: pd.DataFrame, units: Mapping[str, Decimal]) -> list[Finding]:
    """Numbers that are no whole multiple of their column's declared unit, or no number at all."""
    found = []
    for name, unit in units.items():
        if name not in frame.columns:
            continue
        values = _distinct(named(frame, name))
        if finer := sum(not _is_multiple(value, unit) for value in values):
            figures: dict[str, Figure] = {"column": name, "unit": str(unit), "values": finer}
            found.append(Finding("leaks.precision", "numbers finer than declared", figures))
    return found


def _is_multiple(value: object, unit: Decimal) -> bool:
    try:
        # The shortest text of a float is what a reader sees: 0.1 is a multiple of 0.1.
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        # Exact, whatever the context's precision.
        return number.is_finite() and _ratio_is_whole(number, unit)
    except InvalidOperation:
        return False


def _ratio_is_whole(number: Decimal, unit: Decimal) -> bool:
    above, below = number.as_integer_ratio()
    numerator, denominator = unit.as_integer_ratio()
    return (above * denominator) % (below * numerator) == 0
