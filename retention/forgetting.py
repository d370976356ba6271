"""What the cases store keeps of persons beside requests goes as well: holds and review cases.

Both name records by their keys, in clear, for those who decide on them.
"""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.stores import cases
from retention.stores.open import reading, writing

UNSEEN = timedelta(days=31)
"""A case that no run has seen for so long is over: the row is gone, or was corrected."""


def forget_released(installation: Installation, as_of: date) -> int:
    """Forget holds that were released longer ago than the policy keeps files of requests.

    Raises:
        StoreError: the store cannot be used.
    """
    lasts, at = installation.policy.requests.files.lasts, cases.holds.c
    statement = sa.select(at.hold_id, at.released_at).where(at.released_at.is_not(None))
    with reading(installation.stores.cases) as connection:
        over = [
            row.hold_id
            for row in connection.execute(statement)
            if lasts.after(day_in(row.released_at, installation.zone)) < as_of
        ]
    with writing(installation.stores.cases) as connection:
        for hold_id in over:
            for table in (cases.held_subjects, cases.holds):
                connection.execute(table.delete().where(table.c.hold_id == hold_id))
    return len(over)


def forget_unseen(installation: Installation, as_of: date) -> int:
    """Forget review cases, open or not, that no run has met with any more.

    A row that cannot be decided on is met with by every run of its table. One that is met with
    again afterwards has a new case.

    Raises:
        StoreError: the store cannot be used.
    """
    at = cases.review.c
    gone = cases.review.delete().where(at.last_seen < as_of - UNSEEN)
    with writing(installation.stores.cases) as connection:
        return connection.execute(gone).rowcount
