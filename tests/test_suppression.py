"""What a published cube leaves to guess, tried by readers who know everything but the answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from anonymizers.cubes.cells import (
    ALL,
    ROWS,
    SUBJECTS,
    CubeError,
    CubeShape,
    aggregate,
    with_margins,
)
from anonymizers.cubes.suppression import (
    PRIMARY,
    PUBLISHED,
    SECONDARY,
    STATUS,
    SUPPRESSED,
    Unprotectable,
    decide,
    for_publication,
    protect,
)

T = 3
ROOM = 0.25
FLAT = CubeShape(("a", "b"), ("amount",), (("a",), ("b",), ()), one_row_each=True)
DEEP = CubeShape(
    ("a", "b", "c"),
    (),
    tuple(m for size in (2, 1, 0) for m in combinations(("a", "b", "c"), size)),
    one_row_each=True,
)
EVENTS = CubeShape(("a", "b"), ("amount",), (("a",), ("b",), ()))


def cube(shape: CubeShape, counts: np.ndarray, amounts: np.ndarray | None = None) -> pd.DataFrame:
    """A cube of people with one row each; ``counts`` has a dimension for each of the shape's."""
    rows = []
    for place in np.ndindex(*counts.shape):
        for one in range(int(counts[place])):
            amount = 0 if amounts is None else int(amounts[place]) * (one + 1)
            rows.append((*(f"{d}{at}" for d, at in zip("xyz", place, strict=False)), amount))
    frame = pd.DataFrame(rows, columns=[*shape.dimensions, "amount"])
    frame = frame.astype({"amount": "int64"}).assign(who=range(len(frame)))
    return aggregate(frame, shape, "who")


def small_counts(*sides: int) -> st.SearchStrategy[np.ndarray]:
    size = int(np.prod(sides))
    few = st.one_of(st.just(0), st.integers(1, 2), st.integers(0, 9))
    return st.lists(few, min_size=size, max_size=size).map(lambda x: np.array(x).reshape(sides))


class Reader:
    """Somebody who has read every release, and knows which cells did not change."""

    def __init__(self, states: list[pd.DataFrame], shape: CubeShape) -> None:
        self.values: list[int] = []
        self.cells: list[tuple[list[int], str, int]] = []
        last: dict[tuple[str, ...], tuple[tuple[int, ...], int]] = {}
        for state in states:
            now = {}
            base = state[(state[list(shape.dimensions)] != ALL).all(axis=1)]
            for row in base.to_dict("records"):
                key = tuple(row[name] for name in shape.dimensions)
                value = tuple(row[name] for name in shape.values)
                if last.get(key, (None,))[0] != value:
                    self.values.append(row[ROWS])
                    now[key] = (value, len(self.values) - 1)
                else:
                    now[key] = last[key]
            last = now
            for row in state.to_dict("records"):
                label = [row[name] for name in shape.dimensions]
                inside = [
                    number
                    for key, (_, number) in now.items()
                    if all(mine in (ALL, its) for mine, its in zip(label, key, strict=True))
                ]
                self.cells.append((inside, row[STATUS], row[ROWS]))

    def extreme(self, inside: list[int], sign: int, far: int) -> int:
        """The least (1) or greatest (-1) of a sum, over all tables of whole numbers, up to far."""
        told = [(cells, value) for cells, status, value in self.cells if status == PUBLISHED]
        equations = np.zeros((len(told), len(self.values)))
        for at, (cells, _) in enumerate(told):
            equations[at, cells] = 1
        goal = np.zeros(len(self.values))
        goal[inside] = sign
        right = [value for _, value in told]
        solved = optimize.milp(
            goal,
            integrality=np.ones(len(goal)),
            bounds=optimize.Bounds(1, far),
            constraints=optimize.LinearConstraint(equations, right, right) if told else None,
        )
        assert solved.status == 0
        return round(sign * solved.fun)


def assert_nobody_is_found(states: list[pd.DataFrame], shape: CubeShape, threshold: int) -> None:
    reader = Reader(states, shape)
    far = 2 * max(value for _, _, value in reader.cells) + threshold if reader.cells else 0
    for inside, status, value in reader.cells:
        if status == PUBLISHED:
            continue
        low, high = reader.extreme(inside, 1, far), reader.extreme(inside, -1, far)
        assert low <= value <= high
        assert low < high, "a hidden cell can be computed"
        if status == PRIMARY:
            assert high >= threshold, "a small cell is known to be small"
            assert high - low >= threshold - 1, "a small cell is bounded too closely"


def every_table(told: list[tuple[list[int], int]], count: int, far: int) -> Iterator[list[int]]:
    for table in product(range(1, far + 1), repeat=count):
        if all(sum(table[n] for n in cells) == value for cells, value in told):
            yield list(table)


@given(small_counts(3, 3))
def test_no_reader_of_a_flat_cube_finds_a_small_cell(counts: np.ndarray) -> None:
    state = decide(cube(FLAT, counts), FLAT, T)
    assert_nobody_is_found([state], FLAT, T)


