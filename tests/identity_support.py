"""Five systems full of people who are easily mistaken for one another, and their archive."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from retention.catalogue.model import Catalogue
from retention.catalogue.sources import Sources
from retention.holds import subject_token
from retention.identities import fingerprints, identities
from retention.installation import Installation
from retention.keys import Keyring, read_master_key
from retention.planning.memory import record_token
from retention.policy.calendar import zone
from retention.policy.table import read_policy
from retention.requests.finding.identity import Match, resolve
from retention.requests.model import Asked
from retention.settings import read_settings
from retention.stores import archive
from retention.stores.open import STORE_NAMES, migrate, open_stores, writing

POLICY = Path(__file__).parents[1] / "policies" / "callimedia.yaml"
CUSTOMERS, INVOICES = "crm.customers", "crm.invoices"
PROSPECTS, ACCOUNTS, GUESTS = "marketing.prospects", "web.accounts", "shop.guests"
VISITS = "stats.visits"
NOBODY = frozenset[Any]()

_NAMES = {
    "last_name": "user.name.last",
    "first_name": "user.name.first",
    "email": "user.contact.email",
    "phone": "user.contact.phone_number",
}


def _table(key: str, columns: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {
        "label": key,
        "key": key,
        "purposes": {"contract": "always"},
        "columns": {name: {"category": category} for name, category in columns.items()},
        **more,
    }


DECLARED: dict[str, dict[str, Any]] = {
    CUSTOMERS: _table(
        "customer_id",
        {
            "customer_id": "user.unique_id",
            **_NAMES,
            "street": "user.contact.address.street",
            "postcode": "user.contact.address.postal_code",
            "recommended_by": "user.unique_id",
        },
        subject="customer",
        references=[{"table": "customers", "via": "recommended_by"}],
    ),
    INVOICES: _table(
        "invoice_id",
        {
            "invoice_id": "system.operations",
            "customer_id": "user.unique_id",
            "billing_name": "user.name",
            "billing_email": "user.contact.email",
        },
        owner={"table": "customers", "via": "customer_id"},
    ),
    PROSPECTS: _table("prospect_id", {"prospect_id": "user.unique_id", **_NAMES}, subject="p"),
    ACCOUNTS: _table(
        "account_id",
        {
            "account_id": "user.unique_id",
            "email": "user.contact.email",
            "name": "user.name",
            "member": "user.unique_id",
        },
        subject="customer",
    ),
    GUESTS: _table(
        "order_id",
        {"order_id": "system.operations", "email": "user.contact.email"},
    ),
    VISITS: _table("visit_id", {"visit_id": "system.operations", "visitor": "user.unique_id"}),
}
LINK = {"near": f"{CUSTOMERS}.email", "far": f"{ACCOUNTS}.email", "normaliser": "email"}
VISITED = {"near": f"{CUSTOMERS}.customer_id", "far": f"{VISITS}.visitor"}

_NUMBERS = {
    "customer_id", "prospect_id", "account_id", "order_id", "invoice_id", "recommended_by",
    "visit_id", "visitor",
}  # fmt: skip


def sql_tables(*, server: bool) -> dict[str, sa.Table]:
    """The tables as their applications made them; schemas on a server only."""
    return {
        name: sa.Table(
            name.partition(".")[2],
            sa.MetaData(schema=name.partition(".")[0] if server else None),
            *(
                sa.Column(
                    column,
                    sa.BigInteger if column in _NUMBERS else sa.Text,
                    primary_key=column == declared["key"],
                )
                for column in declared["columns"]
            ),
        )
        for name, declared in DECLARED.items()
    }


@dataclass
class World:
    """An installation; ``rows`` are put into its sources as applications would."""

    installation: Installation
    tables: Mapping[str, sa.Table]

    def put(self, name: str, *rows: dict[str, Any]) -> None:
        columns = DECLARED[name]["columns"]
        whole = [dict.fromkeys(columns) | row for row in rows]
        with self.installation.sources.begin(name.partition(".")[0], write=True) as connection:
            connection.execute(self.tables[name].insert(), whole)

    def customer(self, number: int, last: str | None, first: str | None, **more: Any) -> None:
        row = {"customer_id": number, "last_name": last, "first_name": first}
        self.put(CUSTOMERS, {**row, **more})

    def prospect(self, number: int, last: str | None, first: str | None, **more: Any) -> None:
        row = {"prospect_id": number, "last_name": last, "first_name": first}
        self.put(PROSPECTS, {**row, **more})

    def account(self, number: int, email: str | None, name: str | None = None) -> None:
        self.put(ACCOUNTS, {"account_id": number, "email": email, "name": name})

    def archive(
        self,
        name: str,
        row: Mapping[str, Any],
        person: tuple[str, int],
        *,
        destroyed: bool = False,
        settled: bool = True,
    ) -> str:
        """What the archive knows of a row without unsealing it; returns the person's token."""
        catalogue, keyring = self.installation.catalogue, self.installation.keyring
        token = subject_token(keyring, catalogue.table(person[0]) and person[0], (person[1],))
        record = record_token(keyring, name, tuple(row[k] for k in catalogue.table(name).key))
        unit = {"unit_id": keyring.token("test", token, record), "chunk_id": "c"}
        day = date(2026, 1, 1)
        with writing(self.installation.stores.archive) as connection:
            connection.execute(
                archive.units.insert(),
                {
                    "unit_id": unit["unit_id"],
                    "subject_token": token,
                    "expires_on": date(2030, 1, 1),
                    "created_on": day,
                    "destroyed_on": day if destroyed else None,
                },
            )
            connection.execute(
                archive.records.insert(),
                {
                    **unit,
                    "record_token": record,
                    "incarnation": 1,
                    "table_name": name,
                    "subject_token": token,
                    "payload": b"sealed, and not to be unsealed",
                    "facts": {},
                    "policy_digest": "p",
                    "row_digest": b"d",
                    "settled": settled,
                    "archived_on": day,
                },
            )
            made = fingerprints(keyring, identities(catalogue.table(name), row))
            for field, one in sorted(made):
                values = {"record_token": record, "field": field, "fingerprint": one, "version": 1}
                connection.execute(archive.fingerprints.insert(), {**unit, **values})
        return token

    def empty(self) -> None:
        for name, table in self.tables.items():
            with self.installation.sources.begin(name.partition(".")[0], write=True) as at:
                at.execute(table.delete())
        with writing(self.installation.stores.archive) as connection:
            for table in (archive.fingerprints, archive.records, archive.units):
                connection.execute(table.delete())


