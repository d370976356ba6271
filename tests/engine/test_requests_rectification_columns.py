"""Rectification in columns as databases have them: padded, computed, ruled, rewritten by triggers."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from retention.requests.book import casebook
from retention.requests.model import RequestError, State
from tests.engine.asking import account, customer
from tests.engine.lives import ACTIVE, ANNA, BY_LOGIN
from tests.engine.small import START, Small
from tests.engine.test_requests_rectification import EMAIL, NAME, rectify

BORN = "user.demographic.date_of_birth"


def told(small: Small, *texts: str) -> None:
    """Statements of the application's own; ``{}`` stands before the name of a table."""
    with small.source("crm") as connection:
        for text in texts:
            connection.execute(sa.text(text.replace("{}", "crm." if small.server else "")))


def declare(small: Small, column: str, category: str) -> None:
    columns = small.catalogue["systems"]["crm"]["tables"]["customers"]["columns"]
    columns[column] = {"category": category, "identifies": True}
    small.write_documents()


def shown(small: Small, columns: str) -> tuple[Any, ...]:
    with small.source("crm") as connection:
        place = "crm.customers" if small.server else "customers"
        text = sa.text(f"SELECT {columns} FROM {place} WHERE customer_id = {ACTIVE}")
        return tuple(connection.execute(text).one())


def answered(small: Small, corrections: dict[str, str]) -> None:
    with small.opened() as installation:
        request = rectify(installation, [customer(ACTIVE)], corrections)
        assert request.state is State.answered


def refused(small: Small, corrections: dict[str, str], why: str) -> None:
    """Before anything is changed in any system, and without the value in the reason."""
    before = small.everything()
    persons = [customer(ACTIVE), customer(BY_LOGIN), account(ANNA)]
    with pytest.raises(RequestError, match=why) as caught, small.opened() as installation:
        rectify(installation, persons, corrections)
    assert not any(value in str(caught.value) for value in corrections.values())
    assert small.everything() == before


def test_a_text_of_fixed_length_is_corrected_and_never_cut_off(server: Small) -> None:
    told(server, "ALTER TABLE {}customers ALTER name TYPE char(12)")
    answered(server, {NAME: "Right Name"})
    assert shown(server, "name") == ("Right Name  ",)
    refused(server, {NAME: "A Name Too Long For It"}, "crm.customers.name: .* longer than 12")


def test_a_column_that_the_database_computes_follows(either: Small) -> None:
    how = "STORED" if either.server else "VIRTUAL"
    told(
        either, f"ALTER TABLE {{}}customers ADD shout text GENERATED ALWAYS AS (upper(name)) {how}"
    )
    declare(either, "shout", NAME)
    answered(either, {NAME: "Right Name"})
    assert shown(either, "name, shout") == ("Right Name", "RIGHT NAME")


def test_a_day_in_a_column_of_instants_begins_in_the_systems_zone(server: Small) -> None:
    told(
        server,
        "ALTER TABLE {}customers ADD born timestamptz",
        "UPDATE {}customers SET born = '1980-01-01 00:00+01'",
    )
    declare(server, "born", BORN)
    answered(server, {BORN: "1981-02-03"})
    assert shown(server, "born = '1981-02-03 00:00+01'") == (True,)


def test_what_one_database_refuses_is_known_before_any_is_changed(either: Small) -> None:
    """The second of two systems has a rule of its own."""
    with either.source("web") as connection:
        if either.server:
            connection.execute(
                sa.text(
                    "ALTER TABLE web.accounts ADD CONSTRAINT ours CHECK (email NOT LIKE '%.test')"
                )
            )
        else:
            connection.execute(
                sa.text(
                    "CREATE TRIGGER ours BEFORE UPDATE ON accounts WHEN NEW.email LIKE '%.test'"
                    " BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
            )
    refused(either, {EMAIL: "right@example.test"}, "web.accounts: the database refuses .* email")


def test_what_a_trigger_makes_of_a_value_is_known_before_it_is_written(server: Small) -> None:
    told(
        server,
        """CREATE FUNCTION crm.lowered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.email = lower(NEW.email); RETURN NEW; END $$""",
        "CREATE TRIGGER lowered BEFORE INSERT OR UPDATE ON crm.customers"
        " FOR EACH ROW EXECUTE FUNCTION crm.lowered()",
    )
    refused(server, {EMAIL: "Right@Example.org"}, "crm.customers: .* another value .* email")
    with server.opened() as installation:
        (request,) = casebook.listed(installation)
        casebook.refuse(
            installation, request.request_id, by="dpo", reason="as it is kept", now=START
        )
    answered(server, {EMAIL: "right@example.org"})
    assert shown(server, "email") == ("right@example.org",)
