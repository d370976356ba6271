"""What a request writes into rows that stay is written and taken back before it is for good.

A request reaches several databases, and no transaction spans two of them. What one of them
refuses (a rule, an enumeration, a trigger), or makes something else of, shows here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError, StatementError

from retention.catalogue.model import TableName
from retention.catalogue.source_errors import safe_reason
from retention.catalogue.sources import source_errors
from retention.execution.aim import Writes
from retention.execution.trees import read_trees
from retention.holds import HeldRows, held_rows
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.planning.judge import judge
from retention.planning.pages import read_rows
from retention.policy.decide import Action
from retention.requests.doing.aims import PersonAim, Place
from retention.requests.doing.persons import PersonTable, read_person
from retention.requests.model import RequestError
from retention.stores.sql import BATCH, batches

_STAYS = (Action.keep, Action.review, Action.pseudonymise)


def refuse_refused(installation: Installation, changes: Mapping[Place, Mapping[str, Any]]) -> None:
    """Every system must take the values as they are. Nothing is left of the attempt.

    Raises:
        RequestError: one does not; it names table and column, never the value. SourceError: one
            is out of reach, or a row is locked.
    """
    by_system: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(changes, key=repr):
        by_system[place[0].partition(".")[0]].append(place)
    for system, places in by_system.items():
        engine = installation.sources.engine(system).execution_options(write=True)
        # Closed without a commit: what was written is rolled back.
        with source_errors(system), engine.connect() as connection:
            for place in places:
                _try(installation, connection, place, changes[place])


def refuse_unending(
    installation: Installation, aim: PersonAim, but: Collection[TableName] = ()
) -> None:
    """What an objection writes must be taken by every system, and end what it is to end.

    A row that would have to be written again just so would be at every attempt. Nothing is left.

    Raises:
        RequestError: one does not; it names table and columns. SourceError: one is out of reach,
            or a row is locked.
    """
    if not aim.opposing:
        return
    found = held_rows(installation)
    held = HeldRows(found.keyring, aim.held(found), found.legal)
    tables = list(read_person(installation, aim.persons, aim.as_of, held=held, but=but))
    for table in tables:
        writes = {
            item.key: written
            for item in aim.decided(table.bound, list(table.judged.values()))
            if item.decision.action in _STAYS
            and (written := aim.written(item, table.trees[item.key]))
        }
        engine = installation.sources.engine(table.bound.system).execution_options(write=True)
        with source_errors(table.bound.system), engine.connect() as connection:
            for name, key, values in _places(writes):
                what = f"what 'on_objection' writes into {', '.join(sorted(values))}"
                _write(installation, connection, (name, key), values, what)
            _refuse_left(installation, connection, table, aim, writes)


def _places(writes: Mapping[Key, Writes]) -> Iterator[tuple[TableName, Key, Mapping[str, Any]]]:
    for written in writes.values():
        yield from ((name, key, values) for (name, key), values in written.items() if values)


def _refuse_left(
    installation: Installation,
    connection: Connection,
    table: PersonTable,
    aim: PersonAim,
    writes: Mapping[Key, Writes],
) -> None:
    rows = [
        row
        for batch in batches(list(writes), BATCH)
        for row in read_rows(connection, table.bound, key_in(table.bound.key, batch))
    ]
    judged = judge(connection, table.bound, rows, aim.as_of, installation.sources)
    trees = read_trees(connection, table.bound, [(item.key, item.row) for item in judged])
    left = {item.key: aim.written(item, trees[item.key]) for item in judged}
    for name, _, values in _places(left):
        raise RequestError(
            f"{name}: the database makes another value of what 'on_objection' writes into "
            f"{', '.join(sorted(values))} (its type, or a trigger); nothing was changed: have the "
            "catalogue say it as it is kept there, then 'retention request retry'"
        )


def _try(
    installation: Installation, connection: Connection, place: Place, values: Mapping[str, Any]
) -> None:
    name = place[0]
    what = f"the corrected value of {', '.join(sorted(values))}"
    match = _write(installation, connection, place, values, what)
    sql = installation.sources.table(name)
    found = connection.execute(sa.select(*(sql.c[column] for column in values)).where(*match))
    for row in found.mappings():
        if other := sorted(column for column, value in values.items() if row[column] != value):
            raise RequestError(
                f"{name}: the database makes another value of the corrected one in "
                f"{', '.join(other)} (its type, or a trigger); nothing was changed: refuse this "
                "request, and enter it anew with the value as it is kept there"
            )


def _write(
    installation: Installation,
    connection: Connection,
    place: Place,
    values: Mapping[str, Any],
    what: str,
) -> list[sa.ColumnElement[bool]]:
    """Returns how the row is found."""
    name, key = place
    sql = installation.sources.table(name)
    declared = installation.catalogue.table(name).key
    match = [sql.c[column] == part for column, part in zip(declared, key, strict=True)]
    try:
        connection.execute(sql.update().where(*match).values(dict(values)))
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    except StatementError as error:
        if isinstance(error, OperationalError):
            raise
        raise RequestError(
            f"{name}: the database refuses {what} ({safe_reason(error)}); nothing was changed"
        ) from None
    return match
