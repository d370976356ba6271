"""Columns that the database computes, and keys that it numbers: requests write neither.

The customers have a whole name computed from their name; on PostgreSQL the notes' key is GENERATED
ALWAYS AS IDENTITY.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from retention.requests.model import Kind, State
from tests.engine.asking import ask, customer, done, lifted
from tests.engine.lives import ACTIVE
from tests.engine.small import Small


@pytest.fixture
def computing(either: Small) -> Small:
    """The scripted lives, whose databases compute and number."""
    stored = "STORED" if either.server else "VIRTUAL"
    with either.source("crm") as connection:
        schema = "crm." if either.server else ""
        connection.execute(
            sa.text(
                f"ALTER TABLE {schema}customers ADD whole text "
                f"GENERATED ALWAYS AS ('Mme ' || name) {stored}"
            )
        )
        if either.server:
            connection.execute(
                sa.text(
                    "ALTER TABLE crm.notes ALTER note_id ADD GENERATED ALWAYS AS IDENTITY"
                    " (START WITH 100000)"
                )
            )
    customers = either.catalogue["systems"]["crm"]["tables"]["customers"]
    customers["columns"]["whole"] = {"category": "user.name", "identifies": True}
    either.write_documents()
    return either


def wholes(small: Small) -> dict[int, str | None]:
    with small.source("crm") as connection:
        schema = "crm." if small.server else ""
        rows = connection.execute(sa.text(f"SELECT customer_id, whole FROM {schema}customers"))
        return {row.customer_id: row.whole for row in rows}


def test_a_restriction_of_such_rows_can_be_lifted(computing: Small) -> None:
    before, names = computing.everything(), wholes(computing)
    with computing.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        assert ACTIVE not in wholes(computing)
        lifted(installation, request)
    assert computing.everything() == before
    assert wholes(computing) == names


def test_a_rectification_corrects_what_a_column_is_computed_from(computing: Small) -> None:
    with computing.opened() as installation:
        asked = ask(
            installation, Kind.rectification, [customer(ACTIVE)],
            corrections={"user.name": "Jeanne Durand"},
        )  # fmt: skip
        request = done(installation, asked)
    assert request.state is State.answered
    assert wholes(computing)[ACTIVE] == "Mme Jeanne Durand"
