"""Whose records a request is about: persons of the archive, links into it, and choices."""

# Fixtures are imported by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

from retention.catalogue.model import TableName
from retention.requests.finding.identity import linked, resolve
from retention.requests.model import Asked
from tests.identity_support import (
    ACCOUNTS,
    CUSTOMERS,
    INVOICES,
    NOBODY,
    World,
    outcome,
    people,
    world,
)

ANNA = "anna.roux@example.org"
GONE = {
    "customer_id": 9,
    "last_name": "Roux",
    "first_name": "Anna",
    "email": ANNA,
    "street": "3 rue Haute",
}


def test_a_person_who_is_only_in_the_archive(world: World):
    token = world.archive(CUSTOMERS, GONE, (CUSTOMERS, 9))
    for asked in (
        Asked(email=ANNA.upper()),
        Asked(family_name="ANNA", first_name="Roux", email=ANNA),
        Asked(customer_ref="9"),
    ):
        (match,) = resolve(world.installation, asked)
        assert (match.table, match.key, match.token) == (CUSTOMERS, (), token)
        assert (match.found_by, match.exact) == ("archive", True)
    likely = Asked(family_name="Roux", first_name="Anna", address="3, rue Haute, 69001 Lyon")
    assert outcome(world, likely) == (NOBODY, {(CUSTOMERS, None)})
    assert outcome(world, Asked(family_name="Roux", first_name="Anna")) == (NOBODY, NOBODY)
    other = Asked(family_name="Martin", first_name="Anna", email=ANNA)
    (match,) = resolve(world.installation, other)
    assert not match.exact
    assert "family_name" in match.contradicts


def test_what_is_destroyed_or_not_final_is_not_in_the_archive(world: World):
    world.archive(CUSTOMERS, GONE, (CUSTOMERS, 9), destroyed=True)
    world.archive(CUSTOMERS, {**GONE, "customer_id": 8}, (CUSTOMERS, 8), settled=False)
    assert outcome(world, Asked(email=ANNA)) == (NOBODY, NOBODY)


def test_two_persons_of_the_archive_with_one_email(world: World):
    world.archive(CUSTOMERS, GONE, (CUSTOMERS, 9))
    world.archive(CUSTOMERS, {**GONE, "customer_id": 8, "first_name": "Lucie"}, (CUSTOMERS, 8))
    for asked in (Asked(email=ANNA), Asked("Roux", "Anna", ANNA)):
        found = resolve(world.installation, asked)
        assert [match.exact for match in found] == [False, False]


def test_the_archived_invoice_of_a_customer_is_the_customers(world: World):
    world.customer(9, "Roux", "Anna", email=ANNA)
    invoice = {"invoice_id": 3, "customer_id": 9, "billing_email": ANNA}
    world.archive(INVOICES, invoice, (CUSTOMERS, 9))
    (match,) = resolve(world.installation, Asked(email=ANNA))
    assert (match.table, match.key, match.found_by, match.exact) == (CUSTOMERS, (9,), "email", True)


def test_an_earlier_email_that_only_an_archived_invoice_has_leads_to_the_row(world: World):
    world.customer(8, "Petit", "Luc", email="luc@example.org")
    world.customer(9, "Roux", "Anna", email="anna@example.net")
    invoice = {"invoice_id": 3, "billing_name": "Anna Roux", "billing_email": ANNA}
    world.archive(INVOICES, invoice, (CUSTOMERS, 9))
    (match,) = resolve(world.installation, Asked("Roux", "Anna", ANNA))
    assert (match.table, match.key, match.exact) == (CUSTOMERS, (9,), False)
    assert (match.agrees, match.contradicts) == (("family_name", "first_name"), ("email",))


def test_a_link_leads_into_the_archive(world: World):
    world.customer(1, "Roux", "Anna", email=ANNA)
    world.archive(ACCOUNTS, {"account_id": 5, "email": ANNA}, (ACCOUNTS, 5))
    asked = Asked(customer_ref="1", family_name="Roux")
    assert outcome(world, asked) == ({(CUSTOMERS, 1), (ACCOUNTS, None)}, NOBODY)


def test_a_link_within_the_archive_is_doubtful_unless_the_name_agrees(world: World):
    world.archive(CUSTOMERS, GONE, (CUSTOMERS, 9))
    world.archive(ACCOUNTS, {"account_id": 5, "email": ANNA}, (ACCOUNTS, 5))
    found = resolve(world.installation, Asked(customer_ref="9"))
    assert {(match.table, match.exact) for match in found} == {(CUSTOMERS, True), (ACCOUNTS, False)}
    named = {"account_id": 6, "email": ANNA, "name": "Roux Anna"}
    world.archive(ACCOUNTS, named, (ACCOUNTS, 6))
    found = resolve(world.installation, Asked("Roux", "Anna", customer_ref="9"))
    told_in_order = [(match.table, match.exact) for match in found]
    assert sorted(told_in_order, key=lambda item: not item[1]) == told_in_order
    assert sorted(told_in_order) == [
        (CUSTOMERS, True),
        (ACCOUNTS, False),
        (ACCOUNTS, True),
    ]


def test_after_a_choice_the_links_lead_to_the_rest(world: World):
    world.customer(1, "Roux", "A.", email=ANNA)
    world.account(5, ANNA)
    asked = Asked(customer_ref="1", first_name="Anna")
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 1)})
    (match,) = linked(world.installation, asked, [(TableName(CUSTOMERS), (1,))])
    assert (match.table, match.key, match.exact, match.found_by) == (ACCOUNTS, (5,), True, "link")
    assert linked(world.installation, asked, []) == []
