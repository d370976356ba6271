"""What falls due over the coming months, if nothing new happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.installation import Installation
from retention.planning.daily import count_in_source
from retention.planning.judge import candidates
from retention.policy.calendar import ONE_DAY, Period
from retention.policy.decide import Phase


@dataclass(frozen=True)
class Due:
    """Rows of a table that leave a phase within a month, by local evidence: upper bounds."""

    table: TableName
    month: str
    leave_active: int
    leave_archive_phase: int


def forecast(
    installation: Installation,
    as_of: date,
    months: int,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Due]:
    """What falls due in each table and month, from the month of ``as_of`` on.

    Rows that leave the active base, and rows whose archive phase ends while they are still in
    the source. Nothing is touched: each month is counted by the predicates of its last day.
    """
    for name in installation.catalogue.clocked_tables():
        progress(name)
        before = _left(installation, name, as_of)
        for number in range(months):
            last = _last_of_month(as_of, number)
            now = _left(installation, name, last)
            yield Due(name, f"{last:%Y-%m}", max(0, now[0] - before[0]), max(0, now[1] - before[1]))
            before = now


def _last_of_month(as_of: date, number: int) -> date:
    return Period(months=number + 1).after(as_of.replace(day=1)) - ONE_DAY


def _left(installation: Installation, name: TableName, day: date) -> tuple[int, int]:
    system = name.partition(".")[0]
    with source_errors(system):
        bound = installation.binder(day).bind(name)
        found = candidates(bound, day, installation.sources)
        with installation.sources.engine(system).connect() as connection:
            phases = count_in_source(connection, found).phases
    return phases[Phase.archive] + phases[Phase.expired], phases[Phase.expired]
