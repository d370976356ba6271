"""What the tests of requests in Dagster share: a demonstration, a person, dropped files, ticks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.build import build_defs
from pipelines.in_process import prepare_home
from pipelines.jobs import REQUESTS, requests_config
from pipelines.resources import RETENTION, RetentionResource
from retention.catalogue.model import TableName
from retention.holds import subject_token
from retention.installation import Installation, open_installation, opened
from retention.policy.calendar import day_in, zone
from retention.requests.book import casebook
from retention.requests.finding.identity import Match
from retention.requests.model import Asked, Kind, Request
from sensors.requests import BATCH, COUNT, batch_id
from tests.dagster_support import Demo, copied

__all__ = ["copied"]

TODAY = day_in(datetime.now(UTC), zone("Europe/Paris"))
KEY = 990_100
NAME, PHONE, TEXT = "Zoltandemande", "+33799887755", "canary wrote a private remark"
MAIL = f"{NAME.lower()}@canary.mail.example"
SECRETS = (NAME, MAIL, PHONE, TEXT, "canary-file")


def make(folder: Path, people: int = 40) -> Demo:
    """A demonstration of today, and in it a person whom no contract keeps."""
    demo = Demo(folder, people=people, as_of=TODAY)
    demo.config.write_text(demo.config.read_text() + "requests: {inbox_may_verify: true}\n")
    plant(demo)
    return demo


def plant(demo: Demo) -> None:
    lately = (TODAY - timedelta(days=200)).isoformat()
    demo.sql(
        "crm.sqlite",
        "INSERT INTO customers (customer_id, last_name, first_name, email, phone, street,"
        " company, segment, prospecting_opt_in, collected_at, comment) VALUES"
        f" ({KEY}, '{NAME}', '{NAME}', '{MAIL}', '{PHONE}', '1 {NAME} street', '{NAME}', 'gold',"
        f" 0, '{lately} 10:00:00', '{TEXT}')",
        f"INSERT INTO contacts VALUES ({KEY}, {KEY}, '{lately} 10:00:00', 'mail', '{TEXT}')",
    )
    plant_prospect(demo)


def plant_prospect(demo: Demo, key: int = KEY) -> None:
    lately = (TODAY - timedelta(days=200)).isoformat()
    demo.sql(
        "marketing.sqlite",
        "INSERT INTO prospects (prospect_id, last_name, first_name, email, phone, source,"
        f" collected_at) VALUES ({key}, '{NAME}', '{NAME}', '{MAIL}', '{PHONE}', 'fair',"
        f" '{lately} 10:00:00')",
    )


def rows_left(demo: Demo) -> int:
    """Rows of the planted person in the sources."""
    places = (("crm.sqlite", "customers"), ("marketing.sqlite", "prospects"))
    query = "SELECT count(*) FROM {} WHERE last_name = '" + NAME + "'"
    return sum(int(str(demo.one(database, query.format(table)))) for database, table in places)


def drop(demo: Demo, name: str = "canary-file.json", **changes: Any) -> Path:
    """A request file of the planted person, dropped whole."""
    document = {
        "kind": "erasure",
        "received_on": TODAY.isoformat(),
        "family_name": NAME,
        "first_name": NAME,
        "email": MAIL,
        "verified": {"by": "customer area", "how": "logged in"},
        **changes,
    }
    inbox = demo.folder / "inbox"
    inbox.mkdir(exist_ok=True)
    part = inbox / f"{name}.part"
    part.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))
    return part.rename(inbox / name)


def door(demo: Demo, moment: datetime | None = None) -> RetentionResource:
    """The resource, at a moment that the test chooses."""

    class Door(RetentionResource):
        def open(self) -> Installation:
            return open_installation(demo.config, dict(os.environ))

        def now(self) -> datetime:
            return moment or datetime.now(UTC)

    return Door()


@contextmanager
def instance_of(demo: Demo) -> Iterator[dg.DagsterInstance]:
    prepare_home(demo.home)
    with demo.instance() as instance:
        yield instance


def tick(
    demo: Demo,
    instance: dg.DagsterInstance,
    name: str,
    *,
    cursor: str | None = None,
    moment: datetime | None = None,
) -> Any:
    """One evaluation of a sensor."""
    at = door(demo, moment)
    defs = build_defs(demo.config, {RETENTION: at})
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={RETENTION: at}
    ) as context:
        return defs.resolve_sensor_def(name).evaluate_tick(context)


def started(demo: Demo, instance: dg.DagsterInstance, request: dg.RunRequest) -> Any:
    """The run that a sensor asked for, in this process, as the daemon would start it."""
    return (
        build_defs(demo.config)
        .resolve_job_def(REQUESTS)
        .execute_in_process(
            instance=instance,
            run_config=dict(request.run_config),
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            raise_on_error=False,
        )
    )


def left_in(
    demo: Demo, instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """A run that a sensor asked for, as it is in ``status`` without having done anything."""
    return instance.create_run_for_job(
        build_defs(demo.config).resolve_job_def(REQUESTS),
        run_config=dict(request.run_config),
        tags={**request.tags, "dagster/run_key": str(request.run_key)},
        status=status,
    )


def added(
    installation: Installation,
    kind: Kind = Kind.erasure,
    *,
    received_on: date = TODAY,
    now: datetime | None = None,
    email: str = MAIL,
    verified: bool = True,
) -> Request:
    """A request of the planted person, without looking anybody up."""
    now = now or datetime.now(UTC)
    request = casebook.add(
        installation, kind, Asked(email=email), received_on=received_on,
        channel="command line", by="dpo", now=now,
    )  # fmt: skip
    persons = [(TableName(name), (KEY,)) for name in ("crm.customers", "marketing.prospects")]
    matches = [
        Match(*person, subject_token(installation.keyring, *person), "customer_ref", exact=True)
        for person in persons
    ]
    casebook.put_subjects(installation, request.request_id, matches, now)
    if not verified:
        return casebook.get(installation, request.request_id)
    return casebook.verify(installation, request.request_id, by="dpo", how="identity card", now=now)


def requests_of(demo: Demo) -> list[Request]:
    with opened(demo.config, dict(os.environ)) as installation:
        return casebook.listed(installation)


def run_request(*requests: Request) -> dg.RunRequest:
    """As the sensor makes it."""
    attempts = [(request.request_id, request.attempt) for request in requests]
    return dg.RunRequest(
        run_key=f"requests-{batch_id(attempts)}",
        run_config=requests_config(attempts),
        tags={BATCH: batch_id(attempts), COUNT: str(len(attempts))},
    )


def rows_of(metadata: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [dict(record.data) for record in metadata[name].records]


def came_of(outcome: dg.ExecuteInProcessResult) -> list[str]:
    """What the run says of each of its requests."""
    return [str(row["what came of it"]) for row in rows_of(told(outcome), "requests")]


def told(outcome: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = outcome.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def bytes_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def secrets_in(content: bytes) -> list[str]:
    """Which of the person's values stand in ``content``, in any usual form."""
    return [
        secret
        for secret in SECRETS
        if any(
            form.encode(code) in content
            for form in (secret, secret.lower(), secret.upper())
            for code in ("utf-8", "utf-16-le")
        )
    ]


@pytest.fixture
def demo(pristine: Demo, tmp_path: Path) -> Demo:
    return copied(pristine, tmp_path / "demo")


@pytest.fixture
def instance(demo: Demo) -> Iterator[dg.DagsterInstance]:
    with instance_of(demo) as found:
        yield found


@pytest.fixture
def installation(demo: Demo) -> Iterator[Installation]:
    with opened(demo.config, dict(os.environ)) as found:
        yield found


def now() -> datetime:
    return datetime.now(UTC)
