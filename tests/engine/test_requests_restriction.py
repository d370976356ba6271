"""Restriction and its end: rows leave active use, and come back exactly as they were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from retention import holds
from retention.errors import SourceError, StoreError
from retention.execution.restricted import restricted_rows
from retention.requests.answering import outbox
from retention.requests.book import casebook
from retention.requests.doing.lifting import refuse_if_asked_for, take_up
from retention.requests.model import Kind, RequestError, State
from retention.stores import archive
from tests.engine.asking import account, ask, customer, done, lifted, said
from tests.engine.lives import ACTIVE, ANNA, AS_OF, BY_LOGIN, CLEARED, EARLY_INVOICE, IN_REVIEW
from tests.engine.small import START, Small

EVERYBODY = (ACTIVE, BY_LOGIN, CLEARED, IN_REVIEW)


def theirs(rows: dict[str, Any], number: int) -> list[Any]:
    return [row for name in rows for row in rows[name] if row.get("customer_id") == number]


@pytest.mark.parametrize("number", EVERYBODY)
def test_a_lifted_restriction_puts_back_every_byte(either: Small, number: int) -> None:
    before = either.everything()
    persons = [customer(number)] + ([account(ANNA)] if number == BY_LOGIN else [])
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, persons))
        assert request.state is State.answered
        during = either.everything()
        assert not theirs(during, number)
        assert {outcome for _, _, outcome in said(installation, request)} == {"restricted"}
        tokens = casebook.tokens(installation, request.request_id)
        assert restricted_rows(installation, tokens)
        lifted(installation, request)
        assert {outcome for _, _, outcome in said(installation, request)} == {"restored"}
        assert not restricted_rows(installation, tokens)
        assert holds.holds(installation) == []
    assert either.everything() == before
    assert either.archived() == []


def test_nothing_of_the_restricted_moves_however_late_it_gets(either: Small) -> None:
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
    sealed = either.archived()
    either.run(AS_OF + timedelta(days=366 * 20), start=START + timedelta(hours=3))
    assert [row for row in sealed if row not in either.archived()] == []
    with either.opened() as installation:
        lifted(installation, request, later=60)
    assert ACTIVE in either.ids("crm.customers")


def test_a_restricted_row_is_no_history_and_is_counted_once_when_it_leaves(small: Small) -> None:
    def cells() -> Any:
        return small.state()["accumulators"]

    with small.opened() as installation:
        before = cells()
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        assert cells() == before
        lifted(installation, request)
        assert cells() == before


def test_what_was_remembered_of_the_owner_outlives_the_restriction(small: Small) -> None:
    """An invoice that left before keeps its customer's clock: also of one who was away."""
    small.run()
    assert EARLY_INVOICE in small.ids("crm.customers")
    before = small.state()
    with small.opened() as installation:
        persons = [customer(EARLY_INVOICE)]
        request = done(installation, ask(installation, Kind.restriction, persons))
        lifted(installation, request)
    after = small.state()
    assert after["sources"] == before["sources"]
    assert after["evidence"] == before["evidence"]


def test_erasure_of_a_restricted_person_waits_and_is_taken_up(either: Small) -> None:
    with either.opened() as installation:
        restriction = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        erasure = ask(installation, Kind.erasure, [customer(ACTIVE)])
        erasure = done(installation, erasure, later=2)
        assert erasure.state is State.answered
        assert any(key[2] == "held" for key in said(installation, erasure))
        lifted(installation, restriction)
        assert ACTIVE in either.ids("crm.customers")
        assert casebook.get(installation, erasure.request_id).state is State.verified
        done(installation, casebook.get(installation, erasure.request_id), later=9)
    assert ACTIVE not in either.ids("crm.customers")


def test_a_legal_hold_keeps_rows_where_they_are(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        holds.add(
            installation, customer(ACTIVE)[0], [str(ACTIVE)], kind="legal_hold", reason="lawsuit",
            by="dpo", now=START,
        )  # fmt: skip
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        assert said(installation, request)["crm.customers", "", "held"][2] == "legal_hold"
    assert either.everything() == before


def test_a_key_taken_meanwhile_keeps_the_restriction_whole(either: Small) -> None:
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        either.insert("crm.customers", {**_somebody(), "customer_id": ACTIVE})
        before = either.everything()
        with pytest.raises(SourceError, match="taken by another row"):
            lifted(installation, request)
        assert either.everything() == before
        assert holds.holds(installation)
        either.delete("crm.customers", customer_id=ACTIVE)
        lifted(installation, request, later=9)
    assert ACTIVE in either.ids("crm.customers")


def _somebody() -> dict[str, Any]:
    return {"name": "Somebody Else", "email": None, "opted": None, "segment": None,
            "collected_on": AS_OF}  # fmt: skip


def test_it_is_lifted_once(small: Small) -> None:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        lifted(installation, request)
        with pytest.raises(RequestError, match="lifted already"):
            lifted(installation, request, later=9)
        assert take_up(installation, START) == []


def test_a_changed_copy_is_not_put_back(small: Small) -> None:
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        with installation.stores.archive.begin() as connection:
            connection.execute(
                sa.update(archive.records)
                .where(archive.records.c.table_name == "crm.orders")
                .values(row_digest=b"another")
            )
        with pytest.raises(StoreError, match="not what was sealed"):
            lifted(installation, request)
    assert ACTIVE not in small.ids("crm.customers")


def test_its_hold_is_not_just_released(small: Small) -> None:
    with small.opened() as installation:
        done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        [hold] = holds.holds(installation)
        with pytest.raises(RequestError, match="retention request lift"):
            refuse_if_asked_for(installation, hold.hold_id)
        other = holds.add(
            installation, customer(CLEARED)[0], [str(CLEARED)], kind="restriction",
            reason="asked for by telephone", by="dpo", now=START,
        )  # fmt: skip
        refuse_if_asked_for(installation, other.hold_id)


def test_whoever_was_told_of_the_restriction_is_told_of_its_end(small: Small) -> None:
    small.catalogue["recipients"] = {
        "printer": {"label": "Printer", "contact": "x@example.org", "tables": ["crm.customers"]}
    }
    small.write_documents()
    with small.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        [notice] = outbox.listed(installation, request_id=request.request_id)
        assert not notice.lifted
        outbox.mark_sent(installation, notice.notice_id, by="dpo", now=START)
        sent = casebook.sent(
            installation, request.request_id, by="dpo", now=START + timedelta(days=1)
        )
        assert sent.asked, "before it ends the person is told, and the rows are not to be read"
        assert casebook.closed(installation, request.request_id)
        lifted(installation, request)
        assert not casebook.closed(installation, request.request_id)
        [notice] = outbox.listed(installation, unsent_only=True)
        assert notice.lifted
        assert "has been lifted" in outbox.text(installation, notice, lang="en")
        assert "levée" in outbox.text(installation, notice, lang="fr")
