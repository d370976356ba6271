"""By when a request is to be answered (GDPR art. 12(3); Regulation 1182/71, art. 3). Pure.

One month from receipt, three where it is extended; days on which the identity was in doubt do
not count. An end that falls on a Saturday, a Sunday or a public holiday of metropolitan France
moves to the next working day.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from retention.policy.calendar import ONE_DAY, Period, is_working_day
from retention.requests.model import Request

Urgency = Literal["calm", "soon", "urgent", "late"]

SOON_DAYS = 10
URGENT_DAYS = 3

_MONTH = Period(months=1)
_TWO_MONTHS = Period(months=2)
_THREE_MONTHS = Period(months=3)


def reply_due(received_on: date) -> date:
    """The last day to answer: the same day of the next month, clamped to its end."""
    return due(received_on, extended=False, paused_days=0)


def due(received_on: date, *, extended: bool, paused_days: int) -> date:
    """The last day to answer; each of ``paused_days`` moves the end by a day.

    ``extended`` by two further months: three months from receipt, or one and then two, the
    earlier, so that no reading is missed.

    Raises:
        ValueError: ``paused_days`` is negative.
    """
    if paused_days < 0:
        raise ValueError("a pause cannot last fewer than 0 days")
    end: date = _MONTH.after(received_on)
    if extended:
        end = min(_THREE_MONTHS.after(received_on), _TWO_MONTHS.after(end))
    return _working(end, paused_days)


def due_now(request: Request, as_of: date) -> date:
    """The last day to answer ``request``; of one that is paused, as if the doubt ended today."""
    if request.paused_on is None:
        return request.due_on
    return due(
        request.received_on,
        extended=request.extended_on is not None,
        paused_days=request.paused_days + days_paused(request, as_of),
    )


def days_paused(request: Request, as_of: date) -> int:
    """For how many days the doubt that is not resolved has stopped the clock."""
    return max((as_of - request.paused_on).days, 0) if request.paused_on else 0


def days_left(due_on: date, as_of: date) -> int:
    """Days until the last day: 0 on that day itself, negative after it."""
    return (due_on - as_of).days


def urgency(due_on: date, as_of: date) -> Urgency:
    """``soon`` from ten days before the last day, ``urgent`` from three, ``late`` after it."""
    return urgency_of(days_left(due_on, as_of))


def urgency_of(left: int) -> Urgency:
    """As ``urgency``, by the days that are left."""
    if left < 0:
        return "late"
    if left <= URGENT_DAYS:
        return "urgent"
    return "soon" if left <= SOON_DAYS else "calm"


def _working(end: date, paused_days: int) -> date:
    try:
        day = end + timedelta(days=paused_days)
        while not is_working_day(day):
            day += ONE_DAY
    except OverflowError:
        return date.max
    return day
