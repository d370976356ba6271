"""Keys, foreign keys and indexes that differ from the catalogue, or would do harm."""

from __future__ import annotations

import pytest

from retention.catalogue import drift
from tests.drift_support import CONTACTS, CUSTOMERS, PROSPECTS, Database, database, postgres, sqlite


def test_a_key_that_is_not_unique_is_an_error(database):
    database.rebuilt(("prospects (id INTEGER PRIMARY KEY", "prospects (id INTEGER NOT NULL"))
    assert database.the_finding() == (
        "error",
        "crm.prospects: its key (id) is neither the primary key nor unique",
        PROSPECTS,
    )


def test_a_partial_unique_index_makes_no_key(database):
    database.rebuilt(("prospects (id INTEGER PRIMARY KEY", "prospects (id INTEGER NOT NULL"))
    database.run("CREATE UNIQUE INDEX prospects_id ON prospects (id) WHERE email IS NULL")
    assert "neither the primary key nor unique" in database.the_finding()[1]


def test_a_unique_key_in_a_table_without_a_primary_key_is_worth_a_warning(database):
    database.rebuilt(("prospects (id INTEGER PRIMARY KEY", "prospects (id INTEGER NOT NULL UNIQUE"))
    assert database.the_finding() == (
        "warning",
        "crm.prospects: it has no primary key; its key (id) is a unique index",
        PROSPECTS,
    )


def test_a_unique_key_that_may_be_null_is_an_error(database):
    database.rebuilt(("prospects (id INTEGER PRIMARY KEY", "prospects (id INTEGER UNIQUE"))
    assert database.the_finding() == (
        "error",
        "crm.prospects: its key may be null, and such a row cannot be found: id",
        PROSPECTS,
    )


def test_an_undeclared_foreign_key_is_an_error_that_names_both_tables(database):
    database.rebuilt()
    database.run("CREATE TABLE app_log (c INTEGER REFERENCES customers (id))")
    severity, text, table = database.the_finding()
    assert (severity, table) == ("error", CUSTOMERS)
    assert text.startswith("crm.customers: foreign key crm.app_log (c) points here and")


def test_a_foreign_key_by_other_columns_than_declared_is_undeclared(database):
    database.rebuilt(("note TEXT", "note TEXT, second INTEGER REFERENCES customers"))
    database.run("CREATE INDEX contacts_second ON contacts (second)")
    database.tables["contacts"]["columns"]["second"] = {"category": "user.unique_id"}
    assert "foreign key crm.contacts (second) points here" in database.the_finding()[1]
    database.tables["contacts"]["references"] = [{"table": "customers", "via": "second"}]
    assert database.findings() == []


def test_an_undeclared_foreign_key_from_another_schema_is_seen(postgres):
    postgres.rebuilt()
    postgres.run(
        "CREATE SCHEMA billing",
        "CREATE TABLE billing.contacts (customer_id INTEGER REFERENCES public.customers (id))",
    )
    postgres.out_of_scope["billing.*"] = "accounts"
    problem = postgres.the_finding()[1]
    assert "foreign key crm.billing.contacts (customer_id) points here" in problem
    assert "from another schema" in problem, "no declaration could mend it"


def test_a_named_schema_is_the_one_compared(postgres):
    postgres.run("CREATE SCHEMA billing", "CREATE TABLE public.elsewhere (id INTEGER)")
    postgres.schema = "billing"
    postgres.out_of_scope["public.*"] = "not wanted here"
    postgres.rebuilt(
        *(
            (text, text.replace(" ", " billing.", 1))
            for text in ("TABLE customers", "TABLE contacts", "TABLE prospects", "TABLE app_")
        ),
        ("REFERENCES customers", "REFERENCES billing.customers"),
        ("ON contacts (", "ON billing.contacts ("),
    )
    assert postgres.findings() == []


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_a_foreign_key_that_changes_rows_unseen_is_an_error(database, action):
    database.rebuilt(("customers (id), note", f"customers (id) ON DELETE {action}, note"))
    severity, text, table = database.the_finding()
    assert (severity, table) == ("error", CUSTOMERS)
    assert f"foreign key crm.contacts (customer_id) is ON DELETE {action}" in text


def test_a_foreign_key_checked_only_at_the_commit_is_an_error(database):
    database.rebuilt(
        ("customers (id), note", "customers (id) /* , */ DEFERRABLE\n INITIALLY DEFERRED, note")
    )
    severity, text, table = database.the_finding()
    assert (severity, table) == ("error", CUSTOMERS)
    assert "foreign key crm.contacts (customer_id) is INITIALLY DEFERRED" in text


@pytest.mark.parametrize(
    "clause",
    ["DEFERRABLE INITIALLY IMMEDIATE", "NOT DEFERRABLE", "-- DEFERRABLE INITIALLY DEFERRED\n"],
)
def test_a_foreign_key_checked_at_once_is_no_finding(database, clause):
    database.rebuilt(("customers (id), note", f"customers (id) {clause}, note"))
    assert database.findings() == []


