"""What the tests of the casebook share: an installation on each database, and somebody who asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.finding.identity import Match
from retention.requests.model import Asked, Kind, Request, State
from retention.stores import control
from tests.engine.small import Small

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
TODAY = date(2026, 11, 25)
ASKED = Asked(family_name="Quenneville", first_name="Ségolène", email="s.quenneville@exemple.fr")
CANARIES = (b"uenneville", "égolène".encode(), b"gol\\u00e8ne")


@pytest.fixture
def sqlite_book(tmp_path: Path) -> Iterator[Installation]:
    with Small(tmp_path / "book").write().opened() as installation:
        yield installation


@pytest.fixture
def server_book(tmp_path: Path, postgres_url: str) -> Iterator[Installation]:
    with Small(tmp_path / "book", postgres_url).write().opened() as installation:
        yield installation


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def book(request: pytest.FixtureRequest) -> Installation:
    """An empty installation, on SQLite and then on PostgreSQL."""
    made: Installation = request.getfixturevalue(
        "sqlite_book" if request.param == "sqlite" else "server_book"
    )
    return made


def added(
    book: Installation,
    asked: Asked = ASKED,
    kind: Kind = Kind.erasure,
    *,
    received_on: date = TODAY,
    now: datetime = NOW,
) -> Request:
    return casebook.add(
        book, kind, asked, received_on=received_on, channel="inbox", by="clerk", now=now
    )


def taken_to(book: Installation, state: State, asked: Asked = ASKED, **more: Any) -> Request:
    """A request in ``state``, by the shortest way."""
    request = added(book, asked, **more)
    name, now = request.request_id, more.get("now", NOW)
    if state is State.refused:
        return casebook.refuse(book, name, by="clerk", reason="not ours", now=now)
    if state is State.received:
        return request
    request = casebook.verify(book, name, by="clerk", how="by telephone", now=now)
    for step in (State.planned, State.executing):
        if request.state is not state:
            request = casebook.move(book, name, step, by="run", now=now)
        if request.state is state:
            return request
    return casebook.answer(book, name, by="run", now=now, as_of=now.date())


def match(number: int, *, exact: bool = True, **more: Any) -> Match:
    fields: dict[str, Any] = {
        "table": TableName("crm.customers"),
        "key": (number,),
        "token": f"{number:064x}"[::-1],
        "found_by": "email",
        "exact": exact,
        **more,
    }
    return Match(**fields)


def ledger_of(book: Installation, request_id: str) -> list[str]:
    """The transitions that the ledger has of a request, in their order."""
    at = control.ledger.c
    statement = sa.select(at.transition).where(at.run_id == request_id).order_by(at.sequence)
    with book.stores.control.connect() as connection:
        return list(connection.execute(statement).scalars())


def everything_written(folder: Path) -> bytes:
    """All bytes of an installation's folder but its settings."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
