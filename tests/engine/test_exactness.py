"""What was archived can be put back exactly; who should stay stays byte for byte; sums add up."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.catalogue.model import TableName
from retention.catalogue.reflection import restoring_insert
from retention.installation import Installation
from tests.engine import tables
from tests.engine.lives import (
    AS_OF,
    CLEARED,
    FRESH,
    LEAVING,
    Rows,
    account,
    customer,
    invoice,
    joined,
    login,
    note,
    order,
    reply,
)
from tests.engine.small import LONG_AFTER, START, Small
from tests.engine.stored import unsealed

CUSTOMERS = "crm.customers"
SYNC = Path("/dev/shm")

POSTGRESQL_COLUMNS = {
    "a_numeric": ("numeric", "12345678901234567890.000123400"),
    "a_nan": ("numeric", "NaN"),
    "a_float": ("double precision", "0.1"),
    "an_infinity": ("double precision", "-Infinity"),
    "a_real": ("real", "3.4028235e+38"),
    "a_bigint": ("bigint", "-9223372036854775808"),
    "a_bool": ("boolean", "true"),
    "an_instant": ("timestamptz", "2020-10-25 02:30:00.123456+01"),
    "a_naive_time": ("timestamp", "2020-03-29 02:30:00.000001"),
    "an_open_instant": ("timestamptz", "infinity"),
    "an_open_day": ("date", "infinity"),
    "an_old_day": ("date", "0044-03-15 BC"),
    "a_time": ("time", "24:00:00"),
    "a_zoned_time": ("timetz", "12:00:00.5+02:30"),
    "an_interval": ("interval", "1 year 2 mons -3 days 04:05:06.789"),
    "some_bytes": ("bytea", "\\x00ff27225c0a"),
    "a_document": ("jsonb", '{"b": [1, 1.50, null], "a": "é"}'),
    "a_plain_document": ("json", '{"b":1,  "b":2}'),
    "an_array": ("text[]", '{a,"b,c",NULL,"NULL","{}"}'),
    "numbers": ("int[]", "[2:3][1:2]={{1,2},{3,4}}"),
    "a_uuid": ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
    "an_address": ("inet", "192.0.2.1/24"),
    "padded": ("char(8)", "ab  "),
    "odd_text": ("text", "e\u0301\u200b\U0001f469\u200d\U0001f4bb\u202e\ufeff'\";--\t\r\n "),
    "empty": ("text", ""),
    "a_range": ("int4range", "[1,5)"),
    "bits": ("bit varying", "1011"),
    "a_sum": ("money", "$12.34"),
    "nothing": ("text", None),
}
SQLITE_VALUES: list[Any] = [
    0,
    -(2**63),
    2**63 - 1,
    0.1,
    -0.0,
    1e308,
    math.inf,
    5e-324,
    1.0,
    "",
    "1",
    "1.0",
    "e\u0301 \u200b\U0001f469\u200d\U0001f4bb \u202e",
    "with\x00nul",
    b"",
    b"\x00\xff'\"",
    b"1",
    None,
]


def put_back(installation: Installation, name: str, values: dict[str, Any]) -> None:
    """Restore one archived row, as it was."""
    table = installation.sources.table(TableName(name))
    with installation.sources.begin(name.partition(".")[0], write=True) as connection:
        connection.execute(restoring_insert(table), values)


def as_text(small: Small, columns: list[str]) -> list[Any]:
    """The notes of customer BARE as the database itself writes them, types included."""
    if small.server:
        texts = ", ".join(f"{column}::text" for column in columns)
        query = f"SELECT {texts}, pg_column_size(crm.notes.*) FROM crm.notes WHERE note_id >= 500"
    else:
        texts = ", ".join(f"typeof({column}), hex(cast({column} AS BLOB))" for column in columns)
        query = f"SELECT {texts}, {', '.join(columns)} FROM notes WHERE note_id >= 500"
    with small.source("crm") as connection:
        return [tuple(row) for row in connection.execute(sa.text(f"{query} ORDER BY note_id"))]


def annotate(small: Small, columns: Iterator[str] | list[str]) -> None:
    declared = small.catalogue["systems"]["crm"]["tables"]["notes"]["columns"]
    for number, column in enumerate(columns):
        identifies = {"category": "user.content.private", "identifies": True}
        declared[column] = {"category": "system.operations"} if number % 2 else identifies
    small.write_documents()


def archive_and_put_back(small: Small) -> None:
    small.run()
    with small.source("crm") as connection:
        at = tables.notes.c.note_id
        assert not connection.execute(sa.select(at).where(at >= 500)).all()
    with small.opened() as installation:
        found = unsealed(installation)
        (owner,) = [
            item["values"]
            for item in found
            if item["table"] == CUSTOMERS and item["values"]["customer_id"] == 500
        ]
        put_back(installation, CUSTOMERS, owner)
        for item in found:
            if item["table"] == "crm.notes" and item["values"]["customer_id"] == 500:
                put_back(installation, "crm.notes", item["values"])


def test_every_type_of_postgresql_comes_back_exactly(server: Small) -> None:
    columns = list(POSTGRESQL_COLUMNS)
    with server.source("crm") as connection:
        for column, (kind, _) in POSTGRESQL_COLUMNS.items():
            connection.execute(sa.text(f"ALTER TABLE crm.notes ADD COLUMN {column} {kind}"))
    annotate(server, columns)
    server.insert(CUSTOMERS, customer(500))
    server.insert("crm.orders", order(500, 500, date(2022, 5, 5)))
    server.insert("crm.notes", note(500, 500, date(2022, 1, 1)))
    with server.source("crm") as connection:
        sets = ", ".join(
            f"{column} = CAST(:{column} AS {kind})"
            for column, (kind, _) in POSTGRESQL_COLUMNS.items()
        )
        values = {column: value for column, (_, value) in POSTGRESQL_COLUMNS.items()}
        connection.execute(sa.text(f"UPDATE crm.notes SET {sets} WHERE note_id = 500"), values)
    before = as_text(server, ["note_id", "customer_id", "written_on", "body", *columns])
    archive_and_put_back(server)
    after = as_text(server, ["note_id", "customer_id", "written_on", "body", *columns])
    assert after == before
    assert len(after) == 1


def test_every_value_in_every_column_of_sqlite_comes_back_exactly(small: Small) -> None:
    columns = [
        "an_integer INTEGER",
        "a_real REAL",
        "a_text TEXT",
        "a_blob BLOB",
        "a_number NUMERIC",
    ]
    names = [column.partition(" ")[0] for column in columns]
    with small.source("crm") as connection:
        for column in columns:
            connection.execute(sa.text(f"ALTER TABLE notes ADD COLUMN {column}"))
    annotate(small, names)
    small.insert(CUSTOMERS, customer(500))
    small.insert("crm.orders", order(500, 500, date(2022, 5, 5)))
    with small.source("crm") as connection:
        for place, value in enumerate(SQLITE_VALUES):
            marks = ", ".join(f":{name}" for name in names)
            connection.execute(
                sa.text(
                    f"INSERT INTO notes (note_id, customer_id, written_on, body, {', '.join(names)})"
                    f" VALUES (:id, 500, '2022-01-01', 'x', {marks})"
                ),
                {"id": 500 + place, **dict.fromkeys(names, value)},
            )
    everything = ["note_id", "customer_id", "written_on", "body", *names]
    before = as_text(small, everything)
    archive_and_put_back(small)
    after = as_text(small, everything)
    assert len(after) == len(SQLITE_VALUES)
    assert repr(after) == repr(before)


def row_hashes(small: Small, name: str) -> set[str]:
    return {
        hashlib.sha256(json.dumps(row, default=str, sort_keys=True).encode()).hexdigest()
        for row in small.rows(name)
    }


STAYING = {
    "crm.customers": lambda row: row["customer_id"] not in {*LEAVING, CLEARED},
    "crm.contracts": lambda row: row["customer_id"] not in LEAVING,
    "crm.orders": lambda row: row["customer_id"] not in LEAVING,
    "crm.notes": lambda row: row["customer_id"] not in LEAVING,
    "crm.replies": lambda row: row["note_id"] == 1,
    "crm.invoices": lambda row: row["invoice_id"] == 1,
    "crm.lines": lambda row: row["invoice_id"] == 1,
    "web.accounts": lambda row: row["account_id"] == 1,
    "web.logins": lambda row: row["account_id"] == 1,
    "web.connections": lambda row: row["connection_id"] == FRESH,
}


def test_bystanders_stay_byte_for_byte(either: Small) -> None:
    before = either.everything()
    either.run()
    after = either.everything()
    for name, stays in STAYING.items():
        expected = [row for row in before[name] if stays(row)]
        assert [row for row in after[name] if stays(row)] == expected, name
        extra = 1 if name in ("crm.customers", "web.connections") else 0
        assert len(after[name]) == len(expected) + extra, f"{name}: nothing else is left"


# --- properties over small random lives ---------------------------------------------------

days = st.integers(min_value=0, max_value=4200).map(lambda ago: AS_OF - timedelta(days=ago))


@st.composite
def lives(draw: st.DrawFn) -> Rows:
    """Up to four customers with whatever they may own."""
    found: list[Rows] = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        collected = draw(days)
        opted = draw(st.sampled_from([None, "yes", "no"]))
        person = customer(number, opted=opted, segment="golf", collected_on=collected)
        rows: Rows = {CUSTOMERS: [person]}
        rows["crm.orders"] = [
            order(10 * number + place, number, day)
            for place, day in enumerate(draw(st.lists(days, max_size=2)))
        ]
        rows["crm.notes"] = [
            note(10 * number + place, number, day)
            for place, day in enumerate(draw(st.lists(days, max_size=2)))
        ]
        rows["crm.replies"] = [
            reply(row["note_id"], 1, draw(st.sampled_from([None, number])))
            for row in rows["crm.notes"]
        ]
        rows["crm.invoices"] = [
            invoice(10 * number + place, number, day)
            for place, day in enumerate(draw(st.lists(days, max_size=2)))
        ]
        if draw(st.booleans()):
            rows["web.accounts"] = [account(number, f"PERSON{number}@example.org", draw(days))]
            rows["web.logins"] = [login(number, number, draw(days))]
        found.append(rows)
    return joined(*found)


@given(lives())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
def test_rows_are_conserved_and_running_twice_equals_running_once(rows: Rows) -> None:
    where = SYNC if SYNC.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        small = Small(Path(folder) / "small", settings={"max_review_share": 1.0}).write().fill(rows)
        before = small.everything()
        small.run()
        once = small.state()
        after = small.everything()
        archived = small.archived()
        disposed = 0
        for name, table in tables.all_tables():
            names = [str(column.name) for column in table.primary_key.columns]

            def keys(found: list[dict[str, Any]], by: list[str] = names) -> list[tuple[Any, ...]]:
                return [tuple(row[key] for key in by) for row in found]

            mine = keys([item["values"] for item in archived if item["table"] == name])
            left, had = set(keys(after[name])), set(keys(before[name]))
            assert len(mine) == len(set(mine)), f"{name}: archived twice"
            assert left <= had
            assert left.isdisjoint(mine), f"{name}: in the source and in the archive"
            assert set(mine) <= had
            disposed += len(had - left - set(mine))
        ledger = once["ledger"]
        counted = {
            transition: sum(
                number
                for (_, kind, what), number in ledger.items()
                if (kind, what) == (transition, "with_dependants")
            )
            for transition in ("archive", "dispose")
        }
        assert counted == {"archive": len(archived), "dispose": disposed}
        small.run(start=START + LONG_AFTER)
        assert small.state() == once
