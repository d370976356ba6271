"""Whose records a request is about: found, chosen, found again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.model import Kind, RequestError, State
from retention.stores import cases
from tests.casebook_support import (
    NOW,
    added,
    book,
    match,
    server_book,
    sqlite_book,
    taken_to,
)

__all__ = ["book", "server_book", "sqlite_book"]

WEB = TableName("web.accounts")
ALIKE = {"exact": False, "found_by": "address", "agrees": ("family_name",)}


def chosen(book: Installation, name: str) -> dict[tuple[object, ...], bool | None]:
    return {item.key: item.chosen for item in casebook.subjects(book, name)}


def test_exact_matches_are_chosen_and_likenesses_wait_for_a_person(book: Installation) -> None:
    name = added(book).request_id
    contradicting = match(2, table=WEB, key=("é'x", 7), contradicts=("first_name",), **ALIKE)
    casebook.put_subjects(book, name, [match(1, agrees=("email",)), contradicting], NOW)

    one, two = casebook.subjects(book, name)
    assert (one.table, one.key, one.found_by, one.chosen) == ("crm.customers", (1,), "email", True)
    assert (one.agrees, one.contradicts) == (("email",), ())
    assert (two.table, two.key, two.chosen) == (WEB, ("é'x", 7), None)
    assert (two.agrees, two.contradicts) == (("family_name",), ("first_name",))
    assert casebook.persons(book, name) == [("crm.customers", (1,))]
    assert casebook.tokens(book, name) == [one.token]


def test_the_key_of_a_record_is_sealed_in_its_place(book: Installation) -> None:
    name = added(book).request_id
    casebook.put_subjects(book, name, [match(1, key=("CUST-4711",)), match(2)], NOW)
    with book.stores.cases.connect() as connection:
        rows = connection.execute(sa.select(cases.request_subjects)).all()

    assert all(b"CUST-4711" not in row.sealed_key for row in rows)
    assert all("CUST" not in str(row) for row in rows)


def test_a_request_is_verified_once_nothing_is_left_to_choose(book: Installation) -> None:
    name = added(book).request_id
    found = [match(1), match(2, **ALIKE), match(3, **ALIKE)]
    casebook.put_subjects(book, name, found, NOW)

    for left in (2, 1):
        with pytest.raises(RequestError, match=rf"{left} record\(s\)"):
            casebook.verify(book, name, by="clerk", how="seen", now=NOW)
        assert casebook.get(book, name).state is State.received
        yes = left == 2
        casebook.choose(
            book, name, "crm.customers", found[left].token[:8], yes=yes, by="clerk", now=NOW
        )
    casebook.verify(book, name, by="clerk", how="seen", now=NOW)

    assert chosen(book, name) == {(1,): True, (2,): False, (3,): True}
    assert [key for _, key in casebook.persons(book, name)] == [(1,), (3,)]
    assert [change.what for change in casebook.changes(book, name)] == [
        "received", "searched", "chosen", "not chosen", "verified",
    ]  # fmt: skip


def test_a_choice_may_be_taken_back_until_it_is_planned(book: Installation) -> None:
    request = taken_to(book, State.verified)
    name, token = request.request_id, match(1).token
    casebook.put_subjects(book, name, [match(1)], NOW)
    place = ("crm.customers", token)
    assert casebook.choose(book, name, *place, yes=False, by="clerk", now=NOW).chosen is False
    casebook.move(book, name, State.planned, by="run", now=NOW)

    with pytest.raises(RequestError, match="before it is planned"):
        casebook.choose(book, name, *place, yes=True, by="clerk", now=NOW)
    assert casebook.persons(book, name) == []


@pytest.mark.parametrize(
    ("table", "prefix", "why"),
    [
        ("crm.customers", "ab" * 4, "no record"),
        ("web.accounts", "100000", "no record"),
        ("crm.customers", "000000", "several records"),
        ("crm.customers", "10000", "first six"),
        ("crm.customers", "%%%%%%", "first six"),
        ("crm.customers", "", "first six"),
        ("Quenneville", "abcdef", "no record"),
    ],
)
def test_a_choice_names_one_record(book: Installation, table: str, prefix: str, why: str) -> None:
    name = added(book).request_id
    found = [match(1), match(16, **ALIKE), match(256, **ALIKE)]
    assert [item.token[:6] for item in found] == ["100000", "010000", "001000"]
    alike = [match(2, token="0" * 6 + digit * 58, **ALIKE) for digit in "ab"]
    casebook.put_subjects(book, name, [*found, *alike], NOW)
    before = casebook.subjects(book, name)

    with pytest.raises(RequestError, match=why) as error:
        casebook.choose(book, name, table, prefix, yes=True, by="clerk", now=NOW)
    assert "Quenneville" not in str(error.value)
    assert casebook.subjects(book, name) == before


# --- found again -----------------------------------------------------------------------


def test_finding_the_same_again_changes_nothing(book: Installation) -> None:
    name = added(book).request_id
    for _ in range(2):
        casebook.put_subjects(book, name, [match(1), match(2, **ALIKE)], NOW)

    assert chosen(book, name) == {(1,): True, (2,): None}
    assert len(casebook.changes(book, name)) == 2


def test_what_a_person_chose_stands(book: Installation) -> None:
    name = added(book).request_id
    doubtful = [match(n, contradicts=("first_name",), **ALIKE) for n in (1, 2)]
    casebook.put_subjects(book, name, doubtful, NOW)
    for item, yes in zip(doubtful, (True, False), strict=True):
        casebook.choose(book, name, item.table, item.token, yes=yes, by="clerk", now=NOW)

    casebook.put_subjects(book, name, [doubtful[0], match(2)], NOW)
    assert chosen(book, name) == {(1,): True, (2,): False}
    another = match(2, contradicts=("first_name", "email"), **ALIKE)
    casebook.put_subjects(book, name, [doubtful[0], another], NOW)
    assert chosen(book, name) == {(1,): True, (2,): False}
    casebook.put_subjects(book, name, [], NOW)
    assert chosen(book, name) == {(1,): True, (2,): False}


def test_a_new_contradiction_asks_a_person_again(book: Installation) -> None:
    name = added(book).request_id
    casebook.put_subjects(book, name, [match(1)], NOW)
    casebook.put_subjects(book, name, [match(1, contradicts=("email",), **ALIKE)], NOW)

    assert chosen(book, name) == {(1,): None}
    assert casebook.persons(book, name) == []
    assert casebook.tokens(book, name) == []


def test_a_likeness_that_is_gone_waits_for_nobody(book: Installation) -> None:
    name = added(book).request_id
    casebook.put_subjects(book, name, [match(1), match(2, **ALIKE)], NOW)
    casebook.put_subjects(book, name, [match(1)], NOW)

    assert chosen(book, name) == {(1,): True}
    casebook.verify(book, name, by="clerk", how="seen", now=NOW)


def test_a_record_that_left_for_the_archive_keeps_its_key(book: Installation) -> None:
    name = added(book).request_id
    casebook.put_subjects(book, name, [match(1)], NOW)
    archived = [match(1, key=(), found_by="archive"), match(2, key=(), found_by="archive")]
    casebook.put_subjects(book, name, archived, NOW)

    assert casebook.persons(book, name) == [("crm.customers", (1,))]
    assert len(casebook.tokens(book, name)) == 2


def test_two_requests_keep_their_subjects_apart(book: Installation) -> None:
    one = added(book).request_id
    two = taken_to(book, State.received, received_on=NOW.date(), kind=Kind.access)
    casebook.put_subjects(book, one, [match(1)], NOW)
    casebook.put_subjects(book, two.request_id, [match(1), match(2)], NOW)
    casebook.put_subjects(book, two.request_id, [match(2, **ALIKE)], NOW)

    assert chosen(book, one) == {(1,): True}
