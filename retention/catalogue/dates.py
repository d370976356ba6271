"""Reading a column's dates, in Python and in SQL, so that both see the same civil day.

A date column holds a database's own date or timestamp, ISO text (SQLite), or an epoch
number; naive instants are local to a declared zone; declared sentinels mean "unknown" or
"open". Every SQL expression made here is two-valued: never NULL, so that ``NOT`` is safe.
Columns are compared to constants wherever a constant exists, so that an index serves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from retention.catalogue import declarations
from retention.catalogue.normalise import normalise
from retention.policy.calendar import ONE_DAY, day_in, start_of, zone

_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"
)
_LAST_EPOCH_SECOND = 253402300799
_FIRST_EPOCH_SECOND = -62135596800


class NoDay(Enum):
    """What a value can be instead of a day."""

    unknown = auto()
    open = auto()
    unreadable = auto()


class Form(Enum):
    """How the database holds the dates of a column."""

    text = auto()
    date = auto()
    naive = auto()
    aware = auto()
    epoch = auto()


def register_sqlite_functions(connection: Any, policy_zone: ZoneInfo) -> None:
    """Give an SQLite connection ``retention_day`` and ``retention_normalise``.

    SQLite's own date functions know no zones and read impossible days as possible ones.
    """

    def sql_day(value: object, naive_zone: str, scale: int) -> str | None:
        day = read_day(value, zone(naive_zone), policy_zone, scale or None)
        return day.isoformat() if day else None

    connection.create_function("retention_day", 3, sql_day, deterministic=True)
    connection.create_function("retention_normalise", 2, normalise, deterministic=True)


def read_day(
    value: object, naive_zone: ZoneInfo, policy_zone: ZoneInfo, scale: int | None
) -> date | None:
    """The civil day of a stored value in the policy's zone; ``None`` where it is no date.

    ``scale`` is the number of units a second for epoch columns, else ``None``.
    """
    if scale is not None:
        return _read_epoch(value, policy_zone, scale)
    if isinstance(value, datetime):
        return day_in(value, policy_zone, naive_zone)
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        return _read_text(value, naive_zone, policy_zone)
    return None


@lru_cache(maxsize=65_536)
def _read_text(text: str, naive_zone: ZoneInfo, policy_zone: ZoneInfo) -> date | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        if len(text) == len("2026-01-01"):
            return date.fromisoformat(text)
        return day_in(datetime.fromisoformat(text.replace(",", ".")), policy_zone, naive_zone)
    except ValueError:
        return None


def _read_epoch(value: object, policy_zone: ZoneInfo, scale: int) -> date | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    seconds = value / scale
    if not _FIRST_EPOCH_SECOND <= seconds <= _LAST_EPOCH_SECOND:
        return None
    return day_in(datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(seconds)), policy_zone)


_SCALES = {
    declarations.DateFormat.epoch_seconds: 1,
    declarations.DateFormat.epoch_milliseconds: 1000,
}


def date_column_problem(
    dialect_name: str, column: sa.Column[Any], annotation: declarations.Column
) -> str | None:
    """Why ``column`` cannot serve as an event's date; ``None`` where it can."""
    if annotation.format is not declarations.DateFormat.native or dialect_name == "sqlite":
        return None
    if isinstance(column.type, sa.Date | sa.DateTime):
        return None
    return f"holds {column.type}, which is neither a date, a timestamp nor a declared epoch"


