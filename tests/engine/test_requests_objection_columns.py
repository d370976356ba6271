"""What an objection writes, into columns as applications have them: tried out before it counts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from retention.requests.book import casebook
from retention.requests.model import Kind, RequestError, State
from tests.engine.asking import ask, customer, done
from tests.engine.lives import IN_FORCE
from tests.engine.small import Small

MAKES_ANOTHER = """
CREATE FUNCTION crm.shouts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.opted := upper(NEW.opted); RETURN NEW; END $$
"""
TRIGGER = """
CREATE TRIGGER shouting BEFORE UPDATE ON crm.customers FOR EACH ROW EXECUTE FUNCTION crm.shouts()
"""


def opposing(small: Small, *told: str, value: Any = "no", always: bool = True) -> None:
    """One customer is up for prospecting; where ``always``, only the withdrawal ends that."""
    small.update(
        "crm.customers", {"customer_id": IN_FORCE}, opted="yes", segment="golf",
        collected_on=date(2026, 5, 5),
    )  # fmt: skip
    declared = small.catalogue["systems"]["crm"]["tables"]["customers"]
    declared["on_objection"] = {"opted": value}
    if always:
        declared["purposes"]["prospecting"] = "always"
        declared["events"]["withdrawn"] = {"column": "collected_on"}
    small.write_documents()
    with small.source("crm") as connection:
        for text in told:
            connection.exec_driver_sql(text)


@pytest.mark.parametrize("kind", [Kind.objection, Kind.erasure])
@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([MAKES_ANOTHER, TRIGGER], "makes another value of"),
        (["ALTER TABLE crm.customers ALTER opted TYPE char(5)"], "makes another value of"),
        (["ALTER TABLE crm.customers ADD CHECK (opted IN ('yes', 'never'))"], "refuses"),
        (
            [
                "CREATE TYPE crm.answer AS ENUM ('yes', 'never')",
                "ALTER TABLE crm.customers ALTER opted TYPE crm.answer USING opted::crm.answer",
            ],
            "refuses",
        ),
    ],
    ids=["trigger", "char", "check", "enum"],
)
def test_what_would_never_be_done_is_noticed_before_anything_is_changed(
    server: Small, told: list[str], why: str, kind: Kind
) -> None:
    opposing(server, *told)
    before = server.everything()
    with server.opened() as installation:
        request = ask(installation, kind, [customer(IN_FORCE)])
        with pytest.raises(RequestError, match=f"crm.customers: .*{why}.*on_objection.*opted"):
            done(installation, request)
        failed = casebook.get(installation, request.request_id)
        assert failed.failure
        assert "person1" not in failed.failure
    assert server.everything() == before


def test_it_ends_once_the_catalogue_says_it_as_the_column_keeps_it(server: Small) -> None:
    opposing(server, MAKES_ANOTHER, TRIGGER, value="NO")
    with server.opened() as installation:
        request = done(installation, ask(installation, Kind.objection, [customer(IN_FORCE)]))
        assert request.state is State.answered


@pytest.mark.parametrize("value", ["no", 0])
def test_another_value_does_where_the_purpose_ends_all_the_same(server: Small, value: Any) -> None:
    opposing(server, MAKES_ANOTHER, TRIGGER, value=value, always=False)
    with server.opened() as installation:
        request = done(installation, ask(installation, Kind.objection, [customer(IN_FORCE)]))
        assert request.state is State.answered


def test_a_number_for_a_column_of_text_is_noticed(either: Small) -> None:
    opposing(either, value=0)
    before = either.everything()
    with pytest.raises(RequestError, match="another value of"), either.opened() as installation:
        done(installation, ask(installation, Kind.objection, [customer(IN_FORCE)]))
    assert either.everything() == before
