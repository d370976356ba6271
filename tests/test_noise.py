"""Differentially private cubes: what a person can change, the noise that hides it, its budget."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.cubes.cells import ALL, ROWS, CubeError, CubeShape, aggregate
from anonymizers.cubes.noise import (
    PrivacySpend,
    bound_contributions,
    domain,
    fits,
    noisy_cube,
    parallel,
    remaining,
    sequential,
)

KEY = bytes(range(32))
SHAPE = CubeShape(("month", "device"), ("amount",), margins=(("month",), ()))
BARE = CubeShape(SHAPE.dimensions, SHAPE.measures)
WORDS = {"month": ["2026-01", "2026-02"], "device": ["desktop", "mobile", "other"]}
CLIP = {"amount": (-5, 10)}

rows = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(WORDS["month"]),
        st.sampled_from(WORDS["device"]),
        st.integers(-100, 100),
    ),
    max_size=40,
)


def frame_of(records: list[tuple[int, str, str, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(records, columns=["person", "month", "device", "amount"])
    return frame.astype({"person": "int64", "amount": "int64", "month": "str", "device": "str"})


def bounded(frame: pd.DataFrame, max_cells: int = 2, max_rows: int = 3) -> pd.DataFrame:
    return bound_contributions(
        frame, BARE, "person", max_cells=max_cells, max_rows=max_rows, key=KEY, clip=CLIP
    )


def exact(frame: pd.DataFrame) -> pd.DataFrame:
    """The cube over the whole domain, counted without the code under test."""
    places = domain(BARE, WORDS)
    found = {
        (month, device): (len(part), int(part["amount"].sum()))
        for (month, device), part in frame.groupby(["month", "device"])
    }
    counted = [found.get((m, d), (0, 0)) for m, d in places.itertuples(index=False)]
    return pd.DataFrame(counted, columns=["rows", "amount"])


@given(rows, st.integers(1, 4), st.integers(1, 3))
def test_a_person_more_or_less_changes_no_more_than_the_noise_covers(
    records: list[tuple[int, str, str, int]], max_cells: int, max_rows: int
) -> None:
    frame = frame_of(records)
    without = frame[frame["person"] != 0]
    one = exact(bounded(frame, max_cells, max_rows))
    other = exact(bounded(without, max_cells, max_rows))
    changed = (one - other).abs()
    assert (changed["rows"] > 0).sum() <= max_cells
    assert changed["rows"].max() <= max_rows
    assert changed["rows"].sum() <= max_cells * max_rows
    assert changed["amount"].max() <= max_rows * 10
    assert changed["amount"].sum() <= max_cells * max_rows * 10


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(records: list, random) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)
    assert exact(bounded(frame_of(records))).equals(exact(bounded(frame_of(shuffled))))


@given(rows)
def test_rows_within_the_bounds_all_stay(records: list) -> None:
    frame = frame_of(records)
    kept = bounded(frame, max_cells=6, max_rows=len(records) + 1)
    assert len(kept) == len(frame)
    assert kept["amount"].tolist() == frame["amount"].clip(-5, 10).tolist()


def test_another_key_keeps_other_cells() -> None:
    many = frame_of([(p, m, d, 0) for p in range(50) for m in WORDS["month"]
                     for d in WORDS["device"]])  # fmt: skip
    kept = [
        bound_contributions(
            many, BARE, "person", max_cells=1, max_rows=1, key=bytes([n]) * 32, clip=CLIP
        )
        for n in range(2)
    ]
    assert [len(frame) for frame in kept] == [50, 50]
    assert not kept[0].equals(kept[1])
    # and no cell is preferred: each of six expects 50 / 6 people
    assert exact(kept[0])["rows"].between(1, 25).all()


def test_every_cell_of_the_domain_is_there_and_margins_add_up() -> None:
    frame = frame_of([(1, "2026-01", "mobile", 4)])
    cube = aggregate(bounded(frame), BARE, "person")
    noisy = noisy_cube(cube, SHAPE, WORDS, epsilon=0.5, max_cells=2, max_rows=3, clip=CLIP).cells
    base = noisy[(noisy["month"] != ALL) & (noisy["device"] != ALL)]
    assert len(base) == 6 and len(noisy) == 6 + 2 + 1
    for month in WORDS["month"]:
        line = noisy[(noisy["month"] == month) & (noisy["device"] == ALL)].iloc[0]
        parts = base[base["month"] == month]
        assert line["rows"] == parts["rows"].sum() and line["amount"] == parts["amount"].sum()
    total = noisy[(noisy["month"] == ALL) & (noisy["device"] == ALL)].iloc[0]
    assert total["rows"] == base["rows"].sum()
    assert list(noisy.columns) == ["month", "device", "rows", "amount"]


def test_counts_are_never_negative_unless_asked() -> None:
    nobody = aggregate(frame_of([]), BARE, "person")
    asked = {"epsilon": 0.05, "max_cells": 2, "clip": CLIP}
    clamped = [noisy_cube(nobody, SHAPE, WORDS, **asked).cells for _ in range(5)]
    raw = [noisy_cube(nobody, SHAPE, WORDS, **asked, clamp=False).cells for _ in range(5)]
    assert min(cells["rows"].min() for cells in clamped) == 0
    assert min(cells["rows"].min() for cells in raw) < 0
    assert min(cells["amount"].min() for cells in clamped) < 0  # a row may add less than nothing


@pytest.mark.parametrize("mechanism", ["laplace", "gaussian"])
def test_the_noise_has_the_spread_it_says(mechanism: str) -> None:
    size = 40_000
    shape = CubeShape(("cell",))
    words = {"cell": [str(number) for number in range(size)]}
    nobody = pd.DataFrame({"cell": pd.Series([], dtype="str"), ROWS: pd.Series([], dtype="int64")})
    delta = 1e-6 if mechanism == "gaussian" else 0.0
    found = noisy_cube(
        nobody, shape, words, epsilon=0.5, delta=delta, max_cells=4, max_rows=2,
        mechanism=mechanism, clamp=False,
    )  # fmt: skip
    noise = found.cells["rows"].to_numpy(dtype="float64")
    scale = found.scales["rows"]
    if mechanism == "laplace":
        assert scale == pytest.approx(4 * 2 / 0.5, rel=1e-9) and scale >= 4 * 2 / 0.5
        # the discrete Laplace distribution with p = exp(-1 / scale)
        p = math.exp(-1 / scale)
        variance, fourth = 2 * p / (1 - p) ** 2, 6 * (2 * scale**2) ** 2
    else:
        variance, fourth = scale**2, 3 * scale**4
    six = 6 / math.sqrt(size)
    assert abs(noise.mean()) < six * math.sqrt(variance)
    assert abs(noise.var() - variance) < six * math.sqrt(fourth - variance**2)
    assert len(np.unique(noise)) > 20


def test_gaussian_noise_is_what_its_conversion_promises() -> None:
    shape = CubeShape(("cell",))
    nobody = pd.DataFrame({"cell": pd.Series([], dtype="str"), ROWS: pd.Series([], dtype="int64")})
    scales = [
        noisy_cube(
            nobody, shape, {"cell": ["a"]}, epsilon=epsilon, delta=1e-6,
            max_cells=9, max_rows=2, mechanism="gaussian",
        ).scales["rows"]
        for epsilon in (0.5, 1.0)
    ]  # fmt: skip
    for epsilon, scale in zip((0.5, 1.0), scales, strict=True):
        rho = (math.sqrt(9) * 2) ** 2 / (2 * scale**2)
        # Bun and Steinke 2016, proposition 1.3, an upper bound of what is spent
        assert 0 < epsilon <= rho + 2 * math.sqrt(rho * math.log(1e6))
    assert scales[0] > scales[1]


def test_the_budget_is_shared_by_counts_and_sums() -> None:
    cube = aggregate(frame_of([]), BARE, "person")
    found = noisy_cube(cube, SHAPE, WORDS, epsilon=1, max_cells=2, max_rows=3, clip=CLIP)
    assert found.spend == PrivacySpend(1)
    assert found.scales["rows"] == pytest.approx(2 * 3 / 0.5)
    assert found.scales["amount"] == pytest.approx(2 * 3 * 10 / 0.5)


def test_budgets_add_up_and_run_out() -> None:
    month = PrivacySpend(0.1, 1e-7)
    assert sequential([month] * 3).epsilon == pytest.approx(0.3)
    assert parallel([month, PrivacySpend(0.4)]) == PrivacySpend(0.4, 1e-7)
    assert sequential([]) == PrivacySpend(0)
    year = PrivacySpend(1.2, 1e-5)
    assert fits(year, [month] * 11, month)
    assert not fits(year, [month] * 12, month)
    assert not fits(PrivacySpend(5, 0), [], month)  # no delta was granted
    assert remaining(year, [month] * 20).epsilon == 0
    with pytest.raises(ValueError, match="different units"):
        sequential([month, PrivacySpend(1, unit="household")])


def faults() -> list:
    nobody = aggregate(frame_of([]), BARE, "person")
    outside = aggregate(frame_of([(1, "2026-01", "fridge", 1)]), BARE, "person")
    twice = pd.concat([outside, outside])
    fine = {"epsilon": 1, "max_cells": 1, "clip": CLIP}
    return [
        ("above 0", lambda: noisy_cube(nobody, SHAPE, WORDS, **{**fine, "epsilon": 0})),
        ("above 0", lambda: noisy_cube(nobody, SHAPE, WORDS, **{**fine, "epsilon": math.nan})),
        ("no delta", lambda: noisy_cube(nobody, SHAPE, WORDS, **fine, delta=1e-6)),
        ("needs a delta", lambda: noisy_cube(nobody, SHAPE, WORDS, **fine, mechanism="gaussian")),
        ("at least 1", lambda: noisy_cube(nobody, SHAPE, WORDS, **{**fine, "max_cells": 0})),
        ("needs bounds", lambda: noisy_cube(nobody, SHAPE, WORDS, epsilon=1, max_cells=1)),
        ("outside", lambda: noisy_cube(outside, SHAPE, WORDS, **fine)),
        ("twice", lambda: noisy_cube(twice, SHAPE, WORDS, **fine)),
        ("closed vocabulary", lambda: domain(BARE, {"month": ["2026-01"]})),
        ("each label once", lambda: domain(BARE, {**WORDS, "month": ["a", "a"]})),
        ("each label once", lambda: domain(BARE, {**WORDS, "month": ["a", ALL]})),
        ("16 to 64", lambda: bound_contributions(
            frame_of([]), BARE, "person", max_cells=1, max_rows=1, key=b"short", clip=CLIP)),
        ("belong to nobody", lambda: bounded(
            frame_of([(1, "2026-01", "mobile", 1)]).assign(person=None))),
        ("no column", lambda: bounded(frame_of([]).drop(columns="device"))),
        ("epsilon", lambda: PrivacySpend(-1)),
        ("delta", lambda: PrivacySpend(1, 1)),
    ]  # fmt: skip


@pytest.mark.parametrize(("says", "call"), faults())
def test_what_cannot_be_private_is_refused(says: str, call) -> None:
    with pytest.raises((ValueError, CubeError), match=says):
        call()
