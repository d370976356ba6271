"""Normal forms and fingerprints of identities."""

from __future__ import annotations

import secrets
import unicodedata
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from retention.catalogue.model import Table
from retention.identities import (
    FIELDS,
    LONGEST,
    carried_identities,
    fingerprint,
    fingerprints,
    identities,
    normal,
    postcode,
    reference_columns,
)
from retention.keys import Keyring

KEYRING = Keyring(bytes(range(32)), sa.create_engine("sqlite://"))

texts = st.text(max_size=60) | st.from_regex(r"[\w+.]{1,12}@[\w.-]{1,20}", fullmatch=True)


@given(st.sampled_from(FIELDS), texts)
@example("email", "\u1e9e@\u212aelvin.example")
@example("full_name", "x monsieur y")
@example("full_name", "Mme M. Jean")
@example("address", "1 rue du 75001 75002 x 75003")
@example("phone", "+390612345678")
@example("email", "a@b@c")
def test_a_normal_form_is_its_own_normal_form_and_never_empty(field: str, text: str):
    form = normal(field, text)
    if form is not None:
        assert form
        assert normal(field, form) == form
        assert normal(field, form, "US") == form


@given(st.sampled_from(FIELDS), texts)
def test_blanks_around_a_value_make_no_difference(field: str, text: str):
    assert normal(field, f" \t{text}\u00a0\n") == normal(field, text)


@given(st.sampled_from(("family_name", "first_name", "full_name", "address", "email")), texts)
def test_unicode_spellings_make_no_difference(field: str, text: str):
    for form in ("NFC", "NFD"):
        assert normal(field, unicodedata.normalize(form, text)) == normal(field, text)


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_is_no_identity(field: str):
    for nothing in (None, "", "   ", "\x00", b"a@example.org", "7" * (LONGEST + 1)):
        assert normal(field, nothing) in (None, "\x00")


def test_an_unknown_field_is_a_mistake():
    with pytest.raises(ValueError, match="no field"):
        normal("birth_date", "1980-01-01")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Example.ORG", " anna@example.org "),
        ("ａnna＠example.org", "anna@example.org"),
        ("ANNÉ@exemple.fr", "anne\u0301@exemple.fr"),
        ("a@MÜNCHEN.example", "a@xn--mnchen-3ya.example"),
    ],
)
def test_spellings_of_one_mailbox(one: str, other: str):
    assert normal("email", one) == normal("email", other) is not None


@pytest.mark.parametrize(
    "text",
    [
        "<anna@example.org>",
        "Roux, Anna <Anna@example.org> ",
        "mailto:anna@example.org",
        "<mailto:mailto: anna@example.org>\u200b",
    ],
)
def test_what_programs_write_around_a_mailbox_is_none_of_it(text: str):
    assert normal("email", text) == "anna@example.org"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna@example.org", "anna+shop@example.org"),
        ("an.na@example.org", "anna@example.org"),
        ("anna@example.org", "\u0430nna@example.org"),  # Cyrillic a
        ("anna@example.org", "anna@example.organic"),
        ("anna@example.org", "joanna@example.org"),
        ("anna@example.org", "anna@\u0435xample.org"),
        ("strasse@example.org", "straße@example.org"),
        ("anna@example.org", "an\u200bna@example.org"),
        ("anna@example.org", "anna@example.org, eve@example.org"),
    ],
)
def test_other_mailboxes(one: str, other: str):
    assert normal("email", one) != normal("email", other)


@pytest.mark.parametrize("text", ["anna", "@example.org", "anna@", "@"])
def test_what_is_no_address_of_mail(text: str):
    assert normal("email", text) is None


@pytest.mark.parametrize(
    "text",
    [
        "06 12 34 56 78",
        "06.12.34.56.78",
        "+33 (0)6 12 34 56 78",
        "0033612345678",
        "33612345678",
        612345678,
        33612345678,
        "0612345678 ext. 12",
        "０６１２３４５６７８",
    ],
)
def test_spellings_of_one_telephone(text: object):
    assert normal("phone", text) == "+33612345678"


def test_a_telephone_is_read_in_its_country():
    assert normal("phone", "0171 1234567", "DE") == "+491711234567"
    assert normal("phone", "+49 171 1234567", "FR") == "+491711234567"
    assert normal("phone", "+39 06 1234 5678") == "+390612345678"  # its zero is no prefix


@pytest.mark.parametrize("text", ["12", "call me", "112", "0" * 30, "%", "+", "unknown"])
def test_what_is_no_telephone(text: str):
    assert normal("phone", text) is None


def test_names_are_folded():
    assert normal("family_name", " D’AMBRÙ-Lefèvre ") == "d ambru lefevre"
    assert normal("first_name", "Zoë") == normal("first_name", "ZOE") == "zoe"
    assert normal("family_name", "Œuvrard") == "oeuvrard"
    assert normal("family_name", "Łysoń") == "lyson"
    assert normal("family_name", "ΠΑΠΑΣ") == normal("family_name", "Παπας")
    assert normal("family_name", "Dup\u043ent") != "dupont"  # a Cyrillic o
    assert normal("family_name", "--") is None


