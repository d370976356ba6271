"""Releases one after the other: what a reader of all of them can compute, and must not."""

from __future__ import annotations

from itertools import combinations, product
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizers.cubes.cells import ALL, ROWS, SUBJECTS, CubeShape, aggregate, with_margins
from anonymizers.cubes.differencing import between, linked, recoverable, small_cells
from anonymizers.cubes.sticky import hold_back, next_release
from anonymizers.cubes.suppression import PUBLISHED, STATUS, for_publication

SHAPE = CubeShape(("region", "year"), (), (("region",), ("year",), ()), one_row_each=True)
EVENTS = CubeShape(("region", "year"), ("amount",), (("region",), ()))
REGIONS, YEARS = ("north", "south", "west"), ("2024", "2025", "2026")
T = 5


def people(counts: dict[tuple[str, str], int], start: int = 0) -> pd.DataFrame:
    rows = [(r, y) for (r, y), number in counts.items() for _ in range(number)]
    frame = pd.DataFrame(rows, columns=["region", "year"]).astype("str")
    return frame.assign(person=range(start, start + len(rows)))


def cube(counts: dict[tuple[str, str], int]) -> pd.DataFrame:
    return with_margins(aggregate(people(counts), SHAPE, "person"), SHAPE)


def published(cells: pd.DataFrame, hidden: list[tuple[str, str]]) -> pd.DataFrame:
    """A cube in which ``hidden`` cells are blank, whoever chose them."""
    keys = list(zip(cells["region"], cells["year"], strict=True))
    shown = pd.Series([key not in hidden for key in keys], index=cells.index)
    told = cells[["region", "year", SUBJECTS, ROWS]].astype({SUBJECTS: "Int64", ROWS: "Int64"})
    told[[SUBJECTS, ROWS]] = told[[SUBJECTS, ROWS]].where(shown)
    return told.assign(**{STATUS: shown.map({True: PUBLISHED, False: "suppressed"})})


FULL = {(r, y): 20 + 3 * i for i, (r, y) in enumerate(product(REGIONS, YEARS))}


def test_a_clean_cube_has_no_finding():
    cells = published(cube(FULL), [])
    assert small_cells(cells, SHAPE, T) == recoverable(cells, SHAPE, T) == []
    assert between(cells, cells, SHAPE, T) == []


def test_a_small_cell_is_found():
    assert small_cells(published(cube(FULL | {("north", "2024"): 4}), []), SHAPE, T)


def test_a_hidden_number_that_was_left_in_is_found():
    cells = published(cube(FULL), [("north", "2024")])
    cells.loc[cells[STATUS] != PUBLISHED, ROWS] = 20
    assert small_cells(cells, SHAPE, T)


def test_a_single_hidden_cell_of_a_line_is_found():
    small = FULL | {("north", "2024"): 2}
    assert recoverable(published(cube(small), [("north", "2024")]), SHAPE, T)
    # a second one in the line, but still alone in its column
    assert recoverable(published(cube(small), [("north", "2024"), ("north", "2025")]), SHAPE, T)
    square = [("north", "2024"), ("north", "2025"), ("south", "2024"), ("south", "2025")]
    assert recoverable(published(cube(small), square), SHAPE, T) == []


def test_hidden_cells_that_share_a_small_sum_are_found():
    small = FULL | {("north", "2024"): 2, ("north", "2025"): 2}
    square = [("north", "2024"), ("north", "2025"), ("south", "2024"), ("south", "2025")]
    [finding] = recoverable(published(cube(small), square), SHAPE, T)
    assert finding.figures["cells"] == 2


def test_sums_that_do_not_add_up_are_found():
    cells = published(cube(FULL), [])
    cells.loc[cells["region"] == ALL, ROWS] += 1
    assert recoverable(cells, SHAPE, T)


tables = st.lists(st.integers(0, 4), min_size=9, max_size=9).map(
    lambda numbers: dict(zip(product(REGIONS, YEARS), numbers, strict=True))
)


@settings(max_examples=25)
@given(tables, st.sets(st.sampled_from(list(product(REGIONS, YEARS))), max_size=5))
def test_what_is_found_is_what_an_attacker_finds_who_tries_every_table(counts, hide):
    counts = {key: number for key, number in counts.items() if number}
    hidden = sorted(set(counts) & hide)
    if not counts:
        return
    cells = published(cube(counts), hidden)
    possible = [
        dict(zip(hidden, guess, strict=True))
        for guess in product(range(1, 10), repeat=len(hidden))
        if all(
            sum(guess[i] for i, key in enumerate(hidden) if key[axis] == label)
            == sum(counts[key] for key in hidden if key[axis] == label)
            for axis, labels in ((0, REGIONS), (1, YEARS))
            for label in labels
        )
    ]
    determined = sum(len({table[key] for table in possible}) == 1 for key in hidden)
    found = [f for f in recoverable(cells, SHAPE, 2) if "computed" in f.problem]
    # two dimensions: linear programming and whole numbers agree (total unimodularity)
    assert sum(f.figures["cells"] for f in found) == determined


def test_a_cell_that_changes_by_one_person_is_found():
    before = published(cube(FULL), [])
    after = published(cube(FULL | {("west", "2026"): FULL["west", "2026"] + 1}), [])
    assert between(before, after, SHAPE, T)
    assert between(after, before, SHAPE, T)
    more = published(cube(FULL | {("west", "2026"): FULL["west", "2026"] + T}), [])
    assert between(before, more, SHAPE, T) == []


def test_a_margin_that_gives_a_hidden_change_away_is_found():
    square = [("north", "2024"), ("north", "2025"), ("south", "2024"), ("south", "2025")]
    before = published(cube(FULL), square)
    after = published(cube(FULL | {("north", "2024"): FULL["north", "2024"] + 1}), square)
    assert between(before, after, SHAPE, T)


