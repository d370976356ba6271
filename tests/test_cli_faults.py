"""Bad input at the command line: one line each, an exit code, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli import check as check_command
from tests.cli_support import DAY, ROOT, Demo, call, demo, one_line, pristine, process

__all__ = ["demo", "pristine"]

NEEDS_CONFIG = [
    ("check",),
    ("plan",),
    ("run",),
    ("approve", "abc", "--by", "a", "--reason", "b"),
    ("explain", "crm.customers", "1"),
    ("forecast",),
    ("hold", "list"),
    ("hold", "add", "crm.customers", "1", "--by", "a", "--reason", "b"),
    ("hold", "release", "abc", "--by", "a", "--reason", "b"),
    ("review", "list"),
    ("review", "resolve", "abc", "--as", "accepted", "--note", "b"),
    ("ledger", "verify"),
]


@pytest.mark.parametrize("arguments", NEEDS_CONFIG, ids=" ".join)
def test_without_a_configuration_it_is_asked_for(arguments: tuple[str, ...]) -> None:
    answer = call(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "--config FILE or set RETENTION_CONFIG" in one_line(answer)


@pytest.mark.parametrize("arguments", NEEDS_CONFIG, ids=" ".join)
def test_a_configuration_that_is_not_there_is_named(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    missing = tmp_path / "none.yaml"
    answer = call(*arguments, "--config", str(missing))
    assert answer.code == 2
    assert one_line(answer) == f"{missing}: cannot be read: No such file or directory"


def test_a_broken_policy_names_file_line_and_key(demo: Demo) -> None:
    text = (demo.folder / "callimedia.yaml").read_text(encoding="utf-8")
    line = text[: text.index("for: 3 years\n          from")].count("\n") + 1
    demo.replace("callimedia.yaml", "for: 3 years\n          from", "for: 3 yeers\n          from")
    answer = demo.run("plan", "--as-of", DAY)
    assert answer.code == 2
    place = (
        f"{demo.folder / 'callimedia.yaml'}:{line}: versions[0].purposes.prospecting.active.for:"
    )
    assert one_line(answer).startswith(place)


def test_every_fault_of_a_file_has_a_line_of_its_own(demo: Demo) -> None:
    demo.replace("callimedia.yaml", "for: 3 years\n          from", "for: 3 yeers\n          from")
    demo.replace("callimedia.yaml", "for: 5 years", "for: five years")
    answer = demo.run("check")
    assert answer.code == 2
    assert answer.err.count("\n") == 2
    assert all(
        line.startswith(f"retention: {demo.folder / 'callimedia.yaml'}:")
        for line in answer.err.splitlines()
    )


def test_an_unknown_setting_is_refused(demo: Demo) -> None:
    demo.add_setting("chunk_size: 5\n")
    answer = demo.run("plan")
    assert answer.code == 2
    assert one_line(answer).endswith("chunk_size: unknown key")


def test_a_column_that_nobody_annotated_is_an_error(demo: Demo) -> None:
    demo.sql("crm", "ALTER TABLE customers ADD COLUMN shoe_size TEXT")
    answer = demo.run("check")
    assert answer.code == 3
    assert "crm.customers.shoe_size" in answer.out
    assert one_line(answer).startswith("1 error(s) found")
    found = demo.run("check", "--json")
    assert found.code == 3
    (finding,) = found.json["findings"]
    assert (finding["place"], finding["severity"]) == ("crm.customers.shoe_size", "error")


def test_a_database_out_of_reach_is_a_finding_and_stops_its_trees_only(demo: Demo) -> None:
    (demo.folder / "marketing.sqlite").rename(demo.folder / "gone.sqlite")
    answer = demo.run("check", "--json")
    assert answer.code == 3
    assert [item["place"] for item in answer.json["findings"]] == ["marketing"]
    plan = demo.run("plan", "--as-of", DAY, "--json")
    assert plan.code == 7
    one_line(plan)
    assert "marketing.prospects" in plan.json["stopped"]
    assert {item["table"] for item in plan.json["items"]} >= {"crm.customers", "web.trackers"}


def test_a_server_out_of_reach_is_a_finding_without_its_address(demo: Demo) -> None:
    url = "postgresql://someone:hunter2@127.0.0.1:9/nowhere"
    answer = process("check", "--config", str(demo.config), environment={"RETENTION_WEB_URL": url})
    assert answer.code == 3
    assert "connection refused" in answer.out
    assert "hunter2" not in answer.out + answer.err


def test_a_store_out_of_reach_is_named(demo: Demo) -> None:
    demo.replace("retention.yaml", "sqlite:///stores/vault.sqlite", "sqlite:///master.key/vault")
    answer = demo.run("plan")
    assert answer.code == 4
    assert one_line(answer).startswith("store 'vault': ")


def test_a_master_key_that_is_missing_is_named(demo: Demo) -> None:
    (demo.folder / "master.key").unlink()
    answer = demo.run("plan")
    assert answer.code == 2
    assert "master.key" in one_line(answer)


@pytest.mark.parametrize("command", [("explain",), ("hold", "add")], ids=" ".join)
@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ("crm.nothing", ["1"], "there is no governed table 'crm.nothing'"),
        ("customers", ["1"], "there is no governed table 'customers'"),
        ("crm.customers", ["999999"], "crm.customers: there is no record with that key"),
        ("crm.customers", ["jeanne@x.fr"], "crm.customers: there is no record with that key"),
        ("crm.customers", ["1", "2"], "crm.customers has a key of 1 column(s); 2 given"),
    ],
)
def test_a_record_that_is_not_there_is_said_so(
    pristine: Demo, command: tuple[str, ...], table: str, key: list[str], said: str
) -> None:
    more = ("--by", "Ada", "--reason", "why") if command[0] == "hold" else ()
    answer = pristine.run(*command, table, *key, *more)
    assert answer.code == 2
    assert one_line(answer) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "--as-of", "24/11/2026"), "write a day as YYYY-MM-DD"),
        (("plan", "--as-of", "2026-02-30"), "write a day as YYYY-MM-DD"),
        (("plan", "--colour"), "--colour"),
        (("plam",), "plam"),
        (("explain", "crm.customers"), "KEY"),
        (("forecast", "--months", "0"), "--months"),
        (("demo", "x", "--people", "many"), "--people"),
    ],
)
def test_misuse_is_one_line_with_a_hint(arguments: tuple[str, ...], said: str) -> None:
    answer = call(*arguments)
    assert answer.code == 2
    assert said in one_line(answer)
    assert "--help" in answer.err


def test_an_unexpected_fault_shows_its_kind_only(
    pristine: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("jeanne.canari@example.fr")

    monkeypatch.setattr(check_command, "findings", broken)
    answer = pristine.run("check")
    assert answer.code == 70
    assert one_line(answer).startswith("unexpected KeyError; 'retention --debug")
    assert "canari" not in answer.err
    debugged = pristine.run("--debug", "check")
    assert debugged.code == 70
    assert "Traceback" in debugged.err


def test_a_reader_that_goes_away_is_no_fault_of_ours(pristine: Demo) -> None:
    command = f"{sys.executable} -m cli.main policy show --json | head -c 10"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_a_failure_is_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    assert process("plan", "--config", missing) == call("plan", "--config", missing)
