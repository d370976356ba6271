"""One record as its person is told of it: values, purposes, the day it goes, what is not shown.

Three things are named and not shown: secrets (a password's hash helps nobody but a thief), what
points at another person (GDPR art. 15(4)), and columns that nobody has described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa

from retention.catalogue.dates import DateColumn, NoDay
from retention.catalogue.declarations import Column, DateFormat
from retention.catalogue.model import Table, TableName
from retention.catalogue.taxonomy import falls_under
from retention.execution.sealing import (
    OWNER_PREFIX,
    RESTRICTED,
    RESTRICTED_UNTIL,
    unpack_facts,
)
from retention.execution.trees import TreeRow
from retention.holds import Person
from retention.installation import Installation
from retention.policy.calendar import ONE_DAY, zone
from retention.policy.decide import (
    Action,
    Decision,
    Location,
    Phase,
    PurposeDecision,
    decide,
)
from retention.requests.doing.persons import Archived

SECRETS = "user.authorization"
"""The category of what is never handed out: passwords, credentials."""

_ON_REQUEST = frozenset({"consent", "contract"})
"""The legal bases under which what a person supplied is portable (GDPR art. 20(1)(a))."""


class Withheld(StrEnum):
    """Why a value that is held is not shown."""

    secret = "secret"  # noqa: S105 - a word, not one
    other_person = "other_person"
    undescribed = "undescribed"


@dataclass(frozen=True)
class HeldFor:
    """A purpose that a record is held for. ``until`` is its last day; ``None``: none is known."""

    purpose: str
    phase: str
    until: date | None


@dataclass(frozen=True)
class Record:
    """One record. ``values`` leaves out what is ``withheld``."""

    place: Literal["active", "archive"]
    phase: str
    values: Mapping[str, Any]
    withheld: Mapping[str, Withheld]
    portable: frozenset[str]
    """The columns that the person supplied, and that are held under consent or a contract."""
    held_for: tuple[HeldFor, ...]
    goes_on: date | None
    """The first day on which the record is no longer kept: today where that has passed."""
    because: str | None = None
    """Why there is no such day yet (a word of ``model.BECAUSE``)."""
    earlier: Mapping[str, date] = field(default_factory=dict)
    """Columns that go before the record does, and on which day."""


@dataclass(frozen=True)
class GatheredTable:
    """A table in which something is the person's."""

    name: TableName
    recipients: tuple[str, ...]
    """Names in ``catalogue.recipients``."""
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Disclosing:
    """To whom, and on what day, records are disclosed."""

    installation: Installation
    persons: frozenset[Person]
    as_of: date

    @cached_property
    def keys(self) -> frozenset[tuple[TableName, tuple[str, ...]]]:
        """The persons' keys as text: a reference can be stored in another type."""
        return frozenset((table, tuple(map(str, key))) for table, key in self.persons)

    @cached_property
    def portable_purposes(self) -> frozenset[str]:
        purposes = self.installation.policy.version_on(self.as_of).purposes
        return frozenset(
            name for name, purpose in purposes.items() if purpose.legal_basis in _ON_REQUEST
        )

    def declared(self, name: TableName) -> Table | None:
        """The table, or ``None`` where the catalogue has lost it since its rows were archived."""
        try:
            return self.installation.catalogue.table(name)
        except KeyError:
            return None

    def column(self, name: TableName, column: str) -> Column | None:
        """A column's declaration; an owner's, where the row carries it along."""
        table = self.declared(name)
        if column.startswith(OWNER_PREFIX):
            owner = self.installation.catalogue.owner_of(name) if table else None
            table = self.declared(owner) if owner else None
            column = column.removeprefix(OWNER_PREFIX)
        return table.columns.get(column) if table else None


