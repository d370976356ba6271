"""Records that a request took out of a system, and that are there again: a backup was restored.

Before anything is touched, what each of the person's own records looked like is kept as keyed
digests, which say nothing of anybody. A row under the same key with the same digest is the very
same row. One that only looks like it (the same key, the same address) may come from an older
backup, or be somebody who has come back by themselves: a person decides about it. A row of
somebody else, who was given the key since, is none of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from retention import identities
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.holds import Person, subject_token
from retention.installation import Installation
from retention.keys import Keyring
from retention.planning.facts import Key, key_in
from retention.requests.model import OPEN, Kind, Outcome, RequestId, State
from retention.stores import cases
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches, upsert

KINDS = frozenset({Kind.erasure, Kind.restriction})
"""After these the person's own records are to stay out of the systems."""

_PAGE = 5_000
_PLACE = ("request_id", "table_name", "token")
_SAYS_WHO = frozenset({"email", "phone", "full_name", "address", "iban"})


@dataclass(frozen=True)
class Returned:
    """A record that is there again. ``key`` and ``row`` are for restricted eyes."""

    request_id: RequestId
    """The answered request that took it out, the last of several."""
    kind: Kind
    table: TableName
    key: Key = field(repr=False)
    row: Mapping[str, Any] = field(repr=False)
    unchanged: bool
    """It is the very row that was taken out; else it only looks like it."""


def remember(
    installation: Installation, request_id: RequestId, kind: Kind, persons: Sequence[Person]
) -> None:
    """Keep what the person's own records look like, before they are touched. Repeatable.

    Raises:
        SourceError: a system cannot be reached.
    """
    if kind not in KINDS:
        return
    rows = [
        {
            "request_id": request_id,
            "table_name": str(table),
            "token": _token(installation.keyring, table, key),
            "digest": installation.keyring.row_digest(row),
            "prints": sorted(_prints(installation, table, row)),
            "version": identities.VERSION,
        }
        for table, key, row in _rows(installation, persons)
    ]
    with writing(installation.stores.cases) as connection:
        upsert(connection, cases.taken_out, rows, _PLACE, ("digest", "prints", "version"))


def settle(installation: Installation, request_id: RequestId, persons: Sequence[Person]) -> None:
    """Before it is answered: forget the records that have stayed, for another purpose, say.

    Raises:
        SourceError: a system cannot be reached.
    """
    stayed = [
        _token(installation.keyring, table, key) for table, key, _ in _rows(installation, persons)
    ]
    at = cases.taken_out.c
    with writing(installation.stores.cases) as connection:
        for batch in batches(stayed, BATCH):
            there = (at.request_id == request_id) & at.token.in_(batch)
            connection.execute(cases.taken_out.delete().where(there))


def returned(installation: Installation) -> list[Returned]:
    """Every record that is there again, by request and table.

    Records about which a request is open are left out: somebody sees to them. Tables are only
    read where records of theirs have been taken out.

    Raises:
        SourceError: a system cannot be reached or read.
    """
    found: list[Returned] = []
    for table, entries in sorted(_entries(installation).items()):
        for key, row in _there(installation, table, entries):
            if _is_dealt_with(installation, table, key):
                continue
            entry = entries[_token(installation.keyring, table, key)]
            unchanged = installation.keyring.row_digest(row) == entry.digest
            prints = _prints(installation, table, row, entry.version)
            if unchanged or prints & entry.prints:
                request_id, kind = entry.request_id, entry.kind
                found.append(Returned(request_id, kind, table, key, row, unchanged))
    return sorted(found, key=lambda item: (item.request_id, item.table, repr(item.key)))


@dataclass(frozen=True)
class _Entry:
    request_id: RequestId
    kind: Kind
    digest: bytes
    prints: frozenset[str]
    version: int


def _token(keyring: Keyring, table: TableName, key: Key) -> str:
    """The key as text: after a restore it may be read in another type."""
    return keyring.token("taken out", table, *(str(part) for part in key))


