"""Transformations are fitted first, leave their input alone, and do what they say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.frame_pseudonyms import FrameKey, frame_pseudonym
from anonymizers.hierarchies import HierarchyError
from anonymizers.rules.declared import ByBands, ByDate, ByPostcode
from anonymizers.transforms import (
    OTHER,
    Chain,
    Generalise,
    Mask,
    NotFitted,
    Pseudonymise,
    ScrubText,
    Suppress,
    SuppressRare,
    TopBottomCode,
    Transform,
    TransformError,
)

KEY = FrameKey(1, bytes(range(32)))


def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [1, 2, 2, 3],
            "name": ["Zoé Canari", "Paul Petit", "Paul Petit", None],
            "email": ["zoe@example.org", "p.petit@example.org", None, "x"],
            "postcode": ["75011", "69003", "69003", None],
            "age": [31, 47, 47, 102],
            "spent": [10.5, 0.0, np.nan, 99_999.0],
            "note": ["Rappeler Zoé au 06 12 34 56 78", "RAS", None, "M. Petit"],
        },
        index=[7, 3, 5, 9],
    )


TRANSFORMS: dict[str, Callable[[], Transform]] = {
    "pseudonymise": lambda: Pseudonymise(["id", "email"], KEY, "people"),
    "mask": lambda: Mask(["name", "id"], first=1),
    "generalise": lambda: Generalise("postcode", ByPostcode(), "region"),
    "suppress columns": lambda: Suppress(["name", "email"]),
    "suppress rows": lambda: Suppress(where=lambda frame: frame["age"] > 100),
    "suppress cells": lambda: Suppress("spent", where=lambda frame: frame["age"] > 100),
    "suppress rare": lambda: SuppressRare("postcode", 2, subject="id"),
    "top code": lambda: TopBottomCode("age", low=18, high=90),
    "quantiles": lambda: TopBottomCode("spent", quantiles=(None, 0.5), fewest=2),
    "scrub": lambda: ScrubText("note", known=["name"]),
    "chain": lambda: Chain(ScrubText("note"), Suppress("name"), Mask("email")),
}


@pytest.fixture(params=TRANSFORMS)
def transform(request: pytest.FixtureRequest) -> Transform:
    return TRANSFORMS[request.param]()


def test_a_transformation_is_fitted_first(transform: Transform) -> None:
    with pytest.raises(NotFitted, match=f"{type(transform).__name__}: call fit before transform"):
        transform.transform(people())
    assert transform.fit(people()) is transform


def test_the_frame_given_is_never_changed(transform: Transform) -> None:
    frame = people()

    made = transform.fit_transform(frame)

    pd.testing.assert_frame_equal(frame, people())
    for column in made.columns:
        made.loc[:, column] = made[column].to_numpy()[::-1]
    pd.testing.assert_frame_equal(frame, people())


def test_the_index_and_the_order_of_columns_are_kept(transform: Transform) -> None:
    frame = people()
    made = transform.fit_transform(frame)

    assert made.index.tolist() == [index for index in frame.index if index in made.index]
    assert made.columns.tolist() == [name for name in frame.columns if name in made.columns]


def test_an_empty_frame_stays_one(transform: Transform) -> None:
    frame = people()
    made = transform.fit(frame).transform(frame.iloc[:0])

    assert len(made) == 0
    assert set(made.columns) == set(transform.transform(frame).columns)


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "suppress rows"])
def test_a_column_that_is_not_there_is_named(name: str) -> None:
    transform = TRANSFORMS[name]()
    needed = (transform.steps[0] if isinstance(transform, Chain) else transform).columns
    with pytest.raises(TransformError, match=f"the frame has no column .*{needed[0]}"):
        transform.fit(people().drop(columns=list(needed)))
    transform.fit(people())
    with pytest.raises(TransformError, match="the frame has no column"):
        transform.transform(people().drop(columns=list(needed)))
    doubled = pd.concat([people(), people()[[needed[0]]]], axis=1)
    with pytest.raises(TransformError, match=f"several columns {needed[0]}"):
        transform.fit(doubled)


def test_pseudonyms_of_columns_that_share_a_domain_can_be_joined() -> None:
    frame = pd.DataFrame({"a": ["x", None], "b": ["x", "y"]})
    made = Pseudonymise(["a", "b"], KEY, "d").fit_transform(frame)

    assert made["a"][0] == made["b"][0] == frame_pseudonym("x", KEY, "d")
    assert pd.isna(made["a"][1])
    with pytest.raises(ValueError, match="needs a domain"):
        Pseudonymise("a", KEY, "")


def test_masks_show_no_more_than_asked_and_no_length() -> None:
    frame = pd.DataFrame({"c": ["0612345678", "abcd", "", None, "zoe@example.org"]})

    def masked(**how: object) -> list[object]:
        made = Mask("c", **how).fit_transform(frame)["c"]
        return [None if pd.isna(text) else text for text in made]

    assert masked() == ["******", "******", "******", None, "******"]
    assert masked(first=1, last=2) == ["0******78", "******", "******", None, "z******rg"]
    assert masked(last=4, width=None, sign="·")[0] == "······5678"
    assert masked(email=True, first=1)[4] == "z******@example.org"
    assert masked(email=True, width=1)[4] == "*@example.org"


@given(st.text(max_size=30), st.integers(0, 5), st.integers(0, 5))
def test_a_mask_hides_more_than_it_shows(text: str, first: int, last: int) -> None:
    made = Mask("c", first=first, last=last).fit_transform(pd.DataFrame({"c": [text]}))["c"][0]

    assert made in {"*" * 6, text[:first] + "*" * 6 + text[len(text) - last :]}
    if made != "*" * 6:
        assert first + last < len(text) / 2


def test_generalising_a_column() -> None:
    made = Generalise("postcode", ByPostcode(), "region").fit_transform(people())
    assert made["postcode"].tolist() == [
        *("Île-de-France", "Auvergne-Rhône-Alpes", "Auvergne-Rhône-Alpes", "(missing)")
    ]
    with pytest.raises(HierarchyError, match="there is no level 'week'"):
        Generalise("birth", ByDate(), "week")


def test_suppressing_columns_rows_and_cells() -> None:
    assert "name" not in Suppress("name").fit_transform(people())
    old = Suppress(where=lambda frame: frame["age"] > 100).fit_transform(people())
    assert old.index.tolist() == [7, 3, 5]
    cells = Suppress("name", where=lambda frame: frame["age"] == 47).fit_transform(people())
    assert cells["name"].isna().tolist() == [False, True, True, True]
    assert cells["age"].tolist() == people()["age"].tolist()


def test_a_row_of_which_nothing_is_known_is_suppressed() -> None:
    def rich(frame: pd.DataFrame) -> pd.Series:
        return (frame["spent"] > 50).where(frame["spent"].notna())

    assert Suppress(where=rich).fit_transform(people()).index.tolist() == [7, 3]


def test_suppression_refuses_what_it_cannot_read() -> None:
    with pytest.raises(TransformError, match="say which columns, or where"):
        Suppress()
    for answer in (lambda frame: [True] * len(frame), lambda frame: pd.Series([True] * len(frame))):
        with pytest.raises(TransformError, match="has the frame's index"):
            Suppress(where=answer).fit_transform(people())


def test_values_that_few_subjects_share_are_suppressed() -> None:
    frame = pd.DataFrame(
        {"who": [1, 1, 1, 2, 3, None, None], "job": ["a", "a", "a", "b", "b", "a", None]}
    )
    by_row = SuppressRare("job", 3).fit_transform(frame)["job"]
    by_subject = SuppressRare("job", 2, subject="who").fit(frame)

    assert by_row.tolist()[:6] == ["a", "a", "a", OTHER, OTHER, "a"]
    assert by_subject.transform(frame)["job"].tolist()[:6] == [OTHER, OTHER, OTHER, "b", "b", OTHER]
    assert pd.isna(by_subject.transform(frame)["job"][6])
    # What was not met is rare, and the subject is not needed any more.
    assert by_subject.transform(pd.DataFrame({"job": ["new", "b"]}))["job"].tolist() == [OTHER, "b"]
    with pytest.raises(TransformError, match="below 2 subjects"):
        SuppressRare("job", 1)


def test_limits_that_are_given() -> None:
    made = TopBottomCode("age", low=40, high=90).fit_transform(people())
    assert made["age"].tolist() == [40, 47, 47, 90]
    assert made["age"].dtype == "int64"
    assert TopBottomCode("spent", high=50.5).fit_transform(people())["spent"].max() == 50.5


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=10, max_size=60),
    st.integers(1, 10),
    st.sampled_from([(0.05, 0.95), (None, 0.9), (0.1, None)]),
)
def test_limits_that_are_learnt_have_enough_subjects_beyond_them(
    values: list[float], fewest: int, quantiles: tuple[float | None, float | None]
) -> None:
    frame = pd.DataFrame({"v": [*values, *values], "who": [*range(len(values))] * 2})
    code = TopBottomCode("v", quantiles=quantiles, fewest=fewest, subject="who")
    problem = ""
    try:
        made = code.fit_transform(frame)["v"]
    except TransformError as crossed:
        problem = str(crossed)
    if problem:
        assert "too few subjects" in problem
        return

    low, high = code.limits_
    if high is not None:
        assert frame.loc[frame["v"] >= high, "who"].nunique() >= fewest
        assert (made <= high).all() and high <= frame["v"].quantile(quantiles[1])
    if low is not None:
        assert frame.loc[frame["v"] <= low, "who"].nunique() >= fewest
        assert (made >= low).all() and low >= frame["v"].quantile(quantiles[0])


def test_one_subject_with_many_rows_does_not_make_a_limit() -> None:
    frame = pd.DataFrame({"v": [1, 2, 3, 4, *[1_000] * 50], "who": [1, 2, 3, 4, *[5] * 50]})
    code = TopBottomCode("v", quantiles=(None, 0.99), fewest=3, subject="who").fit(frame)

    assert code.limits_ == (None, 3)
    assert code.transform(frame)["v"].max() == 3


def test_a_learnt_limit_is_rounded_inwards() -> None:
    frame = pd.DataFrame({"v": [-12_345.0] * 10 + [0.0] * 10 + [98_765.0] * 10})
    assert TopBottomCode("v", quantiles=(0.0, 1.0)).fit(frame).limits_ == (-12_000.0, 98_000.0)


def test_columns_without_numbers_cannot_be_coded() -> None:
    for values in (["a"], [True], pd.to_datetime(["2027-01-01"])):
        with pytest.raises(TransformError, match="holds no numbers"):
            TopBottomCode("c", high=1).fit(pd.DataFrame({"c": values}))
    exact = pd.DataFrame({"c": [Decimal("1.50"), None, Decimal(900)]})
    assert TopBottomCode("c", high=100).fit_transform(exact)["c"].tolist()[::2] == [1.5, 100.0]
    with pytest.raises(TransformError, match="1 subjects, fewer than the 10"):
        TopBottomCode("c", quantiles=(None, 0.9)).fit(pd.DataFrame({"c": [3]}))


@pytest.mark.parametrize(
    "declare",
    [
        lambda: TopBottomCode("c"),
        lambda: TopBottomCode("c", high=1, quantiles=(None, 0.9)),
        lambda: TopBottomCode("c", quantiles=(None, None)),
        lambda: TopBottomCode("c", low=2, high=1),
        lambda: TopBottomCode("c", quantiles=(None, 95)),
        lambda: TopBottomCode("c", quantiles=(None, 0.9), fewest=0),
        lambda: Mask("c", first=-1),
        lambda: Mask("c", sign="**"),
        lambda: Mask("c", width=0),
        lambda: Mask([]),
        lambda: Mask(["c", "c"]),
    ],
)
def test_a_transformation_that_cannot_be_is_refused(declare: Callable[[], Transform]) -> None:
    with pytest.raises(TransformError):
        declare()


def test_the_person_s_own_name_leaves_the_text() -> None:
    made = ScrubText("note", known=["name", "email"]).fit_transform(people())["note"]

    assert made.tolist()[:2] == ["Rappeler [name] au [phone]", "RAS"]
    assert pd.isna(made[5])
    assert made[9] == "[name]"


def test_a_chain_fits_each_step_on_what_the_one_before_makes() -> None:
    chain = Chain(
        Suppress(where=lambda frame: frame["age"] > 100),
        TopBottomCode("age", quantiles=(None, 1.0), fewest=1),
        Generalise("age", ByBands(width=10, whole=True), "band"),
        Pseudonymise("id", KEY, "people"),
    )
    made = chain.fit_transform(people())

    assert made["age"].tolist() == ["30-39", "40-49", "40-49"]
    assert chain.steps[1].limits_ == (None, 47)


def test_errors_name_no_value() -> None:
    frame = pd.DataFrame({"c": ["Zoé Canari"]})
    with pytest.raises(TransformError) as refused:
        TopBottomCode("c", high=1).fit(frame)
    assert "Canari" not in str(refused.value)
    assert refused.value.__cause__ is None
