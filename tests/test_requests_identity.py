"""Whose records a request is about: people who are easily mistaken for one another."""

# Fixtures are imported by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import pytest

from retention.errors import SourceError
from retention.requests.finding.identity import resolve
from retention.requests.finding.searching import CROWD
from retention.requests.model import Asked, RequestError
from tests.identity_support import (
    ACCOUNTS,
    CUSTOMERS,
    GUESTS,
    NOBODY,
    PROSPECTS,
    VISITS,
    World,
    outcome,
    people,
    world,
)

ANNA = "anna.roux@example.org"
JEAN = Asked(family_name="Dupont", first_name="Jean", email="dupont@example.org")


# --- what is exact ---------------------------------------------------------------------------


def test_an_email_of_one_person_per_table_is_exact(world: World):
    world.customer(1, "Roux", "Anna", email=" Anna.Roux@EXAMPLE.org ")
    world.customer(2, "Roux", "Annabel", email="annabel.roux@example.org")
    world.prospect(77, "ROUX", "Anna", email=ANNA)
    world.account(5, ANNA)
    exact, doubtful = outcome(world, Asked(email=ANNA))
    assert exact == {(CUSTOMERS, 1), (PROSPECTS, 77), (ACCOUNTS, 5)}
    assert doubtful == NOBODY


def test_a_prospect_who_is_a_customer_whatever_the_spelling(world: World):
    world.customer(1, "Lefèvre", "Zoë", email=ANNA, phone="06 12 34 56 78")
    world.prospect(1, "ZOE", "LEFEVRE", email=None, phone="0033612345678")
    asked = Asked(family_name="Lefevre", first_name="Zoé", email=ANNA, phone="+33612345678")
    exact, doubtful = outcome(world, asked)
    assert exact == {(CUSTOMERS, 1), (PROSPECTS, 1)}
    assert doubtful == NOBODY


def test_what_led_to_a_record_and_what_agrees_is_said_without_values(world: World):
    world.customer(1, "Roux", "Anna", email=ANNA, phone="0699999999")
    (match,) = resolve(
        world.installation, Asked(family_name="Roux", email=ANNA, phone="+33612345678")
    )
    assert (match.found_by, match.exact) == ("email", False)
    assert (match.agrees, match.contradicts) == (("email", "family_name"), ("phone",))
    assert match.key == (1,)


def test_two_accounts_of_one_customer_are_reached_by_the_link(world: World):
    world.customer(1, "Roux", "Anna", email=ANNA)
    world.account(5, ANNA)
    world.account(6, ANNA.upper())
    world.account(7, "anna.roux@example.organic")
    exact, doubtful = outcome(world, Asked(customer_ref="1", family_name="Roux"))
    assert exact == {(CUSTOMERS, 1), (ACCOUNTS, 5), (ACCOUNTS, 6)}
    assert doubtful == NOBODY
    found = {m.key[0]: m for m in resolve(world.installation, Asked(customer_ref="1"))}
    assert found[5].found_by == "link"


def test_a_log_of_another_system_is_reached_by_its_link_however_long_it_is(world: World):
    world.customer(1, "Dupont", "Jean", email="jean@example.org")
    world.customer(2, "Roux", "Anne", email="anne@example.org")
    world.put(VISITS, *({"visit_id": n, "visitor": 1} for n in range(1, 251)))
    world.put(VISITS, {"visit_id": 900, "visitor": 2}, {"visit_id": 901})
    mine = {(CUSTOMERS, 1), *((VISITS, n) for n in range(1, 251))}
    assert outcome(world, Asked(email="jean@example.org")) == (mine, NOBODY)


def test_one_person_registered_twice_under_the_same_name(world: World):
    world.customer(1, "Dupont", "Jean", email="dupont@example.org")
    world.customer(2, "Dupont", "Jean", email="dupont@example.org")
    assert outcome(world, JEAN) == ({(CUSTOMERS, 1), (CUSTOMERS, 2)}, NOBODY)
    by_mail = outcome(world, Asked(email=JEAN.email))
    assert by_mail == (NOBODY, {(CUSTOMERS, 1), (CUSTOMERS, 2)})


