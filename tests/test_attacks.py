"""Attacks on microdata succeed on what is unsafe, and no better than guessing on what is safe."""

from __future__ import annotations

import os
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizers.audits import attacks, attacks_singling_out
from anonymizers.audits.attacks_matching import codes, profiles
from anonymizers.audits.attacks_result import AttackResult, against_control, wilson
from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy, HierarchyError
from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import EntropyDiversity, KAnonymity

AGES = Hierarchy.from_rows(
    "age", [(str(age), f"{age // 5 * 5}+", f"{age // 10 * 10}s") for age in range(20, 60)]
)
TOWNS = Hierarchy.from_rows("town", [(f"town {n}", f"region {n // 4}") for n in range(12)])
ILLS = ("flu", "cold", "gout", "scurvy", "croup", "rash")
HIERARCHIES: dict[str, object] = {"age": AGES, "town": TOWNS}
QUASI = ["age", "town", "sex"]


def people(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.integers(20, 60, count).astype(str),
            "town": [f"town {n}" for n in random.integers(0, 12, count)],
            "sex": random.choice(["f", "m"], count),
            "ill": random.choice(ILLS, count, p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05]),
            "person": np.arange(count),
        }
    )
    return frame.astype(dict.fromkeys(("age", "town", "sex", "ill"), object))


ORIGINAL, CONTROL = people(800, 1), people(600, 2)


def generalised(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": AGES.generalise(frame["age"], 2).astype(object),
            "town": TOWNS.generalise(frame["town"], 1).astype(object),
            "sex": frame["sex"],
            "ill": frame["ill"],
        }
    )


def every_attack(
    release: pd.DataFrame, original: pd.DataFrame, control: pd.DataFrame
) -> dict[str, AttackResult]:
    data = (release, original, control)
    more = {"hierarchies": HIERARCHIES, "seed": 5}
    return {
        "singling out": attacks.singling_out(*data, QUASI, **more),
        "linkability": attacks.linkability(*data, (["age"], ["town", "sex"]), **more),
        "inference": attacks.inference(*data, QUASI, "ill", **more),
        "certainty": attacks.attribute_certainty(release, QUASI, "ill"),
    }


def failed(results: dict[str, AttackResult]) -> set[str]:
    return {name for name, result in results.items() if not result.passed}


def test_a_verbatim_copy_fails_every_attack() -> None:
    results = every_attack(ORIGINAL, ORIGINAL, CONTROL)
    assert failed(results) == {"singling out", "linkability", "inference", "certainty"}
    for result in results.values():
        (finding,) = result.findings()
        assert finding.check.startswith("attacks.")
        assert result.low <= result.risk <= result.high


def test_a_release_in_large_classes_withstands_every_attack() -> None:
    results = every_attack(generalised(ORIGINAL), ORIGINAL, CONTROL)
    assert failed(results) == set()
    assert all(result.findings() == [] for result in results.values())


def test_one_planted_unique_row_is_found() -> None:
    unique = ORIGINAL[~ORIGINAL.duplicated(QUASI, keep=False)].iloc[[7]]
    release = pd.concat([generalised(ORIGINAL), unique], ignore_index=True)
    results = every_attack(release, ORIGINAL, CONTROL)
    assert "singling out" in failed(results)
    assert results["singling out"].attempts >= 1
    assert results["singling out"].risk == 1


def test_one_person_with_many_rows_is_one_person() -> None:
    alone = pd.DataFrame({"age": ["59"] * 12, "town": ["town 11"] * 12, "sex": ["x"] * 12})
    alone = alone.assign(ill=list(ILLS) * 2, person=99_999)
    original = pd.concat([ORIGINAL, alone], ignore_index=True)
    release = generalised(original)
    assert attacks.singling_out(
        release, original, CONTROL, QUASI, hierarchies=HIERARCHIES, seed=1
    ).passed
    assert not attacks.singling_out(
        release, original, CONTROL, QUASI, hierarchies=HIERARCHIES, subject="person", seed=1
    ).passed


def test_a_combination_of_some_columns_that_is_there_once_is_tried() -> None:
    # Noise in one column: no full combination is true, but age and town alone still isolate.
    release = ORIGINAL.assign(sex="another")
    result = attacks.singling_out(
        release, ORIGINAL, CONTROL, QUASI, hierarchies=HIERARCHIES, seed=1
    )
    assert result.success == 1
    assert not result.passed


