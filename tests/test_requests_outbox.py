"""Notices to recipients: one each, none forgotten, none twice, nothing of the person in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.book import casebook
from retention.requests.model import Asked, Kind, Request, RequestError, RequestId, State
from retention.stores import control
from tests.engine import tables
from tests.engine.small import START, Small
from tests.engine.stored import fetch

RECIPIENTS = {
    "router": {
        "label": "Mail router",
        "label_fr": "Routeur d'e-mails",
        "contact": "privacy@router.example",
        "tables": ["crm.customers", "web.accounts"],
    },
    "archiver": {
        "label": "Archiver",
        "contact": "privacy@archiver.example",
        "tables": ["crm.invoices", "crm.notes"],
    },
}
LATER = START + timedelta(hours=1)


BOTH = pytest.mark.parametrize(
    "place", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    url = (
        request.getfixturevalue("postgres_url")
        if getattr(request, "param", "") == "postgresql"
        else None
    )
    small = Small(tmp_path / "small", url)
    small.catalogue = tables.catalogue(small._address("crm"), small._address("web"))
    small.catalogue["recipients"] = RECIPIENTS
    return small.write()


@pytest.fixture
def opened(place: Small) -> Iterator[Installation]:
    with place.opened() as installation:
        yield installation


def request_of(kind: Kind = Kind.erasure, *, number: int = 1, attempt: int = 1) -> Request:
    return Request(
        RequestId(f"{number:032x}"), kind, State.executing, date(2026, 11, 2), date(2026, 12, 2),
        "inbox", attempt,
    )  # fmt: skip


def notify(installation, *names, now=START, **more):
    return outbox.notify(installation, request_of(**more), names, now)


@BOTH
def test_each_recipient_of_a_touched_table_has_one_notice(opened):
    made = notify(opened, "crm.customers", "web.accounts", "crm.invoices", "crm.orders")
    notices = outbox.listed(opened)
    assert {n.notice_id for n in notices} == set(made) and len(made) == 2
    assert {n.recipient: n.tables for n in notices} == {
        "router": ("crm.customers", "web.accounts"),
        "archiver": ("crm.invoices",),
    }
    assert {n.kind for n in notices} == {Kind.erasure}
    assert {n.created_at for n in notices} == {START}


def test_who_received_nothing_of_it_is_not_told(opened):
    assert notify(opened, "crm.orders") == [] == notify(opened)
    assert outbox.listed(opened) == []
    assert outbox.unsent(opened, request_of().request_id) == 0


@pytest.mark.parametrize("kind", list(Kind))
def test_only_what_changes_data_is_told(opened, kind):
    told = kind not in (Kind.access, Kind.portability)
    assert bool(notify(opened, "crm.customers", kind=kind)) is told


def test_notifying_again_changes_nothing_even_once_it_was_sent(opened):
    made = notify(opened, "crm.customers", "web.accounts")
    before = outbox.listed(opened)
    assert notify(opened, "web.accounts", "crm.customers", now=LATER) == made
    assert outbox.listed(opened) == before
    sent = outbox.mark_sent(opened, made[0], by="someone", now=LATER)
    assert notify(opened, "crm.customers", now=LATER) == made
    assert outbox.listed(opened) == [sent]
    assert (sent.sent_at, sent.sent_by) == (LATER, "someone")


def test_further_tables_have_to_be_told_too(opened):
    made = notify(opened, "crm.customers")
    assert notify(opened, "web.accounts") == made
    assert outbox.listed(opened)[0].tables == ("crm.customers", "web.accounts")
    outbox.mark_sent(opened, made[0], by="someone", now=LATER)
    notify(opened, "crm.customers", "web.accounts")
    assert outbox.unsent(opened, request_of().request_id) == 0


@BOTH
def test_a_table_that_comes_after_the_sending_opens_the_notice_again(opened):
    made = notify(opened, "crm.customers")
    outbox.mark_sent(opened, made[0], by="someone", now=LATER)
    notify(opened, "web.accounts")
    (notice,) = outbox.listed(opened, unsent_only=True)
    assert (notice.notice_id, notice.tables) == (made[0], ("crm.customers", "web.accounts"))
    assert notify(opened, "crm.customers") == made
    assert outbox.listed(opened) == [notice]


@BOTH
def test_what_a_later_attempt_does_is_told_anew(opened):
    first = notify(opened, "crm.customers")
    outbox.mark_sent(opened, first[0], by="someone", now=LATER)
    second = notify(opened, "crm.customers", attempt=2)
    assert second != first
    (notice,) = outbox.listed(opened)
    assert (notice.notice_id, notice.sent_at, notice.sent_by) == (second[0], None, None)
    with pytest.raises(RequestError, match="no notice"):
        outbox.mark_sent(opened, first[0], by="someone", now=LATER)


def test_what_an_earlier_attempt_left_unsent_is_not_forgotten(opened):
    notify(opened, "crm.customers")
    notify(opened, "web.accounts", attempt=2)
    (notice,) = outbox.listed(opened)
    assert notice.tables == ("crm.customers", "web.accounts")


@BOTH
def test_a_request_waits_for_its_own_notices_only(opened):
    made = notify(opened, "crm.customers", "crm.invoices")
    notify(opened, "crm.customers", number=2)
    mine, other = request_of().request_id, request_of(number=2).request_id
    assert (outbox.unsent(opened, mine), outbox.unsent(opened, other)) == (2, 1)
    outbox.mark_sent(opened, made[0], by="someone", now=LATER)
    assert (outbox.unsent(opened, mine), outbox.unsent(opened, other)) == (1, 1)
    assert len(outbox.listed(opened, unsent_only=True)) == 2
    assert len(outbox.listed(opened, request_id=mine)) == 2
    assert outbox.mark_all_sent(opened, mine, by="someone", now=LATER) == 1
    assert outbox.mark_all_sent(opened, mine, by="another", now=LATER) == 0
    assert (outbox.unsent(opened, mine), outbox.unsent(opened, other)) == (0, 1)
    assert {n.sent_by for n in outbox.listed(opened, request_id=mine)} == {"someone"}


def test_a_notice_is_sent_once(opened):
    (made,) = notify(opened, "crm.customers")
    outbox.mark_sent(opened, made, by="someone", now=START)
    with pytest.raises(RequestError, match="already"):
        outbox.mark_sent(opened, made, by="another", now=LATER)
    assert outbox.listed(opened)[0].sent_by == "someone"
    with pytest.raises(RequestError, match="no notice 'nothing'"):
        outbox.mark_sent(opened, "nothing", by="someone", now=START)


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("kind", sorted(outbox.TOLD_OF))
def test_the_text_names_nobody_unless_it_is_asked_to(opened, kind, lang):
    notify(opened, "crm.customers", "web.accounts", kind=kind)
    (notice,) = outbox.listed(opened)
    plain = outbox.text(opened, notice, lang=lang)
    assert notice.notice_id in plain and "privacy@router.example" in plain
    assert ("Routeur d'e-mails" if lang == "fr" else "Mail router") in plain
    assert ("RGPD" if lang == "fr" else "GDPR") in plain
    assert "4711" not in plain
    persons = [("crm.customers", (4711,)), ("crm.notes", (815,)), ("web.accounts", (42, "b"))]
    named = outbox.text(opened, notice, lang=lang, persons=persons)
    assert "4711" in named and "42, b" in named and "815" not in named


def test_the_kinds_are_told_in_words_of_their_own(opened):
    notify(opened, "crm.customers")
    (notice,) = outbox.listed(opened)
    for lang in ("en", "fr"):
        texts = {
            outbox.text(opened, replace(notice, kind=kind), lang=lang) for kind in outbox.TOLD_OF
        }
        assert len(texts) == len(outbox.TOLD_OF)


def test_a_recipient_that_the_catalogue_forgot_is_said_and_can_still_be_marked(place):
    with place.opened() as installation:
        (made,) = notify(installation, "crm.customers")
    del place.catalogue["recipients"]
    place.write_documents()
    with place.opened() as installation:
        (notice,) = outbox.listed(installation)
        with pytest.raises(RequestError, match="names no recipient 'router'"):
            outbox.text(installation, notice, lang="en")
        outbox.mark_sent(installation, made, by="someone", now=START)


def test_a_notice_is_found_by_a_beginning_of_its_id_that_no_other_has(opened):
    outbox.notify(opened, request_of(), ["crm.customers", "crm.invoices"], START)
    first, second = (item.notice_id for item in outbox.listed(opened))
    assert outbox.get(opened, first[:12]).notice_id == first
    assert outbox.get(opened, second).notice_id == second
    for wrong in ("", "%", "_" * 32, first + "0", "zz"):
        with pytest.raises(RequestError):
            outbox.get(opened, wrong)


def test_that_recipients_were_told_is_in_the_requests_history_and_in_the_ledger(opened):
    asked = Asked(email="paul@example.org")
    request = casebook.add(opened, Kind.erasure, asked, channel="cli", by="office",
                           received_on=date(2026, 11, 2), now=START)  # fmt: skip
    outbox.notify(opened, request, ["crm.customers", "crm.invoices"], START)
    one, _ = outbox.listed(opened)
    outbox.mark_sent(opened, one.notice_id, by="office", now=LATER)
    assert outbox.mark_all_sent(opened, request.request_id, by="dpo", now=LATER) == 1
    assert outbox.mark_all_sent(opened, request.request_id, by="dpo", now=LATER) == 0
    _, first, second = casebook.changes(opened, request.request_id)
    assert {first.reason, second.reason} == set(RECIPIENTS)
    assert [(item.what, item.state, item.by) for item in (first, second)] == [
        ("recipients told", State.received, "office"),
        ("recipients told", State.received, "dpo"),
    ]
    entered = [row["transition"] for row in fetch(opened.stores.control, control.ledger)]
    assert entered == ["erasure:received", *["erasure:recipients told"] * 2]
