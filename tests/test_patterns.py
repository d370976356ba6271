"""Identifiers are found however they are written, and numbers that mean nobody are left alone."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban
from stdnum import luhn as stdnum_luhn
from stdnum.fr import nir as stdnum_nir
from stdnum.fr import siret as stdnum_siret
from stdnum.numdb import get as stdnum_table

from anonymizers.texts import checksums
from anonymizers.texts.patterns import KINDS, count_hits, find
from anonymizers.texts.spans import Span, resolved

WHOLE: dict[str, list[str]] = {
    "email": [
        "jean-pierre.dupont+pro@sous.domaine.co.uk", "JEAN@EXEMPLE.FR", "jean_d@exemple-pro.fr",
        "jean @ exemple.fr", "jean@exemple . fr", "jean(at)exemple(point)fr", "jean[@]exemple.fr",
        "jean at exemple dot fr", "jean arobase exemple point fr", "j.dupont at exemple.fr",
        "jean%40exemple.fr", '"jean dupont"@exemple.fr', "jéan@exemplé.fr", "jean＠exemple．fr",
        "je\u00adan@exem\u200bple.fr", "jean@localhost", "jean@192.0.2.1",
        "jean dot dupont at exemple dot fr", "œuvre@cœur.fr",
    ],
    "phone": [
        "06 12 34 56 78", "0612345678", "06.12.34.56.78", "06-12-34-56-78", "06/12/34/56/78",
        "06_12_34_56_78", "06,12,34,56,78", "06  12  34  56  78", "0612 345 678", "06 12345678",
        "0 6 1 2 3 4 5 6 7 8", "06.12 34-56 78", "06\u00a012\u00a034\u00a056\u00a078",
        "06\u202f12\u202f34\u202f56\u202f78", "06\t12\t34\t56\t78", "０６ １２ ３４ ５６ ７８", "06·12·34·56·78",
        "٠٦ ١٢ ٣٤ ٥٦ ٧٨", "0\u200b612345678", "0800 123 456", "33 6 12 34 56 78",
        "+33612345678", "+33 6 12 34 56 78", "+33 (0)6 12 34 56 78", "+33(0)612345678",
        "+33-6-12-34-56-78", "0033 6 12 34 56 78", "00 33 6 12 34 56 78", "+1 (415) 555-2671",
        "+44 20 7946 0958", "0044 20 7946 0958", "+49 30 901820",
    ],
    "iban": [
        "FR76 3000 6000 0112 3456 7890 189", "FR7630006000011234567890189",
        "fr76-3000-6000-0112-3456-7890-189", "FR77 3000 6000 0112 3456 7890 189",
        "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "NL91 ABNA 0417 1643 00",
        "BE68539007547034", "DE89 3704 0044 0532 0130 01", "MC58 1122 2000 0101 2345 6789 030", "30006 00001 12345678901 89",
    ],
    "nir": [
        "2 55 08 14 168 025 38", "255081416802538", "1 85 05 78 006 084", "2 55 08 14 168 025 39",
        "2 69 05 2A 004 084 17", "2.55.08.14.168.025.38", "1 99 01 97 411 123 45",
    ],
    "siret": [
        "732 829 320 00074", "73282932000074", "732829320 00074", "356 000 000 00048",
        "356 000 000 49837",
    ],
    "siren": ["732 829 320", "FR 44 732 829 320", "FR44732829320"],
    "card": [
        "4970 1012 3456 7893", "4970101234567893", "4970-1012-3456-7893", "3782 822463 10005",
        "378282246310005", "5555 5555 5555 4444", "2223003122003222", "6011111111111117",
        "3056 930902 5904", "3530111333300000",
    ],
    "date": [
        "12/03/1985", "12-03-1985", "12.03.1985", "1985-03-12", "1985/03/12", "12/3/85",
        "12 03 1985", "12 mars 1985", "1er janvier 2000", "3 févr. 2024", "12 MARS 1985",
        "5 déc. 2024", "3 aou\u0302t 1990", "14 juillet", "12 sept. '85",
    ],
    "postcode": [
        "75011 Paris", "75011 PARIS CEDEX 11", "20090 Ajaccio", "97400 Saint-Denis",
        "33260 La Teste-de-Buch", "94240 L'Haÿ-les-Roses", "13090 Aix en Provence",
        "93200 St Denis", "98000 Monaco", "Lyon (69003)", "06000, Nice",
    ],
    "street": [
        "12 rue de la Paix", "12bis rue de la Paix", "12 B rue de la Paix", "avenue Foch",
        "12, rue du Général-de-Gaulle", "rue du 8 mai 1945", "3 place de l'Église",
        "15 av. Jean Jaurès", "2 bd Saint-Michel", "1 bis, bd. de l'Hôpital", "1 r. de la Paix",
        "5 impasse des lilas", "7 allée Paul-Cézanne", "Lieu-dit Le Bourg", "10 quai d'Orsay",
        "22 RUE VICTOR HUGO", "22 rue victor hugo 75011 paris", "4 résidence Les Pins",
        "12-14 rue Monge", "route de Toulouse", "Rue Sainte-Catherine", "ZA des Forges",
        "12 rue de la Paix, 75002 Paris", "12 rue de la Paix, 75002", "8 rue Monge à Lyon",
    ],
    "ip": [
        "192.0.2.1", "2001:db8::1", "fe80::1ff:fe23:4567:890a", "::ffff:192.0.2.1",
        "2001:0db8:0000:0000:0000:ff00:0042:8329",
    ],
    "url": [
        "https://zoe:secret@exemple.fr/x", "https://exemple.fr/?token=abc", "ftp://jean@exemple.fr",
        "https://exemple.fr/reset/3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "https://exemple.fr/?utm=1&email=a", "https://exemple.fr/u/dGhpc2lzYXZlcnlsb25ndG9rZW4x",
        "https://exemple.fr/#access_token=eyJhbGciOiJIUzI1NiJ9.abc",
    ],
    "name": [
        "Mme Le Goff", "M. Dupont", "Monsieur DUPONT", "Mr Dupont", "Dr. Jean Petit",
        "Mme de la Tour", "MME LE GOFF", "Mlle O'Connor", "Mme Ben Ali", "M Dupont", "mme dupont",
        "M. D'Artagnan", "Madame Maréchal",
    ],
}  # fmt: skip

NOBODY = [
    "TVA 20 %", "taux 5,5 %", "1 234,56 €", "12 345 €", "12 345,67 EUR", "total 1234567,89",
    "123 456 789 €", "732 829 320 euros", "n° 45872", "commande 123456789", "commande 732829320",
    "facture FA-2024-00123", "ticket #45872 Merci", "Facture 75011 Merci", "réf. 2024/45872",
    "CMD0612345678", "2026-0612345678", "n° 1234567890", "dossier 1712345678901",
    "version 3.11.7", "v10.4.1", "à 12:30", "12h30", "9 h", "24/7", "3/4", "A4", "120x80",
    "RG 23/01234", "art. L123-22", "lot 75011 Annulé", "Le client 12345 Dupont", "500 euros",
    "12000 Appels", "10 000 Clients", "page 12/24", "10-12 jours", "mars 2024", "en mai",
    "la place est prise", "3 place disponible", "5 parc informatique", "en cours de traitement",
    "la route est longue", "mail au client", "rue piétonne fermée", "boulevard périphérique",
    "madame, monsieur", "Monsieur le Directeur", "Madame la Présidente", "Bonjour Monsieur",
    "std::vector", "a::b", "Abc::def", "https://exemple.fr/aide", "https://exemple.fr/f/2024",
    "look at example.org", "IPv4", "16/9", "0,1234567890", "0.123456789", "1e10", "3e étage",
    "1.2.3.4.5", "256.1.1.1", "192.0.2.0/24", "2001:db8:1::/48", "Chrome/130.0.0.0", "N 48.8566, E 2.3522", "32/13/2024", "2024-13-45", "@dupont",
    "FR12 3456", "DE89370400440532013001", "4970 1012 3456 7890", "185057800608436",
    "le numéro vert", "3 personnes", "du lundi au vendredi", "5 étoiles", "100%",
]  # fmt: skip

CASES = [(kind, text) for kind, texts in WHOLE.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_an_identifier_is_found_whole(kind: str, text: str) -> None:
    assert find(text) == [Span(kind, 0, len(text))]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_an_identifier_is_found_in_a_sentence(kind: str, text: str) -> None:
    sentence = f"Bonjour, voici: {text}; merci."
    start = sentence.index(text)

    assert find(sentence) == [Span(kind, start, start + len(text))]


@pytest.mark.parametrize("text", NOBODY)
def test_what_means_nobody_is_left_alone(text: str) -> None:
    assert find(text) == []
    assert find(f"Bonjour, {text}, cordialement") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(06) 12 34 56 78", ["06) 12 34 56 78"]),
        ("0612345678/0698765432", ["0612345678", "0698765432"]),
        ("0612345678-0698765432", ["0612345678", "0698765432"]),
        ("tel0612345678", ["0612345678"]),
        ("06 12 34 56 78 75011 Paris", ["06 12 34 56 78", "75011 Paris"]),
        ("mailto:jean@exemple.fr?subject=x", ["jean@exemple.fr"]),
        ("<jean@exemple.fr>,marie@exemple.fr.", ["jean@exemple.fr", "marie@exemple.fr"]),
        ("IBANFR7630006000011234567890189", ["FR7630006000011234567890189"]),
        ("SIREN : 732829320", ["732829320"]),
        ("Numéro de sécu 1850578006084", ["1850578006084"]),
        ("code postal 75011", ["75011"]),
        ("CP: F-75011", ["75011"]),
        ("j'habite à 75011 paris", ["75011 paris"]),
        ("à 75 011 Paris", ["75 011 Paris"]),
        ("01/02/2024-03/02/2024", ["01/02/2024", "03/02/2024"]),
        ("2024-01-01/2024-02-01", ["2024-01-01", "2024-02-01"]),
        ("le 01/02/2024 10h", ["01/02/2024"]),
        ("[2001:db8::1]:443 10.0.0.1:8080", ["2001:db8::1", "10.0.0.1"]),
        ("12 rue de la Paix\n75002 Paris", ["12 rue de la Paix", "75002 Paris"]),
        ("https://exemple.fr/?token=abc.", ["https://exemple.fr/?token=abc"]),
        ("carte 4532485887358", ["4532485887358"]),
        ("référence 4532485887358", []),
        ("M. et Mme Dupont", ["Mme Dupont"]),
        ("→rue Foch", ["rue Foch"]),
        ("192.0.2.7/24, 192.0.2.0/28", ["192.0.2.7", "192.0.2.0"]),
        ("2001:db8::1/48 2001:db8::/64", ["2001:db8::1", "2001:db8::"]),
    ],
)
def test_where_identifiers_begin_and_end(text: str, found: list[str]) -> None:
    assert [text[span.start : span.end] for span in find(text)] == found


def test_spans_that_overlap_become_one_that_covers_them() -> None:
    assert resolved([Span("date", 0, 10), Span("phone", 5, 20), Span("card", 20, 25)]) == [
        Span("phone", 0, 20),
        Span("card", 20, 25),
    ]
    assert resolved([Span("card", 0, 14), Span("siret", 0, 14)]) == [Span("siret", 0, 14)]
    chain = [Span("ip", 0, 4), Span("url", 3, 9), Span("email", 8, 10)]
    assert resolved(chain) == resolved(chain[::-1]) == [Span("url", 0, 10)]


@given(st.lists(st.builds(
    lambda kind, start, size: Span(kind, start, start + size),
    st.sampled_from(KINDS), st.integers(0, 30), st.integers(1, 10)), max_size=12))  # fmt: skip
def test_nothing_that_was_found_is_left_uncovered(spans: list[Span]) -> None:
    found = resolved(spans)

    covered = {at for span in spans for at in range(span.start, span.end)}
    assert {at for span in found for at in range(span.start, span.end)} == covered
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert resolved(found) == found


TRICKY = st.text(
    st.sampled_from("0123456789 .-/@:+()[]'\"aefrtMN,\n\u00a0\u200b\u0301é０\u00ad·%=&?")
    | st.characters(exclude_categories=()),
    max_size=60,
)
PIECES = st.lists(st.sampled_from([text for _, text in CASES] + NOBODY) | TRICKY, max_size=5)
TEXTS = st.builds(
    lambda pieces, gap: gap.join(pieces), PIECES, st.sampled_from(["", " ", ", ", "\n"])
)


@given(TEXTS)
def test_any_text_can_be_read(text: str) -> None:
    spans = find(text)

    assert all(0 <= span.start < span.end <= len(text) and span.kind in KINDS for span in spans)
    assert all(first.end <= second.start for first, second in pairwise(spans))


@given(st.integers(0, 10**15))
def test_checksums_agree_with_python_stdnum(number: int) -> None:
    text = str(number)
    assert checksums.luhn(text) == stdnum_luhn.is_valid(text)
    digits = f"{number:015d}"
    for nir in (f"1{digits[1:]}", f"2{digits[1:13]}{97 - int(f'2{digits[1:13]}') % 97:02d}"):
        assert checksums.is_nir(nir) == stdnum_nir.is_valid(nir)
    for siret in (digits[:14], f"356000000{digits[:5]}", f"732829320{digits[:5]}"):
        if not siret.startswith("000000000"):
            assert checksums.is_siret(siret) == stdnum_siret.is_valid(siret)


@pytest.mark.parametrize("number", ["255081416802538", "269052A00408465", "269052B00408438"])
def test_social_security_numbers_have_their_key(number: str) -> None:
    assert checksums.is_nir(number) == stdnum_nir.is_valid(number)
    keys = [key for key in range(100) if checksums.is_nir(f"{number[:13]}{key:02d}")]
    assert len(keys) == 1
    assert stdnum_nir.is_valid(f"{number[:13]}{keys[0]:02d}")


def test_the_lengths_of_ibans_are_those_of_the_registry() -> None:
    for _, country, _, properties, _ in stdnum_table("iban").prefixes:
        parts = properties["bban"].replace("!", "").replace("n", " ").replace("a", " ")
        length = 4 + sum(int(part) for part in parts.replace("c", " ").split())
        assert checksums.iban_length(country.lower()) == length, country
    assert stdnum_iban.is_valid("FR7630006000011234567890189")
    assert checksums.is_iban("FR7630006000011234567890189")
    assert not checksums.is_iban("FR7730006000011234567890189")


def test_hits_are_counted_by_row() -> None:
    values = pd.Series(
        ["jean@exemple.fr", "jean@exemple.fr le 12/03/1985", "jean@exemple.fr", None, "x"]
    )

    assert count_hits(values) == {"email": 3, "date": 1}
    assert count_hits(values, kinds=("date",)) == {"date": 1}
    assert count_hits(values.astype("category")) == count_hits(values)
    assert count_hits(pd.Series([None, None])) == {}


def test_numbers_are_read_as_their_digits() -> None:
    assert count_hits(pd.Series([255081416802538, 7])) == {"nir": 1}
    assert count_hits(pd.Series([4970101234567893.0, 0.5, None])) == {"card": 1}
    assert count_hits(pd.Series([12, 75011, 20270228])) == {}
