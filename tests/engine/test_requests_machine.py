"""Requests, holds, restrictions, daily runs and years that pass, in any order: as the model says."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retention import holds, ledger
from retention.execution.restricted import restricted_rows
from retention.execution.run import begin as begin_run
from retention.execution.run import new_run_id, run_all
from retention.requests.book import casebook
from retention.requests.book.retiring import retire
from retention.requests.doing.carrying_out import carry_out
from retention.requests.doing.lifting import lift, take_up
from retention.requests.model import Asked, Kind, Outcome, State
from tests.engine import lives
from tests.engine.asking import customer as person_of
from tests.engine.asking import match
from tests.engine.requests_model import OPEN, Customer, Invoice, World
from tests.engine.requests_model import Asked as Wanted
from tests.engine.small import START, Small, clock
from tests.engine.stored import unsealed
from tests.engine.test_crash import SYNC, narrow

pytestmark = pytest.mark.slow

SWEEP = os.environ.get("HYPOTHESIS_PROFILE") == "sweep"
FIRST_DAY = date(2026, 11, 20)
PERSONS = (1, 2, 3)
KEYS = {
    "customers": "customer_id", "orders": "order_id", "notes": "note_id",
    "invoices": "invoice_id",
}  # fmt: skip

days = st.integers(0, 110).map(
    lambda months: date(2026 - months // 12, 12 - months % 12, 1 + months % 5)
)
persons = st.sampled_from(PERSONS)


def past(day: date) -> bool:
    return day < FIRST_DAY


@st.composite
def customers(draw: st.DrawFn, number: int) -> Customer:
    past_days = days.filter(past)
    keys = itertools.count(100 * number)
    made = Customer(draw(past_days), draw(st.booleans()), email=f"person{number}@example.org")
    made.orders = {next(keys): day for day in draw(st.lists(past_days, min_size=1, max_size=2))}
    made.notes = {next(keys): day for day in draw(st.lists(past_days, max_size=1))}
    made.contract = draw(st.one_of(st.none(), st.just(OPEN), past_days))
    made.invoices = {next(keys): Invoice(day) for day in draw(st.lists(past_days, max_size=2))}
    return made


def template() -> Small:
    """An empty installation, made once."""
    catalogue = narrow()
    catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    folder = tempfile.mkdtemp(prefix="machine", dir=SYNC if SYNC.is_dir() else None)
    made = Small(Path(folder) / "empty", catalogue=catalogue, settings={"max_review_share": 1.0})
    return made.write()


class Requests(RuleBasedStateMachine):
    """Three persons; each step is done to the installation and to the model."""

    empty: Small | None = None

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        cls.empty = cls.empty or template()
        self.folder = tempfile.TemporaryDirectory(dir=cls.empty.home.parent)
        self.small = cls.empty.copied(Path(self.folder.name) / "small")
        self.context = self.small.reopened()
        self.installation = self.context.__enter__()
        self.world = World(FIRST_DAY)
        self.keys = itertools.count(1000)
        self.hours = itertools.count(1)

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)
        self.folder.cleanup()

    def ticks(self) -> Any:
        return clock(START + timedelta(hours=next(self.hours)))

    @initialize(data=st.data())
    def people(self, data: st.DataObject) -> None:
        rows: lives.Rows = {"crm.customers": [], "crm.orders": [], "crm.contracts": []}
        rows |= {"crm.notes": [], "crm.invoices": []}
        for number in PERSONS:
            made = data.draw(customers(number), label=f"customer {number}")
            self.world.customers[number] = made
            opted = "yes" if made.opted else None
            rows["crm.customers"].append(
                lives.customer(number, opted=opted, collected_on=made.collected)
            )
            rows["crm.orders"] += [lives.order(k, number, day) for k, day in made.orders.items()]
            rows["crm.notes"] += [lives.note(k, number, day) for k, day in made.notes.items()]
            rows["crm.invoices"] += [
                lives.invoice(k, number, item.issued) for k, item in made.invoices.items()
            ]
            if made.contract is not None:
                ends = None if made.contract == OPEN else made.contract
                rows["crm.contracts"].append(
                    {"contract_id": number, "customer_id": number,
                     "started_on": date(2010, 1, 1), "ended_on": ends}
                )  # fmt: skip
        self.small.fill(rows)

    # --- the world goes on -------------------------------------------------------------

    @rule(months=st.integers(1, 16))
    def time_passes(self, months: int) -> None:
        at = self.world.day.year * 12 + self.world.day.month - 1 + months
        self.world.day = date(at // 12, at % 12 + 1, 20)

    @rule(number=persons, what=st.sampled_from(["orders", "notes", "invoices"]))
    def a_row_arrives(self, number: int, what: str) -> None:
        customer = self.world.customers[number]
        if customer.place != "source":
            return
        key, day = next(self.keys), self.world.day.replace(day=3)
        row: dict[str, Any]
        if what == "orders":
            customer.orders[key] = day
            row = lives.order(key, number, day)
        elif what == "notes":
            customer.notes[key] = day
            row = lives.note(key, number, day)
        else:
            customer.invoices[key] = Invoice(day)
            row = lives.invoice(key, number, day)
        self.small.insert(f"crm.{what}", row)

    @rule(number=persons)
    def a_contract_ends(self, number: int) -> None:
        customer = self.world.customers[number]
        if customer.place == "source" and customer.contract == OPEN:
            customer.contract = self.world.day.replace(day=2)
            self.small.update("crm.contracts", {"contract_id": number}, ended_on=customer.contract)

    @rule()
    def a_daily_run(self) -> None:
        ticks = self.ticks()
        work = begin_run(
            self.installation, self.world.day, today=self.world.day, clock=ticks,
            run_id=new_run_id(),
        )  # fmt: skip
        run_all(work)
        retire(self.installation, self.world.day, ticks())
        self.world.daily()

    # --- persons ask ---------------------------------------------------------------------

    @rule(number=persons, kind=st.sampled_from(["erasure", "restriction", "objection"]))
    def somebody_asks(self, number: int, kind: str) -> None:
        self.ask(number, kind)

    @rule(number=persons)
    def somebody_asks_for_a_copy(self, number: int) -> None:
        self.ask(number, "access")

    @rule(number=persons)
    def somebody_corrects(self, number: int) -> None:
        self.ask(number, "rectification", f"new{next(self.keys)}@example.org")

    def ask(self, number: int, kind: str, value: str = "") -> None:
        ticks = self.ticks()
        asked = Asked(
            customer_ref=str(number),
            corrections={"user.contact.email": value} if value else {},
        )
        request = casebook.add(
            self.installation, Kind(kind), asked, received_on=FIRST_DAY, channel="command line",
            by="dpo", now=ticks(),
        )  # fmt: skip
        number_of = request.request_id
        here = self.world.customers[number].anything("source")
        found = match(self.installation, person_of(number), key=here)
        casebook.put_subjects(self.installation, number_of, [found], ticks())
        casebook.verify(self.installation, number_of, by="dpo", how="login", now=ticks())
        self.world.requests[number_of] = Wanted(kind, number, value=value)
        self.carry_out_all({number_of})

    def carry_out_all(self, expected: set[str]) -> None:
        ready = casebook.listed(self.installation, states=(State.verified,))
        assert {request.request_id for request in ready} == expected
        for request in ready:
            done = carry_out(
                self.installation, request.request_id, as_of=self.world.day,
                today=self.world.day, clock=self.ticks(),
            )  # fmt: skip
            assert done.state is State.answered
            self.world.carry_out(request.request_id)

    # --- holds, and the end of restrictions --------------------------------------------

    @rule(number=persons)
    def a_hold(self, number: int) -> None:
        if number in self.world.legal:
            return
        holds.place(
            self.installation, person_of(number), kind="legal_hold", reason=f"case {number}",
            by="dpo", now=self.ticks()(),
        )  # fmt: skip
        self.world.legal.add(number)

    @rule(number=persons)
    def a_hold_ends(self, number: int) -> None:
        if number not in self.world.legal:
            return
        hold = next(h for h in holds.holds(self.installation) if h.reason == f"case {number}")
        now = self.ticks()()
        holds.release(self.installation, hold.hold_id, reason="over", by="dpo", now=now)
        self.world.legal.remove(number)
        expected = self.world.taken_up()
        assert set(take_up(self.installation, now)) == expected
        self.carry_out_all(expected)

    @precondition(lambda self: any(item.in_force for item in self.world.requests.values()))
    @rule(data=st.data())
    def a_restriction_is_lifted(self, data: st.DataObject) -> None:
        numbers = [n for n, item in self.world.requests.items() if item.in_force]
        chosen = numbers[data.draw(st.integers(0, len(numbers) - 1))]
        lift(
            self.installation, chosen, by="dpo", reason="settled", as_of=self.world.day,
            today=self.world.day, clock=self.ticks(),
        )  # fmt: skip
        self.world.lift(chosen)
        self.carry_out_all(self.world.taken_up())

    # --- what has to be so after each step ---------------------------------------------

    def tokens(self) -> dict[int, str]:
        keyring = self.installation.keyring
        return {n: holds.subject_token(keyring, *person_of(n)) for n in PERSONS}

    @invariant()
    def every_row_is_where_the_model_has_it(self) -> None:
        for name, keys in self.world.places("source").items():
            assert self.small.ids(f"crm.{name}") == keys, f"{name} in the source"
        tokens = list(self.tokens().values())
        sealed = Counter(
            (row.table.partition(".")[2], row.key[0])
            for row in restricted_rows(self.installation, tokens)
        )
        inside = unsealed(self.installation)
        assert all(item["settled"] for item in inside)
        every = Counter(
            (name, item["values"][KEYS[name]])
            for item in inside
            if (name := item["table"].partition(".")[2]) in KEYS
        )
        sealed = Counter({place: n for place, n in sealed.items() if place[0] in KEYS})
        for place, counted in (("sealed", sealed), ("archive", every - sealed)):
            wanted = self.world.places(place)
            assert set(counted) == {(n, k) for n, keys in wanted.items() for k in keys}, place
            assert set(counted.values()) <= {1}, f"once only: {place}"

    @invariant()
    def the_rows_that_stay_say_what_they_should(self) -> None:
        for row in self.small.rows("crm.customers"):
            customer = self.world.customers[row["customer_id"]]
            assert row["email"] == customer.email
            assert (row["opted"] == "yes") == customer.opted

    @invariant()
    def whoever_is_frozen_is_known_to_be(self) -> None:
        held = holds.held_rows(self.installation).tokens
        frozen = {token for n, token in self.tokens().items() if self.world.frozen(n)}
        assert held == frozen

    @invariant()
    def who_waits_is_told_so_and_the_ledger_is_whole(self) -> None:
        there = {r.request_id for r in casebook.listed(self.installation)}
        for number, asked in self.world.requests.items():
            if asked.waits or asked.in_force:
                assert number in there
            if number in there:
                lines = casebook.outcomes(self.installation, number)
                assert any(line.outcome is Outcome.held for line in lines) == asked.waits
        head = self.small.home / "ledger.head"
        problem = ledger.verify(self.installation.stores.control, head if head.exists() else None)
        assert problem.problem is None


TestRequests = Requests.TestCase
TestRequests.settings = settings(
    max_examples=150 if SWEEP else 6,
    stateful_step_count=40 if SWEEP else 16,
    deadline=None,
    derandomize=not SWEEP,
    suppress_health_check=list(HealthCheck),
)


def teardown_module() -> None:
    if Requests.empty is not None:
        shutil.rmtree(Requests.empty.home.parent, ignore_errors=True)
