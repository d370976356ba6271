"""What goes wrong with a store is said in one line, and nobody's data with it."""

from __future__ import annotations

import sqlite3
import traceback
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from retention.errors import ConfigurationError, StoreError
from retention.execution.counting import cell_of
from retention.stores import cases, control
from retention.stores.errors import store_errors
from retention.stores.open import (
    STORE_NAMES,
    Stores,
    open_store,
    open_stores,
)
from tests.stores_support import HOLD, settings


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
