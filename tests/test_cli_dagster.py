"""``retention run`` as a person starts it: a process of its own, the Dagster job inside."""

from __future__ import annotations

import json
from pathlib import Path

from cli.run import launcher
from demo.write import write_demo
from tests.cli_support import AS_OF, DAY, Demo, call, process


def test_the_day_is_run_by_dagster_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", people=30, as_of=AS_OF, seed=1)
    demo = Demo(tmp_path / "demo")
    before = demo.rows()
    arguments = ("run", "--as-of", DAY, "--config", str(demo.config))
    answer = process(*arguments)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"Run of {DAY}: done")
    assert "retention ledger verify" in answer.out
    after = demo.rows()
    assert sum(after.values()) < sum(before.values())
    again = call(*arguments, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["outcome"]["status"] == "done"
    assert demo.rows() == after
    assert (demo.folder / "dagster" / "dagster.yaml").exists()


def test_a_plan_over_its_cap_is_one_line_through_dagster_too(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", people=30, as_of=AS_OF, seed=1)
    demo = Demo(tmp_path / "demo")
    demo.add_setting("caps: {rows: 1}\n")
    before = demo.rows()
    answer = process("run", "--as-of", DAY, "--config", str(demo.config))
    assert answer.code == 5
    (line,) = answer.err.splitlines()
    assert line.startswith("retention: ")
    assert "the cap is 1" in line
    assert demo.rows() == before


def test_the_launcher_takes_what_the_command_hands_it() -> None:
    assert launcher().__name__ == "run_daily"
