from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from retention.catalogue.reflection import generated_columns, restoring_insert
from retention.catalogue.sources import Sources
from retention.errors import SourceError
from tests.sources_support import (
    T,
    at,
    postgres_url,
    run_postgres,
    run_sqlite,
    sources_at,
    sqlite_path,
)

SQLITE_ROWS = """
CREATE TABLE t (
  id INTEGER PRIMARY KEY, born DATE, seen TIMESTAMP, price NUMERIC(10,2), flag BOOLEAN,
  note VARCHAR(5), photo BLOB, odd, r REAL, doubled AS (id * 2)
);
INSERT INTO t (id, born, seen, price, flag, note, photo, odd, r) VALUES
  (1, '2020-02-29', '2020-01-01 10:00:00', 1.10, 1, 'far too long', x'00ff', 'text', 1),
  (2, '0000-00-00', 1577836800, '1.100000000000000000001', 'yes', '007', 'text', x'01', 1e300),
  (3, 'not a date', 12.5, '12', NULL, 7, 3.5, 9223372036854775807, '9e999'),
  (4, '', '', '', '', '', '', '', ''),
  (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


def raw_sqlite(path: Path) -> list[tuple[object, ...]]:
    names = ("id", "born", "seen", "price", "flag", "note", "photo", "odd", "r")
    listed = ", ".join(f"typeof({name}), quote({name})" for name in names)
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT {listed} FROM t ORDER BY id").fetchall()
    connection.close()
    return rows


def test_an_sqlite_row_that_is_deleted_and_put_back_is_the_same_to_the_bit(sqlite_path):
    run_sqlite(sqlite_path, SQLITE_ROWS)
    before = raw_sqlite(sqlite_path)
    with at(sqlite_path) as sources:
        move_out_and_back(sources, sqlite_path)
    assert raw_sqlite(sqlite_path) == before


def move_out_and_back(sources: Sources, path: Path | None = None) -> None:
    table = sources.table(T)
    with sources.begin("crm", write=True) as connection:
        rows = [dict(row) for row in connection.execute(table.select()).mappings()]
        connection.execute(table.delete())
    assert rows
    with sources.begin("crm") as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
    stored = [
        {key: value for key, value in row.items() if key not in generated_columns(table)}
        for row in rows
    ]
    with sources.begin("crm", write=True) as connection:
        connection.execute(restoring_insert(table), stored)


def test_sqlite_values_are_those_stored_whatever_type_the_column_declares(sqlite_path):
    run_sqlite(sqlite_path, SQLITE_ROWS)
    with at(sqlite_path) as sources, sources.begin("crm") as connection:
        row = connection.execute(sources.table(T).select().order_by("id").offset(1)).first()
    assert row is not None
    assert tuple(row)[1:9] == (
        "0000-00-00", 1577836800, 1.1, "yes", "007", "text", b"\x01", 1e300,
    )  # fmt: skip


def test_only_the_columns_the_database_computes_are_called_generated(sqlite_path):
    run_sqlite(sqlite_path, SQLITE_ROWS)
    with at(sqlite_path) as sources:
        assert generated_columns(sources.table(T)) == {"doubled"}


POSTGRES_SCHEMA = """
CREATE TYPE mood AS ENUM ('ok', 'not ok');
CREATE DOMAIN day_domain AS date;
CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  d date, ts timestamp, tz timestamptz, tm time, ttz timetz, n numeric(10,2), nn numeric,
  f float8, r real, c char(10), bp bpchar, v varchar(20), x text, b bytea, j json, jb jsonb,
  i interval, u uuid, ip inet, net cidr, arr int[], days date[], m mood, dd day_domain,
  rg tstzrange, co pair, bo boolean, bits bit(5), "Odd Name%" text, big bigint,
  doubled int GENERATED ALWAYS AS (1 + 1) STORED
)
"""


POSTGRES_ROWS = r"""
INSERT INTO t (d, ts, tz, tm, ttz, n, nn, f, r, c, bp, v, x, b, j, jb, i, u, ip, net, arr, days,
  m, dd, rg, co, bo, bits, "Odd Name%", big) VALUES
