"""One record: which of its values are shown, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retention.catalogue.model import TableName
from retention.execution.trees import TreeRow
from retention.policy.decide import Action, Decision, Phase, PurposeDecision
from retention.requests.copies import records
from retention.requests.copies.records import Disclosing, Withheld
from tests.engine.lives import AS_OF
from tests.engine.small import Small
from tests.requests_support import small, table_of

CUSTOMERS = TableName("crm.customers")


@pytest.fixture
def filled(tmp_path: Path) -> Small:
    return small(tmp_path)


def test_a_reference_that_is_stored_as_text_is_still_ones_own(filled):
    with filled.opened() as installation:
        disclosing = Disclosing(installation, frozenset({(CUSTOMERS, (7,))}), AS_OF)
        row = {"note_id": 1, "place": 1, "to_customer": "7", "body": "x"}
        values, withheld = records._shown(disclosing, TableName("crm.replies"), row)
    assert values["to_customer"] == "7"
    assert not withheld


def test_a_column_that_nobody_described_is_not_handed_out(filled):
    with filled.opened() as installation:
        disclosing = Disclosing(installation, frozenset(), AS_OF)
        row = {"note_id": 1, "body": "x", "secret_token": "hunter2", "empty": None}
        values, withheld = records._shown(disclosing, TableName("crm.notes"), row)
        lost, hidden = records._shown(disclosing, TableName("crm.lost"), {"a": 1})
    assert withheld == {"secret_token": Withheld.undescribed, "empty": Withheld.undescribed}
    assert values == {"note_id": 1, "body": "x"}
    assert (lost, hidden) == ({}, {"a": Withheld.undescribed})


def decoded(
    made: Small, change: Callable[[dict[str, Any]], None], value: Any, name: str = "collected_on"
) -> Any:
    change(table_of(made.catalogue, "crm.customers")["columns"][name])
    made.write_documents()
    with made.opened() as installation:
        disclosing = Disclosing(installation, frozenset(), AS_OF)
        values, _ = records._shown(disclosing, CUSTOMERS, {name: value})
        return values[name]


def test_an_epoch_is_read_as_an_instant_of_the_policys_zone(filled):
    found = decoded(
        filled, lambda column: column.update(format="epoch_milliseconds"), 1_800_000_000_000
    )
    assert found.isoformat() == "2027-01-15T09:00:00+01:00"


@pytest.mark.parametrize("value", ["soon", 10**30, float("inf"), -(10**20)])
def test_an_epoch_that_is_none_is_handed_out_as_it_is(filled, value):
    assert decoded(filled, lambda column: column.update(format="epoch_seconds"), value) == value


def test_a_value_that_stands_for_none_is_none(filled):
    sentinels = {"unknown": ["1900-01-01"], "open": ["9999-12-31"]}
    change = lambda column: column.update(sentinels=sentinels)  # noqa: E731
    assert decoded(filled, change, "1900-01-01") is None
    assert decoded(filled, change, date(9999, 12, 31)) is None
    assert decoded(filled, change, "9999-12-31 23:59:59") is None
    assert decoded(filled, change, "nonsense") == "nonsense"


def test_a_contract_whose_end_is_not_counted_yet_is_in_force(filled):
    accounting = PurposeDecision("contract", Phase.archive, archive_through=date.max)
    decision = Decision(Phase.archive, Action.archive, None, ("contract",), (accounting,))
    with filled.opened() as installation:
        disclosing = Disclosing(installation, frozenset(), AS_OF)
        declared = installation.catalogue.table("crm.customers")
        row = TreeRow(CUSTOMERS, declared, (1,), {"customer_id": 1})
        found = records.of_source(disclosing, row, decision, None)
        held = records.of_source(disclosing, row, replace(decision, action=Action.hold), None)
    assert (found.goes_on, found.because) == (None, "contract_in_force")
    assert held.because == "legal_hold"
