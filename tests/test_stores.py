"""The five stores: their tables, their transactions, and what is said when they fail."""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, select

from retention.errors import ConfigurationError, StoreError
from retention.execution.counting import cell_of
from retention.settings import Settings, read_settings
from retention.stores import archive, cases, control, keys, vault
from retention.stores.errors import store_errors
from retention.stores.open import (
    STORE_NAMES,
    Stores,
    migrate,
    open_store,
    open_stores,
    reading,
)
from retention.stores.sql import batches, insert_if_absent, upsert

NOW = datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC)
TABLES = {
    "control": control.metadata,
    "cases": cases.metadata,
    "archive": archive.metadata,
    "vault": vault.metadata,
    "keys": keys.metadata,
}
HOLD = {
    "table_name": "crm.customers",
    "key": '["Canari"]',
    "kind": "legal_hold",
    "reason": "a lawsuit",
    "placed_at": NOW,
    "placed_by": "dpo",
}


def settings(folder: Path, environment: dict[str, str] | None = None, **urls: str) -> Settings:
    lines = [
        f"  {name}: {{url: {urls.get(name, f'sqlite:///var/{name}.db')!r}}}" for name in TABLES
    ]
    path = folder / "retention.yaml"
    path.write_text(
        "policy: p.yaml\ncatalogue: c.yaml\nmaster_key: {env: KEY}\nstores:\n" + "\n".join(lines)
    )
    return read_settings(path, environment or {})


together: list[Any] = []
"""In a process of the test of concurrent migration: the barrier all of them wait at."""


def migrate_together(url: str) -> None:
    for barrier in together:
        barrier.wait()
    migrate_url(url)


def migrate_url(url: str) -> None:
    stores = Stores(**{name: open_store(name, url) for name in TABLES})
    migrate(stores)
    stores.dispose()


@pytest.mark.parametrize("name", STORE_NAMES)
def test_the_migrations_end_in_the_tables_that_the_code_declares(
    own_stores: Stores, name: str
) -> None:
    def of_this_store(object_name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or str(object_name) in TABLES[name].tables

    engine: Engine = getattr(own_stores, name)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": of_this_store, "compare_server_default": True}
        )
        assert compare_metadata(context, TABLES[name]) == []
        declared = set(TABLES[name].tables)
        assert declared <= set(inspect(connection).get_table_names())
        assert all(table.startswith(f"{name}_") for table in declared)
        for table in TABLES[name].sorted_tables:
            found = {
                check["name"] for check in inspect(connection).get_check_constraints(table.name)
            }
            wanted = {
                check.name for check in table.constraints if isinstance(check, sa.CheckConstraint)
            }
            assert wanted <= found


def test_migrating_again_changes_nothing(own_stores: Stores) -> None:
    with own_stores.cases.begin() as connection:
        connection.execute(cases.holds.insert().values(hold_id="h", **HOLD))
    migrate(own_stores)
    with own_stores.cases.connect() as connection:
        assert connection.execute(select(cases.holds.c.hold_id)).scalars().all() == ["h"]


def test_all_five_stores_may_share_one_file(tmp_path: Path) -> None:
    migrate_url(f"sqlite:///{tmp_path}/one.db")
    migrate_url(f"sqlite:///{tmp_path}/one.db")
    found = set(inspect(create_engine(f"sqlite:///{tmp_path}/one.db")).get_table_names())
    versions = {f"{name}_alembic_version" for name in STORE_NAMES}
    assert found == versions.union(*(metadata.tables for metadata in TABLES.values()))