def test_a_guest_who_exists_as_an_email_on_an_order(world: World):
    world.put(GUESTS, {"order_id": 9, "email": ANNA})
    assert outcome(world, Asked(email=ANNA)) == ({(GUESTS, 9)}, NOBODY)
    assert outcome(world, Asked(customer_ref="9")) == (NOBODY, NOBODY)


# --- what a person has to choose -------------------------------------------------------------


@pytest.mark.parametrize("asked", [JEAN, Asked(email=JEAN.email)])
def test_a_family_mailbox_decides_nothing(world: World, asked: Asked):
    world.customer(1, "Dupont", "Jean", email="dupont@example.org")
    world.customer(2, "Dupont", "Jeanne", email="dupont@example.org")
    world.account(5, "dupont@example.org")
    exact, doubtful = outcome(world, asked)
    assert exact == NOBODY
    assert doubtful == {(CUSTOMERS, 1), (CUSTOMERS, 2), (ACCOUNTS, 5)}


@pytest.mark.parametrize("asked", [JEAN, Asked(email=JEAN.email)])
def test_an_email_with_another_name_in_another_table_decides_nothing(world: World, asked: Asked):
    world.customer(1, "Dupont", "Jean", email="dupont@example.org")
    world.prospect(1, "Martin", "Lucie", email="dupont@example.org")
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 1), (PROSPECTS, 1)})


def test_a_shared_mailbox_makes_the_link_doubtful_even_where_the_reference_decides(world: World):
    world.customer(1, "Dupont", "Jean", email="dupont@example.org")
    world.customer(2, "Dupont", "Jeanne", email="dupont@example.org")
    world.account(5, "dupont@example.org")
    exact, doubtful = outcome(world, Asked(customer_ref="1", family_name="Dupont"))
    assert exact == {(CUSTOMERS, 1)}
    assert doubtful == {(ACCOUNTS, 5)}


def test_a_shared_mailbox_with_somebody_in_the_archive_makes_the_link_doubtful(world: World):
    world.customer(1, "Dupont", "Jean", email="dupont@example.org")
    world.account(5, "dupont@example.org")
    row = {"customer_id": 2, "last_name": "Dupont", "email": "dupont@example.org"}
    world.archive(CUSTOMERS, row, (CUSTOMERS, 2))
    exact, doubtful = outcome(world, Asked(customer_ref="1", first_name="Jean"))
    assert exact == {(CUSTOMERS, 1)}
    assert doubtful == {(ACCOUNTS, 5)}


def test_a_linked_record_with_another_name_is_doubtful(world: World):
    world.customer(1, "Roux", "Anna", email=ANNA)
    world.account(5, ANNA, name="Lucie Martin")
    world.account(6, ANNA, name="ROUX Anna")
    asked = Asked(customer_ref="1", family_name="Roux", first_name="Anna")
    assert outcome(world, asked) == ({(CUSTOMERS, 1), (ACCOUNTS, 6)}, {(ACCOUNTS, 5)})


@pytest.mark.parametrize(
    ("last", "first"),
    [("Roux", "A."), ("Roux-Martin", "Anna"), ("Roux", "Anne"), ("Rouх", "Anna")],
)
def test_a_name_that_is_only_like_the_one_given_is_doubtful(world: World, last: str, first: str):
    world.customer(1, last, first, email=ANNA)
    asked = Asked(family_name="Roux", first_name="Anna", email=ANNA)
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 1)})


def test_the_reference_with_another_email_or_name_is_doubtful(world: World):
    world.customer(42, "Roux", "Anna", email=ANNA)
    assert outcome(world, Asked(customer_ref="42", email="x@example.org")) == (
        NOBODY,
        {(CUSTOMERS, 42)},
    )
    assert outcome(world, Asked(customer_ref="42", family_name="Martin")) == (
        NOBODY,
        {(CUSTOMERS, 42)},
    )


