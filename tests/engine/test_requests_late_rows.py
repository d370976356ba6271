"""Rows that a log gets while a request waits, and while it is carried out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.copies import access
from retention.requests.doing import attempting
from retention.requests.doing.about import known_of
from retention.requests.doing.late import take_in
from retention.requests.model import Kind, Outcome, Request, RequestError, State
from tests.engine import lives
from tests.engine.asking import ask, customer, done, said, tables_with
from tests.engine.lives import ACTIVE, AS_OF, BARE
from tests.engine.small import START, Small
from tests.engine.test_crash import narrow

VISITS = "web.connections"
MAIL = f"person{ACTIVE}@example.org"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """A log of another system, linked to the customers by what identifies a visitor.

    By the e-mail address, and by the number where somebody has none.
    """
    document = narrow()
    document["links"] = {
        "visit": {"near": "crm.customers.email", "far": f"{VISITS}.ip", "normaliser": "email"},
        "number": {"near": "crm.customers.customer_id", "far": f"{VISITS}.agent"},
    }
    return Small(tmp_path / "small", catalogue=document).write().fill()


def visited(small: Small, number: int, mail: str | None = MAIL, client: str = "") -> None:
    day = AS_OF - timedelta(days=3)
    small.insert(VISITS, lives.connection(number, None, day) | {"ip": mail, "agent": client})


def again(installation: Installation, request: Request) -> Request:
    casebook.retry(
        installation, request.request_id, by="dpo", reason="seen to", now=START
    )  # fmt: skip
    return done(installation, casebook.get(installation, request.request_id), later=9)


def test_what_a_log_got_while_the_request_waited_is_erased_too(small: Small) -> None:
    visited(small, 50)
    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        visited(small, 51)
        visited(small, 52, "person2@example.org")
        visited(small, 53, None, str(ACTIVE))
        answered = done(installation, request)
        assert answered.state is State.answered
        assert VISITS in tables_with(said(installation, answered), Outcome.deleted)
    assert {50, 51, 52, 53} & small.ids(VISITS) == {52}


def test_what_a_log_got_while_the_request_waited_is_in_the_copy(small: Small) -> None:
    with small.opened() as installation:
        request = ask(installation, Kind.access, [customer(ACTIVE)])
        visited(small, 51)
        assert done(installation, request).state is State.answered
        known = known_of(installation, request.request_id)
        rows = access.gather(installation, known.persons, known.tokens, AS_OF).rows
        assert rows[VISITS] == 1


def test_a_retry_finds_what_a_log_got_after_the_person_was_gone(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = attempting.look_again

    def late(*given: Any) -> Any:
        visited(small, 51)
        visited(small, 52, None, str(ACTIVE))
        return look(*given)

    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        with monkeypatch.context() as during:
            during.setattr(attempting, "look_again", late)
            with pytest.raises(RequestError, match="search by value"):
                done(installation, request)
        assert again(installation, request).state is State.answered
    assert {51, 52}.isdisjoint(small.ids(VISITS))


def test_a_row_that_leads_to_somebody_else_as_well_is_not_taken(small: Small) -> None:
    small.update("crm.customers", {"customer_id": BARE}, email=MAIL)
    with small.opened() as installation:
        request = ask(installation, Kind.access, [customer(ACTIVE)])
        visited(small, 51)
        done(installation, request)
        assert len(casebook.subjects(installation, request.request_id)) == 1


def test_a_row_that_somebody_said_is_not_theirs_stays_so(small: Small) -> None:
    visited(small, 51)
    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        take_in(installation, request, START)
        row = next(
            s for s in casebook.subjects(installation, request.request_id) if s.table == VISITS
        )
        casebook.choose(
            installation, request.request_id, row.table, row.token[:12], yes=False, by="dpo",
            now=START,
        )  # fmt: skip
        take_in(installation, request, START)
        assert known_of(installation, request.request_id).persons == (customer(ACTIVE),)
