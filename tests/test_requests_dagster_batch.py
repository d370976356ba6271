"""A batch of requests is one run in Dagster: its key, its colour, its table, and what stops it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.build import build_defs
from pipelines.jobs import attempts_in, requests_config
from pipelines.resources import RETENTION
from retention.errors import SourceError
from retention.execution.run import STAGES
from retention.execution.work import Work
from retention.installation import Installation, opened
from retention.lease import Lease
from retention.requests.book import casebook
from retention.requests.doing import carrying_out
from retention.requests.model import Kind, Request, State
from sensors.requests import BATCH, COUNT, batch_id
from tests.dagster_support import Demo
from tests.requests_dagster_support import (
    added,
    bytes_below,
    came_of,
    copied,
    demo,
    door,
    installation,
    instance,
    left_in,
    make,
    now,
    rows_left,
    run_request,
    secrets_in,
    started,
    tick,
    told,
)

STATUS = dg.DagsterRunStatus


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("batches") / "demo", people=20)


def three(installation: Installation) -> list[Request]:
    """Of one person; in the order in which they are due."""
    kinds = (Kind.access, Kind.portability, Kind.erasure)
    return [added(installation, kind) for kind in kinds]


def states(installation: Installation, requests: list[Request]) -> list[State]:
    return [casebook.get(installation, request.request_id).state for request in requests]


def asked_for(demo: Demo, instance: dg.DagsterInstance) -> dg.RunRequest:
    (asked,) = tick(demo, instance, "verified_requests").run_requests
    return asked  # type: ignore[no-any-return]


def test_a_batch_is_named_by_its_attempts_in_whatever_order() -> None:
    attempts = [("a" * 32, 1), ("b" * 32, 2), ("c" * 32, None)]
    assert batch_id(attempts) == batch_id(attempts[::-1])
    others = ([("a" * 32, 1)], [("a" * 32, 2), ("b" * 32, 2), ("c" * 32, None)])
    assert len({batch_id(attempts), *(batch_id(other) for other in others)}) == 3
    assert attempts_in(requests_config(attempts)) == attempts
    for other in ({}, {"ops": {}}, {"ops": {"plan": {"config": {"requests": [1]}}}}):
        assert attempts_in(other) == []


def test_all_that_wait_are_one_run_which_is_green_when_all_are_answered(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    requests = three(installation)
    asked = asked_for(demo, instance)
    assert asked.run_key == run_request(*requests).run_key
    assert asked.run_config == run_request(*requests).run_config
    assert (asked.tags[COUNT], asked.tags[BATCH]) == ("3", run_request(*requests).tags[BATCH])
    assert asked_for(demo, instance).run_key == asked.run_key, "the same until it is there"
    outcome = started(demo, instance, asked)
    assert outcome.success
    assert came_of(outcome) == ["answered"] * 3
    assert states(installation, requests) == [State.answered] * 3
    found = {casebook.get(installation, request.request_id).run_id for request in requests}
    assert found == {outcome.run_id}
    assert rows_left(demo) == 0
    assert tick(demo, instance, "verified_requests").run_requests == []
    assert secrets_in(bytes_below(demo.home)) == []


def test_so_many_in_one_run_the_most_urgent_first(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    requests = three(installation)
    demo.config.write_text(
        demo.config.read_text().replace("requests: {", "requests: {max_per_run: 2, ")
    )
    first = asked_for(demo, instance)
    assert first.run_key == run_request(*requests[:2]).run_key
    left_in(demo, instance, first, STATUS.STARTING)
    assert asked_for(demo, instance).run_key == run_request(requests[2]).run_key


@pytest.mark.parametrize(
    "status", [STATUS.NOT_STARTED, STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING]
)
def test_none_is_asked_for_twice_while_its_batch_is_there_and_a_new_one_is_not_forgotten(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation, status: STATUS
) -> None:
    """The daemon may have died between submitting the run and starting it."""
    requests = three(installation)[:2]
    casebook.refuse(installation, three_last(installation), by="dpo", reason="withdrawn", now=now())
    left_in(demo, instance, asked_for(demo, instance), status)
    assert tick(demo, instance, "verified_requests").run_requests == []
    late = added(installation, Kind.objection)
    assert asked_for(demo, instance).run_key == run_request(late).run_key
    assert states(installation, requests) == [State.verified] * 2


def three_last(installation: Installation) -> str:
    (erasure,) = (r for r in casebook.listed(installation) if r.kind is Kind.erasure)
    return erasure.request_id


def test_a_run_with_a_failure_is_red_says_which_and_why_and_the_others_are_answered(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = three(installation)
    own = carrying_out.copy

    def sometimes(batch: Any, request: Request) -> Any:
        if request.kind is Kind.portability:
            raise SourceError("marketing: out of reach")
        return own(batch, request)

    monkeypatch.setattr(carrying_out, "copy", sometimes)
    outcome = started(demo, instance, asked_for(demo, instance))
    assert not outcome.success
    assert came_of(outcome) == ["answered", "failed: marketing: out of reach", "answered"]
    assert (told(outcome)["answered"], told(outcome)["failed"]) == (2, 1)
    (failure,) = (event for event in outcome.all_events if event.is_step_failure)
    given = failure.step_failure_data.user_failure_data
    assert given is not None and given.description == (
        f"1 of 3 request(s) failed: {requests[1].request_id[:12]}: marketing: out of reach"
    )
    assert states(installation, requests) == [State.answered, State.verified, State.answered]
    closed_by_its_sensor(demo, instance, outcome.run_id, "close_failed_runs")
    found = casebook.get(installation, requests[1].request_id)
    assert found.failure == "marketing: out of reach", "its own words stay"
    assert tick(demo, instance, "verified_requests").run_requests == []
    casebook.retry(installation, found.request_id, by="dpo", reason="it is back", now=now())
    asked = asked_for(demo, instance)
    assert asked.run_config == requests_config([(found.request_id, 2)])
    monkeypatch.setattr(carrying_out, "copy", own)
    assert started(demo, instance, asked).success


def closed_by_its_sensor(demo: Demo, instance: dg.DagsterInstance, run_id: str, name: str) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    canceled = name == "close_terminated_runs"
    events = {True: dg.DagsterEventType.RUN_CANCELED, False: dg.DagsterEventType.RUN_FAILURE}
    (event,) = (
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(run_id, of_type=events[canceled]).records
    )
    assert event is not None
    with dg.build_run_status_sensor_context(
        sensor_name=name, dagster_instance=instance, dagster_run=run, dagster_event=event,
        resources={RETENTION: door(demo)},
    ) as context:  # fmt: skip
        sensor = build_defs(demo.config).resolve_sensor_def(name)
        sensor(context if canceled else context.for_run_failure())


def test_a_terminated_run_stops_between_two_chunks_and_says_so(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = added(installation, Kind.access)
    second, third = added(installation, Kind.erasure), added(installation, Kind.portability)
    archive = STAGES["archive"]

    def terminated(work: Work, name: Any) -> Any:
        if name == "crm.customers":
            run = instance.get_run_by_id(work.journal.run_id.partition("/")[0])
            assert run is not None
            instance.report_run_canceling(run)  # as Dagster's pages do
            os.kill(os.getpid(), signal.SIGTERM)
        return archive(work, name)

    monkeypatch.setitem(STAGES, "archive", terminated)
    outcome = started(demo, instance, asked_for(demo, instance))
    monkeypatch.setitem(STAGES, "archive", archive)
    run = instance.get_run_by_id(outcome.run_id)
    assert run is not None and run.status is STATUS.CANCELED
    assert came_of(outcome)[0] == "answered"
    assert came_of(outcome)[1].startswith("failed: stopped by a person between two chunks")
    assert came_of(outcome)[2].startswith("postponed: a person stopped the run")
    for _ in range(2):
        closed_by_its_sensor(demo, instance, outcome.run_id, "close_terminated_runs")
    found = [casebook.get(installation, item.request_id) for item in (first, second, third)]
    assert [item.state for item in found] == [State.answered, State.executing, State.verified]
    assert [item.failure for item in found] == [None, carrying_out.STOPPED, None]
    assert rows_left(demo) > 0
    # The rest goes on; what was stopped does when a person says so.
    asked = asked_for(demo, instance)
    assert asked.run_config == requests_config([(third.request_id, 1)])
    assert started(demo, instance, asked).success
    casebook.retry(installation, second.request_id, by="dpo", reason="go on", now=now())
    assert started(demo, instance, asked_for(demo, instance)).success
    assert rows_left(demo) == 0


@pytest.mark.parametrize("began", [True, False])
def test_a_run_that_died_keeps_back_what_it_had_in_hand_and_only_that(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    began: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    requests = three(installation)
    run = left_in(demo, instance, asked_for(demo, instance), STATUS.STARTED)
    if began:
        for to in (State.planned, State.executing):
            number = requests[0].request_id
            casebook.move(installation, number, to, by="test", now=now(), run_id=run.run_id)
    instance.report_run_failed(run)
    closed_by_its_sensor(demo, instance, run.run_id, "close_failed_runs")
    found = [casebook.get(installation, request.request_id).failure for request in requests]
    if began:
        assert [why is not None for why in found] == [True, False, False]
        assert asked_for(demo, instance).run_key == run_request(*requests[1:]).run_key
    else:
        # What stopped it would stop the next one too.
        assert [why is not None for why in found] == [True, True, True]
        assert tick(demo, instance, "verified_requests").run_requests == []


def test_a_request_whose_process_died_is_seen_by_the_sensor_of_new_requests(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    """No run of Dagster's says anything of it: it was carried out at the command line."""
    request = added(installation)
    lease = dead_lease(installation)
    for to in (State.planned, State.executing):
        casebook.move(
            installation, request.request_id, to, by="test", now=now(), run_id=lease.holder
        )
    assert tick(demo, instance, "verified_requests").run_requests == []
    found = casebook.get(installation, request.request_id)
    assert found.failure is not None and found.failure.startswith("its run ended before its time")


def dead_lease(installation: Installation) -> Lease:
    """A lease of a process of this machine that is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return Lease.acquire(
        installation.stores.control, holder="killed", host=socket.gethostname(), pid=process.pid,
        now=now(), seconds=300, alive=lambda *_: True,
    )  # fmt: skip


def test_undecided_requests_are_planned_anew_every_ten_minutes_and_not_at_each_tick(
    demo: Demo, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def noted(*_: Any, undecided: bool) -> list[Any]:
        asked.append(undecided)
        return []

    monkeypatch.setattr("sensors.requests.take_up", noted)
    moment, cursor = now(), None
    for minutes in (0, 1, 9, 10, 11, 21):
        at = moment + timedelta(minutes=minutes)
        cursor = tick(demo, instance, "verified_requests", cursor=cursor, moment=at).cursor
    tick(demo, instance, "verified_requests", cursor="spoiled", moment=moment)
    assert asked == [True, False, False, True, False, True, True]
