"""Objections that name purposes: these end, for the person, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from retention import holds
from retention.holds import Hold, Person
from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.answering.letters import letter
from retention.requests.book import casebook
from retention.requests.doing import opposition
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, Request, RequestError, State
from retention.requests.proving import proof
from tests.engine import lives
from tests.engine.asking import account, ask, customer, done, said
from tests.engine.lives import ACTIVE, ANNA, AS_OF, BY_LOGIN, FRESH
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.test_requests_crash import SWEEP, carried_out, stop_everywhere

SECURITY = ("connection_security",)
LATER = AS_OF + timedelta(days=30)
FRAUD = {
    "label": "Prevention of fraud",
    "label_fr": "Prévention de la fraude",
    "legal_basis": "legitimate_interest",
    "active": {"for": "2 years", "from_latest": ["purchase"], "basis": "default", "citation": "x"},
    "archive": {"for": "9 years", "from_latest": ["purchase"], "basis": "default", "citation": "x"},
}


def letters(installation: Installation, request: Request) -> tuple[str, str]:
    lines = casebook.outcomes(installation, request.request_id)
    french, english = (
        letter(request, lines, installation, lang=lang, as_of=AS_OF) for lang in ("fr", "en")
    )
    return english, french.replace("\N{NO-BREAK SPACE}", " ")


def row_of(small: Small, number: int) -> dict[str, Any]:
    (row,) = (row for row in small.rows("crm.customers") if row["customer_id"] == number)
    return row


def hold(installation: Installation, person: Person, kind: Any = "legal_hold") -> Hold:
    return holds.place(installation, person, kind=kind, reason="x", by="dpo", now=START)


def release(installation: Installation, held: Hold) -> None:
    later = START + timedelta(minutes=35)
    holds.release(installation, held.hold_id, reason="over", by="dpo", now=later)
    take_up(installation, later)


def test_an_objection_to_the_connection_log_ends_it_and_nothing_else(either: Small) -> None:
    """Of the person: rows of events that are theirs, and nobody else's."""
    either.insert("web.connections", lives.connection(9, ANNA, AS_OF - timedelta(days=240)))
    either.catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    either.write_documents()
    up = {"opted": "yes", "segment": "golf", "collected_on": date(2026, 5, 5)}
    either.update("crm.customers", {"customer_id": BY_LOGIN}, **up)
    before = either.everything()
    persons = [customer(BY_LOGIN), account(ANNA)]
    with either.opened() as installation:
        asked = ask(installation, Kind.objection, persons, purposes=SECURITY)
        request = done(installation, asked)
        assert request.state is State.answered
        outcomes = said(installation, request)
        assert outcomes == {("web.connections", "connection_security", "deleted"): (2, None, None)}
        assert not opposition.is_listed(installation, "email", "someone@example.org", AS_OF)
        english, french = letters(installation, request)
        done(installation, ask(installation, Kind.objection, persons, purposes=SECURITY), later=4)
    assert "objection to the use of your data for “Connection data”" in english
    assert "opposition à l'utilisation de vos données pour « Données de connexion »" in french
    assert "prospect" not in english + french.lower() and "solicit" not in english + french
    gone = {FRESH, 9}
    before["web.connections"] = [
        row for row in before["web.connections"] if row["connection_id"] not in gone
    ]
    assert either.everything() == before


def test_what_is_named_beside_prospecting_ends_with_it(either: Small) -> None:
    either.catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    either.write_documents()
    up = {"opted": "yes", "collected_on": date(2026, 5, 5)}
    either.update("crm.customers", {"customer_id": BY_LOGIN}, **up)
    persons, named = [customer(BY_LOGIN), account(ANNA)], ("connection_security", "prospecting")
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.objection, persons, purposes=named))
        assert set(said(installation, request)) == {
            ("web.connections", "connection_security", "deleted"),
            ("crm.customers", "prospecting", "corrected"),
        }
        assert opposition.is_listed(installation, "email", "someone@example.org", AS_OF)
        assert "opposition list" in letters(installation, request)[0]
    assert row_of(either, BY_LOGIN)["opted"] == "no"
    assert FRESH not in either.ids("web.connections")


def test_the_same_person_may_object_to_something_else_meanwhile(small: Small) -> None:
    with small.opened() as installation:
        ask(installation, Kind.objection, [account(ANNA)], purposes=SECURITY)
        ask(installation, Kind.objection, [account(ANNA)])
        with pytest.raises(casebook.AlreadyOpen):
            ask(installation, Kind.objection, [account(ANNA)], purposes=SECURITY)


def test_what_was_asked_is_named_even_once_it_is_forgotten(small: Small) -> None:
    small.catalogue["recipients"] = {
        "host": {"label": "Host", "contact": "h@example.org", "tables": ["web.connections"]}
    }
    small.write_documents()
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.objection, [account(ANNA)],
                                         purposes=SECURITY))  # fmt: skip
        (notice,) = outbox.listed(installation)
        text = outbox.text(installation, notice, lang="en")
        forgotten = Request(**{**vars(request), "asked": None})
        english, _ = letters(installation, forgotten)
    assert "for “Connection data” (GDPR, article 21)" in text and "prospect" not in text
    assert "for “Connection data”" in english and "opposition list" not in english


def test_a_purpose_that_the_policy_has_lost_is_no_objection_to_nothing(small: Small) -> None:
    with small.opened() as installation:
        asked = ask(installation, Kind.objection, [account(ANNA)], purposes=("long_gone",))
        with pytest.raises(RequestError, match="no purpose long_gone any more"):
            done(installation, asked)
        assert casebook.get(installation, asked.request_id).state is not State.answered


