"""Corrected values are written and taken back before any is written for good.

A rectification reaches several databases, and no transaction spans two of them. What one of them
refuses (a rule, an enumeration, a trigger), or makes something else of, shows here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from retention.catalogue.source_errors import safe_reason
from retention.catalogue.sources import source_errors
from retention.installation import Installation
from retention.requests.doing.aims import Place
from retention.requests.model import RequestError


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


def _try(
    installation: Installation, connection: Connection, place: Place, values: Mapping[str, Any]
) -> None:
    name, key = place
    sql = installation.sources.table(name)
    declared = installation.catalogue.table(name).key
    match = [sql.c[column] == part for column, part in zip(declared, key, strict=True)]
    try:
        connection.execute(sql.update().where(*match).values(dict(values)))
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    except DBAPIError as error:
        if isinstance(error, OperationalError):
            raise
        raise RequestError(
            f"{name}: the database refuses the corrected value of {', '.join(sorted(values))} "
            f"({safe_reason(error)}); nothing was changed"
        ) from None
    found = connection.execute(sa.select(*(sql.c[column] for column in values)).where(*match))
    for row in found.mappings():
        if other := sorted(column for column, value in values.items() if row[column] != value):
            raise RequestError(
                f"{name}: the database makes another value of the corrected one in "
                f"{', '.join(other)} (its type, or a trigger); nothing was changed: refuse this "
                "request, and enter it anew with the value as it is kept there"
            )
