"""The end of a restriction breaks off, and the application goes on: no sealed copy goes unsure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.errors import SourceError
from retention.execution import restoring
from retention.execution.restricted import restricted_rows
from retention.keys import Keyring
from retention.lease import Lease
from retention.releases.records import unfinished_chunks
from retention.requests.book import casebook
from retention.requests.doing.lifting import lift
from retention.requests.model import Kind, Request, RequestError, State
from retention.stores import control
from tests.engine.asking import ask, customer, done, said
from tests.engine.crash import Crash
from tests.engine.lives import ACTIVE, AS_OF, order
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import fetch, ledger_rows

CUSTOMERS = "crm.customers"
THEIRS = {
    CUSTOMERS: ("name", "customer_id", 1),
    "crm.orders": ("amount", "order_id", 1),
    "crm.notes": ("body", "note_id", 1),
    "crm.replies": ("body", "note_id", 1),
    "crm.invoices": ("billed_to", "invoice_id", 1),
    "crm.lines": ("what", "invoice_id", 1),
}
"""By table: a column of the person's one row, and where that row is."""


def restricted(small: Small) -> str:
    with small.opened() as installation:
        return done(
            installation, ask(installation, Kind.restriction, [customer(ACTIVE)])
        ).request_id


def lifting(small: Small, request_id: str, attempt: int, *, keep_rows: bool = False) -> Request:
    with small.reopened() as installation:
        return lift(
            installation, request_id, by="dpo", reason="settled", as_of=AS_OF, today=AS_OF,
            clock=clock(START + attempt * LONG_AFTER), keep_rows=keep_rows,
        )  # fmt: skip


@contextmanager
def dying(owner: Any, name: str) -> Iterator[None]:
    """The process dies where it would call that."""

    def die(*_: Any, **__: Any) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, die)
        try:
            yield
        except Crash:
            return
    pytest.fail(f"{name} was not called")


def stopped(small: Small, request_id: str, *, committed: bool) -> None:
    """An attempt that broke off right after the source's commit, or right before it."""
    where = (restoring, "finish") if committed else (Lease, "confirm")
    with dying(*where):
        lifting(small, request_id, 1)


def change_all(small: Small) -> None:
    for name, (column, key, number) in THEIRS.items():
        small.update(name, {key: number}, **{column: 7 if column == "amount" else "changed"})


def sealed(small: Small, request_id: str) -> int:
    """How many rows are sealed still, and can be unsealed."""
    with small.reopened() as installation:
        return len(restricted_rows(installation, casebook.tokens(installation, request_id)))


def journal(small: Small) -> list[str]:
    with small.reopened() as installation:
        found = fetch(installation.stores.control, control.chunks)
    return [row["state"] for row in found if row["stage"] == "restore"]


def over(small: Small, request_id: str) -> None:
    """The restriction has ended in every respect, and is in the ledger once."""
    assert sealed(small, request_id) == 0
    assert small.archived() == []
    with small.reopened() as installation:
        assert holds.holds(installation) == []
        assert ledger_rows(installation, "restore") == len(THEIRS)
        request = casebook.get(installation, request_id)
        assert {outcome for _, _, outcome in said(installation, request)} == {"restored"}
        with pytest.raises(RequestError, match="lifted already"):
            lift(
                installation, request_id, by="dpo", reason="again", as_of=AS_OF, today=AS_OF,
                clock=clock(START + 9 * LONG_AFTER),
            )  # fmt: skip
    assert "intended" not in journal(small)
    assert small.state()["ledger problem"] is None


def test_every_row_was_changed_after_it_had_come_back(either: Small) -> None:
    request_id = restricted(either)
    stopped(either, request_id, committed=True)
    change_all(either)
    there = either.everything()
    with pytest.raises(SourceError, match="--keep-rows") as caught:
        lifting(either, request_id, 2)
    assert "crm.customers (1 of 1)" in str(caught.value)
    assert "Person" not in str(caught.value)
    assert either.everything() == there
    assert sealed(either, request_id) == len(THEIRS)
    done_ = lifting(either, request_id, 3, keep_rows=True)
    assert done_.state is State.answered
    assert either.everything() == there
    over(either, request_id)
    with either.reopened() as installation:
        *_, last = casebook.changes(installation, request_id)
    assert "kept as it was" in str(last.reason)


def test_until_a_person_decides_other_runs_go_on_and_leave_the_rows_alone(small: Small) -> None:
    request_id = restricted(small)
    stopped(small, request_id, committed=True)
    change_all(small)
    there = small.rows("crm.orders")
    later = AS_OF + timedelta(days=366 * 20)
    small.run(later, start=START + 2 * LONG_AFTER)
    small.run(later, start=START + 3 * LONG_AFTER)
    assert [row for row in small.rows("crm.orders") if row["customer_id"] == ACTIVE] == [
        row for row in there if row["customer_id"] == ACTIVE
    ]
    assert ACTIVE in small.ids(CUSTOMERS)
    assert sealed(small, request_id) == len(THEIRS)
    assert journal(small) == ["intended"]
    with small.reopened() as installation:
        assert unfinished_chunks(installation) == 0, "no release waits for it"
        assert ledger_rows(installation, "restore") == 0
        notes = {row["note"] for row in fetch(installation.stores.control, control.runs)}
        assert any("a person has to decide" in note for note in notes if note)
    lifting(small, request_id, 4, keep_rows=True)
    with small.reopened() as installation:
        assert ledger_rows(installation, "restore") == len(THEIRS)