('infinity', '-infinity', '0044-03-15 BC', '24:00', '10:00+05:30', 1.10,
 '1.1000000000000000000000001', 0.1::float8 + 0.2, 0.1, 'abc', 'abc  ', 'v ', 'é', '\x00ff',
 '{"a" :  1.00, "a":2}', '{"a":1.10, "b":12345678901234567890.123}',
 '1 year 1 mon 3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '192.168.0.1',
 '10.0.0.0/8', '{1,2,NULL}', '{infinity,2020-01-01}', 'not ok', 'infinity',
 '[2020-01-01,infinity)', '(1,"x y")', true, '10101', 'w', 9223372036854775807),
('9999-12-31', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', NULL, NULL, 'NaN',
 'NaN', 'Infinity', 'NaN', '', '', '', '', '', 'null', 'null', '-1 mon', NULL, '::1/64', NULL,
 '{}', '{}', 'ok', '0001-01-01 BC', 'empty', '(,)', false, '00000', '', 0)
"""


def raw_postgres(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        return connection.execute(
            "SELECT id, t::text, octet_length(c), bp || '|', v || '|' FROM t ORDER BY id"
        ).fetchall()


def test_a_postgres_row_that_is_deleted_and_put_back_is_the_same_to_the_character(postgres_url):
    run_postgres(postgres_url, POSTGRES_SCHEMA, POSTGRES_ROWS, "INSERT INTO t DEFAULT VALUES")
    before = raw_postgres(postgres_url)
    with sources_at(postgres_url) as sources:
        move_out_and_back(sources)
    assert len(before) == 3
    assert raw_postgres(postgres_url) == before


def test_a_postgres_row_goes_back_though_its_server_has_other_styles(postgres_url):
    name = sa.make_url(postgres_url).database
    run_postgres(
        postgres_url,
        f"ALTER DATABASE \"{name}\" SET DateStyle = 'SQL, DMY'",
        f"ALTER DATABASE \"{name}\" SET IntervalStyle = 'sql_standard'",
        f'ALTER DATABASE "{name}" SET extra_float_digits = -15',
        f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Tokyo'",
        POSTGRES_SCHEMA,
        POSTGRES_ROWS,
        "ALTER TABLE t ADD exact boolean GENERATED ALWAYS AS (f = 0.1::float8 + 0.2) STORED",
    )
    before = raw_postgres(postgres_url)
    with sources_at(postgres_url) as sources:
        move_out_and_back(sources)
    assert raw_postgres(postgres_url) == before
    run_postgres(postgres_url, "DELETE FROM t WHERE exact")
    assert len(raw_postgres(postgres_url)) == 1


def test_dates_that_python_cannot_hold_come_as_text_and_can_be_compared(postgres_url):
    run_postgres(postgres_url, POSTGRES_SCHEMA, POSTGRES_ROWS)
    with sources_at(postgres_url) as sources, sources.begin("crm") as connection:
        table = sources.table(T)
        row = connection.execute(table.select().order_by(table.c.id)).mappings().first()
        assert row is not None
        assert (row["d"], row["ts"], row["tz"]) == (
            "infinity", "-infinity", "0044-03-15 00:00:00+00 BC",
        )  # fmt: skip
        for name in ("d", "ts", "tz", "dd", "m", "c", "ip", "i", "rg", "jb", "arr"):
            same = sa.select(table.c.id).where(table.c[name] == row[name])
            assert connection.scalars(same).all() == [1], name


def test_a_table_of_a_named_schema_is_found_there(postgres_url):
    run_postgres(
        postgres_url,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.t (id int PRIMARY KEY, only_here text)",
        "CREATE TABLE t (id int PRIMARY KEY)",
    )
    with sources_at(postgres_url, schema="sales") as sources:
        assert "only_here" in sources.table(T).columns


def test_a_foreign_key_to_a_table_that_is_gone_hinders_nothing(sqlite_path):
    run_sqlite(
        sqlite_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, gone_id INTEGER REFERENCES gone (id))",
    )
    with at(sqlite_path) as sources:
        assert [column.name for column in sources.table(T).columns] == ["id", "gone_id"]


def test_a_write_transaction_on_sqlite_holds_the_lock_from_its_first_read(sqlite_path):
    run_sqlite(sqlite_path, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    with at(sqlite_path) as sources, sources.begin("crm", write=True):
        other = sqlite3.connect(sqlite_path, timeout=0.05)
        with pytest.raises(sqlite3.OperationalError):
            other.execute("INSERT INTO t VALUES (2)")
        other.close()


def test_a_reading_transaction_on_sqlite_sees_one_state_and_lets_others_write(sqlite_path):
    run_sqlite(
        sqlite_path,
        "PRAGMA journal_mode=WAL; CREATE TABLE t (id INTEGER PRIMARY KEY);INSERT INTO t VALUES (1)",
    )
    with at(sqlite_path) as sources, sources.begin("crm") as connection:
        count = sa.select(sa.func.count()).select_from(sources.table(T))
        assert connection.scalar(count) == 1
        run_sqlite(sqlite_path, "INSERT INTO t VALUES (2)")
        assert connection.scalar(count) == 1


def test_a_table_made_in_an_sqlite_transaction_is_not_there_after_a_rollback(sqlite_path):
    with at(sqlite_path) as sources:
        connection = sources.engine("crm").connect()
        connection.execute(sa.text("CREATE TABLE made (id INTEGER)"))
        connection.rollback()
        connection.close()
        assert not sa.inspect(sources.engine("crm")).has_table("made")


def test_an_sqlite_writer_waits_for_another(sqlite_path):
    run_sqlite(sqlite_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    other = sqlite3.connect(sqlite_path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        time.sleep(0.3)
        other.execute("COMMIT")

    thread = threading.Thread(target=release)
    thread.start()
    with at(sqlite_path) as sources, sources.begin("crm", write=True) as connection:
        connection.execute(sources.table(T).insert(), {"id": 1})
    thread.join()
    other.close()


def test_sqlite_refuses_a_row_that_points_nowhere(sqlite_path):
    run_sqlite(
        sqlite_path,
        "CREATE TABLE o (id INTEGER PRIMARY KEY);"
        "CREATE TABLE t (id INTEGER PRIMARY KEY, o_id INTEGER REFERENCES o)",
    )
    with (
        at(sqlite_path) as sources,
        pytest.raises(SourceError, match="SQLITE_CONSTRAINT_FOREIGNKEY"),
        sources.begin("crm", write=True) as connection,
    ):
        connection.execute(sources.table(T).insert(), {"id": 1, "o_id": 5})


def test_the_policys_day_function_is_there_on_sqlite(sqlite_path):
    with at(sqlite_path) as sources, sources.begin("crm") as connection:
        day = sa.func.retention_day("2026-06-30T22:30:00Z", "Europe/Paris", 0)
        assert connection.scalar(sa.select(day)) == "2026-07-01"


def test_a_postgres_session_has_the_same_settings_whatever_its_server_says(postgres_url):
    name = sa.make_url(postgres_url).database
    run_postgres(
        postgres_url,
        f"ALTER DATABASE \"{name}\" SET DateStyle = 'SQL, DMY'",
        f"ALTER DATABASE \"{name}\" SET IntervalStyle = 'sql_standard'",
        f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Tokyo'",
    )
    expected = {
        "TimeZone": "UTC",
        "lock_timeout": "30s",
        "application_name": "retention",
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
    }
    with sources_at(postgres_url) as sources, sources.begin("crm") as connection:
        shown = {key: connection.scalar(sa.text(f"SHOW {key}")) for key in expected}
    assert shown == expected


def test_texts_of_a_database_without_an_encoding_are_texts(postgres_server):
    server = postgres_server.render_as_string(hide_password=False)
    name = f"retention_test_{uuid.uuid4().hex[:16]}"
    run_postgres(
        server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
    )
    url = postgres_server.set(drivername="postgresql+psycopg", database=name)
    address = url.render_as_string(hide_password=False)
    try:
        run_postgres(
            f"{address}?client_encoding=utf8",
            "CREATE TABLE t (id int PRIMARY KEY, note text)",
            "INSERT INTO t VALUES (1, 'Zoé')",
        )
        with sources_at(address) as sources:
            move_out_and_back(sources)
            with sources.begin("crm") as connection:
                assert connection.execute(sources.table(T).select()).all() == [(1, "Zoé")]
    finally:
        run_postgres(server, f"DROP DATABASE {name} WITH (FORCE)")
