"""What the search finds of a namesake: a person says so, and it hinders no answer any more."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from retention.requests.book import casebook
from retention.requests.model import Kind, Request, RequestError, State
from tests.engine.asking import ask, customer, done
from tests.engine.lives import ACTIVE
from tests.engine.small import START, Small

COMPOSER, TITLE = "crm.tracks.composer", "crm.tracks.title"


@pytest.fixture
def shop(small: Small) -> Small:
    """A shop whose stock has a composer of a customer's name."""
    with small.source("crm") as connection:
        for text in (
            "CREATE TABLE tracks (title TEXT, composer TEXT)",
            f"INSERT INTO tracks VALUES ('Nocturne', 'Person {ACTIVE}; Frédéric Chopin')",
        ):
            connection.execute(sa.text(text))
    small.catalogue["systems"]["crm"]["out_of_scope"] = {"tracks": "composers, as published"}
    small.write_documents()
    return small


def failed(small: Small) -> Request:
    with small.opened() as installation:
        request = ask(installation, Kind.erasure, [customer(ACTIVE)])
        with pytest.raises(RequestError, match=rf"{COMPOSER} \(name\)"):
            done(installation, request)
        return casebook.get(installation, request.request_id)


def test_a_namesake_hinders_no_answer_once_somebody_has_seen_who_it_is(shop: Small) -> None:
    request = failed(shop)
    with shop.opened() as installation:
        again = casebook.retry(
            installation, request.request_id, by="dpo", reason="a composer", now=START,
            not_theirs=[COMPOSER],
        )  # fmt: skip
        assert done(installation, again, later=3).state is State.answered
        [said] = [
            change.reason
            for change in casebook.changes(installation, request.request_id)
            if change.what == "retried"
        ]
    assert said == f"another person's: {COMPOSER}; a composer"


def test_what_is_found_elsewhere_afterwards_still_hinders_it(shop: Small) -> None:
    request = failed(shop)
    with shop.source("crm") as connection:
        connection.execute(sa.text(f"INSERT INTO tracks VALUES ('pour Person {ACTIVE}', NULL)"))
    with shop.opened() as installation:
        again = casebook.retry(
            installation, request.request_id, by="dpo", reason="a composer", now=START,
            not_theirs=[COMPOSER],
        )  # fmt: skip
        with pytest.raises(RequestError, match=rf": {TITLE} \(name\);"):
            done(installation, again, later=3)


def test_only_where_the_search_has_found_something_can_it_be_anothers(shop: Small) -> None:
    request = failed(shop)
    with shop.opened() as installation, pytest.raises(RequestError, match="found nothing in"):
        casebook.retry(
            installation, request.request_id, by="dpo", reason="a composer", now=START,
            not_theirs=["tracks.composer"],
        )  # fmt: skip