def _prints(
    installation: Installation,
    table: TableName,
    row: Mapping[str, Any],
    version: int = identities.VERSION,
) -> set[str]:
    """Fingerprints of what a row says of whose it is; its key says nothing of that."""
    declared, region = installation.catalogue.table(table), installation.settings.requests.region
    said = [
        (field, form)
        for field, form in identities.identities(declared, row, region)
        if field in _SAYS_WHO
    ]
    return {mark for _, mark in identities.fingerprints(installation.keyring, said, version)}


def _rows(
    installation: Installation, persons: Sequence[Person]
) -> Iterator[tuple[TableName, Key, Mapping[str, Any]]]:
    keys: dict[TableName, list[Key]] = defaultdict(list)
    for table, key in persons:
        if key:  # of archived ones no key is known
            keys[table].append(key)
    for table, wanted in sorted(keys.items()):
        for key, row in _read(installation, table, wanted):
            yield table, key, row


def _read(
    installation: Installation, table: TableName, keys: Sequence[Key]
) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    system = table.partition(".")[0]
    sql, names = installation.sources.table(table), installation.catalogue.table(table).key
    columns = [sql.c[name] for name in names]
    with source_errors(system), installation.sources.engine(system).connect() as connection:
        for batch in batches(keys, BATCH):
            statement = sa.select(*sql.columns).where(key_in(columns, batch))
            for row in connection.execute(statement).mappings():
                yield tuple(row[name] for name in names), dict(row)


def _entries(installation: Installation) -> dict[TableName, dict[str, _Entry]]:
    """What was taken out by requests that are answered, and is to stay out; by table and token."""
    entry, request = cases.taken_out.c, cases.requests.c
    outcome = cases.request_outcomes.c
    restricted = (
        sa.select(outcome.request_id)
        .where(outcome.request_id == request.request_id, outcome.outcome == Outcome.restricted)
        .exists()
    )
    stays_out = (request.kind == Kind.erasure) | restricted  # not one that was lifted since
    statement = (
        sa.select(cases.taken_out, request.kind)
        .join(cases.requests, request.request_id == entry.request_id)
        .where(request.state == State.answered, stays_out)
        .order_by(request.answered_on, request.created_at)
    )
    found: dict[TableName, dict[str, _Entry]] = defaultdict(dict)
    with reading(installation.stores.cases) as connection:
        for row in connection.execute(statement):
            found[TableName(row.table_name)][row.token] = _Entry(
                RequestId(row.request_id),
                Kind(row.kind),
                bytes(row.digest),
                frozenset(row.prints),
                row.version,
            )
    known = {name for name, _ in installation.catalogue.tables()}
    return {table: entries for table, entries in found.items() if table in known}


def _there(
    installation: Installation, table: TableName, entries: Mapping[str, _Entry]
) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """The rows whose keys are among ``entries``; the table's keys are streamed."""
    system = table.partition(".")[0]
    sql, names = installation.sources.table(table), installation.catalogue.table(table).key
    statement = sa.select(*(sql.c[name] for name in names))
    keyring = installation.keyring
    with source_errors(system), installation.sources.engine(system).connect() as connection:
        streamed = connection.execution_options(yield_per=_PAGE).execute(statement)
        keys = [key for key in map(tuple, streamed) if _token(keyring, table, key) in entries]
    yield from _read(installation, table, keys)


def _is_dealt_with(installation: Installation, table: TableName, key: Key) -> bool:
    subject, request = cases.request_subjects.c, cases.requests.c
    statement = (
        sa.select(request.request_id)
        .join(cases.request_subjects, subject.request_id == request.request_id)
        .where(
            subject.subject_token == subject_token(installation.keyring, table, key),
            request.kind.in_([str(kind) for kind in KINDS]),
            request.state.in_([str(state) for state in OPEN]),
        )
    )
    with reading(installation.stores.cases) as connection:
        return connection.execute(statement.limit(1)).first() is not None
