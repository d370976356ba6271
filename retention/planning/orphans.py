"""Dependants whose owner is not there: no clock decides on them, so a person must.

A foreign key that is not enforced, or was once not, leaves such rows behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.bound import BoundTable, Follower
from retention.planning.facts import Key

LISTED = 1_000
"""How many orphans of one table are put into the review queue at once."""


def count_orphans(connection: Connection, bound: BoundTable) -> Iterator[tuple[Follower, int]]:
    """Each dependant of ``bound``, and how many of its rows have no owner."""
    for follower in bound.followers:
        statement = sa.select(sa.func.count()).select_from(follower.sql)
        number = connection.execute(statement.where(_without_owner(bound, follower))).scalar_one()
        yield follower, int(number)


def orphans(connection: Connection, bound: BoundTable) -> Iterator[tuple[Follower, list[Key]]]:
    """Each dependant of ``bound``, and the keys of its first ``LISTED`` rows without owner."""
    for follower in bound.followers:
        statement = (
            sa.select(*follower.key)
            .where(_without_owner(bound, follower))
            .order_by(*follower.key)
            .limit(LISTED)
        )
        yield follower, [tuple(row) for row in connection.execute(statement)]


def _without_owner(bound: BoundTable, follower: Follower) -> sa.ColumnElement[bool]:
    owner = _parent(bound, follower).alias()
    key = [owner.c[name] for name in _parent_key(bound, follower)]
    match = sa.and_(*(one == other for one, other in zip(key, follower.via, strict=True)))
    return sa.not_(sa.select(sa.literal(1)).select_from(owner).where(match).exists())


def _parent(bound: BoundTable, follower: Follower) -> sa.Table:
    tables: dict[Any, sa.Table] = {bound.name: bound.sql}
    tables |= {other.name: other.sql for other in bound.followers}
    return tables[follower.parent]


def _parent_key(bound: BoundTable, follower: Follower) -> tuple[str, ...]:
    keys = {bound.name: bound.table.key}
    keys |= {other.name: other.table.key for other in bound.followers}
    return keys[follower.parent]