def test_a_number_that_several_tables_have_decides_nothing_alone(world: World):
    world.customer(42, "Roux", "Anna", email=ANNA)
    world.prospect(42, "Martin", "Lucie", email="lucie@example.org")
    world.account(42, None)
    everybody = {(CUSTOMERS, 42), (PROSPECTS, 42), (ACCOUNTS, 42)}
    assert outcome(world, Asked(customer_ref="42")) == (NOBODY, everybody)
    exact, doubtful = outcome(world, Asked(customer_ref="42", email=ANNA))
    assert exact == {(CUSTOMERS, 42)}
    assert doubtful == {(ACCOUNTS, 42)}  # nothing speaks against it, nothing for it


def test_a_number_and_a_first_name_are_many_peoples(world: World):
    world.customer(42, None, "Anna")
    world.prospect(42, None, "Anna")
    asked = Asked(customer_ref="42", first_name="Anna")
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 42), (PROSPECTS, 42)})


def test_another_reference_in_the_same_table_contradicts(world: World):
    world.customer(1, "Dupont", "Jean", email="dupont@example.org")
    world.customer(2, "Dupont", "Jean", email="dupont@example.org")
    asked = Asked(customer_ref="2", family_name="Dupont", first_name="Jean", email=JEAN.email)
    assert outcome(world, asked) == ({(CUSTOMERS, 2)}, {(CUSTOMERS, 1)})


def test_whoever_recommended_a_customer_is_not_found_by_the_reference(world: World):
    world.customer(1, "Roux", "Anna", recommended_by=2)
    world.customer(2, "Martin", "Lucie", recommended_by=1)
    assert outcome(world, Asked(customer_ref="1")) == ({(CUSTOMERS, 1)}, NOBODY)


def test_the_telephone_of_a_household_is_doubtful_for_the_other_one(world: World):
    world.customer(1, "Dupont", "Jean", phone="01 23 45 67 89")
    world.customer(2, "Petit", "Marie", phone="01.23.45.67.89")
    asked = Asked(family_name="Dupont", first_name="Jean", phone="+33123456789")
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 1), (CUSTOMERS, 2)})


def test_twins_at_one_address(world: World):
    at = {"street": "3, av. de St-Ouen", "postcode": "75018"}
    world.customer(1, "Dupont", "Jean", **at)
    world.customer(2, "Dupont", "Jeanne", **at)
    world.customer(3, "Dupont", "J", **at)
    world.customer(4, "Dupont", "Jean", street="3 avenue de Saint Ouen", postcode="69001")
    world.customer(5, "Dupont", "Jean", street="5 avenue de Saint Ouen", postcode="75018")
    world.customer(6, "Jéan", "DUPONT", street="3 Avenue de Saint-Ouen, bât. B", postcode=None)
    asked = Asked(
        family_name="Dupont", first_name="Jean", address="3 avenue de Saint-Ouen, 75018 Paris"
    )
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 1), (CUSTOMERS, 3), (CUSTOMERS, 6)})


def test_a_name_alone_an_address_alone_and_nothing_lead_to_nobody(world: World):
    world.customer(1, "Roux", "Anna", street="3 rue Haute", postcode="69001")
    for asked in (
        Asked(family_name="Roux", first_name="Anna"),
        Asked(address="3 rue Haute, 69001 Lyon"),
        Asked(first_name="Anna", address="3 rue Haute, 69001 Lyon"),
        Asked(message="I am Anna Roux"),
        Asked(),
    ):
        assert outcome(world, asked) == (NOBODY, NOBODY)


def test_a_given_field_that_cannot_be_read_is_never_taken_to_agree(world: World):
    world.customer(1, "Roux", "Anna", email=ANNA, phone="0612345678")
    asked = Asked(email=ANNA, phone="call me")
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 1)})


# --- spellings, and attacks ------------------------------------------------------------------

