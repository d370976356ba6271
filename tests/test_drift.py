from __future__ import annotations

import copy
import sqlite3
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from retention.catalogue import drift
from retention.catalogue.drift import Finding, check_system, stopped_tables
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import Sources
from retention.errors import SourceError

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


def test_a_database_that_fits_its_catalogue_gives_no_finding(database):
    database.rebuilt()
    assert database.findings() == []


# --- tables and columns ----------------------------------------------------------------------


def test_a_governed_table_that_is_missing_is_an_error(database):
    database.rebuilt(("CREATE TABLE prospects", "CREATE TABLE app_prospects"))
    assert database.the_finding() == (
        "error", "crm.prospects: there is no such table", PROSPECTS,
    )  # fmt: skip


def test_a_view_cannot_be_governed(database):
    database.rebuilt(("CREATE TABLE prospects", "CREATE TABLE app_prospects"))
    database.run("CREATE VIEW prospects AS SELECT * FROM app_prospects")
    assert database.the_finding() == ("error", "crm.prospects: it is a view", PROSPECTS)


def test_a_column_nobody_annotated_is_an_error(database):
    database.rebuilt()
    database.run("ALTER TABLE customers ADD COLUMN shoe_size INTEGER")
    assert database.the_finding() == (
        "error", "crm.customers.shoe_size: nobody annotated this column", CUSTOMERS,
    )  # fmt: skip


def test_an_annotated_column_that_does_not_exist_is_an_error(database):
    database.rebuilt()
    database.run("ALTER TABLE contacts DROP COLUMN note")
    assert database.the_finding() == (
        "error", "crm.contacts.note: there is no such column", CONTACTS,
    )  # fmt: skip


def test_a_table_neither_governed_nor_out_of_scope_is_an_error_that_stops_no_tree(database):
    database.rebuilt()
    database.run("CREATE TABLE newsletter (email TEXT)")
    severity, text, table = database.the_finding()
    assert (severity, table) == ("error", None)
    assert text.startswith("crm.newsletter: the catalogue neither governs")
    assert stopped_tables(database.catalogue, database.findings()) == {}
    database.out_of_scope["news*"] = "sent by another company"
    assert database.findings() == []


def test_a_materialised_view_is_a_copy_to_account_for(postgres):
    postgres.rebuilt()
    postgres.run("CREATE MATERIALIZED VIEW customer_copy AS SELECT * FROM customers")
    assert postgres.the_finding()[1].startswith("crm.customer_copy: the catalogue neither governs")


def test_partitions_go_by_their_parents_name(postgres):
    postgres.rebuilt(
        ("CREATE TABLE prospects", "CREATE TABLE app_prospects"),
    )
    postgres.run(
        """CREATE TABLE prospects (id INTEGER PRIMARY KEY, email VARCHAR(100), seen TIMESTAMP)
           PARTITION BY RANGE (id)""",
        "CREATE TABLE prospects_1 PARTITION OF prospects FOR VALUES FROM (0) TO (10)",
    )
    assert postgres.findings() == []


def test_a_generated_column_is_worth_a_warning(database):
    database.rebuilt()
    stored = "" if database.dialect == "sqlite" else " STORED"
    database.run(
        f"ALTER TABLE customers ADD COLUMN twice INTEGER GENERATED ALWAYS AS (id * 2){stored}"
    )
    database.tables["customers"]["columns"]["twice"] = {"category": "system.operations"}
    severity, text, _ = database.the_finding()
    assert severity == "warning"
    assert text.startswith("crm.customers.twice: the database computes this column")


def test_a_trigger_is_worth_a_warning_that_names_it(database):
    database.rebuilt()
    if database.dialect == "sqlite":
        database.run(
            """CREATE TRIGGER keep_copy AFTER DELETE ON Customers
               BEGIN INSERT INTO app_settings VALUES ('deleted', OLD.email); END"""
        )
    else:
        database.run(
            """CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN INSERT INTO app_settings VALUES ('deleted', OLD.email); RETURN OLD; END $$""",
            "CREATE TRIGGER keep_copy AFTER DELETE ON customers FOR EACH ROW EXECUTE FUNCTION copy()",
        )
    assert database.the_finding() == (
        "warning",
        "crm.customers: triggers run when its rows change or leave: keep_copy",
        CUSTOMERS,
    )


def test_an_event_column_that_holds_no_date_is_an_error(postgres):
    postgres.rebuilt(("seen TIMESTAMP)", "seen TEXT)"))
    found = postgres.findings()
    assert {item.place for item in found} == {"crm.customers.seen", "crm.prospects.seen"}
    assert all(item.severity == "error" for item in found)


