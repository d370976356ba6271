"""A right that the account lacks is found before a run trips over it; hidden rows stop the tree."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.drift_support import CONTACTS, CUSTOMERS, PROSPECTS, Database, database, postgres

__all__ = ["database", "postgres"]


@pytest.fixture
def limited(postgres: Database) -> Iterator[Database]:
    """The good database, and an account that may do nothing there yet."""
    role = f"limited_{uuid.uuid4().hex[:12]}"
    postgres.rebuilt()
    postgres.run(
        f"CREATE ROLE {role} LOGIN PASSWORD 'only-here'", f"GRANT USAGE ON SCHEMA public TO {role}"
    )
    owner_url = postgres.url
    url = make_url(owner_url).set(username=role, password="only-here")
    postgres.url = url.render_as_string(hide_password=False)
    postgres.role, postgres.as_owner = role, Database(owner_url)
    try:
        with psycopg.connect(postgres.url.replace("+psycopg", "", 1)):
            pass
    except psycopg.OperationalError:
        pytest.skip("the server lets no account in by password")
    yield postgres
    postgres.as_owner.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def grant(database: Database, rights: str, *tables: str) -> None:
    on = ", ".join(tables or ("customers", "contacts", "prospects", "app_settings"))
    database.as_owner.run(f"GRANT {rights} ON {on} TO {database.role}")


def found(database: Database) -> set[tuple[str, str, str]]:
    return {(f.severity, str(f.place), f.problem.partition(" (")[2]) for f in database.findings()}


def test_an_account_with_all_it_needs_gives_no_finding(limited):
    grant(limited, "SELECT, UPDATE, DELETE, INSERT", "customers", "contacts", "prospects")
    grant(limited, "SELECT", "app_settings")
    assert limited.findings() == []


def test_without_any_right_to_read_every_table_is_named(limited):
    errors = {item for item in found(limited) if item[0] == "error"}
    assert errors == {("error", name, "SELECT)") for name in (CUSTOMERS, CONTACTS, PROSPECTS)}


def test_a_reading_account_is_enough_to_observe(limited):
    grant(limited, "SELECT")
    assert {(f.severity, f.table) for f in limited.findings()} == {
        ("warning", name) for name in (CUSTOMERS, CONTACTS, PROSPECTS)
    }
    assert all("UPDATE, DELETE" in f.problem for f in limited.findings())


def test_what_a_restriction_takes_out_has_to_go_back(limited):
    grant(limited, "SELECT, UPDATE, DELETE")
    problems = [f.problem for f in limited.findings()]
    assert len(problems) == 3 and all("INSERT" in problem for problem in problems)


def test_a_right_to_some_columns_is_one_to_lock_a_row(limited):
    grant(limited, "SELECT, DELETE, INSERT")
    grant(limited, "UPDATE (id)", "customers", "contacts", "prospects")
    assert limited.findings() == []


def test_an_ungoverned_table_that_cannot_be_read_hides_what_is_left_of_a_person(limited):
    grant(limited, "SELECT, UPDATE, DELETE, INSERT", "customers", "contacts", "prospects")
    (finding,) = limited.findings()
    assert (finding.severity, finding.place, finding.table) == (
        "warning", "crm.app_settings", None,
    )  # fmt: skip


def test_rows_hidden_from_the_account_stop_the_tree(limited):
    grant(limited, "SELECT, UPDATE, DELETE, INSERT")
    limited.as_owner.run("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
    (finding,) = limited.findings()
    assert (finding.severity, finding.table) == ("error", CONTACTS)
    # Whoever owns the table sees all of it.
    assert not [f for f in limited.as_owner.findings() if f.severity == "error"]


def test_sqlite_knows_no_accounts(tmp_path, database):
    database.rebuilt()
    assert database.findings() == []
