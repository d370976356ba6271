"""The words of data subjects' requests: kinds, states, and what a request says.

Pure: what is stored is in ``casebook``, what is done in ``carrying_out``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from retention.errors import RetentionError

RequestId = NewType("RequestId", str)
"""Opaque: 32 hexadecimal characters, made at random."""


class RequestError(RetentionError):
    """A request cannot do what is asked of it now, or there is no such request."""

    exit_code = 8


class Kind(StrEnum):
    """The rights of the notice that a request can be about."""

    access = "access"
    portability = "portability"
    objection = "objection"
    """Prospecting has to stop, or other purposes that are named; the withdrawal of consent is one."""
    rectification = "rectification"
    erasure = "erasure"
    restriction = "restriction"


class State(StrEnum):
    """How far a request is."""

    received = "received"
    verified = "verified"
    planned = "planned"
    executing = "executing"
    answered = "answered"
    refused = "refused"


MOVES: Mapping[State, frozenset[State]] = {
    State.received: frozenset({State.verified, State.refused}),
    State.verified: frozenset({State.planned, State.refused}),
    State.planned: frozenset({State.executing, State.verified, State.refused}),
    State.executing: frozenset({State.answered, State.verified}),
    # A hold that is released, a restriction that is lifted: what it had stopped is taken up.
    State.answered: frozenset({State.verified}),
    State.refused: frozenset(),
}
"""Where a request may go from each state. ``verified`` again: to be carried out once more."""

OPEN = frozenset({State.received, State.verified, State.planned, State.executing})


RESTORED = "restored"
"""The channel of a request that the program opens for records that a backup has brought back."""


def held_for(request_id: RequestId) -> str:
    """The reason by which the restriction of a request is found among the holds."""
    return f"request {request_id}"


FIELDS = ("family_name", "first_name", "email", "phone", "address", "customer_ref")
"""By what a request says who is asking."""


@dataclass(frozen=True)
class Asked:
    """What a request says: who is asking, and what for. Personal data: sealed in the store.

    ``corrections`` go from a category of data (``user.contact.email``) to the right value.
    """

    family_name: str | None = None
    first_name: str | None = None
    email: str | None = None
    phone: str | None = None
    """As E.164: ``+33612345678``."""
    address: str | None = None
    customer_ref: str | None = None
    corrections: Mapping[str, str] = field(default_factory=dict)
    message: str | None = None
    """The person's own words; read by people only."""
    purposes: tuple[str, ...] = ()
    """What an objection is about, by the policy's ids; where none is named, prospecting."""

    def said(self) -> dict[str, str]:
        """The fields of ``FIELDS`` that are given."""
        found = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Request:
    """A request as the casebook keeps it.

    ``asked`` is for restricted eyes, and ``None`` once it is no longer needed: not for the
    letter either (``sending``).
    """

    request_id: RequestId
    kind: Kind
    state: State
    received_on: date
    due_on: date
    """The day the answer is due; it moves with an extension, and with days of doubt."""
    channel: str
    """``command line``, ``inbox``, ``table`` or ``restored``."""
    attempt: int
    asked: Asked | None = None
    verified_at: datetime | None = None
    extended_on: date | None = None
    paused_on: date | None = None
    paused_days: int = 0
    run_id: str | None = None
    failure: str | None = None
    """Why the last attempt failed; safe to show."""
    answered_on: date | None = None
    forget_on: date | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class Outcome(StrEnum):
    """What became of the rows of one table, for one purpose."""

    deleted = "deleted"
    archived = "archived"
    """Moved to the archive, or left there, until a day, because of a duty."""
    kept = "kept"
    """Left in the active base, because a contract is in force or another purpose is live."""
    held = "held"
    """Stopped by a legal hold or a restriction: taken up when that ends."""
    review = "review"
    """A person has to decide: a date cannot be read or contradicts another."""
    stopped = "stopped"
    """The table's owner tree was stopped: its system cannot be reached, or has drifted."""
    corrected = "corrected"
    restricted = "restricted"
    restored = "restored"
    copied = "copied"
    nothing = "nothing"
    """Nobody of that description is known here."""


@dataclass(frozen=True)
class OutcomeLine:
    """One line of what became of a request. No personal data.

    ``purpose`` is empty where the outcome is not about one; ``until`` is the last day of the
    archive; ``because`` names the reason (``BECAUSE``).
    """

    table: str
    purpose: str
    outcome: Outcome
    rows: int
    until: date | None = None
    because: str | None = None


BECAUSE = {
    "contract_in_force": "a contract is in force",
    "statute": "the law obliges to keep it",
    "claims": "it may be needed for legal claims within the time the law gives",
    "legal_hold": "a legal hold is in force",
    "restriction": "a restriction is in force",
    "other_purpose": "another purpose still needs it",
    "undecidable": "a date is missing or contradicts another; a person decides",
    "out_of_reach": "the system cannot be reached or has changed",
    "evidence": "an accounting document is not changed",
    "quoted": "a text quotes it, and texts are not rewritten",
    "identifier": "the person signs in with it, or rows are told apart by it",
}
"""Why something was not simply done, in English; ``letters`` says it in French too."""
