"""What goes wrong at a source is said in one line, and nobody's data with it."""

from __future__ import annotations

import socket
import traceback

import psycopg
import pytest
import sqlalchemy as sa

from retention.catalogue.sources import source_errors
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


def test_a_missing_sqlite_file_is_an_error_and_is_not_created(tmp_path):
    path = tmp_path / "missing.db"
    with at(path) as sources, pytest.raises(SourceError) as refusal:
        sources.engine("crm")
    assert str(refusal.value) == f"crm: there is no database at {path}"
    assert not path.exists()


def test_an_sqlite_file_that_goes_away_later_is_not_created_again(sqlite_path):
    sources = at(sqlite_path)
    sources.engine("crm").dispose()
    sqlite_path.unlink()
    with pytest.raises(SourceError), sources.begin("crm"):
        pass
    assert not sqlite_path.exists()


def test_a_file_that_is_no_database_is_named_as_such(tmp_path):
    path = tmp_path / "letter.db"
    path.write_text("Dear customer, " * 500)
    with at(path) as sources, pytest.raises(SourceError) as refusal:
        sources.table(T)
    assert str(refusal.value).startswith("crm: ")
    assert str(refusal.value).endswith("the file is not a database")


def test_a_missing_table_is_named(sqlite_path):
    with at(sqlite_path) as sources, pytest.raises(SourceError) as refusal:
        sources.table(T)
    assert str(refusal.value) == "crm.t: there is no such table"


def test_a_missing_postgres_table_is_named(postgres_url):
    with sources_at(postgres_url) as sources, pytest.raises(SourceError) as refusal:
        sources.table(T)
    assert str(refusal.value) == "crm.t: there is no such table"


def test_a_server_that_refuses_is_told_in_one_line_without_the_password():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"postgresql+psycopg://someone:hunter2@127.0.0.1:{port}/sales"
    with pytest.raises(SourceError) as refusal:
        sources_at(url).engine("crm")
    assert str(refusal.value) == "crm: cannot be reached: connection refused"
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_a_database_that_does_not_exist_is_told(postgres_url):
    url = sa.make_url(postgres_url).set(database="no_such_database_here")
    with pytest.raises(SourceError) as refusal:
        sources_at(url.render_as_string(hide_password=False)).engine("crm")
    assert str(refusal.value) == "crm: cannot be reached: there is no such database or role"


@pytest.mark.parametrize("url", ["mysql://u:hunter2@host/db", "postgresql+psycopg2://u@host/db"])
def test_another_kind_of_database_is_refused(url):
    with pytest.raises(SourceError, match="is not supported") as refusal:
        sources_at(url).engine("crm")
    assert "hunter2" not in str(refusal.value)


def test_a_violated_constraint_is_named_without_the_value(postgres_url):
    run_postgres(
        postgres_url,
        "CREATE TABLE t (id int PRIMARY KEY, email text CONSTRAINT one_email UNIQUE)",
        "INSERT INTO t VALUES (1, 'jeanne@example.org')",
    )
    with (
        sources_at(postgres_url) as sources,
        pytest.raises(SourceError) as refusal,
        sources.begin("crm", write=True) as connection,
    ):
        connection.execute(sources.table(T).insert(), {"id": 2, "email": "jeanne@example.org"})
    assert str(refusal.value) == (
        "crm: the database gave an error: UniqueViolation (SQLSTATE 23505), "
        "constraint one_email, table t"
    )
    assert "jeanne" not in "".join(traceback.format_exception(refusal.value))


def test_a_value_that_the_database_cannot_read_is_not_repeated(postgres_url):
    with (
        sources_at(postgres_url) as sources,
        pytest.raises(SourceError) as refusal,
        sources.begin("crm") as connection,
    ):
        connection.execute(sa.select(sa.cast(sa.literal("jeanne@example.org"), sa.Integer)))
    assert "22P02" in str(refusal.value)
    assert "jeanne" not in "".join(traceback.format_exception(refusal.value))


def test_a_text_that_is_not_utf_8_is_an_error_that_does_not_show_it(sqlite_path):
    run_sqlite(
        sqlite_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);"
        "INSERT INTO t VALUES (1, CAST(x'4a65616e6e65e9' AS TEXT))",
    )
    with (
        at(sqlite_path) as sources,
        pytest.raises(SourceError) as refusal,
        sources.begin("crm") as connection,
    ):
        connection.execute(sources.table(T).select()).all()
    assert str(refusal.value) == "crm: the database gave an error: a text is not UTF-8"
    assert "Jeanne" not in "".join(traceback.format_exception(refusal.value))


def test_errors_of_the_drivers_themselves_are_turned_too():
    with pytest.raises(SourceError) as refusal, source_errors("crm"):
        raise psycopg.errors.UniqueViolation("Key (email)=(jeanne@example.org) already exists")
    assert str(refusal.value) == "crm: the database gave an error: UniqueViolation (SQLSTATE 23505)"