@contextmanager
def against_fraud(small: Small, catalogue: dict[str, Any]) -> Iterator[Installation]:
    """Opened with a purpose that rests on a legitimate interest and keeps an archive."""
    small.catalogue = catalogue
    small.write_documents()
    policy = yaml.safe_load((small.home / "policy.yaml").read_text())
    policy["versions"][0]["purposes"]["fraud"] = FRAUD
    (small.home / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
    with small.opened() as installation:
        yield installation


def held_for_fraud(small: Small) -> dict[str, Any]:
    """The customers are held against fraud too; their segment, for nothing else."""
    small.catalogue["recipients"] = {
        "scorer": {"label": "Scorer", "contact": "s@example.org", "tables": ["crm.customers"]}
    }
    table = small.catalogue["systems"]["crm"]["tables"]["customers"]
    table["purposes"]["fraud"] = "always"
    table["columns"]["segment"]["purposes"] = ["fraud"]
    small.catalogue["systems"]["crm"]["tables"]["invoices"]["purposes"]["fraud"] = "always"
    return small.catalogue


def test_what_stays_for_another_purpose_loses_what_it_had_for_this_one(either: Small) -> None:
    either.update("crm.customers", {"customer_id": ACTIVE}, segment="suspect")
    catalogue = held_for_fraud(either)
    catalogue["systems"]["crm"]["tables"]["invoices"]["events"]["purchase"] = {
        "column": "issued_on"
    }
    with against_fraud(either, catalogue) as installation:
        asked = ask(installation, Kind.objection, [customer(ACTIVE)], purposes=("fraud",))
        request = done(installation, asked)
        assert request.state is State.answered
        assert said(installation, request) == {
            ("crm.customers", "fraud", "kept"): (1, None, "other_purpose"),
            ("crm.invoices", "fraud", "kept"): (1, None, "other_purpose"),
        }
        english, french = letters(installation, request)
        assert [notice.recipient for notice in outbox.listed(installation)] == ["scorer"]
    assert "are told as well: Scorer." in english
    assert row_of(either, ACTIVE)["segment"] is None
    assert "Kept, but not for what you object to:" in english
    assert "« Prévention de la fraude »" in french


def test_what_could_not_be_cleared_is_found_by_the_search(small: Small, monkeypatch) -> None:
    small.update("crm.customers", {"customer_id": ACTIVE}, segment="suspect")
    original = proof.prove

    def back(*given: Any, **named: Any) -> Any:
        small.update("crm.customers", {"customer_id": ACTIVE}, segment="suspect")
        return original(*given, **named)

    monkeypatch.setattr(proof, "prove", back)
    catalogue = held_for_fraud(small)
    del catalogue["systems"]["crm"]["tables"]["invoices"]["purposes"]["fraud"]
    with against_fraud(small, catalogue) as installation:
        asked = ask(installation, Kind.objection, [customer(ACTIVE)], purposes=("fraud",),
                    email="person1@example.org")  # fmt: skip
        with pytest.raises(RequestError, match=r"crm\.customers\.email"):
            done(installation, asked)


def test_the_archive_loses_what_it_kept_for_that_alone(either: Small) -> None:
    """An invoice of 2014 that only fraud kept goes; one that accounting keeps too stays."""
    catalogue = held_for_fraud(either)
    del catalogue["systems"]["crm"]["tables"]["customers"]["purposes"]["fraud"]
    catalogue["systems"]["crm"]["tables"]["customers"]["columns"]["segment"]["purposes"] = [
        "prospecting"
    ]
    catalogue["systems"]["crm"]["tables"]["invoices"]["purposes"] = {
        "fraud": "always",
        "accounting": {"column": "amount", "equals": 250},
    }
    catalogue["systems"]["crm"]["tables"]["invoices"]["events"]["purchase"] = {
        "column": "issued_on"
    }
    old = date(2022, 5, 10)
    either.insert("crm.invoices", lives.invoice(60, lives.ARCHIVE, old, 9))
    with against_fraud(either, catalogue) as installation:
        either.run()
        token = holds.subject_token(installation.keyring, *customer(lives.ARCHIVE))
        hold = holds.place(installation, customer(lives.ARCHIVE), kind="legal_hold",
                           reason="x", by="dpo", now=START)  # fmt: skip
        asked = ask(installation, Kind.objection, [], archived=[customer(lives.ARCHIVE)],
                    purposes=("fraud",), email="person3@example.org")  # fmt: skip
        request = done(installation, asked)
        assert said(installation, request)["crm.invoices", "", "held"][0] == 2
        release(installation, hold)
        request = done(installation, asked, later=4)
        outcomes = said(installation, request)
        assert outcomes["crm.invoices", "fraud", "deleted"][0] == 1
        rows, until, because = outcomes["crm.invoices", "accounting", "archived"]
        assert (rows, until, because) == (1, date(2032, 12, 31), "other_purpose")
        assert request.state is State.answered
        left = proof.prove(installation, [request.request_id], as_of=AS_OF)
        assert left == {request.request_id: []} and token
        again = ask(installation, Kind.objection, [], archived=[customer(lives.ARCHIVE)],
                    purposes=("fraud",))  # fmt: skip
        assert said(installation, done(installation, again, later=7)) == {}


@pytest.mark.slow
def test_an_objection_to_the_connection_log_that_is_stopped_at_any_commit(tmp_path: Path) -> None:
    start = Small(tmp_path / "start").write().fill()
    with start.reopened() as installation:
        asked = ask(
            installation, Kind.objection, [account(ANNA)], purposes=SECURITY,
            now=clock(START - LONG_AFTER),
        )  # fmt: skip
    wanted = stop_everywhere(
        start, asked.request_id, carried_out, tmp_path, every=1 if SWEEP else 9
    )
    assert wanted["request"][0] is State.answered and wanted["opposition"] == []
