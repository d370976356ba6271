"""The requests in which something is left to do, as one looks at them all: ids, days, counts.

Nothing in an overview is about a person, so it may be shown wherever the orchestrator shows
what it does.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.book import casebook, deadlines, sending
from retention.requests.book.deadlines import Urgency
from retention.requests.book.sending import Letter
from retention.requests.model import OPEN, Request, State

SHORT = 12
"""Characters of a request's id: enough to name it by."""


@dataclass(frozen=True)
class Line:
    """A request that is open, or over while the person or a recipient has not been told."""

    request: Request
    due_on: date
    """The last day to answer; while the identity is in doubt, as if it were resolved today."""
    days_left: int
    unsent: int
    """Notices to recipients that wait in the outbox."""
    choices: int
    """Records of which a person has to say whether they are the asking person's."""
    letter: Letter | None = None
    """The letter to the person, where it is not marked as sent."""

    @property
    def urgency(self) -> Urgency:
        """By ``deadlines``; an answered request is late where a recipient was not told in time."""
        return deadlines.urgency_of(self.days_left)

    @property
    def lifted(self) -> bool:
        """Whether the letter that waits is that of a restriction's end."""
        return self.letter is not None and self.letter.what == sending.LIFTED

    @property
    def name(self) -> str:
        """The beginning of the request's opaque id."""
        return self.request.request_id[:SHORT]

    @property
    def waits_for(self) -> str:
        """What keeps it, in words; empty where nothing but its turn does."""
        request, found = self.request, []
        if request.failure:
            found.append(f"failed: {request.failure}")
        if request.paused_on:
            found.append(f"identity in doubt since {request.paused_on}")
        if self.choices:
            found.append(f"{self.choices} record(s) to choose about")
        elif request.state is State.received and not request.paused_on:
            found.append("the identity to be verified")
        if self.unsent:
            found.append(f"{self.unsent} recipient(s) to be told")
        if self.letter:
            found.append(self.letter.waits)
        return "; ".join(found)


@dataclass(frozen=True)
class Overview:
    """All of them on a day, the most urgent first."""

    as_of: date
    lines: tuple[Line, ...]

    @property
    def open(self) -> tuple[Line, ...]:
        """Those that are not answered."""
        return tuple(line for line in self.lines if line.request.is_open)

    @property
    def untold(self) -> tuple[Line, ...]:
        """Those that are answered, and of which a recipient has not been told."""
        return tuple(line for line in self.lines if not line.request.is_open and line.unsent)

    @property
    def to_send(self) -> tuple[Line, ...]:
        """Those that are over, and whose letter is not marked as sent."""
        return tuple(line for line in self.lines if line.letter)

    def among(self, *urgencies: Urgency) -> tuple[Line, ...]:
        """The open ones that are as urgent as that."""
        return tuple(line for line in self.open if line.urgency in urgencies)

    def where(self, holds: Callable[[Request], object]) -> int:
        """How many of the open ones are so."""
        return sum(bool(holds(line.request)) for line in self.open)

    def digest(self) -> str:
        """Equal for what looks equal."""
        seen = [
            (line.name, line.request.kind, line.request.state, line.request.attempt,
             line.due_on, line.days_left, line.waits_for)
            for line in self.lines
        ]  # fmt: skip
        return hashlib.sha256(repr((self.as_of, seen)).encode()).hexdigest()


def overview(installation: Installation, as_of: date) -> Overview:
    """The requests in which something is left to do, as they stand on ``as_of``.

    Raises:
        StoreError: the cases store cannot be read.
    """
    unsent = Counter(item.request_id for item in outbox.listed(installation, unsent_only=True))
    letters = sending.unsent(installation)
    found = casebook.listed(installation, states=OPEN)
    known = {request.request_id for request in found}
    over = sorted({*unsent, *letters} - known)
    found += [casebook.get(installation, number) for number in over]
    lines = [
        _line(installation, item, unsent[item.request_id], letters.get(item.request_id), as_of)
        for item in found
    ]
    return Overview(as_of, tuple(sorted(lines, key=lambda line: (line.days_left, line.name))))


def _line(
    installation: Installation, request: Request, unsent: int, letter: Letter | None, as_of: date
) -> Line:
    due_on = deadlines.due_now(request, as_of)
    choices = 0
    if request.state is State.received:
        subjects = casebook.subjects(installation, request.request_id)
        choices = sum(subject.chosen is None for subject in subjects)
    return Line(request, due_on, deadlines.days_left(due_on, as_of), unsent, choices, letter)
