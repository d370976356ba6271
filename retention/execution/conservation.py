"""Did the run conserve the rows? Asked of the databases after the fact, not of the executor.

Selected = moved + disposed + skipped; every moved key is absent from the source and once in
the archive; nothing due is left but what was skipped for a reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.execution.work import Work
from retention.holds import held_rows
from retention.planning.daily import count_table
from retention.planning.memory import record_token
from retention.planning.pages import within
from retention.planning.plan import Transition
from retention.stores import archive, control
from retention.stores.open import reading


@dataclass(frozen=True)
class Conservation:
    """What was found for one table of one run. All figures count rows of that table."""

    table: TableName
    counts: dict[str, int]
    balanced: bool
    """Selected = archived + disposed + skipped, over all chunks."""
    still_at_source: int
    """Moved rows that the source has (again)."""
    not_once_in_archive: int
    """Moved rows with another number of final copies than one."""
    due_left: int
    """Rows due now, after the run."""
    explained: int
    """Rows the run skipped: held, changed meanwhile, still referred to."""

    @property
    def sound(self) -> bool:
        return (
            self.balanced
            and not self.still_at_source
            and not self.not_once_in_archive
            and self.due_left <= self.explained
        )


def conservation(work: Work, name: TableName) -> Conservation:
    """Check what this run did to ``name``."""
    bound = work.candidates(name).bound
    counts: Counter[str] = Counter()
    still = wrong = 0
    with source_errors(bound.system), work.installation.sources.begin(bound.system) as connection:
        for chunk in work.journal.chunks("done", table=name, stage="move"):
            chunk_counts = _counts(work, chunk.chunk_id)
            counts.update(chunk_counts)
            copies = _final_copies(work, chunk.chunk_id, name)
            wrong += abs(len(copies) - chunk_counts["archived"])
            wrong += sum(number != 1 for number in copies.values())
            keys = connection.execute(sa.select(*bound.key).where(within(bound.key, chunk.bounds)))
            still += sum(
                record_token(work.installation.keyring, name, tuple(key)) in copies for key in keys
            )
    skipped = sum(number for reason, number in counts.items() if reason.startswith("skipped_"))
    moved = counts["archived"] + counts["disposed"]
    with source_errors(bound.system):
        _, items = count_table(
            work.installation, work.candidates(name), held_rows(work.installation)
        )
    left = sum(
        item.rows
        for item in items
        if item.table == name and item.transition in (Transition.archive, Transition.dispose)
    )
    explained = counts["skipped_changed"] + counts["skipped_referred_to"]
    return Conservation(
        table=name,
        counts=dict(counts),
        balanced=counts["selected"] == moved + skipped,
        still_at_source=still,
        not_once_in_archive=wrong,
        due_left=left,
        explained=explained,
    )


def _counts(work: Work, chunk_id: str) -> Counter[str]:
    statement = sa.select(control.chunks.c.counts).where(control.chunks.c.chunk_id == chunk_id)
    with reading(work.journal.engine) as connection:
        return Counter(connection.execute(statement).scalar_one())


def _final_copies(work: Work, chunk_id: str, name: TableName) -> dict[str, int]:
    """The chunk's final copies of ``name``: how many incarnations of each record it wrote."""
    at = archive.records.c
    statement = (
        sa.select(at.record_token, sa.func.count(sa.distinct(at.incarnation)))
        .where(at.chunk_id == chunk_id, at.table_name == name, at.settled.is_(True))
        .group_by(at.record_token)
    )
    with reading(work.installation.stores.archive) as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}