def test_an_epoch_that_is_no_number_is_an_error(postgres):
    postgres.rebuilt()
    postgres.tables["customers"]["columns"]["seen"]["format"] = "epoch_seconds"
    severity, text, _ = postgres.the_finding()
    assert severity == "error"
    assert "which is no number of seconds or milliseconds" in text


def test_a_date_of_a_domain_is_a_date(postgres):
    postgres.run("CREATE DOMAIN moment AS timestamptz")
    postgres.rebuilt(("seen TIMESTAMP)", "seen moment)"))
    assert postgres.findings() == []


# --- keys ------------------------------------------------------------------------------------


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


# --- foreign keys ----------------------------------------------------------------------------


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
    assert "foreign key crm.billing.contacts (customer_id) points here" in postgres.the_finding()[1]


def test_a_named_schema_is_the_one_compared(postgres):
    postgres.run("CREATE SCHEMA billing", "CREATE TABLE public.elsewhere (id INTEGER)")
    postgres.schema = "billing"
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


# --- indexes ---------------------------------------------------------------------------------


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


# --- columns that are to change --------------------------------------------------------------


def pseudonymise(database: Database, how: str, **more: Any) -> None:
    database.tables["prospects"]["columns"]["email"].update(pseudonymise=how, **more)


def test_a_text_column_can_hold_a_pseudonym(database):
    database.rebuilt()
    pseudonymise(database, "token")
    assert database.findings() == []


def test_a_column_of_another_type_cannot_hold_a_pseudonym(database):
    database.rebuilt(("email VARCHAR(100)", "email INTEGER"))
    pseudonymise(database, "token")
    assert database.the_finding() == (
        "error",
        "crm.prospects.email: a pseudonym is text and the column holds INTEGER",
        PROSPECTS,
    )


@pytest.mark.parametrize("kind", ["inet", "mood"])
def test_types_that_only_look_like_text_cannot_hold_a_pseudonym(postgres, kind):
    postgres.run("CREATE TYPE mood AS ENUM ('ok', 'not ok')")
    postgres.rebuilt(("email VARCHAR(100)", f"email {kind}"))
    pseudonymise(postgres, "token")
    assert "a pseudonym is text" in postgres.the_finding()[1]


def test_a_column_too_short_for_a_pseudonym_is_an_error(postgres):
    postgres.rebuilt(("email VARCHAR(100)", "email VARCHAR(30)"))
    pseudonymise(postgres, "token")
    assert postgres.the_finding() == (
        "error",
        "crm.prospects.email: a pseudonym has 31 characters and the column holds 30",
        PROSPECTS,
    )


def test_a_column_that_pads_a_pseudonym_is_an_error(postgres):
    postgres.rebuilt(("email VARCHAR(100)", "email CHAR(40)"))
    pseudonymise(postgres, "token")
    assert "would not be recognised as one" in postgres.the_finding()[1]


def test_a_column_bound_by_a_foreign_key_cannot_hold_a_pseudonym(database):
    database.rebuilt(("customer_id INTEGER NOT NULL", "customer_id INTEGER"))
    database.tables["contacts"]["columns"]["customer_id"]["pseudonymise"] = "token"
    places = {item.place for item in database.findings() if "foreign key" in item.problem}
    assert places == {"crm.contacts.customer_id"}


def test_a_column_that_a_foreign_key_points_at_cannot_hold_a_pseudonym(database):
    database.rebuilt(("email VARCHAR(100)", "email VARCHAR(100) UNIQUE"))
    database.run("CREATE TABLE app_mail (email VARCHAR(100) REFERENCES prospects (email))")
    pseudonymise(database, "token")
    assert any(
        item.place == "crm.prospects.email" and "cannot hold a pseudonym" in item.problem
        for item in database.findings()
    )


@pytest.mark.parametrize("how", [{"pseudonymise": "clear"}, {"purposes": ["prospecting"]}])
def test_a_column_to_be_cleared_that_cannot_be_null_needs_a_value(database, how):
    database.rebuilt(("email VARCHAR(100)", "email VARCHAR(100) NOT NULL"))
    database.tables["prospects"]["columns"]["email"].update(how)
    assert database.the_finding() == (
        "error",
        "crm.prospects.email: it cannot be null when cleared; give 'cleared_as'",
        PROSPECTS,
    )
    database.tables["prospects"]["columns"]["email"]["cleared_as"] = ""
    assert database.findings() == []


def test_a_column_that_may_be_null_can_be_cleared(database):
    database.rebuilt()
    pseudonymise(database, "clear")
    assert database.findings() == []


@pytest.mark.parametrize("partial", ["", " WHERE email <> ''"])
def test_a_unique_column_cannot_be_cleared_to_one_value(database, partial):
    database.rebuilt()
    database.run(f"CREATE UNIQUE INDEX one_email ON prospects (email){partial}")
    pseudonymise(database, "clear")
    assert database.findings() == []
    pseudonymise(database, "clear", cleared_as="")
    severity, text, _ = database.the_finding()
    assert severity == "error"
    assert text.startswith("crm.prospects.email: it is unique")