def test_a_way_that_succeeds_is_not_hidden_by_one_that_only_might() -> None:
    sure = against_control("a", 5, 10, 0, 100, limit=0.0, exhaustive=True)
    lucky = against_control("a", 1, 1, 90, 100, limit=0.1)
    assert (sure.passed, lucky.passed) == (False, True)
    assert lucky.risk > sure.risk
    assert attacks_singling_out.worst([sure, lucky]) is sure


def test_the_same_seed_gives_the_same_result() -> None:
    release = generalised(ORIGINAL)
    assert every_attack(release, ORIGINAL, CONTROL) == every_attack(release, ORIGINAL, CONTROL)


def test_guessing_as_well_about_strangers_is_no_risk() -> None:
    # The sensitive value follows from the town: the release teaches about everybody alike.
    original, control = (
        frame.assign(ill=frame["town"].map(lambda town: ILLS[int(town[5:]) // 4]))
        for frame in (ORIGINAL, CONTROL)
    )
    result = attacks.inference(
        generalised(original), original, control, QUASI, "ill", hierarchies=HIERARCHIES, seed=1
    )
    assert result.success == result.control == 1
    assert result.risk == 0
    assert result.passed
    assert not attacks.attribute_certainty(generalised(original), QUASI, "ill").passed


def test_a_guess_that_covers_everything_is_no_success_of_the_release() -> None:
    release = generalised(ORIGINAL).assign(ill=EVERYTHING)
    result = attacks.inference(
        release, ORIGINAL, CONTROL, QUASI, "ill", hierarchies=HIERARCHIES, seed=1
    )
    assert result.risk == 0
    assert attacks.attribute_certainty(release, QUASI, "ill").passed


def test_what_everybody_has_is_no_certainty_about_anybody() -> None:
    release = generalised(ORIGINAL).assign(ill="flu")
    assert attacks.attribute_certainty(release, QUASI, "ill").success == 0


@pytest.mark.parametrize(("certain", "passed"), [(7, True), (8, False)])
def test_certainty_counts_from_the_declared_share_on(certain: int, passed: bool) -> None:  # noqa: FBT001
    others = pd.DataFrame({"age": "50s", "ill": list(ILLS) * 5})
    group = pd.DataFrame({"age": "20s", "ill": ["gout"] * certain + ["flu"] * (10 - certain)})
    release = pd.concat([others, group], ignore_index=True)
    result = attacks.attribute_certainty(release, ["age"], "ill")
    assert result.passed is passed
    assert result.success == pytest.approx(0 if passed else 0.25)


def test_ranges_cover_their_numbers_where_there_is_no_hierarchy() -> None:
    original = pd.DataFrame({"age": [20, 25, 31, 39, 44]})
    release = pd.DataFrame({"age": ["20–29", "20–29", "30–39", EVERYTHING, "44"]})
    found = profiles(release, ["age"], [original], None)
    profile, person = found.pairs(codes(found, original))
    labels = [found.columns[0].texts[found.labels[at, 0]] for at in profile]
    assert sorted(zip(labels, person.tolist(), strict=True)) == [
        *((EVERYTHING, at) for at in range(5)),
        ("20–29", 0), ("20–29", 1), ("30–39", 2), ("30–39", 3), ("44", 4),
    ]  # fmt: skip


def test_a_label_that_is_in_no_hierarchy_is_an_error_that_names_no_label() -> None:
    release = generalised(ORIGINAL)
    release.loc[0, "town"] = "Jeanne Martin"
    with pytest.raises(HierarchyError, match="town: 1 of the release's labels") as error:
        every_attack(release, ORIGINAL, CONTROL)
    assert "Jeanne" not in str(error.value)


def test_an_empty_release_or_control_is_no_error() -> None:
    release, nobody = generalised(ORIGINAL).iloc[:0], CONTROL.iloc[:0]
    assert failed(every_attack(release, ORIGINAL, CONTROL)) == set()
    assert "singling out" in failed(every_attack(ORIGINAL, ORIGINAL, nobody))


def test_the_two_sets_of_columns_to_link_are_disjoint() -> None:
    with pytest.raises(ValueError, match="share a column"):
        attacks.linkability(
            ORIGINAL, ORIGINAL, CONTROL, (["age", "sex"], ["sex"]), hierarchies=HIERARCHIES, seed=1
        )


def test_nothing_in_a_result_is_a_value_of_a_person() -> None:
    for result in every_attack(ORIGINAL, ORIGINAL, CONTROL).values():
        for finding in result.findings():
            assert set(map(str, finding.figures.values())).isdisjoint(
                {*ILLS, *ORIGINAL["town"], *ORIGINAL["age"]} - {"20", "25"}
            )


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_wilson_interval_solves_its_equation(hits: int, more: int) -> None:
    attempts = hits + more
    for bound in wilson(hits, attempts):
        error = 1.959963984540054 * np.sqrt(bound * (1 - bound) / attempts)
        assert abs(hits / attempts - bound) == pytest.approx(error, abs=1e-9)


@given(*[st.integers(0, 50)] * 4)
def test_a_risk_is_in_its_interval(hits: int, misses: int, lucky: int, unlucky: int) -> None:
    result = against_control("a", hits, hits + misses, lucky, lucky + unlucky, limit=0.1)
    assert 0 <= result.low <= result.risk <= result.high <= 1


# What the vectorised attacks compute, once more and plainly.

LABELS = {
    "age": [label for labels in AGES.labels for label in labels],
    "town": [label for labels in TOWNS.labels for label in labels],
}


def covers(hierarchy: Hierarchy, label: str, value: object) -> bool:
    leaf = MISSING if value is None else value
    if leaf not in hierarchy.labels[0]:
        return label == EVERYTHING
    at = hierarchy.labels[0].index(leaf)
    return any(
        label in labels and labels[codes[at]] == label
        for labels, codes in zip(hierarchy.labels, hierarchy.codes, strict=True)
    )


RELEASES = st.lists(
    st.tuples(
        st.sampled_from(LABELS["age"]), st.sampled_from(LABELS["town"]), st.sampled_from(ILLS)
    ),
    min_size=1,
    max_size=25,
).map(lambda rows: pd.DataFrame(rows, columns=["age", "town", "ill"], dtype=object))
TARGETS = st.lists(
    st.tuples(
        st.sampled_from([*AGES.labels[0][:6], None, "90"]),
        st.sampled_from([*TOWNS.labels[0], None]),
        st.sampled_from(ILLS),
    ),
    min_size=1,
    max_size=25,
).map(lambda rows: pd.DataFrame(rows, columns=["age", "town", "ill"], dtype=object))


def fitting(release: pd.DataFrame, target: tuple[object, ...]) -> list[int]:
    return [
        at
        for at, row in enumerate(release.itertuples(index=False))
        if covers(AGES, row.age, target[0]) and covers(TOWNS, row.town, target[1])
    ]


@settings(max_examples=30, deadline=None)
@given(RELEASES, TARGETS, st.integers(1, 8))
def test_linkability_is_what_a_plain_count_finds(
    release: pd.DataFrame, targets: pd.DataFrame, threshold: int
) -> None:
    counts = [len(fitting(release, row)) for row in targets.itertuples(index=False)]
    expected = sum(0 < count < threshold for count in counts) / len(targets)
    result = attacks.linkability(
        release, targets, targets, (["age"], ["town"]),
        hierarchies=HIERARCHIES, threshold=threshold, seed=0,
    )  # fmt: skip
    assert result.success == result.control == pytest.approx(expected)
    assert result.risk == 0


@settings(max_examples=30, deadline=None)
@given(RELEASES, TARGETS)
def test_a_guess_is_the_value_of_most_weight_among_the_rows_that_fit(
    release: pd.DataFrame, targets: pd.DataFrame
) -> None:
    possible = []
    for row in targets.itertuples(index=False):
        weights = dict.fromkeys(release["ill"], 0.0)
        for at in fitting(release, row):
            cell = release.iloc[at]
            size = sum(covers(AGES, cell["age"], leaf) for leaf in AGES.labels[0]) * sum(
                covers(TOWNS, cell["town"], leaf) for leaf in TOWNS.labels[0]
            )
            weights[cell["ill"]] += 1 / size
        if not any(weights.values()):
            weights = dict(release["ill"].value_counts())
        best = max(weights.values())
        guesses = {ill for ill, weight in weights.items() if weight >= best * (1 - 1e-9)}
        possible.append((row.ill in guesses, guesses == {row.ill}))
    result = attacks.inference(
        release, targets, targets, ["age", "town"], "ill", hierarchies=HIERARCHIES, seed=0
    )
    # Where several values have most weight, either may be guessed.
    least = sum(sure for _, sure in possible) / len(possible)
    most = sum(may for may, _ in possible) / len(possible)
    assert least - 1e-9 <= result.success <= most + 1e-9


@settings(max_examples=30, deadline=None)
@given(RELEASES, TARGETS, st.data())
def test_singling_out_counts_the_people_that_a_row_fits(
    release: pd.DataFrame, targets: pd.DataFrame, data: st.DataObject
) -> None:
    person = st.lists(st.integers(0, 5), min_size=len(targets), max_size=len(targets))
    targets = targets.assign(person=data.draw(person))
    found = profiles(release, ["age", "town"], [targets], HIERARCHIES)
    population = attacks_singling_out._population(found, targets, "person")
    columns = [one.only(found.labels[:, at]) for at, one in enumerate(found.columns)]
    expected = 0
    for age, town in release[["age", "town"]].drop_duplicates().itertuples(index=False):
        people = {
            row.person
            for row in targets.itertuples(index=False)
            if covers(AGES, age, row.age) and covers(TOWNS, town, row.town)
        }
        expected += len(people) == 1
    assert attacks_singling_out._isolated(columns, population) == expected


@settings(max_examples=30, deadline=None)
@given(RELEASES, st.floats(0.3, 1))
def test_attribute_certainty_is_what_a_plain_count_finds(
    release: pd.DataFrame, certainty: float
) -> None:
    overall = release["ill"].value_counts(normalize=True)
    expected = 0
    for _, rows in release.groupby(["age", "town"]):
        shares = rows["ill"].value_counts(normalize=True)
        if any(share >= certainty > overall[ill] for ill, share in shares.items()):
            expected += len(rows)
    result = attacks.attribute_certainty(release, ["age", "town"], "ill", certainty=certainty)
    assert result.success == pytest.approx(expected / len(release))


def test_thirty_thousand_rows_take_two_seconds_at_most() -> None:
    original = people(30_000, 3)
    release = generalised(original)
    started = time.process_time()
    every_attack(release, original, CONTROL)
    assert time.process_time() - started < 4  # four attacks


ADULT = os.environ.get("ANONYMIZERS_ADULT")


@pytest.mark.skipif(not ADULT, reason="ANONYMIZERS_ADULT does not name the Adult data")
@pytest.mark.parametrize("diversity", [3, None])
def test_on_adult_entropy_diversity_passes_and_k_alone_does_not(diversity: float | None) -> None:
    folder = Path(str(ADULT))
    adult = pd.read_csv(folder / "adult.csv", sep=";", dtype="str")
    ladders = {
        name: Hierarchy.from_csv(folder / f"adult_hierarchy_{name}.csv", name) for name in adult
    }
    quasi = [name for name in adult if name != "occupation"]
    out = np.random.default_rng(0).random(len(adult)) < 0.05
    original, control = adult[~out], adult[out]
    models = [KAnonymity(10), *([EntropyDiversity("occupation", diversity)] if diversity else [])]
    release = LocalRecoding([ladders[name] for name in quasi], models).fit_transform(original)
    data = (release, original, control)
    passed = {
        "single out": attacks.singling_out(*data, quasi, hierarchies=ladders, seed=0).passed,
        "certain": attacks.attribute_certainty(release, quasi, "occupation").passed,
    }
    for half, seed in product((quasi[:4], quasi[::2]), (0, 1)):
        rest = [name for name in quasi if name not in half]
        linked = attacks.linkability(*data, (half, rest), hierarchies=ladders, seed=seed)
        inferred = attacks.inference(*data, quasi, "occupation", hierarchies=ladders, seed=seed)
        passed |= {f"link {len(passed)}": linked.passed, f"infer {len(passed)}": inferred.passed}
    assert {name for name, good in passed.items() if not good} == (
        set() if diversity else {"certain"}
    )
