"""What a run did, read back from the control store: counts and opaque ids, for reports.

Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from retention.catalogue.model import TableName
from retention.execution.chunks import Stage
from retention.planning.plan import PlanDigest
from retention.stores import archive, control
from retention.stores.open import reading


@dataclass(frozen=True)
class RunReport:
    """A run as the control store knows it."""

    run_id: str
    as_of: date
    plan_digest: PlanDigest
    mode: str
    status: str
    note: str | None


@dataclass(frozen=True)
class ChunkReport:
    """One chunk of a run. ``counts`` by what became of the rows, ``seconds`` of work."""

    sequence: int
    state: str
    counts: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Moved:
    """So many rows of a table made a transition in a run, dependants told apart."""

    table: str
    transition: str
    rows: int
    with_dependants: int


@dataclass(frozen=True)
class AccumulatorReport:
    """The size of an accumulator; what its cells hold is restricted."""

    table: str
    name: str
    cells: int
    rows: int


@dataclass(frozen=True)
class ArchiveReport:
    """How much the archive holds: units by whether their key is destroyed, and records."""

    live_units: int
    destroyed_units: int
    records: int
    next_expiry: date | None


def find_run(engine: Engine, run_id: str) -> RunReport | None:
    """The run called ``run_id``, or ``None``."""
    at = control.runs.c
    statement = sa.select(at.run_id, at.as_of, at.plan_digest, at.mode, at.status, at.note).where(
        at.run_id == run_id
    )
    with reading(engine) as connection:
        row = connection.execute(statement).first()
    return RunReport(*row) if row else None


def chunk_reports(
    engine: Engine, run_id: str, table: TableName | str, stage: Stage
) -> list[ChunkReport]:
    """The chunks of one table and stage in a run, in order."""
    at = control.chunks.c
    statement = (
        sa.select(at.sequence, at.state, at.counts, at.seconds)
        .where(at.run_id == run_id, at.table_name == table, at.stage == stage)
        .order_by(at.sequence)
    )
    with reading(engine) as connection:
        return [ChunkReport(*row) for row in connection.execute(statement)]


def moved_in_run(engine: Engine, run_id: str) -> list[Moved]:
    """What a run has done so far, by table and transition."""
    at = control.transitions.c
    statement = (
        sa.select(at.table_name, at.transition, at.counts)
        .where(at.run_id == run_id)
        .order_by(at.table_name, at.transition)
    )
    with reading(engine) as connection:
        return [
            Moved(table, transition, counts["rows"], counts["with_dependants"])
            for table, transition, counts in connection.execute(statement)
        ]


def accumulator_reports(engine: Engine) -> list[AccumulatorReport]:
    """Cells and rows of every accumulator, never a cell's coordinates or sums."""
    at = control.accumulators.c
    statement = (
        sa.select(at.table_name, at.name, sa.func.count(), sa.func.sum(at.rows))
        .group_by(at.table_name, at.name)
        .order_by(at.table_name, at.name)
    )
    with reading(engine) as connection:
        return [
            AccumulatorReport(table, name, cells, int(rows))
            for table, name, cells, rows in connection.execute(statement)
        ]


def archive_report(engine: Engine) -> ArchiveReport:
    """How much the archive holds."""
    at = archive.units.c
    destroyed = sa.func.count(at.destroyed_on)
    alive = sa.case((at.destroyed_on.is_(None), at.expires_on))
    units = sa.select(sa.func.count(), destroyed, sa.func.min(alive))
    records = sa.select(sa.func.count()).select_from(archive.records)
    with reading(engine) as connection:
        all_units, gone, earliest = connection.execute(units).one()
        return ArchiveReport(
            live_units=all_units - gone,
            destroyed_units=gone,
            records=connection.execute(records).scalar_one(),
            next_expiry=earliest,
        )
