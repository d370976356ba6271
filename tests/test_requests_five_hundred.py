"""Five hundred persons under no duty are erased, and nothing of them is left in any byte."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from demo.dirt import DIRT
from demo.write import write_demo
from retention.catalogue.model import TableName
from retention.execution.run import begin, new_run_id, run_all
from retention.holds import Person, closure, subject_token
from retention.installation import open_installation
from retention.requests.book import casebook
from retention.requests.doing.carrying_out import carry_out
from retention.requests.doing.persons import archived_of
from retention.requests.model import Asked, Kind, Outcome, State
from retention.requests.proving import rescan
from retention.requests.proving.rescan import Case
from retention.stores import archive, vault
from tests.engine.asking import match
from tests.engine.small import clock

AS_OF = date(2026, 11, 24)
START = datetime(2026, 11, 24, 6, tzinfo=UTC)
PEOPLE, WANTED, ALONE, TOGETHER = 2_700, 500, 6, 38
"""Lives in the demonstration; persons to erase; how many of them one by one; and the others'
number in one request, since each request reads catalogue and tables anew."""

SYSTEMS = ("crm", "marketing", "web")
SUBJECTS = {
    "customers": TableName("crm.customers"),
    "accounts": TableName("web.accounts"),
    "prospects": TableName("marketing.prospects"),
}
IDENTIFYING = (
    "email", "phone", "iban", "username", "billing_address", "billing_name", "holder", "street",
    "visitor_id",
)  # fmt: skip
DIRTY = {archetype.__name__ for _, kinds in DIRT for archetype in kinds}
LONG_AGO = "2015-01-01"
"""Before: no invoice has to be kept any more."""


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


class Erasing:
    """The demonstration after a daily run, and the five hundred."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ticks = clock(START)
        write_demo(folder, people=PEOPLE, as_of=AS_OF)
        self.lives = [json.loads(line) for line in (folder / "lives.jsonl").open()]
        self._relieve([life for life in self.lives if life["archetype"] == "contract_archived"])
        self.installation = open_installation(folder / "retention.yaml", {})
        work = begin(self.installation, AS_OF, today=AS_OF, clock=self.ticks, run_id=new_run_id())
        run_all(work)
        self.groups = list(self._chosen())[:WANTED]

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

    def erase(self, groups: Sequence[tuple[list[Person], list[Person]]]) -> str:
        """One request for all records of ``groups``, from intake to answer."""
        matches = [match(self.installation, person) for inside, _ in groups for person in inside]
        matches += [
            match(self.installation, person, key=False) for _, gone in groups for person in gone
        ]
        request = casebook.add(
            self.installation, Kind.erasure, Asked(customer_ref=f"reference {matches[0].token}"),
            received_on=AS_OF, channel="command line", by="dpo", now=self.ticks(),
        )  # fmt: skip
        number = request.request_id
        casebook.put_subjects(self.installation, number, matches, self.ticks())
        casebook.verify(self.installation, number, by="dpo", how="login", now=self.ticks())
        done = carry_out(self.installation, number, as_of=AS_OF, today=AS_OF, clock=self.ticks)
        assert done.state is State.answered
        return number

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


def identifiers(erasing: Erasing) -> tuple[set[str], set[str]]:
    """What identifies the persons, and what identifies everybody else, in clear."""
    mine, others = set[str](), set[str]()
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
                place = mine if (TableName(table), via) in going else others
                place |= set(_said(row))
    every = erasing.archived_tokens()
    for item in archived_of(erasing.installation, sorted(every)):
        values = {name.removeprefix("owner."): value for name, value in item.values.items()}
        (mine if item.subject_token in tokens else others).update(_said(values))
    theirs = "\n".join(others)  # a street can be called as somebody is
    return {value for value in mine if value not in theirs}, others


def _said(row: Mapping[str, Any]) -> Iterator[str]:
    for name in IDENTIFYING:
        if isinstance(value := row.get(name), str) and len(value) > 7:
            yield value.strip().lower()
    first, last = row.get("first_name"), row.get("last_name")
    if first and last:
        yield f"{first} {last}".lower()


def every_byte(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of the installation. Of a database that deletes, the pages in use."""
    for system in SYSTEMS:
        with closing(sqlite3.connect(folder / f"{system}.sqlite")) as connection:
            connection.execute("VACUUM")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lives.jsonl":
            yield path, path.read_bytes().lower()


@pytest.fixture(scope="module")
def erasing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erasing]:
    made = Erasing(tmp_path_factory.mktemp("five_hundred") / "demo")
    yield made
    made.installation.close()


def test_of_five_hundred_erased_persons_no_byte_is_left(
    erasing: Erasing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    groups = erasing.groups
    assert len(groups) == WANTED
    assert sum(bool(gone) for _, gone in groups) > 20, "some are in the archive"
    mine, others = identifiers(erasing)
    assert len(mine) > WANTED
    before = erasing.rows()
    sought = [
        rescan.gather_sought(erasing.installation, inside, erasing.tokens([(inside, gone)]))
        for inside, gone in groups
    ]
    parts = [[group] for group in groups[:ALONE]]
    parts += [groups[at : at + TOGETHER] for at in range(ALONE, WANTED, TOGETHER)]
    for part in parts:
        number = erasing.erase(part)
        lines = casebook.outcomes(erasing.installation, number)
        assert {line.outcome for line in lines} == {Outcome.deleted}, "they are under no duty"

    after = erasing.rows()
    bystanders_are_as_they_were(before, after)
    gone_are_exactly(erasing, before, after)
    traces = rescan.rescan_many(
        erasing.installation,
        [
            Case(what, [], erasing.tokens([group]))
            for what, group in zip(sought, groups, strict=True)
        ],
    )
    left = [trace for found in traces for trace in found if not trace.explained]
    assert left == []
    hits = {
        (path.relative_to(erasing.folder).as_posix(), value)
        for path, data in [*every_byte(erasing.folder), (erasing.folder / "log", log_of(caplog))]
        for value in found_in(data, mine)
    }
    assert hits == set()
    crm = (erasing.folder / "crm.sqlite").read_bytes().lower()
    assert found_in(crm, others), "the search finds what is there"


def found_in(data: bytes, values: set[str]) -> set[str]:
    return {value for value in values if value.encode() in data}


def log_of(caplog: pytest.LogCaptureFixture) -> bytes:
    return caplog.text.lower().encode()


def bystanders_are_as_they_were(
    before: Mapping[str, Mapping[Any, bytes]], after: Mapping[str, Mapping[Any, bytes]]
) -> None:
    """Nothing has changed or come; only whole rows have gone."""
    for name, rows in after.items():
        assert rows.items() <= before[name].items(), name


def gone_are_exactly(
    erasing: Erasing,
    before: Mapping[str, Mapping[Any, bytes]],
    after: Mapping[str, Mapping[Any, bytes]],
) -> None:
    """The persons' own records are those that went, and no other subject's."""
    mine = {person for inside, _ in erasing.groups for person in inside}
    for table in SUBJECTS.values():
        gone = before[table].keys() - after[table].keys()
        assert gone == {key[0] for name, key in mine if name == table}, table
    tokens = set(erasing.tokens(erasing.groups))
    at = archive.records.c
    with erasing.installation.stores.archive.connect() as connection:
        assert not connection.execute(
            sa.select(at.table_name).where(at.subject_token.in_(tokens))
        ).all()
