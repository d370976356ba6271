"""What the stores of an installation hold, in a form that tests compare."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from retention import ledger
from retention.execution.sealing import unseal_identity, unseal_payload
from retention.installation import Installation
from retention.stores import archive, cases, control, keys, vault


def fetch(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def unsealed(installation: Installation, *, crashed: bool = False) -> list[dict[str, Any]]:
    """Every archived record, its segments put together, identities included.

    A record of which some segments have expired holds what is left of it. Where a run has
    ``crashed`` the vault may be ahead of the archive.
    """
    stores = installation.stores
    identities = {
        (row["record_token"], row["incarnation"], row["unit_id"]): row["sealed"]
        for row in fetch(stores.vault, vault.records)
    }
    found: dict[tuple[str, int], dict[str, Any]] = {}
    records = fetch(stores.archive, archive.records)
    unit_keys = installation.keyring.open_units({row["unit_id"] for row in records})
    for row in records:
        place = row["record_token"], row["incarnation"], row["unit_id"]
        key = unit_keys[row["unit_id"]]
        payload = unseal_payload(*place, key, row["payload"])
        payload.pop("~pseudonyms", None)
        sealed = identities.pop(place, None)
        identity = unseal_identity(*place, key, sealed) if sealed else {}
        item = found.setdefault(
            place[:2],
            {
                "table": row["table_name"],
                "incarnation": row["incarnation"],
                "settled": row["settled"],
                "values": {},
                "segments": 0,
                "archived_on": row["archived_on"],
            },
        )
        item["values"] |= payload | identity
        item["segments"] += 1
    assert crashed or not identities, "the vault holds identities of no archived record"
    return list(found.values())


def state_of_stores(installation: Installation) -> dict[str, Any]:
    stores = installation.stores
    units = fetch(stores.archive, archive.units)
    unit_keys = {row["unit_id"]: row["wrapped"] for row in fetch(stores.keys, keys.units)}
    used = {row["unit_id"] for row in fetch(stores.archive, archive.records)}
    sums: Counter[tuple[str, str, str]] = Counter()
    for entry in fetch(stores.control, control.ledger):
        for what, number in entry["counts"].items():
            sums[entry["table_name"], entry["transition"], what] += number
    return {
        "archive": sorted(
            repr({**item, "values": sorted(item["values"].items())})
            for item in unsealed(installation)
        ),
        "units": sorted((str(row["expires_on"]), str(row["destroyed_on"])) for row in units),
        "fingerprints": sorted(
            (row["record_token"], row["field"], row["fingerprint"])
            for row in fetch(stores.archive, archive.fingerprints)
        ),
        "evidence": sorted(
            repr({name: row[name] for name in ("owner_token", "record_token", "kind", "facts")})
            for row in fetch(stores.archive, archive.evidence)
        ),
        "live keys with records": sum(unit_keys[unit_id] is not None for unit_id in used),
        "keys of destroyed units": [
            row["unit_id"] for row in units if row["destroyed_on"] and unit_keys[row["unit_id"]]
        ],
        "ledger": {place: number for place, number in sorted(sums.items()) if number},
        "accumulators": sorted(
            repr(sorted(_settled(row).items()))
            for row in fetch(stores.control, control.accumulators)
        ),
        "review": sorted(
            (row["table_name"], row["key"], row["reason"])
            for row in fetch(stores.cases, cases.review)
        ),
        "unfinished chunks": [
            row["state"]
            for row in fetch(stores.control, control.chunks)
            if row["state"] not in ("done", "abandoned")
        ],
        "ledger problem": ledger.verify(
            stores.control, installation.settings.path(Path("ledger.head"))
        ).problem,
    }


def _settled(cell: dict[str, Any]) -> dict[str, Any]:
    """What a cell holds however its rows were cut into chunks.

    Of persons whose rows leave one by one it has bounds, which are as good as the chunks are
    large.
    """
    if cell["table_name"] in ("crm.invoices", "web.connections"):
        bounds = ("persons", "largest", "largest_rows")
        return {name: value for name, value in cell.items() if name not in bounds}
    return cell


def ledger_rows(installation: Installation, transition: str, table: str | None = None) -> int:
    """Rows of one transition over all runs, as the ledger has it."""
    return sum(
        entry["counts"]["rows"]
        for entry in fetch(installation.stores.control, control.ledger)
        if entry["transition"] == transition and table in (None, entry["table_name"])
    )