def test_an_sqlite_key_that_is_not_deferrable_is_not_deferred_whatever_else_it_says(sqlite):
    sqlite.rebuilt(
        ("customers (id), note", "customers (id) NOT  DEFERRABLE INITIALLY DEFERRED, note")
    )
    assert sqlite.findings() == []


def test_a_declared_owner_that_no_foreign_key_enforces_is_worth_a_warning(database):
    database.rebuilt(("REFERENCES customers (id)", ""))
    assert database.the_finding() == (
        "warning",
        (
            "crm.contacts: its reference (customer_id) to crm.customers "
            "is not enforced by a foreign key"
        ),
        CONTACTS,
    )


def test_a_foreign_key_to_a_table_that_does_not_exist_hinders_nothing(sqlite):
    sqlite.rebuilt(("note TEXT", "note TEXT REFERENCES gone"))
    assert sqlite.findings() == []


def test_an_sqlite_key_may_spell_its_table_in_another_case_and_leave_the_columns_out(sqlite):
    sqlite.rebuilt(("REFERENCES customers (id)", "REFERENCES Customers"))
    assert sqlite.findings() == []


def test_foreign_keys_that_go_round_in_a_circle_are_an_error_for_each_table(database):
    if database.dialect == "sqlite":
        database.rebuilt(("seen TIMESTAMP)", "seen TIMESTAMP, other INTEGER REFERENCES contacts)"))
    else:
        database.rebuilt()
        database.run("ALTER TABLE prospects ADD other INTEGER REFERENCES contacts")
        database.run("ALTER TABLE customers ADD other INTEGER REFERENCES contacts")
    for name in ("customers", "prospects"):
        database.run(f"CREATE INDEX {name}_other ON {name} (other)")
        database.tables[name]["columns"]["other"] = {"category": "system.operations"}
        database.tables[name]["references"] = [{"table": "contacts", "via": "other"}]
    found = database.findings()
    assert [(item.severity, item.table) for item in found] == [
        ("error", CONTACTS), ("error", CUSTOMERS),
    ]  # fmt: skip
    assert found[0].problem.endswith("in a circle: crm.contacts, crm.customers")


def test_a_table_that_refers_to_itself_is_worth_a_warning(database):
    database.rebuilt()
    database.run(
        "ALTER TABLE customers ADD sponsor_id INTEGER REFERENCES customers (id)",
        "CREATE INDEX customers_sponsor ON customers (sponsor_id)",
    )
    database.tables["customers"]["columns"]["sponsor_id"] = {"category": "user.unique_id"}
    database.tables["customers"]["references"] = [{"table": "customers", "via": "sponsor_id"}]
    severity, text, table = database.the_finding()
    assert (severity, table) == ("warning", CUSTOMERS)
    assert "its rows refer to each other" in text


def without_index(database: Database, instead: str = "SELECT 1") -> None:
    database.rebuilt(("CREATE INDEX contacts_customer ON contacts (customer_id)", instead))


def test_a_reference_without_an_index_is_worth_a_warning(database):
    without_index(database)
    severity, text, table = database.the_finding()
    assert (severity, table) == ("warning", CONTACTS)
    assert text.startswith("crm.contacts: no index starts with (customer_id)")


def test_an_index_on_another_column_first_does_not_serve(database):
    without_index(database, "CREATE INDEX later ON contacts (note, customer_id)")
    assert "no index starts with (customer_id)" in database.the_finding()[1]


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX first ON contacts (customer_id, note)",
        "CREATE INDEX filled ON contacts (customer_id) WHERE customer_id IS NOT NULL",
        "CREATE UNIQUE INDEX single ON contacts (customer_id)",
    ],
)
def test_an_index_that_starts_with_the_reference_serves(database, index):
    without_index(database, index)
    assert database.findings() == []


def test_a_partial_or_computed_index_does_not_serve(database):
    without_index(database, "CREATE INDEX partly ON contacts (customer_id) WHERE note = 'x'")
    database.run("CREATE INDEX computed ON contacts ((customer_id + 1))")
    assert "no index starts with (customer_id)" in database.the_finding()[1]


def test_a_large_table_referred_to_without_an_index_is_an_error(postgres):
    without_index(postgres)
    postgres.run("INSERT INTO customers (id) SELECT generate_series(1, 100000)")
    assert postgres.the_finding()[0] == "warning"
    postgres.run("INSERT INTO customers (id) VALUES (0)")
    severity, text, table = postgres.the_finding()
    assert (severity, table) == ("error", CUSTOMERS)
    assert "no index starts with (customer_id)" in text


def test_on_sqlite_a_missing_index_stays_a_warning_whatever_the_size(sqlite, monkeypatch):
    monkeypatch.setattr(drift, "ROWS_THAT_NEED_AN_INDEX", 1)
    without_index(sqlite)
    sqlite.run("INSERT INTO customers (id) VALUES (1), (2), (3)")
    assert sqlite.the_finding()[0] == "warning"