def test_processes_that_migrate_at_the_same_time_do_not_disturb_each_other(
    tmp_path: Path, postgres_url: str
) -> None:
    context = get_context("spawn")
    barrier = context.Barrier(3, timeout=60)
    urls = [f"sqlite:///{tmp_path}/{number}.db" for number in range(4)] + [postgres_url]
    with ProcessPoolExecutor(
        3, mp_context=context, initializer=together.append, initargs=(barrier,)
    ) as pool:
        for url in urls:
            list(pool.map(migrate_together, [url] * 3))
    for url in urls:
        engine = create_engine(url)
        assert inspect(engine).has_table("vault_records")
        engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE cases_review (x)")
    with pytest.raises(StoreError, match="store 'cases'"):
        migrate_url(url)
    found = inspect(create_engine(url))
    assert found.has_table("control_runs")
    assert not found.has_table("cases_holds")
    assert not found.has_table("cases_alembic_version")


def test_a_store_of_a_newer_release_is_left_alone(own_stores: Stores) -> None:
    with own_stores.vault.begin() as connection:
        connection.exec_driver_sql("UPDATE vault_alembic_version SET version_num = 'vault_9999'")
    with pytest.raises(StoreError, match="store 'vault': its tables are of a newer release"):
        migrate(own_stores)


def test_relative_files_are_made_beside_the_settings_for_their_owner_only(tmp_path: Path) -> None:
    stores = open_stores(settings(tmp_path))
    migrate(stores)
    with stores.keys.begin() as connection:
        connection.execute(keys.units.insert().values(unit_id="u", wrapped=b"x"))
        for path in (tmp_path / "var").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    stores.dispose()
    assert {path.name for path in (tmp_path / "var").glob("*.db")} == {
        f"{name}.db" for name in STORE_NAMES
    }


@pytest.mark.parametrize("name", STORE_NAMES)
def test_every_sqlite_connection_is_durable_and_patient(tmp_path: Path, name: str) -> None:
    engine = open_store(name, f"sqlite:///{tmp_path}/{name}.db")
    with engine.connect() as connection:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_a_transaction_that_fails_leaves_no_row_and_no_table(own_stores: Stores) -> None:
    def work() -> None:
        with own_stores.cases.begin() as connection:
            connection.execute(cases.holds.insert().values(hold_id="h", **HOLD))
            connection.exec_driver_sql("CREATE TABLE cases_extra (x INTEGER)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with own_stores.cases.connect() as connection:
        assert connection.execute(select(cases.holds)).all() == []
        assert not inspect(connection).has_table("cases_extra")


def test_a_savepoint_can_be_rolled_back_alone(own_stores: Stores) -> None:
    with own_stores.cases.begin() as connection:
        connection.execute(cases.holds.insert().values(hold_id="kept", **HOLD))
        inner = connection.begin_nested()
        connection.execute(cases.holds.insert().values(hold_id="dropped", **HOLD))
        inner.rollback()
    with own_stores.cases.connect() as connection:
        assert connection.execute(select(cases.holds.c.hold_id)).scalars().all() == ["kept"]


def test_two_that_read_and_then_write_wait_for_each_other(tmp_path: Path) -> None:
    engine = open_store("control", f"sqlite:///{tmp_path}/c.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")

    def count() -> None:
        for _ in range(25):
            with engine.begin() as connection:
                n = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
                connection.exec_driver_sql("UPDATE counter SET n = ?", (n + 1,))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar_one() == 100


def test_reading_neither_waits_for_a_writer_nor_keeps_one_out(own_stores: Stores) -> None:
    started = time.monotonic()
    with own_stores.cases.begin() as writer:
        writer.execute(cases.holds.insert().values(hold_id="h", **HOLD))
        with reading(own_stores.cases) as reader:
            assert reader.execute(select(cases.holds)).all() == []
    with reading(own_stores.cases) as reader:
        assert len(reader.execute(select(cases.holds)).all()) == 1
        with own_stores.cases.begin() as writer:
            writer.execute(cases.holds.insert().values(hold_id="i", **HOLD))
        assert time.monotonic() - started < 10


def test_instants_come_back_aware_in_utc_to_the_microsecond(own_stores: Stores) -> None:
    abroad = NOW.astimezone(timezone(timedelta(hours=-5)))
    with own_stores.cases.begin() as connection:
        connection.execute(
            cases.holds.insert().values(hold_id="h", **{**HOLD, "placed_at": abroad})
        )
        found = connection.execute(select(cases.holds.c.placed_at)).scalar_one()
        assert found == NOW
        assert found.utcoffset() == timedelta(0)
        later = select(cases.holds).where(cases.holds.c.placed_at > NOW - timedelta(minutes=1))
        assert len(connection.execute(later).all()) == 1


def test_an_instant_without_a_zone_is_refused(own_stores: Stores) -> None:
    row = {**HOLD, "placed_at": NOW.replace(tzinfo=None)}
    with (
        pytest.raises(sa.exc.StatementError, match="without a zone"),
        own_stores.cases.begin() as connection,
    ):
        connection.execute(cases.holds.insert().values(hold_id="h", **row))


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (cases.holds, {"hold_id": "h", **HOLD, "kind": "whim"}),
        (
            control.runs,
            {
                "run_id": "r",
                "as_of": date(2026, 1, 1),
                "plan_digest": "d",
                "mode": "execute",
                "status": "perhaps",
                "policy_digest": "d",
                "catalogue_digest": "d",
                "started_at": NOW,
            },
        ),
    ],
    ids=["hold", "run"],
)
def test_a_word_that_is_not_in_the_list_is_refused(
    own_stores: Stores, table: sa.Table, row: dict[str, Any]
) -> None:
    engine = own_stores.cases if table is cases.holds else own_stores.control
    with (
        pytest.raises(StoreError, match="breaks one of its constraints"),
        store_errors("x"),
        engine.begin() as connection,
    ):
        connection.execute(table.insert().values(row))


