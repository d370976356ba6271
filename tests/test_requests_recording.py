"""Each change of a request is in the ledger once, whatever breaks on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from retention import ledger, merkle
from retention.encoding import encode
from retention.errors import StoreError
from retention.execution.journal import Journal
from retention.installation import Installation
from retention.planning.plan import Plan
from retention.requests.book import casebook, recording
from retention.requests.model import Asked, State
from retention.stores import cases, control
from retention.stores.open import writing
from tests.casebook_support import (
    NOW,
    TODAY,
    added,
    book,
    ledger_of,
    server_book,
    sqlite_book,
    taken_to,
)

__all__ = ["book", "server_book", "sqlite_book"]

ALL = ["received", "verified", "planned", "executing", "answered"]
ENTRIES = [f"erasure:{what}" for what in ALL]


def whats(book: Installation, request_id: str) -> list[str]:
    return [change.what for change in casebook.changes(book, request_id)]


def test_each_change_has_one_entry_and_its_head_is_exported(book: Installation) -> None:
    name = taken_to(book, State.answered).request_id
    head = book.settings.path(book.settings.ledger_head or book.settings.folder)

    assert whats(book, name) == ALL
    assert ledger_of(book, name) == ENTRIES
    assert [change.sequence for change in casebook.changes(book, name)] == [1, 2, 3, 4, 5]
    found = ledger.verify(book.stores.control, head)
    assert (found.entries, found.problem) == (5, None)
    assert found.head in head.read_text()
    assert casebook.reconcile(book, NOW) == 0


def test_an_entry_commits_to_the_change_and_says_nothing_without_its_salt(
    book: Installation,
) -> None:
    name = taken_to(book, State.verified).request_id
    at = control.transitions.c
    with book.stores.control.connect() as connection:
        entries = connection.execute(sa.select(control.ledger)).all()
        salts = {
            row.ledger_sequence: book.keyring.unseal(
                f"salt:{name}:request:{row.transition}", row.salt
            )
            for row in connection.execute(sa.select(control.transitions).where(at.run_id == name))
        }
    assert len(set(salts.values())) == 2
    for number, entry in enumerate(entries, start=1):
        assert entry.merkle_root == merkle.leaf(salts[number], encode([name, number])).hex()
        assert (entry.run_id, entry.table_name, entry.as_of) == (name, "request", TODAY)
        assert entry.counts == {"request": 1}


def broken(*_: object, **__: object) -> NoReturn:
    raise StoreError("store 'control': its disk is full")


@pytest.mark.parametrize("place", ["insert_if_absent", "ledger.append", "ledger.export_head"])
def test_a_crash_between_the_stores_is_made_up_for_once(
    book: Installation, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    name = taken_to(book, State.verified).request_id
    with monkeypatch.context() as patch:
        patch.setattr(f"retention.requests.book.recording.{place}", broken)
        with pytest.raises(StoreError):
            casebook.move(book, name, State.planned, by="run", now=NOW)
    assert casebook.get(book, name).state is State.planned
    assert whats(book, name) == ALL[:3]
    lacking = 0 if place == "ledger.export_head" else 1
    assert ledger_of(book, name) == ENTRIES[: 3 - lacking]

    assert casebook.reconcile(book, NOW) == lacking
    assert casebook.reconcile(book, NOW) == 0

    assert ledger_of(book, name) == ENTRIES[:3]
    assert ledger.verify(book.stores.control, None).problem is None


def test_a_change_after_a_crash_makes_up_for_it_in_order(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = added(book).request_id
    with monkeypatch.context() as patch:
        patch.setattr(recording, "enter", broken)
        with pytest.raises(StoreError):
            casebook.verify(book, name, by="clerk", how="seen", now=NOW)
    casebook.move(book, name, State.planned, by="run", now=NOW)

    assert ledger_of(book, name) == ENTRIES[:3]


def test_a_change_that_fails_is_nowhere(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = added(book)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "record", broken)
        with pytest.raises(StoreError):
            casebook.verify(book, request.request_id, by="clerk", how="seen", now=NOW)
        with pytest.raises(StoreError):
            added(book, Asked(email="other@exemple.fr"))

    assert casebook.listed(book) == [request]
    assert casebook.reconcile(book, NOW) == 0
    assert ledger_of(book, request.request_id) == ENTRIES[:1]


def test_making_up_for_it_from_many_processes_at_once_enters_nothing_twice(
    book: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(recording, "enter", lambda *_: 0)
        names = [
            taken_to(book, State.answered, Asked(email=f"p{n}@exemple.fr")).request_id
            for n in range(4)
        ]
    with ThreadPoolExecutor(6) as pool:
        written = list(pool.map(lambda _: casebook.reconcile(book, NOW), range(6)))

    assert sum(written) == 20
    assert [ledger_of(book, name) for name in names] == [ENTRIES] * 4
    assert ledger.verify(book.stores.control, None).problem is None


def test_a_daily_run_and_requests_write_the_same_ledger_at_once(book: Installation) -> None:
    def run(number: int) -> Any:
        journal = Journal(book.stores.control, book.keyring, f"run{number}")
        plan = Plan(
            as_of=TODAY, policy="p", policy_digest="d", catalogue_digest="c", predicates={},
            tables=(), items=(),
        )  # fmt: skip
        journal.begin_run(plan, "execute", NOW)
        for table in ("a.b", "a.c"):
            journal.salt(table, "archive")  # type: ignore[arg-type]
        return journal.close_transitions(f"run{number}", TODAY, NOW)

    def ask(number: int) -> Any:
        return taken_to(book, State.executing, Asked(email=f"p{number}@exemple.fr")).state

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(work, n) for n in range(6) for work in (run, ask)]
    assert {work.result() for work in works} == {2, State.executing}

    found = ledger.verify(book.stores.control, None)
    assert (found.entries, found.problem) == (6 * 2 + 6 * 4, None)


def test_what_has_no_request_any_more_is_not_entered(book: Installation) -> None:
    name = added(book).request_id
    casebook.reconcile(book, NOW)
    with writing(book.stores.control) as connection:
        connection.execute(control.transitions.delete())
    with writing(book.stores.cases) as connection:
        connection.execute(cases.requests.delete())

    assert casebook.reconcile(book, NOW) == 0
    assert len(ledger_of(book, name)) == 1