def test_a_cell_hidden_once_and_shown_once_uncovers_its_neighbour():
    small = FULL | {("north", "2024"): 2}
    square = [("north", "2024"), ("north", "2025"), ("south", "2024"), ("south", "2025")]
    other = [("north", "2024"), ("north", "2026"), ("south", "2024"), ("south", "2026")]
    before, after = published(cube(small), square), published(cube(small), other)
    assert recoverable(before, SHAPE, T) == recoverable(after, SHAPE, T) == []
    assert between(before, after, SHAPE, T)


def test_a_cell_hidden_in_one_cube_and_shown_in_another_is_found():
    cells = cube(FULL)
    yearly = CubeShape(("year",), one_row_each=True)
    sums = cells[(cells["region"] == ALL) & (cells["year"] != ALL)]
    other = published(sums, [])[["year", SUBJECTS, ROWS, STATUS]]
    hidden = published(cells, [(ALL, "2024")])
    assert linked([(hidden, SHAPE), (other, yearly)], T)
    assert linked([(published(cells, []), SHAPE), (other, yearly)], T) == []


def months(seed: int) -> list[dict[tuple[str, str], int]]:
    """The true counts of some months, few changing, by few or by many."""
    random = Random(seed)
    numbers = [random.choice([0, 2, 7, 20, 30]) for _ in range(9)]
    found = []
    for _ in range(random.randint(2, 4)):
        counts = zip(product(REGIONS, YEARS), numbers, strict=True)
        found.append({key: number for key, number in counts if number})
        numbers = [max(0, n + random.choice([-12, -3, -1, 0, 0, 0, 1, 2, 6, 15])) for n in numbers]
    return [counts for counts in found if counts]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200 if settings().max_examples > 100 else 6))
def test_nobody_is_found_by_a_reader_of_every_month(seed):
    history: list[pd.DataFrame] = []
    told: list[pd.DataFrame] = []
    for counts in months(seed):
        made = next_release(cube(counts), SHAPE, history, T)
        history.append(made.state)
        told.append(for_publication(made.published, SHAPE))
    for cells in told:
        assert small_cells(cells, SHAPE, T) == []
        assert recoverable(cells, SHAPE, T) == []
    for one, other in combinations(told, 2):
        assert between(one, other, SHAPE, T) == []


def test_a_change_is_held_until_it_is_large_enough():
    start = next_release(cube(FULL), SHAPE, [], T)
    more = FULL | {("west", "2026"): FULL["west", "2026"] + 3}
    second = next_release(cube(more), SHAPE, [start.state], T)
    assert second.held == 1
    assert second.published.equals(start.published)
    much = FULL | {("west", "2026"): FULL["west", "2026"] + 6}
    third = next_release(cube(much), SHAPE, [start.state, second.state], T)
    assert third.held == 0
    place = (third.published["region"] == "west") & (third.published["year"] == "2026")
    assert third.published.loc[place, ROWS].tolist() == [FULL["west", "2026"] + 6]
    total = (third.published["region"] == ALL) & (third.published["year"] == ALL)
    assert third.published.loc[total, ROWS].tolist() == [sum(FULL.values()) + 6]


def test_there_and_back_by_another_number_is_not_shown():
    held = [cube(FULL)]
    for more in (12, 1):
        counts = FULL | {("west", "2026"): FULL["west", "2026"] + more}
        held.append(hold_back(cube(counts), held[-1], SHAPE, T, earlier=held[:-1]))
    # +12 was shown; +1 differs enough from that, but not from the first release
    assert held[1].equals(cube(FULL | {("west", "2026"): FULL["west", "2026"] + 12}))
    assert held[2].equals(held[1])


def test_a_cell_that_appears_with_few_people_stays_absent_and_one_that_empties_stays():
    without = {key: number for key, number in FULL.items() if key != ("west", "2026")}
    appeared = without | {("west", "2026"): 2}
    assert hold_back(cube(appeared), cube(without), SHAPE, T).equals(cube(without))
    few = without | {("west", "2026"): T - 1}
    assert hold_back(cube(without), cube(few), SHAPE, T).equals(cube(few))
    gone = hold_back(cube(without), cube(FULL), SHAPE, T)
    assert gone.equals(cube(without))


def events(rows: list[tuple[str, str, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["region", "year", "person", "amount"])
    frame = frame.astype({"region": "str", "year": "str", "amount": "int64"})
    return with_margins(aggregate(frame, EVENTS, "person"), EVENTS)


def test_a_sum_that_the_same_people_change_is_held():
    rows = [("north", "2025", person, 10) for person in range(20)]
    more = [*rows, ("north", "2025", 3, 500)]
    assert hold_back(events(more), events(rows), EVENTS, T)["amount"].max() == 200


def test_a_sum_that_one_newcomer_makes_is_held_and_one_that_all_make_is_shown():
    rows = [("north", "2025", person, 10) for person in range(20)]
    rich = [*rows, *(("north", "2025", p, 1 if p else 900) for p in range(100, 110)),
            ("north", "2025", 200, 900)]  # fmt: skip
    even = [*rows, *(("north", "2025", p, 10) for p in range(100, 110))]
    assert hold_back(events(rich), events(rows), EVENTS, T)["amount"].max() == 200
    assert hold_back(events(even), events(rows), EVENTS, T)["amount"].max() == 300


def test_a_threshold_below_two_is_refused():
    with pytest.raises(ValueError, match="protects nobody"):
        hold_back(cube(FULL), None, SHAPE, 1)