def test_a_reference_can_be_cleared_to_null_only(database):
    database.rebuilt()
    database.run(
        "ALTER TABLE prospects ADD seller INTEGER REFERENCES customers (id)",
        "CREATE INDEX prospects_seller ON prospects (seller)",
    )
    seller: dict[str, Any] = {"category": "user.unique_id", "purposes": ["prospecting"]}
    database.tables["prospects"]["columns"]["seller"] = seller
    database.tables["prospects"]["references"] = [{"table": "customers", "via": "seller"}]
    assert database.findings() == []
    seller["cleared_as"] = 0
    severity, text, table = database.the_finding()
    assert (severity, table) == ("error", PROSPECTS)
    assert text.endswith("can be cleared to null only")


def test_a_generated_column_cannot_be_changed(postgres):
    postgres.rebuilt(("email VARCHAR(100)", "email VARCHAR(100) GENERATED ALWAYS AS ('x') STORED"))
    pseudonymise(postgres, "token")
    errors = [item for item in postgres.findings() if item.severity == "error"]
    assert [item.place for item in errors] == ["crm.prospects.email"]
    assert "cannot be changed" in errors[0].problem


# --- odd schemas, and what a finding stops ---------------------------------------------------


def test_composite_keys_are_compared_in_the_order_of_the_owners_key(database):
    database.run(
        "CREATE TABLE customers (site INTEGER, id INTEGER, email TEXT, seen TIMESTAMP,"
        " PRIMARY KEY (site, id))",
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, customer_id INTEGER, site INTEGER,"
        " note TEXT, FOREIGN KEY (customer_id, site) REFERENCES customers (id, site))",
        "CREATE INDEX pair ON contacts (customer_id, site)",
        GOOD[3],
    )
    database.tables["customers"]["key"] = ["site", "id"]
    database.tables["customers"]["columns"]["site"] = {"category": "system.operations"}
    database.tables["contacts"]["columns"]["site"] = {"category": "system.operations"}
    database.tables["contacts"]["owner"]["via"] = ["site", "customer_id"]
    assert database.findings() == []
    database.tables["contacts"]["owner"]["via"] = ["customer_id", "site"]
    assert "points here and the catalogue declares it neither" in str(database.findings()[0])


def test_odd_schemas_are_read_without_a_crash(database):
    database.rebuilt()
    if database.dialect == "sqlite":
        database.run(
            'CREATE TABLE "app_odd ""name""; --" (a, b WHATEVER(3, 4) DEFAULT (1))',
            "CREATE TABLE app_loop (id INTEGER PRIMARY KEY REFERENCES app_loop)",
            "CREATE TABLE app_lost (x REFERENCES nowhere (y) ON DELETE CASCADE)",
            "CREATE INDEX lowered ON prospects (lower(email))",
        )
    else:
        database.run(
            'CREATE TABLE "app_odd ""name""; --" (a xml, b int4range)',
            "CREATE TABLE app_none ()",
            "CREATE INDEX lowered ON prospects (lower(email))",
            "ALTER TABLE prospects ADD gone INTEGER",
            "ALTER TABLE prospects DROP COLUMN gone",
        )
    assert database.findings() == []


def test_an_unreachable_system_is_a_source_error(tmp_path):
    with pytest.raises(SourceError, match="there is no database"):
        Database(f"sqlite:///{tmp_path / 'none.db'}").findings()


def test_an_error_stops_its_whole_owner_tree_and_no_other(database):
    database.rebuilt()
    database.run("ALTER TABLE contacts DROP COLUMN note")
    reason = "crm.contacts.note: there is no such column"
    assert stopped_tables(database.catalogue, database.findings()) == {
        CUSTOMERS: reason,
        CONTACTS: reason,
    }


def test_the_first_error_is_the_reason_and_warnings_stop_nothing(database):
    catalogue = database.catalogue
    found = [
        Finding("crm.prospects", "slow", "warning", PROSPECTS),
        Finding("crm.customers", "first", "error", CUSTOMERS),
        Finding("crm.contacts", "second", "error", CONTACTS),
    ]
    assert stopped_tables(catalogue, found) == {
        CUSTOMERS: "crm.customers: first",
        CONTACTS: "crm.customers: first",
    }


def test_of_two_keys_on_one_column_the_harmful_one_is_found(database):
    database.rebuilt(
        (
            "note TEXT)",
            "note TEXT, FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE)",
        )
    )
    severity, text, _ = database.the_finding()
    assert severity == "error"
    assert "is ON DELETE CASCADE" in text
