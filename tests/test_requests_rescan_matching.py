"""What the re-scan finds in a text, and what it does not take for the person."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.requests.proving.matching import Matcher

VALUES = [
    ("email", "Marie.Martin@Example.org"),
    ("email", "rené@exämple.fr"),
    ("phone", "06 12 34 56 78"),
    ("iban", "FR76 3000 6000 0112 3456 7890 189"),
    ("address", "12 bd des Lilas, 75001 Paris"),
    ("identifier", "F2023-000421"),
    ("username", "mariem75"),
]
NAMES = [("Martin", "Marie"), ("de la Fontaine", "Jean-Paul")]
MATCHER = Matcher([(VALUES, NAMES)], "FR")


def found(*cells: str, matcher: Matcher = MATCHER) -> set[str]:
    return {hit.wanted.what for hit in matcher.find(cells)}


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("email", "marie.martin@example.org"),
        ("email", "MARIE.MARTIN@EXAMPLE.ORG"),
        ("email", "écrire à <Marie.Martin@example.org>."),
        ("email", "GET /stop?email=marie.martin%40example.org&x=1"),
        ("email", "mailto:marie.martin@example.org?subject=x"),
        ("email", "mail=marie.martin@example.org;"),
        ("email", "marie.martin&#64;example.org"),
        ("email", '{"to": ["marie.martin\\u0040example.org"]}'),
        ("email", '{"text": "Bonjour,\\nmarie.martin@example.org"}'),
        ("email", "marie.mar\u00adtin@example.org"),
        ("email", "ｍａｒｉｅ.martin@example.org"),
        ("email", "_marie.martin@example.org_"),
        ("email", "x" * 5_000 + " marie.martin@example.org " + "@" * 50),
        ("email", "rené@xn--exmple-cua.fr"),
        ("email", "RENÉ@EXÄMPLE.FR"),
        ("email", "rene\u0301@exa\u0308mple.fr"),
        ("phone", "0612345678"),
        ("phone", "+33612345678"),
        ("phone", "+33 (0)6 12 34 56 78"),
        ("phone", "0033 6.12.34.56.78"),
        ("phone", "tél. 06-12-34-56-78, le soir"),
        ("phone", "le 24/11/2026 06 12 34 56 78"),
        ("phone", "612345678"),
        ("phone", "33612345678"),
        ("phone", "612345678.0"),
        ("phone", '{"tel": 612345678}'),
        ("phone", "[[7, 612345678]]"),
        ("phone", "{7,612345678,NULL}"),
        ("iban", "FR7630006000011234567890189"),
        ("iban", "virement fr76 3000 6000 0112 3456 7890 189 reçu"),
        ("iban", "IBAN:FR76-3000-6000-0112-3456-7890-189."),
        ("iban", "RIB 30006 00001 12345678901 89"),
        ("name", "Marie Martin"),
        ("name", "MARTIN Marie"),
        ("name", "M\u00e1rtin, Marie"),
        ("name", "Bonjour Mme Marie MARTIN, merci"),
        ("name", "nom : Martin, prénom : Marie"),
        ("name", "marie_martin"),
        ("name", "marie.martin"),
        ("name", "Jean Paul DE LA FONTAINE"),
        ("name", '{"first_name": "Marie", "id": 7, "born": 1980, "zip": 1, "last_name": "Martin"}'),
        ("identifier", "facture f2023 000421 payée"),
        ("username", "vu par MarieM75 hier"),
    ],
)
def test_a_value_is_found_however_it_is_written(what, text):
    assert what in found(text)
    assert what in found("", "something else", text, "0")


@pytest.mark.parametrize(
    "text",
    [
        "annemarie.martin@example.org",
        "x-marie.martin@example.org",
        "marie.martin+news@example.org",
        "news+marie.martin@example.org",
        "marie.martin@example.org.uk",
        "marie.martin@sub.example.org",
        "marie.martin@example.com",
        "mariemartin@example.org",
        "rene@exämple.fr",
        "0612345679",
        "10612345678",
        "061234567",
        "06123456789",
        "FR7630006000011234567890188",
        "Marie",
        "Martin",
        "Marie Martinet",
        "Anne-Marie Dupont, fille de Paul Martin",
        "Jean Martin, rue Marie Curie",
        "12, rue Marie Martin, 75002 Paris",
        "place de la Fontaine, Jean-Paul II",
        "12 boulevard des Lilas",
        "mariem751",
        "F2023-0004210",
        "%_%",
        "@",
        "@@@@",
        "",
    ],
)
def test_what_only_resembles_a_value_is_not_it(text):
    only_values = Matcher([(VALUES, [])], "FR")
    assert found(text, matcher=only_values) == set()
    if "@" not in text:  # an address can be made of the name
        assert found(text) == set()


LONG_NUMBERS = ["1 85 05 78 006 084 36", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]


@pytest.mark.parametrize("text", [*LONG_NUMBERS, "vu : {}.", "n°{}", "x={}"])
@pytest.mark.parametrize("value", LONG_NUMBERS)
def test_a_long_number_is_found_in_whatever_groups_it_is_written(value, text):
    compact = value.replace(" ", "").replace("-", "")
    if "{}" in text:
        text = text.format(compact)
    elif text != value:
        return
    assert found(text, matcher=Matcher([([("identifier", value)], [])], "FR")) == {"identifier"}
    if compact.isdigit():
        compact_known = Matcher([([("identifier", compact)], [])], "FR")
        assert found(text, matcher=compact_known) == {"identifier"}


def test_names_in_two_columns_count_together_only():
    assert found("Martin", "Marie") == {"name"}
    assert found("Mme MARTIN", "x", "marie ") == {"name"}
    assert found("Martin", "Paul", "collègue de Marie") == set()


def test_a_street_counts_only_beside_one_of_the_names():
    street = "12 boulevard des Lilas"
    assert "address" in found("Mme Martin", street)
    assert "address" in found("Marie", "12, Bd. des LILAS 75001 PARIS")
    assert found("Durand", street) == set()
    assert found("Martin", "12 boulevard des Roses") == set()


def test_where_it_stands_is_told():
    hits = MATCHER.find(["7", "x", "marie.martin@example.org"])
    assert {(hit.wanted.what, hit.at) for hit in hits} == {("email", 2), ("name", 2)}
    assert [hit.at for hit in MATCHER.find(["Martin", "Marie"])] == [None]


def test_each_person_is_told_from_the_others():
    matcher = Matcher(
        [([("email", f"p{n}@example.org")], [("Martin", f"Marie{'abcd'[n]}")]) for n in range(4)],
        "FR",
    )
    hits = matcher.find(["p1@example.org", "Mariec Martin"])
    assert {(hit.wanted.case, hit.wanted.what) for hit in hits} == {(1, "email"), (2, "name")}


def test_two_persons_with_one_address_are_both_told():
    matcher = Matcher([([("email", "us@example.org")], [])] * 2, "FR")
    assert {hit.wanted.case for hit in matcher.find(["US@example.org"])} == {0, 1}


def test_nothing_is_wanted_of_names_that_are_too_short_or_no_names():
    matcher = Matcher([([("full_name", "Anna"), ("full_name", "3 4")], [("M", "")])], "FR")
    assert found("Anna", "3 4", "M", matcher=matcher) == set()


def test_a_whole_name_is_found_in_either_order_and_in_two_columns():
    matcher = Matcher([([("full_name", "Mme Marie Martin")], [])], "FR")
    for cells in (["Martin Marie"], ["MARTIN", "Marie"], ["chez Marie Martin"]):
        assert found(*cells, matcher=matcher) == {"name"}
    assert found("Person 3 said 12", matcher=Matcher([([("full_name", "Person 3")], [])], "FR"))
    plain = Matcher([([("full_name", "Person 3")], [])], "FR")
    assert found("note 3 person 12", matcher=plain) == set()


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@given(before=words, after=words, upper=st.booleans())
def test_an_address_in_any_text_is_found(before, after, upper):
    address = "marie.martin@example.org"
    text = f"{before} {address.upper() if upper else address} {after}"
    assert "email" in found(text)
    assert "email" in found(json.dumps({"a": [text]}))
    assert "email" in found(json.dumps([{"a": text}], ensure_ascii=False))


@given(words)
def test_no_text_breaks_it(text):
    MATCHER.find([text, text[::-1], "{" + text, "[" + text])


@pytest.mark.parametrize("value", VALUES)
def test_each_value_is_found_between_other_cells_by_itself(value):
    alone = Matcher([([value], [("Petit", "Zoé")])], "FR")
    cells = ["7", "x", value[1], "612345", "Petit"]
    assert [(hit.wanted.what, hit.at) for hit in alone.find(cells)] == [(value[0], 2)]
