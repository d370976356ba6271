"""Civil dates: periods, their last day, cut-offs and the instants that bound a day.

The rules are those of Regulation (EEC, Euratom) 1182/71, article 3: a period in months or
years ends with the last hour of the day that bears the same date, or of the last day of the
month where the month lacks it. Nothing here reads a clock.

Two kinds of end are kept apart by type: :class:`RetentionEnd`, which is calendar only, and
:class:`ReplyDeadline`, a procedural deadline that moves to the next working day.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import NewType
from zoneinfo import ZoneInfo

import holidays

RetentionEnd = NewType("RetentionEnd", date)
"""The last day a record may be kept in a phase. Never moved to a working day."""

ReplyDeadline = NewType("ReplyDeadline", date)
"""The last day on which a request may be answered. Moved off weekends and holidays."""

ONE_DAY = timedelta(days=1)

_UNIT = re.compile(r"(\d+)\s+(day|month|year)s?")


@dataclass(frozen=True, slots=True)
class Period:
    """A duration in calendar units, as a policy states it (``3 years``, ``13 months``)."""

    months: int = 0
    days: int = 0

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read ``"3 years"``, ``"13 months"``, ``"0 days"`` or ``"1 year 6 months"``.

        Raises:
            ValueError: the text is anything else.
        """
        units = _UNIT.findall(text)
        if not units or _UNIT.sub("", text).strip():
            raise ValueError(
                f"{text!r} is not a duration; write whole days, months or years, as in '3 years'"
            )
        months = days = 0
        for number, unit in units:
            if unit == "year":
                months += 12 * int(number)
            elif unit == "month":
                months += int(number)
            else:
                days += int(number)
        if months > 12 * 200 or days > 366 * 200:
            raise ValueError(f"{text!r} is longer than 200 years")
        return cls(months=months, days=days)

    def after(self, start: date) -> RetentionEnd:
        """The last day of this period when its clock starts on ``start``.

        ``2024-02-29`` + 3 years is ``2027-02-28``: one is due from the day after.
        Ends beyond the calendar's range are clamped to its last day.
        """
        month = start.year * 12 + start.month - 1 + self.months
        year, month = divmod(month, 12)
        month += 1
        if year > date.max.year:
            return RetentionEnd(date.max)
        day = min(start.day, calendar.monthrange(year, month)[1])
        try:
            return RetentionEnd(date(year, month, day) + timedelta(days=self.days))
        except OverflowError:
            return RetentionEnd(date.max)

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        if months:  # thirteen months are not said as a year and a month
            years, months = 0, self.months
        parts = [(years, "year"), (months, "month"), (self.days, "day")]
        words = [f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in parts if number]
        return " ".join(words) or "0 days"


def close_of_financial_year(day: date, month: int, last_day: int) -> date:
    """The close of the financial year ``day`` falls in, for years closing on ``month-last_day``."""
    for year in (day.year, day.year + 1):
        if year > date.max.year:
            return date.max
        close = date(year, month, min(last_day, calendar.monthrange(year, month)[1]))
        if close >= day:
            return close
    raise AssertionError("a financial year closes within a year")  # pragma: no cover


EndOf = Callable[[date], date]
"""From the day of an event to the last day of the phase it starts; never decreasing."""


def cut_off(end_of: EndOf, as_of: date) -> date:
    """The latest event day whose phase is over on ``as_of``.

    For every event day ``e``: ``end_of(e) < as_of`` exactly when ``e <= cut_off(end_of, as_of)``.
    The inverse is found by bisection, since adding a period cannot be undone by subtracting
    it (31 January + 1 month and 28 February + 1 month end on the same day or a day apart).
    """
    low, high = date.min.toordinal(), as_of.toordinal()
    if not end_of(date.min) < as_of:
        return date.min
    while low < high:
        middle = (low + high + 1) // 2
        if end_of(date.fromordinal(middle)) < as_of:
            low = middle
        else:
            high = middle - 1
    return date.fromordinal(low)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The IANA time zone called ``name``.

    Raises:
        ValueError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone") from None


def day_in(instant: datetime, policy_zone: ZoneInfo, naive_zone: ZoneInfo | None = None) -> date:
    """The civil day on which ``instant`` falls in the policy's zone.

    A naive instant is local to ``naive_zone``, by default the policy's own.
    """
    if instant.tzinfo is None:
        if naive_zone is None or naive_zone.key == policy_zone.key:
            return instant.date()
        instant = instant.replace(tzinfo=naive_zone)
    try:
        return instant.astimezone(policy_zone).date()
    except OverflowError:
        return instant.date()


def start_of(day: date, policy_zone: ZoneInfo) -> datetime:
    """The first instant of ``day`` in the policy's zone, as an aware UTC datetime."""
    local = datetime.combine(day, time.min, policy_zone)
    try:
        return local.astimezone(UTC)
    except OverflowError:
        return local.replace(tzinfo=UTC)


def parse_day(text: str, policy_zone: ZoneInfo) -> date:
    """Read an ISO date or date-time as the civil day it falls on in the policy's zone.

    Raises:
        ValueError: the text is neither.
    """
    try:
        if len(text) == len("2026-01-01"):
            return date.fromisoformat(text)
        return day_in(datetime.fromisoformat(text), policy_zone)
    except ValueError:
        raise ValueError(f"{text!r} is not a date (YYYY-MM-DD) or an ISO date-time") from None


@cache
def _french_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("FR", years=year))


def is_working_day(day: date) -> bool:
    """Whether ``day`` is neither a Saturday, a Sunday nor a public holiday of metropolitan France."""
    return day.weekday() < 5 and day not in _french_holidays(day.year)


def reply_deadline(received_on: date, months: int = 1) -> ReplyDeadline:
    """The last day to answer a request received on ``received_on`` (GDPR art. 12(3)).

    The same day of the month ``months`` later, clamped to its end, moved to the next working
    day (Regulation 1182/71, art. 3(4)).
    """
    day: date = Period(months=months).after(received_on)
    while not is_working_day(day):
        day += ONE_DAY
    return ReplyDeadline(day)
