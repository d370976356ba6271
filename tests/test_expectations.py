"""The project's own expectations: what each finds, and that none of them shows a value."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.recoding.risk import measure
from assets.expectations import metrics
from assets.expectations import releases as expect
from assets.expectations.batches import batch_of
from assets.expectations.data_docs import write_data_docs
from assets.expectations.proof import Part, Proof

CANARY = "Zoltan.Canary@mail.example"
QI = ["age"]


def put(frame: pd.DataFrame, *expectations: Any) -> list[Any]:
    """The results of ``expectations`` on ``frame``, in their order."""
    for place, item in enumerate(expectations):
        item.meta = {"check": "some_check", "place": place}
    suite = gx.ExpectationSuite(name="test", expectations=list(expectations))
    results = batch_of("test", frame).validate(suite, result_format="SUMMARY").results
    return sorted(results, key=lambda item: item.expectation_config.meta["place"])


def met(frame: pd.DataFrame, expectation: Any) -> bool:
    (result,) = put(frame, expectation)
    return bool(result.success)


def people(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def classes(*jobs: str) -> pd.DataFrame:
    """A class for each text, a row for each letter of it."""
    rows = [(f"class {n}", job) for n, text in enumerate(jobs) for job in text]
    return pd.DataFrame(rows, columns=["age", "job"])


# --- k, ℓ, t -------------------------------------------------------------------------------


def test_a_class_smaller_than_k_is_found() -> None:
    k = expect.ExpectClassesToHoldKSubjects
    assert met(classes("abc", "abcd"), k(quasi_identifiers=QI, k=3))
    assert not met(classes("abc", "abcd"), k(quasi_identifiers=QI, k=4))


def test_missing_values_are_a_class_of_their_own() -> None:
    frame = people(age=["20-29"] * 5 + [None], job=["a"] * 6)
    assert not met(frame, expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=2))


def test_an_empty_frame_holds_nothing() -> None:
    empty = people(age=[], job=[])
    assert not met(empty, expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=2))


@pytest.mark.parametrize(
    ("kind", "level", "jobs", "holds"),
    [
        ("distinct", 2, ["aab", "bbc"], True),
        ("distinct", 3, ["aab", "abc"], False),
        # exp of the entropy of (1/2, 1/2) is 2
        ("entropy", 2, ["ab", "ccdd"], True),
        ("entropy", 2, ["aab", "ab"], False),
        # r1 < c (r2 + …) with c = 3
        ("recursive", 2, ["aab"], True),
        ("recursive", 2, ["aaab"], False),
        ("recursive", 3, ["aabbc"], True),
        ("recursive", 3, ["aaabbbc"], False),
        ("recursive", 2, ["aaa"], False),
    ],
)
def test_diversity(kind: str, level: float, jobs: list[str], holds: bool) -> None:  # noqa: FBT001
    expectation = expect.ExpectSensitiveValuesToBeDiverse(
        quasi_identifiers=QI, column="job", kind=kind, diversity=level, c=3
    )
    assert met(classes(*jobs), expectation) is holds


def close(t: float, distance: str = "equal") -> Any:
    return expect.ExpectSensitiveValuesToBeClose(
        quasi_identifiers=QI, column="job", t=t, distance=distance
    )


def test_a_skewed_class_is_found_at_its_distance() -> None:
    # overall (1/2, 1/2), the classes (1, 0) and (0, 1): distance 1/2
    assert met(classes("aa", "bb"), close(0.5))
    assert not met(classes("aa", "bb"), close(0.49))
    assert met(classes("ab", "ab"), close(0.01))


def test_the_ordered_distance_counts_how_far_values_lie_apart() -> None:
    near = pd.DataFrame({"age": ["x", "x", "y", "y"], "job": [1, 2, 2, 3]})
    far = pd.DataFrame({"age": ["x", "x", "y", "y"], "job": [1, 1, 3, 3]})
    assert met(near, close(0.26, "ordered"))
    assert not met(far, close(0.26, "ordered"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "y", None]), st.sampled_from("pq"), st.sampled_from("abcd")
        ),
        min_size=1,
        max_size=60,
    )
)
def test_two_programs_agree_on_k_l_and_t(rows: list[tuple[str | None, str, str]]) -> None:
    """What made the release and what judges it share no line of code."""
    frame = pd.DataFrame(rows, columns=["one", "two", "job"])
    quasi = ["one", "two"]
    risk = measure(frame, quasi, ["job"])
    worst = risk.sensitive["job"]
    assert metrics.smallest_class(frame, quasi, 1).figures["smallest class"] == risk.k
    assert metrics.smallest_class(frame, quasi, 1).figures["classes"] == risk.classes
    for kind, least in (("distinct", worst.distinct), ("entropy", worst.entropy)):
        at = metrics.diversity(frame, quasi, "job", kind, 1, 3).figures["least"]
        assert at == pytest.approx(least, abs=1e-4)
    furthest = metrics.closeness(frame, quasi, "job", 1, "equal").figures["furthest"]
    assert furthest == pytest.approx(worst.closeness["equal"], abs=1e-4)


# --- cubes ---------------------------------------------------------------------------------


def cube(*cells: tuple[str, int | None, str]) -> pd.DataFrame:
    frame = pd.DataFrame(cells, columns=["region", "subjects", "status"])
    return frame.astype({"subjects": "Int64"})


@pytest.mark.parametrize(
    "cells",
    [
        [("Bretagne", 9, "published"), ("Corse", 30, "published")],
        [("Bretagne", None, "published"), ("Corse", 30, "published")],
        [("Corse", 30, "published"), ("Corse", 31, "published")],
    ],
    ids=["too few", "not told how many", "named twice"],
)
def test_a_small_cell_is_found(cells: list[tuple[str, int | None, str]]) -> None:
    small = expect.ExpectNoSmallCell(dimensions=["region"], threshold=10)
    assert not met(cube(*cells), small)


def test_a_suppressed_cell_is_not_small() -> None:
    cells = cube(("Bretagne", None, "suppressed"), ("Corse", 10, "published"))
    assert met(cells, expect.ExpectNoSmallCell(dimensions=["region"], threshold=10))


# --- the engine's findings -----------------------------------------------------------------


def test_an_audit_that_was_not_made_is_not_met() -> None:
    lines = expect.table_of({"no_source_value": [("faults", 0), ("values", 12)]})
    made = expect.ExpectNoSourceValue(check="no_source_value")
    missing = expect.ExpectNoLinkability(check="cannot_link")
    results = put(lines, made, missing)
    assert [bool(item.success) for item in results] == [True, False]
    assert "the check was not made" in expect.observed(results[1])


def test_a_finding_of_the_engine_is_told() -> None:
    lines = expect.table_of({"cannot_link": [("faults", 1), ("risk", 0.25)]})
    (result,) = put(lines, expect.ExpectNoLinkability(check="cannot_link"))
    assert not result.success
    assert expect.observed(result) == "faults 1 · risk 0.25"


# --- nothing is disclosed ------------------------------------------------------------------


def test_an_error_in_a_metric_is_a_fault_whose_text_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def quotes_a_row(frame: pd.DataFrame, _names: object) -> None:
        raise ValueError(f"cannot read {frame['age'].iloc[0]}")

    monkeypatch.setattr(metrics, "_class_of", quotes_a_row)
    frame = people(age=[CANARY] * 3, job=["a", "b", "c"])
    (result,) = put(frame, expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=2))
    assert not result.success
    assert result.result["observed_value"] == {"faults": 1, "could not be measured": "ValueError"}
    assert "Canary" not in json.dumps(result.to_json_dict())


def test_no_result_holds_a_value_of_the_frame() -> None:
    frame = people(age=[CANARY, CANARY, "x"], job=[CANARY, "Canary", "y"])
    found = put(
        frame,
        expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=3),
        expect.ExpectSensitiveValuesToBeDiverse(
            quasi_identifiers=QI, column="job", kind="entropy", diversity=3, c=3
        ),
        close(0.01),
        expect.ExpectReleaseColumnsToBeDeclared(columns=["age"]),
        expect.ExpectReleaseTextsToHoldNoIdentifier(closed={}),
        expect.ExpectReleaseLabelsToBeDeclared(closed={"age": ["20-29"]}),
        expect.ExpectReleaseRowsInCanonicalOrder(order=["job", "age"]),
    )
    assert [bool(result.success) for result in found] == [False] * 7
    assert not any("could not be measured" in expect.observed(result) for result in found)
    assert "canary" not in json.dumps([item.to_json_dict() for item in found]).lower()


# --- Data Docs -----------------------------------------------------------------------------


def proof(digest: str, results: list[Any], month: str = "2026-11", title: str = "Clients") -> Proof:
    return Proof(
        "customer_statistics",
        title,
        month,
        date(2026, 11, 24),
        digest,
        datetime(2026, 11, 24, 5, 0, tzinfo=UTC),
        [Part("By region", results)],
    )


def test_the_page_says_what_was_expected_and_what_was_observed(tmp_path: Path) -> None:
    results = put(classes("abc"), expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=4))
    page = write_data_docs(tmp_path, proof("ab" * 32, results))
    text = " ".join(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")).split())
    assert "not met At least 4 people share each combination of age (k-anonymity)" in text
    assert "faults 1 · classes 1 · smallest class 3" in text
    assert "k-anonymity alone is no proof of anonymity" in text
    assert "not published" in text
    assert page == tmp_path / "data_docs" / "customer_statistics" / "2026-11" / f"{'ab' * 8}.html"


def test_the_index_lists_every_audit_the_newest_month_first(tmp_path: Path) -> None:
    good = put(classes("abcd"), expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=4))
    bad = put(classes("abc"), expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=4))
    for digest, results, month in (
        ("a" * 64, good, "2026-10"),
        ("b" * 64, bad, "2026-11"),
        ("c" * 64, good, "2026-11"),
    ):
        write_data_docs(tmp_path, proof(digest, results, month))
    index = (tmp_path / "data_docs" / "index.html").read_text(encoding="utf-8")
    pages = re.findall(r'href="([^"]+)"', index)
    assert {page.split("/")[1] for page in pages[:2]} == {"2026-11"}
    assert pages[2] == "customer_statistics/2026-10/aaaaaaaaaaaaaaaa.html"
    assert all((tmp_path / "data_docs" / page).is_file() for page in pages)
    assert index.count("some check") == 1  # the red check of the one that failed


def test_pages_load_nothing_and_run_nothing(tmp_path: Path) -> None:
    results = put(classes("abc"), expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=4))
    evil = "<script>alert(1)</script> <img src=https://x.example/a.png>"
    write_data_docs(tmp_path, proof("ab" * 32, results, title=evil))
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) == 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        assert not re.search(r"<(script|img|link|iframe|object|form)\b", text)
        assert not re.search(r"""<[^>]*\b(src|href|action)=["']?(https?:)?//""", text)
        assert "greatexpectations.io" not in text


def test_a_label_is_shown_as_text(tmp_path: Path) -> None:
    results = put(classes("abc"), expect.ExpectClassesToHoldKSubjects(quasi_identifiers=QI, k=4))
    page = write_data_docs(tmp_path, proof("ab" * 32, results, title="<b>Clients</b> & $5"))
    assert "&lt;b&gt;Clients&lt;/b&gt; &amp; $5, 2026-11" in page.read_text(encoding="utf-8")
