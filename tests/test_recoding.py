"""Every release satisfies its models, says nothing false, and depends on nothing but the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.recoding import local as local_recoding
from anonymizers.recoding.full_domain import GlobalRecoding
from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import (
    EntropyDiversity,
    KAnonymity,
    PrivacyModel,
    RecursiveDiversity,
)
from anonymizers.recoding.mondrian import Mondrian
from anonymizers.recoding.recode import Recoding, RecodingError
from tests import recoding_support as naive
from tests.recoding_made import HIERARCHIES, MERGING, SUPPRESSING, made
from tests.recoding_support import QUASI, SENSITIVE, TREES


def assert_sound(
    release: pd.DataFrame,
    frame: pd.DataFrame,
    recoding: Recoding,
    models: Sequence[PrivacyModel],
    subject: str | None,
) -> None:
    """What must be true of any release of ``frame``, looked at from outside."""
    report = recoding.report_
    assert report.rows == len(frame)
    assert len(release) + report.suppressed == len(frame)
    assert release["row"].is_unique
    assert isinstance(release.index, pd.RangeIndex)
    original = frame.set_index("row").loc[release["row"]]
    for name in QUASI:
        assert release[name].notna().all()
        for label, value in zip(release[name], original[name], strict=True):
            assert label in naive.path(name, value)
        assert set(release[name].cat.categories) == set(release[name])
    pd.testing.assert_frame_equal(
        release[[SENSITIVE, "who"]], original[[SENSITIVE, "who"]].reset_index(drop=True)
    )
    found = naive.classes(release, QUASI)
    for rows in found:
        for model in models:
            assert naive.holds(model, rows, release, subject)
    assert report.classes == len(found)
    assert report.smallest_class == min(naive.people(rows, subject) for rows in found)
    assert report.average_class_size == pytest.approx(len(release) / len(found))
    assert report.discernibility == (
        sum(len(rows) ** 2 for rows in found) + report.suppressed * len(frame)
    )
    lost = sum(naive.penalty(name, label) for name in QUASI for label in release[name])
    cells = len(QUASI) * len(frame)
    assert report.ncp == pytest.approx((lost + len(QUASI) * report.suppressed) / cells)


def possible(frame: pd.DataFrame, models: Sequence[PrivacyModel], subject: str | None) -> bool:
    """Whether all rows together, as one class, would satisfy the models."""
    return bool(len(frame)) and all(naive.holds(model, frame, frame, subject) for model in models)


@pytest.mark.parametrize("name", MERGING)
@given(naive.frames(), naive.models(), st.sampled_from([None, "who"]))
def test_what_can_be_released_is_and_nothing_of_it_is_suppressed(
    name: str, frame: pd.DataFrame, models: list[PrivacyModel], subject: str | None
) -> None:
    recoding = made(name, models, subject, 0)
    try:
        release = recoding.fit_transform(frame)
    except RecodingError:
        assert not possible(frame, models, subject)
        return
    assert recoding.report_.suppressed == 0
    assert_sound(release, frame, recoding, models, subject)


@pytest.mark.parametrize("name", SUPPRESSING)
@given(naive.frames(), naive.models(), st.sampled_from([None, "who"]), st.sampled_from([0.2, 0.9]))
def test_what_suppresses_rows_keeps_to_its_share(
    name: str, frame: pd.DataFrame, models: list[PrivacyModel], subject: str | None, share: float
) -> None:
    recoding = made(name, models, subject, share)
    try:
        release = recoding.fit_transform(frame)
    except RecodingError:
        assert name != "global" or not possible(frame, models, subject)
        return
    assert recoding.report_.suppressed <= share * len(frame)
    assert len(release)
    assert_sound(release, frame, recoding, models, subject)


@pytest.mark.parametrize("name", [*MERGING, *SUPPRESSING])
@given(naive.frames(least=1), st.integers(1, 4), st.sampled_from([None, "who"]), st.randoms())
def test_the_order_of_the_rows_does_not_matter(
    name: str, frame: pd.DataFrame, k: int, subject: str | None, chance: Any
) -> None:
    models = [KAnonymity(k), EntropyDiversity(SENSITIVE, 1.5)]
    order = list(range(len(frame)))
    chance.shuffle(order)
    try:
        release = made(name, models, subject, 0.9).fit_transform(frame)
    except RecodingError:
        with pytest.raises(RecodingError):
            made(name, models, subject, 0.9).fit(frame.iloc[order])
        return

    shuffled = made(name, models, subject, 0.9).fit_transform(frame.iloc[order])

    for column in QUASI:
        assert dict(zip(release["row"], release[column], strict=True)) == dict(
            zip(shuffled["row"], shuffled[column], strict=True)
        )


@given(naive.frames(least=4), st.integers(1, 4))
def test_transform_gives_what_fit_transform_gave(frame: pd.DataFrame, k: int) -> None:
    recoding = made("local", [KAnonymity(k)], None, 0)

    release = recoding.fit_transform(frame)

    pd.testing.assert_frame_equal(recoding.transform(frame), release)
    pd.testing.assert_frame_equal(recoding.fit(frame).transform(frame), release)


@given(naive.frames(least=4, most=16), st.integers(1, 4), st.floats(0, 0.99))
def test_global_recoding_finds_the_best_levels_there_are(
    frame: pd.DataFrame, k: int, share: float
) -> None:
    allowed = int(share * len(frame) + 1e-9)
    paths = {name: [_whole_path(name, value) for value in frame[name]] for name in QUASI}
    best = None
    for levels in np.ndindex(*(TREES[name].depth for name in QUASI)):
        of_row = zip(
            *(
                [labels[level] for labels in paths[name]]
                for name, level in zip(QUASI, levels, strict=True)
            ),
            strict=True,
        )
        kept = {labels: size for labels, size in Counter(of_row).items() if size >= k}
        suppressed = len(frame) - sum(kept.values())
        lost = sum(
            size * naive.penalty(name, label)
            for labels, size in kept.items()
            for name, label in zip(QUASI, labels, strict=True)
        )
        if kept and suppressed <= allowed:
            loss = (lost / len(QUASI) + suppressed) / len(frame)
            best = loss if best is None else min(best, loss)
    recoding = GlobalRecoding(HIERARCHIES, [KAnonymity(k)], max_suppressed=share)

    release = recoding.fit_transform(frame)

    assert recoding.report_.ncp == pytest.approx(best)
    for name, level in zip(QUASI, recoding.levels_, strict=True):
        labels = [paths[name][row][level] for row in release["row"]]
        assert release[name].tolist() == labels


def _whole_path(name: str, value: object) -> list[str]:
    labels = naive.path(name, value)
    return [labels[0]] * (TREES[name].depth - len(labels)) + labels


def test_a_group_that_looks_like_nobody_else_is_merged_into_the_nearest_class() -> None:
    frame = pd.DataFrame({"place": ["Paris"] * 5 + ["Brest"] * 5 + ["Melun"]})
    frame = frame.assign(sex="f", age="1", illness="flu", who=range(11), row=range(11))

    release = LocalRecoding(HIERARCHIES, [KAnonymity(5)]).fit_transform(frame)

    assert release["place"].tolist() == ["IDF"] * 5 + ["Brest"] * 5 + ["IDF"]


def test_leftovers_that_no_class_can_take_up_become_one_with_the_nearest() -> None:
    # The five from Paris are a class until one more flu or tb makes that its commonest value.
    ages, sexes = ["0"] * 5 + ["1", "0"], ["f"] * 6 + ["m"]
    frame = pd.DataFrame({"place": "Paris", "sex": sexes, "age": ages, "row": range(7)})
    frame["illness"] = ["flu", "flu", "cold", "tb", "tb", "flu", "tb"]
    models = [RecursiveDiversity(SENSITIVE, 0.5, 1)]

    recoding = LocalRecoding(HIERARCHIES, models, max_suppressed=0).fit(frame)

    assert (recoding.report_.classes, recoding.report_.suppressed) == (1, 0)


@given(naive.frames(least=4), st.integers(1, 4), st.sampled_from([None, "who"]))
def test_dissolving_classes_never_loses_more(
    frame: pd.DataFrame, k: int, subject: str | None
) -> None:
    models = [KAnonymity(min(k, naive.people(frame, subject or "row")))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_recoding, "refine", lambda _axes, _tuples, found: found)
        before = made("local", models, subject, 0).fit(frame).report_.ncp

    assert made("local", models, subject, 0).fit(frame).report_.ncp <= before + 1e-12


def test_a_class_that_loses_much_is_dissolved_into_its_neighbours() -> None:
    # The sweep finds classes for the two from Paris and the two from Lyon, and puts the last two
    # together under one label of everything, though each has a neighbour.
    frame = pd.DataFrame({"place": ["Paris", "Paris", "Lyon", "Lyon", "Melun", "Bron"]})
    frame = frame.assign(sex=["f", "f", "m", "m", "f", "m"], age=["0", "0", "5", "5", "0", "5"])

    release = LocalRecoding(HIERARCHIES, [KAnonymity(2)]).fit_transform(frame)

    assert release["place"].tolist() == ["IDF", "IDF", "69", "69", "IDF", "69"]


def test_a_release_holds_nothing_of_who_was_suppressed() -> None:
    frame = pd.DataFrame({"place": ["Paris"] * 9 + ["Brest"]}).assign(sex="f", age="1")
    frame["note"] = pd.Categorical(["usual"] * 9 + ["the one from Brest"])
    recoding = LocalRecoding(
        HIERARCHIES, [KAnonymity(3)], max_suppressed=0.5, merge_leftovers=False
    )

    release = recoding.fit_transform(frame)

    assert len(release) == 9
    assert release["note"].cat.categories.tolist() == ["usual"]
    assert release["place"].cat.categories.tolist() == ["Paris"]


def test_a_large_lattice_is_left_to_mondrian(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"place": ["Paris", "Melun"] * 6, "sex": ["f", "m", "m"] * 4, "age": "1"})
    recoding = LocalRecoding(HIERARCHIES, [KAnonymity(3)])

    assert recoding.fit(frame).report_.method == "lattice sweep"
    monkeypatch.setattr(local_recoding, "LARGEST_LATTICE", 3)
    assert recoding.fit(frame).report_.method == "mondrian"
    assert recoding.report_.smallest_class >= 3


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(-5, 5)), st.sampled_from("fm")),
        min_size=2,
        max_size=20,
    ),
    st.integers(1, 3),
)
def test_mondrian_gives_ranges_of_numbers(rows: list[tuple[int | None, str]], k: int) -> None:
    frame = pd.DataFrame(rows, columns=["height", "sex"])
    frame["height"] = frame["height"].astype("Int64").astype("float64")
    recoding = Mondrian([TREES["sex"]], [KAnonymity(k)], numbers=["height"])
    if k > len(frame):
        with pytest.raises(RecodingError):
            recoding.fit(frame)
        return

    release = recoding.fit_transform(frame)

    assert all(len(rows) >= k for rows in naive.classes(release, ["height", "sex"]))
    for label, value in zip(release["height"], frame["height"], strict=True):
        if pd.isna(value):
            assert label in {"(missing)", "*"}
        elif label != "*":
            low, _, high = label.partition("–")
            assert float(low) <= value <= float(high or low)
