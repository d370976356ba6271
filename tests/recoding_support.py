"""The privacy models again, written from their definitions, slowly; frames to try them on.

Nothing here uses the code under test but ``Hierarchy``, whose declared rows are known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy.optimize import linprog

from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy
from anonymizers.recoding.models import (
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    PrivacyModel,
    RecursiveDiversity,
    TCloseness,
)

ROWS = {
    "place": [
        ("Paris", "75", "IDF"),
        ("Melun", "77", "IDF"),
        ("Lyon", "69", "ARA"),
        ("Bron", "69", "ARA"),
        ("Brest", "29", "BRE"),
    ],
    "sex": [("f",), ("m",)],
    "age": [(str(age), f"{age // 2 * 2}-{age // 2 * 2 + 1}", "all ages") for age in range(6)],
    "illness": [("flu", "mild"), ("cold", "mild"), ("hiv", "grave"), ("tb", "grave")],
}
TREES = {name: Hierarchy.from_rows(name, rows) for name, rows in ROWS.items()}
QUASI = ("place", "sex", "age")
SENSITIVE = "illness"


def path(column: str, value: object) -> list[str]:
    """The labels of a value from its own to everything, from the declared rows."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return [MISSING, EVERYTHING]
    (row,) = (row for row in ROWS[column] if row[0] == str(value))
    return [*row, EVERYTHING]


def leaves_under(column: str, label: str) -> int:
    return sum(label in (*row, EVERYTHING) for row in ROWS[column])


def penalty(column: str, label: str) -> float:
    return max(leaves_under(column, label) - 1, 0) / (len(ROWS[column]) - 1)


def text(value: object) -> str:
    return "\0null" if pd.isna(value) else str(value)


def classes(frame: pd.DataFrame, columns: Sequence[str]) -> list[pd.DataFrame]:
    """The rows that look alike, class by class."""
    found: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(frame[list(columns)].itertuples(index=False)):
        found.setdefault(tuple(text(value) for value in row), []).append(number)
    return [frame.iloc[numbers] for numbers in found.values()]


def people(rows: pd.DataFrame, subject: str | None) -> int:
    return len(rows) if subject is None else len(set(rows[subject]))


def counts(rows: pd.DataFrame, column: str, subject: str | None) -> Counter[str]:
    """How many subjects have each value."""
    if subject is None:
        return Counter(text(value) for value in rows[column])
    pairs = {(who, text(value)) for who, value in zip(rows[subject], rows[column], strict=True)}
    return Counter(value for _, value in pairs)


def entropy(found: Counter[str]) -> float:
    total = sum(found.values())
    return math.exp(-sum(n / total * math.log(n / total) for n in found.values()))


def recursive(found: Counter[str], l: int) -> tuple[int, int]:  # noqa: E741
    ranked = sorted(found.values(), reverse=True)
    return ranked[0], sum(ranked[l - 1 :])


def moved(here: Counter[str], whole: Counter[str], distance: Any) -> float:
    """The earth mover's distance, as the transport problem that it is."""
    values = sorted(whole.keys() | here.keys())
    size, cost = len(values), []
    for a in values:
        cost += [distance(a, b) for b in values]
    conserve = np.zeros((2 * size, size * size))
    for i in range(size):
        conserve[i, i * size : (i + 1) * size] = 1
        conserve[size + i, i::size] = 1
    p = [here[value] / sum(here.values()) for value in values]
    q = [whole[value] / sum(whole.values()) for value in values]
    return float(linprog(cost, A_eq=conserve, b_eq=[*p, *q]).fun)


