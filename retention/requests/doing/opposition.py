"""The opposition list: who objected to prospecting, as keyed fingerprints of e-mail and phone.

The list says of an address at hand whether its owner objected, and of nobody who they are. An
import that brings such a person back as a prospect is found by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import Catalogue, Table, TableName
from retention.catalogue.sources import source_errors
from retention.identities import VERSION, field_of, fingerprint, normal
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.planning.judge import judge
from retention.policy.decide import Phase
from retention.policy.predicates import PHASE_NUMBER
from retention.policy.table import Purpose
from retention.requests.model import Asked
from retention.stores.cases import opposition
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches, upsert

FIELDS = ("email", "phone")
"""By what a person is contacted for prospecting, and recognised when they come back."""

PROSPECTING = "prospecting"

_PAGE = 5_000


def add(installation: Installation, who: Asked | Iterable[tuple[str, str]], *, as_of: date) -> int:
    """Put a person's e-mails and phones on the list, from ``as_of`` on; returns how many.

    ``who`` is what a request says, or pairs of field and value (``email``, ``phone``; others
    are not looked at), normal or as they stand. What is on the list already stays there for
    as long as the later of the two days says. Repeatable.
    """
    pairs = who.said().items() if isinstance(who, Asked) else who
    region = installation.settings.requests.region
    forms = {
        (field, form)
        for field, value in pairs
        if field in FIELDS and (form := normal(field, value, region))
    }
    expires_on = installation.policy.requests.opposition.lasts.after(as_of)
    rows = [
        {
            "fingerprint": fingerprint(installation.keyring, field, form),
            "field": field,
            "version": VERSION,
            "added_on": as_of,
            "expires_on": expires_on,
        }
        for field, form in sorted(forms)
    ]
    with writing(installation.stores.cases) as connection:
        later = _kept_longer(connection, [str(row["fingerprint"]) for row in rows], expires_on)
        new = [row for row in rows if row["fingerprint"] not in later]
        changed = ("version", "added_on", "expires_on")
        upsert(connection, opposition, new, ("fingerprint", "field"), changed)
    return len(rows)


def _kept_longer(connection: Connection, prints: Sequence[str], expires_on: date) -> set[str]:
    at = opposition.c
    statement = sa.select(at.fingerprint).where(
        at.fingerprint.in_(prints), at.expires_on >= expires_on
    )
    return set(connection.scalars(statement))


def prints_of(installation: Installation, who: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Fields and fingerprints under which an e-mail or phone may stand on the list.

    In every version of normal forms that the list knows.
    """
    region = installation.settings.requests.region
    forms = [(field, normal(field, value, region)) for field, value in who if field in FIELDS]
    with reading(installation.stores.cases) as connection:
        versions = list(connection.scalars(sa.select(opposition.c.version).distinct()))
    return {
        (field, fingerprint(installation.keyring, field, form, version))
        for field, form in forms
        if form is not None
        for version in versions
    }


def is_listed(installation: Installation, field: str, value: str, as_of: date) -> bool:
    """Whether the owner of an e-mail or phone, written in whatever way, has objected."""
    return _Listed.on(installation, as_of).has(field, value)


def prospecting_tables(installation: Installation, as_of: date) -> dict[TableName, tuple[str, ...]]:
    """The tables that an objection is about, with the purposes that it ends there.

    Those that hold an e-mail or phone for prospecting, or for another purpose that rests on
    consent and ends when this is withdrawn.
    """
    return tables_to_watch(installation.catalogue, installation.policy.version_on(as_of).purposes)


def tables_to_watch(
    catalogue: Catalogue, purposes: Mapping[str, Purpose]
) -> dict[TableName, tuple[str, ...]]:
    """As ``prospecting_tables``, by what is declared alone."""
    found = {}
    for name, table in catalogue.tables():
        ended = tuple(held for held in table.purposes if ends_by_objection(purposes[held]))
        if ended and _contact_columns(table):
            found[name] = ended
    return found


