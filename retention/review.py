"""The review queue: rows that only a person can decide on. Never a silent keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

import sqlalchemy as sa

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.errors import ConfigurationError
from retention.holds import held_rows
from retention.installation import Installation
from retention.planning.facts import Key
from retention.planning.judge import Judged, candidates, judge
from retention.planning.memory import record_token, remembered
from retention.planning.orphans import orphans
from retention.planning.pages import pages, read_page
from retention.policy.decide import Action
from retention.stores import cases
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches, upsert

ACCEPTED = "accepted"
"""A person has seen the row and leaves it as it is: the case stays closed."""

RESOLUTIONS = ("corrected", ACCEPTED)


NO_OWNER = "the owner it belongs to is not there"


@dataclass(frozen=True)
class Undecidable:
    """A row that only a person can decide on, and why."""

    key: Key
    reason: str
    purposes: tuple[str, ...]


@dataclass(frozen=True)
class ReviewCase:
    """One case. ``key`` is for restricted eyes."""

    case_id: str
    table: str
    key: tuple[object, ...]
    reason: str
    purposes: tuple[str, ...]
    first_seen: date
    last_seen: date
    resolved_at: datetime | None
    resolution: str | None


def undecidable(installation: Installation, table: TableName, as_of: date) -> Iterator[Undecidable]:
    """The rows of ``table`` that cannot be decided on now, in the order of the key.

    Only reads: it needs no run, and answers in observe mode and of a stopped table too.

    Raises:
        ConfigurationError: no such table, or it has no clock. SourceError: out of reach.
    """
    catalogue, system = installation.catalogue, table.partition(".")[0]
    if table not in dict(catalogue.tables()):
        raise ConfigurationError(f"there is no governed table '{table}'")
    if (clock := catalogue.clock_of(table)) != table:
        raise ConfigurationError(f"{table} has no clock of its own: ask for {clock}")
    bound = installation.binder(as_of).bind(table)
    with source_errors(system), installation.sources.engine(system).connect() as connection:
        found = candidates(bound, as_of, installation.sources)
        held = held_rows(installation)
        for bounds in pages(connection, bound, found.condition, installation.settings.chunk_rows):
            rows = read_page(connection, bound, found.condition, bounds)
            memory = remembered(installation, connection, bound, rows)
            under_hold = held.keys(connection, bound, rows)
            judged = judge(connection, bound, rows, as_of, installation.sources, under_hold, memory)
            yield from _undecidable(judged)


def _undecidable(judged: Iterable[Judged]) -> list[Undecidable]:
    return [
        Undecidable(
            item.key,
            "; ".join(sorted({str(p.reason) for p in item.decision.purposes if p.reason})),
            tuple(p.purpose for p in item.decision.purposes if p.reason),
        )
        for item in judged
        if item.decision.action is Action.review
    ]


def record_cases(
    installation: Installation, bound: BoundTable, judged: Iterable[Judged], as_of: date
) -> int:
    """Put rows in review into the queue; a case that is there is only seen again."""
    return _record(installation, bound.name, _undecidable(judged), as_of)


def record_orphans(installation: Installation, bound: BoundTable, as_of: date) -> int:
    """Put dependants of ``bound`` whose owner is not there into the queue."""
    recorded = 0
    with installation.sources.begin(bound.system) as connection:
        found = list(orphans(connection, bound))
    for follower, keys in found:
        cases_found = [Undecidable(key, NO_OWNER, ()) for key in keys]
        recorded += _record(installation, follower.name, cases_found, as_of)
    return recorded


def _record(
    installation: Installation, table: str, found: Sequence[Undecidable], as_of: date
) -> int:
    rows = [
        {
            "case_id": uuid4().hex,
            "table_name": table,
            "record_token": record_token(installation.keyring, table, item.key),
            "key": json.dumps(list(item.key), default=str),
            "reason": item.reason,
            "purposes": list(item.purposes),
            "first_seen": as_of,
            "last_seen": as_of,
        }
        for item in found
    ]
    if not rows:
        return 0
    with writing(installation.stores.cases) as connection:
        upsert(
            connection,
            cases.review,
            rows,
            ["table_name", "record_token"],
            ["last_seen", "reason", "purposes"],
        )
        for batch in batches((row["record_token"] for row in rows), BATCH):
            at = cases.review.c
            connection.execute(
                cases.review.update()
                .where(at.table_name == table, at.record_token.in_(batch))
                .where(at.resolved_at.is_not(None), at.resolution != ACCEPTED)
                .values(resolved_at=None, resolution=None)
            )
    return len(rows)


def review_cases(installation: Installation, *, resolved: bool = False) -> list[ReviewCase]:
    """The open cases, oldest first; the resolved ones too where asked."""
    table = cases.review
    statement = sa.select(table).order_by(table.c.first_seen, table.c.case_id)
    if not resolved:
        statement = statement.where(table.c.resolved_at.is_(None))
    with reading(installation.stores.cases) as connection:
        return [
            ReviewCase(
                row.case_id,
                row.table_name,
                tuple(json.loads(row.key)),
                row.reason,
                tuple(row.purposes),
                row.first_seen,
                row.last_seen,
                row.resolved_at,
                row.resolution,
            )
            for row in connection.execute(statement)
        ]


def forget_cases(installation: Installation, table: str, keys: Iterable[Key]) -> None:
    """Rows have left: their cases go too, open or not, and with them the keys. Repeatable."""
    at = cases.review.c
    tokens = [record_token(installation.keyring, table, key) for key in keys]
    with writing(installation.stores.cases) as connection:
        for batch in batches(tokens, BATCH):
            connection.execute(
                cases.review.delete().where(at.table_name == table, at.record_token.in_(batch))
            )


def resolve(
    installation: Installation, case_id: str, *, resolution: str, note: str, now: datetime
) -> None:
    """Close a case: the source was ``corrected``, or the row is ``accepted`` as it is.

    The queue never changes a source. A row said to be corrected that the next run still
    cannot decide on comes back; an accepted one does not.

    Raises:
        ConfigurationError: there is no such open case, or no such resolution.
    """
    if resolution not in RESOLUTIONS:
        raise ConfigurationError(f"a case is resolved as one of: {', '.join(RESOLUTIONS)}")
    statement = (
        cases.review.update()
        .where(cases.review.c.case_id == case_id, cases.review.c.resolved_at.is_(None))
        .values(resolved_at=now, resolution=resolution, note=note)
    )
    with writing(installation.stores.cases) as connection:
        if connection.execute(statement).rowcount != 1:
            raise ConfigurationError(f"there is no open review case '{case_id}'")
