"""What is gathered for a person: everything of theirs, nothing of another's, and the day it goes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.execution.sealing import RESTRICTED_UNTIL
from retention.installation import Installation
from retention.requests.copies.access import Gathered, gather
from retention.requests.copies.records import Record, Withheld
from retention.requests.doing.persons import Archived
from tests.engine import lives
from tests.engine.lives import AS_OF
from tests.engine.small import Small
from tests.requests_support import small

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CUSTOMERS = TableName("crm.customers")
ACCOUNTS = TableName("web.accounts")
OTHERS = {"person3@example.org", "anna@example.org", "person 3", "192.0.2.1"}


@pytest.fixture
def filled(tmp_path: Path) -> Small:
    return small(tmp_path).fill()


@pytest.fixture(scope="module")
def after_a_day(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The lives once the day's run has moved what was due."""
    made = small(tmp_path_factory.mktemp("access")).fill()
    made.run()
    return made


def of(installation: Installation, *persons: holds.Person, as_of: date = AS_OF) -> Gathered:
    tokens = [holds.subject_token(installation.keyring, *person) for person in persons]
    return gather(installation, persons, tokens, as_of)


def customer(made: Small, number: int, as_of: date = AS_OF) -> Gathered:
    with made.opened() as installation:
        return of(installation, (CUSTOMERS, (number,)), as_of=as_of)


def table(found: Gathered, name: str) -> tuple[Record, ...]:
    return next((item.records for item in found.tables if item.name == name), ())


def everything_said(found: Gathered) -> str:
    return repr(found).casefold()


# --- whose ------------------------------------------------------------------------------


def test_every_row_of_the_person_is_there_and_no_row_of_another(filled):
    found = customer(filled, lives.ACTIVE)
    assert found.rows == {
        "crm.customers": 1,
        "crm.orders": 1,
        "crm.notes": 1,
        "crm.replies": 1,
        "crm.invoices": 1,
        "crm.lines": 1,
    }
    (record,) = table(found, "crm.customers")
    assert record.values["email"] == "person1@example.org"
    assert record.place == "active"
    assert not [name for name in OTHERS if name in everything_said(found)]


@pytest.mark.parametrize("number", [n for n in range(1, 12) if n != lives.BY_LOGIN])
def test_nobody_is_told_of_anybody_else(filled, number):
    said = everything_said(customer(filled, number))
    others = {f"person {other}'" for other in range(1, 12)} - {f"person {number}'"}
    others |= {f"person{other}@" for other in range(1, 12)} - {f"person{number}@"}
    assert not [name for name in others if name in said]


def test_persons_of_two_systems_come_together(filled):
    with filled.opened() as installation:
        found = of(installation, (CUSTOMERS, (lives.BY_LOGIN,)), (ACCOUNTS, (lives.ANNA,)))
    assert found.rows["web.accounts"] == found.rows["web.logins"] == 1
    assert found.rows["web.connections"] == 1
    assert [item.name for item in found.tables] == [
        "crm.customers", "crm.orders", "web.accounts", "web.logins", "web.connections",
    ]  # fmt: skip


def test_a_person_of_whom_nothing_is_left_gets_nothing(filled):
    assert customer(filled, 99).tables == ()
    with filled.opened() as installation:
        assert gather(installation, [], [], AS_OF).tables == ()


def test_a_reference_to_another_person_is_held_and_not_shown(filled):
    filled.insert("crm.replies", lives.reply(1, 2, lives.DISPOSE))
    to_self, to_other = table(customer(filled, lives.ACTIVE), "crm.replies")
    assert to_self.values["to_customer"] == lives.ACTIVE
    assert to_other.withheld == {"to_customer": Withheld.other_person}
    assert "to_customer" not in to_other.values


# --- what is not shown ------------------------------------------------------------------


