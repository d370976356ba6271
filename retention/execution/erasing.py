"""Erasure in the archive: what no statute keeps goes at once, with the key of its unit.

Records are decided on by the days that lie beside them; nothing is unsealed to decide. Where a
unit holds records that must stay beside others that must go, the former move to a unit of
their own first, so that the old unit's key, and with it every backup of it, can be destroyed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from retention.errors import StoreError
from retention.execution import vaulted
from retention.execution.archive_stage import moved
from retention.execution.expiry_stage import expire_units
from retention.execution.sealing import RESTRICTED, reseal, unpack_facts
from retention.execution.work import Work
from retention.installation import Installation
from retention.policy import rights
from retention.policy.calendar import ONE_DAY
from retention.policy.decide import Decision, Location, Phase, decide
from retention.stores import archive, vault
from retention.stores.open import reading, writing
from retention.stores.sql import BATCH, batches, upsert


@dataclass(frozen=True)
class RecordVerdict:
    """What a right makes of a record's part in one unit. No personal data."""

    record_token: str
    incarnation: int
    table: str
    purposes: tuple[str, ...]
    """The purposes that kept it."""
    decision: Decision | None
    """``None`` where it cannot be decided on: the policy has lost a purpose, or a date."""
    restricted: bool = False
    """It is here because of a restriction, for no purpose: its end decides what becomes of it."""

    @property
    def kept_by(self) -> tuple[str, ...]:
        """The purposes that go on keeping it."""
        return self.purposes if self.decision is None else self.decision.live_purposes

    @property
    def until(self) -> date | None:
        """The last day on which one of them does."""
        ends = [
            item.archive_through
            for item in (self.decision.purposes if self.decision else ())
            if item.live and item.archive_through
        ]
        return max(ends, default=None)

    def until_for(self, purpose: str) -> date | None:
        """The last day on which ``purpose`` does; another may keep it for longer."""
        known = self.decision.purposes if self.decision else ()
        return next((item.archive_through for item in known if item.purpose == purpose), None)


@dataclass(frozen=True)
class UnitVerdict:
    """A unit of the archive, and what a right makes of its records."""

    unit_id: str
    subject_token: str
    expires_on: date
    records: tuple[RecordVerdict, ...]

    @property
    def untouched(self) -> bool:
        return all(set(record.kept_by) == set(record.purposes) for record in self.records)

    @property
    def staying(self) -> tuple[RecordVerdict, ...]:
        return tuple(record for record in self.records if record.kept_by)


def verdicts(
    installation: Installation,
    tokens: Sequence[str],
    as_of: date,
    *,
    opposed: Collection[str] | None = None,
) -> list[UnitVerdict]:
    """What erasure makes of every live unit of the subjects ``tokens``. Touches nothing.

    Or what an objection makes of them that ends the purposes ``opposed``.
    """
    at, unit = archive.records.c, archive.units.c
    statement = (
        sa.select(unit.unit_id, unit.subject_token, unit.expires_on,
                  at.record_token, at.incarnation, at.table_name, at.facts)
        .join(archive.units, unit.unit_id == at.unit_id)
        .where(at.settled.is_(True), unit.destroyed_on.is_(None))
        .order_by(unit.unit_id, at.table_name, at.record_token, at.incarnation)
    )  # fmt: skip
    found: dict[str, UnitVerdict] = {}
    with reading(installation.stores.archive) as connection:
        for batch in batches(sorted(set(tokens)), BATCH):
            for row in connection.execute(statement.where(unit.subject_token.in_(batch))):
                before = found.get(row.unit_id)
                verdict = _verdict(installation, row, as_of, opposed)
                records = (*(before.records if before else ()), verdict)
                found[row.unit_id] = UnitVerdict(
                    row.unit_id, row.subject_token, row.expires_on, records
                )
    return list(found.values())


def _verdict(
    installation: Installation, row: Any, as_of: date, opposed: Collection[str] | None
) -> RecordVerdict:
    if RESTRICTED in row.facts:
        place = (row.record_token, row.incarnation, row.table_name)
        return RecordVerdict(*place, (), None, restricted=True)
    facts, names = unpack_facts(row.facts)
    known = installation.policy.version_on(as_of).purposes
    decision = None
    concerned = opposed is None or not set(opposed).isdisjoint(names)
    if names and concerned and all(name in known for name in names):
        purposes = [known[name] for name in names]
        decision = decide(purposes, facts, as_of, location=Location.archive)
        if opposed is None:
            decision = rights.erased(purposes, facts, decision, as_of, location=Location.archive)
        else:
            decision = rights.opposed(opposed, decision, as_of, location=Location.archive)
        if decision.phase is Phase.review:
            decision = None
    return RecordVerdict(row.record_token, row.incarnation, row.table_name, names, decision)


