"""Letters: every kind, every outcome and every reason has words, in both languages."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from retention.installation import Installation
from retention.policy.calendar import Period
from retention.requests import model
from retention.requests.answering import wording
from retention.requests.answering.letters import letter
from retention.requests.answering.wording import Lang
from retention.requests.copies import package
from retention.requests.copies.access import Gathered
from retention.requests.model import Asked, Kind, Outcome, OutcomeLine, Request, RequestError, State
from retention.stores import cases
from retention.stores.open import writing
from tests.cli_support import UPDATE
from tests.requests_support import REQUEST_ID, request_of, small

AS_OF = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "data" / "letters"
LANGS: tuple[Lang, ...] = ("en", "fr")

ERASED = (
    OutcomeLine("crm.customers", "prospecting", Outcome.deleted, 1),
    OutcomeLine("crm.customers", "contract", Outcome.kept, 1, because="contract_in_force"),
    OutcomeLine("crm.contracts", "", Outcome.kept, 1, because="contract_in_force"),
    OutcomeLine("crm.invoices", "accounting", Outcome.archived, 2, date(2035, 1, 1), "statute"),
    OutcomeLine("crm.lines", "", Outcome.archived, 5, date(2035, 1, 1), "statute"),
    OutcomeLine("crm.customers", "payment", Outcome.archived, 1, date(2028, 1, 1), "claims"),
    OutcomeLine("crm.notes", "", Outcome.deleted, 1),
    OutcomeLine("crm.notes", "", Outcome.held, 4, because="legal_hold"),
    OutcomeLine("crm.orders", "", Outcome.deleted, 2),
    OutcomeLine("crm.orders", "", Outcome.kept, 3, because="contract_in_force"),
    OutcomeLine("crm.replies", "", Outcome.held, 1, because="restriction"),
    OutcomeLine("web.accounts", "contract", Outcome.review, 1, because="undecidable"),
    OutcomeLine("web.connections", "contract", Outcome.stopped, 1, because="out_of_reach"),
    OutcomeLine("web.connections", "connection_security", Outcome.deleted, 0),
)
ANSWERS: dict[str, tuple[Kind, Sequence[OutcomeLine]]] = {
    "access": (
        Kind.access,
        [
            OutcomeLine("crm.customers", "", Outcome.copied, 1),
            OutcomeLine("crm.invoices", "", Outcome.copied, 12),
        ],
    ),
    "portability": (Kind.portability, [OutcomeLine("web.accounts", "", Outcome.copied, 2)]),
    "objection": (
        Kind.objection,
        [
            OutcomeLine(
                "crm.customers", "prospecting", Outcome.corrected, 1, because="other_purpose"
            ),
            OutcomeLine("crm.customers", "contract", Outcome.kept, 1, because="other_purpose"),
        ],
    ),
    "objection_held": (
        Kind.objection,
        [
            OutcomeLine("crm.customers", "prospecting", Outcome.corrected, 1),
            OutcomeLine("crm.customers", "", Outcome.held, 1, because="legal_hold"),
            OutcomeLine("crm.orders", "", Outcome.held, 2, because="legal_hold"),
        ],
    ),
    "rectification": (
        Kind.rectification,
        [
            OutcomeLine("crm.customers", "", Outcome.corrected, 1),
            OutcomeLine("crm.invoices", "", Outcome.kept, 2, because="evidence"),
        ],
    ),
    "erasure": (Kind.erasure, ERASED),
    "restriction": (
        Kind.restriction,
        [
            OutcomeLine("crm.customers", "", Outcome.restricted, 1),
            OutcomeLine("crm.orders", "", Outcome.restricted, 3),
            OutcomeLine("web.accounts", "", Outcome.restricted, 1),
        ],
    ),
    "lifted": (Kind.restriction, [OutcomeLine("crm.customers", "", Outcome.restored, 1)]),
    "nobody": (Kind.erasure, [OutcomeLine("", "", Outcome.nothing, 0)]),
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with small(tmp_path_factory.mktemp("letters")).opened() as opened:
        yield opened


def written(
    installation: Installation, kind: Kind, lines: Sequence[OutcomeLine], lang: Lang = "en"
) -> str:
    return letter(request_of(kind), lines, installation, lang=lang, as_of=AS_OF)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", ANSWERS)
def test_the_letter_is_the_one_that_was_read_and_found_good(installation, name, lang):
    kind, lines = ANSWERS[name]
    text = written(installation, kind, lines, lang)
    golden = GOLDEN / f"{name}.{lang}.txt"
    if os.environ.get(UPDATE):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", LANGS)
def test_an_objection_to_other_purposes_calls_them_by_their_names(installation, lang):
    asked = Asked(email="a@b.fr", purposes=("connection_security", "trackers"))
    lines = [OutcomeLine("web.connections", "connection_security", Outcome.deleted, 3)]
    request = request_of(Kind.objection, asked=asked)
    text = letter(request, lines, installation, lang=lang, as_of=AS_OF)
    golden = GOLDEN / f"objection_named.{lang}.txt"
    if os.environ.get(UPDATE):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("kind", Kind)
def test_every_outcome_of_every_kind_has_words_of_its_own(installation, kind, lang):
    found = set()
    for outcome in set(Outcome) - {Outcome.nothing}:
        text = written(installation, kind, [OutcomeLine("crm.notes", "", outcome, 7)], lang)
        (listed,) = [part for part in text.split("\n\n") if "\n- " in part]
        assert re.search(r"\b7\b", listed)
        found.add(listed)
    assert len(found) == len(Outcome) - 1


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("because", model.BECAUSE)
def test_every_reason_is_said_in_the_language_of_the_letter(installation, because, lang):
    line = OutcomeLine("crm.notes", "", Outcome.kept, 1, because=because)
    plain = OutcomeLine("crm.notes", "", Outcome.kept, 1)
    said = written(installation, Kind.erasure, [line], lang)
    reason = wording.BECAUSE[lang][because]
    assert (wording.spaced(reason) if lang == "fr" else reason) in said
    assert reason not in written(installation, Kind.erasure, [plain], lang)


def test_both_languages_know_the_same_reasons_and_no_others():
    assert set(wording.BECAUSE["en"]) == set(wording.BECAUSE["fr"]) == set(model.BECAUSE)
    both = zip(wording.BECAUSE["en"].values(), wording.BECAUSE["fr"].values(), strict=True)
    assert all(english != french for english, french in both)


def test_a_reason_without_words_stops_the_letter(installation):
    line = OutcomeLine("crm.notes", "", Outcome.kept, 1, because="because")
    with pytest.raises(RequestError, match=r"crm\.notes: .* no words"):
        written(installation, Kind.erasure, [line])


@pytest.mark.parametrize("kind", Kind)
def test_nothing_is_said_of_a_request_that_was_not_carried_out(installation, kind):
    with pytest.raises(RequestError, match="nothing came of it yet"):
        written(installation, kind, [])


@pytest.mark.parametrize("kind", Kind)
def test_what_was_carried_out_and_found_nothing_to_do_is_said_too(installation, kind):
    text = letter(request_of(kind, State.answered), [], installation, lang="en", as_of=AS_OF)
    assert "none that your request concerns" in text


def test_who_is_remembered_on_the_opposition_list_is_told_so(installation):
    for kind in Kind:
        text = written(installation, kind, [OutcomeLine("crm.notes", "", Outcome.deleted, 1)])
        assert ("stays on our opposition list for 3 years" in text) == (
            kind in ("objection", "erasure")
        )


def test_an_access_tells_what_requests_themselves_leave_behind(installation):
    nobody = [OutcomeLine("", "", Outcome.nothing, 0)]
    for lines in (ANSWERS["access"][1], nobody):
        text = written(installation, Kind.access, lines)
        assert "for 5 years after our answer" in text
        assert "may stand on our opposition list for 3 years" in text
    assert "after our answer" not in written(installation, Kind.portability, nobody)


def test_what_is_still_open_is_announced_and_nothing_else_is(installation):
    for outcome in set(Outcome) - {Outcome.nothing}:
        text = written(installation, Kind.erasure, [OutcomeLine("crm.notes", "", outcome, 1)])
        waits = outcome in (Outcome.held, Outcome.review, Outcome.stopped)
        assert ("will then write to you again" in text) == waits


def test_the_last_day_of_the_archive_is_the_day_given(installation):
    day = date(2028, 2, 29)
    line = OutcomeLine("crm.invoices", "accounting", Outcome.archived, 1, day, "statute")
    assert "until 29 February 2028 inclusive" in written(installation, Kind.erasure, [line])
    assert "jusqu'au 29 février 2028 inclus" in written(installation, Kind.erasure, [line], "fr")


def test_what_goes_along_is_named_once_with_what_it_belongs_to(installation):
    lines = [
        OutcomeLine("crm.customers", "contract", Outcome.deleted, 1),
        OutcomeLine("crm.notes", "", Outcome.deleted, 2),
        OutcomeLine("crm.orders", "", Outcome.deleted, 3),
        OutcomeLine("crm.orders", "", Outcome.kept, 1, because="contract_in_force"),
        OutcomeLine("crm.replies", "", Outcome.deleted, 1),
    ]
    text = written(installation, Kind.erasure, lines)
    gone = "Notes (2 records), Orders (3 records), Replies to notes (1 record)"
    assert f"- Along with “Customers”: {gone}\n" in text
    kept = "- Along with “Customers”: Orders (1 record), because a contract with you is in force\n"
    assert kept in text


def test_what_goes_along_on_another_day_or_for_another_reason_has_a_line_of_its_own(installation):
    lines = [
        OutcomeLine("crm.orders", "", Outcome.archived, 3, date(2030, 1, 1), "statute"),
        OutcomeLine("crm.notes", "", Outcome.archived, 1, date(2030, 1, 1), "statute"),
        OutcomeLine("crm.orders", "", Outcome.archived, 2, date(2031, 1, 1), "statute"),
        OutcomeLine("crm.lines", "", Outcome.archived, 4, date(2030, 1, 1), "statute"),
    ]
    text = written(installation, Kind.erasure, lines)
    for said in (
        "Along with “Customers”: Orders (3 records), Notes (1 record), until 1 January 2030 inclusive",
        "Along with “Customers”: Orders (2 records), until 1 January 2031 inclusive",
        "Along with “Invoices”: Invoice lines (4 records), until 1 January 2030 inclusive",
    ):
        assert said in text


def test_a_row_that_was_corrected_or_copied_is_told_by_itself(installation):
    for kind, outcome in ((Kind.rectification, Outcome.corrected), (Kind.access, Outcome.copied)):
        text = written(installation, kind, [OutcomeLine("crm.notes", "", outcome, 2)])
        assert "- Notes: 2 records\n" in text


def test_recipients_of_what_went_along_are_named(installation):
    lines = [OutcomeLine("web.logins", "", Outcome.deleted, 2)]
    assert "A host" not in written(installation, Kind.erasure, lines)
    recipients = installation.catalogue.recipients
    host = recipients["host"].model_copy(update={"tables": ("web.accounts", "web.logins")})
    catalogue = installation.catalogue.model_copy(
        update={"recipients": {**recipients, "host": host}}
    )
    changed = dataclasses.replace(installation, catalogue=catalogue)
    assert "A host" in written(changed, Kind.erasure, lines)


def test_a_person_without_any_data_that_the_right_reaches_is_told_so(installation):
    text = written(
        installation, Kind.portability, [OutcomeLine("crm.notes", "", Outcome.copied, 0)]
    )
    assert "none that your request concerns" in text
    assert "\n- " not in text


def test_recipients_are_named_where_they_received_what_was_touched(installation):
    touched = [OutcomeLine("crm.customers", "", Outcome.deleted, 1)]
    assert "A printer & sons" in written(installation, Kind.erasure, touched)
    assert "A host" not in written(installation, Kind.erasure, touched)
    kept = [OutcomeLine("crm.customers", "", Outcome.kept, 1)]
    assert "A printer" not in written(installation, Kind.erasure, kept)
    for kind in (Kind.access, Kind.portability):
        assert "A printer" not in written(installation, kind, touched)


def test_a_refusal_gives_its_reason_and_the_way_to_complain(installation):
    request = request_of(Kind.access, State.refused)
    with pytest.raises(RequestError, match="refused without a reason"):
        letter(request, [], installation, lang="en", as_of=AS_OF)
    change = {"request_id": REQUEST_ID, "at": NOW, "by": "dpo"}
    with writing(installation.stores.cases) as connection:
        for sequence, what, state, reason in (
            (1, "doubted", "received", "no proof of identity yet"),
            (2, "refused", "refused", "identity not shown within two months"),
        ):
            row = {**change, "sequence": sequence, "what": what, "state": state, "reason": reason}
            connection.execute(cases.request_changes.insert(), row)
    for lang in LANGS:
        text = letter(request, [], installation, lang=lang, as_of=AS_OF)
        assert "identity not shown within two months" in text
        assert "no proof of identity yet" not in text
        assert "www.cnil.fr" in text
        assert "34170 Castelnau-le-Lez" in text


def test_the_package_is_offered_as_long_as_it_can_be_opened(installation):
    request = request_of(Kind.access, request_id=model.RequestId("f" * 32))
    nothing = Gathered(AS_OF, ())

    def text(of: Request = request) -> str:
        lines = [OutcomeLine("crm.notes", "", Outcome.copied, 1)]
        return letter(of, lines, installation, lang="en", as_of=AS_OF)

    assert "index.html" not in text()
    package.make(installation, request, nothing, as_of=AS_OF, now=NOW)
    assert "until 24 December 2026 inclusive" in text()
    (made,) = package.packages_of(installation, request.request_id)
    installation.keyring.destroy_units([made.unit_id], NOW)
    assert "index.html" not in text()


def test_a_table_that_the_catalogue_has_lost_is_called_by_its_name(installation):
    line = OutcomeLine("crm.gone", "hobbies", Outcome.deleted, 1)
    assert "crm.gone, held for the purpose “hobbies”" in written(installation, Kind.erasure, [line])


@pytest.mark.parametrize("name", ANSWERS)
def test_french_letters_break_no_line_before_a_sign(installation, name):
    kind, lines = ANSWERS[name]
    text = written(installation, kind, lines, "fr")
    assert not [sign for sign in ":;?!»" if f" {sign}" in text]
    assert "« " not in text


@pytest.mark.parametrize(
    ("day", "english", "french"),
    [
        (date(2027, 3, 1), "1 March 2027", "1er mars 2027"),
        (date(2027, 8, 11), "11 August 2027", "11 août 2027"),
        (date(2026, 12, 31), "31 December 2026", "31 décembre 2026"),
    ],
)
def test_days_are_written_out(day, english, french):
    assert wording.written(day, "en") == english
    assert wording.written(day, "fr") == french


@pytest.mark.parametrize(
    ("period", "english", "french"),
    [
        ("3 years", "3 years", "3 ans"),
        ("13 months", "1 year and 1 month", "1 an et 1 mois"),
        ("30 days", "30 days", "30 jours"),
        ("0 days", "0 days", "0 jours"),
    ],
)
def test_durations_are_written_out(period, english, french):
    assert wording.duration(Period.parse(period), "en") == english
    assert wording.duration(Period.parse(period), "fr") == french


def test_counts_agree_with_their_nouns():
    assert [wording.records(n, "en") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]
    french = [wording.records(n, "fr") for n in (0, 1, 2)]
    assert french == ["0 enregistrement", "1 enregistrement", "2 enregistrements"]