def of_source(
    disclosing: Disclosing, row: TreeRow, decision: Decision, stopped: str | None
) -> Record:
    """A row of a source system, or of what follows it.

    ``decision`` is the one on the row that decides; ``stopped`` says which hold there is.
    """
    live = [item for item in decision.purposes if item.live]
    values, withheld = _shown(disclosing, row.name, row.row)
    goes_on, because = _goes(live, disclosing.as_of)
    if decision.action is Action.hold:
        goes_on, because = None, stopped or "legal_hold"
    return Record(
        place="active",
        phase=decision.phase,
        values=values,
        withheld=withheld,
        portable=_portable(disclosing, row.name, values, {item.purpose for item in live}),
        held_for=tuple(HeldFor(item.purpose, item.phase, _until(item)) for item in live),
        goes_on=goes_on,
        because=because,
        earlier=_earlier(row, live, goes_on, disclosing.as_of),
    )


def of_archive(disclosing: Disclosing, parts: Sequence[Archived], stopped: str | None) -> Record:
    """A record of the archive, put together; of its parts the first stays longest."""
    first = parts[0]
    because = stopped or ("restriction" if first.expires_on >= RESTRICTED_UNTIL else None)
    values: dict[str, Any] = {}
    withheld: dict[str, Withheld] = {}
    portable: set[str] = set()
    until: dict[str, date | None] = {}
    for part in parts:
        shown, hidden = _shown(disclosing, part.table, part.values)
        values |= shown
        withheld |= hidden
        kept_for = _kept_for(disclosing, part)
        portable |= _portable(disclosing, part.table, shown, set(kept_for))
        until |= {purpose: day for purpose, day in kept_for.items() if purpose not in until}
    return Record(
        place="archive",
        phase=Phase.archive,
        values=_in_order(disclosing.declared(first.table), values),
        withheld=withheld,
        portable=frozenset(portable),
        held_for=tuple(HeldFor(name, Phase.archive, day) for name, day in sorted(until.items())),
        goes_on=None if because else max(first.expires_on, disclosing.as_of),
        because=because,
        earlier={
            name: max(part.expires_on, disclosing.as_of)
            for part in parts
            if not because and part.expires_on < first.expires_on
            for name in part.values
        },
    )


def _kept_for(disclosing: Disclosing, part: Archived) -> dict[str, date | None]:
    """The purposes that still keep a part, each with its last day; the part goes after the latest.

    An invoice lies there for the contract and for the law: the one may be over before the other.
    """
    purposes = part.purposes or _always(disclosing, part.table)
    if part.expires_on >= RESTRICTED_UNTIL:
        return dict.fromkeys(purposes)
    last = part.expires_on - ONE_DAY
    ends = _ends(disclosing, part)
    days: dict[str, date | None] = {name: min(ends.get(name, last), last) for name in purposes}
    live: dict[str, date | None] = {
        name: day for name, day in days.items() if day and day >= disclosing.as_of
    }
    return live or days


def _ends(disclosing: Disclosing, part: Archived) -> dict[str, date]:
    """The last day of each purpose, by what was put away with the part."""
    known = disclosing.installation.policy.version_on(disclosing.as_of).purposes
    if RESTRICTED in part.facts or not set(part.purposes) <= set(known) or not part.facts:
        return {}
    facts, names = unpack_facts(part.facts)
    purposes = [known[name] for name in names]
    decision = decide(purposes, facts, disclosing.as_of, location=Location.archive)
    return {item.purpose: end for item in decision.purposes if (end := _until(item))}


def _always(disclosing: Disclosing, name: TableName) -> tuple[str, ...]:
    """The purposes that every row of a table is held for: what a restriction took away says none."""
    if disclosing.declared(name) is None:
        return ()
    catalogue = disclosing.installation.catalogue
    purposes = catalogue.table(catalogue.clock_of(name)).purposes
    return tuple(purpose for purpose, condition in purposes.items() if condition is None)


