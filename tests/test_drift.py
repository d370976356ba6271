"""Tables and columns of a database that differ from its catalogue, and what that stops."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from retention.catalogue.drift import Finding, check_system, stopped_tables
from retention.catalogue.model import Catalogue
from retention.catalogue.sources import Sources
from retention.errors import SourceError
from tests.drift_support import (
    CONTACTS,
    CUSTOMERS,
    GOOD,
    PROSPECTS,
    Database,
    database,
    postgres,
    sqlite,
)


def test_a_database_that_fits_its_catalogue_gives_no_finding(database):
    database.rebuilt()
    assert database.findings() == []


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


def test_a_schema_that_no_system_names_is_told_once_until_it_is_out_of_scope(postgres):
    postgres.rebuilt()
    postgres.run(
        "CREATE SCHEMA billing",
        "CREATE TABLE billing.letters (email TEXT)",
        "CREATE TABLE billing.parts (email TEXT) PARTITION BY LIST (email)",
        "CREATE TABLE billing.part PARTITION OF billing.parts DEFAULT",
        "CREATE VIEW billing.names AS SELECT email FROM billing.letters",
    )
    severity, text, table = postgres.the_finding()
    assert (severity, table) == ("warning", None)
    assert text.startswith("crm: no system names schema 'billing'")
    assert "(2)" in text
    postgres.out_of_scope["*"] = "said of this schema's own tables"
    assert len(postgres.findings()) == 1
    postgres.out_of_scope["billing.letters"] = "sent by another company"
    assert "(1)" in postgres.the_finding()[1]
    postgres.out_of_scope["billing.*"] = "sent by another company"
    assert postgres.findings() == []


def test_a_schema_without_tables_is_not_worth_a_word(postgres):
    postgres.rebuilt()
    postgres.run("CREATE SCHEMA billing")
    assert postgres.findings() == []


def test_of_two_systems_of_a_database_the_first_tells_of_a_schema_that_neither_names(postgres):
    postgres.rebuilt()
    postgres.run(
        "CREATE SCHEMA billing", "CREATE TABLE billing.letters (email TEXT)",
        "DROP SCHEMA IF EXISTS forgotten CASCADE",
        "CREATE SCHEMA forgotten", "CREATE TABLE forgotten.letters (email TEXT)",
    )  # fmt: skip
    document = postgres.catalogue.model_dump(by_alias=True)
    out_of_scope = {"letters": "sent by another company"}
    document["systems"]["billing"] = {
        **document["systems"]["crm"],
        "schema": "billing", "tables": {}, "out_of_scope": out_of_scope,
    }  # fmt: skip

    def found(system: str) -> list[str]:
        catalogue = Catalogue.model_validate(document)
        with Sources(catalogue, ZoneInfo("UTC"), lambda url, _: str(url)) as sources:
            return [str(item) for item in check_system(sources, catalogue, system)]

    [one] = found("crm")
    assert "'forgotten'" in one
    assert found("billing") == []
    out_of_scope["forgotten.*"] = "nobody knows"
    assert found("crm") == []
    postgres.run("DROP SCHEMA forgotten CASCADE")


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