def test_a_secret_is_named_and_not_handed_out(filled):
    filled.update("web.accounts", {"account_id": lives.LONG_GONE}, last_login_on=date(2026, 1, 2))
    with filled.opened() as installation:
        found = of(installation, (ACCOUNTS, (lives.LONG_GONE,)))
    (record,) = table(found, "web.accounts")
    assert record.withheld == {"last_login_on": Withheld.secret}
    assert "last_login_on" not in record.values
    assert "datetime.date(2026, 1, 2)" not in repr(record)


def test_an_empty_secret_is_nothing_that_is_held(filled):
    with filled.opened() as installation:
        (record,) = table(of(installation, (ACCOUNTS, (lives.ANNA,))), "web.accounts")
    assert record.withheld == {}
    assert record.values["last_login_on"] is None


# --- until when -------------------------------------------------------------------------


def test_a_contract_in_force_leaves_the_day_open_and_says_why(filled):
    (record,) = table(customer(filled, lives.IN_FORCE), "crm.customers")
    assert (record.goes_on, record.because) == (None, "contract_in_force")
    assert all(item.until is None for item in record.held_for)


def test_the_day_is_the_first_one_after_the_last_purpose(filled):
    found = customer(filled, lives.ACTIVE)  # bought on 1 October 2026
    (record,) = table(found, "crm.customers")
    assert record.goes_on == date(2031, 10, 2)
    assert {item.purpose: item.until for item in record.held_for} == {
        "contract": date(2031, 10, 1),
        "customer_relations": date(2031, 10, 1),
    }
    assert table(found, "crm.orders")[0].goes_on == date(2031, 10, 2)
    (invoice,) = table(found, "crm.invoices")
    assert invoice.goes_on == date(2037, 1, 1)
    assert {item.purpose for item in invoice.held_for} == {"contract", "accounting"}


def test_a_record_that_is_due_goes_today(filled):
    (record,) = table(customer(filled, lives.DISPOSE), "crm.customers")
    assert (record.goes_on, record.phase, record.held_for) == (AS_OF, "expired", ())


def test_a_record_in_review_has_no_day_and_a_person_decides(filled):
    (record,) = table(customer(filled, lives.IN_REVIEW), "crm.customers")
    assert (record.goes_on, record.because) == (None, "undecidable")


def test_a_column_that_fewer_purposes_need_says_that_it_goes_earlier(filled):
    filled.update("crm.customers", {"customer_id": lives.ACTIVE}, opted="yes", segment="golf")
    filled.update(
        "crm.customers", {"customer_id": lives.ACTIVE}, collected_on=AS_OF - timedelta(days=10)
    )
    (record,) = table(customer(filled, lives.ACTIVE), "crm.customers")
    assert record.earlier == {"segment": date(2029, 11, 15)}
    (overdue,) = table(customer(filled, lives.CLEARED), "crm.customers")
    assert overdue.earlier == {"segment": AS_OF}


@pytest.mark.parametrize(
    ("kinds", "because"),
    [
        (["legal_hold"], "legal_hold"),
        (["restriction"], "restriction"),
        (["restriction", "legal_hold"], "legal_hold"),
    ],
)
def test_what_is_held_has_no_day_and_says_why(filled, kinds, because):
    with filled.opened() as installation:
        for kind in kinds:
            holds.add(
                installation, CUSTOMERS, [str(lives.ACTIVE)], kind=kind, reason="r", by="b", now=NOW
            )
        found = of(installation, (CUSTOMERS, (lives.ACTIVE,)))
        bystander = of(installation, (CUSTOMERS, (lives.EARLY_INVOICE,)))
    every = [record for item in found.tables for record in item.records]
    assert {(record.goes_on, record.because) for record in every} == {(None, because)}
    assert all(record.because is None for record in table(bystander, "crm.customers"))


def test_a_released_hold_stops_nothing(filled):
    with filled.opened() as installation:
        hold = holds.add(
            installation, CUSTOMERS, [str(lives.ACTIVE)],
            kind="legal_hold", reason="r", by="b", now=NOW,
        )  # fmt: skip
        holds.release(installation, hold.hold_id, reason="r", by="b", now=NOW)
        (record,) = table(of(installation, (CUSTOMERS, (lives.ACTIVE,))), "crm.customers")
    assert record.goes_on == date(2031, 10, 2)