@settings(max_examples=12 if settings().max_examples < 100 else 300)
@given(small_counts(2, 2, 3))
def test_no_reader_of_a_deep_cube_finds_a_small_cell(counts: np.ndarray) -> None:
    state = decide(cube(DEEP, counts), DEEP, T)
    assert_nobody_is_found([state], DEEP, T)


@given(small_counts(2, 3), st.lists(st.integers(0, 20), min_size=6, max_size=6))
def test_no_reader_of_two_releases_finds_a_small_cell(
    counts: np.ndarray, changes: list[int]
) -> None:
    shape = CubeShape(("a", "b"), (), (("a",), ("b",), ()), one_row_each=True)
    before = decide(cube(shape, counts), shape, T)
    # As `sticky` has it: a cell changes by the threshold or not at all.
    change = np.array([c if c >= T and c < 9 else 0 for c in changes]).reshape(counts.shape)
    try:
        after = decide(cube(shape, counts + change), shape, T, history=[before])
    except Unprotectable:
        return
    assert_nobody_is_found([before, after], shape, T)


def ranges(state: pd.DataFrame, shape: CubeShape, value: str) -> dict[int, tuple[float, float]]:
    """The least and greatest that each hidden cell can be, by linear programming."""
    keys = list(shape.dimensions)
    base = state[(state[keys] != ALL).all(axis=1)].index
    inside = np.array(
        [
            [
                all(
                    row in (ALL, it)
                    for row, it in zip(state.loc[c, keys], state.loc[b, keys], strict=True)
                )
                for b in base
            ]
            for c in state.index
        ],
        dtype=float,
    )
    shown = (state[STATUS] == PUBLISHED).to_numpy()
    found = {}
    for at in np.flatnonzero(~shown):
        ends = []
        for sign in (1.0, -1.0):
            solved = optimize.linprog(
                sign * inside[at],
                A_eq=inside[shown] if shown.any() else None,
                b_eq=state[value].to_numpy("float64")[shown] if shown.any() else None,
            )
            ends.append(sign * solved.fun if solved.status == 0 else np.inf)
        found[int(at)] = (ends[0], ends[1])
    return found


@given(
    small_counts(3, 3),
    st.lists(st.integers(0, 50), min_size=9, max_size=9).map(lambda x: np.array(x).reshape(3, 3)),
)
def test_the_sum_of_a_small_cell_stays_a_quarter_uncertain(
    counts: np.ndarray, amounts: np.ndarray
) -> None:
    state = decide(cube(FLAT, counts, amounts), FLAT, T)
    for at, (low, high) in ranges(state, FLAT, "amount").items():
        true = state.loc[at, "amount"]
        if state.loc[at, STATUS] == PRIMARY and true > 0:
            assert low <= true * (1 - ROOM) + 1e-6
            assert high >= true * (1 + ROOM) - 1e-6


def test_a_sum_that_one_person_dominates_is_hidden_and_covered() -> None:
    frame = pd.DataFrame(
        {
            "a": ["x"] * 20 + ["y"] * 20,
            "b": (["p"] * 10 + ["q"] * 10) * 2,
            "amount": [100_000] + [10] * 39,
            "who": range(40),
        }
    )
    state = decide(aggregate(frame, FLAT, "who"), FLAT, 5)
    at = state.set_index(["a", "b"])
    assert at.loc[("x", "p"), STATUS] == PRIMARY
    told = {(a, b) for (a, b), status in at[STATUS].items() if status == PUBLISHED}
    # What is around it is no more than it: every sum that would tell it is hidden too.
    assert not {("x", ALL), (ALL, "p"), (ALL, ALL)} & told
    assert (
        decide(aggregate(frame, FLAT, "who"), FLAT, 5, dominance=None)[STATUS].eq(PUBLISHED).all()
    )


def test_the_rows_of_one_person_are_as_secret_as_a_sum() -> None:
    visits = [("x", "p", 0)] * 300 + [("x", "p", n) for n in range(1, 9)]
    visits += [("x", "q", n) for n in range(20, 60)] + [("y", "p", n) for n in range(20, 60)]
    visits += [("y", "q", n) for n in range(20, 60)]
    frame = pd.DataFrame(visits, columns=["a", "b", "who"]).assign(amount=1)
    state = decide(aggregate(frame, EVENTS, "who"), EVENTS, 5).set_index(["a", "b"])
    assert state.loc[("x", "p"), SUBJECTS] == 9
    assert state.loc[("x", "p"), STATUS] == PRIMARY


def test_several_hidden_cells_of_one_person_do_not_make_a_crowd() -> None:
    # One person is all there is in p and q of x; together they would still be that person.
    visits = [("x", b, 0) for b in "pq" for _ in range(10)]
    visits += [(a, b, n) for a in "xy" for b in "rs" for n in range(10, 40)]
    visits += [("y", b, n) for b in "pq" for n in range(10, 40)]
    frame = pd.DataFrame(visits, columns=["a", "b", "who"]).assign(amount=1)
    state = decide(aggregate(frame, EVENTS, "who"), EVENTS, 5).set_index(["a", "b"])
    if state.loc[("x", ALL), STATUS] == PUBLISHED:
        hidden = [
            state.loc[("x", b), SUBJECTS]
            for b in "pqrs"
            if state.loc[("x", b), STATUS] != PUBLISHED
        ]
        assert max(hidden) >= 5


