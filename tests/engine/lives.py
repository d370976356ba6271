"""A dozen scripted lives as they stand on ``AS_OF``, each with one thing to happen to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

AS_OF = date(2026, 11, 24)

Row = dict[str, Any]
Rows = dict[str, list[Row]]

ACTIVE, IN_FORCE, ARCHIVE, DISPOSE, OUTLIVED, ALL_GONE = 1, 2, 3, 4, 5, 6
BY_LOGIN, IN_REVIEW, CLEARED, EARLY_INVOICE, BARE = 7, 8, 9, 10, 11
"""The customers, by what is to happen to them."""

ANNA, LONG_GONE, OF_ARCHIVE = 1, 2, 3
"""The accounts: Anna keeps customer BY_LOGIN; OF_ARCHIVE is customer ARCHIVE's."""

FRESH, TO_PSEUDONYMISE, TO_DISPOSE = 1, 2, 3
"""The connections."""

LEAVING = {ARCHIVE, DISPOSE, OUTLIVED, ALL_GONE, BARE}
"""The customers that a run on ``AS_OF`` takes out of the register."""


def customer(number: int, **values: Any) -> Row:
    return {
        "customer_id": number,
        "name": f"Person {number}",
        "email": f"person{number}@example.org",
        "opted": None,
        "segment": None,
        "collected_on": date(2018, 3, number % 28 + 1),
        **values,
    }


def order(number: int, owner: int, day: date | str, amount: int = 100) -> Row:
    return {"order_id": number, "customer_id": owner, "ordered_on": day, "amount": amount}


def note(number: int, owner: int, day: date) -> Row:
    body = f"what person {owner} said, note {number}"
    return {"note_id": number, "customer_id": owner, "written_on": day, "body": body}


def reply(note_id: int, place: int, to: int | None) -> Row:
    return {"note_id": note_id, "place": place, "to_customer": to, "body": f"reply to person {to}"}


def invoice(number: int, owner: int | None, day: date, amount: int = 120) -> Row:
    return {
        "invoice_id": number,
        "customer_id": owner,
        "issued_on": day,
        "amount": amount,
        "billed_to": f"Person {owner}",
    }


def line(number: int, place: int) -> Row:
    return {"invoice_id": number, "place": place, "what": f"thing {place}"}


def account(number: int, email: str, day: date | None) -> Row:
    return {"account_id": number, "email": email, "last_login_on": day}


def login(number: int, owner: int, day: date) -> Row:
    return {"login_id": number, "account_id": owner, "logged_in_on": day}


def connection(number: int, owner: int | None, day: date) -> Row:
    return {
        "connection_id": number,
        "account_id": owner,
        "ip": f"192.0.2.{number}",
        "agent": f"browser {number}",
        "connected_on": day,
    }


def scripted() -> Rows:
    """The lives. Every transition is among them."""
    early, late = date(2020, 1, 15), date(2022, 5, 10)
    return {
        "crm.customers": [
            customer(ACTIVE),
            customer(IN_FORCE),
            customer(ARCHIVE),
            customer(DISPOSE),
            customer(OUTLIVED),
            customer(ALL_GONE),
            customer(BY_LOGIN, email=" Anna@Example.org"),
            customer(IN_REVIEW),
            customer(CLEARED, opted="yes", segment="golf", collected_on=date(2019, 2, 1)),
            customer(EARLY_INVOICE),
            customer(BARE, email=None),
        ],
        "crm.contracts": [
            {"contract_id": 1, "customer_id": IN_FORCE, "started_on": early, "ended_on": None},
            {"contract_id": 2, "customer_id": ARCHIVE, "started_on": early, "ended_on": late},
        ],
        "crm.orders": [
            order(1, ACTIVE, date(2026, 10, 1)),
            order(2, ARCHIVE, late, 250),
            order(3, ARCHIVE, early, 70),
            order(4, DISPOSE, early, 30),
            order(5, OUTLIVED, early, 55),
            order(6, ALL_GONE, date(2014, 6, 1), 80),
            order(7, BY_LOGIN, late),
            order(8, IN_REVIEW, date(2028, 1, 1)),
            order(9, CLEARED, date(2026, 3, 3)),
            order(10, EARLY_INVOICE, date(2022, 8, 8)),
            order(11, BARE, date(2022, 9, 9), 11),
        ],
        "crm.notes": [
            note(1, ACTIVE, date(2024, 1, 1)),
            note(2, ARCHIVE, date(2022, 6, 1)),
            note(3, ARCHIVE, date(2021, 6, 1)),
            note(4, DISPOSE, date(2020, 2, 1)),
            note(5, EARLY_INVOICE, date(2025, 6, 6)),
        ],
        "crm.replies": [
            reply(1, 1, ACTIVE),
            reply(2, 1, ARCHIVE),
            reply(2, 2, None),
            reply(4, 1, DISPOSE),
        ],
        "crm.invoices": [
            invoice(1, ACTIVE, date(2026, 10, 1)),
            invoice(2, ARCHIVE, late, 250),
            invoice(3, OUTLIVED, early, 55),
            invoice(4, ALL_GONE, date(2014, 6, 1), 80),
            invoice(5, EARLY_INVOICE, date(2022, 8, 8)),
        ],
        "crm.lines": [line(1, 1), line(2, 1), line(2, 2), line(3, 1), line(4, 1), line(5, 1)],
        "web.accounts": [
            account(ANNA, "anna@example.ORG", None),
            account(LONG_GONE, "long.gone@example.org", date(2021, 1, 1)),
            account(OF_ARCHIVE, "PERSON3@example.org", date(2022, 1, 1)),
        ],
        "web.logins": [
            login(1, ANNA, date(2026, 1, 10)),
            login(2, LONG_GONE, date(2021, 1, 1)),
        ],
        "web.connections": [
            connection(FRESH, ANNA, AS_OF - timedelta(days=30)),
            connection(TO_PSEUDONYMISE, OF_ARCHIVE, AS_OF - timedelta(days=240)),
            connection(TO_DISPOSE, LONG_GONE, AS_OF - timedelta(days=500)),
        ],
    }


def joined(*parts: Mapping[str, Sequence[Row]]) -> Rows:
    """Several sets of rows as one."""
    found: Rows = defaultdict(list)
    for part in parts:
        for name, rows in part.items():
            found[name] += rows
    return dict(found)
