"""The database narrows down: what it leaves out, comparing every row would leave out too."""

# Fixtures are imported by their names.
# ruff: noqa: F401, F811

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.catalogue.model import TableName
from retention.identities import normal
from retention.requests.finding.likeness import Sought, compare
from retention.requests.finding.searching import read, search
from retention.requests.model import Asked
from tests.identity_support import CUSTOMERS, World, people, world

LASTS = [
    "Dupont",
    "DUPONT",
    "du Pont",
    "Dupont-Roux",
    "Roux",
    "Œuvrard",
    "OEUVRARD",
    "D'Or",
    "Éloi",
]
FIRSTS = ["Jean", "jean", "J.", "J", "Jéan", "Jean-Luc", "Jeanne", "Éloi", "Eloi", "Zoë"]
EMAILS = [
    "jean@example.org",
    " JEAN@Example.Org\t",
    "jean+x@example.org",
    "ｊean@example.org",
    "jean@exämple.org",
    "jean@xn--exmple-cua.org",
    "jEAN@EXÄMPLE.ORG",
    "jean@example.orgs",
    "éloi@example.org",
    "ÉLOI@example.org",
    "jean_@example.org",
]
PHONES = [
    "0612345678",
    "+33 6 12 34 56 78",
    "+33(0)612345678",
    "0033-6-12-34-56-78",
    "612345678",
    "33612345678",
    "06\u00a012\u00a034\u00a056\u00a078",
    "0612345679",
    "06 12 34 56 78 poste 12",
    "none",
]
STREETS = [
    "3 avenue de Saint-Ouen",
    "3, av. de St Ouen",
    "3 bis avenue de Saint-Ouen",
    "3 rue de l'Église",
    "3, RUE DE L'EGLISE, 75018 PARIS",
    "13 rue de l'Église",
    "3 impasse",
    "Le Bourg",
    "LE BOURG",
]
POSTCODES = ["75018", " 75018 ", "69001", "", None]


def some(texts: list[str]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(texts)


rows = st.fixed_dictionaries(
    {
        "last_name": some(LASTS + FIRSTS),
        "first_name": some(FIRSTS + LASTS),
        "email": some(EMAILS),
        "phone": some(PHONES),
        "street": some(STREETS),
        "postcode": st.sampled_from(POSTCODES),
    }
)
requests = st.builds(
    Asked,
    family_name=some(LASTS),
    first_name=some(FIRSTS),
    email=some(EMAILS),
    phone=some(PHONES),
    address=some([f"{street}{town}" for street in STREETS for town in ("", ", 75018 Paris")]),
    customer_ref=some(["1", "3", "x", "999999999999999999999999"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.lists(rows, min_size=5, max_size=30), asked=st.lists(requests, max_size=8))
def test_narrowing_down_leaves_nobody_out(world: World, stored, asked: list[Asked]):
    world.empty()
    world.put(CUSTOMERS, *({"customer_id": n, **row} for n, row in enumerate(stored)))
    name = TableName(CUSTOMERS)
    for one in asked:
        sought = Sought.of(one, "FR")
        every = read(world.installation, name, sa.true(), sought)
        wanted = {item.key for item in every if item.likeness.worth_a_look}
        found = search(world.installation, name, sought).candidates
        assert {item.key for item in found} == wanted


@pytest.mark.parametrize(
    ("last", "first", "agrees", "contradicts", "like"),
    [
        ("dupont", "jean", {"family_name", "first_name"}, set(), set()),
        ("jean", "dupont", {"family_name", "first_name"}, set(), set()),
        ("dupont", "j", {"family_name"}, set(), {"first_name"}),
        ("dupont", "jean luc", {"family_name"}, set(), {"first_name"}),
        ("dupont", "luc", {"family_name"}, {"first_name"}, set()),
        ("dupont roux", "jean", {"first_name"}, set(), {"family_name"}),
        ("duponts", "jean", {"first_name"}, {"family_name"}, set()),
        ("dupont", "", {"family_name"}, set(), set()),
        ("", "", set(), set(), set()),
        ("d", "jean", {"first_name"}, {"family_name"}, set()),
        ("martin", "lucie", set(), {"family_name", "first_name"}, set()),
    ],
)
def test_two_names_compared(last, first, agrees, contradicts, like):
    sought = Sought.of(Asked(family_name="DUPONT", first_name="Jean"), "FR")
    given_names = {"family_name": last, "first_name": first}
    found = compare(sought, {what: frozenset({form}) for what, form in given_names.items() if form})
    assert (found.agrees, found.contradicts, found.like) == (agrees, contradicts, like)


@pytest.mark.parametrize(
    ("whole", "agrees", "contradicts", "like"),
    [
        ("dupont jean", {"family_name", "first_name"}, set(), set()),
        ("dupont jean luc", {"family_name"}, set(), {"first_name"}),
        ("dupont j", {"family_name"}, set(), {"first_name"}),
        ("dupont", {"family_name"}, set(), set()),
        ("dupont luc", {"family_name"}, {"first_name"}, set()),
        ("jean martin", set(), {"family_name"}, {"first_name"}),
        ("acme sarl", set(), {"family_name", "first_name"}, set()),
    ],
)
def test_a_whole_name_compared(whole, agrees, contradicts, like):
    sought = Sought.of(Asked(family_name="Dupont", first_name="Jean"), "FR")
    found = compare(sought, {"full_name": frozenset({whole})})
    assert (found.agrees, found.contradicts, found.like) == (agrees, contradicts, like)


@pytest.mark.parametrize(
    ("street", "town", "same"),
    [
        ("3, av. de St-Ouen", "75018", True),
        ("3 avenue de Saint-Ouen, bâtiment B", None, True),
        ("3 bis avenue de Saint-Ouen", "75018", True),
        ("3 avenue de Saint-Ouen", "69001", False),
        ("3 avenue de Saint-Ouen, porte 5", "75018", False),
        ("5 avenue de Saint-Ouen", "75018", False),
        ("3", "75018", False),
    ],
)
def test_two_addresses_compared(street: str, town: str | None, *, same: bool):
    sought = Sought.of(Asked(address="3 avenue de Saint-Ouen 75018 Paris"), "FR")
    values = {"address": frozenset({normal("address", street) or ""})}
    values |= {"postcode": frozenset({town})} if town else {}
    found = compare(sought, values)
    assert (found.agrees == {"address"}, found.contradicts == {"address"}) == (same, not same)
