"""Evidence in another system that leaves before what it prolongs: what it said is remembered."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.catalogue.model import TableName
from retention.errors import RetentionError
from retention.planning.daily import make_plan
from retention.planning.explain import explain
from retention.requests.model import Kind, State
from retention.stores import archive
from tests.engine import lives
from tests.engine.asking import account, ask, customer, done
from tests.engine.crash import count, finish, run_until
from tests.engine.lives import AS_OF
from tests.engine.small import Small
from tests.engine.stored import fetch
from tests.engine.test_crash import narrow
from tests.engine.test_requests_crash import SWEEP

VISITOR = 40
CUSTOMERS, VISITS = TableName("crm.customers"), "web.connections"
MONTH = timedelta(days=31)
VISITED = AS_OF - 8 * MONTH
"""Pseudonymised today, disposed of in four months; the customer is kept for three years."""


def linked(document: dict[str, Any], **declared: Any) -> dict[str, Any]:
    """The visits prolong customers: what identifies a visitor is an e-mail address here."""
    document.setdefault("links", {})["visit"] = {
        "near": "crm.customers.email",
        "far": "web.connections.ip",
        "normaliser": "email",
    }
    events = document["systems"]["crm"]["tables"]["customers"]["events"]
    events["login"] = [{"link": "visit", "column": "connected_on", **declared}]
    return document


def with_visits(made: Small, *days: date) -> Small:
    """A customer of long ago who visited on ``days``."""
    linked(made.catalogue)
    made.write_documents()
    made.insert("crm.customers", lives.customer(VISITOR, collected_on=date(2019, 3, 1)))
    made.insert("crm.orders", lives.order(VISITOR, VISITOR, date(2019, 5, 1)))
    for number, day in enumerate(days, VISITOR):
        visit = lives.connection(number, None, day) | {"ip": "Person40@example.org "}
        made.insert(VISITS, visit)
    return made


def evidence(made: Small, kind: str = "login") -> list[dict[str, Any]]:
    with made.reopened() as installation:
        found = fetch(installation.stores.archive, archive.evidence)
    return [row for row in found if row["kind"] == kind]


def test_a_visit_prolongs_also_when_its_link_and_then_its_row_is_gone(either: Small) -> None:
    with_visits(either, VISITED)
    either.run()
    (visit,) = [row for row in either.rows(VISITS) if row["connection_id"] == VISITOR]
    assert "@" not in visit["ip"]
    with either.opened() as installation:
        plan = make_plan(installation, AS_OF + timedelta(days=1))
        leaving = {item.table: item.rows for item in plan.items if item.transition != "review"}
        found = explain(installation, CUSTOMERS, [str(VISITOR)], AS_OF + timedelta(days=1))
    assert not leaving.get("crm.customers")
    assert found.action == "keep"
    either.run(AS_OF + 5 * MONTH)
    assert VISITOR not in either.ids(VISITS)
    last = date(VISITED.year + 3, VISITED.month, VISITED.day)
    either.change_settings(max_review_share=1)
    either.run(last)
    assert VISITOR in either.ids("crm.customers")
    either.run(last + timedelta(days=1))
    assert VISITOR not in either.ids("crm.customers")
    assert evidence(either) == []


def test_of_many_visits_the_last_is_kept_and_names_none_of_them(either: Small) -> None:
    days = [VISITED - timedelta(days=number) for number in range(5)]
    with_visits(either, *days)
    either.change_settings(chunk_rows=2)
    either.run()
    (one,) = evidence(either)
    assert one["facts"]["days"] == {"login": [str(VISITED)]}
    assert one["record_token"] == "merged"


def test_what_goes_with_an_account_is_remembered_of_its_customer(either: Small) -> None:
    """The dates are in a dependant of the table that the link leads to."""
    declared = either.catalogue["systems"]["web"]["tables"]["accounts"]
    declared["purposes"] = {"trackers": "always"}
    declared["events"] = {"deposit": {"column": "last_login_on"}}
    either.write_documents()
    day = AS_OF - 14 * MONTH
    either.insert("crm.customers", lives.customer(VISITOR, collected_on=date(2019, 3, 1)))
    either.insert("web.accounts", lives.account(VISITOR, "PERSON40@example.org", day))
    either.insert("web.logins", lives.login(VISITOR, VISITOR, day + timedelta(days=3)))
    either.change_settings(max_review_share=1)
    either.run()
    assert VISITOR not in either.ids("web.accounts")
    either.run(AS_OF + timedelta(days=1))
    assert VISITOR in either.ids("crm.customers")
    assert [str(day + timedelta(days=3))] in [r["facts"]["days"]["login"] for r in evidence(either)]


def test_of_visitors_who_are_no_customers_nothing_is_remembered(small: Small) -> None:
    with_visits(small, VISITED)
    small.delete("crm.orders", order_id=VISITOR)
    small.delete("crm.customers", customer_id=VISITOR)
    small.run()
    assert evidence(small) == []


def test_visits_stay_while_whom_they_prolong_is_out_of_reach(small: Small) -> None:
    with_visits(small, VISITED)
    before = small.rows(VISITS)
    (small.home / "crm.sqlite").rename(small.home / "away.sqlite")
    with pytest.raises(RetentionError):
        small.run()
    assert [row for row in small.rows(VISITS) if row["connection_id"] == VISITOR] == [
        row for row in before if row["connection_id"] == VISITOR
    ]


def test_what_was_erased_on_request_prolongs_nobody(small: Small) -> None:
    in_force = {"contract_id": 40, "started_on": VISITED, "ended_on": None}
    small.insert("crm.contracts", {**in_force, "customer_id": lives.BY_LOGIN})
    with small.opened() as installation:
        persons = [account(lives.ANNA), customer(lives.BY_LOGIN)]
        request = done(installation, ask(installation, Kind.erasure, persons))
        assert request.state is State.answered
    assert lives.ANNA not in small.ids("web.accounts")
    assert lives.BY_LOGIN in small.ids("crm.customers")
    assert evidence(small) == []


def test_an_erasure_goes_through_where_the_customer_stays_and_is_remembered(small: Small) -> None:
    with_visits(small, VISITED)
    in_force = {"contract_id": 40, "started_on": VISITED, "ended_on": None}
    small.insert("crm.contracts", {**in_force, "customer_id": VISITOR})
    small.run()
    assert len(evidence(small)) == 1
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(VISITOR)]))
        assert request.state is State.answered
    assert VISITOR in small.ids("crm.customers")


# --- crashes ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """One visit loses its link today, and one its row; each keeps a customer."""
    folder = tmp_path_factory.mktemp("crash")
    rows: lives.Rows = {
        "crm.customers": [lives.customer(number) for number in (1, 2)],
        "crm.orders": [lives.order(number, number, date(2019, 5, 1)) for number in (1, 2)],
        VISITS: [
            lives.connection(number, None, day) | {"ip": f"person{number}@example.org"}
            for number, day in ((1, VISITED), (2, AS_OF - 13 * MONTH))
        ],
    }
    return Small(folder / "start", catalogue=linked(narrow())).write().fill(rows)


@pytest.mark.slow
def test_a_crash_at_any_moment_forgets_nothing_and_remembers_nothing_twice(
    start: Small, tmp_path: Path
) -> None:
    whole = start.copied(tmp_path / "whole")
    crasher = count(whole)
    wanted = whole.state()
    assert len(wanted["evidence"]) == 2
    stages = {f"pseudonymise {VISITS}", f"delete {VISITS}"}
    moments = [at for at in crasher.moments if crasher.places[at] in stages]
    assert {crasher.places[at] for at in moments} == stages
    for at in moments if SWEEP else moments[::4]:
        torn = start.copied(tmp_path / f"torn{at}")
        run_until(torn, at)
        finish(torn, 1)
        assert torn.state() == wanted, crasher.places[at]
