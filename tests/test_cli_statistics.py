"""``retention statistics``: what is listed, shown, verified and published, and how it fails."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli import statistics as command
from pipelines.launch import StatisticsResult
from retention.releases.publishing import published
from tests.cli_support import Answer, agrees_with_golden, call, one_line
from tests.releases_support import AS_OF, Statistics, make_statistics

CUSTOMERS, AUDIENCE = "customer_statistics", "connection_statistics"


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Statistics:
    """The customers' release is out, the audience's was refused, that of prospects never built."""
    made = make_statistics(tmp_path_factory.mktemp("cli_statistics") / "demo", 150)

    def lower(document: dict[str, Any]) -> None:
        release = document["releases"][CUSTOMERS]
        release["utility"] = {"max_suppressed": 1, "min_cells": 1}
        del release["cubes"]["customers_by_region"]
        for cube in release["cubes"].values():
            cube["protection"]["threshold"] = 4
        document["releases"][AUDIENCE]["utility"] = {"min_cells": 10_000}

    made.declare(lower)
    with made.opened() as installation:
        made.release(installation, CUSTOMERS, AS_OF)
        made.audited(installation, made.build(installation, AUDIENCE, AS_OF), passed=False)
    return made


@pytest.fixture
def statistics(built_once: Statistics, tmp_path: Path) -> Statistics:
    return built_once.copied(tmp_path / "demo")


def run(statistics: Statistics, *arguments: str) -> Answer:
    return call("statistics", *arguments, environment={"RETENTION_CONFIG": str(statistics.config)})


def test_the_list_has_what_is_out_what_was_refused_and_what_was_never_made(
    built_once: Statistics,
) -> None:
    answer = run(built_once, "list")
    assert answer.code == 0
    text = re.sub(r"\b[0-9a-f]{12}\b", "<digest....>", answer.out)
    agrees_with_golden("statistics", text)
    found = run(built_once, "list", "--json").json
    assert [item["release"] for item in found["published"]] == [CUSTOMERS]
    assert [item["release"] for item in found["refused"]] == [AUDIENCE]
    assert found["declared"] == [CUSTOMERS, "prospect_statistics", AUDIENCE]


def test_a_release_is_shown_with_its_audit_and_first_rows(built_once: Statistics) -> None:
    answer = run(built_once, "show", CUSTOMERS)
    assert answer.code == 0
    assert "Customers and turnover / Clients et chiffre d'affaires" in answer.out
    assert "customers_by_year, the first 10 of" in answer.out
    assert "turnover" in answer.out
    found = run(built_once, "show", CUSTOMERS, "--month", "2026-11", "--json").json
    assert found["manifest"]["release"] == CUSTOMERS
    assert "turnover.parquet" in found["dictionary"]["files"]


def test_a_file_is_written_as_csv_with_nothing_where_it_is_suppressed(
    built_once: Statistics,
) -> None:
    answer = run(built_once, "show", CUSTOMERS, "--file", "turnover", "--csv")
    assert answer.code == 0
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert list(rows[0]) == ["ordered", "order_status", "subjects", "rows", "amount", "status"]
    assert {row["rows"] == "" for row in rows if row["status"] == "suppressed"} == {True}
    assert all(int(row["amount"]) >= 0 for row in rows if row["status"] == "published")
    assert "\r" not in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "none"), "no release 'none' is published"),
        (("show", CUSTOMERS, "--month", "2020-01"), "no release 'customer_statistics' of 2020-01"),
        (("show", CUSTOMERS, "--csv"), "has several files: give --file, one of customers_by_year"),
        (("show", CUSTOMERS, "--file", "none"), "has no file 'none', but customers_by_year"),
        (("show", AUDIENCE), "no release 'connection_statistics' is published"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(
    arguments: tuple[str, ...], said: str, built_once: Statistics
) -> None:
    answer = run(built_once, *arguments)
    assert answer.code == 2
    assert said in one_line(answer)


def test_verify_is_silent_about_what_is_sound_and_names_what_is_not(
    statistics: Statistics,
) -> None:
    answer = run(statistics, "verify")
    assert (answer.code, answer.out) == (0, "all 1 published releases are as they were audited\n")
    assert run(statistics, "verify", "--json").json == {
        "sound": True, "published": 1, "findings": [],
    }  # fmt: skip
    file = statistics.folder / "statistics" / CUSTOMERS / "2026-11" / "turnover.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    answer = run(statistics, "verify")
    assert answer.code == 1
    assert "turnover.parquet was changed" in answer.err
    answer = run(statistics, "verify", "--json")
    assert answer.code == 1
    assert not json.loads(answer.out)["sound"]


def test_without_statistics_in_the_settings_there_is_nothing_to_list(
    statistics: Statistics,
) -> None:
    statistics.settings(lambda settings: settings.pop("statistics"))
    for arguments in (("list",), ("verify",)):
        answer = run(statistics, *arguments)
        assert answer.code == 2
        assert "the settings name no 'statistics'" in one_line(answer)
    checked = call("check", environment={"RETENTION_CONFIG": str(statistics.config)})
    assert checked.code == 0


def test_check_reads_the_declaration_too(statistics: Statistics) -> None:
    statistics.declare(
        lambda document: document["releases"][CUSTOMERS]["cubes"]["turnover"].update(table="x.y")
    )
    answer = call("check", environment={"RETENTION_CONFIG": str(statistics.config)})
    assert answer.code == 2
    assert re.search(r"statistics\.yaml:\d+: .*turnover\.table: there is no governed", answer.err)


# --- publish: the job itself is tested where it is written --------------------------------------


@pytest.fixture
def launched(built_once: Statistics, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    with built_once.opened() as installation:
        out = tuple(published(installation))
    calls: list[dict[str, Any]] = []
    result = StatisticsResult(
        success=True, exit_code=0, run_id="r", as_of=AS_OF, failures=(), published=out
    )

    def launch(config: Path, environment: Any, **options: Any) -> StatisticsResult:
        options["on_event"]("build", CUSTOMERS, 0)
        options["on_event"]("build", CUSTOMERS, 10)
        calls.append(options)
        if AUDIENCE in options["releases"]:
            failures = (f"{AUDIENCE}: too little is shown",)
            return replace(result, success=False, exit_code=1, failures=failures, published=())
        return result

    monkeypatch.setattr(command, "launcher", lambda: launch)
    return calls


def test_publish_runs_the_job_and_says_what_is_out(
    built_once: Statistics, launched: list[dict[str, Any]]
) -> None:
    answer = run(built_once, "publish", "--as-of", "2026-11-24")
    assert answer.code == 0
    assert f"{CUSTOMERS} 2026-11: published, revision 1, in " in answer.out
    assert (launched[0]["as_of"], launched[0]["releases"]) == (date(2026, 11, 24), ())
    found = run(built_once, "publish", "--release", CUSTOMERS, "--json").json
    assert found["success"]
    assert launched[1]["releases"] == (CUSTOMERS,)


def test_publish_fails_with_the_jobs_own_words_and_code(
    built_once: Statistics, launched: list[dict[str, Any]]
) -> None:
    answer = run(built_once, "publish", "--release", AUDIENCE)
    assert answer.code == 1
    assert one_line(answer) == f"{AUDIENCE}: too little is shown"
    assert len(launched) == 1
