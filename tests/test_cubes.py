"""Cubes count exactly what they can, and never more people than there are."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizers.cubes.cells import (
    ALL,
    LARGEST,
    MISSING,
    ROWS,
    SUBJECTS,
    SUBJECTS_AT_MOST,
    CubeError,
    CubeShape,
    aggregate,
    combine,
    in_units,
    with_margins,
)

QUICK = settings(max_examples=15 if settings().max_examples < 100 else 300)
MARGINS = (("region",), ("month",), ())
EVENTS = CubeShape(("region", "month"), ("amount",), MARGINS)
PEOPLE = CubeShape(("region", "month"), ("amount",), MARGINS, one_row_each=True)
COLUMNS = ["region", "month", "who", "amount"]

records = st.lists(
    st.tuples(
        st.sampled_from(["north", "south", None]),
        st.sampled_from(["01", "02"]),
        st.integers(0, 5),
        st.integers(-20, 100),
    ),
    max_size=25,
)


def frame(rows: list[tuple[str | None, str, int, int]]) -> pd.DataFrame:
    types = {"who": "int64", "amount": "int64"}
    return pd.DataFrame(rows, columns=COLUMNS).astype(types)


def counted_by_hand(
    rows: list[tuple[str | None, str, int, int]], region: str, month: str
) -> tuple[int, int, int, int, int]:
    mine = [
        (who, amount)
        for its_region, its_month, who, amount in rows
        if region in (ALL, its_region or MISSING) and month in (ALL, its_month)
    ]
    people = {who for who, _ in mine}
    by_one = [sum(abs(a) for w, a in mine if w == who) for who in people]
    rows_of_one = [sum(1 for w, _ in mine if w == who) for who in people]
    return (
        len(people),
        len(mine),
        sum(amount for _, amount in mine),
        max(rows_of_one, default=0),
        max(by_one, default=0),
    )


@QUICK
@given(records)
def test_every_cell_and_margin_is_what_counting_by_hand_gives(
    rows: list[tuple[str | None, str, int, int]],
) -> None:
    cells = aggregate(frame(rows), EVENTS, "who")
    numbers = [SUBJECTS, ROWS, "amount", LARGEST + ROWS, LARGEST + "amount"]
    for cell in cells.to_dict("records"):
        expected = counted_by_hand(rows, cell["region"], cell["month"])
        assert tuple(cell[name] for name in numbers) == expected
    pairs = {(region or MISSING, month) for region, month, _, _ in rows}
    places = pairs | {(r, ALL) for r, _ in pairs} | {(ALL, m) for _, m in pairs}
    places |= {(ALL, ALL)} if rows else set()
    assert set(zip(cells["region"], cells["month"], strict=True)) == places


@QUICK
@given(records, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    rows: list[tuple[str | None, str, int, int]], chance: np.random.Generator
) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    pd.testing.assert_frame_equal(
        aggregate(frame(rows), EVENTS, "who"), aggregate(frame(shuffled), EVENTS, "who")
    )


@QUICK
@given(records, records)
def test_bounds_hold_when_some_rows_have_gone_to_an_accumulator(
    active: list[tuple[str | None, str, int, int]], gone: list[tuple[str | None, str, int, int]]
) -> None:
    departed = aggregate(frame(gone), EVENTS, "who")
    # An accumulator has no margins; that it counts people at all is luck.
    base = departed[(departed["region"] != ALL) & (departed["month"] != ALL)]
    accumulated = base[["region", "month", SUBJECTS, ROWS, "amount", LARGEST + "amount"]]
    together = with_margins(
        combine([aggregate(frame(active), EVENTS, "who"), accumulated], EVENTS), EVENTS
    )
    for cell in together.to_dict("records"):
        people, rows, amount, rows_of_one, by_one = counted_by_hand(
            active + gone, cell["region"], cell["month"]
        )
        assert (cell[ROWS], cell["amount"]) == (rows, amount)
        assert cell[SUBJECTS] <= people <= cell[SUBJECTS_AT_MOST]
        assert cell[LARGEST + ROWS] >= rows_of_one
        assert cell[LARGEST + "amount"] >= by_one


def test_people_with_one_row_each_add_up_over_cells_and_over_departures() -> None:
    active = frame([("north", "01", 1, 5), ("north", "02", 2, 5), ("south", "01", 3, 9)])
    gone = frame([("north", "01", 4, 7), ("north", "01", 5, 2)])
    departed = aggregate(gone, PEOPLE, "who")
    departed = departed[(departed["region"] != ALL) & (departed["month"] != ALL)]
    departed = departed.drop(columns=[LARGEST + ROWS, LARGEST + "amount"])
    cells = with_margins(combine([aggregate(active, PEOPLE, "who"), departed], PEOPLE), PEOPLE)
    assert (cells[LARGEST + ROWS] == 1).all()
    assert cells.set_index(["region", "month"])[SUBJECTS].to_dict() == {
        ("north", "01"): 3,
        ("north", "02"): 1,
        ("south", "01"): 1,
        ("north", ALL): 4,
        ("south", ALL): 1,
        (ALL, "01"): 4,
        (ALL, "02"): 1,
        (ALL, ALL): 5,
    }


def test_one_person_in_two_parts_is_not_counted_twice() -> None:
    part = pd.DataFrame(
        {"region": ["north"], "month": ["01"], SUBJECTS: [1], ROWS: [9], "amount": [90]}
    )
    cells = combine([part, part], EVENTS)
    assert cells[SUBJECTS].tolist() == [1]
    assert cells[ROWS].tolist() == [18]
    # Nobody knows whether it is one person: the whole of the sum may be theirs.
    assert cells[LARGEST + "amount"].tolist() == [180]


@QUICK
@given(records)
def test_margins_computed_from_cells_never_claim_more_people_than_there_are(
    rows: list[tuple[str | None, str, int, int]],
) -> None:
    exact = aggregate(frame(rows), EVENTS, "who")
    base = exact[(exact["region"] != ALL) & (exact["month"] != ALL)]
    derived = with_margins(base, EVENTS)
    keys = ["region", "month"]
    both = exact.set_index(keys).join(derived.set_index(keys).add_suffix("_derived"))
    assert (both[ROWS] == both[ROWS + "_derived"]).all()
    assert (both["amount"] == both["amount_derived"]).all()
    assert (both[SUBJECTS + "_derived"] <= both[SUBJECTS]).all()
    # And what was counted exactly is not forgotten.
    pd.testing.assert_frame_equal(with_margins(exact, EVENTS), exact)


@pytest.mark.parametrize(
    ("values", "unit", "units"),
    [
        (["10.005", "10.015", "-3"], "0.01", [1000, 1002, -300]),
        ([1.25, float("nan"), float("inf")], "0.5", [2, 0, 0]),
        ([Decimal("0.1")] * 3, "0.1", [1, 1, 1]),
        ([14, 15, 16], "10", [1, 2, 2]),
        (["nothing", None, "1e3"], "1", [0, 0, 1000]),
    ],
)
def test_amounts_become_whole_units(values: list[object], unit: str, units: list[int]) -> None:
    assert in_units(pd.Series(values, name="amount"), Decimal(unit)).tolist() == units


def test_a_sum_beyond_64_bits_is_refused() -> None:
    with pytest.raises(CubeError, match="amount"):
        aggregate(frame([("north", "01", n, 2**60) for n in range(9)]), EVENTS, "who")
    with pytest.raises(CubeError, match="amount"):
        in_units(pd.Series([1e30], name="amount"), Decimal("0.01"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(ALL, "01", 1, 5)], "label of margins"),
        ([("north", "01", 1, 5), ("north", "02", 1, 5)], "more than one row"),
    ],
)
def test_records_that_no_cube_can_be_made_of_are_refused(
    rows: list[tuple[str | None, str, int, int]], message: str
) -> None:
    with pytest.raises(CubeError, match=message):
        aggregate(frame(rows), PEOPLE, "who")


def test_rows_of_nobody_are_refused_by_their_number() -> None:
    rows = frame([("north", "01", 1, 5)]).astype({"who": "object"})
    rows.loc[0, "who"] = None
    with pytest.raises(CubeError, match="1 rows belong to nobody"):
        aggregate(rows, EVENTS, "who")


@pytest.mark.parametrize(
    ("dimensions", "measures", "margins", "message"),
    [
        ((), (), (), "needs a dimension"),
        (("a", "a"), (), (), "twice"),
        (("a",), ("subjects",), (), "cannot call"),
        (("a",), ("largest_x",), (), "cannot call"),
        (("a", "b"), (), (("b", "a"),), "in the cube's order"),
        (("a", "b"), (), (("c",),), "in the cube's order"),
        (("a", "b"), (), (("a", "b"),), "the cube itself"),
        (("a", "b"), (), ((), ()), "margin twice"),
    ],
)
def test_an_impossible_shape_is_refused(
    dimensions: tuple[str, ...],
    measures: tuple[str, ...],
    margins: tuple[tuple[str, ...], ...],
    message: str,
) -> None:
    with pytest.raises(CubeError, match=message):
        CubeShape(dimensions, measures, margins)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({SUBJECTS: [3, 1]}, "more people than rows"),
        ({ROWS: [-1, 1]}, "fewer than nobody"),
        ({"region": ["north", "north"]}, "a cell twice"),
    ],
)
def test_a_frame_that_is_no_cube_is_refused(change: dict[str, list[object]], message: str) -> None:
    part = pd.DataFrame(
        {
            "region": ["north", "south"],
            "month": ["01", "01"],
            SUBJECTS: [1, 1],
            ROWS: [2, 2],
            "amount": [5, 5],
        }
    )
    with pytest.raises(CubeError, match=message):
        combine([part.assign(**change)], EVENTS)