def test_upsert_inserts_updates_or_leaves(own_stores: Stores) -> None:
    accumulators = control.accumulators

    def cell(name: str, rows: int) -> dict[str, Any]:
        return {"table_name": "t", "name": "n", "cell": name, "rows": rows, "sums": {"a": rows}}

    place = ["table_name", "name", "cell"]
    with own_stores.control.begin() as connection:
        upsert(connection, accumulators, [], place, ["rows"])
        upsert(connection, accumulators, [cell("x", 1), cell("y", 1)], place, [])
        upsert(connection, accumulators, [cell("x", 2)], place, [])
        upsert(connection, accumulators, [cell("y", 3), cell("z", 3)], place, ["rows"])
        assert insert_if_absent(connection, accumulators, cell("new", 1), place)
        assert not insert_if_absent(connection, accumulators, cell("new", 2), place)
        found = connection.execute(
            select(accumulators.c.cell, accumulators.c.rows, accumulators.c.sums).order_by("cell")
        ).all()
    assert [tuple(row) for row in found] == [
        ("new", 1, {"a": 1}),
        ("x", 1, {"a": 1}),
        ("y", 3, {"a": 1}),
        ("z", 3, {"a": 3}),
    ]


def test_batches_hold_everything_once_and_in_order() -> None:
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []


def failure(name: str, work: Any) -> str:
    """The one line said when ``work`` fails, and proof that nothing else is said with it."""
    with pytest.raises(StoreError) as caught, store_errors(name):
        work()
    said = str(caught.value)
    assert said.startswith(f"store '{name}': ")
    assert "\n" not in said
    shown = "".join(traceback.format_exception(caught.value))
    for secret in ("sekret", "Canari"):
        assert secret not in said
        assert secret not in shown.replace(repr(HOLD), "")
    return said


def connect(engine: Engine, statement: str = "SELECT 1") -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.postgres
def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    engine = open_store("vault", "postgresql://someone:sekret@127.0.0.1:9/x?connect_timeout=2")
    assert failure("vault", lambda: connect(engine)) == (
        "store 'vault': the server cannot be reached"
    )


