"""Holds and restrictions: nothing of a held person moves, wherever it is."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.holds import HoldKind
from retention.planning.explain import explain
from retention.stores import archive, control, vault
from tests.engine.crash import count, run_until
from tests.engine.lives import ARCHIVE, AS_OF, BARE, OF_ARCHIVE, account, connection
from tests.engine.small import LONG_AFTER, START, Small
from tests.engine.stored import fetch

CUSTOMERS = "crm.customers"
AFTER_ITS_EXPIRY = date(2027, 10, 1)


def hold(small: Small, table: str, key: int, kind: HoldKind = "legal_hold") -> str:
    with small.opened() as installation:
        placed = holds.add(
            installation,
            TableName(table),
            [str(key)],
            kind=kind,
            reason="a lawsuit",
            by="dpo",
            now=START,
        )
    return placed.hold_id


def release(small: Small, hold_id: str) -> None:
    with small.opened() as installation:
        holds.release(installation, hold_id, reason="over", by="dpo", now=START)


def of_customer(small: Small, number: int) -> dict[str, list[object]]:
    owned = ("crm.customers", "crm.contracts", "crm.orders", "crm.notes", "crm.invoices")
    found: dict[str, list[object]] = {
        name: [row for row in small.rows(name) if row["customer_id"] == number] for name in owned
    }
    note_ids = {row["note_id"] for row in small.rows("crm.notes") if row["customer_id"] == number}
    found["crm.replies"] = [row for row in small.rows("crm.replies") if row["note_id"] in note_ids]
    found["crm.lines"] = [row for row in small.rows("crm.lines") if row["invoice_id"] == 2]
    return found


def test_what_is_no_email_ties_nobody_to_a_held_person(either: Small) -> None:
    either.update(CUSTOMERS, {"customer_id": ARCHIVE}, email="N/A")
    either.update(CUSTOMERS, {"customer_id": BARE}, email="n/a")
    either.update("web.accounts", {"account_id": OF_ARCHIVE}, email="N/A")
    hold(either, CUSTOMERS, ARCHIVE)
    with either.opened() as installation:
        (placed,) = holds.holds(installation)
        assert placed.persons == 1


@pytest.mark.parametrize("kind", ["legal_hold", "restriction"])
def test_a_hold_covers_the_tree_the_evidence_and_the_linked_account_until_it_is_released(
    either: Small, kind: HoldKind
) -> None:
    before = of_customer(either, ARCHIVE)
    assert all(before.values())
    hold_id = hold(either, CUSTOMERS, ARCHIVE, kind)
    either.run()
    assert of_customer(either, ARCHIVE) == before
    assert OF_ARCHIVE in either.ids("web.accounts")
    # its log of connections too: nothing was pseudonymised
    assert [r["account_id"] for r in either.rows("web.connections") if r["connection_id"] == 2] == [
        OF_ARCHIVE
    ]
    release(either, hold_id)
    either.run(start=START + LONG_AFTER)
    after = of_customer(either, ARCHIVE)
    assert not any(after.values())
    assert OF_ARCHIVE not in either.ids("web.accounts")
    assert either.archived_ids(CUSTOMERS)[ARCHIVE] == 1


def test_a_hold_named_by_a_dependants_key_covers_the_owner(either: Small) -> None:
    hold(either, "crm.orders", 11)
    either.run()
    assert BARE in either.ids(CUSTOMERS)


def test_a_hold_named_by_the_account_covers_the_customer(either: Small) -> None:
    hold(either, "web.accounts", OF_ARCHIVE)
    either.run()
    assert ARCHIVE in either.ids(CUSTOMERS)


def test_a_further_account_opened_under_a_hold_is_held_too(either: Small) -> None:
    hold(either, CUSTOMERS, ARCHIVE)
    either.insert("web.accounts", account(77, "person3@EXAMPLE.org", date(2020, 1, 1)))
    either.insert("web.connections", connection(77, 77, date(2020, 1, 1)))
    either.run()
    assert 77 in either.ids("web.accounts")
    assert 77 in either.ids("web.connections")


def test_a_hold_on_an_archived_person_keeps_the_units_past_their_expiry(either: Small) -> None:
    either.run()
    hold_id = hold(either, CUSTOMERS, ARCHIVE)
    either.run(AFTER_ITS_EXPIRY, start=START + LONG_AFTER)
    assert either.archived_ids(CUSTOMERS)[ARCHIVE] == 1
    assert either.archived_ids(CUSTOMERS)[BARE] == 0, "nobody holds this one"
    release(either, hold_id)
    either.run(AFTER_ITS_EXPIRY, start=START + 2 * LONG_AFTER)
    assert either.archived_ids(CUSTOMERS)[ARCHIVE] == 0


def test_a_hold_placed_after_a_crash_in_the_expiry_is_heeded_by_the_repair(small: Small) -> None:
    small.run()
    run = count(small.copied(small.home.parent / "counted"), AFTER_ITS_EXPIRY, attempt=1)
    intended = 0
    for at in (at for at in run.moments if run.places[at] == "expire archive"):
        crashed = small.copied(small.home.parent / f"crashed{at}")
        assert run_until(crashed, at, as_of=AFTER_ITS_EXPIRY, attempt=1).dead
        try:
            there = crashed.archived_ids(CUSTOMERS)[ARCHIVE] == 1
        except KeyError:
            break  # the keys are destroyed: no hold can bring that back
        assert there
        with crashed.opened() as installation:
            chunks = fetch(installation.stores.control, control.chunks)
            intended += any(row["state"] == "intended" for row in chunks)
        hold(crashed, CUSTOMERS, ARCHIVE)
        crashed.run(AFTER_ITS_EXPIRY, start=START + 2 * LONG_AFTER)
        assert crashed.archived_ids(CUSTOMERS)[ARCHIVE] == 1
        assert crashed.archived_ids(CUSTOMERS)[BARE] == 0
    assert intended


def test_expiry_destroys_keys_records_and_identities_and_leaves_what_is_not_due(
    either: Small,
) -> None:
    either.run()
    with either.opened() as installation:
        sealed = fetch(installation.stores.archive, archive.records)
        due = {
            row["unit_id"]
            for row in fetch(installation.stores.archive, archive.units)
            if row["expires_on"] <= AFTER_ITS_EXPIRY
        }
    assert due
    either.run(AFTER_ITS_EXPIRY, start=START + LONG_AFTER)
    with either.opened() as installation:
        assert installation.keyring.destroyed(due) == due
        assert installation.keyring.open_units(due) == {}, "old backups cannot be read either"
        left = fetch(installation.stores.archive, archive.records)
        assert due.isdisjoint(row["unit_id"] for row in left)
        assert due.isdisjoint(
            row["unit_id"] for row in fetch(installation.stores.vault, vault.records)
        )
        kept = {row["unit_id"] for row in sealed} - due
        assert kept <= {row["unit_id"] for row in left}
        assert set(installation.keyring.open_units(kept)) == kept


def test_an_invoice_outlives_its_owner_with_his_name_and_goes_ten_years_after_the_close(
    either: Small,
) -> None:
    either.run()
    # of 10 May 2022: through 31 December 2032; its owner's unit ends on 10 May 2027
    last, day_after = date(2032, 12, 31), date(2033, 1, 1)
    either.run(last, start=START + LONG_AFTER)
    assert either.archived_ids(CUSTOMERS)[ARCHIVE] == 0
    (kept,) = [
        item["values"]
        for item in either.archived()
        if item["table"] == "crm.invoices" and item["values"]["invoice_id"] == 2
    ]
    assert kept["owner.name"] == "Person 3"
    assert kept["owner.email"] == "person3@example.org"
    assert kept["billed_to"] == "Person 3"
    either.run(day_after, start=START + 2 * LONG_AFTER)
    assert either.archived_ids("crm.invoices")[2] == 0
    assert either.archived_ids("crm.lines")[2] == 0


def test_a_person_whose_key_is_no_number_can_be_held_and_explained(server: Small) -> None:
    """Keys are given as text, and kept as text while the hold lasts."""
    one, other = "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001"
    with server.source("crm") as connection:
        connection.execute(
            sa.text("CREATE TABLE crm.members (member_id uuid PRIMARY KEY, joined_on date)")
        )
        for key in (one, other):
            connection.execute(
                sa.text("INSERT INTO crm.members VALUES (CAST(:key AS uuid), '2020-01-01')"),
                {"key": key},
            )
    server.catalogue["systems"]["crm"]["tables"]["members"] = {
        "label": "Members",
        "subject": "prospect",
        "key": "member_id",
        "purposes": {"prospecting": "always"},
        "events": {"collected": {"column": "joined_on"}},
        "columns": {
            "member_id": {"category": "user.unique_id"},
            "joined_on": {"category": "system.operations"},
        },
    }
    server.catalogue["links"]["member"] = {
        "near": "crm.members.member_id",
        "far": "web.accounts.email",
    }
    server.write_documents()
    with server.opened() as installation:
        holds.add(
            installation,
            TableName("crm.members"),
            [one],
            kind="legal_hold",
            reason="a lawsuit",
            by="dpo",
            now=START,
        )
        assert explain(installation, TableName("crm.members"), [one], AS_OF).held
    for nth in range(2):
        server.run(start=START + nth * LONG_AFTER)
        with server.source("crm") as connection:
            left = connection.scalars(sa.text("SELECT member_id::text FROM crm.members")).all()
        assert left == [one]
