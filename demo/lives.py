"""The scripted lives: what each made-up person did, and on which civil day in Paris.

A life is written once (``scene`` and the archetypes), rendered twice: as rows of the source
systems (``rows``), and as a script of days (``as_script``) from which ``truth`` says what
must happen. The truth never reads the rows, so a fault in reading them shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime
from typing import Any

UNREADABLE = "?"
"""In a script: a value is there, and nobody can tell which day it means."""

OPEN = "open"
"""In a script: the end of a contract that is in force."""


@dataclass(frozen=True, slots=True)
class When:
    """A moment: the civil day in Paris as the script knows it, and the value to store.

    ``script`` is an ISO day, ``OPEN``, ``UNREADABLE``, or ``None`` for "unknown". ``wall`` is
    Paris wall-clock time, or the very text to store.
    """

    script: str | None = None
    wall: datetime | date | str | None = None

    @property
    def day(self) -> date:
        assert self.script is not None
        return date.fromisoformat(self.script)


NEVER = When()
IN_FORCE = When(OPEN, None)
OPEN_SENTINEL = When(OPEN, date(9999, 12, 31))
UNKNOWN_START = When(None, date(1900, 1, 1))
UNKNOWN_END = When(UNREADABLE, date(1900, 1, 1))
"""An end that took place on a day nobody knows: neither in force nor datable."""


@dataclass(slots=True)
class Dated:
    """A row with one date; ``children`` are the keys of the rows that hang on it."""

    key: int
    when: When
    children: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Contract:
    """``service`` is the last service rendered under it."""

    key: int
    start: When
    end: When
    service: When = NEVER


@dataclass(slots=True)
class Customer:
    """A customer of the CRM with all that hangs on the record."""

    key: int
    mailbox: str | None
    spelling: str = "plain"
    opt_in: int = 0
    collected: When = NEVER
    consent: When = NEVER
    withdrawn: When = NEVER
    contracts: list[Contract] = field(default_factory=list)
    orders: list[Dated] = field(default_factory=list)
    contacts: list[Dated] = field(default_factory=list)
    tickets: list[Dated] = field(default_factory=list)
    invoices: list[Dated] = field(default_factory=list)
    bank: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Account:
    """An account of the web system; its key is a UUID."""

    key: str
    mailbox: str
    spelling: str = "plain"
    created: When = NEVER
    last_login: When = NEVER
    logins: list[Dated] = field(default_factory=list)


@dataclass(slots=True)
class Prospect:
    """A prospect of the marketing system."""

    key: int
    mailbox: str
    collected: When = NEVER
    enquiry: When = NEVER
    consent: When = NEVER
    withdrawn: When = NEVER
    responses: list[Dated] = field(default_factory=list)
    opens: list[Dated] = field(default_factory=list)
    opt_ins: list[Dated] = field(default_factory=list)


@dataclass(slots=True)
class Connection:
    """A line of the web system's connection log."""

    key: int
    when: When
    account: str | None = None


@dataclass(slots=True)
class Tracker:
    """``deposited`` is the first deposit, ``again`` a later one of the same tracker."""

    key: int
    deposited: When = NEVER
    again: When = NEVER
    consent: When = NEVER


@dataclass(slots=True)
class Life:
    """All the records of one person, in every system.

    A ``mailbox`` names an address within the life: two records with the same mailbox have the
    same normalised e-mail address, and no two lives share one. ``intended`` is the phase the
    archetype's author had in mind for the life's first record on the demonstration's day.
    """

    number: int
    archetype: str
    intended: str | None = None
    customers: list[Customer] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    prospects: list[Prospect] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    trackers: list[Tracker] = field(default_factory=list)


def as_script(item: Any) -> Any:
    """A life as plain data for JSON: keys and days only, no name, no address."""
    if isinstance(item, When):
        return item.script
    if is_dataclass(item):
        return {part.name: as_script(getattr(item, part.name)) for part in fields(item)}
    if isinstance(item, list):
        return [as_script(part) for part in item]
    return item
