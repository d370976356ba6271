"""The casebook: requests come in once, are sealed, and go only where they may."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from retention import ledger
from retention.errors import StoreError
from retention.installation import Installation
from retention.requests.book import casebook, moving
from retention.requests.model import (
    FIELDS,
    MOVES,
    Asked,
    Kind,
    Request,
    RequestError,
    State,
)
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

__all__ = ["book", "server_book", "sqlite_book"]

DAY = timedelta(days=1)
WHO = {"by": "clerk", "reason": "because", "now": NOW}


def racing(*works: Callable[[], Any]) -> list[Any]:
    """Do all at once; results and errors, in order."""
    barrier = Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return work()
        except (RequestError, StoreError) as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


# --- taking in -------------------------------------------------------------------------


def test_what_was_asked_comes_back_as_it_was(book: Installation) -> None:
    asked = Asked(
        **dict.fromkeys(FIELDS, "Zoë \N{WASTEBASKET} 'x'; --"),
        corrections={"user.contact.email": "new@exemple.fr"},
        message="Bonjour,\nmerci.",
    )
    request = added(book, asked, Kind.rectification)

    assert casebook.get(book, request.request_id) == request
    assert request.asked == asked
    assert (request.state, request.attempt, request.due_on) == (
        State.received, 1, date(2026, 12, 28),
    )  # fmt: skip
    assert not request.asked.message or "merci" in request.asked.message


def test_nothing_of_a_person_is_readable_anywhere(sqlite_book: Installation) -> None:
    request = added(sqlite_book)
    casebook.keep_sought(sqlite_book, request.request_id, {"name": ASKED.family_name})
    with pytest.raises(casebook.AlreadyOpen) as repeated:
        added(sqlite_book)
    written = everything_written(sqlite_book.settings.folder) + str(repeated.value).encode()

    assert request.request_id.encode() in written
    assert not [canary for canary in CANARIES if canary in written]


def test_a_request_that_says_nothing_of_who_asks_is_not_taken_in(book: Installation) -> None:
    with pytest.raises(RequestError, match="who asks"):
        added(book, Asked(message="Delete me", corrections={"user.name": "x"}, email=""))
    with pytest.raises(RequestError, match="future"):
        added(book, received_on=TODAY + DAY)
    assert casebook.listed(book) == []


def test_today_is_the_day_in_the_policys_zone(book: Installation) -> None:
    late = datetime.fromisoformat("2026-11-25T23:30:00+00:00")

    assert added(book, received_on=TODAY + DAY, now=late).received_on == date(2026, 11, 26)


@pytest.mark.parametrize(
    "same",
    [
        {"family_name": "  QUENNEVILLE "},
        {"email": "S.Quenneville@exemple.fr"},
        {"first_name": "Se\N{COMBINING ACUTE ACCENT}gole\N{COMBINING GRAVE ACCENT}ne"},
        {"message": "once more"},
        {"phone": ""},
    ],
)
def test_the_same_request_is_open_once(book: Installation, same: dict[str, str]) -> None:
    first = added(book)
    with pytest.raises(casebook.AlreadyOpen) as repeated:
        added(book, replace(ASKED, **same))

    assert repeated.value.request_id == first.request_id
    assert [item.request_id for item in casebook.listed(book)] == [first.request_id]


def test_another_kind_or_person_or_correction_is_another_request(book: Installation) -> None:
    added(book)
    added(book, kind=Kind.access)
    added(book, replace(ASKED, email="t.quenneville@exemple.fr"))
    added(
        book, Asked(family_name=ASKED.first_name, first_name=ASKED.family_name, email=ASKED.email)
    )
    corrections = replace(ASKED, corrections={"user.name": "A"})
    added(book, corrections, Kind.rectification)
    added(book, replace(corrections, corrections={"user.name": "B"}), Kind.rectification)

    assert len(casebook.listed(book)) == 6


@pytest.mark.parametrize("end", [State.refused, State.answered])
def test_once_it_is_over_the_same_may_be_asked_again(book: Installation, end: State) -> None:
    taken_to(book, end)

    assert added(book).state is State.received


def test_the_same_request_by_eight_at_once_is_taken_in_once(book: Installation) -> None:
    results = racing(*[lambda: added(book)] * 8)
    made = [item for item in results if isinstance(item, Request)]

    assert len(made) == 1
    assert {item.request_id for item in results} == {made[0].request_id}
    assert all(isinstance(item, (Request, casebook.AlreadyOpen)) for item in results)
    assert ledger_of(book, made[0].request_id) == ["erasure:received"]


def test_many_requests_at_once_are_all_in_one_sound_ledger(book: Installation) -> None:
    def one(number: int) -> Callable[[], Request]:
        return lambda: taken_to(book, State.planned, Asked(email=f"p{number}@exemple.fr"))

    results = racing(*[one(number) for number in range(6)])

    assert [item for item in results if not isinstance(item, Request)] == []
    for request in results:
        assert ledger_of(book, request.request_id) == [
            "erasure:received", "erasure:verified", "erasure:planned",
        ]  # fmt: skip
    assert ledger.verify(book.stores.control, None).problem is None
    assert ledger.verify(book.stores.control, None).entries == 18


# --- finding ---------------------------------------------------------------------------


def test_a_request_is_found_by_a_unique_beginning_of_its_id(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(["abcdef0" + "1" * 25, "abcdef0" + "2" * 25])

    class Known:
        def __init__(self) -> None:
            self.hex = next(ids)

    monkeypatch.setattr(casebook, "uuid4", Known)
    first, second = added(book), added(book, kind=Kind.access)

    assert casebook.get(book, "abcdef01") == first
    assert casebook.get(book, "abcdef0" + "2" * 25) == second
    with pytest.raises(RequestError, match="several requests"):
        casebook.get(book, "abcdef0")
    with pytest.raises(RequestError, match="no request 'abcdef03'"):
        casebook.get(book, "abcdef03")
    with pytest.raises(RequestError, match="no request"):
        casebook.verify(book, "f" * 32, by="clerk", how="x", now=NOW)


@pytest.mark.parametrize("wrong", ["abcde", "", "%%%%%%", "Quenneville", "abcdef' OR 1=1", "é" * 9])
def test_what_is_no_id_is_refused_and_not_repeated(book: Installation, wrong: str) -> None:
    added(book)
    with pytest.raises(RequestError) as error:
        casebook.get(book, wrong)

    assert not wrong or wrong not in str(error.value)


def test_requests_are_listed_by_the_day_they_are_due(book: Installation) -> None:
    late = added(book, Asked(email="a@exemple.fr"), received_on=TODAY)
    soon = added(book, Asked(email="b@exemple.fr"), received_on=TODAY - 20 * DAY)
    over = taken_to(book, State.refused, Asked(email="c@exemple.fr"), received_on=TODAY - 9 * DAY)

    def names(**which: Any) -> list[str]:
        return [item.request_id for item in casebook.listed(book, **which)]

    assert names() == [soon.request_id, over.request_id, late.request_id]
    assert names(states={State.received}) == [soon.request_id, late.request_id]
    assert names(states=()) == []


# --- what may be done from where -------------------------------------------------------


@pytest.mark.parametrize("start", list(State))
def test_a_request_goes_only_where_it_may(book: Installation, start: State) -> None:
    by_itself = {State.answered, State.refused}
    for to in State:
        request = taken_to(book, start, Asked(email=f"{to}@exemple.fr"))
        before = casebook.changes(book, request.request_id)
        if to in MOVES[start] and to not in by_itself and start is not State.received:
            moved = casebook.move(book, request.request_id, to, by="run", now=NOW)
            assert moved.state is to
            assert moved.attempt == 1 + (to is State.verified)
        else:
            with pytest.raises(RequestError):
                casebook.move(book, request.request_id, to, by="run", now=NOW)
            assert casebook.get(book, request.request_id) == request
            assert casebook.changes(book, request.request_id) == before


def test_only_one_of_two_at_once_changes_a_request(book: Installation) -> None:
    for number in range(5):
        request = added(book, Asked(email=f"p{number}@exemple.fr"))
        name = request.request_id
        results = racing(
            lambda name=name: casebook.verify(book, name, by="a", how="seen", now=NOW),
            lambda name=name: casebook.refuse(book, name, by="b", reason="no", now=NOW),
            lambda name=name: casebook.doubt(book, name, by="c", reason="hm", now=NOW),
        )
        # One after the other is in order where the law allows it: a verified one may be refused.
        said = [change.what for change in casebook.changes(book, name)]
        if not any(isinstance(item, RequestError) for item in results[:2]):
            assert said.index("verified") < said.index("refused")
        assert not [item for item in results if isinstance(item, StoreError)]
        assert len(casebook.changes(book, name)) == 1 + sum(
            isinstance(item, Request) for item in results
        )
        assert len(ledger_of(book, name)) == len(casebook.changes(book, name))


@pytest.mark.parametrize(
    "change",
    [
        lambda book, name: casebook.extend(book, name, **WHO),
        lambda book, name: casebook.fail(book, name, "store 'x' is gone", NOW),
        lambda book, name: casebook.retry(book, name, **WHO),
        lambda book, name: casebook.move(book, name, State.executing, by="other", now=NOW),
    ],
)
def test_whoever_read_the_request_before_a_change_is_too_late(
    book: Installation, monkeypatch: pytest.MonkeyPatch, change: Callable[..., Request]
) -> None:
    stale = taken_to(book, State.planned)
    changed = change(book, stale.request_id)
    count = len(casebook.changes(book, stale.request_id))
    monkeypatch.setattr(moving, "_read", lambda *_: stale)

    with pytest.raises(RequestError, match="by someone else at the same time"):
        casebook.move(book, stale.request_id, State.executing, by="run", now=NOW, run_id="r1")
    with pytest.raises(RequestError, match="by someone else at the same time"):
        casebook.refuse(book, stale.request_id, **WHO)
    assert casebook.get(book, stale.request_id) == changed
    assert len(casebook.changes(book, stale.request_id)) == count


def test_whoever_does_something_says_who_and_why(book: Installation) -> None:
    name = added(book).request_id
    for by, why in (("", "x"), ("  ", "x"), ("clerk", ""), ("clerk", " \n")):
        with pytest.raises(RequestError, match="say "):
            casebook.verify(book, name, by=by, how=why, now=NOW)
        for act in (casebook.refuse, casebook.doubt, casebook.extend):
            with pytest.raises(RequestError, match="say "):
                act(book, name, by=by, reason=why, now=NOW)
    assert len(casebook.changes(book, name)) == 1
