"""What is held of a person, gathered for the copy they ask for (GDPR art. 15 and 20).

Personal data: for ``package``, which seals it, and for nobody else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.holds import Person, subject_token
from retention.installation import Installation
from retention.requests.copies.records import (
    Disclosing,
    GatheredTable,
    Record,
    of_archive,
    of_source,
)
from retention.requests.doing.persons import Archived, archived_of, read_person
from retention.stores import cases
from retention.stores.open import reading
from retention.stores.sql import batches


@dataclass(frozen=True)
class Gathered:
    """Everything that is held of a person on a day."""

    as_of: date
    tables: tuple[GatheredTable, ...]

    @property
    def rows(self) -> Mapping[TableName, int]:
        """How many records there are, by table."""
        return {table.name: len(table.records) for table in self.tables}

    def portable(self) -> Gathered:
        """The part supplied by the person, under consent or a contract (GDPR art. 20)."""
        tables = (replace(table, records=tuple(_portable(table.records))) for table in self.tables)
        return replace(self, tables=tuple(table for table in tables if table.records))


def _portable(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        values = {name: value for name, value in record.values.items() if name in record.portable}
        if values:
            yield replace(record, values=values, withheld={}, held_for=(), earlier={})


def gather(
    installation: Installation, persons: Sequence[Person], tokens: Sequence[str], as_of: date
) -> Gathered:
    """All that is held of ``persons``, system by system, and in the archive under ``tokens``.

    Nothing of the archive is shown for a person's key alone: it may hold another's who had it.

    Raises:
        SourceError: a system is out of reach; a copy with a hole in it is none.
        StoreError: a record of the archive cannot be unsealed.
    """
    subjects = {*tokens, *(subject_token(installation.keyring, *person) for person in persons)}
    held = _held(installation, subjects)
    disclosing = Disclosing(installation, frozenset(persons), as_of)
    found: dict[TableName, list[Record]] = defaultdict(list)
    stopped = _strongest(set(held.values()))
    for table in read_person(installation, persons, as_of):
        for key, tree in table.trees.items():
            for row in tree.rows:
                record = of_source(disclosing, row, table.judged[key].decision, stopped)
                found[row.name].append(record)
    for parts in _together(archived_of(installation, tokens)):
        record = of_archive(disclosing, parts, held.get(parts[0].subject_token))
        found[parts[0].table].append(record)
    order = {name: place for place, (name, _) in enumerate(installation.catalogue.tables())}
    names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return Gathered(
        as_of,
        tuple(
            GatheredTable(name, _recipients(installation, name), tuple(found[name]))
            for name in names
        ),
    )


def _recipients(installation: Installation, name: TableName) -> tuple[str, ...]:
    recipients = installation.catalogue.recipients.items()
    return tuple(label for label, recipient in recipients if name in recipient.tables)


def _held(installation: Installation, tokens: Iterable[str]) -> dict[str, str]:
    """Those of ``tokens`` that are held now, and why: a word of ``model.BECAUSE``."""
    statement = sa.select(cases.held_subjects.c.subject_token, cases.holds.c.kind).join(
        cases.holds, cases.holds.c.hold_id == cases.held_subjects.c.hold_id
    )
    statement = statement.where(cases.holds.c.released_at.is_(None))
    kinds: dict[str, set[str]] = defaultdict(set)
    with reading(installation.stores.cases) as connection:
        for batch in batches(sorted(tokens)):
            mine = statement.where(cases.held_subjects.c.subject_token.in_(batch))
            for token, kind in connection.execute(mine):
                kinds[token].add(kind)
    return {token: kind for token, found in kinds.items() if (kind := _strongest(found))}


def _strongest(kinds: Collection[str]) -> str | None:
    """What is said where both are there: a hold goes on when the person ends a restriction."""
    return "legal_hold" if "legal_hold" in kinds else next(iter(kinds), None)


def _together(parts: Iterable[Archived]) -> Iterator[list[Archived]]:
    """The parts of each archived record, in a fixed order.

    A record that came back and was archived again has a column twice: that is another record.
    """
    order: dict[tuple[TableName, str], list[list[Archived]]] = {}
    last_first = sorted(
        parts,
        key=lambda part: (
            part.table,
            part.record_token,
            -part.expires_on.toordinal(),
            part.unit_id,
        ),
    )
    for part in last_first:
        groups = order.setdefault((part.table, part.record_token), [])
        for group in groups:
            if not any(set(part.values) & set(other.values) for other in group):
                group.append(part)
                break
        else:
            groups.append([part])
    for groups in order.values():
        yield from groups
