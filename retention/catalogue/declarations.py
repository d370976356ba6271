"""What a catalogue says of columns: categories, dates, events, conditions, references."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from retention.catalogue.rules import Coordinate
from retention.documents import StrictModel
from retention.policy.table import TimeZone

Scalar = str | int | float | bool


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class DateFormat(StrEnum):
    """How a column writes its dates, where its SQL type does not say."""

    native = "native"
    """The database's own date or timestamp type; on SQLite, ISO text."""
    epoch_seconds = "epoch_seconds"
    epoch_milliseconds = "epoch_milliseconds"


class Sentinels(StrictModel):
    """Values that are no dates: ``unknown`` reads as absent, ``open`` as "no end"."""

    unknown: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _written_as_dates(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {
                key: [str(item) for item in value] if isinstance(value, list) else value
                for key, value in data.items()
            }
        return data


class Pseudonymise(StrEnum):
    """What happens to a column when its row is pseudonymised in place."""

    keep = "keep"
    token = "token"  # noqa: S105 - a pseudonym, not a secret
    clear = "clear"


class Column(StrictModel):
    """One column of a governed table."""

    category: str
    """A data category of the Fides taxonomy, or one the policy declares as custom."""
    identifies: bool = False
    """Whether the value can identify the person: such columns are sealed in the vault."""
    purposes: tuple[str, ...] = ()
    """The purposes that need this column; empty means every purpose of the table."""
    archive: Literal["keep", "drop"] = "keep"
    pseudonymise: Pseudonymise = Pseudonymise.keep
    cleared_as: Scalar | None = None
    """What a cleared column holds; null unless the column cannot hold one."""
    format: DateFormat = DateFormat.native
    time_zone: TimeZone | None = None
    """The zone naive instants are local to; by default the system's."""
    sentinels: Sentinels = Sentinels()
    supplied: bool = False
    """Whether the person supplied the value: what a request for portability hands over.

    By telling it or by using the service (when they logged in); not what was concluded about them
    (a segment).
    """
    on_update_clock: bool = False
    """The database rewrites this column whenever the row changes; its old value is put back."""


class Recipient(StrictModel):
    """Somebody outside to whom rows have gone; told of what becomes of them (GDPR art. 19)."""

    label: str
    label_fr: str = ""
    contact: str
    """Where notices go: an address of the organisation, not of a person."""
    tables: Names
    """``system.table``, as often as there are."""
    outside_eu: str = ""
    """The safeguard under which the data leave the European Union (GDPR art. 45, 46), in English;
    empty where they do not. The person who asks for a copy is told (art. 15(2))."""
    outside_eu_fr: str = ""
    """The same in French."""


TODAY = "today"
"""What an objection writes into a column that holds the day of a withdrawal."""


class Reference(StrictModel):
    """A foreign key: the table it points at, and the columns that do.

    As one of a table's ``references`` it is not ownership: a row referred to is not deleted.
    """

    table: str
    """A table of the same system."""
    via: Names
    """This table's columns, in the order of the other table's key."""


class Owner(Reference):
    """The table whose rows own this table's rows."""

    carry: tuple[str, ...] = ()
    """Owner's columns that an archived row takes along, since it may outlive its owner."""


class EventSource(StrictModel):
    """Where the days of an event are found: a column, or a start/end pair.

    Without ``table`` the columns are the row's own. ``table`` names a table of the same
    system owned by this one. With ``link`` they are those of the link's far table (or of a
    ``table`` that it owns) in another system.
    """

    column: str | None = None
    start: str | None = None
    end: str | None = None
    table: str | None = None
    link: str | None = None

    @model_validator(mode="after")
    def _column_or_pair(self) -> EventSource:
        pair = self.start is not None and self.end is not None
        if (self.column is not None) == pair or (self.start is None) != (self.end is None):
            raise ValueError("give either 'column', or 'start' and 'end'")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.column, self.start, self.end) if name)


EventSources = Annotated[tuple[EventSource, ...], BeforeValidator(_as_list)]


class Condition(StrictModel):
    """When a purpose applies to a row: a comparison of one of its columns."""

    column: str
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] = ()
    is_null: bool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if sum((self.equals is not None, bool(self.one_of), self.is_null is not None)) != 1:
            raise ValueError("give one of 'equals', 'one_of' and 'is_null'")
        return self


def _condition(value: Any) -> Any:
    return None if value == "always" else value


PurposeCondition = Annotated[Condition | None, BeforeValidator(_condition)]


class Dimension(Coordinate):
    """A coordinate of an accumulator's cells."""

    by: Literal["value", "year", "month"] | None = None
    """Short for a rule and its level: the value, or the year or month of a date."""

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("by") is None:
            return data
        if "rule" in data or "level" in data:
            raise ValueError("give either 'by', or 'rule' and 'level'")
        if data["by"] in ("year", "month"):
            return {**data, "rule": {"kind": "date"}, "level": data["by"]}
        return data


class Accumulator(StrictModel):
    """Restricted counts and sums that keep a table's history once its rows have left.

    Besides its rows a cell has how many persons there were at least, and what one of them
    added at most, so that a release can tell which cells may be shown.
    """

    by: tuple[Dimension, ...]
    sums: tuple[str, ...] = ()
    subject: Names | None = None
    """Columns that name the person a row belongs to, the first that is not null; by default
    the row's owner, or the row itself."""