def test_a_database_that_is_not_there_is_said(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(database="nowhere")
    engine = open_store("vault", url.render_as_string(hide_password=False))
    assert "there is no such database" in failure("vault", lambda: connect(engine))


def test_a_user_without_rights_is_said(postgres_url: str) -> None:
    engine = open_store("keys", postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE keys_private (x INTEGER)")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA public TO pg_monitor")

    def work() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL ROLE pg_monitor")
            connection.exec_driver_sql("SELECT * FROM keys_private")

    assert "lacks a right" in failure("keys", work)
    engine.dispose()


def test_a_read_only_server_is_said(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).update_query_dict(
        {"options": "-c default_transaction_read_only=on"}
    )
    engine = open_store("cases", url.render_as_string(hide_password=False))
    assert "read-only" in failure("cases", lambda: connect(engine, "CREATE TABLE x (y INTEGER)"))
    engine.dispose()


def test_a_read_only_file_is_said(tmp_path: Path) -> None:
    engine = open_store("cases", f"sqlite:///{tmp_path}/c.db")

    def work() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("CREATE TABLE x (y INTEGER)")

    assert "read-only" in failure("cases", work)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    engine = open_store("archive", f"sqlite:///{tmp_path}/a.db")
    connect(engine, "CREATE TABLE x (y BLOB)")

    def work() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 3")
            connection.exec_driver_sql("INSERT INTO x VALUES (zeroblob(100000))")

    assert "disk is full" in failure("archive", work)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"Zoe Canari" * 1000)
    engine = open_store("archive", f"sqlite:///{tmp_path}/a.db")
    assert "not a SQLite database" in failure("archive", lambda: connect(engine))


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(StoreError, match=r"store 'control': (file exists|not a directory)"):
        open_stores(settings(tmp_path))


def test_a_file_locked_by_another_process_is_said(tmp_path: Path) -> None:
    engine = open_store("archive", f"sqlite:///{tmp_path}/a.db")
    connect(engine)
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def work() -> None:
        with engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            raw.cursor().execute("PRAGMA busy_timeout = 50")
            connection.exec_driver_sql("SELECT 1")

    assert "another process has locked it" in failure("archive", work)
    other.close()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_store_that_was_never_migrated_says_what_to_do(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/c.db"
    if backend == "postgresql":
        url = request.getfixturevalue("postgres_url")
    engine = open_store("control", url)
    said = failure("control", lambda: connect(engine, "SELECT * FROM control_nothing"))
    assert "must be migrated first" in said
    engine.dispose()


def test_a_row_that_is_there_already_is_not_quoted(own_stores: Stores) -> None:
    row = {
        "case_id": "1",
        "table_name": "Canari",
        "record_token": "r",
        "key": "k",
        "reason": "r",
        "purposes": [],
        "first_seen": date(2026, 1, 1),
        "last_seen": date(2026, 1, 1),
    }

    def work() -> None:
        with own_stores.cases.begin() as connection:
            for case_id in ("1", "2"):
                connection.execute(cases.review.insert().values({**row, "case_id": case_id}))

    assert "breaks one of its constraints" in failure("cases", work)


def test_other_errors_pass_through_unchanged() -> None:
    for error in (StoreError("mine"), KeyError("k"), ConfigurationError("c")):
        with pytest.raises(type(error)) as caught, store_errors("x"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("url", ["mysql://u:sekret@h/d", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_cannot_hold_a_store_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"stores\.vault: ") as caught:
        open_stores(settings(tmp_path, vault=url))
    assert "sekret" not in str(caught.value)


def test_no_engine_shows_parameters_or_passwords(own_stores: Stores) -> None:
    for name in STORE_NAMES:
        assert getattr(own_stores, name).hide_parameters
    assert "sekret" not in repr(open_store("keys", "postgresql://u:sekret@h/d"))


def test_a_cell_that_does_not_fit_its_column_goes_by_its_digest() -> None:
    found = cell_of(["x" * 600])
    assert len(found) <= control.accumulators.c.cell.type.length
    assert cell_of(["x" * 601]) != found
