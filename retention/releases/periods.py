"""Periods of a cube with noise: which are over, and which may still be drawn."""

from __future__ import annotations

from datetime import date

from retention.policy.calendar import ONE_DAY

MONTHS = {"month": 1, "quarter": 3, "year": 12}


def drawable(level: str, as_of: date, reach: int) -> list[str]:
    """The labels of the ``reach`` latest periods that ended before the month of ``as_of``.

    ``level`` is month, quarter or year; the oldest comes first.
    """
    size = MONTHS[level]
    last = as_of.replace(day=1) - ONE_DAY
    place = last.year * 12 + last.month - 1
    if (place + 1) % size:  # the period of the last month is not over yet
        place -= size
    first = place - place % size
    starts = [first - size * back for back in range(reach)]
    return [_label(level, start) for start in reversed(starts) if start >= 12]


def _label(level: str, place: int) -> str:
    year, month = divmod(place, 12)
    if level == "year":
        return f"{year:04}"
    if level == "quarter":
        return f"{year:04}-Q{month // 3 + 1}"
    return f"{year:04}-{month + 1:02}"
