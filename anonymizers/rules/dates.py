"""Dates generalised: day, month, quarter, year."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from anonymizers.distinct import Places
from anonymizers.hierarchies import EVERYTHING, HierarchyError
from anonymizers.rules.labelling import UNKNOWN, DistinctRule

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d.*)?", re.ASCII | re.DOTALL)
_UNITS = ("datetime64[D]", "datetime64[M]", "datetime64[M]", "datetime64[Y]")
_FIRST, _LAST = np.datetime64("0001-01-01", "D"), np.datetime64("9999-12-31", "D")


@dataclass(frozen=True)
class ByDate(DistinctRule):
    """Day ("2027-02-28"), month ("2027-02"), quarter ("2027-Q1"), year ("2027"), everything.

    Civil days: a time with an offset is read in ``zone`` (an IANA name) where one is given,
    in its own zone otherwise; a time without one is taken as it stands. Texts are ISO 8601;
    any other text, and a date that does not exist ("0000-00-00"), is ``UNKNOWN``. A column of
    numbers raises ``HierarchyError``: whether they are seconds or years nobody can tell.
    """

    zone: str | None = None
    names: ClassVar[tuple[str, ...]] = ("day", "month", "quarter", "year", EVERYTHING)

    def __post_init__(self) -> None:
        try:
            _ = self._place
        except (KeyError, ValueError, OSError):
            raise HierarchyError(f"there is no time zone {self.zone!r}") from None

    @cached_property
    def _place(self) -> ZoneInfo | None:
        return None if self.zone is None else ZoneInfo(self.zone)

    def _labelled(self, values: pd.Series[Any], at: int) -> tuple[Places, Sequence[str]]:
        dtype = values.dtype
        if pd.api.types.is_numeric_dtype(dtype) and not isinstance(dtype, pd.ArrowDtype):
            raise HierarchyError(f"{values.name}: a column of {dtype} holds no dates")
        if isinstance(dtype, pd.DatetimeTZDtype):
            local = values.dt.tz_convert(self.zone) if self.zone else values
            return _rounded(local.dt.tz_localize(None), at)
        if isinstance(dtype, np.dtype) and dtype.kind == "M":
            return _rounded(values, at)
        return super()._labelled(values, at)

    def _path(self, value: object) -> Sequence[str] | None:
        day = self._day(value)
        return None if day is None else _path_of(day)

    def _day(self, value: object) -> date | None:
        if isinstance(value, str):
            text = value.strip()
            if not _ISO.fullmatch(text):
                return None
            try:
                value = datetime.fromisoformat(text)
            except ValueError:
                return None
        if isinstance(value, datetime):
            if value.tzinfo is not None and self._place is not None:
                try:
                    value = value.astimezone(self._place)
                except OverflowError:
                    return None
            return value.date()
        return value if isinstance(value, date) else None


def _rounded(values: pd.Series[Any], at: int) -> tuple[Places, Sequence[str]]:
    """Times are nearly all distinct and their days are few: round them, then name the distinct."""
    times = values.to_numpy()
    numbers = times.astype(_UNITS[at]).astype(np.int64)
    if at == 2:
        numbers //= 3
    # Nulls have no number: they are taken out by their place.
    places, uniques = pd.factorize(numbers)
    places[np.isnat(times)] = -1
    starts = (uniques * 3 if at == 2 else uniques).astype(_UNITS[at]).astype("datetime64[D]")
    return places, [
        _path_of(day.item())[at] if _FIRST <= day <= _LAST else UNKNOWN for day in starts
    ]


def _path_of(day: date) -> tuple[str, str, str, str]:
    year = f"{day.year:04d}"
    return (
        day.isoformat(),
        f"{year}-{day.month:02d}",
        f"{year}-Q{(day.month + 2) // 3}",
        year,
    )
