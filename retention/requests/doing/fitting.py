"""Whether corrected values can be written: asked of every system before anything is.

A rectification reaches several databases, and no transaction spans two of them. What one of
them would refuse is therefore looked for first: a type, a length, a value that must be unique,
a link between systems of which only one end could change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from retention.catalogue.live import LiveTable, read_live
from retention.catalogue.model import Catalogue, Link, Table, TableName
from retention.catalogue.normalise import normalise
from retention.catalogue.reflection import AsText
from retention.catalogue.sources import source_errors
from retention.errors import ConfigurationError
from retention.installation import Installation
from retention.policy.calendar import zone
from retention.requests.doing.aims import Place
from retention.requests.doing.right_values import RightValues
from retention.requests.model import RequestError

Rows = Mapping[Place, Mapping[str, Any]]
"""By table and key."""


def fitting(installation: Installation, table: TableName, name: str, old: Any, wanted: str) -> Any:
    """The value as the column's type wants it. ``old`` is what stands there.

    Raises:
        RequestError: the column cannot hold it; it names the column, never the value.
    """
    kind = installation.sources.table(table).c[name].type
    try:
        if isinstance(kind, sa.DateTime):
            local = zone(installation.catalogue.systems[table.partition(".")[0]].time_zone)
            return _instant(datetime.fromisoformat(wanted), local, with_zone=kind.timezone)
        if isinstance(kind, sa.Date):
            return date.fromisoformat(wanted)
        if isinstance(kind, sa.Integer):
            return int(wanted)
        if isinstance(kind, sa.Numeric):
            return kind.python_type(wanted)
    except (ValueError, ArithmeticError, ConfigurationError):
        raise RequestError(
            f"{table}.{name}: the column cannot hold the corrected value; it wants {kind}"
        ) from None
    if _is_day(old) and not _is_day(wanted):
        raise RequestError(
            f"{table}.{name}: the column holds dates; the corrected value is none (YYYY-MM-DD)"
        )
    length = getattr(kind, "length", None)
    if length is not None and len(wanted) > length:
        raise RequestError(f"{table}.{name}: the corrected value is longer than {length}")
    return wanted.ljust(length) if isinstance(kind, AsText) and length else wanted


def _instant(moment: datetime, local: ZoneInfo, *, with_zone: bool) -> datetime:
    """As a column holds it that is ``with_zone`` or not; ``local`` is the system's zone."""
    if with_zone:
        return moment if moment.tzinfo else moment.replace(tzinfo=local)
    return moment.astimezone(local).replace(tzinfo=None) if moment.tzinfo else moment


def _is_day(value: Any) -> bool:
    """Whether a text is an ISO date: SQLite has no other type for one."""
    try:
        date.fromisoformat(str(value)[: len("2026-01-01")])
    except ValueError:
        return False
    return True


def refuse_unnamed(
    name: TableName,
    table: Table,
    row: Mapping[str, Any],
    several: Collection[str],
    right: RightValues,
) -> None:
    """Of several values of a category somebody has to say which is wrong.

    Raises:
        RequestError: nobody did.
    """
    for category in sorted(set(several) & set(right.asked)):
        columns = [c for c, column in table.columns.items() if column.category == category]
        held = [row[column] for column in columns if row.get(column) is not None]
        done = any(str(value) == right.asked[category] for value in held)
        if not done and not any(right.is_wrong(category, value) for value in held):
            raise RequestError(
                f"{name}: {', '.join(columns)} hold different values of {category}, and the "
                "request does not name the wrong one; nothing was changed"
            )


def live_tables(
    installation: Installation, tables: Iterable[TableName]
) -> dict[TableName, LiveTable]:
    """What the databases say of tables. Raises SourceError: one is out of reach."""
    by_system: dict[str, set[str]] = {}
    for name in tables:
        system, _, short = name.partition(".")
        by_system.setdefault(system, set()).add(short)
    found: dict[TableName, LiveTable] = {}
    for system, names in by_system.items():
        schema = installation.catalogue.systems[system].db_schema
        with source_errors(system), installation.sources.engine(system).connect() as connection:
            live = read_live(connection, schema, frozenset(names))
        found |= {TableName(f"{system}.{short}"): table for short, table in live.tables.items()}
    return found


def refuse_taken(
    installation: Installation, live: Mapping[TableName, LiveTable], present: Rows, changes: Rows
) -> None:
    """No value may be another row's already where the database lets only one have it.

    Raises:
        RequestError: one is; it names table and column, never the value.
    """
    taken: set[tuple[Any, ...]] = set()
    for (name, key), values in changes.items():
        sets = live[name].unique_sets if name in live else []
        for columns in sorted(sorted(s) for s in sets if s & set(values)):
            after = {**present[name, key], **values}
            wanted = {column: after[column] for column in columns}
            if None in wanted.values():
                continue
            place = (name, *wanted.items())
            if place in taken or _is_taken(installation, name, key, wanted):
                raise RequestError(
                    f"{name}.{'+'.join(columns)}: another record holds the corrected value, and "
                    "the database lets only one have it; nothing was changed"
                )
            taken.add(place)


def _is_taken(
    installation: Installation, name: TableName, key: Sequence[Any], values: Mapping[str, Any]
) -> bool:
    sql, system = installation.sources.table(name), name.partition(".")[0]
    declared = installation.catalogue.table(name).key
    same = sa.and_(*(sql.c[column] == part for column, part in zip(declared, key, strict=True)))
    equal = [sql.c[column] == value for column, value in values.items()]
    statement = sa.select(sa.literal(1)).select_from(sql).where(*equal, sa.not_(same)).limit(1)
    with installation.sources.begin(system) as connection:
        return connection.execute(statement).first() is not None


def refuse_broken_links(
    catalogue: Catalogue, present: Rows, changes: Rows, stays: Iterable[Place]
) -> None:
    """Rows that a link ties together must be tied together afterwards too.

    ``present`` are the person's rows, ``changes`` what is to become of them; rows of ``stays``
    cannot be changed now (a hold).

    Raises:
        RequestError: a link would be broken, since one of its ends is a key or under a hold.
    """
    held = set(stays)
    after = {
        place: {**row, **({} if place in held else changes.get(place, {}))}
        for place, row in present.items()
    }
    for link in catalogue.links.values():
        if any(
            _tie(link, present[near], present[far]) and not _tie(link, after[near], after[far])
            for near, far in _pairs(link, present)
        ):
            raise RequestError(
                f"{link.near} and {link.far} tie two systems together, and only one of the two "
                "can be changed now (the other is a key, or under a hold): nothing was changed"
            )


def _pairs(link: Link, present: Rows) -> Iterator[tuple[Place, Place]]:
    near = [place for place in present if place[0] == link.near_table]
    far = [place for place in present if place[0] == link.far_table]
    return ((one, other) for one in near for other in far)


def _tie(link: Link, near: Mapping[str, Any], far: Mapping[str, Any]) -> bool:
    value = normalise(near.get(link.near_column), link.normaliser)
    return value is not None and value == normalise(far.get(link.far_column), link.normaliser)
