"""What the re-scan reads: every table that shows a person, of whatever kind it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from retention.requests.proving.rescan import gather_sought, rescan
from tests.engine.small import Small
from tests.test_requests_rescan import CUSTOMER, EMAIL, catalogued, unexplained

MAIL = f"'{EMAIL}'"


@pytest.fixture
def server(tmp_path: Path, postgres_url: str) -> Small:
    small = catalogued(Small(tmp_path / "small", postgres_url))
    small.update("crm.customers", {"customer_id": 4}, name="René Müller", email=EMAIL)
    return small


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("made", "place"),
    [
        (
            "CREATE MATERIALIZED VIEW crm.best AS SELECT email FROM crm.customers",
            "crm.best.email",
        ),
        (
            "CREATE DOMAIN crm.file AS bytea; CREATE TABLE crm.files (content crm.file);"
            f"INSERT INTO crm.files VALUES (convert_to({MAIL}, 'UTF8'))",
            "crm.files.content",
        ),
        (
            "CREATE TABLE public.every (at INT, said TEXT) PARTITION BY RANGE (at);"
            "CREATE TABLE crm.part PARTITION OF public.every FOR VALUES FROM (0) TO (9);"
            f"INSERT INTO crm.part VALUES (1, {MAIL})",
            "crm.part.said",
        ),
        (
            "CREATE TABLE crm.every (at INT, said TEXT) PARTITION BY RANGE (at);"
            "CREATE TABLE crm.part PARTITION OF crm.every FOR VALUES FROM (0) TO (9);"
            f"INSERT INTO crm.part VALUES (1, {MAIL})",
            "crm.every.said",
        ),
    ],
    ids=["materialised view", "domain", "another schema's partition", "partition"],
)
def test_it_is_read(server: Small, made: str, place: str) -> None:
    with server.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
        with server.source("crm") as connection:
            for text in made.split(";"):
                connection.execute(sa.text(text))
        places = {place for place, _ in unexplained(rescan(installation, sought, [], []))}
    assert {name for name in places if name.split(".")[1] in made and "customers" not in name} == {
        place
    }


@pytest.mark.postgres
def test_a_foreign_table_is_read(server: Small) -> None:
    with server.source("crm") as connection:
        known = sa.text(
            "SELECT 1 FROM pg_available_extensions, pg_roles"
            " WHERE name = 'file_fdw' AND rolname = current_user AND rolsuper"
        )
        if connection.execute(known).first() is None:
            pytest.skip("no foreign data wrapper may be made on this server")
        for text in (
            "CREATE EXTENSION IF NOT EXISTS file_fdw",
            "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
            "CREATE FOREIGN TABLE crm.elsewhere (said TEXT) SERVER files"
            f" OPTIONS (program 'echo {EMAIL}')",
        ):
            connection.execute(sa.text(text))
    with server.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
        assert ("crm.elsewhere.said", "email") in unexplained(rescan(installation, sought, [], []))
    with server.source("crm") as connection:
        connection.execute(sa.text("DROP EXTENSION file_fdw CASCADE"))


@pytest.mark.postgres
def test_a_materialised_view_that_was_never_filled_hinders_nothing(server: Small) -> None:
    with server.source("crm") as connection:
        connection.execute(
            sa.text("CREATE MATERIALIZED VIEW crm.best AS SELECT 1 AS one WITH NO DATA")
        )
    with server.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
        assert rescan(installation, sought, [], [])


@pytest.mark.parametrize("parts", [("René", "Müller"), ("M. René Müller", "x")])
def test_letters_of_before_unicode_are_read(tmp_path: Path, parts: tuple[str, str]) -> None:
    small = catalogued(Small(tmp_path / "small"))
    small.update("crm.customers", {"customer_id": 4}, name="René Müller")
    with small.source("crm") as connection:
        connection.exec_driver_sql("CREATE TABLE old (first TEXT, last TEXT)")
        connection.exec_driver_sql(
            "INSERT INTO old VALUES (CAST(? AS TEXT), CAST(? AS TEXT))",
            tuple(part.encode("latin-1") for part in parts),
        )
    with small.opened() as installation:
        sought = gather_sought(installation, [CUSTOMER], [])
        found = unexplained(rescan(installation, sought, [], []))
    assert {place for place, what in found if what == "name"} & {"crm.old", "crm.old.first"}