def test_a_cube_without_small_cells_is_published_whole() -> None:
    state = decide(cube(FLAT, np.full((3, 3), 9), np.full((3, 3), 2)), FLAT, T)
    assert (state[STATUS] == PUBLISHED).all()


def test_hidden_cells_are_blank_and_what_hides_which_is_not_told() -> None:
    counts = np.array([[1, 20, 30], [20, 25, 30], [40, 50, 60]])
    protected = protect(cube(FLAT, counts), FLAT, 5)
    hidden = protected[STATUS] != PUBLISHED
    assert set(protected[STATUS]) == {PUBLISHED, PRIMARY, SECONDARY}
    assert protected.loc[hidden, list(FLAT.numbers)].isna().all(axis=None)
    told = for_publication(protected, FLAT)
    assert list(told.columns) == ["a", "b", SUBJECTS, ROWS, "amount", STATUS]
    assert set(told[STATUS]) == {PUBLISHED, SUPPRESSED}
    assert told.loc[told[STATUS] == SUPPRESSED, [SUBJECTS, ROWS, "amount"]].isna().all(axis=None)


@pytest.mark.parametrize("seed", range(6))
def test_the_reader_of_these_tests_overlooks_no_table(seed: int) -> None:
    shape = CubeShape(("a", "b"), (), (("a",), ("b",), ()), one_row_each=True)
    counts = np.random.default_rng(seed).integers(1, 6, (2, 2))
    state = decide(cube(shape, counts), shape, T)
    reader = Reader([state], shape)
    told = [(cells, value) for cells, status, value in reader.cells if status == PUBLISHED]
    tables = list(every_table(told, len(reader.values), 12))
    for inside, _, _ in reader.cells:
        seen = [sum(table[n] for n in inside) for table in tables]
        assert reader.extreme(inside, 1, 12) == min(seen)
        assert reader.extreme(inside, -1, 12) == max(seen)


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    chance = np.random.default_rng(4)
    cells = cube(FLAT, chance.integers(0, 12, (6, 5)), chance.integers(1, 90, (6, 5)))
    shuffled = cells.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(decide(cells, FLAT, 5), decide(shuffled, FLAT, 5))


def test_what_was_published_too_small_cannot_be_hidden_again() -> None:
    cells = cube(FLAT, np.full((3, 3), 4))
    before = decide(cells, FLAT, 3)
    with pytest.raises(Unprotectable):
        decide(cells, FLAT, 5, history=[before])


def test_a_cell_hidden_before_is_not_told_by_publishing_its_cover() -> None:
    shape = CubeShape(("a", "b"), (), (("a",), ("b",), ()), one_row_each=True)
    before = decide(cube(shape, np.array([[2, 20], [20, 30]])), shape, 5)
    after = decide(cube(shape, np.array([[20, 20], [20, 30]])), shape, 5, history=[before])
    # The small cell has grown up, but its cover has not changed: it stays hidden.
    covers = before.set_index(["a", "b"])[STATUS] != PUBLISHED
    still = after.set_index(["a", "b"])[STATUS] != PUBLISHED
    assert still[("x0", "y1")] == covers[("x0", "y1")]
    assert_nobody_is_found([before, after], shape, 5)


def test_an_impossible_rule_or_an_incomplete_cube_is_refused() -> None:
    cells = cube(FLAT, np.full((2, 2), 9))
    with pytest.raises(CubeError, match="threshold"):
        decide(cells, FLAT, 1)
    with pytest.raises(CubeError, match="dominance"):
        decide(cells, FLAT, 5, dominance=0.4)
    with pytest.raises(CubeError, match="margins"):
        decide(cells[(cells[["a", "b"]] != ALL).all(axis=1)], FLAT, 5)


def test_nothing_is_protected_as_nothing() -> None:
    nothing = aggregate(
        pd.DataFrame({"a": [], "b": [], "amount": [], "who": []}).astype({"amount": "int64"}),
        FLAT,
        "who",
    )
    assert not len(protect(with_margins(nothing, FLAT), FLAT, 5))


def test_thousands_of_cells_are_protected_at_little_cost() -> None:
    chance = np.random.default_rng(9)
    weight = 1 / np.arange(1, 101)
    frame = pd.DataFrame(
        {
            "a": chance.choice([f"{n:03}" for n in range(100)], 50_000, p=weight / weight.sum()),
            "b": chance.choice([f"{n:02}" for n in range(20)], 50_000),
            "amount": chance.integers(1, 500, 50_000),
            "who": range(50_000),
        }
    )
    cells = aggregate(frame, FLAT, "who")
    state = decide(cells, FLAT, 10)
    assert len(cells) > 2_000
    # What covers the small cells costs little.
    base = (state[["a", "b"]] != ALL).all(axis=1)
    assert state.loc[base & (state[STATUS] == SECONDARY), ROWS].sum() < 0.02 * 50_000