@dataclass(frozen=True)
class DateColumn:
    """A column of dates, bound to a dialect and to its zones."""

    expression: ColumnElement[Any]
    form: Form
    naive_zone: ZoneInfo
    policy_zone: ZoneInfo
    scale: int | None = None
    unknown: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    sqlite: bool = False

    def written(self, day: date) -> Any:
        """``day`` as this column holds it: its first instant where it holds instants."""
        if self.form is Form.text:
            return day.isoformat()
        if self.form is Form.date:
            return day
        start = start_of(day, self.policy_zone)
        if self.form is Form.naive:
            return start.astimezone(self.naive_zone).replace(tzinfo=None)
        if self.form is Form.aware:
            return start
        return int(start.timestamp()) * (self.scale or 1)

    @classmethod
    def bind(
        cls,
        expression: ColumnElement[Any],
        annotation: declarations.Column,
        dialect_name: str,
        system_zone: ZoneInfo,
        policy_zone: ZoneInfo,
    ) -> DateColumn:
        """Bind ``expression`` (a column of a table or of its alias)."""
        scale = _SCALES.get(annotation.format)
        if scale is not None:
            form = Form.epoch
        elif dialect_name == "sqlite":
            form = Form.text
        elif isinstance(expression.type, sa.DateTime):
            form = Form.aware if expression.type.timezone else Form.naive
        else:
            form = Form.date
        return cls(
            expression=expression,
            form=form,
            naive_zone=zone(annotation.time_zone) if annotation.time_zone else system_zone,
            policy_zone=policy_zone,
            scale=scale,
            unknown=annotation.sentinels.unknown,
            open=annotation.sentinels.open,
            sqlite=dialect_name == "sqlite",
        )

    # --- in Python -------------------------------------------------------------------

    def read(self, value: object) -> date | NoDay:
        """The civil day of a value fetched from this column, or why there is none."""
        if value is None or self._is_sentinel(value, self.unknown):
            return NoDay.unknown
        if self._is_sentinel(value, self.open):
            return NoDay.open
        return read_day(value, self.naive_zone, self.policy_zone, self.scale) or NoDay.unreadable

    def _is_sentinel(self, value: object, sentinels: tuple[str, ...]) -> bool:
        if not sentinels:
            return False
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(self.naive_zone)
        text = str(value)
        return text in sentinels or (self.form is not Form.epoch and text[:10] in sentinels)

    # --- in SQL ----------------------------------------------------------------------

    def known(self) -> ColumnElement[bool]:
        """A value is there and is no sentinel (it may be unreadable)."""
        return sa.and_(self.expression.is_not(None), sa.not_(self._any(self.unknown + self.open)))

    def is_open(self) -> ColumnElement[bool]:
        return self._any(self.open)

    def is_unknown_sentinel(self) -> ColumnElement[bool]:
        return self._any(self.unknown)

    def unreadable(self) -> ColumnElement[bool]:
        """A value is there, is no sentinel and is no date."""
        if self.form in (Form.text, Form.epoch) and self.sqlite:
            return sa.and_(self.known(), self._sqlite_day().is_(None))
        low, high = self._range()
        outside = sa.or_(self.expression < low, self.expression > high)
        return sa.and_(self.known(), outside)

    def on_or_before(self, day: date) -> ColumnElement[bool]:
        """A readable date falls on ``day`` or earlier, in the policy's zone."""
        if self.form is Form.text:
            near = self.expression < _text_day(day, 2)
            exact = sa.func.coalesce(self._sqlite_day(), "~") <= day.isoformat()
            return sa.and_(self.known(), near, exact)
        low, _ = self._range()
        return sa.and_(self.known(), self._readable(), self.expression >= low, self._below(day))

    def after(self, day: date) -> ColumnElement[bool]:
        """A readable date falls after ``day``, in the policy's zone."""
        if self.form is Form.text:
            near = self.expression >= _text_day(day, -1)
            exact = sa.func.coalesce(self._sqlite_day(), "") > day.isoformat()
            return sa.and_(self.known(), near, exact)
        _, high = self._range()
        beyond = sa.not_(self._below(day))
        return sa.and_(self.known(), self._readable(), self.expression <= high, beyond)

    def day(self) -> ColumnElement[Any]:
        """The civil day, comparable with that of any other column of the same database."""
        if self.sqlite:
            return self._sqlite_day()
        policy, naive = self.policy_zone.key, self.naive_zone.key
        if self.form is Form.date:
            return self.expression
        if self.form is Form.naive:
            if policy == naive:
                return sa.cast(self.expression, sa.Date)
            instant: ColumnElement[Any] = sa.func.timezone(naive, self.expression)
        elif self.form is Form.epoch:
            instant = sa.func.to_timestamp(self.expression / sa.literal(self.scale))
        else:
            instant = self.expression
        return sa.cast(sa.func.timezone(policy, instant), sa.Date)

    def _readable(self) -> ColumnElement[bool]:
        """On SQLite an epoch column can hold text, which sorts above every number."""
        if self.sqlite:
            return self._sqlite_day().is_not(None)
        return sa.true()

    def _sqlite_day(self) -> ColumnElement[Any]:
        return sa.func.retention_day(
            self.expression, self.naive_zone.key, self.scale or 0, type_=sa.String
        )

    def _below(self, day: date) -> ColumnElement[bool]:
        if self.form is Form.date:
            return self.expression <= sa.literal(day, sa.Date)
        if day >= date.max - ONE_DAY:
            return sa.true()
        return self.expression < self._instant(start_of(day + ONE_DAY, self.policy_zone))

    def _instant(self, instant: datetime) -> ColumnElement[Any]:
        if self.form is Form.epoch:
            return sa.literal(round(instant.timestamp() * (self.scale or 1)))
        if self.form is Form.naive:
            local = instant.astimezone(self.naive_zone).replace(tzinfo=None)
            return sa.literal(local, sa.DateTime(timezone=False))
        return sa.literal(instant, sa.DateTime(timezone=True))

    def _range(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """The bounds outside which a value is no civil day (``infinity``, years BC)."""
        if self.form is Form.date:
            return sa.literal(date.min, sa.Date), sa.literal(date.max, sa.Date)
        if self.form is Form.epoch:
            scale = self.scale or 1
            return sa.literal(_FIRST_EPOCH_SECOND * scale), sa.literal(_LAST_EPOCH_SECOND * scale)
        first, last = datetime(1, 1, 2), datetime(9999, 12, 30, 23, 59, 59, 999999)  # noqa: DTZ001
        if self.form is Form.aware:
            first, last = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
        kind = sa.DateTime(timezone=self.form is Form.aware)
        return sa.literal(first, kind), sa.literal(last, kind)

    def _any(self, sentinels: tuple[str, ...]) -> ColumnElement[bool]:
        """Whether the value is one of ``sentinels``; false for NULL."""
        tests = [test for text in sentinels if (test := self._equals(text)) is not None]
        if not tests:
            return sa.false()
        return sa.and_(self.expression.is_not(None), sa.or_(*tests))

    def _equals(self, text: str) -> ColumnElement[bool] | None:
        if self.sqlite:
            written = sa.cast(self.expression, sa.String)
            if self.form is Form.epoch:
                return written == text
            return sa.or_(written == text, sa.func.substr(written, 1, 10) == text)
        if self.form is Form.epoch:
            try:
                return self.expression == sa.literal(int(text))
            except ValueError:
                return None
        if text in ("infinity", "-infinity"):
            return self.expression == sa.cast(sa.literal(text), self.expression.type)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return None
        if self.form is Form.date:
            return self.expression == sa.literal(day, sa.Date)
        start = datetime.combine(day, datetime.min.time())
        end = datetime.combine(min(day, date.max - ONE_DAY) + ONE_DAY, datetime.min.time())
        if self.form is Form.naive:
            kind = sa.DateTime(timezone=False)
        else:
            kind = sa.DateTime(timezone=True)
            start, end = start.replace(tzinfo=self.naive_zone), end.replace(tzinfo=self.naive_zone)
        return sa.and_(
            self.expression >= sa.literal(start, kind), self.expression < sa.literal(end, kind)
        )


def _text_day(day: date, shift: int) -> str:
    """An ISO day a little away, for the part of a comparison that an index can serve."""
    try:
        return (day + timedelta(days=shift)).isoformat()
    except OverflowError:
        return "~" if shift > 0 else ""
