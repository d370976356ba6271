"""Each privacy model agrees with its definition, and is refused where it makes no sense."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.recoding.groups import TupleGroups
from anonymizers.recoding.models import (
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    PrivacyModel,
    RecursiveDiversity,
    TCloseness,
    satisfied,
)
from anonymizers.recoding.tuples import collapse, encode_values
from tests import recoding_support as naive


def judged(
    frame: pd.DataFrame, cells: np.ndarray, models: list[PrivacyModel], subject: str | None
) -> list[bool]:
    """What the models say of the groups that ``cells`` puts the rows of a frame into."""
    tree = naive.TREES[naive.SENSITIVE]
    codes = [naive.TREES[name].encode(frame[name]) for name in naive.QUASI]
    tuples, of_row = collapse(
        [*codes, cells],
        [*(len(naive.TREES[name].labels[0]) for name in naive.QUASI), int(cells.max()) + 1],
        subject=frame["who"].to_numpy() if subject else None,
        sensitive={tree.column: encode_values(frame[tree.column])},
    )
    groups = np.zeros(len(tuples), dtype=np.int64)
    groups[of_row] = cells
    return satisfied(models, TupleGroups(tuples, groups, int(cells.max()) + 1)).tolist()


@given(naive.frames(least=1), naive.models(), st.sampled_from([None, "who"]), st.data())
def test_a_model_holds_where_its_definition_says_so(
    frame: pd.DataFrame, models: list[PrivacyModel], subject: str | None, data: st.DataObject
) -> None:
    cell = st.lists(st.integers(0, 2), min_size=len(frame), max_size=len(frame))
    cells = pd.factorize(np.array(data.draw(cell)))[0]

    found = judged(frame, cells, models, subject)

    for group, verdict in enumerate(found):
        rows = frame[cells == group]
        assert verdict == all(naive.holds(model, rows, frame, subject) for model in models)


def test_five_rows_of_one_person_are_one_subject() -> None:
    frame = pd.DataFrame(
        {"place": ["Paris"] * 5, "sex": ["f"] * 5, "age": ["1"] * 5, "illness": ["flu"] * 5}
    ).assign(who=7)
    cells = np.zeros(5, dtype=np.int64)

    assert judged(frame, cells, [KAnonymity(5)], None) == [True]
    assert judged(frame, cells, [KAnonymity(2)], "who") == [False]


def test_a_subject_with_one_value_in_many_rows_weighs_no_more_than_another() -> None:
    frame = pd.DataFrame(
        {
            "place": ["Paris"] * 10,
            "sex": ["f"] * 10,
            "age": [str(number % 3) for number in range(10)],
            "illness": ["hiv"] * 9 + ["flu"],
            "who": [1] * 9 + [2],
        }
    )
    cells = np.zeros(10, dtype=np.int64)

    assert judged(frame, cells, [EntropyDiversity("illness", 2)], "who") == [True]
    assert judged(frame, cells, [EntropyDiversity("illness", 2)], None) == [False]


@given(st.integers(2, 300))
def test_equally_common_values_are_just_diverse_enough(size: int) -> None:
    frame = pd.DataFrame({"illness": [f"v{number}" for number in range(size)] * 3})
    tuples, of_row = collapse(
        [np.zeros(len(frame), dtype=np.int64)],
        [1],
        sensitive={"illness": encode_values(frame["illness"])},
    )
    groups = TupleGroups(tuples, of_row[:1], 1)

    assert EntropyDiversity("illness", size).satisfied(groups).all()
    assert not EntropyDiversity("illness", size + 0.01).satisfied(groups).any()
    assert TCloseness("illness", 0).satisfied(groups).all()


@pytest.mark.parametrize("k", [0, -1, 2.5, True, math.nan, "5"])
def test_an_impossible_k_is_refused(k: object) -> None:
    with pytest.raises(ValueError, match="k must be a whole number of at least 1"):
        KAnonymity(k)


@pytest.mark.parametrize("l", [0, 0.5, math.nan, math.inf, True, "3"])
def test_an_impossible_l_is_refused(l: object) -> None:  # noqa: E741
    with pytest.raises(ValueError, match="l must be"):
        EntropyDiversity("illness", l)
    with pytest.raises(ValueError, match="l must be"):
        DistinctDiversity("illness", l)
    with pytest.raises(ValueError, match="l must be"):
        RecursiveDiversity("illness", 2, l)


@pytest.mark.parametrize("t", [-0.1, 1.1, math.nan])
def test_an_impossible_t_is_refused(t: float) -> None:
    with pytest.raises(ValueError, match="t must be"):
        TCloseness("illness", t)


def test_a_hierarchical_distance_needs_the_hierarchy_of_the_column() -> None:
    with pytest.raises(ValueError, match="illness: a hierarchical distance needs the hierarchy"):
        TCloseness("illness", 0.2, "hierarchical")
    with pytest.raises(ValueError, match="illness: the hierarchy is that of place"):
        TCloseness("illness", 0.2, "hierarchical", naive.TREES["place"])
