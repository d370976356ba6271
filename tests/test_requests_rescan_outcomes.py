"""What a request's outcomes explain of what is left, and what they do not."""

from __future__ import annotations

from datetime import date

import pytest

from retention.requests.model import Outcome, OutcomeLine
from tests.engine import lives
from tests.test_requests_rescan import (
    BOTH,
    ORDERS,
    PERSON,
    gathered,
    look,
    opened,
    place,
    unexplained,
)

__all__ = ["opened", "place"]


@pytest.mark.parametrize(
    ("outcome", "because", "said"),
    [
        (Outcome.kept, "contract_in_force", "kept, because a contract is in force"),
        (Outcome.held, "legal_hold", "held, because a legal hold is in force"),
        (Outcome.review, None, "waits for a person's decision"),
    ],
)
def test_what_the_outcome_says_stays_is_explained(opened, outcome, because, said):
    sought = gathered(opened)
    lines = [
        OutcomeLine("crm.customers", "contract", outcome, 1, None, because),
        OutcomeLine("crm.invoices", "accounting", outcome, 1, None, because),
        OutcomeLine("web.accounts", "contract", outcome, 1, None, because),
    ]
    traces = look(opened, sought, *lines)
    assert traces and unexplained(traces) == set()
    assert {trace.why for trace in traces} == {said}
    found = unexplained(look(opened, sought, *lines[1:]))
    assert ("crm.customers.email", "email") in found
    assert ("crm.notes.customer_id", "key") in found
    assert ("web.accounts.email", "email") not in found


def test_a_stopped_tree_explains_its_tables_only(opened):
    line = OutcomeLine("crm.customers", "", Outcome.stopped, 0, None, "out_of_reach")
    found = unexplained(look(opened, gathered(opened), line))
    assert {place.split(".")[0] for place, _ in found} == {"web"}


@BOTH
def test_more_rows_than_the_outcome_says_are_not_explained(place, opened):
    small_invoices = [lives.invoice(number, PERSON, date(2021, 1, 1)) for number in (41, 42)]
    place.insert("crm.invoices", *small_invoices)
    sought = gathered(opened)
    kept = OutcomeLine("crm.invoices", "accounting", Outcome.kept, 3, None, "statute")
    assert ("crm.invoices.customer_id", "key") not in unexplained(look(opened, sought, kept))
    kept = OutcomeLine("crm.invoices", "accounting", Outcome.kept, 2, None, "statute")
    assert ("crm.invoices.customer_id", "key") in unexplained(look(opened, sought, kept))


def test_a_dependant_that_the_outcome_says_is_gone_is_not_explained_by_its_owner(opened):
    """The person has two records: one stays with its orders, the other went with its own."""
    sought = gathered(opened)
    kept = OutcomeLine("crm.customers", "contract", Outcome.kept, 1, None, "contract_in_force")
    assert ORDERS not in unexplained(look(opened, sought, kept))
    gone = OutcomeLine("crm.orders", "", Outcome.deleted, 1)
    assert ORDERS in unexplained(look(opened, sought, kept, gone))
    stays = OutcomeLine("crm.orders", "", Outcome.kept, 1, None, "contract_in_force")
    assert ORDERS not in unexplained(look(opened, sought, kept, stays, gone))


@BOTH
def test_more_dependants_than_stay_are_not_explained_where_others_went(place, opened):
    sought = gathered(opened)
    stays = OutcomeLine("crm.orders", "", Outcome.kept, 1, None, "contract_in_force")
    gone = OutcomeLine("crm.orders", "", Outcome.deleted, 1)
    place.insert("crm.orders", lives.order(60, PERSON, date(2026, 1, 1)))
    assert ORDERS in unexplained(look(opened, sought, stays, gone))
    # who stays a customer may go on ordering
    assert ORDERS not in unexplained(look(opened, sought, stays))


@pytest.mark.parametrize("outcome", [Outcome.deleted, Outcome.archived, Outcome.nothing])
def test_what_the_outcome_says_is_gone_is_not_explained(opened, outcome):
    line = OutcomeLine("crm.customers", "contract", outcome, 1, date(2030, 1, 1), "statute")
    found = unexplained(look(opened, gathered(opened), line))
    assert {("crm.customers.email", "email"), ("crm.notes.customer_id", "key")} <= found
