"""The demonstration, and in it five hundred persons under no duty whom Dagster's runs erase."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from demo.dirt import DIRT
from demo.write import write_demo
from pipelines.build import build_defs
from pipelines.in_process import prepare_home
from pipelines.jobs import DAILY, REQUESTS, run_config
from pipelines.launch import run_statistics
from pipelines.resources import RETENTION, RetentionResource
from retention.catalogue.model import TableName
from retention.holds import Person, closure, subject_token
from retention.installation import Installation, open_installation
from retention.requests.book import casebook
from retention.requests.doing.persons import archived_of
from retention.requests.model import Asked, Kind, RequestId
from retention.stores import archive, vault
from tests.dagster_support import AS_OF, SYSTEMS
from tests.engine.asking import match
from tests.engine.small import clock
from tests.traces_support import Sought, Value, forms_of

NEXT_MONTH = date(2026, 12, 24)
START = datetime(2026, 11, 24, 6, tzinfo=UTC)
PEOPLE, WANTED, ALONE, TOGETHER = 2_700, 500, 6, 38
"""Lives in the demonstration; persons to erase; how many of them one by one; and the others'
number in one request, since each request reads catalogue and tables anew."""

SUBJECTS = {
    "customers": TableName("crm.customers"),
    "accounts": TableName("web.accounts"),
    "prospects": TableName("marketing.prospects"),
}
IDENTIFYING = {
    "email": "email", "phone": "phone", "iban": "iban", "username": "username",
    "billing_address": "address", "billing_name": "holder", "holder": "holder",
    "street": "address", "visitor_id": "visitor", "account_id": "account",
    "display_name": "holder",
}  # fmt: skip
"""From a column to the kind of identifier in it."""
DIRTY = {archetype.__name__ for _, kinds in DIRT for archetype in kinds}
LONG_AGO = "2015-01-01"
"""Before: no invoice has to be kept any more."""

Group = tuple[list[Person], list[Person]]
"""Of a person: the records in the sources, and those that only the archive has."""


def under_no_duty(life: Mapping[str, Any]) -> bool:
    """No contract in force, no invoice to be kept, no bank details that can be disputed."""
    if life["archetype"] in DIRTY:
        return False
    for customer in life["customers"]:
        ends = [contract["end"] for contract in customer["contracts"]]
        invoices = [invoice["when"] for invoice in customer["invoices"]]
        if customer["bank"] or any(end is None or end >= AS_OF.isoformat() for end in ends):
            return False
        if any(when is None or when >= LONG_AGO for when in invoices):
            return False
    return any(life[kind] for kind in SUBJECTS)


def persons_of(life: Mapping[str, Any]) -> list[Person]:
    return [(table, (row["key"],)) for kind, table in SUBJECTS.items() for row in life[kind]]


class Log(logging.Handler):
    """All that this process logs, at whatever level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.exc_text or ''} {record.__dict__!r}")