# --- the archive ------------------------------------------------------------------------


def test_archived_records_come_with_their_identities_and_their_day(after_a_day):
    found = customer(after_a_day, lives.ARCHIVE)
    (record,) = table(found, "crm.customers")
    assert record.place == record.phase == "archive"
    assert record.values["name"] == "Person 3"
    assert record.goes_on == date(2027, 5, 11)  # five years from the contract's end
    assert {item.until for item in record.held_for} == {date(2027, 5, 10)}
    (invoice,) = table(found, "crm.invoices")
    assert invoice.goes_on == date(2033, 1, 1)
    # The contract ends where the customer's record does; only the law keeps the invoice longer.
    assert {item.purpose: item.until for item in invoice.held_for} == {
        "accounting": date(2032, 12, 31),
        "contract": date(2027, 5, 10),
    }
    with after_a_day.opened() as installation:
        token = holds.subject_token(installation.keyring, CUSTOMERS, (lives.ARCHIVE,))
        later = gather(installation, [], [token], date(2028, 1, 1))
    (invoice,) = table(later, "crm.invoices")
    assert [item.purpose for item in invoice.held_for] == ["accounting"]
    assert not invoice.portable
    (invoice,) = table(found, "crm.invoices")
    assert invoice.values["owner.email"] == "person3@example.org"
    assert list(invoice.values)[:3] == ["invoice_id", "customer_id", "issued_on"]
    assert found.rows["crm.notes"] == 2


def test_the_archive_of_one_person_says_nothing_of_another(after_a_day):
    said = everything_said(customer(after_a_day, lives.ARCHIVE))
    assert "person3@" in said
    assert not [number for number in (1, 2, 5, 10, 11) if f"person {number}'" in said]


def test_a_person_who_is_only_in_the_archive_is_found_by_the_token_alone(after_a_day):
    with after_a_day.opened() as installation:
        token = holds.subject_token(installation.keyring, CUSTOMERS, (lives.OUTLIVED,))
        found = gather(installation, [], [token, token], AS_OF)
    assert found.rows == {"crm.invoices": 1, "crm.lines": 1}
    assert all(record.place == "archive" for item in found.tables for record in item.records)


def test_what_is_held_in_the_archive_has_no_day(after_a_day, tmp_path):
    made = after_a_day.copied(tmp_path / "held")
    with made.opened() as installation:
        holds.add(
            installation, CUSTOMERS, [str(lives.ARCHIVE)],
            kind="legal_hold", reason="r", by="b", now=NOW,
        )  # fmt: skip
        found = of(installation, (CUSTOMERS, (lives.ARCHIVE,)))
        (hold,) = holds.holds(installation)
        holds.release(installation, hold.hold_id, reason="r", by="b", now=NOW)
        released = of(installation, (CUSTOMERS, (lives.ARCHIVE,)))
    (record,) = table(found, "crm.customers")
    assert (record.goes_on, record.because) == (None, "legal_hold")
    assert table(released, "crm.customers")[0].goes_on == date(2027, 5, 11)


def part(day: date, token: str = "t", **values: Any) -> Archived:
    unit = f"unit {day} {sorted(values)}"
    return Archived(CUSTOMERS, token, unit, "s", day, ("contract",), values)


EARLY, LATE = date(2027, 1, 1), date(2030, 1, 1)


def gathered_parts(
    filled: Small, monkeypatch: pytest.MonkeyPatch, *parts: Archived, as_of: date = AS_OF
) -> tuple[Record, ...]:
    monkeypatch.setattr("retention.requests.copies.access.archived_of", lambda *_: iter(parts))
    with filled.opened() as installation:
        return table(gather(installation, [], ["s"], as_of), "crm.customers")


