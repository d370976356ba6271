"""What requests leave behind goes on its day, and not a day before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from retention import ledger
from retention.errors import StoreError
from retention.installation import Installation
from retention.keys import seal_with
from retention.requests.book import casebook, recording, retiring
from retention.requests.book.retiring import retire
from retention.requests.model import Asked, Kind, Outcome, OutcomeLine, RequestError, State
from retention.stores import cases, control
from tests.casebook_support import (
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
LAST = date(2031, 11, 25)
"""Five years after the answer."""


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def rows(book: Installation, table: sa.Table) -> list[Any]:
    with book.stores.cases.connect() as connection:
        return list(connection.execute(sa.select(table)).all())


def everything(book: Installation) -> Iterator[sa.Table]:
    return (table for table in cases.metadata.sorted_tables if rows(book, table))


def insert(book: Installation, table: sa.Table, **values: Any) -> None:
    with book.stores.cases.begin() as connection:
        connection.execute(table.insert(), values)


def package(book: Installation, request_id: str, name: str = "p1", expires_on: date = TODAY) -> str:
    unit_id = book.keyring.token("package", name)
    key = book.keyring.ensure_units([unit_id])[unit_id]
    insert(
        book, cases.packages, package_id=name, request_id=request_id, unit_id=unit_id,
        sealed=seal_with(key, name, b"all about her"), made_on=TODAY, expires_on=expires_on,
    )  # fmt: skip
    return unit_id


def notice(book: Installation, request_id: str, sent_at: datetime | None) -> None:
    insert(
        book, cases.outbox, notice_id="n1", request_id=request_id, recipient="router",
        kind="erasure", tables=["crm.customers"], created_at=NOW, sent_at=sent_at,
    )  # fmt: skip


def answered(
    book: Installation, outcome: Outcome = Outcome.deleted, kind: Kind = Kind.erasure
) -> str:
    request = taken_to(book, State.executing, kind=kind)
    name = request.request_id
    casebook.put_subjects(book, name, [match(1)], NOW)
    casebook.put_outcomes(book, name, [OutcomeLine("crm.customers", "", outcome, 1)])
    casebook.answer(book, name, by="clerk", now=NOW, as_of=TODAY)
    return name


def test_a_request_is_forgotten_after_its_last_day_with_all_its_rows(book: Installation) -> None:
    name = answered(book)
    unit = package(book, name, expires_on=LAST + DAY)
    notice(book, name, NOW)
    entries = len(ledger_of(book, name))
    assert retire(book, LAST, at(LAST))["requests"] == 0
    assert casebook.get(book, name).state is State.answered
    assert book.keyring.open_units([unit])

    assert retire(book, LAST + DAY, at(LAST + DAY))["requests"] == 1

    assert list(everything(book)) == []
    assert book.keyring.destroyed([unit]) == {unit}
    with pytest.raises(RequestError, match="no request"):
        casebook.get(book, name)
    with book.stores.control.connect() as connection:
        assert connection.execute(sa.select(control.transitions)).all() == []
    assert len(ledger_of(book, name)) == entries
    assert ledger.verify(book.stores.control, None).problem is None
    assert casebook.reconcile(book, at(LAST)) == 0
    assert not +retire(book, LAST + DAY, at(LAST + DAY))


def test_a_refused_request_is_forgotten_too_and_an_open_one_never(book: Installation) -> None:
    taken_to(book, State.refused, Asked(email="a@exemple.fr"))
    open_ones = {
        taken_to(book, state, Asked(email=f"{state}@exemple.fr")).request_id
        for state in (State.received, State.verified, State.planned, State.executing)
    }
    assert retire(book, date(2090, 1, 1), at(date(2090, 1, 1)))["requests"] == 1

    assert {item.request_id for item in casebook.listed(book)} == open_ones
    assert all(item.asked for item in casebook.listed(book))


@pytest.mark.parametrize(
    "outcome", [Outcome.held, Outcome.review, Outcome.stopped, Outcome.restricted]
)
def test_what_is_still_needed_is_not_forgotten(book: Installation, outcome: Outcome) -> None:
    name = answered(book, outcome, Kind.restriction)
    long_after = LAST + 1000 * DAY
    before = casebook.get(book, name)

    assert +retire(book, long_after, at(long_after)) == {"waiting": 1}
    assert casebook.get(book, name) == before
    assert casebook.persons(book, name) == [("crm.customers", (1,))]


def test_a_request_whose_recipients_are_not_told_is_not_forgotten(book: Installation) -> None:
    name = answered(book)
    notice(book, name, None)
    long_after = LAST + DAY
    assert +retire(book, long_after, at(long_after)) == {"waiting": 1, "emptied": 1}

    with book.stores.cases.begin() as connection:
        connection.execute(cases.outbox.update().values(sent_at=NOW))
    assert +retire(book, long_after, at(long_after)) == {"requests": 1}


def test_one_that_is_taken_up_at_this_moment_is_not_forgotten(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = answered(book)

    def then(*_: object) -> bool:
        casebook.move(book, name, State.verified, by="clerk", now=at(LAST))
        return False

    monkeypatch.setattr(retiring, "_unfinished", then)
    assert not +retire(book, LAST + DAY, at(LAST + DAY))
    assert casebook.get(book, name).state is State.verified
    assert casebook.subjects(book, name)


def test_once_all_is_said_the_keys_of_records_go(book: Installation) -> None:
    name = answered(book)
    token = match(1).token
    notice(book, name, None)
    assert not +retire(book, TODAY, NOW)
    assert casebook.persons(book, name) == [("crm.customers", (1,))]
    with book.stores.cases.begin() as connection:
        connection.execute(cases.outbox.update().values(sent_at=NOW))

    assert +retire(book, TODAY, NOW) == {"emptied": 1}
    assert not +retire(book, TODAY, NOW)

    assert casebook.persons(book, name) == []
    assert casebook.tokens(book, name) == [token]
    assert [row.sealed_key for row in rows(book, cases.request_subjects)] == [b""]


def test_what_was_asked_does_not_outlast_the_letter(book: Installation) -> None:
    name = answered(book)
    with book.stores.cases.begin() as connection:
        connection.execute(cases.requests.update().values(sought=b"left"))

    assert retire(book, TODAY, NOW)["emptied"] == 1
    (row,) = rows(book, cases.requests)
    assert (row.asked is None, row.sought) == (False, None)
    assert retire(book, TODAY + 30 * DAY, NOW)["emptied"] == 0
    assert casebook.get(book, name).asked

    assert retire(book, TODAY + 31 * DAY, NOW)["emptied"] == 1
    assert casebook.get(book, name).asked is None


# --- packages and the opposition list --------------------------------------------------


def test_a_package_is_unreadable_after_its_last_day(book: Installation) -> None:
    name = taken_to(book, State.executing).request_id
    gone, stays = package(book, name), package(book, name, "p2", TODAY + DAY)
    assert retire(book, TODAY, NOW)["packages"] == 0

    assert retire(book, TODAY + DAY, NOW + DAY)["packages"] == 1
    assert retire(book, TODAY + DAY, NOW + DAY)["packages"] == 0

    assert book.keyring.destroyed([gone, stays]) == {gone}
    kept = {row.package_id: row.sealed is not None for row in rows(book, cases.packages)}
    assert kept == {"p1": False, "p2": True}


def broken(*_: object, **__: object) -> NoReturn:
    raise StoreError("store 'cases': its disk is full")


def test_a_crash_leaves_a_package_whose_key_is_gone_to_the_next_time(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = package(book, taken_to(book, State.executing).request_id)
    with monkeypatch.context() as patch:
        patch.setattr(retiring, "writing", broken)
        with pytest.raises(StoreError):
            retire(book, TODAY + DAY, NOW)
    assert book.keyring.destroyed([unit]) == {unit}

    assert retire(book, TODAY + DAY, NOW)["packages"] == 1
    assert [row.sealed for row in rows(book, cases.packages)] == [None]


def test_the_salts_of_a_request_go_after_a_crash_too(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = answered(book)
    there = added(book, Asked(email="b@exemple.fr")).request_id
    with monkeypatch.context() as patch:
        patch.setattr(retiring, "_drop_salts", broken)
        with pytest.raises(StoreError):
            retire(book, LAST + DAY, NOW)

    assert not +retire(book, LAST + DAY, NOW)
    with book.stores.control.connect() as connection:
        left = connection.execute(sa.select(control.transitions.c.run_id)).scalars().all()
    assert left == [there]
    assert len(ledger_of(book, forgotten)) == 6


def test_what_is_forgotten_is_in_the_ledger_first(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(recording, "enter", lambda *_: 0)
        name = answered(book)
    assert ledger_of(book, name) == []

    assert retire(book, LAST + DAY, NOW)["requests"] == 1
    assert len(ledger_of(book, name)) == 6


def test_an_objection_is_remembered_through_its_last_day(book: Installation) -> None:
    for number in (0, 1):
        insert(
            book, cases.opposition, fingerprint=f"{number:064}", field="email", version=1,
            added_on=TODAY - 1000 * DAY, expires_on=TODAY + number * DAY,
        )  # fmt: skip
    assert retire(book, TODAY, NOW)["opposition"] == 0

    assert retire(book, TODAY + DAY, NOW)["opposition"] == 1
    assert [row.fingerprint[-1] for row in rows(book, cases.opposition)] == ["1"]
