"""An erased person who comes back with a restored backup goes again, and nobody else does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from retention import holds
from retention.requests.book import casebook
from retention.requests.book.retiring import retire
from retention.requests.doing.again import keep, redo
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, RequestError, State
from retention.requests.proving.returning import returned
from retention.stores import cases
from tests.engine.asking import account, ask, customer, done, lifted, said
from tests.engine.lives import ACTIVE, ANNA, AS_OF, BY_LOGIN, CLEARED, IN_FORCE
from tests.engine.small import START, Small
from tests.engine.stored import fetch

OWNERS_FIRST = (
    "crm.customers", "crm.contracts", "crm.orders", "crm.notes", "crm.replies", "crm.invoices",
    "crm.lines", "web.accounts", "web.logins", "web.connections",
)  # fmt: skip


def restore(place: Small, backup: Mapping[str, Any]) -> None:
    """What a restored backup does: rows that had left are there again."""
    now = place.everything()
    for name in OWNERS_FIRST:
        if missing := [row for row in backup[name] if row not in now[name]]:
            place.insert(name, *missing)


def persons(found: Any) -> list[Any]:
    return [(item.table, item.key, item.unchanged) for item in found]


def test_the_erased_who_come_back_go_again_and_the_others_stay(either: Small) -> None:
    backup = either.everything()
    with either.opened() as installation:
        mine = [customer(BY_LOGIN), account(ANNA)]
        first = done(installation, ask(installation, Kind.erasure, mine))
        second = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)],
                                        email="active@example.org"))  # fmt: skip
        erased = either.everything()
        assert returned(installation) == []
        restore(either, backup)
        assert either.everything() == backup

        found = returned(installation)
        assert {(item.request_id, item.table, item.key) for item in found} == {
            (first.request_id, *customer(BY_LOGIN)),
            (first.request_id, *account(ANNA)),
            (second.request_id, *customer(ACTIVE)),
        }
        assert all(item.unchanged for item in found)
        made = redo(installation, found, START)
        assert set(made) == {first.request_id, second.request_id}
        assert returned(installation) == []  # seen to
        assert redo(installation, returned(installation), START) == {}

        for number in made.values():
            assert casebook.get(installation, number).state is State.verified
            answered = done(installation, casebook.get(installation, number), later=3)
            assert answered.state is State.answered
        after = either.everything()
        assert after == erased
        assert returned(installation) == []

        restore(either, backup)  # and once more
        again = returned(installation)
        assert {item.request_id for item in again} == set(made.values())


def test_a_key_that_somebody_else_was_given_since_is_nothing_to_see_to(either: Small) -> None:
    with either.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        other = {"name": "Somebody Else", "email": "else@example.org", "opted": None}
        either.insert("crm.customers", {"customer_id": ACTIVE, "collected_on": AS_OF, **other})
        assert returned(installation) == []


@pytest.mark.parametrize(
    "change",
    [
        {"collected_on": AS_OF},
        {"email": "PERSON1@example.org", "name": "Anna Durand"},
        {"email": None},
        {"segment": "golf"},
    ],
)
def test_who_only_looks_like_it_is_a_persons_decision(small: Small, change: Any) -> None:
    """An older backup; or she has come back by herself, and was given her old number."""
    (row,) = [r for r in small.rows("crm.customers") if r["customer_id"] == ACTIVE]
    with small.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        small.insert("crm.customers", {**row, **change})
        found = returned(installation)
        assert persons(found) == [(*customer(ACTIVE), False)]
        assert redo(installation, found, START) == {}
        assert len(casebook.listed(installation)) == 1
        assert ACTIVE in small.ids("crm.customers")


def test_who_registers_anew_under_another_number_is_welcome(small: Small) -> None:
    (row,) = [r for r in small.rows("crm.customers") if r["customer_id"] == ACTIVE]
    with small.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        small.insert("crm.customers", {**row, "customer_id": 4711})
        assert returned(installation) == []


def test_only_what_came_back_goes_and_not_what_she_has_begun_since(small: Small) -> None:
    backup = small.everything()
    (row,) = [r for r in backup["crm.customers"] if r["customer_id"] == ACTIVE]
    with small.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        small.insert("crm.customers", {**row, "customer_id": 4711, "collected_on": AS_OF})
        restore(small, backup)
        found = returned(installation)
        assert persons(found) == [(*customer(ACTIVE), True)]
        (number,) = redo(installation, found, START).values()
        assert casebook.persons(installation, number) == [customer(ACTIVE)]
        # Nothing looks for more of hers on the way; the proof then names what it finds besides.
        request = casebook.get(installation, number)
        assert request.state is State.verified
        with pytest.raises(Exception, match=r"crm\.customers\.email"):
            done(installation, request, later=3)
        assert {4711} <= small.ids("crm.customers")
        assert ACTIVE not in small.ids("crm.customers")


def test_an_erasure_by_mistake_can_be_put_back_on_purpose(small: Small) -> None:
    backup = small.everything()
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        why = {"by": "dpo", "reason": "another person was meant", "now": START}
        with pytest.raises(RequestError):
            keep(installation, request.request_id, **{**why, "reason": " "})
        assert keep(installation, request.request_id[:12], **why) == 1
        assert keep(installation, request.request_id, **why) == 0
        restore(small, backup)
        assert returned(installation) == []
        assert [c.what for c in casebook.changes(installation, request.request_id)][-1:] == [
            "may return"
        ]
        begun = ask(installation, Kind.erasure, [customer(CLEARED)])
        with pytest.raises(RequestError):
            keep(installation, begun.request_id, **why)


def test_what_was_kept_is_not_taken_for_returned(either: Small) -> None:
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_FORCE)]))
        assert said(installation, request)["crm.customers", "contract", "kept"]
        assert returned(installation) == []
        assert fetch(installation.stores.cases, cases.taken_out) == []


def test_what_a_hold_kept_counts_from_when_it_went(small: Small) -> None:
    backup = small.everything()
    with small.opened() as installation:
        hold = holds.add(
            installation, customer(ACTIVE)[0], [str(ACTIVE)], kind="legal_hold",
            reason="a lawsuit", by="dpo", now=START,
        )  # fmt: skip
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        assert returned(installation) == []
        holds.release(installation, hold.hold_id, reason="over", by="dpo", now=START)
        assert take_up(installation, START) == [request.request_id]
        done(installation, casebook.get(installation, request.request_id), later=2)
        restore(small, backup)
        assert persons(returned(installation)) == [(*customer(ACTIVE), True)]


def test_a_restricted_person_who_is_back_is_shown_and_left_alone(either: Small) -> None:
    backup = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(CLEARED)]))
        assert returned(installation) == []
        restore(either, backup)
        found = returned(installation)
        assert persons(found) == [(*customer(CLEARED), True)]
        assert found[0].kind is Kind.restriction
        assert redo(installation, found, START) == {}
        either.delete("crm.orders", customer_id=CLEARED)
        either.delete("crm.notes", customer_id=CLEARED)
        either.delete("crm.customers", customer_id=CLEARED)
        assert returned(installation) == []
        lifted(installation, request)
        assert CLEARED in either.ids("crm.customers")
        assert returned(installation) == []  # put back on purpose


def test_what_is_kept_to_know_them_by_says_nothing_and_goes_with_the_file(small: Small) -> None:
    with small.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(BY_LOGIN), account(ANNA)]))
        kept = fetch(installation.stores.cases, cases.taken_out)
        assert {row["table_name"] for row in kept} == {"crm.customers", "web.accounts"}
        assert "anna" not in repr(kept).casefold() and "person" not in repr(kept).casefold()
        retire(installation, date(2032, 1, 1), START)
        assert fetch(installation.stores.cases, cases.taken_out) == []


def test_a_table_that_is_governed_no_more_is_not_read(small: Small) -> None:
    backup = small.everything()
    with small.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(BY_LOGIN), account(ANNA)]))
    restore(small, backup)
    small.catalogue["systems"].pop("web")
    small.catalogue.pop("links", None)
    for table in small.catalogue["systems"]["crm"]["tables"].values():
        for events in table.get("events", {}).values():
            if isinstance(events, list):
                events[:] = [event for event in events if "link" not in event]
    small.write_documents()
    with small.opened() as installation:
        assert persons(returned(installation)) == [(*customer(BY_LOGIN), True)]