def test_the_parts_of_one_record_are_put_together(filled, monkeypatch):
    pieces = [part(EARLY, segment="golf"), part(LATE, customer_id=3, name="Person 3")]
    for given in (pieces, pieces[::-1]):
        (record,) = gathered_parts(filled, monkeypatch, *given)
        assert record.values == {"customer_id": 3, "name": "Person 3", "segment": "golf"}
        assert (record.goes_on, record.earlier) == (LATE, {"segment": EARLY})
        assert [item.until for item in record.held_for] == [LATE - timedelta(days=1)]


def test_a_record_that_was_archived_twice_is_two(filled, monkeypatch):
    found = gathered_parts(
        filled, monkeypatch, part(EARLY, customer_id=3), part(LATE, customer_id=3)
    )
    assert sorted(record.goes_on for record in found if record.goes_on) == [EARLY, LATE]
    two = gathered_parts(
        filled, monkeypatch, part(EARLY, "a", customer_id=3), part(EARLY, "b", customer_id=4)
    )
    assert [record.values["customer_id"] for record in two] == [3, 4]


def test_what_a_restriction_took_away_is_shown_whole_and_stays_portable(filled, monkeypatch):
    taken = Archived(
        CUSTOMERS, "t", "u", "s", RESTRICTED_UNTIL, (),
        {"customer_id": 1, "name": "Person 1", "segment": "golf", "opted": "yes"},
    )  # fmt: skip
    (record,) = gathered_parts(filled, monkeypatch, taken)
    assert (record.goes_on, record.because) == (None, "restriction")
    assert [(item.purpose, item.until) for item in record.held_for] == [
        ("contract", None),
        ("customer_relations", None),
    ]
    assert record.values["segment"] == "golf"
    assert record.portable == {"name"}


def test_an_archived_record_that_is_due_goes_today(filled, monkeypatch):
    (record,) = gathered_parts(
        filled, monkeypatch, part(EARLY, customer_id=3), as_of=date(2027, 5, 5)
    )
    assert record.goes_on == date(2027, 5, 5)


# --- what is portable -------------------------------------------------------------------


def test_only_what_the_person_supplied_is_portable(filled):
    found = customer(filled, lives.ACTIVE).portable()
    assert {
        item.name: [set(record.values) for record in item.records] for item in found.tables
    } == {
        "crm.customers": [{"name", "email"}],
        "crm.notes": [{"body"}],
        "crm.invoices": [{"billed_to"}],
    }
    assert all(not record.withheld for item in found.tables for record in item.records)


def test_a_column_is_portable_for_the_purposes_that_need_it(filled):
    assert (
        "segment" not in table(customer(filled, lives.ACTIVE).portable(), "crm.customers")[0].values
    )
    filled.update(
        "crm.customers", {"customer_id": lives.ACTIVE},
        opted="yes", segment="golf", collected_on=AS_OF,
    )  # fmt: skip
    (record,) = table(customer(filled, lives.ACTIVE).portable(), "crm.customers")
    assert record.values["segment"] == "golf"


def test_what_law_or_our_own_interest_keeps_is_not_portable(filled, after_a_day):
    with filled.opened() as installation:
        person = of(installation, (ACCOUNTS, (lives.ANNA,)))
    (connection,) = table(person, "web.connections")
    assert connection.portable == frozenset()  # supplied, yet under a legitimate interest
    found = customer(after_a_day, lives.OUTLIVED)
    assert found.rows["crm.invoices"] == 1
    assert found.portable().tables == ()  # kept for accounting only


def test_what_has_ended_is_not_portable(filled):
    assert customer(filled, lives.DISPOSE).rows
    assert customer(filled, lives.DISPOSE).portable().tables == ()


# --- recipients and broken sources ---------------------------------------------------


def test_a_system_out_of_reach_makes_no_copy_with_a_hole(filled):
    (filled.home / "web.sqlite").unlink()
    with filled.opened() as installation, pytest.raises(SourceError):
        of(installation, (CUSTOMERS, (lives.ACTIVE,)))


def test_recipients_are_those_of_each_table(filled):
    found = customer(filled, lives.ACTIVE)
    assert {item.name: item.recipients for item in found.tables if item.recipients} == {
        "crm.customers": ("printer",),
        "crm.invoices": ("printer",),
    }
