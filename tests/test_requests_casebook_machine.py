"""The casebook against a naive model, whatever is done in whatever order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from retention import ledger
from retention.installation import Installation
from retention.policy.calendar import reply_deadline
from retention.requests.book import casebook, sending
from retention.requests.model import Outcome, OutcomeLine, Request, RequestError, State
from tests.casebook_support import ASKED, NOW, TODAY, added, ledger_of, match
from tests.engine.small import Small

WAITS = {Outcome.held, Outcome.review, Outcome.stopped}


class Casebook(RuleBasedStateMachine):
    """One request. The model is a handful of plain variables and who may follow whom."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.context = Small(Path(self.folder.name) / "book").write().opened()
        self.book: Installation = self.context.__enter__()

    @initialize()
    def received(self) -> None:
        self.name = added(self.book).request_id
        self.state, self.attempt, self.failure = "received", 1, False
        self.paused: date | None = None
        self.stood_still = 0
        self.extended = False
        self.taken_up = False
        self.open_choices: set[int] = set()
        self.outcome: Outcome | None = None
        self.asked = True
        self.sent_yet = False
        self.letter_on = TODAY
        self.now = NOW
        self.changes = 1

    @property
    def today(self) -> date:
        return self.now.date()

    def attempted(self, allowed: object, act: Callable[[], Any]) -> bool:
        """Do it; the casebook agrees whether it may be done, and else changes nothing."""
        before = casebook.get(self.book, self.name)
        try:
            act()
        except RequestError:
            assert not allowed, "it should have been done"
            assert casebook.get(self.book, self.name) == before
            return False
        assert allowed, "it should have been refused"
        self.changes += 1
        return True

    def said(self, why: str) -> dict[str, Any]:
        return {"by": "clerk", "reason": why, "now": self.now}

    @rule(days=st.integers(1, 40))
    def time_goes_by(self, days: int) -> None:
        self.now += timedelta(days=days)

    def clock_goes_on(self) -> None:
        if self.paused is not None:
            self.stood_still += (self.today - self.paused).days
            self.paused = None

    @rule()
    def verify(self) -> None:
        allowed = self.state == "received" and not self.open_choices
        if self.attempted(
            allowed,
            lambda: casebook.verify(self.book, self.name, by="clerk", how="seen", now=self.now),
        ):
            self.state = "verified"
            self.clock_goes_on()

    @rule()
    def doubt(self) -> None:
        allowed = self.state == "received" and self.paused is None
        if self.attempted(
            allowed, lambda: casebook.doubt(self.book, self.name, **self.said("who?"))
        ):
            self.paused = self.today

    @rule()
    def refuse(self) -> None:
        allowed = self.state in ("received", "verified", "planned")
        if self.attempted(
            allowed, lambda: casebook.refuse(self.book, self.name, **self.said("no"))
        ):
            self.state, self.failure = "refused", False
            self.sent_yet, self.letter_on = False, self.today
            self.clock_goes_on()

    @rule()
    def extend(self) -> None:
        due = self.due()
        if self.paused is not None:
            due = self.due((self.today - self.paused).days)
        is_open = self.state not in ("answered", "refused")
        if self.taken_up:  # may be due later than an extension would allow: not modelled
            return
        allowed = is_open and not self.extended and self.today <= due
        if self.attempted(
            allowed, lambda: casebook.extend(self.book, self.name, **self.said("many"))
        ):
            self.extended = True

    def due(self, more: int = 0) -> date:
        first = date(2027, 2, 25) if self.extended else date(2026, 12, 25)
        # The 25th of any month: a month on is the same day, so the model needs no calendar.
        return reply_deadline(first + timedelta(days=self.stood_still + more), months=0)

    @rule(to=st.sampled_from([State.verified, State.planned, State.executing]))
    def move(self, to: State) -> None:
        follows = {
            ("verified", "planned"), ("planned", "executing"), ("planned", "verified"),
            ("executing", "verified"), ("answered", "verified"),
        }  # fmt: skip
        allowed = (self.state, str(to)) in follows
        if self.attempted(
            allowed, lambda: casebook.move(self.book, self.name, to, by="run", now=self.now)
        ):
            self.taken_up = self.taken_up or self.state == "answered"
            self.state = str(to)
            if to is State.verified:
                self.attempt, self.failure, self.outcome = self.attempt + 1, False, None

    @rule(steps=st.integers(1, 4))
    def go_on(self, steps: int) -> None:
        """Towards the answer: chance alone seldom gets there."""
        for _ in range(steps):
            {
                "received": self.verify,
                "verified": lambda: self.move(State.planned),
                "planned": lambda: self.move(State.executing),
                "executing": self.answer,
                "answered": lambda: self.move(State.verified),
                "refused": lambda: None,
            }[self.state]()

    @rule()
    def fail(self) -> None:
        allowed = self.state not in ("answered", "refused")
        if self.attempted(
            allowed, lambda: casebook.fail(self.book, self.name, "out of reach", self.now)
        ):
            self.failure = True

    @rule()
    def retry(self) -> None:
        allowed = self.state in ("planned", "executing") or (
            self.state == "verified" and self.failure
        )
        if self.attempted(
            allowed, lambda: casebook.retry(self.book, self.name, **self.said("again"))
        ):
            self.state, self.attempt, self.failure = "verified", self.attempt + 1, False
            self.outcome = None

    @rule()
    def answer(self) -> None:
        if self.attempted(
            self.state == "executing",
            lambda: casebook.answer(
                self.book, self.name, by="clerk", now=self.now, as_of=self.today
            ),
        ):
            self.state, self.failure = "answered", False
            self.sent_yet, self.letter_on = False, self.today

    @property
    def over(self) -> bool:
        return self.state in ("answered", "refused")

    @property
    def waits(self) -> bool:
        return self.state == "answered" and self.outcome in WAITS

    @rule(days_ago=st.integers(-1, 3))
    def letter_goes_out(self, days_ago: int) -> None:
        on = self.today - timedelta(days=days_ago)
        allowed = self.over and not self.sent_yet and self.letter_on <= on <= self.today
        if self.attempted(
            allowed, lambda: casebook.sent(self.book, self.name, by="clerk", now=self.now, on=on)
        ):
            self.sent_yet = True
            self.asked = self.asked and self.waits

    @rule()
    def retire(self) -> None:
        due = self.over and not self.waits and self.today - self.letter_on > timedelta(days=30)
        expected = {self.name} if due and self.asked else set()
        assert sending.forget_who_asked(self.book, self.today) == expected
        self.asked = self.asked and not due

    @rule(outcome=st.sampled_from([Outcome.deleted, Outcome.held, Outcome.kept]))
    def put_outcomes(self, outcome: Outcome) -> None:
        lines = [OutcomeLine("crm.customers", "", outcome, 1)]
        if self.state in ("answered", "refused"):
            return
        casebook.put_outcomes(self.book, self.name, lines)
        self.outcome = outcome

    @rule(number=st.integers(1, 3))
    def find(self, number: int) -> None:
        known = {item.key[0] for item in casebook.subjects(self.book, self.name)}
        if self.state != "received" or number in known:
            return
        found = [match(n, exact=False) for n in {*known, number}]
        casebook.put_subjects(self.book, self.name, found, self.now)
        self.open_choices.add(number)
        self.changes += 1

    @rule(number=st.integers(1, 3), yes=st.booleans())
    def choose(self, number: int, *, yes: bool) -> None:
        known = {item.key[0] for item in casebook.subjects(self.book, self.name)}
        allowed = self.state in ("received", "verified") and number in known
        one = match(number)
        if self.attempted(
            allowed,
            lambda: casebook.choose(
                self.book, self.name, one.table, one.token, yes=yes, by="clerk", now=self.now
            ),
        ):
            self.open_choices.discard(number)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "name"):
            return
        request: Request = casebook.get(self.book, self.name)
        assert (str(request.state), request.attempt) == (self.state, self.attempt)
        assert (request.failure is not None) == self.failure
        assert (request.asked == ASKED) == self.asked
        assert (request.paused_on, request.paused_days) == (self.paused, self.stood_still)
        if not self.taken_up:
            assert request.due_on == self.due()
        assert (request.answered_on is not None) == (self.state == "answered")
        assert (request.forget_on is not None) == self.over
        to_send = self.over and self.asked and not self.sent_yet
        assert casebook.closed(self.book, self.name) == (self.over and not to_send)
        assert set(sending.unsent(self.book)) == ({self.name} if to_send else set())

    def teardown(self) -> None:
        if hasattr(self, "name"):
            changes = casebook.changes(self.book, self.name)
            whats = [f"erasure:{change.what}" for change in changes]
            assert len(changes) == self.changes
            assert ledger_of(self.book, self.name) == whats
            assert ledger.verify(self.book.stores.control, None).problem is None
            assert str(changes[-1].state) == self.state
        self.context.__exit__(None, None, None)
        self.folder.cleanup()


TestCasebook = Casebook.TestCase
TestCasebook.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