def ends_by_objection(purpose: Purpose) -> bool:
    """Whether who objects to a purpose is put on the list: nobody may solicit them for it."""
    by_consent = purpose.legal_basis == "consent" and purpose.active is not None
    return purpose.id == PROSPECTING or bool(
        by_consent and purpose.active and purpose.active.ended_by
    )


def _contact_columns(table: Table) -> dict[str, str]:
    """Columns that hold an e-mail or phone, with the field."""
    fields = {name: field_of(column) for name, column in table.columns.items()}
    return {name: field for name, field in fields.items() if field in FIELDS}


def opposed(installation: Installation, table: TableName, as_of: date) -> Iterator[Key]:
    """The keys of rows that are up for prospecting although their owner objected.

    A row is left out where its purpose is over, be it withdrawn or expired. The table is
    streamed; nothing is read while the list is empty. The keys are for restricted eyes.

    Raises:
        SourceError: the system cannot be reached or read.
    """
    listed = _Listed.on(installation, as_of)
    purposes = prospecting_tables(installation, as_of).get(table, ())
    if not (listed.prints and purposes):
        return
    bound = installation.binder(as_of).bind(table)
    with source_errors(bound.system), installation.sources.engine(bound.system).connect() as at:
        keys = _listed_rows(at, bound, purposes, listed, as_of)
        if not bound.partial:
            yield from keys
            return
        for batch in batches(list(keys), BATCH):
            yield from _still_live(installation, at, bound, batch, purposes, as_of)


def count_opposed(installation: Installation, table: TableName, as_of: date) -> int:
    """How many rows ``opposed`` finds."""
    return sum(1 for _ in opposed(installation, table, as_of))


@dataclass(frozen=True)
class _Listed:
    """The list as it is in force on a day."""

    installation: Installation
    prints: frozenset[tuple[str, str]]
    """Fields and fingerprints."""
    versions: tuple[int, ...]

    @classmethod
    def on(cls, installation: Installation, as_of: date) -> _Listed:
        at = opposition.c
        statement = sa.select(at.field, at.fingerprint, at.version).where(at.expires_on >= as_of)
        with reading(installation.stores.cases) as connection:
            rows = connection.execute(statement).all()
        versions = tuple(sorted({row.version for row in rows}))
        return cls(installation, frozenset((row.field, row.fingerprint) for row in rows), versions)

    def has(self, field: str, value: object) -> bool:
        form = normal(field, value, self.installation.settings.requests.region)
        keyring = self.installation.keyring
        return form is not None and any(
            (field, fingerprint(keyring, field, form, version)) in self.prints
            for version in self.versions
        )


def _listed_rows(
    connection: Connection,
    bound: BoundTable,
    purposes: Sequence[str],
    listed: _Listed,
    as_of: date,
) -> Iterator[Key]:
    columns = _contact_columns(bound.table)
    contacts = [bound.sql.c[name] for name in columns]
    given = sa.or_(*(column.is_not(None) for column in contacts))
    statement = sa.select(*bound.key, *contacts).where(given)
    if not bound.partial:  # evidence elsewhere could make a purpose live that is over here
        over = PHASE_NUMBER[Phase.expired]
        phases = bound.phases(as_of)
        statement = statement.where(sa.or_(*(phases[name] > over for name in purposes)))
    width = len(bound.key)
    rows = connection.execution_options(yield_per=_PAGE).execute(statement)
    for row in rows:
        pairs = zip(columns.values(), row[width:], strict=True)
        if any(value is not None and listed.has(field, value) for field, value in pairs):
            yield tuple(row[:width])


def _still_live(
    installation: Installation,
    connection: Connection,
    bound: BoundTable,
    keys: Sequence[Key],
    purposes: Sequence[str],
    as_of: date,
) -> Iterator[Key]:
    statement = sa.select(*bound.sql.columns).where(key_in(bound.key, keys))
    rows: list[Mapping[str, Any]] = [dict(row) for row in connection.execute(statement).mappings()]
    for item in judge(connection, bound, rows, as_of, installation.sources):
        if set(purposes) & set(item.decision.live_purposes):
            yield item.key
