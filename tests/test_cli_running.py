"""The commands that change something: run, approve, hold, review, ledger.

The runs here go through the engine in this process (``cli.run.launcher`` is the seam);
``test_cli_dagster`` runs the Dagster job.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli import run as run_command
from retention.errors import RetentionError
from retention.execution.run import begin, new_run_id, run_all
from retention.holds import held_rows
from retention.installation import opened
from retention.lease import Lease
from tests.cli_support import (
    AS_OF,
    DAY,
    Demo,
    agrees_with_golden,
    demo,
    now,
    one_line,
    pristine,
)

__all__ = ["demo", "pristine"]


@dataclass(frozen=True)
class Launched:
    """As ``pipelines.launch.LaunchResult``."""

    success: bool
    run_id: str
    exit_code: int
    failures: tuple[str, ...] = ()


def in_engine(
    config: Path,
    environment: Mapping[str, str],
    *,
    as_of: date | None = None,
    plan_digest: str | None = None,
    on_event: Callable[[str, str, int], None],
    stop_asked: Callable[[], bool] = lambda: False,
) -> Launched:
    """The day, by the engine alone."""
    run_id = new_run_id()
    try:
        with opened(config, environment) as installation:
            work = begin(
                installation,
                as_of or AS_OF,
                today=AS_OF,
                clock=now,
                run_id=run_id,
                expected=plan_digest,
            )
            work.stop_asked = stop_asked
            work.progress = on_event
            run_all(work)
    except RetentionError as error:
        return Launched(
            success=False, run_id=run_id, exit_code=error.exit_code, failures=(str(error),)
        )
    return Launched(success=True, run_id=run_id, exit_code=0)


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_command, "launcher", lambda: in_engine)


def planned(at: Demo, *arguments: str) -> Any:
    answer = at.run("plan", "--as-of", DAY, "--json", *arguments)
    return answer.json


def left(at: Demo) -> int:
    """Rows that a run would still archive or dispose of."""
    return sum(
        item["rows"]
        for item in planned(at)["items"]
        if item["transition"] in ("archive", "dispose")
    )


def without_paths(text: str) -> str:
    return re.sub(r"(DAGSTER_HOME|RETENTION_CONFIG)=\S+", r"\1=<path>", text)


def test_a_run_shows_what_happened_and_where_to_look_next(demo: Demo) -> None:
    assert left(demo) > 0
    answer = demo.run("run", "--as-of", DAY)
    assert (answer.code, answer.err) == (0, "")
    agrees_with_golden("run", without_paths(answer.out))
    assert left(demo) == 0
    assert demo.run("ledger", "verify").out.startswith("the ledger holds: ")


def test_a_run_in_json_counts_what_the_databases_show(demo: Demo) -> None:
    before = demo.rows()
    found = demo.run("run", "--as-of", DAY, "--json").json
    after = demo.rows()
    assert found["success"] is True
    assert found["outcome"]["status"] == "done"
    for name, counts in found["outcome"]["tables"].items():
        if name != "archive":
            gone = counts["archived"] + counts["disposed"]
            assert (name, gone) == (name, before[name] - after[name])
    total = sum(counts["with_dependants"] for counts in found["outcome"]["tables"].values())
    assert total == sum(before.values()) - sum(after.values())


def test_a_second_run_of_the_day_changes_nothing(demo: Demo) -> None:
    demo.run("run", "--as-of", DAY)
    before = demo.rows()
    found = demo.run("run", "--as-of", DAY, "--json").json
    assert demo.rows() == before
    assert not any(
        counts[what]
        for counts in found["outcome"]["tables"].values()
        for what in ("archived", "disposed", "pseudonymised", "cleared", "expired")
    )


def test_observe_mode_touches_nothing_and_says_so(demo: Demo) -> None:
    demo.add_setting("mode: observe\n")
    before = demo.rows()
    answer = demo.run("run", "--as-of", DAY)
    assert answer.code == 0
    assert "nothing was touched" in answer.out
    assert demo.rows() == before


def test_only_the_plan_that_was_named_is_run(demo: Demo) -> None:
    before = demo.rows()
    other = demo.run("run", "--as-of", DAY, "--plan", "0" * 64)
    assert other.code == 2
    assert "not 0000" in one_line(other)
    assert demo.rows() == before
    assert demo.run("run", "--as-of", DAY, "--plan", planned(demo)["digest"]).code == 0
    assert left(demo) == 0


def test_a_plan_over_its_cap_waits_for_approval_and_then_runs(demo: Demo) -> None:
    demo.add_setting("caps: {rows: 5}\n")
    before = demo.rows()
    plan = demo.run("plan", "--as-of", DAY)
    assert "It needs approval:  retention approve " in plan.out
    refused = demo.run("run", "--as-of", DAY)
    assert refused.code == 5
    assert "the cap is 5" in one_line(refused)
    assert demo.rows() == before
    digest = planned(demo)["digest"]
    approved = demo.run("approve", digest, "--by", "Ada, DPO", "--reason", "first run")
    assert approved.code == 0
    assert "It is approved." in demo.run("plan", "--as-of", DAY).out
    assert demo.run("run", "--as-of", DAY).code == 0
    assert left(demo) == 0


def test_a_digest_that_is_none_cannot_be_approved(demo: Demo) -> None:
    answer = demo.run("approve", "abc", "--by", "Ada", "--reason", "why not")
    assert answer.code == 2
    assert one_line(answer) == "there is no plan 'abc'; 'retention plan' makes one"


@pytest.mark.parametrize("missing", ["--by", "--reason"])
def test_an_approval_wants_a_name_and_a_reason(demo: Demo, missing: str) -> None:
    given = {"--by": "Ada", "--reason": "because", missing: "  "}
    answer = demo.run("approve", "abc", *(part for pair in given.items() for part in pair))
    assert answer.code == 2
    assert missing in one_line(answer)


def test_two_runs_at_once_are_refused(demo: Demo) -> None:
    before = demo.rows()
    with opened(demo.config, {}) as installation:
        lease = Lease.acquire(
            installation.stores.control,
            holder="another",
            host="elsewhere",
            pid=1,
            now=now(),
            seconds=300,
            alive=lambda *_: True,
        )
        answer = demo.run("run", "--as-of", DAY)
        assert answer.code == 6
        assert "another run is at work" in one_line(answer)
        assert demo.rows() == before
        lease.release()
    assert demo.run("run", "--as-of", DAY).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_two_chunks_and_a_rerun_goes_on(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def interrupted(*arguments: Any, on_event: Any, **more: Any) -> Launched:
        def and_then(stage: str, table: str, rows: int) -> None:
            on_event(stage, table, rows)
            if stage == "delete":
                os.kill(os.getpid(), number)

        return in_engine(*arguments, on_event=and_then, **more)

    def with_seam(config: Any, environment: Any, *, stop_asked: Any, **more: Any) -> Launched:
        return interrupted(config, environment, stop_asked=stop_asked, **more)

    before = signal.getsignal(number)
    monkeypatch.setattr(run_command, "launcher", lambda: with_seam)
    answer = demo.run("run", "--as-of", DAY)
    assert answer.code == 1
    assert "stopping after this chunk" in answer.err
    assert "run it again to go on" in answer.err.splitlines()[-1]
    assert "stopped" in answer.out
    assert signal.getsignal(number) is before
    assert left(demo) > 0
    monkeypatch.setattr(run_command, "launcher", lambda: in_engine)
    assert demo.run("run", "--as-of", DAY).code == 0
    assert left(demo) == 0
    assert demo.run("ledger", "verify").code == 0


def test_one_tree_is_stopped_and_the_others_go_on(demo: Demo) -> None:
    demo.sql("web", "ALTER TABLE trackers ADD COLUMN nickname TEXT")
    plan = demo.run("plan", "--as-of", DAY)
    assert plan.code == 7
    assert "Stopped: web.trackers" in plan.out
    trackers, prospects = demo.rows()["web.trackers"], demo.rows()["marketing.prospects"]
    answer = demo.run("run", "--as-of", DAY)
    assert answer.code == 7
    assert "nickname" in one_line(answer)
    assert demo.rows()["web.trackers"] == trackers
    assert demo.rows()["marketing.prospects"] < prospects


def test_a_hold_keeps_a_person_until_it_is_released(demo: Demo) -> None:
    archived = demo.run("explain", "crm.customers", "40", "--as-of", DAY, "--json").json
    assert archived["action"] == "archive"
    placed = demo.run(
        "hold", "add", "crm.customers", "40", "--by", "Ada", "--reason", "court case", "--json"
    ).json
    explained = demo.run("explain", "crm.customers", "40", "--as-of", DAY)
    assert "under a hold or a restriction" in explained.out
    assert demo.run("run", "--as-of", DAY).code == 0
    assert demo.sql("crm", "SELECT count(*) FROM customers WHERE customer_id = 40") == [(1,)]
    listed = demo.run("hold", "list").out
    assert placed["hold_id"][:12] in listed
    assert "court case" in " ".join(listed.split())
    released = demo.run(
        "hold", "release", placed["hold_id"][:12], "--by", "Ada", "--reason", "case closed"
    )
    assert released.code == 0
    assert demo.run("hold", "list").out == "no holds in force\n"
    assert demo.run("hold", "list", "--all", "--json").json[0]["released_at"]
    assert demo.run("run", "--as-of", DAY).code == 0
    assert demo.sql("crm", "SELECT count(*) FROM customers WHERE customer_id = 40") == [(0,)]


def test_a_restriction_is_told_from_a_legal_hold(demo: Demo) -> None:
    arguments = ("crm.customers", "40", "--by", "Ada", "--reason", "art. 18", "--restriction")
    assert demo.run("hold", "add", *arguments, "--json").json["kind"] == "restriction"
    with opened(demo.config, {}) as installation:
        assert held_rows(installation)


def test_a_hold_that_is_none_cannot_be_released(demo: Demo) -> None:
    answer = demo.run("hold", "release", "abc", "--by", "Ada", "--reason", "over")
    assert answer.code == 2
    assert one_line(answer) == "there is no hold 'abc' in force"


def test_a_hold_is_named_by_a_beginning_that_no_other_has(demo: Demo) -> None:
    arguments = ("crm.customers", "40", "--by", "Ada", "--reason", "court case")
    first, second = "0123456" + "a" * 25, "0123456" + "b" * 25
    for hold_id in (first, second):
        demo.run("hold", "add", *arguments)
        change = "UPDATE cases_holds SET hold_id = ? WHERE hold_id NOT LIKE '0123456%'"
        demo.sql("stores/cases", change, hold_id)
    over = ("--by", "Ada", "--reason", "over")
    for wrong in ("0123456", "01234", "%", "", first + "0", first[:9] + "c"):
        assert demo.run("hold", "release", wrong, *over).code == 2
    assert len(demo.run("hold", "list", "--json").json) == 2
    assert demo.run("hold", "release", first[:8], *over).code == 0
    (left,) = demo.run("hold", "list", "--json").json
    assert left["hold_id"] == second


def test_undecidable_rows_are_found_where_the_queue_is_not_filled(demo: Demo) -> None:
    demo.add_setting("mode: observe\nmax_review_share: 0.0\n")
    demo.sql("marketing", "UPDATE prospects SET collected_at = 'soon' WHERE prospect_id = 1")
    assert "retention review find" in demo.run("plan", "--as-of", DAY).out.replace("\n   ", "")
    (found,) = demo.run("review", "find", "marketing.prospects", "--as-of", DAY, "--json").json
    assert found["key"] == [1]
    assert found["reason"] in demo.run("review", "find", "marketing.prospects", "--as-of", DAY).out
    assert demo.run("review", "list", "--json").json == []
    assert "ask for crm.customers" in demo.run("review", "find", "crm.orders").err


def test_a_review_case_is_listed_and_closed(demo: Demo) -> None:
    demo.add_setting("max_review_share: 1.0\n")
    demo.sql("marketing", "UPDATE prospects SET collected_at = 'soon' WHERE prospect_id = 1")
    demo.sql("marketing", "DELETE FROM active_responses WHERE prospect_id = 1")
    demo.sql("marketing", "DELETE FROM opt_ins WHERE prospect_id = 1")
    demo.run("run", "--as-of", DAY)
    (case,) = demo.run("review", "list", "--json").json
    assert (case["table"], case["key"]) == ("marketing.prospects", [1])
    assert case["case_id"] in demo.run("review", "list").out
    arguments = ("review", "resolve", case["case_id"], "--note", "seen", "--as")
    assert demo.run(*arguments, "forgotten").code == 2
    assert demo.run(*arguments, "accepted").code == 0
    assert demo.run("review", "list", "--json").json == []
    assert demo.run("review", "list", "--all", "--json").json[0]["resolution"] == "accepted"
    again = demo.run(*arguments, "accepted")
    assert again.code == 2
    assert "no open review case" in one_line(again)


def test_a_changed_ledger_is_found_out(demo: Demo) -> None:
    demo.run("run", "--as-of", DAY)
    demo.sql("stores/control", "UPDATE control_ledger SET transition = 'hold' WHERE sequence = 2")
    answer = demo.run("ledger", "verify", "--json")
    assert answer.code == 1
    assert answer.json["sound"] is False
    assert one_line(answer) == "ledger: entry 2 was changed"
