"""Events whose rows have left before the row whose clock they run.

An invoice is a purchase: it keeps its customer's clock, and it goes to the archive, or is
disposed of, in a transaction of its own. A log of visits prolongs a customer elsewhere through
a link, and is gone, or its link cleared, long before the customer has to go. What it said is
remembered, under opaque tokens, for exactly as long as the row it prolongs is in its source:
without that this one would look like one of whom nothing is known. Memory only prolongs, so
that of many days the last is enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable, LentAfar
from retention.catalogue.model import TableName
from retention.holds import subjects
from retention.installation import Installation
from retention.keys import Keyring
from retention.planning.facts import (
    Key,
    latest,
    lent_facts,
    load_joined,
    load_lent_afar,
    pack,
    unpack,
)
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
    installation: Installation,
    bound: BoundTable,
    rows: Sequence[Row],
    chunk_id: str,
    *,
    afar: Iterable[LentAfar] = (),
    keys: Mapping[TableName, Mapping[Key, Key]],
) -> None:
    """Before ``rows`` of ``bound`` leave: keep what they say of their owners. Repeatable.

    And before the rows ``keys`` leave, or no link leads to them any more: what they say through
    the links ``afar``. ``keys`` are by table, each with the key of the row it goes with.

    Raises:
        SourceError: a system whose rows they prolong is out of reach; then they have to stay.
    """
    keyring, said = installation.keyring, dict(_of_owners(connection, installation, bound, rows))
    for item in afar:
        for key, gone, facts in load_lent_afar(connection, item, keys, installation.sources):
            at = (
                record_token(keyring, item.near, key),
                record_token(keyring, bound.name, gone),
                item.remote.kind,
            )
            said[at] = said.get(at, Facts()).merged(facts)
    made = [
        {"owner_token": owner, "record_token": record, "kind": kind,
         "facts": pack(latest(facts)), "chunk_id": chunk_id}
        for (owner, record, kind), facts in said.items()
    ]  # fmt: skip
    if not made:
        return
    with writing(installation.stores.archive) as stored:
        for part in batches(made, BATCH):
            upsert(stored, archive.evidence, part, _AT, ["facts", "chunk_id"])


_AT = ("owner_token", "record_token", "kind")


def _of_owners(
    connection: Connection, installation: Installation, bound: BoundTable, rows: Sequence[Row]
) -> Iterator[tuple[tuple[str, str, str], Facts]]:
    owner, keyring = bound.table.owner, installation.keyring
    if not rows or not bound.lent or owner is None or bound.owner is None:
        return
    persons = subjects(connection, bound, rows)
    for row in rows:
        own = tuple(row[name] for name in bound.table.key)
        who, theirs = persons[own]
        if who != bound.owner:
            theirs = tuple(row[name] for name in owner.via)
        at = record_token(keyring, bound.owner, theirs), record_token(keyring, bound.name, own)
        for kind, facts in lent_facts(bound.lent, row).items():
            yield (*at, kind), facts


MERGED = "merged"
"""The record's token where what several that have left said is kept as one."""


def keep_only(stores: Stores, chunk_id: str, gone: Iterable[str]) -> None:
    """Forget what a chunk remembered of rows that did not leave after all; merge the rest.

    Repeatable: what is merged belongs to no chunk any more.
    """
    at = archive.evidence.c
    mine = at.chunk_id == chunk_id
    with writing(stores.archive) as connection:
        statement = sa.select(at.record_token).distinct().where(mine)
        stay = {row[0] for row in connection.execute(statement)} - set(gone)
        for batch in batches(sorted(stay), BATCH):
            connection.execute(archive.evidence.delete().where(mine, at.record_token.in_(batch)))
        left = sa.select(at.owner_token, at.kind, at.facts).where(mine)
        merged: dict[tuple[str, str], Facts] = defaultdict(Facts)
        for owner, kind, packed in connection.execute(left):
            merged[owner, kind] = merged[owner, kind].merged(unpack(packed))
        before = sa.select(at.owner_token, at.kind, at.facts).where(at.record_token == MERGED)
        for batch in batches(sorted({owner for owner, _ in merged}), BATCH):
            for owner, kind, packed in connection.execute(before.where(at.owner_token.in_(batch))):
                if (owner, kind) in merged:
                    merged[owner, kind] = merged[owner, kind].merged(unpack(packed))
        for part in batches(merged.items(), BATCH):
            upsert(
                connection,
                archive.evidence,
                [
                    {"owner_token": owner, "record_token": MERGED, "kind": kind,
                     "facts": pack(latest(facts)), "chunk_id": ""}
                    for (owner, kind), facts in part
                ],
                _AT,
                ["facts"],
            )  # fmt: skip
        connection.execute(archive.evidence.delete().where(mine))


def forget(stores: Stores, keyring: Keyring, table: TableName, keys: Iterable[Key]) -> None:
    """The owners themselves have left: what was remembered for them goes too. Repeatable."""
    tokens = [record_token(keyring, table, key) for key in keys]
    with writing(stores.archive) as connection:
        for batch in batches(tokens, BATCH):
            connection.execute(
                archive.evidence.delete().where(archive.evidence.c.owner_token.in_(batch))
            )