def test_a_full_name_in_either_order_with_or_without_a_form_of_address():
    assert normal("full_name", "Mme DUPONT Jeanne") == normal("full_name", "Jeanne Dupont")
    assert normal("full_name", "Jean Dupont") != normal("full_name", "Jeanne Dupont")
    assert normal("full_name", "M. Dupont") == "dupont m"


def test_an_address_is_its_street_line():
    wanted = "12 avenue de saint ouen"
    for text in (
        "12, av. de St-Ouen",
        "12 AVENUE DE SAINT OUEN 75018 PARIS",
        "12 avenue de Saint-Ouen\n75018 Paris Cedex 18",
    ):
        assert normal("address", text) == wanted
    assert normal("address", "12 bis avenue de Saint-Ouen") != wanted
    assert postcode("12, av. de St-Ouen, 75018 Paris") == "75018"
    assert postcode("75018 Paris") is None
    assert postcode(None) is None


def test_a_bank_account_has_right_check_digits():
    assert normal("iban", "fr76 3000 6000 0112 3456 7890 189") == "FR7630006000011234567890189"
    assert normal("iban", "FR7630006000011234567890188") is None
    assert normal("iban", "BNPAFRPPXXX") is None  # the bank's own code is everybody's


def table(owner: dict[str, Any] | None = None, **columns: str) -> Table:
    document: dict[str, Any] = {
        "label": "t",
        "key": "id",
        "columns": {name: {"category": category} for name, category in columns.items()},
    }
    document |= {"owner": owner} if owner else {"subject": "customer", "purposes": {"p": "always"}}
    return Table.model_validate(document)


CUSTOMERS = table(
    id="user.unique_id",
    last="user.name.last",
    maiden="user.name.last",
    first="user.name.first",
    email="user.contact.email",
    phone="user.contact.phone_number",
    street="user.contact.address.street",
    city="user.contact.address.city",
    born="user.demographic.date_of_birth",
)
INVOICES = table(
    {"table": "customers", "via": "customer", "carry": ["id", "last", "first", "email"]},
    id="system.operations",
    customer="user.unique_id",
    name="user.name",
    account="user.financial.bank_account",
)


def test_the_identities_of_a_subjects_row():
    row = {
        "id": 7,
        "last": "Lefèvre",
        "maiden": "Roux",
        "first": "Zoë",
        "email": "Zoe@example.org",
        "phone": "n/a",
        "street": "3, rue Haute",
        "city": "Lyon",
        "born": "1980-01-01",
        "unknown": "a@b.example",
    }
    assert set(identities(CUSTOMERS, row)) == {
        ("customer_ref", "7"),
        ("family_name", "lefevre"),
        ("family_name", "roux"),
        ("first_name", "zoe"),
        ("full_name", "lefevre zoe"),
        ("full_name", "roux zoe"),
        ("email", "zoe@example.org"),
        ("address", "3 rue haute"),
    }


def test_the_number_of_an_owned_row_is_nobodys_reference_but_its_owners_is():
    row = {"id": 7, "customer": 9, "name": "Zoë Lefèvre", "account": "BNPAFRPP"}
    assert set(identities(INVOICES, row)) == {
        ("customer_ref", "9"),
        ("full_name", "lefevre zoe"),
    }


def test_who_recommended_a_person_is_somebody_else():
    recommended = Table.model_validate(
        {
            **CUSTOMERS.model_dump(mode="json"),
            "columns": {
                "id": {"category": "system.operations"},
                "number": {"category": "user.unique_id"},
                "by": {"category": "user.unique_id"},
            },
            "references": [{"table": "customers", "via": "by"}],
        }
    )
    assert reference_columns(recommended) == ("id", "number")
    row = {"id": 7, "number": "C-7", "by": 8}
    assert set(identities(recommended, row)) == {("customer_ref", "7"), ("customer_ref", "C-7")}


def test_what_an_archived_row_carries_along_is_its_owners():
    values = {"owner.id": 9, "owner.last": "Lefèvre", "first": "Zoë", "amount": 12, "owner.x": 1}
    assert set(carried_identities(CUSTOMERS, values)) == {
        ("customer_ref", "9"),
        ("family_name", "lefevre"),
        ("first_name", "zoe"),
        ("full_name", "lefevre zoe"),
    }


def test_fingerprints_say_nothing_and_tell_fields_versions_and_keys_apart():
    form = normal("customer_ref", "612345678")
    assert form
    other = Keyring(secrets.token_bytes(32), sa.create_engine("sqlite://"))
    made = [
        fingerprint(KEYRING, "customer_ref", form),
        fingerprint(KEYRING, "family_name", form),
        fingerprint(KEYRING, "customer_ref", form, version=2),
        fingerprint(other, "customer_ref", form),
    ]
    assert len(set(made)) == 4
    assert all(len(item) == 64 and form not in item for item in made)
    assert fingerprints(KEYRING, [("customer_ref", form)]) == {("customer_ref", made[0])}


def test_a_lone_surrogate_is_no_crash():
    for field in FIELDS:
        form = normal(field, "a\ud800@example.org 0612345678")
        if form:
            assert len(fingerprint(KEYRING, field, form)) == 64