class Erasing:
    """The demonstration after a daily run and a release, and the five hundred."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.log = log
        self.folder, self.config = folder, folder / "retention.yaml"
        self.home = folder / "dagster"
        self.ticks = clock(START)
        write_demo(folder, people=PEOPLE, as_of=AS_OF)
        self.lives = [json.loads(line) for line in (folder / "lives.jsonl").open()]
        self._relieve([life for life in self.lives if life["archetype"] == "contract_archived"])
        self.installation = open_installation(self.config, {})
        self.door = self._door()
        self.defs = build_defs(self.config, {RETENTION: self.door}, environment={})
        prepare_home(self.home)
        self.instance = dg.DagsterInstance.from_config(str(self.home))
        self.answered: list[str] = []
        self.ran(DAILY, run_config=run_config(AS_OF))
        self.groups = list(self._chosen())[:WANTED]

    def _door(self) -> RetentionResource:
        config, ticks = self.config, self.ticks

        class Door(RetentionResource):
            def open(self) -> Installation:
                return open_installation(config, {})

            def now(self) -> datetime:
                return ticks()

        return Door()

    def close(self) -> None:
        self.instance.dispose()
        self.door.close()
        self.installation.close()

    # --- what Dagster does -------------------------------------------------------------

    def ran(self, job: str, **more: Any) -> dg.ExecuteInProcessResult:
        outcome = self.defs.resolve_job_def(job).execute_in_process(instance=self.instance, **more)
        assert outcome.success
        return outcome

    def release(self, as_of: date) -> None:
        result = run_statistics(self.config, {}, as_of=as_of)
        assert result.published, result.failures

    def carry_out(self) -> list[str]:
        """What verified requests the sensor finds, by the runs it asks for; returns run ids."""
        runs: list[str] = []
        while asked := self._tick():
            for request in asked:
                outcome = self.ran(
                    REQUESTS,
                    run_config=dict(request.run_config),
                    tags={**request.tags, "dagster/run_key": str(request.run_key)},
                )
                runs.append(outcome.run_id)
        return runs

    def _tick(self) -> Sequence[dg.RunRequest]:
        """One evaluation of the sensor, kept as the daemon keeps it."""
        name = "verified_requests"
        with dg.build_sensor_context(
            instance=self.instance, resources={RETENTION: self.door}
        ) as context:
            found = self.defs.resolve_sensor_def(name).evaluate_tick(context)
        asked = found.run_requests or []
        self.instance.create_tick(
            TickData(
                instigator_origin_id=name,
                instigator_name=name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SUCCESS if asked else TickStatus.SKIPPED,
                timestamp=self.ticks().timestamp(),
                run_ids=[],
                run_keys=[str(request.run_key) for request in asked],
                skip_reason=found.skip_message,
                cursor=found.cursor,
                selector_id=name,
            )
        )
        return asked

    def _relieve(self, lives: Sequence[dict[str, Any]]) -> None:
        """Take from some, whom the daily run archives, what obliges to keep them there."""
        keys = [(customer["key"],) for life in lives for customer in life["customers"]]
        theirs = "customer_id = ?"
        lines = f"DELETE FROM invoice_lines WHERE invoice_id IN (SELECT invoice_id FROM invoices WHERE {theirs})"
        with closing(sqlite3.connect(self.folder / "crm.sqlite")) as connection, connection:
            connection.executemany(lines, keys)
            connection.executemany(f"DELETE FROM invoices WHERE {theirs}", keys)
            connection.executemany(f"DELETE FROM bank_details WHERE {theirs}", keys)
        for life in lives:
            for customer in life["customers"]:
                customer |= {"invoices": [], "bank": []}

    def _chosen(self) -> Iterator[tuple[list[Person], list[Person]]]:
        """By person: the records in the sources, and those that only the archive has."""
        there = {table: self._keys(table) for table in SUBJECTS.values()}
        archived = self.archived_tokens()
        for life in self.lives:
            if not under_no_duty(life):
                continue
            every = persons_of(life)
            inside = [person for person in every if person[1][0] in there[person[0]]]
            # Who is linked to somebody else's record is not one of those that simply go.
            if not set().union(*(closure(self.installation, one) for one in inside)) <= set(every):
                continue
            gone = [
                person
                for person in every
                if person not in inside and self.token(person) in archived
            ]
            if inside or gone:
                yield inside, gone

    def token(self, person: Person) -> str:
        return subject_token(self.installation.keyring, *person)

    def _keys(self, table: TableName) -> set[Any]:
        sql = self.installation.sources.table(table)
        key = sql.c[self.installation.catalogue.table(table).key[0]]
        with self.installation.sources.begin(table.partition(".")[0]) as connection:
            return set(connection.execute(sa.select(key)).scalars())

    def archived_tokens(self) -> set[str]:
        at = archive.units.c
        statement = sa.select(at.subject_token).where(at.destroyed_on.is_(None))
        with self.installation.stores.archive.connect() as connection:
            return set(connection.execute(statement).scalars())

    def tokens(self, groups: Iterable[tuple[list[Person], list[Person]]]) -> list[str]:
        return [self.token(person) for inside, gone in groups for person in (*inside, *gone)]

    def ask(self, kind: Kind, groups: Sequence[Group]) -> RequestId:
        """One verified request for all records of ``groups``, said as a person says who they are."""
        matches = [match(self.installation, person) for inside, _ in groups for person in inside]
        matches += [
            match(self.installation, person, key=False) for _, gone in groups for person in gone
        ]
        request = casebook.add(
            self.installation, kind, self._said(groups, matches[0].token),
            received_on=AS_OF, channel="command line", by="dpo", now=self.ticks(),
        )  # fmt: skip
        number = request.request_id
        casebook.put_subjects(self.installation, number, matches, self.ticks())
        casebook.verify(self.installation, number, by="dpo", how="login", now=self.ticks())
        return number

    def _said(self, groups: Sequence[Group], token: str) -> Asked:
        """Of several persons nothing is said: what one says of themselves is not the others'."""
        for table, key in groups[0][0] if len(groups) == 1 else ():
            sql = self.installation.sources.table(table)
            declared = self.installation.catalogue.table(table)
            statement = sa.select(*sql.columns).where(sql.c[declared.key[0]] == key[0])
            with self.installation.sources.begin(table.partition(".")[0]) as connection:
                row = dict(connection.execute(statement).mappings().one())
            if row.get("last_name") and row.get("email"):
                return Asked(
                    family_name=row["last_name"], first_name=row["first_name"],
                    email=row["email"].strip().lower(), address=row.get("street"),
                    customer_ref=str(key[0]), message="Please forget me.",
                )  # fmt: skip
        return Asked(customer_ref=f"reference {token}")

    def rows(self) -> dict[str, dict[Any, bytes]]:
        """Every row of the sources, of archive and vault, by table and key, as bytes."""
        found: dict[str, dict[Any, bytes]] = {}
        for system in SYSTEMS:
            with closing(sqlite3.connect(self.folder / f"{system}.sqlite")) as connection:
                names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                for (name,) in names.fetchall():
                    rows = connection.execute(f"SELECT * FROM {name}").fetchall()
                    found[f"{system}.{name}"] = {row[0]: repr(row).encode() for row in rows}
        for store, table in (("archive", archive.records), ("vault", vault.records)):
            with getattr(self.installation.stores, store).connect() as connection:
                found[store] = {
                    (row.record_token, row.incarnation, row.unit_id): repr(tuple(row)).encode()
                    for row in connection.execute(sa.select(table))
                }
        return found


