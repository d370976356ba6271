"""The Chinook example, on made-up data of the same shape and, where it is there, on the real one.

RETENTION_CHINOOK names a copy of Chinook's SQLite database; the example's README says where it is had.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention import ledger
from retention.catalogue.drift import check_system
from retention.catalogue.model import TableName
from retention.encoding import encode
from retention.execution import run
from retention.execution.sealing import OWNER_PREFIX, PSEUDONYMS, unseal_identity, unseal_payload
from retention.installation import Installation, open_installation
from retention.planning.memory import record_token
from retention.planning.plan import Transition
from retention.policy.decide import Phase
from retention.stores import archive, control, vault
from retention.stores.open import STORE_NAMES
from tests.examples_support import (
    DAYS,
    EXAMPLES,
    due,
    executed,
    phases,
    put_up,
    real_file,
    started,
)

GOVERNED = ("Customer", "Invoice", "InvoiceLine")


def made_up_shop(path: Path) -> None:
    """A small shop of Chinook's shape: the same columns and types, names and gaps as odd."""
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.executescript(
            """
            CREATE TABLE Employee (EmployeeId INTEGER PRIMARY KEY, LastName NVARCHAR(20) NOT NULL);
            CREATE TABLE Track (TrackId INTEGER PRIMARY KEY, Name NVARCHAR(200) NOT NULL);
            CREATE TABLE Customer (
                CustomerId INTEGER PRIMARY KEY, FirstName NVARCHAR(40) NOT NULL,
                LastName NVARCHAR(20) NOT NULL, Company NVARCHAR(80), Address NVARCHAR(70),
                City NVARCHAR(40), State NVARCHAR(40), Country NVARCHAR(40),
                PostalCode NVARCHAR(10), Phone NVARCHAR(24), Fax NVARCHAR(24),
                Email NVARCHAR(60) NOT NULL,
                SupportRepId INTEGER REFERENCES Employee (EmployeeId));
            CREATE TABLE Invoice (
                InvoiceId INTEGER PRIMARY KEY,
                CustomerId INTEGER NOT NULL REFERENCES Customer (CustomerId),
                InvoiceDate DATETIME NOT NULL, BillingAddress NVARCHAR(70),
                BillingCity NVARCHAR(40), BillingState NVARCHAR(40), BillingCountry NVARCHAR(40),
                BillingPostalCode NVARCHAR(10), Total NUMERIC(10,2) NOT NULL);
            CREATE TABLE InvoiceLine (
                InvoiceLineId INTEGER PRIMARY KEY,
                InvoiceId INTEGER NOT NULL REFERENCES Invoice (InvoiceId),
                TrackId INTEGER NOT NULL REFERENCES Track (TrackId),
                UnitPrice NUMERIC(10,2) NOT NULL, Quantity INTEGER NOT NULL);
            CREATE INDEX IFK_InvoiceCustomerId ON Invoice (CustomerId);
            CREATE INDEX IFK_InvoiceLineInvoiceId ON InvoiceLine (InvoiceId);
            CREATE INDEX IFK_InvoiceLineTrackId ON InvoiceLine (TrackId);
            INSERT INTO Employee VALUES (1, 'Park');
            INSERT INTO Track VALUES (1, 'Für Elise'), (2, 'Águas de Março');
            """
        )
        for number, bought in enumerate(PURCHASES, start=1):
            gaps = (None, "", "  ", "Zoë & Fils")[number % 4]
            street, rep = f"{number} Ullevålsveien", 1 if number % 2 else None
            person = ("Luís", "D'Arc-Köhler", gaps, street, "Oslo", None, "Norway", gaps)
            contact = (None, gaps, f"c{number}@example.org", rep)
            shop.execute(_insert("Customer", 13), (number, *person, *contact))
            for day in bought:
                total = shop.execute("SELECT COUNT(*) FROM Invoice").fetchone()[0] + 1
                billing = (street, "Oslo", gaps, "Norway", "0171", round(total * 0.99, 2))
                shop.execute(_insert("Invoice", 9), (total, number, f"{day} 00:00:00", *billing))
                for track in (1, 2):
                    line = (2 * total + track - 2, total, track, 0.99, track)
                    shop.execute(_insert("InvoiceLine", 5), line)


PURCHASES: tuple[tuple[str, ...], ...] = (
    ("2025-06-01", "2021-02-03"),  # the latest purchase is not the latest invoice
    ("2025-01-15",),  # its three years end with 15 January 2028
    ("2025-01-14", "2024-02-29"),  # ... with the day before
    ("2025-07-01",),  # its five years end with 1 July 2030
    ("2025-06-30",),
    ("2023-01-15",),  # its five years end with 15 January 2028
    ("2023-01-14", "2019-12-31", "2017-12-31"),  # the last one's ten years end in 2027
    ("2024-06-01", "2017-05-05"),  # only the first keeps the second from expiring in 2027
)
"""Each customer's days of purchase; invoices are numbered through."""