@contextmanager
def made(home: Path, server: str | None) -> Iterator[World]:
    """The installation, empty, in a folder or (``server``) in one PostgreSQL database."""
    home.mkdir()
    tables = sql_tables(server=bool(server))
    systems = dict.fromkeys(name.partition(".")[0] for name in DECLARED)
    for system in systems:
        engine = sa.create_engine(server or f"sqlite:///{home / system}.sqlite")
        with engine.begin() as connection:
            if server:
                connection.execute(sa.schema.CreateSchema(system))
            for name, table in tables.items():
                if name.startswith(f"{system}."):
                    table.create(connection)
        engine.dispose()
    documents: dict[str, Any] = {
        system: {
            "label": system,
            "time_zone": "UTC",
            "url": server or f"sqlite:///{system}.sqlite",
            **({"schema": system} if server else {}),
            "tables": {
                name.partition(".")[2]: declared
                for name, declared in DECLARED.items()
                if name.startswith(f"{system}.")
            },
        }
        for system in systems
    }
    catalogue = Catalogue.model_validate(
        {
            "catalogue": "people",
            "links": {"account": LINK, "visited": VISITED},
            "systems": documents,
        }
    )
    (home / "master.key").write_text(base64.b64encode(bytes(range(32))).decode())
    settings = {
        "policy": str(POLICY),
        "catalogue": "catalogue.yaml",
        "stores": {n: {"url": server or f"sqlite:///stores/{n}.sqlite"} for n in STORE_NAMES},
        "master_key": {"file": "master.key"},
    }
    (home / "retention.yaml").write_text(yaml.safe_dump(settings))
    read, policy = read_settings(home / "retention.yaml", {}), read_policy(POLICY)
    stores = open_stores(read)
    migrate(stores)
    sources = Sources(catalogue, zone(policy.time_zone), read.address)
    keyring = Keyring(read_master_key(read), stores.keys)
    world = World(Installation(read, policy, catalogue, sources, stores, keyring), tables)
    try:
        yield world
    finally:
        world.installation.close()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def people(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    server = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with made(tmp_path_factory.mktemp("people") / "home", server) as world:
        yield world


@pytest.fixture
def world(people: World) -> Iterator[World]:
    """Nobody yet, on SQLite and then on PostgreSQL."""
    yield people
    people.empty()


def outcome(world: World, asked: Asked) -> tuple[set[tuple[str, Any]], set[tuple[str, Any]]]:
    """Table and key of the exact and of the doubtful records; the archive's have key None."""
    found = resolve(world.installation, asked)
    assert len({match.token for match in found}) == len(found)
    return told(found, exact=True), told(found, exact=False)


def told(matches: Iterable[Match], *, exact: bool) -> set[tuple[str, Any]]:
    return {
        (match.table, match.key[0] if match.key else None)
        for match in matches
        if match.exact is exact
    }
