"""What Dagster's pages show of requests: days left, warnings, opposition, and what has gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import naming
from assets.requests_opposition import opposition_checks
from assets.requests_retired import retired_assets
from assets.sources import source_assets
from pipelines.build import read_blueprint
from pipelines.jobs import run_config
from pipelines.resources import RETENTION, retention_resource
from retention.installation import Installation, opened
from retention.requests.answering import outbox
from retention.requests.book import casebook, deadlines, sending
from retention.requests.doing import opposition
from retention.requests.model import Kind, State
from tests.dagster_support import Demo
from tests.requests_dagster_support import (
    KEY,
    MAIL,
    PHONE,
    TODAY,
    added,
    copied,
    demo,
    installation,
    instance,
    instance_of,
    make,
    now,
    plant_prospect,
    run_request,
    secrets_in,
    started,
    tick,
)

OPEN = naming.OPEN_REQUESTS
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
RECEIVED = TODAY - timedelta(days=3)
DUE = deadlines.reply_due(RECEIVED)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("shown") / "demo", people=20)


def seen(demo: Demo, instance: dg.DagsterInstance, day: date, cursor: str | None = None) -> Any:
    """What the sensor of deadlines finds at noon of a day."""
    moment = datetime.combine(day, time(12), tzinfo=UTC)
    return tick(demo, instance, "request_deadlines", cursor=cursor, moment=moment)


def check(found: Any, name: str) -> dg.AssetCheckEvaluation:
    (one,) = [event for event in found.asset_events
              if isinstance(event, dg.AssetCheckEvaluation) and event.check_name == name]  # fmt: skip
    return one


def shown(found: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The materialisation's figures, and the lines of its table."""
    (one,) = [event for event in found.asset_events if isinstance(event, dg.AssetMaterialization)]
    figures = {name: value.value for name, value in one.metadata.items()}
    return figures, [dict(record.data) for record in figures.pop("requests").records]


@pytest.mark.parametrize(
    ("left", "severity"),
    [(11, None), (10, WARN), (4, WARN), (3, WARN), (0, WARN), (-1, ERROR), (-40, ERROR)],
)
def test_the_deadline_is_warned_of_at_ten_and_three_days_and_red_once_it_is_past(
    demo: Demo,
    instance: dg.DagsterInstance,
    installation: Installation,
    left: int,
    severity: dg.AssetCheckSeverity | None,
) -> None:
    request = added(installation, received_on=RECEIVED)
    found = seen(demo, instance, DUE - timedelta(days=left))
    assert found.run_requests == []
    result = check(found, naming.ANSWERED_IN_TIME)
    assert result.passed is (severity is None)
    if severity is not None:
        assert result.severity is severity
        words = "LATE" if left < 0 else f"due within {3 if left <= 3 else 10} days"
        assert result.description == f"1 open; 1 {words}: {request.request_id[:12]} on {DUE}"
    figures, (line,) = shown(found)
    assert (figures["open"], figures["late"]) == (1, int(left < 0))
    assert line["days left"] == left
    assert line["due"] == DUE.isoformat().replace("-", "\u2011")
    assert secrets_in(repr(found).encode()) == []


