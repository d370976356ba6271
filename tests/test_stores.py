"""The five stores: their tables, their transactions, and what is said when they fail."""

from __future__ import annotations

import stat
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, select

from retention.errors import StoreError
from retention.stores import cases, control, keys
from retention.stores.errors import store_errors
from retention.stores.open import (
    _MIGRATIONS,
    STORE_NAMES,
    Stores,
    migrate,
    open_store,
    open_stores,
    reading,
)
from retention.stores.sql import batches, insert_if_absent, upsert
from tests.stores_support import HOLD, NOW, TABLES, settings

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


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
def test_instants_are_read_on_a_server_of_another_style(postgres_url: str, style: str) -> None:
    name = sa.make_url(postgres_url).database
    setting = sa.text(f"ALTER DATABASE {name} SET DateStyle = '{style}'")
    with create_engine(postgres_url).begin() as connection:
        connection.execute(setting)
    try:
        engine = open_store("cases", postgres_url)
        with engine.connect() as connection:
            there = connection.scalar(select(sa.literal(NOW, sa.DateTime(timezone=True))))
        engine.dispose()
    finally:
        with create_engine(postgres_url).begin() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name} RESET DateStyle"))
    assert there == NOW


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


def test_stores_that_are_up_to_date_are_opened_while_another_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in STORE_NAMES}
    stores = Stores(**{name: open_store(name, url) for name, url in urls.items()})
    migrate(stores)
    with stores.control.begin() as writer:
        writer.exec_driver_sql("DELETE FROM control_lease")
        monkeypatch.setattr("retention.stores.open._upgrade", pytest.fail)
        migrate(stores)
    stores.dispose()


@pytest.mark.parametrize("name", STORE_NAMES)
def test_a_revision_is_called_as_its_file_and_the_last_file_is_the_newest(name: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(_MIGRATIONS / "versions" / name))
    scripts = ScriptDirectory.from_config(config)
    found = [script.revision for script in scripts.walk_revisions()]
    files = sorted(path.stem for path in (_MIGRATIONS / "versions" / name).glob("*_*.py"))
    assert found == [file for file in reversed(files) if file != "__init__"]


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
def test_every_sqlite_connection_is_durable_and_patient(
    tmp_path: Path, durable: None, name: str
) -> None:
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