def test_others_took_the_keys_before_anything_had_come_back(either: Small) -> None:
    before = either.everything()
    request_id = restricted(either)
    stopped(either, request_id, committed=False)
    assert ACTIVE not in either.ids(CUSTOMERS)
    other = {"name": "Somebody Else", "email": None, "opted": None, "segment": None}
    either.insert(CUSTOMERS, {**other, "customer_id": ACTIVE, "collected_on": AS_OF})
    for attempt in (2, 3):
        with pytest.raises(SourceError, match="If they are others'"):
            lifting(either, request_id, attempt)
    assert sealed(either, request_id) == len(THEIRS)
    either.delete(CUSTOMERS, customer_id=ACTIVE)
    lifting(either, request_id, 4)
    assert either.everything() == before
    over(either, request_id)
    assert sorted(journal(either)) == ["abandoned", "done"]


def test_a_row_that_is_as_it_was_does_not_prove_that_what_is_missing_had_come_back(
    small: Small,
) -> None:
    """An import may have brought one row back, just as it was."""
    before = small.everything()
    request_id = restricted(small)
    stopped(small, request_id, committed=False)
    (mine,) = [row for row in before[CUSTOMERS] if row["customer_id"] == ACTIVE]
    small.insert(CUSTOMERS, mine)
    with pytest.raises(SourceError, match=r"crm.customers \(1 of 1\).*crm.orders \(0 of 1\)"):
        lifting(small, request_id, 2)
    assert sealed(small, request_id) == len(THEIRS)
    small.delete(CUSTOMERS, customer_id=ACTIVE)
    lifting(small, request_id, 3)
    assert small.everything() == before
    over(small, request_id)


def test_rows_that_are_all_there_and_one_as_it_was_need_nobody(either: Small) -> None:
    request_id = restricted(either)
    stopped(either, request_id, committed=True)
    either.update(CUSTOMERS, {"customer_id": ACTIVE}, name="Changed")
    there = either.everything()
    lifting(either, request_id, 2)
    assert either.everything() == there
    over(either, request_id)


@pytest.mark.parametrize("place", ["destroy_units", "after the keys"])
def test_once_keys_have_gone_it_is_certain_whatever_the_application_did(
    small: Small, place: str
) -> None:
    """The copies' end had begun, which is only after the source had committed."""
    request_id = restricted(small)
    if place == "destroy_units":
        with dying(Keyring, "destroy_units"):
            lifting(small, request_id, 1)
    else:
        with dying(restoring.vault.records, "delete"):
            lifting(small, request_id, 1)
        change_all(small)
    there = small.everything()
    lifting(small, request_id, 2)
    assert small.everything() == there
    over(small, request_id)


def test_a_decision_without_a_question_is_refused(small: Small) -> None:
    """A key that another took is not the restricted person's row, whatever is said."""
    request_id = restricted(small)
    other = {"name": "Somebody Else", "email": None, "opted": None, "segment": None}
    small.insert(CUSTOMERS, {**other, "customer_id": ACTIVE, "collected_on": AS_OF})
    with pytest.raises(SourceError, match="without '--keep-rows'"):
        lifting(small, request_id, 1, keep_rows=True)
    with pytest.raises(SourceError, match="taken by another row"):
        lifting(small, request_id, 2)
    with pytest.raises(SourceError, match="without '--keep-rows'"):
        lifting(small, request_id, 3, keep_rows=True)
    assert sealed(small, request_id) == len(THEIRS)
    small.delete(CUSTOMERS, customer_id=ACTIVE)
    lifting(small, request_id, 4)
    over(small, request_id)


def test_nothing_is_sealed_beside_copies_of_which_nobody_is_sure(either: Small) -> None:
    """A second restriction would put rows into the unit whose key the decision destroys."""
    first = restricted(either)
    stopped(either, first, committed=True)
    change_all(either)
    either.insert("crm.orders", order(77, ACTIVE, AS_OF))
    there = either.everything()
    with either.opened() as installation:
        asked = ask(installation, Kind.restriction, [customer(ACTIVE)], email="b@example.org")
        with pytest.raises(RequestError, match="has not ended: 'retention request lift'"):
            done(installation, asked, later=60)
    assert either.everything() == there
    assert sealed(either, first) == len(THEIRS)
    second = asked.request_id
    with pytest.raises(SourceError, match="without '--keep-rows'"):
        lifting(either, first, 7, keep_rows=True)
    lifting(either, first, 8)
    assert sealed(either, first) == len(THEIRS), "the second is in force"
    lifting(either, second, 9, keep_rows=True)
    assert either.everything() == there
    assert sealed(either, first) == 0


def test_columns_that_came_since_make_nothing_undecided(either: Small) -> None:
    request_id = restricted(either)
    stopped(either, request_id, committed=True)
    declared = either.catalogue["systems"]["crm"]["tables"]
    with either.source("crm") as connection:
        for name in THEIRS:
            _, _, short = name.partition(".")
            place = name if either.server else short
            connection.execute(sa.text(f"ALTER TABLE {place} ADD COLUMN more TEXT DEFAULT 'x'"))
            declared[short]["columns"]["more"] = {"category": "system.operations"}
    either.write_documents()
    before = either.everything()
    lifting(either, request_id, 3)
    assert sealed(either, request_id) == 0
    assert either.everything() == before
