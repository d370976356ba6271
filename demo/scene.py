"""What the archetypes are written with: days before ``as_of``, and the records of a life.

Only building blocks belong here; which lives there are is in the archetype modules.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from datetime import date, datetime, time, timedelta

from demo.lives import (
    IN_FORCE,
    NEVER,
    OPEN_SENTINEL,
    UNREADABLE,
    Account,
    Contract,
    Customer,
    Dated,
    Life,
    Prospect,
    When,
)
from demo.truth import months_after

DAY = timedelta(days=1)
YEAR = 365.25

NEAR_MIDNIGHT = (
    time(0, 0, 0),
    time(0, 10, 0),
    time(0, 59, 59),
    time(1, 30, 0),
    time(23, 45, 0),
    time(23, 59, 59),
)
"""Between 00:00 and 02:00 the UTC day is (in summer) or may be the day before Paris's."""


class Ids:
    """Keys, counted from 1 in each table."""

    def __init__(self) -> None:
        self._last: dict[str, int] = defaultdict(int)

    def next(self, table: str) -> int:
        self._last[table] += 1
        return self._last[table]


class Scene:
    """The making of one life."""

    def __init__(
        self,
        life: Life,
        as_of: date,
        rng: random.Random,
        ids: Ids,
        bad_text_in: frozenset[str] = frozenset(),
    ) -> None:
        self.life = life
        self.as_of = as_of
        self.rng = rng
        self._ids = ids
        self._bad_text_in = bad_text_in

    # --- days ------------------------------------------------------------------------

    def ago(self, least: float, most: float) -> date:
        """A day between ``least`` and ``most`` years before ``as_of``."""
        days = self.rng.randint(round(least * YEAR), round(most * YEAR))
        return self.as_of - timedelta(days=days)

    def between(self, first: date, last: date) -> date:
        return first + timedelta(days=self.rng.randint(0, max(0, (last - first).days)))

    def last_kept(self, months: int) -> date:
        """The earliest event day whose period of ``months`` is not over on ``as_of``."""
        day = self.as_of - timedelta(days=31 * months + 3)
        while months_after(day, months) < self.as_of:
            day += DAY
        return day

    def first_due(self, months: int) -> date:
        """The latest event day whose period of ``months`` is over on ``as_of``."""
        return self.last_kept(months) - DAY

    def leap_day(self, most_years: int = 14) -> date:
        """A 29 February at most ``most_years`` before ``as_of``."""
        years = [y for y in range(self.as_of.year - most_years, self.as_of.year + 1) if y % 4 == 0]
        days = [date(y, 2, 29) for y in years if date(y, 2, 29) <= self.as_of]
        return self.rng.choice(days)

    def clock_change(self, most_years: int = 7) -> date:
        """A last Sunday of March or October: the day the clocks change."""
        days = []
        for year in range(self.as_of.year - most_years, self.as_of.year + 1):
            for month in (3, 10):
                day = date(year, month, 31)
                day -= timedelta(days=(day.weekday() + 1) % 7)
                if day <= self.as_of:
                    days.append(day)
        return self.rng.choice(days)

    def at(self, day: date, clock: time | None = None) -> When:
        """A moment on ``day``, Paris time; one in five is near midnight."""
        if clock is None:
            if self.rng.random() < 0.2:
                clock = self.rng.choice(NEAR_MIDNIGHT)
            else:
                second = self.rng.randint(7 * 3600, 21 * 3600)
                clock = time(second // 3600, second // 60 % 60, second % 60)
        return When(day.isoformat(), datetime.combine(day, clock))

    def bad(self, system: str, text: str | None = None) -> When:
        """A text that is no date, where the system's database lets one in; else no value."""
        if system not in self._bad_text_in:
            return NEVER
        return When(UNREADABLE, text or self.rng.choice(("31/12/2019", "2023-02-30", "n/a")))

    def maybe(self, share: float) -> bool:
        return self.rng.random() < share

    # --- the CRM ---------------------------------------------------------------------

    def customer(
        self,
        since: date,
        *,
        mailbox: str | None = "home",
        spelling: str = "plain",
        opt_in: int | None = None,
    ) -> Customer:
        """A customer known since ``since``, of whom nothing else has happened yet."""
        customer = Customer(self._ids.next("customers"), mailbox, spelling)
        customer.collected = self.at(since)
        customer.opt_in = int(self.maybe(0.35)) if opt_in is None else opt_in
        if customer.opt_in and self.maybe(0.5):
            customer.consent = customer.collected
        self.life.customers.append(customer)
        return customer

    def contract(
        self,
        customer: Customer,
        start: date | When,
        end: date | When | None,
        service: date | None = None,
    ) -> Contract:
        """A contract; without an end it is in force, told by a null or by a sentinel."""
        if end is None:
            end = OPEN_SENTINEL if self.maybe(0.25) else IN_FORCE
        contract = Contract(
            self._ids.next("contracts"),
            start if isinstance(start, When) else self.at(start),
            end if isinstance(end, When) else self.at(end),
            self.at(service) if service else NEVER,
        )
        customer.contracts.append(contract)
        return contract

    def order(self, customer: Customer, day: date | When) -> Dated:
        return self._dated(customer.orders, "orders", day)

    def contact(self, customer: Customer, day: date | When) -> Dated:
        return self._dated(customer.contacts, "contacts", day)

    def ticket(self, customer: Customer, day: date | When) -> Dated:
        ticket = self._dated(customer.tickets, "tickets", day)
        count = self.rng.randint(1, 3)
        ticket.children = [self._ids.next("ticket_messages") for _ in range(count)]
        return ticket

    def invoice(self, customer: Customer, day: date | When) -> Dated:
        invoice = self._dated(customer.invoices, "invoices", day)
        count = self.rng.randint(1, 3)
        invoice.children = [self._ids.next("invoice_lines") for _ in range(count)]
        return invoice

    def bank(self, customer: Customer) -> None:
        customer.bank.append(self._ids.next("bank_details"))

    def trade(self, customer: Customer, first: date, last: date, *, light: bool = False) -> None:
        """What an ordinary relationship leaves behind between two days, none of it later."""
        last = min(last, self.as_of)
        first = min(first, last)
        step = timedelta(days=365)
        day, issued = first, []
        while day <= last:
            issued.append(self.between(day, min(day + step, last)))
            day += step
        keep = 1 if light else 4
        for day in sorted(self.rng.sample(issued, min(keep, len(issued)))):
            self.invoice(customer, day)
        forgotten = last < self.as_of - timedelta(days=400)
        if self.maybe(0.25 if forgotten else 0.7):
            self.bank(customer)
        if light:
            return
        for _ in range(self.rng.choice((0, 0, 1, 1, 2))):
            self.order(customer, self.between(first, last))
        for _ in range(self.rng.choice((0, 0, 1, 1, 2))):
            self.contact(customer, self.between(first, last))
        if self.maybe(0.3):
            self.ticket(customer, self.between(first, last))
        if self.maybe(0.35):
            self.account(self.between(first, last), mailbox=customer.mailbox or "none")

    def ended(
        self, end: date, *, mailbox: str | None = "home", opt_in: int | None = None
    ) -> Customer:
        """A customer whose only contract ended on ``end``."""
        start = end - timedelta(days=round(self.rng.uniform(0.5, 6) * YEAR))
        customer = self.customer(start, mailbox=mailbox, opt_in=opt_in)
        self.contract(customer, start, end)
        self.trade(customer, start, end)
        return customer

    # --- marketing -------------------------------------------------------------------

    def prospect(
        self,
        collected: date | When,
        *,
        enquiry: When = NEVER,
        consent: When = NEVER,
        withdrawn: When = NEVER,
    ) -> Prospect:
        when = collected if isinstance(collected, When) else self.at(collected)
        key = self._ids.next("prospects")
        prospect = Prospect(key, "home", when, enquiry, consent, withdrawn)
        self.life.prospects.append(prospect)
        if when.script and when.script != UNREADABLE and self.maybe(0.6):
            for _ in range(self.rng.randint(1, 2)):
                day = self.between(min(when.day, self.as_of), self.as_of)
                self.opening(prospect, day)
        return prospect

    def opening(self, prospect: Prospect, day: date) -> Dated:
        return self._dated(prospect.opens, "email_opens", day)

    def response(self, prospect: Prospect, day: date | When) -> Dated:
        return self._dated(prospect.responses, "active_responses", day)

    def opt_in(self, prospect: Prospect, day: date | When) -> Dated:
        return self._dated(prospect.opt_ins, "opt_ins", day)

    # --- the web system --------------------------------------------------------------

    def account(
        self, last: date | When, mailbox: str = "home", spelling: str = "plain", logins: int = 2
    ) -> Account:
        """An account last used at ``last``, told by its own row, by its logins, or by both."""
        last = last if isinstance(last, When) else self.at(last)
        number = uuid.UUID(int=self.rng.getrandbits(128), version=4)
        account = Account(str(number), mailbox, spelling, last_login=last)
        self.life.accounts.append(account)
        if last.script is None or last.script == UNREADABLE:
            account.created = self.at(self.ago(1, 6))
            return account
        opened = min(last.day, self.as_of) - timedelta(days=self.rng.randint(0, 900))
        account.created = self.at(opened)
        days = [self.between(opened, min(last.day, self.as_of)) for _ in range(logins)]
        for day in sorted(days):
            moment = self.at(day)
            if day != last.day:
                self._dated(account.logins, "logins", moment)
        told = self.rng.choice(("row", "logins", "both"))
        if told != "row":
            self._dated(account.logins, "logins", last)
        if told == "logins":
            account.last_login = NEVER
        return account

    def login(self, account: Account, day: date | When) -> Dated:
        return self._dated(account.logins, "logins", day)

    def next_key(self, table: str) -> int:
        return self._ids.next(table)

    def _dated(self, rows: list[Dated], table: str, day: date | When) -> Dated:
        row = Dated(self._ids.next(table), day if isinstance(day, When) else self.at(day))
        rows.append(row)
        return row
