"""Civil dates: periods, cut-offs, the instants that bound a day, and reply deadlines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.policy.calendar import (
    Period,
    close_of_financial_year,
    cut_off,
    day_in,
    is_working_day,
    parse_day,
    reply_deadline,
    start_of,
    zone,
)

PARIS = ZoneInfo("Europe/Paris")
ONE_DAY = timedelta(days=1)
POLICY_PERIODS = ["0 days", "6 months", "12 months", "13 months", "3 years", "5 years", "10 years"]

days = st.dates(date(1970, 1, 1), date(2080, 12, 31))
periods = st.builds(Period, months=st.integers(0, 200), days=st.integers(0, 400))


def every_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def walked(start: date, period: Period) -> date:
    """The last day of a period, found by walking the calendar a day at a time."""
    months_left, reached = period.months, start.replace(day=1)
    while months_left:
        before = reached.month
        while reached.month == before:
            reached += ONE_DAY
        months_left -= 1
    target = reached.month
    while reached.day < start.day and (reached + ONE_DAY).month == target:
        reached += ONE_DAY
    for _ in range(period.days):
        reached += ONE_DAY
    return reached


@pytest.mark.parametrize(
    ("start", "period", "last"),
    [
        ("2024-02-29", "3 years", "2027-02-28"),
        ("2024-02-28", "3 years", "2027-02-28"),
        ("2024-02-29", "4 years", "2028-02-29"),
        ("2025-02-28", "3 years", "2028-02-28"),
        ("2024-01-31", "1 month", "2024-02-29"),
        ("2025-01-31", "1 month", "2025-02-28"),
        ("2025-01-31", "13 months", "2026-02-28"),
        ("2026-01-31", "3 months", "2026-04-30"),
        ("2025-12-31", "2 months", "2026-02-28"),
        ("2025-08-31", "6 months", "2026-02-28"),
        ("2026-11-23", "0 days", "2026-11-23"),
        ("2024-02-29", "1 year 1 day", "2025-03-01"),
        ("2099-12-31", "10 years", "2109-12-31"),
    ],
)
def test_a_period_ends_on_the_same_day_or_the_months_last(start, period, last) -> None:
    assert Period.parse(period).after(date.fromisoformat(start)) == date.fromisoformat(last)


@given(days, periods)
@settings(deadline=None)
def test_a_period_ends_where_walking_the_calendar_ends(start: date, period: Period) -> None:
    assert period.after(start) == walked(start, period)


@pytest.mark.parametrize("text", POLICY_PERIODS)
def test_every_start_of_five_years_ends_where_walking_ends(text: str) -> None:
    period = Period.parse(text)

    for start in every_day(date(2023, 1, 1), date(2024, 12, 31))[:: 7 if period.months > 36 else 1]:
        assert period.after(start) == walked(start, period), start


@given(days, st.integers(0, 400), periods)
@settings(deadline=None)
def test_a_later_start_never_ends_earlier(start: date, later: int, period: Period) -> None:
    assert period.after(start) <= period.after(start + timedelta(days=later))


def test_an_end_beyond_the_calendar_is_its_last_day() -> None:
    assert Period(months=12).after(date.max) == date.max
    assert Period(days=400).after(date.max - ONE_DAY) == date.max
    assert Period(months=1).after(date(9999, 11, 30)) == date(9999, 12, 30)


@pytest.mark.parametrize(
    ("text", "period", "shown"),
    [
        ("3 years", Period(months=36), "3 years"),
        ("13 months", Period(months=13), "13 months"),
        ("1 year 6 months", Period(months=18), "18 months"),
        ("1 day", Period(days=1), "1 day"),
        ("0 days", Period(), "0 days"),
    ],
)
def test_a_duration_is_read_and_shown_in_words(text: str, period: Period, shown: str) -> None:
    assert Period.parse(text) == period
    assert str(period) == shown
    assert Period.parse(shown) == period


@pytest.mark.parametrize(
    "text", ["", "3", "years", "three years", "-3 years", "1.5 years", "3 weeks", "P3Y", "3 years!"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write whole days, months or years"):
        Period.parse(text)


def test_a_duration_of_centuries_is_a_slip_of_the_pen() -> None:
    with pytest.raises(ValueError, match="longer than 200 years"):
        Period.parse("3000 months")


# Cut-offs: the exact inverse, which subtracting a period is not.


def assert_is_cut_off(cut: date, end_of, as_of: date) -> None:
    assert end_of(cut) < as_of
    assert end_of(cut + ONE_DAY) >= as_of


@given(st.dates(date(1990, 1, 1), date(2080, 12, 31)), periods, st.integers(-800, 800))
@settings(deadline=None)
def test_an_event_is_over_exactly_up_to_the_cut_off(as_of: date, period: Period, away: int) -> None:
    cut = cut_off(period.after, as_of)
    event = cut + timedelta(days=away)

    assert_is_cut_off(cut, period.after, as_of)
    assert (period.after(event) < as_of) == (event <= cut)


@pytest.mark.parametrize("text", [*POLICY_PERIODS, "1 month", "1 year 1 day"])
def test_the_cut_off_is_exact_on_every_day_of_a_leap_cycle(text: str) -> None:
    period = Period.parse(text)

    for as_of in every_day(date(2026, 1, 1), date(2029, 12, 31)):
        assert_is_cut_off(cut_off(period.after, as_of), period.after, as_of)


@pytest.mark.parametrize("close", [(12, 31), (6, 30), (2, 29)])
def test_the_cut_off_is_exact_where_the_clock_starts_at_a_financial_years_close(close) -> None:
    ten_years = Period.parse("10 years")

    def end_of(day: date) -> date:
        return ten_years.after(close_of_financial_year(day, *close))

    for as_of in every_day(date(2026, 1, 1), date(2029, 12, 31)):
        assert_is_cut_off(cut_off(end_of, as_of), end_of, as_of)


@pytest.mark.parametrize(
    ("as_of", "period", "cut"),
    [
        ("2026-11-23", "3 years", "2023-11-22"),
        ("2027-02-28", "3 years", "2024-02-27"),
        ("2027-03-01", "3 years", "2024-02-29"),
        ("2028-02-29", "3 years", "2025-02-28"),
        ("2026-02-28", "13 months", "2025-01-27"),
        ("2026-03-01", "13 months", "2025-01-31"),
        ("2026-11-23", "0 days", "2026-11-22"),
    ],
)
def test_cut_offs_around_the_end_of_february(as_of: str, period: str, cut: str) -> None:
    assert cut_off(Period.parse(period).after, date.fromisoformat(as_of)) == date.fromisoformat(cut)


# Financial years.


@pytest.mark.parametrize(
    ("day", "close", "closes"),
    [
        ("2016-01-01", (12, 31), "2016-12-31"),
        ("2016-12-31", (12, 31), "2016-12-31"),
        ("2016-06-30", (6, 30), "2016-06-30"),
        ("2016-07-01", (6, 30), "2017-06-30"),
        ("2016-02-29", (2, 29), "2016-02-29"),
        ("2016-03-01", (2, 29), "2017-02-28"),
        ("2017-03-01", (2, 28), "2018-02-28"),
    ],
)
def test_a_day_belongs_to_the_year_that_closes_next(day: str, close, closes: str) -> None:
    assert close_of_financial_year(date.fromisoformat(day), *close) == date.fromisoformat(closes)


# Instants and days.


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2021-05-01T21:59:59Z", "2021-05-01"),
        ("2021-05-01T22:00:00Z", "2021-05-02"),
        ("2020-12-31T22:59:59Z", "2020-12-31"),
        ("2020-12-31T23:00:00Z", "2021-01-01"),
        ("2026-03-28T23:00:00Z", "2026-03-29"),
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-25T22:59:59Z", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "2026-10-26"),
        ("2021-05-01T23:59:59", "2021-05-01"),
        ("2021-05-01T00:30:00+05:00", "2021-04-30"),
        ("2021-05-01", "2021-05-01"),
    ],
)
def test_an_instant_counts_as_the_day_it_falls_on_in_paris(instant: str, day: str) -> None:
    assert parse_day(instant, PARIS) == date.fromisoformat(day)


def test_a_naive_instant_is_local_to_its_source_system() -> None:
    late_in_new_york = datetime(2026, 5, 1, 23, 30)  # noqa: DTZ001 - the naive case itself

    assert day_in(late_in_new_york, PARIS) == date(2026, 5, 1)
    assert day_in(late_in_new_york, PARIS, ZoneInfo("America/New_York")) == date(2026, 5, 2)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "23/11/2026", "0000-00-00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parse_day(text, PARIS)


@given(st.dates(date(1950, 1, 1), date(2060, 12, 31)))
@settings(deadline=None)
def test_a_day_starts_where_the_day_before_ends(day: date) -> None:
    start = start_of(day, PARIS)

    assert start.tzinfo is UTC
    assert day_in(start, PARIS) == day
    assert day_in(start - timedelta(microseconds=1), PARIS) == day - ONE_DAY


def test_the_ends_of_the_calendar_have_a_day_and_a_start() -> None:
    assert day_in(datetime.max.replace(tzinfo=UTC), PARIS) == date.max
    assert start_of(date.min, PARIS).date() == date.min


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="'Europe/Lutetia' is not an IANA time zone"):
        zone("Europe/Lutetia")


# Reply deadlines (GDPR art. 12(3), Regulation 1182/71).


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-25", "2026-12-28"),
        ("2026-12-31", "2027-02-01"),
        ("2027-01-31", "2027-03-01"),
        ("2028-01-31", "2028-02-29"),
        ("2027-04-01", "2027-05-03"),
        ("2026-10-01", "2026-11-02"),
        ("2027-02-28", "2027-03-30"),  # a Sunday, then Easter Monday
        ("2027-04-06", "2027-05-07"),  # Ascension
    ],
)
def test_an_answer_is_due_one_month_from_receipt_on_a_working_day(received: str, due: str) -> None:
    assert reply_deadline(date.fromisoformat(received)) == date.fromisoformat(due)


def test_an_extended_answer_is_due_three_months_from_receipt() -> None:
    assert reply_deadline(date(2026, 11, 30), months=3) == date(2027, 3, 1)


def test_a_rule_of_thirty_days_would_be_late_on_96_of_1460_receipt_dates() -> None:
    receipts = every_day(date(2026, 1, 1), date(2029, 12, 30))
    late = [day for day in receipts if thirty_days(day) > reply_deadline(day)]

    assert (len(late), len(receipts)) == (96, 1460)


def thirty_days(received: date) -> date:
    day = received + timedelta(days=30)
    while not is_working_day(day):
        day += ONE_DAY
    return day


@given(st.dates(date(2020, 1, 1), date(2040, 12, 31)))
@settings(deadline=None)
def test_a_deadline_is_the_first_working_day_from_the_month_on(received: date) -> None:
    month = walked(received, Period(months=1))
    due = reply_deadline(received)

    assert is_working_day(due)
    assert not any(is_working_day(day) for day in every_day(month, due - ONE_DAY))
    assert due >= month


def test_french_public_holidays_are_no_working_days() -> None:
    holidays_of_2027 = [
        (1, 1), (3, 29), (5, 6), (5, 17), (7, 14), (11, 1), (11, 11),
    ]  # fmt: skip

    assert not any(is_working_day(date(2027, *day)) for day in holidays_of_2027)
    assert is_working_day(date(2027, 3, 26)), "Good Friday is a holiday in Alsace-Moselle only"


def test_the_end_of_a_retention_period_never_moves_to_a_working_day() -> None:
    three_years = Period.parse("3 years")
    ends = [three_years.after(day) for day in every_day(date(2023, 1, 1), date(2023, 12, 31))]

    assert sum(not is_working_day(end) for end in ends) > 100
    assert ends == every_day(date(2026, 1, 1), date(2026, 12, 31))
