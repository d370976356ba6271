"""Leaks put into honest releases on purpose: each turns the check red that is there for it.

A release is built from a demonstration and published once. Each test alters the bytes of a copy
in quarantine as a fault of the program, or a person who means harm, might, computes the digest
anew as if they had been built so, and puts them through the whole audit: the engine's checks
and the suites of Great Expectations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.expectations import proving
from assets.expectations.proving import judge
from retention.errors import RetentionError
from retention.installation import opened
from retention.releases.auditing import CheckResult, record_audit
from retention.releases.building import build, find_built
from retention.releases.publishing import publish
from retention.releases.reading import declared_releases
from tests.dagster_support import AS_OF
from tests.leaks_support import LEAKS, Bench, altered, name, sorted_again, write
from tests.statistics_support import MONTH, StatisticsDemo, now


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    demo = StatisticsDemo(tmp_path_factory.mktemp("leaks") / "demo", people=300)
    demo.run_the_day()
    with opened(demo.config, {}) as installation:
        releases = declared_releases(installation)
        assert releases is not None
        bench = Bench(demo, installation, releases)
        for name in releases.releases:
            made = build(installation, releases, name, AS_OF, clock=now, run_id="leaks")
            results, _ = judge(installation, releases, made, now())
            assert record_audit(installation, releases, made, results, now()), results
            publish(installation, releases, made, clock=now, run_id="leaks")
            bench.built[name] = find_built(installation, name, MONTH)
        yield bench


# --- the honest ones -----------------------------------------------------------------------


@pytest.mark.parametrize("release", ["customers", "people", "audience"])
def test_an_honest_release_turns_no_check_red(bench: Bench, release: str) -> None:
    assert bench.red(bench.built[release]) == set()


@pytest.mark.parametrize(
    ("release", "part"),
    [("customers", "by_region"), ("customers", "turnover"), ("people", "rows"),
     ("audience", "by_month")],
)  # fmt: skip
def test_what_the_tests_write_is_no_leak_by_itself(
    bench: Bench, tmp_path: Path, release: str, part: str
) -> None:
    """Otherwise a test could see its own writing, and not the leak."""

    def change(there: Path) -> None:
        write(there / f"{part}.parquet", sorted_again(bench.frame(release, part)))

    assert bench.red(altered(bench, tmp_path, release, change)) == set()


# --- leaks of a frame ----------------------------------------------------------------------


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_turns_its_check_red(bench: Bench, tmp_path: Path, leak: str) -> None:
    release, part, alter, check = LEAKS[leak]

    def change(there: Path) -> None:
        path = there / f"{part}.parquet"
        write(path, alter(bench, bench.frame(release, part)))

    assert check in bench.red(altered(bench, tmp_path, release, change))


SEEN_BY_THE_SUITES = [
    "a small cell", "a cell that others give away", "an e-mail in a label", "a postcode in place of a region",
    "a column too many", "rows in the order of insertion", "sums finer than declared", "a unique row",
    "a class of one value", "a class far from the whole", "bits between the letters of a label",
]  # fmt: skip


@pytest.mark.parametrize("leak", SEEN_BY_THE_SUITES)
def test_the_suites_see_a_leak_that_the_engine_has_missed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    monkeypatch.setattr(proving, "run_check", lambda _, check: CheckResult(check, passed=True))
    release, part, alter, check = LEAKS[leak]

    def change(there: Path) -> None:
        write(there / f"{part}.parquet", alter(bench, bench.frame(release, part)))

    assert check in bench.red(altered(bench, tmp_path, release, change))


# --- leaks of a folder ---------------------------------------------------------------------


def test_the_index_of_a_frame_is_seen(bench: Bench, tmp_path: Path) -> None:
    def change(there: Path) -> None:
        bench.frame("people", "rows").to_parquet(there / "rows.parquet", index=True)

    assert "bytes_are_plain" in bench.red(altered(bench, tmp_path, "people", change))


def test_a_path_in_the_metadata_of_a_file_is_seen(bench: Bench, tmp_path: Path) -> None:
    def change(there: Path) -> None:
        write(there / "rows.parquet", bench.frame("people", "rows"), {"source": "/home/anne/q.csv"})

    assert "bytes_are_plain" in bench.red(altered(bench, tmp_path, "people", change))


def test_a_second_file_is_seen(bench: Bench, tmp_path: Path) -> None:
    def change(there: Path) -> None:
        write(there / "backup.parquet", bench.frame("people", "rows"))

    assert "schema_is_as_declared" in bench.red(altered(bench, tmp_path, "people", change))


def test_a_name_in_the_dictionary_is_seen(bench: Bench, tmp_path: Path) -> None:
    def change(there: Path) -> None:
        path = there / "dictionary.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["files"]["rows.parquet"]["description"] = name(bench)
        path.write_text(json.dumps(document), encoding="utf-8")

    assert "schema_is_as_declared" in bench.red(altered(bench, tmp_path, "people", change))


def test_a_file_that_is_no_parquet_is_seen(bench: Bench, tmp_path: Path) -> None:
    def change(there: Path) -> None:
        (there / "rows.parquet").write_bytes(b"PAR1 not at all")

    assert len(bench.red(altered(bench, tmp_path, "people", change))) > 5


def test_bytes_that_were_not_built_are_not_published(bench: Bench, tmp_path: Path) -> None:
    """Even if every check were content: the digest is not on record."""
    forged = altered(
        bench,
        tmp_path,
        "people",
        lambda there: write(there / "rows.parquet", bench.frame("people", "rows")),
    )
    results, _ = judge(bench.installation, bench.releases, forged, now())
    assert all(result.passed for result in results)
    assert not record_audit(bench.installation, bench.releases, forged, results, now())
    with pytest.raises(RetentionError):
        publish(bench.installation, bench.releases, forged, clock=now, run_id="leaks")


def test_there_are_as_many_leaks_as_were_asked_for() -> None:
    assert len(LEAKS) + 4 >= 25