OTHERS = [
    "anna.roux+shop@example.org",
    "annaroux@example.org",
    "\u0430nna.roux@example.org",
    "anna.roux@example.organic",
    "joanna.roux@example.org",
    "anna_roux@example.org",
    "anna%@example.org",
    "%",
    "_" * len(ANNA),
    "anna.roux@example.org' OR '1'='1",
    "x" * 100_000 + ANNA,
    ANNA + " " * 100_000 + "x",
    "",
    None,
]


def test_addresses_that_are_not_the_one_given(world: World):
    for number, email in enumerate(OTHERS):
        world.customer(number, None, None, email=email)
    world.customer(100, None, None, email="ａnna.roux@example.org\t")
    assert outcome(world, Asked(email=ANNA)) == ({(CUSTOMERS, 100)}, NOBODY)


@pytest.mark.parametrize(
    "text", ["%", "_", "' OR 1=1 --", '"', "\\", "anna%", "\x00", "\ud800", ANNA * 100, "İ" * 90]
)
def test_no_value_is_a_pattern_or_breaks_a_statement(world: World, text: str):
    world.customer(1, "Roux", "Anna", email=ANNA, phone="0612345678", street="3 rue Haute")
    world.archive(CUSTOMERS, {"customer_id": 2, "email": ANNA}, (CUSTOMERS, 2))
    asked = Asked(text, text, text, text, text, text)
    assert outcome(world, asked) == (NOBODY, NOBODY)
    at = Asked(email=f"{text}@{text}", customer_ref=text)
    assert outcome(world, at) == (NOBODY, NOBODY)


def test_every_spelling_is_found_in_the_database_itself(world: World):
    phones = [
        "+33 (0)6 12 34 56 78",
        "06/12/34/56/78",
        "0612345678 poste 3",
        "０６１２３４５６７８",
    ]
    for number, phone in enumerate(phones):
        world.customer(number, "Roux", "Anna", phone=phone)
    asked = Asked(family_name="Roux", first_name="Anna", phone="+33612345678")
    assert outcome(world, asked)[0] == {(CUSTOMERS, number) for number in range(len(phones))}


def test_a_telephone_of_another_country(world: World):
    world.customer(1, "Roux", "Anna", phone="+47 21 23 45 67")
    assert outcome(world, Asked(phone="+4721234567"))[0] == {(CUSTOMERS, 1)}


def test_pseudonyms_of_the_source_are_nobody(world: World):
    world.customer(1, "psn1_" + "a" * 26, "psn1_" + "a" * 26, email=ANNA)
    world.customer(2, None, None, email="psn1_" + "a" * 26)
    asked = Asked(family_name="Roux", first_name="Anna", email=ANNA)
    assert outcome(world, asked) == ({(CUSTOMERS, 1)}, NOBODY)


def test_a_placeholder_that_a_crowd_shares_finds_only_who_agrees_in_more(world: World):
    crowd = [{"customer_id": n, "email": "none@example.org"} for n in range(CROWD + 1)]
    world.put(CUSTOMERS, *crowd)
    with pytest.raises(RequestError, match=f"{CUSTOMERS}: more than {CROWD} records") as raised:
        resolve(world.installation, Asked(email="none@example.org"))
    assert "none@" not in str(raised.value)
    world.customer(500, "Roux", "Anna", email="none@example.org")
    asked = Asked(family_name="Roux", first_name="Anna", email="none@example.org")
    assert outcome(world, asked) == (NOBODY, {(CUSTOMERS, 500)})


def test_a_system_out_of_reach_is_an_error_and_not_a_shorter_answer(world: World, monkeypatch):
    world.customer(1, "Roux", "Anna", email=ANNA)

    def unreachable(system: str) -> None:
        raise SourceError(f"{system}: cannot be reached")

    monkeypatch.setattr(world.installation.sources, "engine", unreachable)
    with pytest.raises(SourceError):
        resolve(world.installation, Asked(email=ANNA))