def _in_order(table: Table | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as the catalogue has them, then what was carried along: parts come as they do."""
    places = {name: place for place, name in enumerate(table.columns if table else ())}
    return dict(
        sorted(values.items(), key=lambda item: (places.get(item[0], len(places)), item[0]))
    )


def _until(item: PurposeDecision) -> date | None:
    """The last day of a live purpose; a contract in force has none."""
    if item.open_ended or item.phase is Phase.review:
        return None
    last = max((end for end in (item.active_through, item.archive_through) if end), default=None)
    return last if last and last < date.max else None


def _goes(live: Sequence[PurposeDecision], as_of: date) -> tuple[date | None, str | None]:
    """The day on which what ``live`` purposes keep goes; or why none is known."""
    if any(item.phase is Phase.review for item in live):
        return None, "undecidable"
    ends = [_until(item) for item in live]
    if None in ends:
        return None, "contract_in_force"
    return max((end + ONE_DAY for end in ends if end), default=as_of), None


def _earlier(
    row: TreeRow, live: Sequence[PurposeDecision], goes_on: date | None, as_of: date
) -> dict[str, date]:
    """Columns that fewer purposes need than the record."""
    if goes_on is None:
        return {}
    found = {}
    for name in row.row:
        column = row.table.columns.get(name)
        if column is None or not column.purposes or name in row.table.key:
            continue
        day, _ = _goes([item for item in live if item.purpose in column.purposes], as_of)
        if day is not None and day < goes_on:
            found[name] = day
    return found


def _portable(
    disclosing: Disclosing, table: TableName, values: Mapping[str, Any], purposes: set[str]
) -> frozenset[str]:
    """The columns of ``values`` that the person supplied for a purpose on their own request."""
    found = set()
    for name in values:
        column = disclosing.column(table, name)
        if column is None or not column.supplied:
            continue
        needed = purposes & set(column.purposes) if column.purposes else purposes
        if needed & disclosing.portable_purposes:
            found.add(name)
    return frozenset(found)


def _shown(
    disclosing: Disclosing, table: TableName, row: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Withheld]]:
    """The values of a row that are handed out, decoded, and why the others are not."""
    others = _of_others(disclosing, table, row)
    values: dict[str, Any] = {}
    withheld: dict[str, Withheld] = {}
    for name, value in row.items():
        column = disclosing.column(table, name)
        if column is not None and value is None:
            values[str(name)] = None
        elif column is None:
            withheld[str(name)] = Withheld.undescribed
        elif falls_under(column.category, SECRETS):
            withheld[str(name)] = Withheld.secret
        elif name in others:
            withheld[str(name)] = Withheld.other_person
        else:
            values[str(name)] = _decoded(disclosing, table, name, column, value)
    return values, withheld


def _of_others(disclosing: Disclosing, name: TableName, row: Mapping[str, Any]) -> set[str]:
    """The columns by which a row points at a person who is not asking."""
    table = disclosing.declared(name)
    found: set[str] = set()
    for reference in table.references if table else ():
        target = TableName(f"{name.partition('.')[0]}.{reference.table}")
        declared = disclosing.declared(target)
        key = tuple(row.get(column) for column in reference.via)
        if declared is None or not declared.subject or None in key:
            continue
        if (target, tuple(map(str, key))) not in disclosing.keys:
            found |= set(reference.via)
    return found


def _decoded(
    disclosing: Disclosing, table: TableName, name: str, column: Column, value: Any
) -> Any:
    """A value as a person reads it: epochs as instants, stand-ins for "none" as nothing."""
    if value is None:
        return None
    policy_zone = disclosing.installation.zone
    system = disclosing.installation.catalogue.systems[table.partition(".")[0]]
    days = DateColumn.bind(sa.column(name), column, "sqlite", zone(system.time_zone), policy_zone)
    if (days.unknown or days.open) and days.read(value) in (NoDay.unknown, NoDay.open):
        return None
    if column.format is DateFormat.native or not isinstance(days.read(value), date):
        return value
    seconds = float(value) / (days.scale or 1)
    instant = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    return instant.astimezone(policy_zone)
