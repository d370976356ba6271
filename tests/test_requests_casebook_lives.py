"""The casebook: doubts, extensions, failures, answers, and what stays afterwards."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from retention.installation import Installation
from retention.requests.book import casebook, deadlines
from retention.requests.model import (
    Kind,
    Outcome,
    OutcomeLine,
    Request,
    RequestError,
    State,
)
from retention.stores import cases
from tests.casebook_support import (
    ASKED,
    NOW,
    TODAY,
    added,
    book,
    ledger_of,
    match,
    server_book,
    sqlite_book,
    taken_to,
)

__all__ = ["book", "server_book", "sqlite_book"]

DAY = timedelta(days=1)


def line(outcome: Outcome, rows: int = 1, because: str | None = None) -> OutcomeLine:
    until = date(2031, 5, 4) if outcome is Outcome.archived else None
    return OutcomeLine("crm.customers", "contract", outcome, rows, until, because)


# --- the clock -------------------------------------------------------------------------


def test_days_of_doubt_do_not_count(book: Installation) -> None:
    name = added(book).request_id
    doubted = casebook.doubt(book, name, by="clerk", reason="two names", now=NOW + 2 * DAY)
    assert (doubted.paused_on, doubted.due_on) == (TODAY + 2 * DAY, date(2026, 12, 28))
    with pytest.raises(RequestError, match="in doubt already"):
        casebook.doubt(book, name, by="clerk", reason="again", now=NOW + 3 * DAY)

    verified = casebook.verify(book, name, by="clerk", how="a letter", now=NOW + 22 * DAY)

    assert verified.paused_on is None
    assert verified.paused_days == 20
    assert verified.due_on == date(2027, 1, 14)
    assert verified.due_on == deadlines.due_now(doubted, TODAY + 22 * DAY)
    assert verified.verified_at == NOW + 22 * DAY


def test_a_doubt_is_over_once_it_is_verified(book: Installation) -> None:
    name = taken_to(book, State.verified).request_id

    with pytest.raises(RequestError, match="only what is received"):
        casebook.doubt(book, name, by="clerk", reason="late", now=NOW)
    with pytest.raises(RequestError, match="only what is received"):
        casebook.verify(book, name, by="clerk", how="again", now=NOW)


def test_an_extension_is_given_once_and_before_it_is_due(book: Installation) -> None:
    name = added(book).request_id
    extended = casebook.extend(book, name, by="clerk", reason="many", now=NOW + 33 * DAY)

    assert (extended.extended_on, extended.due_on) == (date(2026, 12, 28), date(2027, 2, 25))
    with pytest.raises(RequestError, match="once"):
        casebook.extend(book, name, by="clerk", reason="more", now=NOW + 34 * DAY)


def test_after_its_last_day_a_request_cannot_be_extended(book: Installation) -> None:
    name = added(book).request_id

    with pytest.raises(RequestError, match="too late"):
        casebook.extend(book, name, by="clerk", reason="many", now=NOW + 34 * DAY)


def test_doubt_and_extension_add_up_in_either_order(book: Installation) -> None:
    dues = set()
    for number, order in enumerate(("doubt extend", "extend doubt")):
        asked = ASKED.__class__(email=f"p{number}@exemple.fr")
        name = added(book, asked).request_id
        for act in order.split():
            now = NOW + DAY * (3 if act == "doubt" else 20)
            getattr(casebook, act)(book, name, by="clerk", reason="so", now=now)
        now = NOW + 45 * DAY
        dues.add(casebook.verify(book, name, by="clerk", how="seen", now=now).due_on)

    assert dues == {deadlines.due(TODAY, extended=True, paused_days=42)}


def test_an_extension_after_a_doubt_keeps_the_days_that_stood_still(book: Installation) -> None:
    name = added(book).request_id
    casebook.doubt(book, name, by="clerk", reason="who?", now=NOW)
    casebook.verify(book, name, by="clerk", how="seen", now=NOW + 20 * DAY)

    extended = casebook.extend(book, name, by="clerk", reason="many", now=NOW + 25 * DAY)
    assert extended.due_on == deadlines.due(TODAY, extended=True, paused_days=20)
    assert extended.due_on > deadlines.due(TODAY, extended=True, paused_days=0)


def test_a_doubtful_request_past_its_day_can_still_be_extended(book: Installation) -> None:
    name = added(book).request_id
    casebook.doubt(book, name, by="clerk", reason="who?", now=NOW + DAY)

    extended = casebook.extend(book, name, by="clerk", reason="many", now=NOW + 60 * DAY)
    assert extended.extended_on == TODAY + 60 * DAY


# --- failing and trying again ----------------------------------------------------------


@pytest.mark.parametrize("state", [State.verified, State.planned, State.executing])
def test_a_failure_stays_visible_until_somebody_retries(book: Installation, state: State) -> None:
    request = taken_to(book, state)
    name = request.request_id
    failed = casebook.fail(book, name, "store 'archive': its disk is full", NOW)

    assert failed.state is state
    assert failed.failure == "store 'archive': its disk is full"
    retried = casebook.retry(book, name, by="clerk", reason="disk added", now=NOW)
    assert (retried.state, retried.attempt) == (State.verified, 2)
    assert retried.failure is None
    assert ledger_of(book, name)[-2:] == ["erasure:failed", "erasure:retried"]


@pytest.mark.parametrize("state", [State.received, State.verified, State.answered, State.refused])
def test_there_is_nothing_to_retry_where_nothing_was_begun(
    book: Installation, state: State
) -> None:
    name = taken_to(book, state).request_id

    with pytest.raises(RequestError, match="nothing to retry"):
        casebook.retry(book, name, by="clerk", reason="why not", now=NOW)


def test_a_run_leaves_its_id_and_an_attempt_anew_has_none(book: Installation) -> None:
    name = taken_to(book, State.verified).request_id
    casebook.move(book, name, State.planned, by="run", now=NOW, run_id="r1")

    assert casebook.get(book, name).run_id == "r1"
    assert casebook.move(book, name, State.executing, by="run", now=NOW).run_id == "r1"
    assert casebook.move(book, name, State.verified, by="run", now=NOW).run_id is None


# --- answers ---------------------------------------------------------------------------


def executing(book: Installation, *lines: OutcomeLine) -> Request:
    request = taken_to(book, State.executing)
    casebook.keep_sought(book, request.request_id, {"emails": ["a@b.fr"], "keys": [(1, "x")]})
    casebook.put_outcomes(book, request.request_id, lines)
    return request


def test_an_answered_request_keeps_what_evidence_needs(book: Installation) -> None:
    lines = [line(Outcome.deleted, 7), line(Outcome.archived, 2, "statute"), line(Outcome.kept)]
    name = executing(book, *lines).request_id
    assert casebook.sought(book, name) == {"emails": ["a@b.fr"], "keys": [(1, "x")]}

    answered = casebook.answer(book, name, by="clerk", now=NOW, as_of=date(2028, 2, 29))

    assert answered.state is State.answered
    assert (answered.answered_on, answered.forget_on) == (date(2028, 2, 29), date(2033, 2, 28))
    assert answered.asked == ASKED
    assert casebook.sought(book, name) is None
    assert casebook.sent(book, name, by="clerk", now=NOW).asked is None
    assert casebook.outcomes(book, name) == lines
    with book.stores.cases.connect() as connection:
        row = connection.execute(sa.select(cases.requests)).one()
    assert (row.asked, row.sought) == (None, None)


@pytest.mark.parametrize("outcome", [Outcome.held, Outcome.review, Outcome.stopped])
def test_what_waits_keeps_what_was_asked_and_is_taken_up(
    book: Installation, outcome: Outcome
) -> None:
    name = executing(book, line(Outcome.deleted), line(outcome)).request_id
    answered = casebook.answer(book, name, by="clerk", now=NOW, as_of=TODAY)
    assert answered.asked == ASKED

    later = NOW + 400 * DAY
    again = casebook.move(book, name, State.verified, by="clerk", reason="released", now=later)

    assert (again.state, again.attempt) == (State.verified, 2)
    assert (again.answered_on, again.forget_on) == (None, None)
    assert again.due_on == deadlines.reply_due(TODAY + 400 * DAY)
    assert casebook.changes(book, name)[-1].what == "taken up"
    with pytest.raises(RequestError, match="taken up again"):
        casebook.extend(book, name, by="clerk", reason="more", now=later)


def test_the_outcomes_of_an_attempt_replace_only_its_own(book: Installation) -> None:
    name = executing(book, line(Outcome.held)).request_id
    casebook.put_outcomes(book, name, [line(Outcome.deleted, 3), line(Outcome.held)])
    assert [item.rows for item in casebook.outcomes(book, name)] == [3, 1]
    casebook.retry(book, name, by="clerk", reason="again", now=NOW)
    assert [item.rows for item in casebook.outcomes(book, name)] == [3, 1]

    casebook.put_outcomes(book, name, [line(Outcome.archived, 5)])

    assert casebook.outcomes(book, name) == [line(Outcome.archived, 5)]
    with book.stores.cases.connect() as connection:
        kept = connection.execute(sa.select(sa.func.count(cases.request_outcomes.c.rows)))
        assert kept.scalar_one() == 3


def test_what_is_over_takes_no_more_outcomes(book: Installation) -> None:
    name = executing(book, line(Outcome.deleted)).request_id
    casebook.answer(book, name, by="clerk", now=NOW, as_of=TODAY)

    for act in (
        lambda: casebook.put_outcomes(book, name, []),
        lambda: casebook.keep_sought(book, name, {}),
        lambda: casebook.put_subjects(book, name, [match(1)], NOW),
        lambda: casebook.fail(book, name, "x", NOW),
        lambda: casebook.extend(book, name, by="c", reason="x", now=NOW),
        lambda: casebook.refuse(book, name, by="c", reason="x", now=NOW),
        lambda: casebook.answer(book, name, by="c", now=NOW, as_of=TODAY),
    ):
        with pytest.raises(RequestError):
            act()
    assert casebook.outcomes(book, name) == [line(Outcome.deleted)]


def test_a_refused_request_keeps_what_was_asked_for_its_letter(book: Installation) -> None:
    request = added(book)
    casebook.doubt(book, request.request_id, by="clerk", reason="who?", now=NOW)
    refused = casebook.refuse(
        book, request.request_id, by="clerk", reason="no answer", now=NOW + 30 * DAY
    )

    assert (refused.asked, refused.answered_on) == (ASKED, None)
    assert refused.forget_on == date(2031, 12, 25)
    assert (refused.paused_on, refused.paused_days) == (None, 30)
    assert casebook.changes(book, request.request_id)[-1].reason == "no answer"


def test_a_request_is_closed_once_everybody_is_told(book: Installation) -> None:
    name = executing(book, line(Outcome.deleted)).request_id
    assert not casebook.closed(book, name)
    casebook.answer(book, name, by="clerk", now=NOW, as_of=TODAY)
    assert not casebook.closed(book, name)
    casebook.sent(book, name, by="clerk", now=NOW)
    assert casebook.closed(book, name)

    notice = {
        "notice_id": "n1", "request_id": name, "recipient": "router", "kind": Kind.erasure,
        "tables": [], "created_at": NOW,
    }  # fmt: skip
    with book.stores.cases.begin() as connection:
        connection.execute(cases.outbox.insert(), notice)
    assert not casebook.closed(book, name)
    with book.stores.cases.begin() as connection:
        connection.execute(cases.outbox.update().values(sent_at=NOW, sent_by="clerk"))
    assert casebook.closed(book, name)
