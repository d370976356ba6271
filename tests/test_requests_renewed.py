"""Who has consented anew comes off the opposition list, on a person's word, and nobody else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from retention import ledger
from retention.requests.book.retiring import retire
from retention.requests.doing import opposition, renewed
from retention.requests.model import RequestError
from retention.stores import cases, control
from tests.engine.stored import fetch
from tests.test_requests_opposition import (
    AS_OF,
    BOTH,
    CUSTOMERS,
    EMAIL,
    PHONE,
    opened,
    opposed,
    place,
    prospect,
)

__all__ = ["opened", "place"]

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
SAID = {"reason": "consented on the web form of 2026-11-20", "by": "dpo", "now": NOW}


def entries(installation):
    return [
        row
        for row in fetch(installation.stores.control, control.ledger)
        if row["table_name"] == renewed.TABLE
    ]


@BOTH
def test_who_has_consented_anew_may_be_a_prospect_again_and_nobody_else(place, opened):
    opposition.add(opened, [("email", EMAIL), ("phone", PHONE)], as_of=AS_OF)
    opposition.add(opened, [("email", "else@example.org")], as_of=AS_OF)
    place.insert(
        CUSTOMERS, prospect(1, email="paul@example.ORG"), prospect(2, email="else@example.org")
    )
    assert renewed.remove(opened, [("email", " PAUL@example.org"), ("phone", "")], **SAID) == 1
    assert opposed(opened) == {2}
    assert opposition.is_listed(opened, "phone", PHONE, AS_OF)
    (entry,) = entries(opened)
    assert (entry["transition"], entry["counts"]) == ("removed", {"entries": 1})
    assert ledger.verify(opened.stores.control, None).problem is None


def test_what_is_kept_of_it_says_nothing_of_the_address(opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    renewed.remove(opened, [("email", EMAIL)], **SAID)
    (removal,) = fetch(opened.stores.cases, cases.opposition_removed)
    assert (removal["removed_by"], removal["reason"]) == (SAID["by"], SAID["reason"])
    assert removal["expires_on"] == date(2029, 11, 25)
    kept = repr((removal, entries(opened))).casefold()
    assert "paul" not in kept and "example.org" not in kept


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ([("email", "nobody@example.org")], {}),
        ([("email", "not an address")], {}),
        ([("full_name", EMAIL)], {}),
        ([], {}),
        ([("email", EMAIL)], {"reason": "  "}),
        ([("email", EMAIL)], {"by": ""}),
    ],
)
def test_nothing_goes_for_whoever_is_not_listed_or_without_a_reason(opened, who, change):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    with pytest.raises(RequestError):
        renewed.remove(opened, who, **{**SAID, **change})
    assert opposition.is_listed(opened, "email", EMAIL, AS_OF)
    assert fetch(opened.stores.cases, cases.opposition_removed) == entries(opened) == []


def test_nothing_is_removed_twice_and_a_new_objection_lists_again(opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    renewed.remove(opened, [("email", EMAIL)], **SAID)
    with pytest.raises(RequestError):
        renewed.remove(opened, [("email", EMAIL)], **SAID)
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    assert opposition.is_listed(opened, "email", EMAIL, AS_OF)
    assert len(entries(opened)) == 1


def test_a_crash_before_the_ledger_is_made_up_for_once(opened, monkeypatch):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    whole, calls = renewed.reconcile, []

    def dies_the_second_time(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(renewed, "reconcile", dies_the_second_time)
    with pytest.raises(KeyboardInterrupt):
        renewed.remove(opened, [("email", EMAIL)], **SAID)
    assert entries(opened) == []
    monkeypatch.undo()
    retire(opened, AS_OF, NOW)
    retire(opened, AS_OF, NOW)
    assert len(entries(opened)) == 1


def test_it_is_forgotten_when_an_entry_of_the_list_would_be(opened):
    opposition.add(opened, [("email", EMAIL)], as_of=AS_OF)
    renewed.remove(opened, [("email", EMAIL)], **SAID)
    last = date(2029, 11, 25)

    def salts():
        rows = fetch(opened.stores.control, control.transitions)
        return [row for row in rows if row["table_name"] == renewed.TABLE]

    retire(opened, last, NOW)
    assert len(fetch(opened.stores.cases, cases.opposition_removed)) == len(salts()) == 1
    retire(opened, last + timedelta(days=1), NOW)
    assert fetch(opened.stores.cases, cases.opposition_removed) == salts() == []
    assert len(entries(opened)) == 1
