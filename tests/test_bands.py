"""Bands: every number lies in one, none in two, and the edges belong above."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anonymizers.hierarchies import MISSING, HierarchyError
from anonymizers.rules.declared import (
    UNKNOWN,
    ByBands,
)
from tests.rules_support import column, labels


def test_bands_between_edges() -> None:
    ages = (17, 18, 24, 24.9, 25, 64, 65, 120, float("inf"), -1, None, "trente", True)
    assert labels(ByBands((18, 25, 65), whole=True), "band", *ages) == [
        *("< 18", "18-24", "18-24", "18-24", "25-64", "25-64", ">= 65", ">= 65", ">= 65", "< 18"),
        *(MISSING, UNKNOWN, UNKNOWN),
    ]
    assert ByBands((18, 25, 65), whole=True).closed_vocabulary("band") == {
        *("< 18", "18-24", "25-64", ">= 65", MISSING, UNKNOWN),
    }
    assert labels(ByBands((0, "12.50")), "band", 12, Decimal("12.5"), -0.01) == [
        *("[0, 12.5)", ">= 12.5", "< 0"),
    ]


def test_bands_of_a_width_and_of_several() -> None:
    rule = ByBands(width=(5, 10), low=0, high=20)
    assert rule.levels == ("value", "band 5", "band 10", "*")
    assert labels(rule, "band 5", -1, 0, 9, 19.99, 20) == [
        "< 0",
        "[0, 5)",
        "[5, 10)",
        "[15, 20)",
        ">= 20",
    ]
    assert rule.closed_vocabulary("band 10") == {
        "< 0",
        "[0, 10)",
        "[10, 20)",
        ">= 20",
        MISSING,
        UNKNOWN,
    }
    assert labels(ByBands(width=1_000, whole=True), "band", 1_500, -1) == [
        "1000-1999",
        "-1000 to -1",
    ]
    assert labels(ByBands(width=10), "band", float("-inf"), 10**30, 1e300)[0] == UNKNOWN
    assert ByBands(width=10).closed_vocabulary("band") is None


def test_floats_lie_where_they_are_written() -> None:
    rule = ByBands(width="0.1")
    # 0.3 / 0.1 is 2.9999…, and 0.7 as a 32-bit float is below the 64-bit one.
    for dtype in ("float64", "float32", "object", "Float64"):
        values = pd.Series([0.3, 0.6, 0.7, 0.29], dtype=dtype)
        assert rule.label(values, "band").tolist() == [
            *("[0.3, 0.4)", "[0.6, 0.7)", "[0.7, 0.8)", "[0.2, 0.3)"),
        ]


EDGES = st.lists(st.decimals(-1_000, 1_000, places=2), min_size=1, max_size=6, unique=True).map(
    sorted
)


GRIDS = st.one_of(
    EDGES.map(ByBands),
    st.builds(
        lambda width, origin: ByBands(width=width, origin=origin),
        st.decimals("0.01", 100, places=2),
        st.decimals(-10, 10, places=1),
    ),
    st.builds(
        lambda width, low, bands: ByBands(width=width, low=low * width, high=(low + bands) * width),
        st.integers(1, 50),
        st.integers(-5, 5),
        st.integers(1, 9),
    ),
)


def limits(label: str) -> tuple[Fraction | None, Fraction | None]:
    if label.startswith("< "):
        return None, Fraction(label[2:])
    if label.startswith(">= "):
        return Fraction(label[3:]), None
    low, high = label[1:-1].split(", ")
    return Fraction(low), Fraction(high)


@given(GRIDS, st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2_000, 2_000), max_size=15),
       st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.floats(-2_000, 2_000), max_size=15),
       st.lists(st.decimals(-2_000, 2_000, places=4), max_size=15))  # fmt: skip
def test_every_number_lies_in_its_band(
    rule: ByBands, integers: list[int], floats: list[float], decimals: list[Decimal]
) -> None:
    for values, series in (
        (integers, pd.Series(integers, dtype="int64")),
        (floats, pd.Series(floats, dtype="float64")),
        (decimals, column(*decimals)),
    ):
        for value, label in zip(values, rule.label(series, "band"), strict=True):
            low, high = limits(label)
            exact = Fraction(Decimal(str(value)))
            assert low is None or low <= exact
            assert high is None or exact < high
        assert rule.label(series, "band").tolist() == (
            rule.label(series.astype("object"), "band").tolist()
        )


@given(GRIDS, st.lists(st.integers(-200_000, 200_000), min_size=2, max_size=30))
def test_bands_leave_no_gap_and_do_not_overlap(rule: ByBands, hundredths: list[int]) -> None:
    values = sorted(hundredths)
    found = [limits(text) for text in labels(rule, "band", *(Decimal(v) / 100 for v in values))]
    in_order = list(dict.fromkeys(found))
    for (_, end), (start, _) in pairwise(in_order):
        assert end is not None and start is not None and start >= end


@given(EDGES)
def test_an_edge_belongs_to_the_band_above_it(edges: list[Decimal]) -> None:
    rule = ByBands(edges)
    for edge in edges:
        for value in (edge, float(edge), str(edge)):
            assert limits(labels(rule, "band", value)[0])[0] == Fraction(edge)
        below = np.nextafter(float(edge), -np.inf)
        assert limits(labels(rule, "band", below)[0])[1] == Fraction(edge)


@given(st.lists(st.floats(width=32) | st.none(), max_size=20))
@example([float("inf"), float("-inf"), None, 0.7])
def test_a_column_of_floats_is_labelled_as_its_values_are(floats: list[float | None]) -> None:
    for rule in (ByBands(("0.1", 5)), ByBands(width="0.7"), ByBands(width=5, low=-5, high=5)):
        for dtype in ("float64", "float32"):
            series = pd.Series(floats, dtype=dtype)
            slow = rule.label(pd.Series([*series.to_numpy()], dtype="object"), "band")
            assert rule.label(series, "band").tolist() == slow.tolist()


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (ByBands, "by their edges or by their width"),
        (lambda: ByBands((1,), width=2), "by their edges or by their width"),
        (lambda: ByBands(()), "must be there, and rise"),
        (lambda: ByBands((1, 1)), "must be there, and rise"),
        (lambda: ByBands((2, 1)), "must be there, and rise"),
        (lambda: ByBands((1, float("inf"))), "a finite number"),
        (lambda: ByBands(("un",)), "a finite number"),
        (lambda: ByBands((0.5,), whole=True), "whole edges"),
        (lambda: ByBands((1,), low=0), "no origin, low or high"),
        (lambda: ByBands(width=0), "above 0"),
        (lambda: ByBands(width=-5), "above 0"),
        (lambda: ByBands(width=()), "above 0"),
        (lambda: ByBands(width=(5, 12)), "a multiple of the one before"),
        (lambda: ByBands(width=(5, 5)), "a multiple of the one before"),
        (lambda: ByBands(width=5, low=3), "on edges of the widest"),
        (lambda: ByBands(width=5, low=10, high=10), "below the high one"),
        (lambda: ByBands(width=0.5, whole=True), "whole edges"),
    ],
)
def test_bands_that_cannot_be_are_refused(declare: Callable[[], ByBands], problem: str) -> None:
    with pytest.raises(HierarchyError, match=problem):
        declare()


@pytest.mark.parametrize("values", [pd.Series([True]), pd.Series(pd.to_datetime(["2027-01-01"]))])
def test_columns_without_numbers_have_no_bands(values: pd.Series) -> None:
    with pytest.raises(HierarchyError, match="has no bands"):
        ByBands((1,)).label(values, "band")
