"""A small database that fits its catalogue, to be made to differ from it."""

from __future__ import annotations

import copy
import sqlite3
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from retention.catalogue.drift import Finding, check_system
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import Sources

CUSTOMERS = TableName("crm.customers")
CONTACTS = TableName("crm.contacts")
PROSPECTS = TableName("crm.prospects")

GOOD = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100), seen TIMESTAMP)",
    """CREATE TABLE contacts (id INTEGER PRIMARY KEY,
         customer_id INTEGER NOT NULL REFERENCES customers (id), note TEXT)""",
    "CREATE INDEX contacts_customer ON contacts (customer_id)",
    "CREATE TABLE prospects (id INTEGER PRIMARY KEY, email VARCHAR(100), seen TIMESTAMP)",
    "CREATE TABLE app_settings (name TEXT, value TEXT)",
)


def person(label: str) -> dict[str, Any]:
    return {
        "label": label,
        "subject": "customer",
        "key": "id",
        "purposes": {"contract": "always", "prospecting": "always"},
        "events": {"login": {"column": "seen"}},
        "columns": {
            "id": {"category": "user.unique_id"},
            "email": {"category": "user.contact.email", "identifies": True},
            "seen": {"category": "user.behavior"},
        },
    }


TABLES: dict[str, Any] = {
    "customers": person("Customers"),
    "contacts": {
        "label": "Contacts",
        "key": "id",
        "owner": {"table": "customers", "via": "customer_id"},
        "columns": {
            "id": {"category": "system.operations"},
            "customer_id": {"category": "user.unique_id"},
            "note": {"category": "user.content"},
        },
    },
    "prospects": person("Prospects"),
}


class Database:
    """A source database and its catalogue, for a test to spoil."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
        self.tables = copy.deepcopy(TABLES)
        self.out_of_scope = {"app_*": "configuration"}
        self.schema: str | None = None

    def run(self, *statements: str) -> None:
        if self.dialect == "sqlite":
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None)
        else:
            address = self.url.replace("postgresql+psycopg://", "postgresql://")
            connection = psycopg.connect(address, autocommit=True)
        for statement in statements:
            connection.execute(statement)
        connection.close()

    def rebuilt(self, *changes: tuple[str, str]) -> None:
        """The good schema with some of its text replaced."""
        for statement in GOOD:
            for old, new in changes:
                statement = statement.replace(old, new)  # noqa: PLW2901 - each on the last
            self.run(statement)

    @property
    def catalogue(self) -> Catalogue:
        system = {
            "label": "CRM",
            "url": self.url,
            "schema": self.schema,
            "time_zone": "UTC",
            "out_of_scope": self.out_of_scope,
            "tables": self.tables,
        }
        return Catalogue.model_validate({"catalogue": "test", "systems": {"crm": system}})

    def findings(self) -> list[Finding]:
        catalogue = self.catalogue
        with Sources(catalogue, ZoneInfo("Europe/Paris"), lambda url, _: str(url)) as sources:
            return check_system(sources, catalogue, "crm")

    def the_finding(self) -> tuple[str, str, TableName | None]:
        [finding] = self.findings()
        return finding.severity, str(finding), finding.table


def empty_postgres(url: str) -> Database:
    database = Database(url)
    database.run(
        "DROP SCHEMA IF EXISTS billing CASCADE",
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
    )
    return database


def empty_sqlite(folder: Path) -> Database:
    path = folder / "crm.db"
    sqlite3.connect(path).close()
    return Database(f"sqlite:///{path}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request, tmp_path) -> Database:
    if request.param == "sqlite":
        return empty_sqlite(tmp_path)
    return empty_postgres(request.getfixturevalue("postgres_url"))


@pytest.fixture
def postgres(postgres_url) -> Database:
    return empty_postgres(postgres_url)


@pytest.fixture
def sqlite(tmp_path) -> Database:
    return empty_sqlite(tmp_path)
