"""A person's own row is theirs, whomever it refers to."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from retention import holds
from retention.requests.model import Kind, RequestError
from tests.engine.asking import ask, customer, done
from tests.engine.lives import ACTIVE, ARCHIVE, AS_OF, CLEARED
from tests.engine.small import START, Small


@pytest.fixture
def recommended(tmp_path: Path) -> Small:
    """Customers of whom one recommended two others: a reference from person to person."""
    small = Small(tmp_path / "small").write().fill()
    with small.source("crm") as connection:
        for text in (
            "ALTER TABLE customers ADD COLUMN by_customer INTEGER REFERENCES customers",
            "CREATE INDEX by_customer ON customers (by_customer)",
            f"UPDATE customers SET by_customer = {ACTIVE} "
            f"WHERE customer_id IN ({ARCHIVE}, {CLEARED})",
        ):
            connection.execute(sa.text(text))
    customers = small.catalogue["systems"]["crm"]["tables"]["customers"]
    customers["columns"]["by_customer"] = {"category": "user.unique_id"}
    customers["references"] = [{"table": "customers", "via": "by_customer"}]
    small.write_documents()
    return small


def test_a_hold_on_who_recommended_holds_nobody_else(recommended: Small) -> None:
    with recommended.opened() as installation:
        hold = holds.add(
            installation, customer(ACTIVE)[0], [str(ACTIVE)], kind="legal_hold",
            reason="a lawsuit", by="dpo", now=START,
        )  # fmt: skip
        assert hold.persons == 1
    recommended.run(AS_OF)
    assert ARCHIVE not in recommended.ids("crm.customers")


def test_erasing_who_was_recommended_leaves_who_recommended(recommended: Small) -> None:
    with recommended.opened() as installation:
        done(installation, ask(installation, Kind.erasure, [customer(CLEARED)]))
    assert {ACTIVE, ARCHIVE} <= recommended.ids("crm.customers")
    assert CLEARED not in recommended.ids("crm.customers")


def test_who_is_referred_to_waits_for_the_others(recommended: Small) -> None:
    """The database keeps who recommended while somebody refers to them: said, not forced."""
    expected = pytest.raises(RequestError, match=r"crm.customers \(1\)")
    with recommended.opened() as installation, expected:
        done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
    assert {ACTIVE, ARCHIVE, CLEARED} <= recommended.ids("crm.customers")
