"""Attacks on cubes: cells of one person, lines of one value, cells that other cubes give away."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizers.audits.attacks import (
    PublishedCube,
    cube_inference,
    cube_linkability,
    cube_singling_out,
)
from anonymizers.cubes.cells import ALL, CubeShape, aggregate

REGIONS, PLANS, STATES = ("north", "south", "west"), ("basic", "plus"), ("well", "ill")
SHAPE = CubeShape(("region", "plan"), margins=(("region",), ("plan",), ()))


def cube(
    records: pd.DataFrame, shape: CubeShape = SHAPE, hidden: tuple[tuple[str, ...], ...] = ()
) -> PublishedCube:
    cells = aggregate(records, shape, "person")[[*shape.dimensions, "subjects", "rows"]]
    keys = pd.MultiIndex.from_frame(cells[list(shape.dimensions)])
    away = keys.isin(list(hidden))
    assert away.sum() == len(hidden)
    cells = cells.astype({"subjects": "Int64", "rows": "Int64"})
    cells.loc[away, ["subjects", "rows"]] = pd.NA
    cells["status"] = np.where(away, "suppressed", "published")
    return PublishedCube("cube", cells, shape.dimensions)


def records(counts: dict[tuple[str, ...], int], *names: str) -> pd.DataFrame:
    rows = [key for key, count in counts.items() for _ in range(count)]
    return pd.DataFrame(rows, columns=list(names)).assign(person=np.arange(len(rows)))


EVEN = {key: 12 + at for at, key in enumerate(product(REGIONS, PLANS))}
SAFE = records(EVEN, "region", "plan")


def test_large_cells_single_nobody_out() -> None:
    result = cube_singling_out([cube(SAFE)])
    assert result.passed
    assert result.attempts == len(EVEN) + len(REGIONS) + len(PLANS) + 1


def test_a_cell_of_one_person_is_singled_out() -> None:
    alone = records({**EVEN, ("west", "plus"): 1}, "region", "plan")
    assert not cube_singling_out([cube(alone)]).passed


def test_one_person_with_many_records_is_singled_out() -> None:
    many = pd.concat([SAFE, pd.DataFrame({"region": ["east"] * 9, "plan": "plus", "person": 999})])
    assert not cube_singling_out([cube(many)]).passed


def test_a_suppressed_cell_of_one_person_is_found_by_subtraction() -> None:
    alone = records({**EVEN, ("west", "plus"): 1}, "region", "plan")
    assert not cube_singling_out([cube(alone, hidden=(("west", "plus"),))]).passed
    complement = (("west", "plus"), ("west", "basic"), ("north", "plus"), ("north", "basic"))
    assert cube_singling_out([cube(alone, hidden=complement)]).passed


def test_a_cube_with_noise_has_no_status_and_no_subjects() -> None:
    cells = cube(SAFE).cells[["region", "plan", "rows"]]
    assert cube_singling_out([PublishedCube("noisy", cells, SHAPE.dimensions)]).passed


HEALTH = CubeShape(("region", "state"), margins=(("region",),))
HALF = dict.fromkeys(product(REGIONS, STATES), 30)


def test_a_group_that_is_all_ill_is_disclosed() -> None:
    assert cube_inference([cube(records(HALF, "region", "state"), HEALTH)], ["state"]).passed
    disclosed = {**HALF, ("west", "ill"): 60, ("west", "well"): 0}
    released = cube(records(disclosed, "region", "state"), HEALTH)
    result = cube_inference([released], ["state"])
    assert not result.passed
    assert result.success == pytest.approx(60 / 180)
    # What nobody must learn of a person is for the declaration to say.
    assert cube_inference([released], []).passed


def test_a_value_that_nearly_everybody_has_is_no_news() -> None:
    well = {(region, "well"): 100 for region in REGIONS} | {("west", "ill"): 1}
    assert cube_inference([cube(records(well, "region", "state"), HEALTH)], ["state"]).passed


def test_hidden_cells_of_a_line_leave_it_in_doubt_as_the_margin_says() -> None:
    line = {**HALF, ("west", "ill"): 60, ("west", "well"): 8}
    released = cube(records(line, "region", "state"), HEALTH, hidden=(("west", "well"),))
    assert cube_inference([released], ["state"]).passed
    certain = {**line, ("west", "ill"): 600}
    released = cube(records(certain, "region", "state"), HEALTH, hidden=(("west", "well"),))
    assert not cube_inference([released], ["state"]).passed


CELLS = st.dictionaries(
    st.tuples(st.sampled_from(REGIONS), st.sampled_from(STATES)),
    st.integers(1, 40),
    min_size=1,
)


@settings(max_examples=20, deadline=None)
@given(CELLS, st.sampled_from([0.6, 0.8, 0.95]))
def test_inference_is_what_a_plain_count_finds(
    counts: dict[tuple[str, str], int], certainty: float
) -> None:
    whole = sum(counts.values())
    found = 0
    for (region, state), count in counts.items():
        line = sum(n for (at, _), n in counts.items() if at == region)
        everywhere = sum(n for (_, of), n in counts.items() if of == state)
        if count >= certainty * line and everywhere < certainty * whole:
            found += count
    released = cube(records(counts, "region", "state"), HEALTH)
    result = cube_inference([released], ["state"], certainty=certainty)
    assert result.success == pytest.approx(found / whole)


def test_a_cube_that_tells_the_total_gives_a_hidden_cell_of_another_away() -> None:
    people = records(
        {(region, plan, "well"): 20 for region in REGIONS for plan in PLANS}
        | {("west", "plus", "ill"): 3, ("south", "plus", "ill"): 20},
        "region", "plan", "state",
    )  # fmt: skip
    plans = cube(people, CubeShape(("region", "plan")))
    states = cube(people, CubeShape(("region", "state")), hidden=(("west", "ill"),))
    result = cube_linkability([plans, states], threshold=10)
    assert not result.passed
    assert (result.attempts, result.success) == (1, 1)
    both = cube(people, CubeShape(("region", "state")), hidden=(("west", "ill"), ("west", "well")))
    assert cube_linkability([plans, both], threshold=10).passed
    # As long as the total is hidden too, there is nothing to subtract from.
    unsaid = cube(people, CubeShape(("region", "plan")), hidden=(("west", "plus"),))
    assert cube_linkability([unsaid, states], threshold=10).attempts == 0
    # A margin tells it again.
    margin = CubeShape(("region", "plan"), margins=(("region",),))
    told = cube(people, margin, hidden=(("west", "plus"), ("west", "basic")))
    assert not cube_linkability([told, states], threshold=10).passed


def test_cubes_that_share_no_dimension_are_not_linked() -> None:
    one, other = cube(SAFE, CubeShape(("region",))), cube(SAFE, CubeShape(("plan",)))
    assert cube_linkability([one, other], threshold=10).attempts == 0


def test_an_empty_cube_is_no_error() -> None:
    empty = cube(SAFE)
    empty = PublishedCube("empty", empty.cells.iloc[:0], empty.dimensions)
    assert cube_singling_out([empty]).passed
    assert cube_inference([empty], ["plan"]).passed
    assert cube_linkability([empty, cube(SAFE)], threshold=10).passed
    assert (empty.cells["region"] == ALL).sum() == 0
