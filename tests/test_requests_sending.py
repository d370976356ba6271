"""Who asked is kept until the letter has gone to them, and then not any longer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.installation import Installation
from retention.requests.book import casebook, moving, recording, sending
from retention.requests.book.overview import overview
from retention.requests.book.retiring import retire
from retention.requests.model import RESTORED, Kind, Outcome, OutcomeLine, RequestError, State
from tests.casebook_support import (
    ASKED,
    CANARIES,
    NOW,
    TODAY,
    added,
    book,
    everything_written,
    ledger_of,
    server_book,
    sqlite_book,
    taken_to,
)
from tests.test_requests_casebook import racing

__all__ = ["book", "server_book", "sqlite_book"]

DAY = timedelta(days=1)


def answered(
    book: Installation, outcome: Outcome = Outcome.deleted, kind: Kind = Kind.erasure
) -> str:
    name = taken_to(book, State.executing, kind=kind).request_id
    casebook.put_outcomes(book, name, [OutcomeLine("crm.customers", "", outcome, 1)])
    return casebook.answer(book, name, by="clerk", now=NOW, as_of=TODAY).request_id


def sent(book: Installation, name: str, days: int = 0) -> None:
    casebook.sent(book, name, by="A. Martin", now=NOW + days * DAY)


def asked(book: Installation, name: str) -> bool:
    return casebook.get(book, name).asked == ASKED


@pytest.mark.parametrize("end", [State.answered, State.refused])
def test_who_asked_is_kept_until_the_letter_has_gone(book: Installation, end: State) -> None:
    name = taken_to(book, end).request_id
    before = casebook.get(book, name)
    assert before.asked == ASKED
    written = everything_written(book.settings.folder)
    assert not [canary for canary in CANARIES if canary in written]

    after = casebook.sent(book, name, by="A. Martin", now=NOW + 3 * DAY, on=TODAY + 2 * DAY)

    assert (after.state, after.forget_on, after.asked) == (end, before.forget_on, None)
    last = casebook.changes(book, name)[-1]
    assert (last.what, last.state, last.by) == ("sent", end, "A. Martin")
    assert last.reason == "on 2026-11-27"
    assert ledger_of(book, name)[-1] == "erasure:sent"
    assert casebook.closed(book, name)


def test_a_letter_goes_out_once_and_not_before_there_is_one(book: Installation) -> None:
    name = taken_to(book, State.executing).request_id
    with pytest.raises(RequestError, match="executing: there is no letter"):
        sent(book, name)
    casebook.answer(book, name, by="run", now=NOW + 2 * DAY, as_of=TODAY)
    for on in (TODAY + DAY, TODAY + 4 * DAY):
        with pytest.raises(RequestError, match="written on 2026-11-27"):
            casebook.sent(book, name, by="clerk", now=NOW + 3 * DAY, on=on)
    assert asked(book, name)
    with pytest.raises(RequestError, match="say who"):
        casebook.sent(book, name, by=" ", now=NOW + 3 * DAY)
    sent(book, name, 3)
    with pytest.raises(RequestError, match="sent already"):
        sent(book, name, 3)
    assert [change.what for change in casebook.changes(book, name)].count("sent") == 1


def test_of_two_who_say_so_at_once_one_is_told_and_it_is_written_once(book: Installation) -> None:
    name = answered(book)
    results = racing(*[lambda: sent(book, name)] * 4)
    assert sum(isinstance(item, RequestError) for item in results) == 3
    assert ledger_of(book, name).count("erasure:sent") == 1


def test_one_request_of_a_person_leaves_their_other_one_alone(sqlite_book: Installation) -> None:
    first = answered(sqlite_book, Outcome.copied, Kind.access)
    second = answered(sqlite_book)
    sent(sqlite_book, first)
    assert (asked(sqlite_book, first), asked(sqlite_book, second)) == (False, True)
    assert set(sending.unsent(sqlite_book)) == {second}


def test_what_nobody_marks_is_warned_of_and_forgotten_as_a_package_is(
    sqlite_book: Installation,
) -> None:
    name = answered(sqlite_book)
    last = TODAY + 30 * DAY
    assert not +retire(sqlite_book, last, NOW + 30 * DAY)
    (line,) = overview(sqlite_book, last).to_send
    assert line.waits_for == f"letter to send (who asked is kept until {last})"
    assert (line.urgency, line.lifted) == ("urgent", False)

    assert +retire(sqlite_book, last + DAY, NOW + 31 * DAY) == {"emptied": 1}
    assert not +retire(sqlite_book, last + DAY, NOW + 31 * DAY)

    assert not asked(sqlite_book, name)
    assert overview(sqlite_book, last + DAY).lines == ()
    assert casebook.closed(sqlite_book, name)
    sent(sqlite_book, name, 40)
    assert casebook.changes(sqlite_book, name)[-1].what == "sent"


@pytest.mark.parametrize("outcome", [Outcome.held, Outcome.review, Outcome.stopped])
def test_what_waits_is_kept_beyond_its_letter_and_has_another_in_the_end(
    sqlite_book: Installation, outcome: Outcome
) -> None:
    name = answered(sqlite_book, outcome)
    sent(sqlite_book, name)
    assert not +retire(sqlite_book, TODAY + 400 * DAY, NOW + 400 * DAY)
    assert asked(sqlite_book, name) and casebook.closed(sqlite_book, name)
    later = NOW + 400 * DAY
    for state in (State.verified, State.planned, State.executing):
        casebook.move(sqlite_book, name, state, by="run", now=later)
    casebook.answer(sqlite_book, name, by="run", now=later, as_of=TODAY + 400 * DAY)

    (letter,) = sending.unsent(sqlite_book).values()
    assert (letter.written_on, letter.until) == (TODAY + 400 * DAY, TODAY + 430 * DAY)
    sent(sqlite_book, name, 401)
    assert not asked(sqlite_book, name)


def test_a_restriction_keeps_who_asked_until_its_end_is_told(sqlite_book: Installation) -> None:
    name = answered(sqlite_book, Outcome.restricted, Kind.restriction)
    sent(sqlite_book, name)
    assert not +retire(sqlite_book, TODAY + 400 * DAY, NOW + 400 * DAY)
    assert asked(sqlite_book, name) and not sending.unsent(sqlite_book)

    lines = [OutcomeLine("crm.customers", "", Outcome.restored, 1)]
    later = NOW + 400 * DAY
    moving.lifted(sqlite_book, casebook.get(sqlite_book, name).request_id, lines,
                  by="clerk", reason="it was right", now=later)  # fmt: skip

    assert not casebook.closed(sqlite_book, name)
    (line,) = overview(sqlite_book, TODAY + 400 * DAY).to_send
    assert line.lifted and f"until {TODAY + 430 * DAY}" in line.waits_for
    sent(sqlite_book, name, 401)
    assert not asked(sqlite_book, name) and casebook.closed(sqlite_book, name)


def test_what_ends_meanwhile_is_not_marked_with_the_letter_that_was_read(
    sqlite_book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = answered(sqlite_book, Outcome.restricted, Kind.restriction)
    read = sending.letter_of(sqlite_book, casebook.get(sqlite_book, name).request_id)
    moving.lifted(sqlite_book, casebook.get(sqlite_book, name).request_id, [],
                  by="clerk", reason="so", now=NOW)  # fmt: skip
    monkeypatch.setattr(sending, "letter_of", lambda *_: read)
    with pytest.raises(RequestError, match="by someone else"):
        sent(sqlite_book, name)
    assert asked(sqlite_book, name)


def test_what_is_refused_waits_for_nothing_an_attempt_had_come_to(
    sqlite_book: Installation,
) -> None:
    name = taken_to(sqlite_book, State.planned).request_id
    casebook.put_outcomes(sqlite_book, name, [OutcomeLine("crm.customers", "", Outcome.held, 1)])
    casebook.refuse(sqlite_book, name, by="clerk", reason="not ours", now=NOW)
    sent(sqlite_book, name)
    assert not asked(sqlite_book, name)
    forgotten = TODAY + 2000 * DAY
    assert retire(sqlite_book, forgotten, NOW + 2000 * DAY)["requests"] == 1


def test_nobody_is_written_to_where_a_backup_was_the_reason(sqlite_book: Installation) -> None:
    request = casebook.add(
        sqlite_book, Kind.erasure, ASKED, received_on=TODAY, channel=RESTORED, by="program",
        now=NOW,
    )  # fmt: skip
    casebook.refuse(sqlite_book, request.request_id, by="clerk", reason="no", now=NOW)
    with pytest.raises(RequestError, match="nobody waits for a letter"):
        sent(sqlite_book, request.request_id)
    assert not sending.unsent(sqlite_book)
    assert +retire(sqlite_book, TODAY, NOW) == {"emptied": 1}


def test_a_crash_before_the_ledger_is_made_up_for(
    sqlite_book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = answered(sqlite_book)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "enter", lambda *_: 0)
        sent(sqlite_book, name)
    assert "erasure:sent" not in ledger_of(sqlite_book, name)
    assert casebook.reconcile(sqlite_book, NOW) == 1
    assert ledger_of(sqlite_book, name)[-1] == "erasure:sent"


def test_an_open_request_keeps_who_asked_however_long_it_takes(sqlite_book: Installation) -> None:
    name = added(sqlite_book).request_id
    assert not +retire(sqlite_book, TODAY + 400 * DAY, NOW + 400 * DAY)
    assert asked(sqlite_book, name)