def sought_in(erasing: Erasing) -> tuple[Sought, Sought]:
    """What identifies the persons and nobody else, and what identifies others, in every form."""
    mine, others, words = set[Value](), set[Value](), list[str]()
    going = {person for inside, _ in erasing.groups for person in inside}
    tokens = set(erasing.tokens(erasing.groups))
    for name, declared in erasing.installation.catalogue.tables():
        sql = erasing.installation.sources.table(name)
        with erasing.installation.sources.begin(name.partition(".")[0]) as connection:
            for row in connection.execute(sa.select(*sql.columns)).mappings():
                key = tuple(row[part] for part in declared.key)
                owner = declared.owner
                via = tuple(row[part] for part in owner.via) if owner else key
                table = f"{name.partition('.')[0]}.{owner.table}" if owner else name
                if (TableName(table), via) in going:
                    mine |= set(_said(row))
                else:
                    others |= set(_said(row))
                    words += _written(row)
    every = erasing.archived_tokens()
    for item in archived_of(erasing.installation, sorted(every)):
        values = {name.removeprefix("owner."): value for name, value in item.values.items()}
        if item.subject_token in tokens:
            mine |= set(_said(values))
        else:
            others |= set(_said(values))
            words += _written(values)
    forms = Sought(forms_of(mine))
    # A street can be called as somebody is, and two persons have one name.
    shared = (
        forms.forms_in("\n".join(words).encode()) | forms.forms.keys() & forms_of(others).keys()
    )
    return forms.without(shared), Sought(forms_of(others))


def _said(row: Mapping[str, Any]) -> Iterator[Value]:
    for column, kind in IDENTIFYING.items():
        if isinstance(value := row.get(column), str) and len(value.strip()) > 7:
            yield kind, value.strip()
    first, last = row.get("first_name"), row.get("last_name")
    if first and last:
        yield "name", f"{first}\t{last}"
    if isinstance(number := row.get("customer_id"), int):
        yield "customer_id", str(number)


def _written(row: Mapping[str, Any]) -> list[str]:
    """The row's texts, each by itself and all without a gap, as they lie in a database's page."""
    texts = [value for value in row.values() if isinstance(value, str)]
    return [*texts, "".join(texts)]
