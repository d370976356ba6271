"""Whether a table's live columns are the annotated ones and can become what they must."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from anonymizers.pseudonyms import TOKEN_LENGTH
from retention.catalogue.coherence_columns import becomes_empty, event_columns
from retention.catalogue.dates import date_column_problem
from retention.catalogue.declarations import Column, DateFormat, Pseudonymise
from retention.catalogue.findings import Finding
from retention.catalogue.live import LiveColumn, LiveTable
from retention.catalogue.model import Catalogue, TableName


def column_findings(
    catalogue: Catalogue, name: TableName, live: LiveTable, dialect: str
) -> Iterator[Finding]:
    """What is wrong with the columns of ``name``, whose live table is ``live``."""
    annotated = catalogue.table(name).columns
    dates = {column for table, column in event_columns(catalogue) if table == name}
    for column_name in sorted(set(live.columns) - set(annotated)):
        problem = "nobody annotated this column"
        yield Finding(f"{name}.{column_name}", problem, "error", name)
    for column_name, annotation in annotated.items():
        place = f"{name}.{column_name}"
        found = live.columns.get(column_name)
        if found is None:
            yield Finding(place, "there is no such column", "error", name)
            continue
        if found.generated:
            problem = "the database computes this column: what is put back is computed anew"
            yield Finding(place, problem, "warning", name)
        problems = [*_becoming_problems(catalogue, name, live, column_name, dialect)]
        if column_name in dates:
            problems += _date_problems(dialect, column_name, found, annotation)
        for problem in problems:
            yield Finding(place, problem, "error", name)


def _becoming_problems(
    catalogue: Catalogue, name: TableName, live: LiveTable, column_name: str, dialect: str
) -> Iterator[str]:
    """Whether the column can hold a pseudonym, or nothing, where it is to."""
    annotation = catalogue.table(name).columns[column_name]
    column = live.columns[column_name]
    token = annotation.pseudonymise is Pseudonymise.token
    cleared = becomes_empty(catalogue, name, annotation)
    if column.generated and (token or cleared):
        yield "the database computes this column, so it cannot be changed"
        return
    if token:
        yield from _token_problems(column, dialect)
    if cleared and annotation.cleared_as is None and not column.nullable:
        yield "it cannot be null when cleared; give 'cleared_as'"
    elif cleared and annotation.cleared_as is not None and live.constrains(column_name):
        yield "it is unique, so only one row could be cleared to 'cleared_as'"


def _token_problems(column: LiveColumn, dialect: str) -> Iterator[str]:
    kind = column.type
    if not isinstance(kind, sa.String) or isinstance(kind, sa.Enum):
        yield f"a pseudonym is text and the column holds {_spelled(kind)}"
    elif dialect == "sqlite":
        return  # declared lengths do not bind there
    elif kind.length is not None and kind.length < TOKEN_LENGTH:
        yield f"a pseudonym has {TOKEN_LENGTH} characters and the column holds {kind.length}"
    elif isinstance(kind, sa.CHAR) and kind.length != TOKEN_LENGTH:
        yield f"a pseudonym padded to {_spelled(kind)} would not be recognised as one"


def _date_problems(
    dialect: str, name: str, column: LiveColumn, annotation: Column
) -> Iterator[str]:
    problem = date_column_problem(dialect, sa.Column(name, column.type), annotation)
    if problem:
        yield problem
    elif (
        annotation.format is not DateFormat.native
        and dialect != "sqlite"
        and not isinstance(column.type, sa.Integer | sa.Numeric | sa.Float)
    ):
        yield f"holds {_spelled(column.type)}, which is no number of seconds or milliseconds"


def _spelled(kind: TypeEngine[Any]) -> str:
    try:
        return str(kind)
    except SQLAlchemyError:  # a type that SQLAlchemy cannot write
        return "another type"
