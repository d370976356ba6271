"""Hierarchies generalise by their declaration, and say where that is at fault."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy, HierarchyError
from anonymizers.recoding.axes import CategoryAxis
from anonymizers.recoding.integer_keys import combine, factorise
from tests import recoding_support as naive

PLACES = naive.TREES["place"]


def test_a_hierarchy_ends_in_everything_and_knows_nulls() -> None:
    assert PLACES.levels == ("value", "level 1", "level 2", EVERYTHING)
    assert PLACES.labels[0] == ("Paris", "Melun", "Lyon", "Bron", "Brest", MISSING)
    assert PLACES.labels[2] == ("IDF", "ARA", "BRE", MISSING)
    assert PLACES.labels[-1] == (EVERYTHING,)
    assert PLACES.leaves == 5
    assert PLACES.vocabulary() == {
        *("75", "77", "69", "29", "IDF", "ARA", "BRE", MISSING, EVERYTHING)
    }


def test_levels_may_have_names() -> None:
    tree = Hierarchy.from_rows("sex", [("f",), ("m",)], levels=["sex"])

    assert tree.levels == ("sex", EVERYTHING)
    assert tree.generalise(pd.Series(["m", None]), "sex").tolist() == ["m", MISSING]
    assert tree.generalise(pd.Series(["m", None]), EVERYTHING).tolist() == [EVERYTHING] * 2
    with pytest.raises(HierarchyError, match="sex: there is no level 'town'"):
        tree.generalise(pd.Series(["m"]), "town")
    with pytest.raises(HierarchyError, match="sex: there is no level 2"):
        tree.generalise(pd.Series(["m"]), 2)


@given(st.sampled_from(sorted(naive.TREES)), st.data())
def test_a_value_becomes_its_label(column: str, data: st.DataObject) -> None:
    tree = naive.TREES[column]
    values = data.draw(st.lists(naive.values(column), max_size=8))
    for kind in ("str", "object", "category"):
        for level in range(tree.depth):
            found = tree.generalise(pd.Series(values, dtype=kind), level)
            for label, value in zip(found, values, strict=True):
                path = naive.path(column, value)
                assert (
                    label == (path * (level == tree.depth - 1) or path[:1])[-1]
                    if (value is None)
                    else label == path[level]
                )
            assert set(found.cat.categories) == set(found)


@given(st.sampled_from(sorted(naive.TREES)))
def test_the_penalty_counts_leaves(column: str) -> None:
    tree = naive.TREES[column]
    for level in range(tree.depth):
        for label, found in zip(tree.labels[level], tree.ncp(level), strict=True):
            assert found == pytest.approx(naive.penalty(column, label))


def test_values_are_compared_by_their_text() -> None:
    tree = Hierarchy.from_rows("age", [("39", "30-39"), ("2026-01-02", "days"), ("True", "yes")])

    for value in (39, 39.0, np.int8(39), np.float32(39), "39"):
        assert tree.generalise(pd.Series([value], dtype=object), 1).tolist() == ["30-39"]
    for day in (date(2026, 1, 2), pd.Timestamp("2026-01-02"), np.datetime64("2026-01-02")):
        assert tree.generalise(pd.Series([day]), 1).tolist() == ["days"]
    assert tree.generalise(pd.Series([True]), 1).tolist() == ["yes"]
    assert tree.generalise(pd.Series([39.0, np.nan]), 1).tolist() == ["30-39", MISSING]


def test_a_value_outside_is_an_error_or_a_hole_but_never_told() -> None:
    values = pd.Series(["Paris", "Zoe Canari", "Zoe Canari"])

    with pytest.raises(HierarchyError, match="place: 2 of 3 rows") as caught:
        PLACES.encode(values)

    assert "Canari" not in str(caught.value)
    assert PLACES.encode(values, unknown="suppress").tolist() == [0, -1, -1]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([], "place: the hierarchy has no rows"),
        ([("Paris", "75"), ("Lyon",)], "place: row 2 of the hierarchy has a hole at level 1"),
        ([("Paris", ""), ("Lyon", "69")], "place: row 1 of the hierarchy has a hole at level 1"),
        ([("Paris", None)], "place: row 1 of the hierarchy has a hole at level 1"),
        ([("Paris",), ("Paris",)], "place: row 2 declares the leaf 'Paris' again"),
        (
            [("Paris", "town", "IDF"), ("Lyon", "town", "ARA")],
            "the leaves under 'town' of level 'level 1' have several labels on level 'level 2'",
        ),
        (
            [("Paris", "Paris"), ("Melun", "Paris")],
            "the label 'Paris' covers other leaves on level 'level 1' than on level 'value'",
        ),
    ],
)
def test_a_faulty_declaration_is_refused(rows: list[tuple[str, ...]], fault: str) -> None:
    with pytest.raises(HierarchyError) as caught:
        Hierarchy.from_rows("place", rows)

    assert fault in str(caught.value)


def test_too_many_names_of_levels_are_refused() -> None:
    with pytest.raises(HierarchyError, match="place: 3 names of levels for a hierarchy of 2"):
        Hierarchy.from_rows("place", [("Paris",)], levels=["a", "b", "c"])


def test_a_file_is_read_without_a_header(tmp_path: Path) -> None:
    file = tmp_path / "place.csv"
    file.write_text('"Paris; the city";75;*\r\nLyon;69;*\r\n\r\n', encoding="utf-8-sig")

    tree = Hierarchy.from_csv(file, "place")

    assert tree.labels[0] == ("Paris; the city", "Lyon", MISSING)
    assert tree.labels[1] == ("75", "69", MISSING)


def test_what_has_two_leaves_is_not_shown_by_the_repr() -> None:
    assert "Paris" not in repr(PLACES)


@given(st.sampled_from(sorted(naive.TREES)), st.data())
def test_the_label_of_a_stretch_is_the_least_common_one(column: str, data: st.DataObject) -> None:
    axis = CategoryAxis(naive.TREES[column])
    values = data.draw(st.lists(naive.values(column), min_size=1, max_size=4))
    places = axis.encode(pd.Series(values, dtype=object))

    (label,) = axis.texts(axis.labels(places.min(keepdims=True), places.max(keepdims=True)))

    common = set.intersection(*(set(naive.path(column, value)) for value in values))
    size = {name: naive.leaves_under(column, name) for name in common}
    assert label in common
    assert size[label] == min(size.values())


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30
    ),
    st.sampled_from([10, 2**20, 2**40]),
)
def test_keys_tell_rows_apart_however_large_the_radices(
    rows: list[tuple[int, ...]], radix: int
) -> None:
    # Three columns of 2 ** 40 values overflow 62 bits: what was combined is numbered anew.
    codes = [np.array(column) for column in zip(*rows, strict=True)]

    numbers, first = factorise(combine(codes, [radix] * 3))

    ranked = sorted(set(rows))
    assert numbers.tolist() == [ranked.index(row) for row in rows]
    assert [rows[row] for row in first] == ranked
