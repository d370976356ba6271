"""Rows that could not be put back are not taken out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from retention import holds
from retention.requests.book import casebook
from retention.requests.model import Kind, RequestError, State
from tests.engine.asking import ask, customer, done, lifted
from tests.engine.lives import CLEARED
from tests.engine.small import START, Small

SCHEMAS = ("crm", "web")


def run(place: Small, *statements: str) -> None:
    with psycopg.connect(str(place.server).replace("+psycopg", "", 1), autocommit=True) as at:
        for statement in statements:
            at.execute(statement)


@pytest.fixture
def role(server: Small) -> Iterator[str]:
    """An account of the sources that may do all but put rows in."""
    name = f"limited_{uuid.uuid4().hex[:12]}"
    run(server, f"CREATE ROLE {name} LOGIN PASSWORD 'only-here'")
    for schema in SCHEMAS:
        rights = f"SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema}"
        run(server, f"GRANT USAGE ON SCHEMA {schema} TO {name}", f"GRANT {rights} TO {name}")
    url = make_url(str(server.server)).set(username=name, password="only-here")
    for schema in SCHEMAS:
        system = server.catalogue["systems"][schema]
        system["url"] = url.render_as_string(hide_password=False)
    server.write_documents()
    yield name
    run(server, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_restriction_that_could_not_be_lifted_touches_nothing(server: Small, role: str) -> None:
    before = server.everything()
    with server.opened() as installation:
        request = ask(installation, Kind.restriction, [customer(CLEARED)])
        with pytest.raises(RequestError, match=r"crm\.orders.*INSERT"):
            done(installation, request)
        assert casebook.get(installation, request.request_id).failure
        assert holds.holds(installation) == []
        assert server.everything() == before

        for schema in SCHEMAS:
            run(server, f"GRANT INSERT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        casebook.retry(installation, request.request_id, by="dpo", reason="granted", now=START)
        assert done(installation, request, later=2).state is State.answered
        assert CLEARED not in server.ids("crm.customers")
        lifted(installation, request)
    assert server.everything() == before