def closeness(
    rows: pd.DataFrame,
    whole: pd.DataFrame,
    column: str,
    kind: str,
    subject: str | None = None,
    met: pd.DataFrame | None = None,
) -> float:
    """The distance of a class from the whole; the order is that of the hierarchy's leaves.

    Steps are counted between the values of the whole and those otherwise ``met``.
    """
    here, all_of_it = counts(rows, column, subject), counts(whole, column, subject)
    seen = all_of_it.keys() | here.keys()
    seen |= counts(rows if met is None else met, column, subject).keys()
    order = [row[0] for row in ROWS[column] if row[0] in seen]
    if "\0null" in seen:
        order.append("\0null")

    def distance(a: str, b: str) -> float:
        if a == b:
            return 0.0
        if kind == "equal":
            return 1.0
        if kind == "ordered":
            return abs(order.index(a) - order.index(b)) / max(len(order) - 1, 1)
        up = path(column, None if a == "\0null" else a), path(column, None if b == "\0null" else b)
        up = tuple(_padded(labels, column) for labels in up)
        height = next(at for at, (x, y) in enumerate(zip(*up, strict=True)) if x == y)
        return height / (len(up[0]) - 1)

    return moved(here, all_of_it, distance)


def _padded(labels: list[str], column: str) -> list[str]:
    depth = len(ROWS[column][0]) + 1
    return labels if len(labels) == depth else [MISSING] * (depth - 1) + [EVERYTHING]


def holds(
    model: PrivacyModel, rows: pd.DataFrame, whole: pd.DataFrame, subject: str | None
) -> bool:
    """Whether one class satisfies a model."""
    if isinstance(model, KAnonymity):
        return people(rows, subject) >= model.k
    assert model.sensitive is not None
    found = counts(rows, model.sensitive, subject)
    if isinstance(model, DistinctDiversity):
        return len(found) >= model.l
    if isinstance(model, EntropyDiversity):
        return entropy(found) >= model.l - 1e-6
    if isinstance(model, RecursiveDiversity):
        most, rest = recursive(found, model.l)
        return most < model.c * rest
    assert isinstance(model, TCloseness)
    return closeness(rows, whole, model.column, model.distance, subject) <= model.t + 1e-6


def values(column: str) -> st.SearchStrategy[str | None]:
    return st.sampled_from([row[0] for row in ROWS[column]] + [None])


def frames(least: int = 0, most: int = 24) -> st.SearchStrategy[pd.DataFrame]:
    """Frames with nulls, one row, all equal, all distinct, several rows of a subject."""
    columns = (*QUASI, SENSITIVE)
    row = st.tuples(*(values(name) for name in columns), st.integers(0, 8))
    some = st.lists(row, min_size=least, max_size=most)
    equal = st.builds(
        lambda row, size: [(*row[:-1], number) for number in range(size)],
        row,
        st.integers(least, most),
    )
    distinct = st.lists(row, min_size=least, max_size=most, unique_by=lambda row: row[: len(QUASI)])
    return st.one_of(some, equal, distinct).map(_frame)


def _frame(rows: list[tuple[Hashable, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*QUASI, SENSITIVE, "who"])
    frame["row"] = range(len(frame))
    return frame.astype(dict.fromkeys((*QUASI, SENSITIVE), "str") | {"who": "int64"})


def models() -> st.SearchStrategy[list[PrivacyModel]]:
    tree = TREES[SENSITIVE]
    one = st.one_of(
        st.builds(KAnonymity, st.integers(1, 30)),
        st.builds(DistinctDiversity, st.just(SENSITIVE), st.integers(1, 5)),
        st.builds(EntropyDiversity, st.just(SENSITIVE), st.sampled_from([1, 1.5, 2, 3])),
        st.builds(
            RecursiveDiversity, st.just(SENSITIVE), st.sampled_from([0.5, 2, 3]), st.integers(1, 3)
        ),
        st.builds(
            TCloseness,
            st.just(SENSITIVE),
            st.sampled_from([0, 0.2, 0.5, 1]),
            st.sampled_from(["equal", "ordered", "hierarchical"]),
            st.just(tree),
        ),
    )
    return st.lists(one, min_size=1, max_size=3)
