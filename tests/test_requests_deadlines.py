"""By when a request is answered: the regulation's dates, read here a second time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.requests.book import deadlines
from retention.requests.model import Kind, Request, RequestId, State

ONE_DAY = timedelta(days=1)


def request(received_on: date, **fields: object) -> Request:
    made = Request(
        request_id=RequestId("0" * 32),
        kind=Kind.access,
        state=State.received,
        received_on=received_on,
        due_on=deadlines.reply_due(received_on),
        channel="inbox",
        attempt=1,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-25", "2026-12-28"),
        ("2026-12-31", "2027-02-01"),
        ("2027-01-31", "2027-03-01"),
        ("2028-01-31", "2028-02-29"),
        ("2027-04-01", "2027-05-03"),
        ("2026-10-01", "2026-11-02"),
    ],
)
def test_an_answer_is_due_one_month_from_receipt(received: str, due: str) -> None:
    assert deadlines.reply_due(date.fromisoformat(received)) == date.fromisoformat(due)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-24", "2027-02-24"),
        # Three months end on 30 April; one and then two on the 28th: the earlier.
        ("2027-01-31", "2027-04-28"),
        ("2026-11-30", "2027-03-01"),  # 28 February is a Sunday
        ("2026-10-01", "2027-01-04"),  # New Year's Day, then a week-end
        ("2026-12-29", "2027-03-30"),  # Easter Monday
    ],
)
def test_an_extended_answer_is_due_after_three_months_or_one_and_two(
    received: str, due: str
) -> None:
    assert deadlines.due(
        date.fromisoformat(received), extended=True, paused_days=0
    ) == date.fromisoformat(due)


# --- a second reading of Regulation 1182/71, a day at a time ---------------------------


def easter(year: int) -> date:
    """Easter Sunday by the Gregorian computus (Meeus, Jones, Butcher)."""
    century, place = divmod(year, 100)
    golden = year % 19
    moon = (
        19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15
    ) % 30
    week = (32 + 2 * (century % 4) + 2 * (place // 4) - moon - place % 4) % 7
    shift = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@cache
def closed_days(year: int) -> frozenset[date]:
    """The public holidays of the Code du travail, art. L3133-1."""
    fixed = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
    sunday = easter(year)
    moving = {sunday + ahead * ONE_DAY for ahead in (1, 39, 50)}
    return frozenset({date(year, *day) for day in fixed} | moving)


def some_months_on(start: date, months: int) -> date:
    """The day of the same number that many months on, found by walking; art. 3(2)(c)."""
    day, firsts = start, 0
    while firsts < months:
        day += ONE_DAY
        firsts += day.day == 1
    while day.day < start.day and (day + ONE_DAY).day != 1:
        day += ONE_DAY
    return day


def open_day(day: date) -> date:
    """Art. 3(4): the last hour of the following working day."""
    while day.isoweekday() in (6, 7) or day in closed_days(day.year):
        day += ONE_DAY
    return day


def receipts() -> Iterator[date]:
    day = date(2019, 12, 1)
    while day < date(2045, 1, 1):
        yield day
        day += ONE_DAY


def test_every_day_of_25_years_agrees_with_a_second_reading() -> None:
    for received in receipts():
        month = some_months_on(received, 1)
        longer = min(some_months_on(received, 3), some_months_on(month, 2))

        assert deadlines.reply_due(received) == open_day(month), received
        assert deadlines.due(received, extended=True, paused_days=0) == open_day(longer), received
        for paused in (1, 6, 31):
            assert deadlines.due(received, extended=False, paused_days=paused) == open_day(
                month + paused * ONE_DAY
            ), (received, paused)


def test_a_later_receipt_is_never_due_earlier() -> None:
    for extended in (False, True):
        dues = [deadlines.due(day, extended=extended, paused_days=0) for day in receipts()]

        assert dues == sorted(dues)


def test_thirty_days_would_be_late_on_some_days() -> None:
    """The sweep can fail: a rule of thumb does."""
    days = [date(2026, 1, 1) + n * ONE_DAY for n in range(1460)]

    assert sum(open_day(day + 30 * ONE_DAY) > deadlines.reply_due(day) for day in days) == 96


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 400), st.integers(0, 400))
def test_a_longer_pause_is_never_due_earlier(received: date, one: int, more: int) -> None:
    first = deadlines.due(received, extended=False, paused_days=one)
    second = deadlines.due(received, extended=False, paused_days=one + more)

    assert first <= second
    assert second >= deadlines.reply_due(received) + (one + more - 4) * ONE_DAY


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 400))
def test_an_extension_gives_two_months_more_and_no_day_too_many(
    received: date, paused: int
) -> None:
    plain = deadlines.due(received, extended=False, paused_days=paused)
    extended = deadlines.due(received, extended=True, paused_days=paused)

    assert 52 <= (extended - plain).days <= 67


def test_a_pause_is_not_negative() -> None:
    with pytest.raises(ValueError, match="fewer than 0"):
        deadlines.due(date(2026, 1, 1), extended=False, paused_days=-1)


def test_the_end_of_the_calendar_is_no_error() -> None:
    assert deadlines.reply_due(date(9999, 12, 25)) == date.max
    assert deadlines.due(date(9999, 10, 1), extended=False, paused_days=90_000) == date.max


# --- how far off it is -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "how"),
    [
        (30, "calm"), (11, "calm"), (10, "soon"), (4, "soon"), (3, "urgent"), (0, "urgent"),
        (-1, "late"), (-400, "late"),
    ],
)  # fmt: skip
def test_it_warns_at_ten_and_three_days_and_is_late_past_due(left: int, how: str) -> None:
    due_on = date(2026, 12, 28)
    as_of = due_on - left * ONE_DAY

    assert deadlines.days_left(due_on, as_of) == left
    assert deadlines.urgency(due_on, as_of) == how


def test_while_the_identity_is_in_doubt_the_days_left_stand_still() -> None:
    received = date(2026, 11, 25)
    paused = request(received, paused_on=date(2026, 12, 1))

    moving = [deadlines.due_now(paused, date(2026, 12, 1) + n * ONE_DAY) for n in (0, 1, 2, 10)]

    assert moving == [date(2026, 12, 28), date(2026, 12, 28), date(2026, 12, 28), date(2027, 1, 4)]
    assert deadlines.due_now(request(received), date(2027, 3, 1)) == date(2026, 12, 28)


def test_a_pause_that_begins_tomorrow_takes_nothing_off() -> None:
    paused = request(date(2026, 11, 25), paused_on=date(2026, 12, 1))

    assert deadlines.days_paused(paused, date(2026, 11, 30)) == 0
    assert deadlines.due_now(paused, date(2026, 11, 30)) == date(2026, 12, 28)
