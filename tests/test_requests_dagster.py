"""Requests in Dagster: what is taken in, which runs are started, and which never twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

import sensors.requests
from assets import naming
from pipelines.build import build_defs
from pipelines.jobs import DAILY, REQUESTS, requests_config
from pipelines.resources import RETENTION
from retention import holds
from retention.catalogue.model import TableName
from retention.execution.run import acquire_lease
from retention.installation import Installation, opened
from retention.lease import Lease
from retention.requests.book import casebook
from retention.requests.model import Kind, Outcome, OutcomeLine, State
from sensors.door import TickFailed
from tests.dagster_support import Demo
from tests.requests_dagster_support import (
    KEY,
    MAIL,
    added,
    bytes_below,
    came_of,
    copied,
    demo,
    door,
    drop,
    installation,
    instance,
    instance_of,
    left_in,
    make,
    now,
    requests_of,
    rows_left,
    rows_of,
    run_request,
    secrets_in,
    started,
    tick,
    told,
)

STATUS = dg.DagsterRunStatus


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("requests") / "demo")


def busy(installation: Installation) -> Lease:
    return acquire_lease(installation, "somebody", now)


# --- the inbox ---------------------------------------------------------------------------


def test_files_are_taken_in_counted_and_never_named(
    demo: Demo, instance: dg.DagsterInstance
) -> None:
    drop(demo)
    drop(demo, "canary-file-2.json", kind="nonsense")
    first = tick(demo, instance, "request_inbox")
    assert not first.run_requests
    assert first.skip_message == (
        "1 file(s) taken in; 1 rejected: their reasons are in the inbox, in 'rejected/'"
    )
    assert first.cursor == '{"taken_in": 1, "rejected": 1}'
    (request,) = requests_of(demo)
    assert request.state is State.verified
    again = tick(demo, instance, "request_inbox", cursor=first.cursor)
    assert again.skip_message == "nothing in the inbox"
    assert again.cursor == first.cursor
    assert requests_of(demo) == [request]
    assert secrets_in(repr((first, again)).encode()) == []


def test_a_cursor_that_was_lost_or_spoiled_takes_nothing_in_twice(
    demo: Demo, instance: dg.DagsterInstance
) -> None:
    drop(demo)
    tick(demo, instance, "request_inbox")
    for cursor in (None, "", "[]", "{", '{"taken_in": "x"}', "7"):
        found = tick(demo, instance, "request_inbox", cursor=cursor)
        assert found.cursor == '{"taken_in": 0, "rejected": 0}'
    assert len(requests_of(demo)) == 1


def test_a_file_whose_person_cannot_be_looked_up_is_kept_and_tried_again(
    demo: Demo, instance: dg.DagsterInstance
) -> None:
    away = demo.folder / "marketing.away"
    (demo.folder / "marketing.sqlite").rename(away)
    drop(demo)
    first = tick(demo, instance, "request_inbox")
    assert "could not be looked up: that is tried again" in first.skip_message
    assert [item.state for item in requests_of(demo)] == [State.received]
    away.rename(demo.folder / "marketing.sqlite")
    second = tick(demo, instance, "request_inbox", cursor=first.cursor)
    assert second.skip_message == "1 file(s) taken in"
    assert [item.state for item in requests_of(demo)] == [State.verified]


SENSORS = ("request_inbox", "verified_requests", "request_deadlines")


@pytest.mark.parametrize("name", SENSORS)
def test_a_tick_that_fails_says_why(demo: Demo, instance: dg.DagsterInstance, name: str) -> None:
    (demo.folder / "master.key").unlink()
    with pytest.raises(TickFailed, match=r"master"):
        tick(demo, instance, name)


@pytest.mark.parametrize("name", SENSORS)
def test_a_tick_that_fails_for_no_known_reason_quotes_nothing(
    demo: Demo, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def quoting(*_: object, **__: object) -> NoReturn:
        try:
            int(MAIL)
        except ValueError as error:
            raise RuntimeError(f"cannot read {error}") from error
        raise AssertionError

    drop(demo)
    with opened(demo.config, dict(os.environ)) as installation:
        added(installation)
    for place in (
        "retention.requests.book.filing.as_request",
        "retention.requests.answering.outbox._notice",
    ):
        monkeypatch.setattr(place, quoting)
    monkeypatch.setattr(sensors.requests, "take_in", quoting)
    with pytest.raises(TickFailed) as failed:
        tick(demo, instance, name)
    shown = serializable_error_info_from_exc_info(failed._excinfo)  # type: ignore[arg-type]
    assert "RuntimeError at tests/test_requests_dagster.py" in shown.to_string()
    assert secrets_in(repr(shown).encode()) == []


# --- runs --------------------------------------------------------------------------------


def test_a_verified_request_gets_one_run_and_is_answered(
    demo: Demo, instance: dg.DagsterInstance
) -> None:
    drop(demo)
    assert tick(demo, instance, "verified_requests").skip_message == (
        "no verified request waits for a run"
    )
    tick(demo, instance, "request_inbox")
    (request,) = requests_of(demo)
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    assert asked.run_key == run_request(request).run_key
    assert asked.tags["requests"] == "1"
    assert asked.run_config == requests_config([(request.request_id, 1)])
    assert rows_left(demo) == 2
    outcome = started(demo, instance, asked)
    assert outcome.success
    (request,) = requests_of(demo)
    assert (request.state, request.failure, rows_left(demo)) == (State.answered, None, 0)
    assert request.run_id == outcome.run_id
    found = told(outcome)
    (row,) = rows_of(found, "requests")
    assert (row["request"], row["what came of it"]) == (request.request_id[:12], "answered")
    assert (found["answered"], found["failed"]) == (1, 0)
    lines = rows_of(found, "outcomes")
    assert {("crm.customers", "deleted"), ("marketing.prospects", "deleted")} <= {
        (line["table"], line["outcome"]) for line in lines
    }
    assert tick(demo, instance, "verified_requests").run_requests == []
    assert b"requests" in bytes_below(demo.home)
    assert secrets_in(bytes_below(demo.home)) == []


@pytest.mark.parametrize(
    "status", [STATUS.NOT_STARTED, STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING]
)
def test_while_its_run_is_queued_or_at_work_no_other_is_started(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation, status: STATUS
) -> None:
    request = added(installation)
    left_in(demo, instance, run_request(request), status)
    assert tick(demo, instance, "verified_requests").run_requests == []
    assert casebook.get(installation, request.request_id).failure is None


@pytest.mark.parametrize("status", [STATUS.FAILURE, STATUS.CANCELED])
@pytest.mark.parametrize("state", [State.verified, State.planned, State.executing])
def test_a_run_that_died_without_a_word_is_seen_and_never_tried_again_by_itself(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    status: STATUS,
    state: State,
) -> None:
    request = added(installation)
    for to in (State.planned, State.executing)[: list(State).index(state) - 1]:
        casebook.move(installation, request.request_id, to, by="test", now=now(), run_id="r")
    left_in(demo, instance, run_request(request), status)
    for _ in range(3):
        assert tick(demo, instance, "verified_requests").run_requests == []
    found = casebook.get(installation, request.request_id)
    assert found.state is state
    assert found.failure is not None and found.failure.startswith("its run ended before its time")
    failed = [change for change in casebook.changes(installation, request.request_id)
              if change.what == "failed"]  # fmt: skip
    assert len(failed) == 1
    casebook.retry(installation, request.request_id, by="dpo", reason="mended", now=now())
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    assert asked.run_key == run_request(casebook.get(installation, request.request_id)).run_key
    assert asked.run_config == requests_config([(request.request_id, 2)])


def test_a_request_waits_while_a_run_is_at_work_and_goes_on_after_it(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    added(installation)
    lease = busy(installation)
    found = tick(demo, instance, "verified_requests")
    assert not found.run_requests
    assert found.skip_message.startswith("1 request(s) wait: another run is at work since")
    lease.release()
    assert len(tick(demo, instance, "verified_requests").run_requests) == 1


def test_a_run_that_finds_another_at_work_stands_back_and_is_started_again(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation)
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    for number in (2, 3):
        lease = busy(installation)
        outcome = started(demo, instance, asked)
        assert outcome.success
        assert came_of(outcome)[0].startswith("postponed: another run was at work")
        found = casebook.get(installation, request.request_id)
        assert (found.state, found.failure, found.attempt) == (State.verified, None, 1)
        lease.release()
        (asked,) = tick(demo, instance, "verified_requests").run_requests
        assert asked.run_key == f"{run_request(request).run_key}-{number}"
    assert started(demo, instance, asked).success
    assert casebook.get(installation, request.request_id).state is State.answered
    assert tick(demo, instance, "verified_requests").run_requests == []


def test_a_failed_run_stays_visible_and_is_retried_by_a_person_only(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation)
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    away = demo.folder / "crm.away"
    (demo.folder / "crm.sqlite").rename(away)
    outcome = started(demo, instance, asked)
    assert not outcome.success
    found = casebook.get(installation, request.request_id)
    assert found.is_open and found.failure
    failure = found.failure
    away.rename(demo.folder / "crm.sqlite")
    assert tick(demo, instance, "verified_requests").run_requests == []
    again = started(demo, instance, asked)  # by hand, in Dagster's pages
    assert casebook.get(installation, request.request_id).failure == failure
    assert rows_left(demo) == 2
    assert again.success is (found.state is not State.verified)
    assert ("has failed before" in came_of(again)[0]) is (found.state is State.verified)
    casebook.retry(installation, request.request_id, by="dpo", reason="it is back", now=now())
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    assert started(demo, instance, asked).success
    assert casebook.get(installation, request.request_id).state is State.answered


@pytest.mark.parametrize("name", ["close_failed_runs", "close_terminated_runs"])
def test_the_sensor_of_broken_runs_marks_the_request_and_gives_the_lease_back(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation, name: str
) -> None:
    request = added(installation)
    run = left_in(demo, instance, run_request(request), STATUS.STARTED)
    acquire_lease(installation, run.run_id, now)
    for to in (State.planned, State.executing):
        casebook.move(installation, request.request_id, to, by="test", now=now(), run_id=run.run_id)
    canceled = name == "close_terminated_runs"
    event = instance.report_run_canceled(run) if canceled else instance.report_run_failed(run)
    for _ in range(2):
        with dg.build_run_status_sensor_context(
            sensor_name=name,
            dagster_instance=instance,
            dagster_run=run,
            dagster_event=event,
            resources={RETENTION: door(demo)},
        ) as context:
            sensor = build_defs(demo.config).resolve_sensor_def(name)
            sensor(context if canceled else context.for_run_failure())
    found = casebook.get(installation, request.request_id)
    assert (found.state, found.attempt) == (State.executing, 1)
    assert found.failure is not None
    changes = [change.what for change in casebook.changes(installation, request.request_id)]
    assert changes.count("failed") == 1
    busy(installation).release()


def test_a_run_that_comes_too_late_does_nothing(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation)
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    casebook.refuse(installation, request.request_id, by="dpo", reason="withdrawn", now=now())
    outcome = started(demo, instance, asked)
    assert outcome.success
    assert came_of(outcome) == ["nothing to do: it is refused, attempt 1"]
    assert rows_left(demo) == 2


def test_in_observe_mode_requests_are_taken_in_and_nothing_is_carried_out(
    demo: Demo, instance: dg.DagsterInstance
) -> None:
    demo.config.write_text(demo.config.read_text() + "mode: observe\n")
    drop(demo)
    tick(demo, instance, "request_inbox")
    found = tick(demo, instance, "verified_requests")
    assert (found.run_requests, found.skip_message) == ([], "'mode: observe' touches nothing")
    assert [item.state for item in requests_of(demo)] == [State.verified]


def test_what_a_hold_had_stopped_is_taken_up_when_it_ends(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    hold = holds.add(
        installation, TableName("crm.customers"), [str(KEY)], kind="legal_hold",
        reason="a lawsuit", by="dpo", now=now(),
    )  # fmt: skip
    request = added(installation)
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    assert started(demo, instance, asked).success
    assert tick(demo, instance, "verified_requests").run_requests == []
    holds.release(installation, hold.hold_id, reason="settled", by="dpo", now=now())
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    assert asked.run_key == run_request(casebook.get(installation, request.request_id)).run_key
    assert asked.run_config == requests_config([(request.request_id, 2)])
    assert started(demo, instance, asked).success
    assert rows_left(demo) == 0
    lines = casebook.outcomes(installation, request.request_id)
    assert Outcome.deleted in {line.outcome for line in lines}


def test_an_outcome_that_holds_nothing_is_not_taken_up(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation, Kind.access)
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    assert started(demo, instance, asked).success
    lines = casebook.outcomes(installation, request.request_id)
    assert all(isinstance(line, OutcomeLine) and line.outcome is Outcome.copied for line in lines)
    assert tick(demo, instance, "verified_requests").run_requests == []
    assert rows_left(demo) == 2


def test_the_job_is_one_asset_in_one_process_and_apart_from_the_daily_run(demo: Demo) -> None:
    defs = build_defs(demo.config)
    job = defs.resolve_job_def(REQUESTS)
    assert set(job.asset_layer.selected_asset_keys) == {naming.CARRIED_OUT}
    assert job.executor_def is dg.in_process_executor
    daily = set(defs.resolve_job_def(DAILY).asset_layer.selected_asset_keys)
    assert {naming.OPEN_REQUESTS, naming.RETIRED} <= daily
    for name in ("request_inbox", "verified_requests", "request_deadlines"):
        sensor = defs.resolve_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
