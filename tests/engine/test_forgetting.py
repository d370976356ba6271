"""What the cases store keeps of persons beside requests goes when nobody needs it."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.holds import subject_token
from retention.requests.book.retiring import retire
from retention.review import review_cases
from retention.stores import cases
from tests.engine.lives import ACTIVE, ARCHIVE, AS_OF, DISPOSE
from tests.engine.small import START, Small
from tests.engine.stored import fetch

CUSTOMERS = TableName("crm.customers")
DAY = timedelta(days=1)


def held(small: Small, number: int) -> str:
    with small.opened() as installation:
        return holds.add(
            installation, CUSTOMERS, [str(number)], kind="legal_hold", reason="a lawsuit",
            by="dpo", now=START,
        ).hold_id  # fmt: skip


def test_a_released_hold_is_forgotten_when_its_term_is_over_and_no_other(either: Small) -> None:
    gone, stays = held(either, ACTIVE), held(either, ARCHIVE)
    with either.opened() as installation:
        holds.release(installation, gone, reason="settled", by="dpo", now=START)
        files = installation.policy.requests.files.lasts
        last = files.after(START.astimezone(installation.zone).date())
        assert retire(installation, last, START)["holds"] == 0
        assert len(holds.holds(installation, released=True)) == 2
        assert retire(installation, last + DAY, START)["holds"] == 1
        assert retire(installation, last + 4000 * DAY, START)["holds"] == 0
        assert [hold.hold_id for hold in holds.holds(installation, released=True)] == [stays]
        of_holds = {row["hold_id"] for row in fetch(installation.stores.cases, cases.held_subjects)}
        assert of_holds == {stays}
        token = subject_token(installation.keyring, CUSTOMERS, (ARCHIVE,))
        assert token in holds.held_rows(installation).tokens


def test_a_review_case_goes_once_no_run_meets_with_its_row_any_more(small: Small) -> None:
    with small.source("crm") as connection:
        connection.execute(
            sa.text("UPDATE orders SET ordered_on = '31/12/2019' WHERE order_id = 4")
        )
    small.run()

    def open_cases() -> list[tuple[object, ...]]:
        with small.opened() as installation:
            return [case.key for case in review_cases(installation) if case.table == CUSTOMERS]

    def retired(day: date) -> int:
        with small.opened() as installation:
            return retire(installation, day, START)["reviews"]

    assert (DISPOSE,) in open_cases()
    with small.source("crm") as connection:
        connection.execute(
            sa.text("UPDATE orders SET ordered_on = '2026-01-02' WHERE order_id = 4")
        )
    retired(AS_OF + 31 * DAY)
    assert (DISPOSE,) in open_cases()
    assert retired(AS_OF + 32 * DAY) >= 1
    assert open_cases() == []
