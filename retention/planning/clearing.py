"""Columns that fewer purposes need than the row: cleared when none of those is live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from retention.catalogue.bound import BoundTable
from retention.planning.judge import Candidates, Judged, cleared
from retention.policy.decide import Action, Phase
from retention.policy.predicates import PHASE_NUMBER


@dataclass(frozen=True)
class ClearedColumn:
    """A column, the purposes that need it, and what it holds once cleared."""

    name: str
    purposes: frozenset[str]
    cleared_as: Any


def cleared_columns(bound: BoundTable) -> Iterator[ClearedColumn]:
    """The columns of ``bound`` that can be cleared while their row stays."""
    for name, column in bound.table.columns.items():
        if column.purposes and set(column.purposes) != set(bound.table.purposes):
            yield ClearedColumn(name, frozenset(column.purposes), column.cleared_as)


def condition(found: Candidates) -> ColumnElement[bool]:
    """Rows with something to clear; a superset where evidence is remote."""
    tests = [_over(found, column) for column in cleared_columns(found.bound)]
    if not tests:
        return sa.false()
    if found.bound.partial:
        return sa.or_(*tests)
    stays = found.phase.in_([PHASE_NUMBER[Phase.active], PHASE_NUMBER[Phase.review]])
    return sa.and_(sa.or_(stays, found.stays_in_place), sa.or_(*tests))


def _over(found: Candidates, column: ClearedColumn) -> ColumnElement[bool]:
    """None of the column's purposes is live, and something is left in it.

    Remote evidence can make an event known, so that a purpose in review expires; it can
    never bring an archived purpose to its end.
    """
    over = [PHASE_NUMBER[Phase.expired]]
    if found.bound.partial:
        over.append(PHASE_NUMBER[Phase.review])
    ended = [found.phases[purpose].in_(over) for purpose in sorted(column.purposes)]
    return sa.and_(*ended, sa.not_(cleared(found.bound.sql.c[column.name], column.cleared_as)))


def due(item: Judged, bound: BoundTable) -> dict[str, Any]:
    """The columns of a decided row to be cleared now, and what they become."""
    if item.decision.action not in (Action.keep, Action.review, Action.pseudonymise):
        return {}
    live = set(item.decision.live_purposes)
    return {
        column.name: column.cleared_as
        for column in cleared_columns(bound)
        if not column.purposes & live and item.row[column.name] != column.cleared_as
    }


def count(connection: Connection, found: Candidates) -> int:
    """How many rows have something to clear; an upper bound where evidence is remote."""
    statement = sa.select(sa.func.count()).select_from(found.bound.sql).where(condition(found))
    return int(connection.execute(statement).scalar_one())