def erase_archived(
    work: Work, tokens: Sequence[str], *, opposed: Collection[str] | None = None
) -> int:
    """Destroy what erasure takes of the subjects' units; those under a hold stay.

    Or what an objection takes that ends the purposes ``opposed``.

    Returns the number of units destroyed. Repeatable: a crash between a record's new place and
    the end of its old one leaves both, and the next time finds them so.
    """
    held = work.held().tokens
    touched = [
        verdict
        for verdict in verdicts(work.installation, tokens, work.as_of, opposed=opposed)
        if not verdict.untouched and verdict.subject_token not in held
    ]
    going = [verdict.unit_id for verdict in touched]
    for verdict in touched:
        if verdict.staying:
            _move(work, verdict, going)
    for units in batches(going, work.chunk_rows):
        work.between_chunks()
        expire_units(work, list(units))
    return len(going)


def _move(work: Work, verdict: UnitVerdict, going: Collection[str]) -> None:
    """Seal the records that stay under units of their own, and read them back."""
    stores, keyring = work.installation.stores, work.installation.keyring
    old = keyring.open_units([verdict.unit_id]).get(verdict.unit_id)
    if old is None:
        raise StoreError("archive: the key of a unit that is not expired is not there")
    for day, records in _by_day(verdict).items():
        unit_id = _fresh_unit(work, verdict.subject_token, day, going)
        key = keyring.ensure_units([unit_id])[unit_id]
        rows = _rows(work, verdict.unit_id, records)
        made = [reseal(row, sealed, (verdict.unit_id, old), (unit_id, key)) for row, sealed in rows]
        kept = {(record.record_token, record.incarnation): record for record in records}
        with writing(stores.vault) as connection:
            for part in batches([identity for _, identity in made if identity], BATCH):
                place = ["record_token", "incarnation", "unit_id"]
                upsert(connection, vault.records, part, place, ["sealed"])
        with writing(stores.archive) as connection:
            unit = {
                "unit_id": unit_id,
                "subject_token": verdict.subject_token,
                "expires_on": day,
                "created_on": work.as_of,
            }
            upsert(connection, archive.units, [unit], ["unit_id"], [])
            for part in batches([payload for payload, _ in made], BATCH):
                for payload in part:
                    record = kept[payload["record_token"], payload["incarnation"]]
                    payload["facts"] = {**payload["facts"], "purposes": list(record.kept_by)}
                place = ["record_token", "incarnation", "unit_id"]
                upsert(connection, archive.records, part, place, ["payload", "facts"])
            _copy_fingerprints(connection, verdict.unit_id, unit_id, [t for t, _ in kept])


def _by_day(verdict: UnitVerdict) -> dict[date, list[RecordVerdict]]:
    """The records that stay, by the first day on which nothing keeps them any more."""
    found: dict[date, list[RecordVerdict]] = {}
    for record in verdict.staying:
        day = record.until + ONE_DAY if record.until else verdict.expires_on
        found.setdefault(min(day, verdict.expires_on), []).append(record)
    return found


def _fresh_unit(work: Work, subject: str, day: date, going: Collection[str]) -> str:
    """The first unit of the subject and day that is neither destroyed nor about to be.

    Nor one that a changed policy has given another day since: the record would go with it.
    """
    keyring = work.installation.keyring
    generation = 0
    while True:
        unit_id = keyring.unit_id(subject, day, generation)
        gone = unit_id in going or keyring.destroyed([unit_id])
        if not gone and not moved(work, {(subject, day): unit_id}):
            return unit_id
        generation += 1


def _rows(
    work: Work, unit_id: str, records: Sequence[RecordVerdict]
) -> Iterator[tuple[Mapping[str, Any], bytes | None]]:
    """The stored rows of some of a unit's records, each with its sealed identity."""
    wanted = {(record.record_token, record.incarnation) for record in records}
    sealed = vaulted.of_units(work.installation.stores, [unit_id])
    statement_of_all = sa.select(archive.records).where(archive.records.c.unit_id == unit_id)
    with reading(work.installation.stores.archive) as connection:
        for row in connection.execute(statement_of_all).mappings().all():
            place = (row["record_token"], row["incarnation"])
            if place in wanted:
                yield dict(row), sealed.get((*place, unit_id))


def _copy_fingerprints(
    connection: sa.Connection, old: str, new: str, tokens: Sequence[str]
) -> None:
    of = archive.fingerprints.c
    for batch in batches(sorted(set(tokens)), BATCH):
        statement = sa.select(archive.fingerprints).where(
            of.unit_id == old, of.record_token.in_(batch)
        )
        rows = [{**row, "unit_id": new} for row in connection.execute(statement).mappings().all()]
        place = ["unit_id", "record_token", "field", "fingerprint"]
        for part in batches(rows, BATCH):
            upsert(connection, archive.fingerprints, part, place, [])
