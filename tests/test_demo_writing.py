"""Where a demonstration may be written, and what a PostgreSQL server gets."""

from __future__ import annotations

import json
from datetime import date

import pytest
import sqlalchemy as sa

from demo.tables import SYSTEMS
from demo.truth import truth
from demo.write import _write_settings, write_demo
from retention.catalogue.model import read_catalogue
from retention.errors import ConfigurationError, SourceError
from tests.test_demo import AS_OF, PEOPLE, _by_record, _rows_of


def test_an_older_demonstration_is_overwritten_only_where_asked(tmp_path):
    write_demo(tmp_path, people=100, as_of=AS_OF)
    (tmp_path / "stores" / "keys.sqlite").write_bytes(b"sealed under the old key")
    before = (tmp_path / "crm.sqlite").read_bytes()
    with pytest.raises(ConfigurationError) as refused:
        write_demo(tmp_path, people=100, as_of=AS_OF, seed=2)
    assert "holds a demonstration" in str(refused.value)
    assert (tmp_path / "crm.sqlite").read_bytes() == before
    write_demo(tmp_path, people=100, as_of=AS_OF, seed=2, overwrite=True)
    assert (tmp_path / "crm.sqlite").read_bytes() != before
    assert not (tmp_path / "stores" / "keys.sqlite").exists()


@pytest.mark.parametrize("name", ["retention.yaml", "crm.sqlite", "master.key"])
def test_what_is_no_demonstration_is_never_overwritten(tmp_path, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        write_demo(tmp_path, people=10, as_of=AS_OF, overwrite=True)
    assert str(tmp_path) in str(refused.value)
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unknown_system_is_refused(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        write_demo(tmp_path, people=10, as_of=AS_OF, urls={"erp": "sqlite://"})
    assert "'erp'" in str(refused.value)


def test_postgresql_gets_typed_columns_and_no_unreadable_date(tmp_path, postgres_url):
    urls = dict.fromkeys(SYSTEMS, postgres_url)
    made = write_demo(tmp_path, people=PEOPLE, as_of=AS_OF, urls=urls)
    found = _rows_of(urls)
    assert {name: len(rows) for name, rows in found.items()} == dict(made.rows)
    types = {
        ("contracts", "ended_on"): "DATE",
        ("customers", "collected_at"): "TIMESTAMP",
        ("trackers", "deposited_at"): "TIMESTAMP",
        ("logins", "logged_in_at"): "TIMESTAMP WITH TIME ZONE",
    }
    engine = sa.create_engine(postgres_url)
    for (table, column), expected in types.items():
        columns = {item["name"]: item["type"] for item in sa.inspect(engine).get_columns(table)}
        kind = columns[column]
        assert str(kind) + (" WITH TIME ZONE" * getattr(kind, "timezone", False)) == expected
    engine.dispose()
    catalogue = read_catalogue(made.directory / "catalogue.yaml")
    keys = {
        (name, *(row[column] for column in table.key))
        for name, table in catalogue.tables()
        for row in found[name]
    }
    assert keys == set(_by_record(truth(tmp_path, AS_OF)))
    assert not (tmp_path / "crm.sqlite").exists()
    scripts = (tmp_path / "lives.jsonl").read_text(encoding="utf-8")
    assert scripts.count('"?"') == sum(
        1 for row in found["crm.contracts"] if row["ended_on"] == date(1900, 1, 1)
    )
    paris = {
        row["key"]: row["when"]
        for line in scripts.splitlines()
        for account in json.loads(line)["accounts"]
        for row in account["logins"]
    }
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        days = connection.exec_driver_sql(
            "SELECT login_id, (logged_in_at AT TIME ZONE 'Europe/Paris')::date::text FROM logins"
        )
        assert {key: day for key, day in days} == paris  # noqa: C416 - rows are no pairs to mypy
    engine.dispose()


def test_a_database_with_tables_of_ones_own_is_refused_even_where_overwriting_is_asked(tmp_path):
    taken = tmp_path / "taken.sqlite"
    engine = sa.create_engine(f"sqlite:///{taken}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE customers (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO customers VALUES (1)")
    for overwrite in (False, True):
        with pytest.raises(SourceError) as refused:
            write_demo(
                tmp_path / "demo",
                people=10,
                as_of=AS_OF,
                urls={"crm": f"sqlite:///{taken}"},
                overwrite=overwrite,
            )
        assert "not of a demo's making" in str(refused.value)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM customers").scalar() == 1
    engine.dispose()


def test_a_database_that_holds_a_demonstration_is_refilled_only_where_asked(tmp_path):
    urls = {"web": f"sqlite:///{tmp_path / 'given.sqlite'}"}
    first = write_demo(tmp_path / "first", people=50, as_of=AS_OF, urls=urls)
    with pytest.raises(SourceError) as refused:
        write_demo(tmp_path / "second", people=50, as_of=AS_OF, urls=urls)
    assert "ask to overwrite" in str(refused.value)
    again = write_demo(tmp_path / "third", people=50, as_of=AS_OF, urls=urls, overwrite=True)
    assert again.rows == first.rows
    catalogue = read_catalogue(again.directory / "catalogue.yaml")
    assert catalogue.systems["web"].url == urls["web"]


def test_a_password_is_neither_told_nor_written_down(tmp_path):
    closed = "postgresql://someone:s3cret@127.0.0.1:1/nothing"
    with pytest.raises(SourceError) as refused:
        write_demo(tmp_path, people=10, as_of=AS_OF, urls={"crm": closed})
    assert "s3cret" not in str(refused.value)
    _write_settings(tmp_path, {"crm": sa.make_url(closed)})
    text = (tmp_path / "catalogue.yaml").read_text(encoding="utf-8")
    assert "s3cret" not in text
    crm = read_catalogue(tmp_path / "catalogue.yaml").systems["crm"]
    assert (crm.url, crm.url_env) == (None, "RETENTION_CRM_URL")
