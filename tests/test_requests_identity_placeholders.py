"""Whose records a request is about: numbers, placeholders and spellings that many have in common."""

# Fixtures are imported by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import pytest

from retention.requests.finding.searching import CROWD
from retention.requests.model import Asked
from tests.identity_support import (
    ACCOUNTS,
    CUSTOMERS,
    NOBODY,
    PROSPECTS,
    World,
    outcome,
    people,
    world,
)

ANNA = "anna.roux@example.org"


# --- a number that two tables have by chance -------------------------------------------------


@pytest.mark.parametrize("first", ["Lucie", None])
def test_a_number_and_a_family_name_in_two_tables_decide_nothing(world: World, first: str | None):
    world.customer(42, "Martin", "Jean", email="jean@example.org")
    world.prospect(42, "Martin", first, email="lucie@example.org")
    both = {(CUSTOMERS, 42), (PROSPECTS, 42)}
    assert outcome(world, Asked(customer_ref="42", family_name="Martin")) == (NOBODY, both)
    asked = Asked(customer_ref="42", family_name="Martin", first_name="Jean")
    assert outcome(world, asked) == ({(CUSTOMERS, 42)}, {(PROSPECTS, 42)})


def test_a_number_and_a_family_name_in_one_table_decide(world: World):
    world.customer(42, "Martin", "Jean", email="jean@example.org")
    world.prospect(42, "Petit", "Luc", email="luc@example.org")
    asked = Asked(customer_ref="42", family_name="Martin")
    assert outcome(world, asked) == ({(CUSTOMERS, 42)}, NOBODY)


# --- placeholders in linked columns ----------------------------------------------------------


@pytest.mark.parametrize("nothing", ["N/A", "-", "unknown", "0", "@", "none@"])
def test_what_is_no_email_links_nobody(world: World, nothing: str):
    world.customer(1, "Roux", "Anna", email=nothing)
    world.account(5, nothing)
    asked = Asked(customer_ref="1", family_name="Roux", first_name="Anna")
    assert outcome(world, asked) == ({(CUSTOMERS, 1)}, NOBODY)


def test_a_placeholder_that_a_crowd_shares_links_nobody_and_stops_nobody(world: World):
    world.customer(1, "Roux", "Anna", email="unknown@example.com")
    crowd = [{"account_id": n, "email": "unknown@example.com"} for n in range(100, CROWD + 101)]
    world.put(ACCOUNTS, *crowd)
    asked = Asked(customer_ref="1", family_name="Roux", first_name="Anna")
    assert outcome(world, asked) == ({(CUSTOMERS, 1)}, NOBODY)


def test_a_placeholder_of_a_crowd_at_this_end_links_nobody_for_certain(world: World):
    crowd = [{"customer_id": n, "email": "unknown@example.com"} for n in range(2, CROWD + 3)]
    world.put(CUSTOMERS, *crowd)
    world.customer(1, "Roux", "Anna", email="unknown@example.com")
    world.account(5, "unknown@example.com")
    asked = Asked(customer_ref="1", family_name="Roux", first_name="Anna")
    assert outcome(world, asked) == ({(CUSTOMERS, 1)}, {(ACCOUNTS, 5)})


def test_a_placeholder_of_a_crowd_in_the_archive_links_nobody_and_stops_nobody(world: World):
    world.customer(1, "Roux", "Anna", email="unknown@example.com")
    for number in range(100, CROWD + 101):
        row = {"account_id": number, "email": "unknown@example.com"}
        world.archive(ACCOUNTS, row, (ACCOUNTS, number))
    asked = Asked(customer_ref="1", family_name="Roux", first_name="Anna")
    assert outcome(world, asked) == ({(CUSTOMERS, 1)}, NOBODY)


# --- spellings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored",
    [
        "<anna.roux@example.org>",
        "Anna Roux <Anna.Roux@example.org>",
        "mailto:anna.roux@example.org",
        "MAILTO:ANNA.ROUX@EXAMPLE.ORG ",
        "anna.roux@example.org\u200b",
        "\ufeffanna.roux@example.org",
    ],
)
def test_an_email_as_programs_write_it_is_that_email(world: World, stored: str):
    world.customer(1, "Roux", "Anna", email=stored)
    assert outcome(world, Asked(email=ANNA)) == ({(CUSTOMERS, 1)}, NOBODY)


@pytest.mark.parametrize(
    "stored",
    ["anna.roux@example.org <lucie@example.org>", "<anna.roux@example.org", "x<anna.roux@example.org>y"],
)  # fmt: skip
def test_an_email_that_is_only_mentioned_is_not_the_records(world: World, stored: str):
    world.customer(1, None, None, email=stored)
    assert outcome(world, Asked(email=ANNA)) == (NOBODY, NOBODY)


@pytest.mark.parametrize("said", ["４２", "42"])
def test_a_reference_in_wide_digits_is_that_reference(world: World, said: str):
    world.customer(42, "Roux", "Anna")
    assert outcome(world, Asked(customer_ref=said)) == ({(CUSTOMERS, 42)}, NOBODY)


@pytest.mark.parametrize("said", ["042", "42.0", "4e1", "+42", "4 2"])
def test_a_reference_is_not_a_number_to_be_reckoned_with(world: World, said: str):
    world.customer(42, "Roux", "Anna")
    world.customer(40, "Roux", "Anna")
    assert outcome(world, Asked(customer_ref=said)) == (NOBODY, NOBODY)


UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.mark.parametrize("stored", [UUID, UUID.upper()])
@pytest.mark.parametrize("said", [UUID, UUID.upper()])
def test_the_letters_of_a_uuid_have_no_case(world: World, stored: str, said: str):
    world.put(ACCOUNTS, {"account_id": 5, "member": stored})
    world.archive(ACCOUNTS, {"account_id": 6, "member": stored}, (ACCOUNTS, 6))
    found = {(ACCOUNTS, 5), (ACCOUNTS, None)}
    assert outcome(world, Asked(customer_ref=said)) == (NOBODY, found)


def test_the_letters_of_other_references_have_a_case(world: World):
    world.put(ACCOUNTS, {"account_id": 5, "member": "ab-12"})
    assert outcome(world, Asked(customer_ref="AB-12")) == (NOBODY, NOBODY)
    assert outcome(world, Asked(customer_ref="ab-12")) == ({(ACCOUNTS, 5)}, NOBODY)
