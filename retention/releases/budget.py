"""The privacy budget: what releases have spent, recorded before any noise is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.installation import Installation
from retention.releases.errors import BudgetSpent
from retention.stores import control
from retention.stores.open import reading, writing

MONTHS = 12
"""The budget is one of any twelve months, the month of the release being the last."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Spent:
    """What was spent, by sequential composition: epsilons and deltas add up."""

    epsilon: float
    delta: float


def spend(
    installation: Installation,
    release: str,
    cube: str,
    month: str,
    periods: Sequence[str],
    *,
    epsilon: float,
    delta: float,
    now: datetime,
) -> None:
    """Record that ``epsilon`` and ``delta`` are spent on each of ``periods``, or refuse.

    One transaction asks and records: what was recorded stays spent, whatever becomes of the
    release, since somebody may have seen the noise.

    Raises:
        BudgetSpent: it would be above the year's budget; nothing was recorded.
    """
    statistics = installation.settings.statistics
    assert statistics is not None
    with writing(installation.stores.control) as connection:
        before = _spent(connection, release, month)
        after = Spent(before.epsilon + epsilon * len(periods), before.delta + delta * len(periods))
        if (
            after.epsilon > statistics.epsilon_per_year + _ROUNDING
            or after.delta > statistics.delta_per_year * (1 + _ROUNDING)
        ):
            raise BudgetSpent(
                f"{release}: {cube} of {month} would bring the privacy budget spent within "
                f"{MONTHS} months to epsilon {after.epsilon:g} and delta {after.delta:g}; the "
                f"settings allow {statistics.epsilon_per_year:g} and {statistics.delta_per_year:g}"
            )
        rows = [
            {
                "spend_id": uuid4().hex,
                "release": release,
                "cube": cube,
                "month": month,
                "period": period,
                "epsilon": epsilon,
                "delta": delta,
                "spent_at": now,
            }
            for period in periods
        ]
        if rows:
            connection.execute(control.privacy_budget.insert(), rows)


def spent(installation: Installation, release: str, month: str) -> Spent:
    """What ``release`` has spent within the twelve months that end with ``month``."""
    with reading(installation.stores.control) as connection:
        return _spent(connection, release, month)


def spent_on(installation: Installation, release: str, cube: str) -> dict[str, int]:
    """How often each period (without periods: each month) of a cube was drawn."""
    at = control.privacy_budget.c
    statement = (
        sa.select(at.period, sa.func.count())
        .where(at.release == release, at.cube == cube)
        .group_by(at.period)
    )
    with reading(installation.stores.control) as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def _spent(connection: Connection, release: str, month: str) -> Spent:
    at = control.privacy_budget.c
    statement = sa.select(sa.func.sum(at.epsilon), sa.func.sum(at.delta)).where(
        at.release == release, at.month > months_before(month, MONTHS), at.month <= month
    )
    epsilon, delta = connection.execute(statement).one()
    return Spent(float(epsilon or 0), float(delta or 0))


def months_before(month: str, number: int) -> str:
    """The month ``number`` months before ``month``, both ``YYYY-MM``."""
    place = int(month[:4]) * 12 + int(month[5:]) - 1 - number
    return f"{place // 12:04}-{place % 12 + 1:02}"
