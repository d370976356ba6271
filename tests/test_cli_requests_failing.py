"""``retention request``, where something fails on the way: said, kept, and taken up again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.door import utc_now
from retention.execution.run import acquire_lease
from retention.installation import opened
from retention.requests.doing import carrying_out
from retention.requests.model import RequestError
from tests.cli_support import Demo, call, demo, one_line, pristine, today
from tests.test_cli_requests import BY, WHY, asks, done, person, verified

__all__ = ["demo", "pristine"]


def test_where_one_request_fails_the_others_go_on(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = verified(demo, "access"), verified(demo, "portability")
    true_step = carrying_out.copy

    def sometimes(batch: Any, request: Any) -> Any:
        if request.request_id == first:
            raise RequestError("not today")
        return true_step(batch, request)

    monkeypatch.setattr(carrying_out, "copy", sometimes)
    answer = demo.run("request", "process", "--all", "--json")
    assert answer.code == 8
    assert one_line(answer) == f"request {first[:12]}: not today"
    assert [item["request_id"] for item in answer.json] == [second]
    # It is tried again when a person says so, and not before.
    assert done(demo, "process", "--all").out == "no verified requests\n"
    done(demo, "retry", first, *WHY)
    monkeypatch.setattr(carrying_out, "copy", true_step)
    assert "answered" in done(demo, "process", "--all").out


def test_while_another_run_is_at_work_all_wait(demo: Demo) -> None:
    numbers = [verified(demo, "access"), verified(demo, "portability")]
    with opened(demo.config, {}) as installation, acquire_lease(installation, "another", utc_now):
        answer = demo.run("request", "process", "--all", "--json")
    assert answer.code == 6
    assert one_line(answer).startswith("2 request(s) stay as they were: another run is at work")
    listed = done(demo, "list", "--json").json
    assert {(item["state"], item["failure"]) for item in listed} == {("verified", None)}
    assert {item["request_id"] for item in listed} == set(numbers)


def test_a_process_that_is_killed_leaves_a_request_that_says_so(demo: Demo) -> None:
    number, waits = verified(demo, "erasure"), verified(demo, "portability")
    environment = os.environ | {"RETENTION_CONFIG": str(demo.config)}
    killed = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "request", "process", "--all"], env=environment,
        cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 120
    with closing(sqlite3.connect(demo.folder / "crm.sqlite")) as source:
        source.execute("BEGIN IMMEDIATE")  # it can plan, and change nothing
        while True:
            item = next(i for i in done(demo, "list", "--json").json if i["request_id"] == number)
            assert item["failure"] is None, "its process lives"
            if item["state"] == "executing":
                break
            assert killed.poll() is None and time.monotonic() < until
        killed.kill()
        killed.wait()
    (item,) = (i for i in done(demo, "list", "--json").json if i["request_id"] == number)
    assert item["failure"].startswith("its run ended before its time")
    assert "failed: its run ended" in " ".join(done(demo, "show", number).out.split())
    assert done(demo, "show", waits, "--json").json["failure"] is None
    done(demo, "retry", number, *WHY)
    assert [item["state"] for item in done(demo, "process", "--all", "--json").json] == [
        "answered", "answered",
    ]  # fmt: skip


def test_what_one_cause_has_failed_is_taken_up_again_at_once(demo: Demo) -> None:
    numbers = {verified(demo, "erasure"), verified(demo, "access")}
    waits = asks(demo, "portability")["request_id"]
    assert demo.run("request", "retry", *WHY).code == 2
    assert demo.run("request", "retry", waits, "--all", *WHY).code == 2
    assert demo.run("request", "retry", "--all", "--not-theirs", "web.x", *WHY).code == 2
    assert done(demo, "retry", "--all", *WHY).out == "0 request(s) taken up again\n"
    (demo.folder / "web.sqlite").rename(demo.folder / "gone.sqlite")
    assert demo.run("request", "process", "--all").code != 0
    (demo.folder / "gone.sqlite").rename(demo.folder / "web.sqlite")
    again = done(demo, "retry", "--all", "--json", *WHY).json
    assert {item["request_id"] for item in again} == numbers
    assert {item["state"] for item in again} == {"verified"}
    answered = done(demo, "process", "--all", "--json").json
    assert {item["request_id"] for item in answered} == numbers
    assert done(demo, "show", waits, "--json").json["state"] == "received"


def test_a_failed_request_is_taken_up_again(demo: Demo) -> None:
    request_id = verified(demo, "erasure")
    assert demo.run("request", "retry", request_id, *WHY).code == 8
    (demo.folder / "web.sqlite").rename(demo.folder / "gone.sqlite")
    failed = demo.run("request", "process", request_id)
    assert failed.code != 0
    assert one_line(failed)
    assert "failed" in done(demo, "list", "--json").json[0]["waits_for"]
    (demo.folder / "gone.sqlite").rename(demo.folder / "web.sqlite")
    unseen = demo.run("request", "retry", request_id, "--not-theirs", "web.accounts.email", *WHY)
    assert unseen.code == 8, "no search has found anything there"
    done(demo, "retry", request_id, *WHY)
    done(demo, "process", request_id)
    assert done(demo, "show", request_id, "--json").json["state"] == "answered"


def test_a_system_out_of_reach_does_not_lose_the_request(demo: Demo) -> None:
    who = person(demo)
    (demo.folder / "web.sqlite").rename(demo.folder / "gone.sqlite")
    answer = demo.run("request", "add", "--kind", "access", "--email", who["email"], *BY)
    assert answer.code == 3
    (item,) = done(demo, "list", "--json").json
    assert item["request_id"] in one_line(answer)
    again = demo.run("request", "verify", item["request_id"], "--how", "x", *BY)
    assert again.code == 3
    (demo.folder / "gone.sqlite").rename(demo.folder / "web.sqlite")
    done(demo, "verify", item["request_id"], "--how", "x", *BY)
    assert len(done(demo, "show", item["request_id"], "--json").json["records"]) >= 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "0123456789"), ("plan", "0123456789"), ("process", "0123456789"),
        ("answer", "0123456789"), ("package", "0123456789"), ("inform", "0123456789"),
        ("lift", "0123456789", "--told-on", today().isoformat(), *WHY),
        ("verify", "0123456789", "--how", "x", *BY), ("doubt", "0123456789", *WHY),
        ("refuse", "0123456789", *WHY), ("extend", "0123456789", *WHY),
        ("retry", "0123456789", *WHY),
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_request_that_is_not_there_is_said_so(pristine: Demo, arguments: tuple[str, ...]) -> None:
    answer = pristine.run("request", *arguments)
    assert answer.code == 8 and answer.out == ""
    assert "0123456789" in one_line(answer)
    name = pristine.run("request", arguments[0], "Dupont", *arguments[2:])
    assert name.code == 8
    assert "Dupont" not in one_line(name)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("request", "process"), 2),
        (("request", "process", "0123456789", "--all"), 2),
        (("request", "verify", "0123456789", *BY), 2),
        (("request", "refuse", "0123456789", *BY), 2),
        (("request", "add", "--kind", "forgetting", "--email", "a@b.fr", *BY), 2),
        (("outbox", "mark-sent", *BY), 2),
        (("outbox", "mark-sent", "abc", "--request", "0123456789", *BY), 2),
        (("outbox", "mark-sent", "abc", *BY), 8),
        (("outbox", "show", "abc"), 8),
        (("outbox", "list", "--request", "0123456789"), 8),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
def test_misuse_is_one_line(pristine: Demo, arguments: tuple[str, ...], code: int) -> None:
    answer = pristine.run(*arguments)
    assert answer.code == code and answer.out == ""
    assert one_line(answer)


def test_without_a_configuration_it_is_asked_for() -> None:
    for arguments in (("request", "list"), ("request", "take-in"), ("outbox", "list")):
        answer = call(*arguments)
        assert answer.code == 2
        assert "--config FILE or set RETENTION_CONFIG" in one_line(answer)
