"""Sources on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
import sqlalchemy as sa

from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import Sources

PARIS = ZoneInfo("Europe/Paris")

T = TableName("crm.t")


def sources_at(url: str, schema: str | None = None) -> Sources:
    table = {
        "label": "T",
        "key": "id",
        "purposes": {"contract": "always"},
        "columns": {"id": {"category": "user.unique_id"}},
    }
    system = {
        "label": "CRM",
        "url": url,
        "schema": schema,
        "time_zone": "Europe/Paris",
        "tables": {"t": table},
    }
    catalogue = Catalogue.model_validate({"catalogue": "test", "systems": {"crm": system}})
    return Sources(catalogue, PARIS, lambda url, _: str(url))


@pytest.fixture
def sqlite_path(tmp_path):
    path = tmp_path / "source #1?.db"
    sqlite3.connect(path).close()
    return path


def at(path: Path) -> Sources:
    return sources_at(sa.URL.create("sqlite", database=str(path)).render_as_string())


def run_sqlite(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


@pytest.fixture
def postgres_url(postgres_url):
    """The module's database, emptied for each test."""
    name = sa.make_url(postgres_url).database
    run_postgres(
        postgres_url,
        "DROP SCHEMA IF EXISTS sales CASCADE",
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        f'ALTER DATABASE "{name}" RESET ALL',
    )
    return postgres_url


def run_postgres(url: str, *statements: str) -> None:
    with psycopg.connect(
        url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True
    ) as connection:
        for statement in statements:
            connection.execute(statement)
