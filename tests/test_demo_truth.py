"""The demonstration's truth, on lives checked by hand against the policy's text."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import pytest

import demo.truth
from demo.truth import truth_of


def test_the_truth_shares_no_code_with_the_engine():
    tree = ast.parse(Path(demo.truth.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert not any(name.startswith("retention") for name in imported)


def _life(**records):
    empty = ("customers", "accounts", "prospects", "connections", "trackers")
    return {**{kind: [] for kind in empty}, **records}


def _customer(**facts):
    none = {"contracts": [], "orders": [], "contacts": [], "tickets": [], "invoices": []}
    dates = {"collected": "2001-01-01", "consent": None, "withdrawn": None}
    customer = {"key": 1, "mailbox": "home", "opt_in": 0, "bank": [], **none, **dates, **facts}
    for kind in ("orders", "contacts", "tickets", "invoices"):
        days = enumerate(customer[kind], start=1)
        customer[kind] = [{"key": key, "when": day, "children": []} for key, day in days]
    customer["contracts"] = [
        {"key": key, "start": start, "end": end, "service": None}
        for key, (start, end) in enumerate(customer["contracts"], start=1)
    ]
    return customer


def _account(login, mailbox="home"):
    return {"key": "a", "mailbox": mailbox, "last_login": login, "logins": []}


def _prospect(**facts):
    rows = {"responses": [], "opens": [], "opt_ins": []}
    dates = dict.fromkeys(("collected", "enquiry", "consent", "withdrawn"))
    prospect = {"key": 1, **rows, **dates, **facts}
    for kind in rows:
        days = enumerate(prospect[kind], start=1)
        prospect[kind] = [{"key": key, "when": day, "children": []} for key, day in days]
    return prospect


def _told(life, table, as_of):
    records = truth_of(life, date.fromisoformat(as_of))
    record = next(item for item in records if item["table"] == table)
    return record["phase"], record["action"], record["live_purposes"]


BOTH = ["contract", "customer_relations"]

CUSTOMER_CASES = {
    "in force": ({"contracts": [("2010-01-01", "open")]}, "2026-11-23", "active", BOTH),
    "last active day": ({"contracts": [("2010-01-01", "2023-11-23")]}, "2026-11-23", "active", BOTH),
    "first archive day": (
        {"contracts": [("2010-01-01", "2023-11-22")]}, "2026-11-23", "archive", BOTH,
    ),
    "last archive day": (
        {"contracts": [("2010-01-01", "2021-11-23")]}, "2026-11-23", "archive", BOTH,
    ),
    "expired": ({"contracts": [("2010-01-01", "2021-11-22")]}, "2026-11-23", "expired", []),
    "leap day kept": ({"contracts": [("2010-01-01", "2024-02-29")]}, "2027-02-28", "active", BOTH),
    "leap day due": ({"contracts": [("2010-01-01", "2024-02-29")]}, "2027-03-01", "archive", BOTH),
    "leap day archived": (
        {"contracts": [("2010-01-01", "2024-02-29")]}, "2029-02-28", "archive", BOTH,
    ),
    "leap day expired": ({"contracts": [("2010-01-01", "2024-02-29")]}, "2029-03-01", "expired", []),
    "purchase": ({"orders": ["2019-02-01", "2022-09-15"]}, "2026-11-23", "archive", BOTH),
    "contact prolongs relations only": (
        {"contracts": [("2010-01-01", "2019-01-01")], "contacts": ["2024-01-15"]},
        "2026-11-23", "active", ["customer_relations"],
    ),
    "ends before it starts": (
        {"contracts": [("2020-01-01", "2012-01-01")]}, "2026-11-23", "review", BOTH,
    ),
    "an end nobody knows": ({"contracts": [("2010-01-01", "?")]}, "2026-11-23", "review", BOTH),
    "nothing known": ({}, "2026-11-23", "review", BOTH),
    "order tomorrow": ({"orders": ["2026-11-24"]}, "2026-11-23", "active", BOTH),
    "order the day after": ({"orders": ["2026-11-25"]}, "2026-11-23", "review", BOTH),
    "opted in, contract over": (
        {"contracts": [("2010-01-01", "2017-01-01")], "opt_in": 1, "consent": "2025-05-05"},
        "2026-11-23", "active", ["prospecting"],
    ),
    "review beats expired": (
        {"contracts": [("2005-01-01", "2010-01-01")], "opt_in": 1, "collected": None},
        "2026-11-23", "review", ["prospecting"],
    ),
    "withdrawn, contract in force": (
        {"contracts": [("2020-01-01", "open")], "opt_in": 1, "withdrawn": "2026-05-01"},
        "2026-11-23", "active", BOTH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CUSTOMER_CASES)
def test_a_customer_checked_by_hand(case):
    facts, as_of, phase, live = CUSTOMER_CASES[case]
    actions = {"active": "keep", "expired": "dispose", "archive": "archive", "review": "review"}
    told = _told(_life(customers=[_customer(**facts)]), "crm.customers", as_of)
    assert told == (phase, actions[phase], live)


def test_a_login_counts_for_whoever_has_the_address_and_gives_no_archive():
    over = [("2010-01-01", "2019-01-01")]
    kept = _life(customers=[_customer(contracts=over)], accounts=[_account("2023-11-23")])
    assert _told(kept, "crm.customers", "2026-11-23")[0] == "active"
    assert _told(kept, "crm.customers", "2026-11-24")[0] == "expired"
    other = _life(customers=[_customer(contracts=over)], accounts=[_account("2026-01-01", "work")])
    assert _told(other, "crm.customers", "2026-11-23")[0] == "expired"
    future = _life(customers=[_customer(contracts=over)], accounts=[_account("2027-01-01")])
    assert _told(future, "crm.customers", "2026-11-23") == ("review", "review", BOTH)


def test_an_invoice_stays_with_its_owner_and_then_outlives_it():
    live = _life(
        customers=[_customer(contracts=[("2010-01-01", "2024-06-30")], invoices=["2016-03-05"])]
    )
    assert _told(live, "crm.invoices", "2026-11-23")[2] == ["accounting", "contract"]
    assert _told(live, "crm.invoices", "2027-01-01") == ("active", "keep", ["contract"])
    gone = _life(
        customers=[_customer(contracts=[("2010-01-01", "2019-06-30")], invoices=["2016-01-02"])]
    )
    assert _told(gone, "crm.invoices", "2026-12-31") == ("archive", "archive", ["accounting"])
    assert _told(gone, "crm.invoices", "2027-01-01") == ("expired", "dispose", [])


def test_an_invoice_reads_its_owners_web_login_and_bank_details_do_not():
    customer = _customer(
        contracts=[("2010-01-01", "2019-01-01")], invoices=["2018-01-01"], bank=[1]
    )
    life = _life(customers=[customer], accounts=[_account("2025-01-01")])
    assert _told(life, "crm.invoices", "2026-11-23")[2] == ["accounting", "contract"]
    assert _told(life, "crm.bank_details", "2026-11-23") == ("expired", "dispose", [])


@pytest.mark.parametrize(
    ("end", "as_of", "phase"),
    [
        ("open", "2026-11-23", "active"),
        ("2026-11-23", "2026-11-23", "active"),
        ("2026-11-22", "2026-11-23", "archive"),
        ("2025-10-23", "2026-11-23", "archive"),
        ("2025-10-22", "2026-11-23", "expired"),
        ("2025-01-31", "2026-02-28", "archive"),
        ("2025-01-31", "2026-03-01", "expired"),
    ],
)
def test_bank_details_go_thirteen_months_after_the_relationship(end, as_of, phase):
    life = _life(customers=[_customer(contracts=[("2020-01-01", end)], bank=[7])])
    assert _told(life, "crm.bank_details", as_of)[0] == phase


@pytest.mark.parametrize(
    ("facts", "as_of", "phase"),
    [
        ({"collected": "2023-11-23"}, "2026-11-23", "active"),
        ({"collected": "2023-11-22"}, "2026-11-23", "expired"),
        ({"collected": "2025-02-28"}, "2028-02-29", "expired"),
        ({"collected": "2015-01-10", "responses": ["2024-02-01"]}, "2026-11-23", "active"),
        ({"collected": "2015-01-10", "opens": ["2026-11-01"]}, "2026-11-23", "expired"),
        ({"collected": "2026-01-10", "withdrawn": "2026-11-23"}, "2026-11-22", "active"),
        ({"collected": "2026-01-10", "withdrawn": "2026-11-23"}, "2026-11-23", "expired"),
        (
            {"responses": ["2026-01-10"], "withdrawn": "2026-01-10"}, "2026-11-23", "expired",
        ),
        (
            {"collected": "2024-01-10", "withdrawn": "2024-06-01", "opt_ins": ["2025-02-02"]},
            "2026-11-23", "active",
        ),
        ({"collected": "?", "enquiry": "2026-01-01"}, "2026-11-23", "review"),
        ({}, "2026-11-23", "review"),
    ],
)  # fmt: skip
def test_a_prospect_checked_by_hand(facts, as_of, phase):
    told = _told(_life(prospects=[_prospect(**facts)]), "marketing.prospects", as_of)
    assert told[0] == phase


@pytest.mark.parametrize(
    ("deposited", "again", "consent", "as_of", "phase"),
    [
        ("2025-10-23", None, None, "2026-11-23", "active"),
        ("2025-10-22", None, None, "2026-11-23", "expired"),
        ("2025-01-05", "2026-09-01", None, "2026-11-23", "expired"),
        ("2025-01-05", "2026-09-01", "2026-08-30", "2027-10-01", "active"),
        ("2025-01-05", "2026-09-01", "2026-08-30", "2027-10-02", "expired"),
        ("2025-01-05", None, "2026-08-30", "2027-09-30", "active"),
        ("2025-01-05", None, "2026-08-30", "2027-10-01", "expired"),
        (None, None, None, "2026-11-23", "review"),
    ],
)
def test_a_tracker_counts_from_its_first_deposit_after_the_latest_consent(
    deposited, again, consent, as_of, phase
):
    tracker = {"key": 1, "deposited": deposited, "again": again, "consent": consent}
    assert _told(_life(trackers=[tracker]), "web.trackers", as_of)[0] == phase


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-05-23", ("active", "keep", ["connection_security"])),
        ("2026-05-22", ("archive", "pseudonymise", ["connection_security"])),
        ("2025-11-23", ("archive", "pseudonymise", ["connection_security"])),
        ("2025-11-22", ("expired", "dispose", [])),
    ],
)
def test_a_connection_is_clear_for_six_months_and_gone_after_twelve(when, expected):
    life = _life(connections=[{"key": 1, "when": when, "account": None}])
    assert _told(life, "web.connections", "2026-11-23") == expected
