"""Erasure of somebody with several records, from the request to the words of the letter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from retention.installation import Installation
from retention.requests.answering.letters import letter
from retention.requests.book import casebook
from retention.requests.doing.carrying_out import carry_out
from retention.requests.model import Asked, Kind, Request, State
from retention.requests.taking_in import receiving
from retention.requests.taking_in.intake import NewRequest
from tests.dagster_support import Demo
from tests.requests_dagster_support import (
    KEY,
    MAIL,
    NAME,
    TODAY,
    copied,
    demo,
    installation,
    make,
    now,
    rows_left,
)

__all__ = ["copied", "demo", "installation"]

ACCOUNTS = ("canary-account-1", "canary-account-2")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make(tmp_path_factory.mktemp("many") / "demo", people=20)


def erased(installation: Installation) -> Request:
    """As it comes: looked up, chosen by a person where it is in doubt, verified, carried out."""
    asked = Asked(family_name=NAME, first_name=NAME, email=MAIL)
    new = NewRequest(Kind.erasure, asked, TODAY, None)
    request = receiving.receive(installation, new, channel="command line", by="dpo", now=now())
    for item in casebook.subjects(installation, request.request_id):
        if item.chosen is None:
            receiving.choose(
                installation, request.request_id, item.table, item.token, yes=True, by="dpo",
                now=now(),
            )  # fmt: skip
    receiving.verify(installation, request.request_id, by="dpo", how="identity card", now=now())
    return carry_out(installation, request.request_id, as_of=TODAY, today=TODAY, clock=now)


def said(installation: Installation, request: Request) -> dict[tuple[str, str], Any]:
    lines = casebook.outcomes(installation, request.request_id)
    return {(line.table, str(line.outcome)): (line.rows, line.because) for line in lines}


def words(installation: Installation, request: Request) -> tuple[str, str]:
    lines = casebook.outcomes(installation, request.request_id)
    english, french = (
        letter(request, lines, installation, lang=lang, as_of=TODAY) for lang in ("en", "fr")
    )
    return english, french


def test_a_prospect_who_is_also_a_customer_under_contract_stays_a_customer_only(
    demo: Demo, installation: Installation
) -> None:
    begun = (TODAY - timedelta(days=300)).isoformat()
    demo.sql(
        "crm.sqlite",
        "INSERT INTO contracts (contract_id, customer_id, started_on)"
        f" VALUES ({KEY}, {KEY}, '{begun}')",
    )
    request = erased(installation)
    assert request.state is State.answered
    outcomes = said(installation, request)
    assert outcomes["marketing.prospects", "deleted"] == (1, None)
    assert outcomes["crm.customers", "kept"] == (1, "contract_in_force")
    assert rows_left(demo) == 1
    english, french = words(installation, request)
    deleted, refused = english.index("Deleted:"), english.index("Not deleted; we refuse")
    assert deleted < english.index("Prospects, held for") < refused
    assert refused < english.index("because a contract with you is in force")
    assert "Supprimé" in french and "contrat" in french


def test_a_person_with_two_accounts_loses_both(demo: Demo, installation: Installation) -> None:
    lately = (TODAY - timedelta(days=20)).isoformat()
    for place, account in enumerate(ACCOUNTS):
        mail = MAIL.upper() if place else MAIL
        demo.sql(
            "web.sqlite",
            "INSERT INTO accounts (account_id, email, display_name, created_at, last_login_at)"
            f" VALUES ('{account}', '{mail}', NULL, '{lately} 10:00:00', '{lately} 10:00:00')",
            "INSERT INTO logins (login_id, account_id, logged_in_at)"
            f" VALUES ({KEY + place}, '{account}', '{lately} 10:00:00')",
        )
    request = erased(installation)
    assert {item.table for item in casebook.subjects(installation, request.request_id)} == {
        "crm.customers", "marketing.prospects", "web.accounts",
    }  # fmt: skip
    assert request.state is State.answered
    outcomes = said(installation, request)
    assert outcomes["web.accounts", "deleted"] == (2, None)
    assert outcomes["web.logins", "deleted"] == (2, None)
    assert outcomes["crm.customers", "deleted"] and outcomes["marketing.prospects", "deleted"]
    assert rows_left(demo) == 0
    left = demo.one("web.sqlite", "SELECT count(*) FROM accounts WHERE account_id LIKE 'canary%'")
    assert int(str(left)) == 0
    english, french = words(installation, request)
    assert "Accounts of the customer area, held for" in english and "2 records" in english
    assert "2 enregistrements" in french
