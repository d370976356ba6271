"""Columns that are to change, and cannot hold what they are to be changed to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.drift_support import PROSPECTS, Database, database, postgres, sqlite


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