def _insert(table: str, columns: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"


@dataclass(frozen=True)
class Shop:
    """An installation of the example, and its database as it was."""

    installation: Installation
    before: Path

    def by_hand(self, as_of: date) -> dict[tuple[str, str], int]:
        """What ``by_hand.sql`` says of the database as it was."""
        with closing(sqlite3.connect(self.before)) as shop:
            rows = shop.execute((EXAMPLES / "chinook" / "by_hand.sql").read_text(encoding="utf-8"))
            return {
                (f"shop.{table}", phase): number
                for day, table, phase, number in rows
                if day == as_of.isoformat()
            }

    def rows(self, table: str) -> dict[int, Mapping[str, Any]]:
        """Every row of a governed table, by key, with its values as the database has them."""
        found = self.installation.sources.table(f"shop.{table}")
        with self.installation.sources.begin("shop") as connection:
            rows = connection.execute(sa.select(found)).mappings()
            return {row[f"{table}Id"]: dict(row) for row in rows}

    def archived(self, table: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Every archived record unsealed, by token: its own columns, and its owner's."""
        stores, keyring = self.installation.stores, self.installation.keyring
        at, safe = archive.records, vault.records.c
        with stores.archive.connect() as connection:
            records = connection.execute(
                sa.select(at).where(at.c.table_name == f"shop.{table}", at.c.settled.is_(True))
            ).all()
        with stores.vault.connect() as connection:
            statement = sa.select(safe.record_token, safe.incarnation, safe.unit_id, safe.sealed)
            sealed = {tuple(row[:3]): row.sealed for row in connection.execute(statement)}
        keys = keyring.open_units(row.unit_id for row in records)
        found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = defaultdict(lambda: ({}, {}))
        for row in records:
            place = (row.record_token, row.incarnation, row.unit_id)
            key = keys[row.unit_id]
            values = unseal_payload(*place, key, row.payload)
            values.pop(PSEUDONYMS, None)
            if place in sealed:
                values |= unseal_identity(*place, key, sealed[place])
            own, owner = found[row.record_token]
            for name, value in values.items():
                part = owner if name.startswith(OWNER_PREFIX) else own
                short = name.removeprefix(OWNER_PREFIX)
                assert short not in part, "a column is kept once"
                part[short] = value
        return dict(found)


@pytest.fixture(
    params=[
        "made up",
        "real",
        pytest.param("made up on postgresql", marks=pytest.mark.postgres),
        pytest.param("real on postgresql", marks=pytest.mark.postgres),
    ]
)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    kind, _, server = request.param.partition(" on ")
    before = tmp_path / "before.sqlite"
    if kind == "real":
        shutil.copyfile(real_file("RETENTION_CHINOOK"), before)
    else:
        made_up_shop(before)
    config = put_up("chinook", tmp_path)
    environment: dict[str, str] = {}
    if server:
        environment = _on_postgresql(before, request.getfixturevalue("postgres_url"))
    else:
        shutil.copyfile(before, config.parent / "var" / "chinook.sqlite")
    installation = open_installation(config, environment)
    yield Shop(installation, before)
    installation.close()


def _on_postgresql(source: Path, url: str) -> dict[str, str]:
    """Copy the shop to one schema and leave another for the stores."""
    reflected = sa.MetaData()
    lite = sa.create_engine(f"sqlite:///{source}")
    reflected.reflect(lite)
    for column in (column for table in reflected.tables.values() for column in table.columns):
        column.type = column.type.as_generic()
    server = sa.create_engine(url)
    with server.begin() as connection:
        for schema in ("shop", "stores"):
            connection.execute(sa.schema.DropSchema(schema, cascade=True, if_exists=True))
            connection.execute(sa.schema.CreateSchema(schema))
    server.dispose()
    there = {name: f"{url}?options=-csearch_path%3D{name}" for name in ("shop", "stores")}
    server = sa.create_engine(there["shop"])
    reflected.create_all(server)
    with lite.connect() as old, server.begin() as new:
        for table in reflected.sorted_tables:
            rows = [dict(row) for row in old.execute(sa.select(table)).mappings()]
            new.execute(table.insert(), rows)
    server.dispose()
    lite.dispose()
    stores = {f"CHINOOK_{name.upper()}_URL": there["stores"] for name in STORE_NAMES}
    return {"CHINOOK_URL": there["shop"], **stores}


def test_the_catalogue_fits_the_shop(shop):
    sources, catalogue = shop.installation.sources, shop.installation.catalogue
    assert check_system(sources, catalogue, "shop") == []


@pytest.mark.parametrize("as_of", DAYS, ids=str)
def test_the_plan_counts_what_was_counted_by_hand(shop, as_of):
    plan = run.plan_day(shop.installation, as_of)
    assert phases(plan) == shop.by_hand(as_of)


@pytest.mark.parametrize("as_of", DAYS, ids=str)
def test_a_run_does_to_the_shop_what_its_plan_says_and_a_second_one_nothing(shop, as_of):
    before = {table: shop.rows(table) for table in GOVERNED}
    expected = shop.by_hand(as_of)
    plan = executed(shop.installation, as_of)
    assert due(plan) > 0
    for table, rows in before.items():
        name = f"shop.{table}"
        left, kept = shop.rows(table), shop.archived(table)
        disposed = plan.rows(Transition.dispose, name)
        assert len(left) + len(kept) == len(rows) - disposed
        if table != "InvoiceLine":  # which goes with its invoice
            assert len(left) == expected.get((name, Phase.active), 0)
            assert len(kept) == expected.get((name, Phase.archive), 0)
    _assert_keys_hold(shop)
    again = executed(shop.installation, as_of)
    assert due(again) == 0
    assert ledger.verify(shop.installation.stores.control, None).problem is None


def test_the_years_one_after_the_other_end_as_a_single_run_would(shop):
    invoices = shop.rows("Invoice")
    for as_of in DAYS:
        executed(shop.installation, as_of)
        expected = shop.by_hand(as_of)
        for table in ("Customer", "Invoice"):
            assert len(shop.rows(table)) == expected.get((f"shop.{table}", Phase.active), 0)
            assert len(shop.archived(table)) == expected.get((f"shop.{table}", Phase.archive), 0)
        _assert_keys_hold(shop)
    with shop.installation.stores.control.connect() as connection:
        at = control.accumulators.c
        turnover = connection.execute(
            sa.select(at.rows, at.sums).where(at.name == "turnover")
        ).all()
    assert sum(rows for rows, _ in turnover) == len(invoices)
    assert round(sum(float(sums["Total"]) for _, sums in turnover), 2) == round(
        sum(float(row["Total"]) for row in invoices.values()), 2
    )


def test_the_invoices_of_a_customer_may_leave_in_different_chunks(tmp_path):
    """Each is decided with all purchases of the customer, those that have left included."""
    kept = {}
    for rows in (1, 1_000):
        folder = tmp_path / str(rows)
        config = put_up("chinook", folder)
        with config.open("a", encoding="utf-8") as settings:
            settings.write(f"chunk_rows: {rows}\n")
        made_up_shop(config.parent / "var" / "chinook.sqlite")
        installation = open_installation(config, {})
        executed(installation, DAYS[0])
        at = archive.records.c
        with installation.stores.archive.connect() as connection:
            kept[rows] = Counter(
                (table, expires_on, tuple(sorted(facts["days"].get("purchase", ()))))
                for table, expires_on, facts in connection.execute(
                    sa.select(at.table_name, archive.units.c.expires_on, at.facts).join(
                        archive.units, archive.units.c.unit_id == at.unit_id
                    )
                )
            )
        installation.close()
    assert kept[1] == kept[1_000]


def test_a_run_stopped_after_the_invoices_lets_the_next_one_take_the_customers(tmp_path):
    config = put_up("chinook", tmp_path)
    made_up_shop(config.parent / "var" / "chinook.sqlite")
    installation = open_installation(config, {})
    shop = Shop(installation, config.parent / "var" / "chinook.sqlite")
    before = shop.by_hand(DAYS[0])
    work = started(installation, DAYS[0])
    for stage in ("archive", "pseudonymise", "delete"):
        run.do_stage(work, stage, TableName("shop.Invoice"))
    run.end(work, status="stopped")
    assert len(shop.rows("Customer")) == len(PURCHASES)
    assert len(shop.rows("Invoice")) == before["shop.Invoice", Phase.active]
    executed(installation, DAYS[0])
    assert len(shop.rows("Customer")) == before["shop.Customer", Phase.active]
    assert len(shop.archived("Customer")) == before["shop.Customer", Phase.archive]
    installation.close()


def _assert_keys_hold(shop: Shop) -> None:
    """PostgreSQL refuses what would break a foreign key; SQLite is asked."""
    engine = shop.installation.sources.engine("shop")
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


@pytest.mark.parametrize("as_of", DAYS[:2], ids=str)
def test_every_archived_row_can_be_put_back_exactly(shop, as_of):
    before = {table: shop.rows(table) for table in GOVERNED}
    carried = shop.installation.catalogue.table("shop.Invoice").owner.carry
    executed(shop.installation, as_of)
    for table, rows in before.items():
        keyring = shop.installation.keyring
        tokens = {record_token(keyring, f"shop.{table}", (key,)): key for key in rows}
        found = shop.archived(table)
        assert found
        for token, (own, owner) in found.items():
            original = rows[tokens[token]]
            # `encode` tells 1 from 1.0 and from Decimal(1), and an empty text from none
            assert encode(own) == encode(original)
            if table == "Invoice":
                customer = before["Customer"][original["CustomerId"]]
                assert encode(owner) == encode({name: customer[name] for name in carried})
            else:
                assert owner == {}


def test_an_archived_invoice_says_nothing_in_clear(shop):
    """Neither a name nor an address is found in what is written outside the shop itself."""
    engine = shop.installation.sources.engine("shop")
    if engine.dialect.name != "sqlite":
        pytest.skip("looks into SQLite's files")
    names = {
        str(row[column]).encode()
        for row in shop.rows("Customer").values()
        for column in ("LastName", "Email", "Address")
    }
    executed(shop.installation, DAYS[1])
    folder = Path(str(engine.url.database)).parent
    for path in folder.iterdir():
        if path.name != "chinook.sqlite" and path.is_file():
            text = path.read_bytes()
            assert not [name for name in names if name in text], path.name
