"""Deciding on the archive again when the policy has changed since a record was archived.

The days a record was decided by lie beside it, and the purposes that keep it; nothing is
unsealed. Only the day on which a unit expires is changed, so a mistake in the policy can be
taken back until the plan is approved and units are destroyed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.execution.sealing import RESTRICTED, unpack_facts
from retention.installation import Installation
from retention.policy.calendar import ONE_DAY
from retention.policy.decide import Location, Phase, decide
from retention.policy.table import Purpose
from retention.stores import archive
from retention.stores.open import writing
from retention.stores.sql import BATCH


def reassess(installation: Installation, as_of: date) -> int:
    """Give every archived unit the day of expiry that the policy of ``as_of`` says.

    A unit keeps to the latest day of its records. A record whose purpose the policy no longer
    has, or that it can no longer decide on, keeps the day it had. Repeatable; returns the
    number of units whose day has changed.
    """
    digest = installation.policy.digest(as_of)
    purposes = installation.policy.version_on(as_of).purposes
    changed = 0
    while True:
        with writing(installation.stores.archive) as connection:
            units = _outdated(connection, digest)
            if not units:
                return changed
            for unit_id, day in units.items():
                new = _day(connection, unit_id, day, purposes, as_of)
                if new != day:
                    changed += 1
                    at = archive.units.c
                    connection.execute(
                        archive.units.update().where(at.unit_id == unit_id).values(expires_on=new)
                    )
            connection.execute(
                archive.records.update()
                .where(archive.records.c.unit_id.in_(list(units)))
                .values(policy_digest=digest)
            )


def _outdated(connection: Connection, digest: str) -> dict[str, date]:
    """The next units that were last decided on under another policy, with their days."""
    at, unit = archive.records.c, archive.units.c
    statement = (
        sa.select(unit.unit_id, unit.expires_on)
        .distinct()
        .join(archive.records, at.unit_id == unit.unit_id)
        .where(at.policy_digest != digest, at.settled.is_(True), unit.destroyed_on.is_(None))
        .order_by(unit.unit_id)
        .limit(BATCH)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _day(
    connection: Connection,
    unit_id: str,
    before: date,
    purposes: Mapping[str, Purpose],
    as_of: date,
) -> date:
    statement = sa.select(archive.records.c.facts).where(archive.records.c.unit_id == unit_id)
    days = {
        _day_of_record(facts, before, purposes, as_of) for facts in connection.scalars(statement)
    }
    return max(days)


def _day_of_record(
    packed: Mapping[str, Any], before: date, purposes: Mapping[str, Purpose], as_of: date
) -> date:
    if RESTRICTED in packed:
        return before
    facts, names = unpack_facts(packed)
    found = _known(names, purposes)
    if found is None:
        return before
    decision = decide(found, facts, as_of, location=Location.archive)
    if decision.phase is Phase.review or any(item.open_ended for item in decision.purposes):
        return before
    ends = [
        end
        for item in decision.purposes
        for end in (item.active_through, item.archive_through)
        if end is not None
    ]
    return min(max(ends), date.max - ONE_DAY) + ONE_DAY if ends else as_of


def _known(names: Sequence[str], purposes: Mapping[str, Purpose]) -> list[Purpose] | None:
    """The purposes by name; ``None`` where one is gone, or no record was kept for any."""
    if not names or any(name not in purposes for name in names):
        return None
    return [purposes[name] for name in names]
