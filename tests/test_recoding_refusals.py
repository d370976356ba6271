"""What no recoding makes a release of, and says so plainly."""

from __future__ import annotations

import pandas as pd
import pytest

from anonymizers.hierarchies import Hierarchy, HierarchyError
from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import (
    DistinctDiversity,
    KAnonymity,
    TCloseness,
)
from anonymizers.recoding.recode import RecodingError
from tests.recoding_made import HIERARCHIES, MERGING, SUPPRESSING, made
from tests.recoding_support import SENSITIVE, TREES


def small() -> pd.DataFrame:
    return pd.DataFrame({"place": ["Paris", "Lyon"], "sex": ["f", "m"], "age": ["1", "2"]})


@pytest.mark.parametrize("name", [*MERGING, *SUPPRESSING])
def test_a_k_above_the_number_of_subjects_is_an_error(name: str) -> None:
    with pytest.raises(RecodingError, match="k = 3 cannot be met: the number of subjects is 2"):
        made(name, [KAnonymity(3)], None, 0.5).fit(small())


@pytest.mark.parametrize("name", [*MERGING, *SUPPRESSING])
def test_subjects_are_counted_not_rows(name: str) -> None:
    frame = pd.concat([small().assign(who=1)] * 5)

    with pytest.raises(RecodingError, match="k = 2 cannot be met: the number of subjects is 1"):
        made(name, [KAnonymity(2)], "who", 0.5).fit(frame)


@pytest.mark.parametrize("name", [*MERGING, *SUPPRESSING])
def test_an_empty_release_is_never_made(name: str) -> None:
    frame = small().assign(illness="flu")

    with pytest.raises(RecodingError, match="no rows"):
        made(name, [KAnonymity(1)], None, 0.5).fit(small()[:0])
    with pytest.raises(RecodingError):
        made(name, [DistinctDiversity("illness", 2)], None, 0.99).fit(frame)


def test_too_many_suppressed_rows_are_an_error() -> None:
    frame = pd.DataFrame({"place": ["Paris"] * 9 + ["Brest"]}).assign(sex="f", age="1")
    recoding = LocalRecoding(
        HIERARCHIES, [KAnonymity(3)], max_suppressed=0.05, merge_leftovers=False
    )

    with pytest.raises(RecodingError, match="1 of 10 rows would be suppressed, more than"):
        recoding.fit(frame)


def test_a_column_that_is_not_there_is_named() -> None:
    for models, subject in (
        ([DistinctDiversity("salary", 2)], None),
        ([KAnonymity(1)], "salary"),
    ):
        with pytest.raises(RecodingError, match="salary: the frame has no such column"):
            LocalRecoding(HIERARCHIES, models, subject=subject).fit(small())
    with pytest.raises(RecodingError, match="age: the frame has no such column"):
        LocalRecoding(HIERARCHIES, [KAnonymity(1)]).fit(small().drop(columns="age"))


def test_a_value_outside_the_hierarchy_is_an_error_that_does_not_tell_it() -> None:
    frame = small().assign(place=["Paris", "Zoe Canari"])

    with pytest.raises(HierarchyError, match="place: 1 of 2 rows") as caught:
        LocalRecoding(HIERARCHIES, [KAnonymity(1)]).fit(frame)

    assert "Canari" not in str(caught.value)


def test_a_row_without_a_subject_is_an_error() -> None:
    frame = small().assign(who=[1.0, None])

    with pytest.raises(ValueError, match="who: 1 of 2 rows have no subject"):
        LocalRecoding(HIERARCHIES, [KAnonymity(1)], subject="who").fit(frame)


def test_a_column_has_one_part_only() -> None:
    with pytest.raises(RecodingError, match="place: a column can have one part only"):
        LocalRecoding(HIERARCHIES, [DistinctDiversity("place", 2)])
    with pytest.raises(RecodingError, match="at least one privacy model"):
        LocalRecoding(HIERARCHIES, [])
    with pytest.raises(RecodingError, match="at least one column"):
        LocalRecoding([], [KAnonymity(1)])
    with pytest.raises(RecodingError, match="max_suppressed"):
        LocalRecoding(HIERARCHIES, [KAnonymity(1)], max_suppressed=1)


def test_another_frame_is_not_released_by_the_classes_of_the_first() -> None:
    frame = pd.concat([small()] * 3, ignore_index=True)
    recoding = LocalRecoding(HIERARCHIES, [KAnonymity(3)]).fit(frame)

    with pytest.raises(RecodingError, match="transform comes after a fit"):
        LocalRecoding(HIERARCHIES, [KAnonymity(3)]).transform(frame)
    with pytest.raises(RecodingError, match="do not satisfy the models"):
        recoding.transform(frame[1:])
    with pytest.raises(RecodingError, match="were not there at the fit"):
        recoding.transform(frame.assign(place="Brest"))
    assert len(recoding.transform(pd.concat([frame, frame]))) == 12


def test_a_fit_that_failed_leaves_nothing_to_transform_by() -> None:
    frame = pd.DataFrame({"place": ["Paris"] * 9 + ["Brest"]}).assign(sex="f", age="1")
    recoding = LocalRecoding(
        HIERARCHIES, [KAnonymity(3)], max_suppressed=0.05, merge_leftovers=False
    )

    assert len(recoding.fit_transform(frame[:9])) == 9
    with pytest.raises(RecodingError, match="1 of 10 rows would be suppressed"):
        recoding.fit(frame)
    with pytest.raises(RecodingError, match="transform comes after a fit that succeeded"):
        recoding.transform(frame)


def test_transform_suppresses_no_more_than_fit_may() -> None:
    frame = pd.DataFrame({"place": ["Paris"] * 9 + ["Brest"]}).assign(sex="f", age="1")
    recoding = LocalRecoding(
        HIERARCHIES, [KAnonymity(3)], max_suppressed=0.1, merge_leftovers=False
    ).fit(frame)

    with pytest.raises(RecodingError, match="1 of 9 rows would be suppressed"):
        recoding.transform(frame[1:])


def test_closeness_is_not_got_by_suppressing_who_is_different() -> None:
    # Without the two from Brest the others would be just as the whole of what is left.
    frame = pd.DataFrame({"place": ["Paris"] * 10 + ["Brest"] * 2}).assign(sex="f", age="1")
    frame["illness"] = ["flu", "cold"] * 5 + ["tb", "tb"]
    models = [KAnonymity(3), TCloseness(SENSITIVE, 0.1)]

    for name in ("local", "local, suppressing", "global"):
        release = made(name, models, None, 0.5).fit_transform(frame)
        assert set(release["place"]) == {"*"}
        assert len(release) == 12


def test_a_hierarchy_names_its_column_only_once() -> None:
    with pytest.raises(RecodingError, match="sex: a column can have one part only"):
        LocalRecoding([TREES["sex"], Hierarchy.from_rows("sex", [("f",)])], [KAnonymity(1)])
