"""A naive model of some customers and of what becomes of their rows. Shares nothing with the engine.

Dates of events lie in the first days of a month and runs after the middle of one, so that no
period ends on the day of a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

OPEN = "open"
"""A contract in force."""


def years(day: date, number: int) -> date:
    return day.replace(year=day.year + number)


@dataclass
class Invoice:
    issued: date
    place: str = "source"
    kept: dict[str, date] = field(default_factory=dict)
    """In the archive: until when each purpose keeps it, by what was known when it left."""

    @property
    def accounting(self) -> date:
        """Ten years from the end of the financial year."""
        return date(self.issued.year + 10, 12, 31)


@dataclass
class Customer:
    """A customer, with dependants that are wherever the customer is."""

    collected: date
    opted: bool
    orders: dict[int, date] = field(default_factory=dict)
    notes: dict[int, date] = field(default_factory=dict)
    contract: date | str | None = None
    invoices: dict[int, Invoice] = field(default_factory=dict)
    place: str = "source"
    email: str = ""

    # --- the policy, in so many words ------------------------------------------------

    def last_business(self) -> date:
        days = [*self.orders.values()]
        if isinstance(self.contract, date):
            days.append(self.contract)
        return max(days)

    def contract_alive(self, day: date) -> bool:
        return self.contract == OPEN or day <= years(self.last_business(), 3)

    def relations_alive(self, day: date) -> bool:
        contacts = [years(contact, 3) for contact in self.notes.values()]
        return self.contract_alive(day) or any(day <= end for end in contacts)

    def prospecting_alive(self, day: date) -> bool:
        return self.opted and day <= years(self.collected, 3)

    def archived_until(self) -> date:
        return years(self.last_business(), 5)

    def due(self, day: date, *, prospected: bool = True) -> str:
        """Where the policy wants the row to be."""
        if self.relations_alive(day) or (prospected and self.prospecting_alive(day)):
            return "source"
        return "archive" if day <= self.archived_until() else "gone"

    def due_of(self, invoice: Invoice, day: date) -> tuple[str, dict[str, date]]:
        if self.contract_alive(day):
            return "source", {}
        ends = {"contract": self.archived_until(), "accounting": invoice.accounting}
        kept = {purpose: end for purpose, end in ends.items() if day <= end}
        return ("archive" if kept else "gone"), kept

    # --- what happens ------------------------------------------------------------------

    def moved(self, day: date, *, prospected: bool = True) -> None:
        """What the policy does with the rows that are in the source."""
        for invoice in self.invoices.values():
            if invoice.place == "source":
                invoice.place, invoice.kept = self.due_of(invoice, day)
        if self.place == "source":
            self.place = self.due(day, prospected=prospected)

    def expired(self, day: date) -> None:
        """What the archive does at the end of a run."""
        if self.place == "archive" and day > self.archived_until():
            self.place = "gone"
        for invoice in self.invoices.values():
            if invoice.place == "archive" and day > max(invoice.kept.values()):
                invoice.place = "gone"

    def erased(self, day: date) -> None:
        if self.place == "archive":
            self.place = "gone"
        for invoice in self.invoices.values():
            stays = self.contract == OPEN and invoice.place == "source"
            if invoice.place in ("source", "archive") and not stays:
                kept = day <= invoice.accounting
                invoice.place = "archive" if kept else "gone"
                invoice.kept = {"accounting": invoice.accounting} if kept else {}
        if self.place == "source":
            self.opted = False
            if self.contract != OPEN:
                self.place = "gone"

    def opposed(self, day: date) -> None:
        self.moved(day, prospected=False)
        if self.place == "source":
            self.opted = False

    def swap(self, old: str, new: str) -> None:
        if self.place == old:
            self.place = new
        for invoice in self.invoices.values():
            if invoice.place == old:
                invoice.place = new

    def anything(self, *places: str) -> bool:
        return self.place in places or any(i.place in places for i in self.invoices.values())


@dataclass
class Asked:
    kind: str
    person: int
    waits: bool = False
    in_force: bool = False
    """A restriction that has not been lifted."""
    value: str = ""


@dataclass
class World:
    """Customers by number, requests by id, and who is under a legal hold."""

    day: date
    customers: dict[int, Customer] = field(default_factory=dict)
    requests: dict[str, Asked] = field(default_factory=dict)
    legal: set[int] = field(default_factory=set)

    def restricted(self, person: int) -> bool:
        return any(item.in_force and item.person == person for item in self.requests.values())

    def frozen(self, person: int) -> bool:
        return person in self.legal or self.restricted(person)

    def daily(self) -> None:
        for number, customer in self.customers.items():
            if not self.frozen(number):
                customer.moved(self.day)
                customer.expired(self.day)

    def carry_out(self, request_id: str) -> None:
        asked = self.requests[request_id]
        customer, person = self.customers[asked.person], asked.person
        asked.waits = False
        if asked.kind == "restriction":
            asked.in_force = True
            asked.waits = person in self.legal and customer.anything("source")
            if person not in self.legal:
                customer.swap("source", "sealed")
        elif asked.kind == "access":
            return
        elif self.frozen(person):
            reaches_archive = asked.kind in ("erasure", "rectification")
            places = ("source", "sealed", *(["archive"] if reaches_archive else []))
            asked.waits = customer.anything(*places)
            if asked.kind == "objection" and not self.restricted(person):
                # Not even a legal hold lets anybody go on soliciting.
                customer.opted = customer.opted and customer.place != "source"
        elif asked.kind == "erasure":
            customer.erased(self.day)
        elif asked.kind == "objection":
            customer.opposed(self.day)
        elif customer.place in ("source", "archive"):
            customer.email = asked.value

    def lift(self, request_id: str) -> None:
        asked = self.requests[request_id]
        asked.in_force = asked.waits = False
        if not self.restricted(asked.person):
            self.customers[asked.person].swap("sealed", "source")

    def taken_up(self) -> set[str]:
        """The requests that wait for nothing any more."""
        return {
            request_id
            for request_id, asked in self.requests.items()
            if asked.waits
            and asked.person not in self.legal
            and (asked.kind == "restriction" or not self.restricted(asked.person))
        }

    def places(self, place: str) -> dict[str, set[int]]:
        """The keys of the rows that are at a place, by table."""
        found: dict[str, set[int]] = {
            name: set() for name in ("customers", "orders", "notes", "invoices")
        }
        for number, customer in self.customers.items():
            if customer.place == place:
                found["customers"].add(number)
                found["orders"] |= set(customer.orders)
                found["notes"] |= set(customer.notes)
            found["invoices"] |= {
                key for key, invoice in customer.invoices.items() if invoice.place == place
            }
        return found
