"""What is measured of a release is what counting by hand gives."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.recoding import risk, tallies
from tests import recoding_support as naive
from tests.recoding_support import QUASI, SENSITIVE, TREES

KINDS = ("str", "category", "object")


@pytest.mark.parametrize("kind", KINDS)
@given(naive.frames(), st.sampled_from([None, "who"]))
def test_the_figures_are_those_of_the_worst_class(
    kind: str, frame: pd.DataFrame, subject: str | None
) -> None:
    typed = frame.astype(dict.fromkeys((*QUASI, SENSITIVE), kind))

    found = risk.measure(typed, QUASI, [SENSITIVE], subject, [TREES[SENSITIVE]])

    classes = naive.classes(frame, QUASI)
    sizes = [naive.people(rows, subject) for rows in classes]
    assert found.rows == len(frame)
    assert found.subjects == naive.people(frame, subject)
    assert found.classes == len(classes)
    assert found.k == min(sizes, default=0)
    assert found.unique == sum(
        len(rows) for rows, size in zip(classes, sizes, strict=True) if size == 1
    )
    assert found.discernibility == sum(len(rows) ** 2 for rows in classes)
    if not classes:
        return
    counts = [naive.counts(rows, SENSITIVE, subject) for rows in classes]
    figures = found.sensitive[SENSITIVE]
    assert figures.distinct == min(map(len, counts))
    assert figures.entropy == pytest.approx(min(map(naive.entropy, counts)))
    for size, ratio in figures.recursive.items():
        pairs = [naive.recursive(count, size) for count in counts]
        assert ratio == max(most / rest if rest else math.inf for most, rest in pairs)


@given(naive.frames(least=1, most=12), st.sampled_from([None, "who"]))
def test_closeness_is_the_cost_of_moving_the_values(
    frame: pd.DataFrame, subject: str | None
) -> None:
    found = risk.measure(frame, ["sex"], [SENSITIVE], subject, [TREES[SENSITIVE]])

    for kind, distance in found.sensitive[SENSITIVE].closeness.items():
        expected = [
            naive.closeness(rows, frame, SENSITIVE, kind, subject)
            for rows in naive.classes(frame, ["sex"])
        ]
        assert distance == pytest.approx(max(expected), abs=1e-7)
    assert set(found.sensitive[SENSITIVE].closeness) == {"equal", "ordered", "hierarchical"}


@given(
    naive.frames(least=1, most=12), naive.frames(least=1, most=12), st.sampled_from([None, "who"])
)
def test_closeness_can_be_measured_against_another_frame(
    frame: pd.DataFrame, reference: pd.DataFrame, subject: str | None
) -> None:
    tree = TREES[SENSITIVE]
    found = risk.measure(frame, ["sex"], [SENSITIVE], subject, [tree], reference)

    for kind, distance in found.sensitive[SENSITIVE].closeness.items():
        expected = [
            naive.closeness(rows, reference, SENSITIVE, kind, subject, met=frame)
            for rows in naive.classes(frame, ["sex"])
        ]
        assert distance == pytest.approx(max(expected), abs=1e-7)
    assert found.suppressed == max(len(reference) - len(frame), 0)


@given(naive.frames(least=1))
def test_a_great_many_rows_are_counted_by_another_way_to_the_same_figures(
    frame: pd.DataFrame,
) -> None:
    before = risk.measure(frame, QUASI, [SENSITIVE], "who")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "_DENSE", 0)
        patch.setattr(risk, "_DENSE", -(10**9))
        assert risk.measure(frame, QUASI, [SENSITIVE], "who") == before


def test_a_copy_of_the_rows_is_measured_as_what_it_is() -> None:
    frame = pd.DataFrame({"name": [f"person {number}" for number in range(20)], "illness": "flu"})

    found = risk.measure(frame, ["name"], ["illness"])

    assert (found.k, found.unique, found.classes) == (1, 20, 20)
    assert found.sensitive["illness"].distinct == 1
    assert found.sensitive["illness"].recursive == {2: math.inf, 3: math.inf}


def test_one_planted_row_is_seen() -> None:
    frame = pd.DataFrame({"place": ["Paris"] * 50 + ["Lyon"] * 50 + ["Brest"], "sex": "f"})

    found = risk.measure(frame, ["place", "sex"])

    assert (found.k, found.unique) == (1, 1)


def test_numbers_have_an_order_and_texts_have_none() -> None:
    frame = pd.DataFrame({"sex": ["f", "f", "m", "m"], "pay": [1, 2, 2, 3]})

    numbers = risk.measure(frame, ["sex"], ["pay"]).sensitive["pay"].closeness
    texts = risk.measure(frame.astype(str), ["sex"], ["pay"]).sensitive["pay"].closeness

    assert numbers == {"equal": pytest.approx(0.25), "ordered": pytest.approx(0.25)}
    assert texts == {"equal": pytest.approx(0.25)}


def test_faults_are_named() -> None:
    frame = pd.DataFrame({"sex": ["f"], "who": [None]})

    with pytest.raises(ValueError, match="age: the frame has no such column"):
        risk.measure(frame, ["age"])
    with pytest.raises(ValueError, match="pay: the frame has no such column"):
        risk.measure(frame, ["sex"], ["pay"])
    with pytest.raises(ValueError, match="who: 1 of 1 rows have no subject"):
        risk.measure(frame, ["sex"], subject="who")


def test_without_quasi_identifiers_all_rows_are_one_class() -> None:
    frame = pd.DataFrame({"illness": ["flu", "hiv", "tb"]})

    found = risk.measure(frame, [], ["illness"])

    assert (found.classes, found.k) == (1, 3)
    assert found.sensitive["illness"].entropy == pytest.approx(3)
