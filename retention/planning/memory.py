"""Events whose rows have left before the row whose clock they run.

An invoice is a purchase: it keeps its customer's clock, and it goes to the archive, or is
disposed of, in a transaction of its own. What it said of its owner is remembered, under
opaque tokens, for exactly as long as the owner's row is in the source: without that the
owner would look like one of whom nothing is known. Memory only prolongs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.holds import subjects
from retention.installation import Installation
from retention.keys import Keyring
from retention.planning.facts import Key, lent_facts, load_joined, pack, unpack
from retention.planning.judge import Row
from retention.policy.decide import Facts
from retention.stores import archive
from retention.stores.open import Stores, reading, writing
from retention.stores.sql import BATCH, batches, upsert


def record_token(keyring: Keyring, table: str, key: Key) -> str:
    """The opaque natural key of a record."""
    return keyring.token("record", table, *key)


def remembered(
    installation: Installation, connection: Connection, bound: BoundTable, rows: Sequence[Row]
) -> dict[Key, Facts]:
    """What rows that have left said of ``rows``; keys of whom nothing is remembered are absent."""
    if not bound.remembered or not rows:
        return {}
    keys = [tuple(row[name] for name in bound.table.key) for row in rows]
    wanted: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for item in bound.remembered:
        for key, owner in load_joined(connection, bound, item.joins, item.columns, keys):
            wanted[record_token(installation.keyring, item.owner, owner), item.kind].append(key)
    at = archive.evidence.c
    found: dict[Key, Facts] = {}
    with reading(installation.stores.archive) as stored:
        for batch in batches(sorted({token for token, _ in wanted}), BATCH):
            statement = sa.select(at.owner_token, at.kind, at.facts)
            for token, kind, packed in stored.execute(statement.where(at.owner_token.in_(batch))):
                for key in wanted.get((token, kind), ()):
                    found[key] = found.get(key, Facts()).merged(unpack(packed))
    return found


def remember(
    connection: Connection,
    stores: Stores,
    keyring: Keyring,
    bound: BoundTable,
    rows: Sequence[Row],
    chunk_id: str,
) -> None:
    """Before ``rows`` of ``bound`` leave: keep what they say of their owners. Repeatable."""
    owner = bound.table.owner
    if not bound.lent or owner is None or bound.owner is None:
        return
    made: list[dict[str, Any]] = []
    persons = subjects(connection, bound, rows)
    for row in rows:
        own = tuple(row[name] for name in bound.table.key)
        who, theirs = persons[own]
        if who != bound.owner:
            theirs = tuple(row[name] for name in owner.via)
        made += [
            {
                "owner_token": record_token(keyring, bound.owner, theirs),
                "record_token": record_token(keyring, bound.name, own),
                "kind": kind,
                "facts": pack(facts),
                "chunk_id": chunk_id,
            }
            for kind, facts in lent_facts(bound.lent, row).items()
        ]
    with writing(stores.archive) as stored:
        for part in batches(made, BATCH):
            upsert(
                stored,
                archive.evidence,
                part,
                ["owner_token", "record_token", "kind"],
                ["facts", "chunk_id"],
            )


def keep_only(stores: Stores, chunk_id: str, gone: Iterable[str]) -> None:
    """Forget what a chunk remembered of rows that did not leave after all."""
    at = archive.evidence.c
    with writing(stores.archive) as connection:
        statement = sa.select(at.record_token).distinct().where(at.chunk_id == chunk_id)
        stay = {row[0] for row in connection.execute(statement)} - set(gone)
        for batch in batches(sorted(stay), BATCH):
            connection.execute(
                archive.evidence.delete().where(at.chunk_id == chunk_id, at.record_token.in_(batch))
            )


def forget(stores: Stores, keyring: Keyring, table: TableName, keys: Iterable[Key]) -> None:
    """The owners themselves have left: what was remembered for them goes too. Repeatable."""
    tokens = [record_token(keyring, table, key) for key in keys]
    with writing(stores.archive) as connection:
        for batch in batches(tokens, BATCH):
            connection.execute(
                archive.evidence.delete().where(archive.evidence.c.owner_token.in_(batch))
            )
