"""Who objected is recognised when they come back as prospects, and nobody else is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.installation import Installation
from retention.requests.doing import opposition
from retention.requests.model import Asked
from retention.stores import cases
from tests.engine import lives, tables
from tests.engine.small import Small
from tests.engine.stored import fetch

AS_OF = date(2026, 11, 24)
LAST = date(2029, 11, 24)
CUSTOMERS = "crm.customers"
EMAIL, PHONE = "Paul@Example.org", "06 12 34 56 78"


BOTH = pytest.mark.parametrize(
    "place", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    """Customers with a phone number in ``segment``, and nobody in it."""
    url = (
        request.getfixturevalue("postgres_url")
        if getattr(request, "param", "") == "postgresql"
        else None
    )
    small = Small(tmp_path / "small", url)
    small.catalogue = tables.catalogue(small._address("crm"), small._address("web"))
    table = small.catalogue["systems"]["crm"]["tables"]["customers"]
    table["columns"]["segment"] = {"category": "user.contact.phone_number", "identifies": True}
    return small.write()


@pytest.fixture
def opened(place: Small) -> Iterator[Installation]:
    with place.opened() as installation:
        yield installation


def prospect(number: int, **values: Any) -> dict[str, Any]:
    values = {"opted": "yes", "email": None, "collected_on": date(2026, 1, 1), **values}
    return lives.customer(number, **values)


def opposed(installation: Installation, as_of: date = AS_OF) -> set[Any]:
    keys = list(opposition.opposed(installation, CUSTOMERS, as_of))
    assert len(keys) == len(set(keys)) == opposition.count_opposed(installation, CUSTOMERS, as_of)
    return {key for (key,) in keys}


@BOTH
def test_a_person_who_comes_back_is_recognised_by_email_or_phone(place, opened):
    assert opposition.add(opened, Asked(email=EMAIL, phone=PHONE), as_of=AS_OF) == 2
    place.insert(
        CUSTOMERS,
        prospect(1, email="paul@example.ORG "),
        prospect(2, segment="+33612345678"),
        prospect(3, email="paul@example.org", segment="0612345678"),
        prospect(4, email="jean.paul@example.org"),
        prospect(5, email="paul@example.org.uk", segment="0612345679"),
        prospect(6, email=None, segment=None),
        prospect(7, email="'; DROP TABLE customers; --", segment="%"),
    )
    assert opposed(opened) == {1, 2, 3}


@BOTH
def test_who_is_not_up_for_prospecting_is_left_alone(place, opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    place.insert(
        CUSTOMERS,
        prospect(1, email=EMAIL, opted="no"),
        prospect(2, email=EMAIL, opted=None),
        prospect(3, email=EMAIL, collected_on=date(2021, 1, 1)),  # over long ago
        prospect(4, email=EMAIL),
        prospect(5, email=EMAIL, collected_on=None),  # nothing is known: a person decides
    )
    assert opposed(opened) == {4, 5}


def test_a_name_alone_puts_nobody_on_the_list(place, opened):
    asked = Asked(family_name="Paul", first_name="Person", address="1 rue X", customer_ref="4")
    assert opposition.add(opened, asked, as_of=AS_OF) == 0
    pairs = [("full_name", "Person 4"), ("email", "none"), ("phone", "12"), ("iban", "x")]
    assert opposition.add(opened, pairs, as_of=AS_OF) == 0
    place.insert(CUSTOMERS, prospect(4, email="none", segment="12"))
    assert opposed(opened) == set()
    assert fetch(opened.stores.cases, cases.opposition) == []


def test_the_list_holds_opaque_fingerprints_only(opened):
    opposition.add(opened, Asked(email=EMAIL, phone=PHONE), as_of=AS_OF)
    rows = fetch(opened.stores.cases, cases.opposition)
    assert {row["field"] for row in rows} == {"email", "phone"}
    assert all(len(row["fingerprint"]) == 64 for row in rows)
    text = repr(rows).casefold()
    assert "paul" not in text and "612345678" not in text and "example" not in text


def test_an_entry_lasts_as_long_as_the_policy_says(place, opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    assert [row["expires_on"] for row in fetch(opened.stores.cases, cases.opposition)] == [LAST]
    place.insert(CUSTOMERS, prospect(4, email=EMAIL, collected_on=date(2029, 1, 1)))
    assert opposed(opened, LAST) == {4}
    assert opposed(opened, date(2029, 11, 25)) == set()


@BOTH
def test_objecting_again_only_prolongs(opened):
    for day in (AS_OF, date(2027, 5, 5), date(2026, 1, 1)):
        assert opposition.add(opened, [("email", EMAIL), ("email", EMAIL.upper())], as_of=day) == 1
    (row,) = fetch(opened.stores.cases, cases.opposition)
    assert (row["added_on"], row["expires_on"]) == (date(2027, 5, 5), date(2030, 5, 5))


@BOTH
def test_evidence_in_another_system_does_not_hide_a_row(place, opened):
    """A row is partial where its evidence can lie elsewhere: it is then decided in Python."""
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    assert opened.binder(AS_OF).bind(CUSTOMERS).partial
    place.insert(CUSTOMERS, *(prospect(number, email=EMAIL) for number in range(1, 1_203)))
    assert len(opposed(opened)) == 1_202


def test_only_tables_for_prospecting_are_looked_at(place, opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    place.insert("web.accounts", lives.account(1, EMAIL, AS_OF))
    assert opposition.prospecting_tables(opened, AS_OF) == {CUSTOMERS: ("prospecting",)}
    assert list(opposition.opposed(opened, "web.accounts", AS_OF)) == []


def test_the_table_is_not_read_while_nobody_objected(place, opened):
    (place.home / "crm.sqlite").unlink()
    assert opposed(opened) == set()


@BOTH
def test_without_evidence_elsewhere_the_database_itself_leaves_out_what_is_over(place):
    del place.catalogue["systems"]["crm"]["tables"]["customers"]["events"]["login"]
    place.write_documents()
    with place.opened() as installation:
        assert not installation.binder(AS_OF).bind(CUSTOMERS).partial
        opposition.add(installation, [("email", EMAIL)], as_of=AS_OF)
        place.insert(
            CUSTOMERS,
            prospect(1, email=EMAIL, opted="no"),
            prospect(3, email=EMAIL, collected_on=date(2021, 1, 1)),
            prospect(4, email=EMAIL),
            prospect(5, email=EMAIL, collected_on=None),
        )
        assert opposed(installation) == {4, 5}


def test_is_listed_says_so_of_one_address(opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    assert opposition.is_listed(opened, "email", " PAUL@example.org", AS_OF)
    assert not opposition.is_listed(opened, "phone", "paul@example.org", AS_OF)
    assert not opposition.is_listed(opened, "email", "paula@example.org", AS_OF)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Small(tmp_path_factory.mktemp("one") / "small").write().opened() as installation:
        opposition.add(installation, Asked(email=EMAIL, phone=PHONE), as_of=AS_OF)
        yield installation


@given(value=st.text(max_size=30), field=st.sampled_from(["email", "phone"]))
def test_no_text_breaks_it_nor_is_taken_for_the_person(one, value, field):
    assert not opposition.is_listed(one, field, value, AS_OF)
