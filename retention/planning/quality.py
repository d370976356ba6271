"""How fit a table's rows are to be decided on: keys and dates, as counts only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from retention.catalogue.dates import DateColumn
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import source_errors
from retention.installation import Installation
from retention.policy.calendar import ONE_DAY, zone


@dataclass(frozen=True)
class Quality:
    """Counts of one table's rows."""

    table: TableName
    rows: int
    distinct_keys: int
    null_keys: int
    """Rows of whose key a column is null."""
    unreadable_dates: int
    """Rows with an event's date that is no date and no declared sentinel."""
    future_dates: int
    """Rows with an event more than a day in the future; ends of contracts may lie there."""
    bad_dates: int
    """Rows with either."""

    @property
    def bad_share(self) -> float:
        return self.bad_dates / self.rows if self.rows else 0.0


def quality(installation: Installation, name: TableName, as_of: date) -> Quality:
    """Count what makes rows of ``name`` undecidable on ``as_of``; one scan in the source.

    Raises:
        SourceError: the table cannot be read.
    """
    table = installation.catalogue.table(name)
    system = name.partition(".")[0]
    with source_errors(system), installation.sources.begin(system) as connection:
        sql = installation.sources.table(name)
        key = [sql.c[column] for column in table.key]
        unreadable: list[ColumnElement[bool]] = [sa.false()]
        future: list[ColumnElement[bool]] = [sa.false()]
        for column, is_end in event_columns(installation.catalogue, name):
            at = DateColumn.bind(
                sql.c[column],
                table.columns[column],
                connection.dialect.name,
                zone(installation.catalogue.systems[system].time_zone),
                installation.zone,
            )
            unreadable.append(at.unreadable())
            if not is_end:
                future.append(at.after(as_of + ONE_DAY))
        tests = (sa.or_(*unreadable), sa.or_(*future), sa.or_(*unreadable, *future))
        null_key = sa.or_(*(column.is_(None) for column in key))
        counted = sa.select(
            sa.func.count(),
            *(sa.func.count(sa.case((test, 1))) for test in (null_key, *tests)),
        ).select_from(sql)
        rows, null_keys, not_dates, ahead, bad = tuple(connection.execute(counted).one())
        distinct = sa.select(sa.func.count()).select_from(sa.select(*key).distinct().subquery())
        return Quality(
            table=name,
            rows=rows,
            distinct_keys=connection.execute(distinct).scalar_one(),
            null_keys=null_keys,
            unreadable_dates=not_dates,
            future_dates=ahead,
            bad_dates=bad,
        )


def event_columns(catalogue: Catalogue, name: TableName) -> list[tuple[str, bool]]:
    """The columns of ``name`` in which events are found, and whether each is an end.

    Whichever table declares the event, be it an owner or a table of another system.
    """
    return sorted(set(_event_columns(catalogue, name)))


def _event_columns(catalogue: Catalogue, name: TableName) -> Iterator[tuple[str, bool]]:
    for declaring, table in catalogue.tables():
        for sources in table.events.values():
            for source in sources:
                base = catalogue.links[source.link].far_table if source.link else declaring
                place = f"{base.partition('.')[0]}.{source.table}" if source.table else base
                if place == name:
                    yield from ((column, column == source.end) for column in source.columns)
