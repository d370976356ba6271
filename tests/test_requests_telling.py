"""An account of several attempts says what was done, once, and nothing that was only meant."""

from __future__ import annotations

from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from retention.requests.answering.telling import FINAL, told
from retention.requests.model import Outcome, OutcomeLine

TABLE, CONTRACT = "crm.customers", "contract"
UNTIL = date(2030, 1, 1)


def line(outcome: Outcome, rows: int, purpose: str = CONTRACT) -> OutcomeLine:
    until = UNTIL if outcome is Outcome.archived else None
    return OutcomeLine(TABLE, "" if outcome is Outcome.held else purpose, outcome, rows, until)


DELETED, HELD, ARCHIVED = Outcome.deleted, Outcome.held, Outcome.archived


def test_what_is_not_found_again_was_done() -> None:
    assert told([line(DELETED, 2)], []) == [line(DELETED, 2)]
    assert told([line(DELETED, 2)], [line(DELETED, 1)]) == [line(DELETED, 2)]


def test_what_is_held_now_was_not_deleted_before() -> None:
    assert told([line(DELETED, 1)], [line(HELD, 1)]) == [line(HELD, 1)]
    assert told([line(DELETED, 2)], [line(HELD, 1)]) == [line(HELD, 1), line(DELETED, 1)]


def test_what_waited_and_goes_now_is_added() -> None:
    before = [line(DELETED, 1), line(HELD, 2)]
    assert told(before, [line(DELETED, 2)]) == [line(DELETED, 3)]


def test_what_waited_and_is_not_found_any_more_is_not_claimed() -> None:
    assert told([line(HELD, 2)], []) == []


def test_an_archived_row_that_is_found_in_the_archive_is_counted_once() -> None:
    before = [line(ARCHIVED, 1), line(DELETED, 1)]
    assert told(before, [line(ARCHIVED, 1)]) == [line(ARCHIVED, 1), line(DELETED, 1)]


def test_other_tables_and_purposes_are_accounts_of_their_own() -> None:
    other = OutcomeLine("web.accounts", CONTRACT, DELETED, 1)
    marketing = line(DELETED, 1, "prospecting")
    before = [line(DELETED, 1), other, marketing]
    assert told(before, [line(HELD, 1)]) == [line(HELD, 1), other]


def test_rows_that_nobody_could_look_at_before_are_none_of_those_that_were_done() -> None:
    stopped = OutcomeLine(TABLE, "", Outcome.stopped, 0, None, "out_of_reach")
    before = [line(DELETED, 2), line(ARCHIVED, 1), stopped]
    now = [line(DELETED, 3), line(ARCHIVED, 4)]
    assert told(before, now, {TABLE}) == [line(DELETED, 5), line(ARCHIVED, 4)]


ROWS = st.dictionaries(st.integers(0, 8), st.sampled_from([DELETED, ARCHIVED, HELD]))


@given(ROWS, st.sets(st.integers(0, 8)), ROWS, st.sampled_from([CONTRACT, ""]))
def test_every_row_is_told_once_as_what_became_of_it(
    meant: dict[int, Outcome], done: set[int], plan: dict[int, Outcome], purpose: str
) -> None:
    """Rows that a plan meant to deal with; those ``done`` are gone, the next plan has the rest.

    Dependants have no purpose.
    """
    gone = {row for row in done & set(meant) if meant[row] in FINAL}
    left = {row: plan.get(row, HELD) for row in meant if row not in gone}

    def lines(rows: dict[int, Outcome]) -> list[OutcomeLine]:
        counts = Counter(rows.values())
        found = [line(kind, counts[kind], purpose) for kind in (DELETED, ARCHIVED, HELD)]
        return [item for item in found if item.rows]

    account = told(lines(meant), lines(left))
    assert sum(item.rows for item in account) == len(meant)
    held = [item.rows for item in account if item.outcome is HELD]
    assert sum(held) == list(left.values()).count(HELD)
    again = told(account, lines(left))
    assert sum(item.rows for item in again) == len(meant)
