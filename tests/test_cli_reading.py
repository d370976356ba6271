"""The commands that only look: golden snapshots of a demonstration of 200 people, and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.forecast import sparkline
from tests.cli_support import (
    AS_OF,
    DAY,
    Demo,
    agrees_with_golden,
    call,
    one_line,
    pristine,
    process,
)

__all__ = ["pristine"]

ARCHIVED, IN_FORCE = "40", "2"


def test_demo_tells_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    answer = call("demo", str(tmp_path / "d"), "--people", "200", "--as-of", DAY)
    assert answer.code == 0
    agrees_with_golden("demo", answer.out, folder=str(tmp_path))


def test_demo_makes_the_same_data_twice(tmp_path: Path) -> None:
    made = [
        call("demo", str(tmp_path / n), "--people", "30", "--as-of", DAY, "--json") for n in "ab"
    ]
    assert made[0].json["rows"] == made[1].json["rows"]
    lives = [(tmp_path / n / "lives.jsonl").read_bytes() for n in "ab"]
    assert lives[0] == lives[1]


def test_demo_does_not_overwrite_unasked(tmp_path: Path) -> None:
    arguments = ("demo", str(tmp_path / "d"), "--people", "5", "--as-of", DAY)
    assert call(*arguments).code == 0
    again = call(*arguments)
    assert again.code == 2
    assert "holds a demonstration" in one_line(again)
    assert call(*arguments, "--overwrite").code == 0


def test_check_finds_nothing_wrong_with_the_demonstration(pristine: Demo) -> None:
    answer = pristine.run("check")
    assert answer.code == 0
    agrees_with_golden("check", answer.out)
    assert pristine.run("check", "--json").json["errors"] == 0


def test_plan_counts_table_by_table(pristine: Demo) -> None:
    before = pristine.rows()
    answer = pristine.run("plan", "--as-of", DAY)
    assert answer.code == 0
    agrees_with_golden("plan", answer.out)
    assert pristine.rows() == before


def test_plan_in_json_has_the_counts_of_the_truth(pristine: Demo) -> None:
    found = pristine.run("plan", "--as-of", DAY, "--json").json
    with (pristine.folder / "truth.jsonl").open(encoding="utf-8") as lines:
        truth = [json.loads(line) for line in lines]
    assert found["tables"]
    for counts in found["tables"]:
        for phase, rows in counts["phases"].items():
            expected = sum(t["table"] == counts["table"] and t["phase"] == phase for t in truth)
            assert (counts["table"], phase, rows) == (counts["table"], phase, expected)


def test_plan_looks_ahead_to_a_future_day(pristine: Demo) -> None:
    answer = pristine.run("plan", "--as-of", "2036-01-01", "--json")
    assert answer.code == 0
    phases = {t["table"]: t["phases"] for t in answer.json["tables"]}
    assert phases["web.trackers"]["active"] == 0


def test_explain_answers_on_one_screen(pristine: Demo) -> None:
    answer = pristine.run("explain", "crm.customers", ARCHIVED, "--as-of", DAY)
    assert answer.code == 0
    assert answer.out.count("\n") <= 50
    agrees_with_golden("explain", answer.out)


def test_explain_of_a_dependant_names_the_owner_that_decides(pristine: Demo) -> None:
    found = pristine.run("explain", "crm.contracts", "1", "--as-of", DAY, "--json").json
    assert found["table"] == "crm.contracts"
    assert found["decided_by"] == "crm.customers"


def test_explain_shows_no_value_of_the_record(pristine: Demo) -> None:
    row = pristine.sql("crm", "SELECT last_name, email FROM customers WHERE customer_id = ?", 40)
    answer = pristine.run("explain", "crm.customers", ARCHIVED, "--as-of", DAY)
    for value in row[0]:
        assert value not in answer.out


def test_forecast_shows_the_months_to_come(pristine: Demo) -> None:
    answer = pristine.run("forecast", "--as-of", DAY, "--months", "12")
    assert answer.code == 0
    agrees_with_golden("forecast", answer.out)
    found = pristine.run("forecast", "--as-of", DAY, "--months", "12", "--json").json
    assert {item["month"] for item in found} >= {"2026-11", "2027-10"}


def test_a_sparkline_shows_nothing_something_and_most() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▂▅█"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "··"


def test_policy_show_has_every_duration_with_its_line(pristine: Demo) -> None:
    answer = call("policy", "show", "--as-of", DAY)
    assert answer.code == 0
    agrees_with_golden("policy", answer.out)
    assert pristine.run("policy", "show", "--as-of", DAY).out == answer.out


def test_policy_show_says_what_the_dpo_has_to_confirm() -> None:
    found = call("policy", "show", "--json").json
    assert "end of the contractual relationship" in found["to_confirm"]["contract, archive"]
    assert found["purposes"]["trackers"]["active"]["citation"]
    assert "The DPO decides" in found["to_confirm"]["requests, files"]
    assert {name: term["lasts"] for name, term in found["requests"].items()} == {
        "files": "5 years", "opposition": "3 years", "packages": "30 days",
    }  # fmt: skip


def test_an_empty_queue_and_no_holds_are_said_to_be_so(pristine: Demo) -> None:
    assert pristine.run("hold", "list").out == "no holds in force\n"
    assert pristine.run("hold", "list", "--json").json == []
    assert pristine.run("review", "list").out == "no open cases\n"
    assert pristine.run("review", "list", "--json").json == []


def test_the_configuration_is_named_for_the_program_the_command_or_the_environment(
    pristine: Demo,
) -> None:
    named = ("--config", str(pristine.config))
    answers = [
        call(*named, "hold", "list"),
        call("hold", "list", *named),
        pristine.run("hold", "list"),
    ]
    assert [answer.code for answer in answers] == [0, 0, 0]


def test_today_is_the_policys_and_the_default(pristine: Demo) -> None:
    found = pristine.run("plan", "--json").json
    assert found["as_of"] >= AS_OF.isoformat()


@pytest.mark.parametrize("arguments", [("plan", "--as-of", DAY), ("policy", "show")])
def test_a_process_of_its_own_writes_the_same(pristine: Demo, arguments: tuple[str, ...]) -> None:
    environment = {"RETENTION_CONFIG": str(pristine.config)}
    assert process(*arguments, environment=environment) == pristine.run(*arguments)