def test_it_is_shown_once_for_every_change_and_every_day(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    first = seen(demo, instance, TODAY)
    assert first.asset_events and first.skip_message == "0 open"
    assert seen(demo, instance, TODAY, first.cursor).asset_events == []
    request = added(installation, verified=False)
    second = seen(demo, instance, TODAY, first.cursor)
    assert [line["waits for"] for line in shown(second)[1]] == ["the identity to be verified"]
    casebook.doubt(installation, request.request_id, by="dpo", reason="two names", now=now())
    third = seen(demo, instance, TODAY, second.cursor)
    figures, (line,) = shown(third)
    assert line["waits for"].startswith("identity in doubt since")
    assert figures["in_doubt"] == 1
    assert seen(demo, instance, TODAY, third.cursor).asset_events == []
    tomorrow = seen(demo, instance, TODAY + timedelta(days=1), third.cursor)
    assert shown(tomorrow)[1][0]["state"] == "received"


def test_the_clock_of_a_doubted_request_stands_still(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation, received_on=TODAY, verified=False)
    casebook.doubt(installation, request.request_id, by="dpo", reason="two names", now=now())
    found = seen(demo, instance, deadlines.reply_due(TODAY) + timedelta(days=5))
    assert check(found, naming.ANSWERED_IN_TIME).passed


def test_the_most_urgent_stands_first_and_late_ones_are_told_apart_from_near_ones(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    calm = added(installation, Kind.access, received_on=TODAY)
    late = added(installation, Kind.erasure, received_on=TODAY - timedelta(days=60))
    near = added(installation, Kind.objection, received_on=TODAY - timedelta(days=24))
    found = seen(demo, instance, TODAY)
    figures, lines = shown(found)
    assert [line["request"] for line in lines] == [r.request_id[:12] for r in (late, near, calm)]
    assert (figures["open"], figures["late"], figures["due_in_10_days"]) == (3, 1, 1)
    result = check(found, naming.ANSWERED_IN_TIME)
    assert result.severity is ERROR
    assert result.description is not None
    assert late.request_id[:12] in result.description
    assert calm.request_id[:12] not in result.description


def test_a_failure_is_red_until_it_is_retried(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation)
    assert check(seen(demo, instance, TODAY), naming.NONE_HAS_FAILED).passed
    casebook.fail(installation, request.request_id, "crm: out of reach", now())
    failed = check(seen(demo, instance, TODAY), naming.NONE_HAS_FAILED)
    assert (failed.passed, failed.severity) == (False, ERROR)
    assert failed.description == f"{request.request_id[:12]}: crm: out of reach"
    casebook.retry(installation, request.request_id, by="dpo", reason="mended", now=now())
    assert check(seen(demo, instance, TODAY), naming.NONE_HAS_FAILED).passed


def test_an_answered_request_is_shown_until_everybody_is_told(
    demo: Demo, instance: dg.DagsterInstance, installation: Installation
) -> None:
    request = added(installation)
    assert started(demo, instance, run_request(request)).success
    waiting = outbox.unsent(installation, request.request_id)
    assert waiting > 0
    found = seen(demo, instance, TODAY)
    figures, (line,) = shown(found)
    assert (figures["open"], figures["recipients_not_told"]) == (0, 1)
    letter = sending.letter_of(installation, request.request_id)
    assert letter is not None and letter.until is not None
    assert line["state"] == "answered"
    assert line["waits for"] == f"{waiting} recipient(s) to be told; {letter.waits}"
    assert check(found, naming.ANSWERED_IN_TIME).passed
    result = check(found, naming.RECIPIENTS_ARE_TOLD)
    assert (result.passed, result.severity) == (False, WARN)
    assert result.description == f"{request.request_id[:12]}: {waiting} notice(s) to send"
    late = check(seen(demo, instance, TODAY + timedelta(days=60)), naming.RECIPIENTS_ARE_TOLD)
    assert (late.passed, late.severity) == (False, ERROR)
    outbox.mark_all_sent(installation, request.request_id, by="dpo", now=now())
    told = seen(demo, instance, TODAY)
    assert check(told, naming.RECIPIENTS_ARE_TOLD).passed
    result = check(told, naming.LETTERS_ARE_SENT)
    assert (result.passed, result.severity) == (False, WARN)
    assert result.description == f"{request.request_id[:12]}: {letter.waits}"
    assert shown(told)[0]["letters_not_sent"] == 1
    late = check(seen(demo, instance, TODAY + timedelta(days=60)), naming.LETTERS_ARE_SENT)
    assert (late.passed, late.severity) == (False, ERROR)
    assert secrets_in(repr(told).encode()) == []
    casebook.sent(installation, request.request_id, by="dpo", now=now())
    sent = seen(demo, instance, TODAY)
    assert check(sent, naming.LETTERS_ARE_SENT).passed
    assert shown(sent)[1] == []


def opposed(demo: Demo) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of the opposition list, by table."""
    blueprint = read_blueprint(demo.config, {})
    checks = opposition_checks(blueprint)
    defs = dg.Definitions(
        assets=source_assets(blueprint),
        asset_checks=checks,
        resources={RETENTION: retention_resource(demo.config, {})},
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks(*checks))],
    )
    outcome = defs.resolve_job_def("checks").execute_in_process(run_config=run_config(TODAY))
    return {".".join(found.asset_key.path[1:]): found
            for found in outcome.get_asset_check_evaluations()}  # fmt: skip


def test_an_import_that_brings_back_who_objected_is_red(
    demo: Demo, installation: Installation
) -> None:
    assert all(found.passed for found in opposed(demo).values())
    opposition.add(installation, [("email", MAIL), ("phone", PHONE)], as_of=TODAY)
    found = opposed(demo)
    assert set(found) == {"crm.customers", "marketing.prospects"}
    red = found["marketing.prospects"]
    assert (red.passed, red.severity, red.metadata["rows"].value) == (False, ERROR, 1)
    assert red.description is not None
    assert red.description.startswith("1 row(s) of marketing.prospects are up for prospecting")
    assert found["crm.customers"].passed  # never opted in
    demo.sql("marketing.sqlite", f"DELETE FROM prospects WHERE prospect_id = {KEY}")
    assert opposed(demo)["marketing.prospects"].passed
    plant_prospect(demo, KEY + 1)
    again = opposed(demo)["marketing.prospects"]
    assert not again.passed
    assert secrets_in(repr((red, again)).encode()) == []
    (demo.folder / "marketing.sqlite").rename(demo.folder / "away.sqlite")
    away = opposed(demo)["marketing.prospects"]
    assert not away.passed and "marketing" in str(away.description)


def retired(demo: Demo, day: date) -> dict[str, object]:
    defs = dg.Definitions(
        assets=retired_assets(), resources={RETENTION: retention_resource(demo.config, {})},
        jobs=[dg.define_asset_job("retire", dg.AssetSelection.assets(naming.RETIRED))],
    )  # fmt: skip
    outcome = defs.resolve_job_def("retire").execute_in_process(run_config=run_config(day))
    (event,) = outcome.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_files_go_on_the_day_the_policy_says_and_not_in_observe_mode(
    demo: Demo, installation: Installation
) -> None:
    request = added(installation, verified=False)
    casebook.refuse(installation, request.request_id, by="dpo", reason="nobody", now=now())
    refused = casebook.get(installation, request.request_id)
    assert refused.state is State.refused and refused.forget_on is not None
    assert retired(demo, refused.forget_on)["files_forgotten"] == 0
    before = demo.config.read_text()
    demo.config.write_text(before + "mode: observe\n")
    assert "files_forgotten" not in retired(demo, refused.forget_on + timedelta(days=1))
    demo.config.write_text(before)
    assert casebook.listed(installation) == [replace(refused, asked=None)]
    assert retired(demo, refused.forget_on + timedelta(days=1))["files_forgotten"] == 1
    assert casebook.listed(installation) == []


def test_the_daily_run_shows_requests_checks_opposition_and_retires_files(
    demo: Demo, installation: Installation
) -> None:
    opposition.add(installation, [("email", MAIL)], as_of=TODAY)
    late = added(installation, received_on=TODAY - timedelta(days=60))
    result = demo.run(TODAY)
    assert result.success, result.failures
    told = demo.metadata(result.run_id)
    assert told["requests/open"]["late"] == 1
    assert told["requests/retired"]["files_forgotten"] == 0
    assert "requests/carried_out" not in told
    checks = demo.checks(result.run_id)
    assert not checks["requests/open", naming.ANSWERED_IN_TIME].passed  # type: ignore[attr-defined]
    assert not checks["source/marketing/prospects", naming.OPPOSITION_IS_RESPECTED].passed  # type: ignore[attr-defined]
    assert casebook.get(installation, late.request_id).state is State.verified
