"""What a rectification writes: by row, the columns that are wrong or missing.

In a subject's own table a corrected category of data is set wherever it differs, and completed
where it is missing. In rows that belong to the person, a column of that category is corrected
where it holds the old value. Accounting evidence is left as it was issued.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from retention.catalogue.model import Role, Table
from retention.errors import ConfigurationError
from retention.execution.trees import Tree, TreeRow
from retention.identities import words
from retention.installation import Installation
from retention.requests.doing.aims import Place
from retention.requests.doing.persons import PersonTable
from retention.requests.model import RequestError

_LAST, _FIRST, _WHOLE = "user.name.last", "user.name.first", "user.name"


def corrections(
    installation: Installation, tables: Sequence[PersonTable], asked: Mapping[str, str]
) -> dict[Place, dict[str, Any]]:
    """What each row's columns become. ``asked`` goes from a category of data to the right value.

    Raises:
        RequestError: a column cannot hold the value; it names the column, never the value.
    """
    wrong = _old_values(tables, asked)
    found: dict[Place, dict[str, Any]] = {}
    for table in tables:
        for tree in table.trees.values():
            if _as_issued(table):
                continue
            for row in tree.rows:
                if values := dict(_of_row(installation, row, tree, asked, wrong)):
                    found[row.name, row.key] = values
    return found


def _old_values(
    tables: Sequence[PersonTable], asked: Mapping[str, str]
) -> dict[str, set[tuple[str, ...]]]:
    """By category, what the subjects' own rows hold now: as words, so that spelling is no matter."""
    found: dict[str, set[tuple[str, ...]]] = {category: set() for category in (*asked, _WHOLE)}
    for table in tables:
        if table.bound.table.role is not Role.subject:
            continue
        for tree in table.trees.values():
            row = tree.root
            for name, column in row.table.columns.items():
                if column.category in found and row.row[name] is not None:
                    found[column.category].add(_said(row.row[name]))
            last, first = _value(row, _LAST), _value(row, _FIRST)
            if last and first:
                found[_WHOLE] |= {_said(f"{first} {last}"), _said(f"{last} {first}")}
    return found


def _of_row(
    installation: Installation,
    row: TreeRow,
    tree: Tree,
    asked: Mapping[str, str],
    wrong: Mapping[str, set[tuple[str, ...]]],
) -> Iterator[tuple[str, Any]]:
    own = row is tree.root and row.table.role is Role.subject
    for name, column in row.table.columns.items():
        if name in row.table.key or any(name in pointer.via for pointer in row.table.pointers):
            continue
        present = row.row[name]
        if column.category in asked:
            theirs = own or (present is not None and _said(present) in wrong[column.category])
            wanted = asked[column.category]
        elif column.category == _WHOLE and not own and present is not None:
            theirs = _said(present) in wrong[_WHOLE]
            wanted = _renamed(str(present), tree, asked, wrong)
        else:
            continue
        if theirs and str(present) != wanted:
            yield name, _fitting(installation, row, name, wanted)


def _renamed(
    present: str,
    tree: Tree,
    asked: Mapping[str, str],
    wrong: Mapping[str, set[tuple[str, ...]]],
) -> str:
    """A whole name with the corrected parts, in the order in which it stands there."""
    if not {_LAST, _FIRST} & set(asked):
        return present
    parts = {}
    for category in (_FIRST, _LAST):
        old = next((old for old in wrong.get(category, ()) if old), ())
        before = old or _said(_value(tree.root, category) or "")
        parts[category] = (before, asked.get(category) or (_value(tree.root, category) or ""))
    order = [_FIRST, _LAST]
    if _said(present)[: len(parts[_LAST][0])] == parts[_LAST][0]:
        order.reverse()
    return " ".join(parts[category][1] for category in order).strip() or present


def _fitting(installation: Installation, row: TreeRow, name: str, wanted: str) -> Any:
    """The value as the column's type wants it."""
    kind = installation.sources.table(row.name).c[name].type
    try:
        if isinstance(kind, sa.DateTime):
            return datetime.fromisoformat(wanted)
        if isinstance(kind, sa.Date):
            return date.fromisoformat(wanted)
        if isinstance(kind, sa.Integer):
            return int(wanted)
        if isinstance(kind, sa.Numeric):
            return kind.python_type(wanted)
    except (ValueError, ArithmeticError, ConfigurationError):
        raise RequestError(
            f"{row.name}.{name}: the column cannot hold the corrected value; it wants {kind}"
        ) from None
    if _is_day(row.row[name]) and not _is_day(wanted):
        raise RequestError(
            f"{row.name}.{name}: the column holds dates; the corrected value is none (YYYY-MM-DD)"
        )
    length = getattr(kind, "length", None)
    if length is not None and len(wanted) > length:
        raise RequestError(f"{row.name}.{name}: the corrected value is longer than {length}")
    return wanted


def _is_day(value: Any) -> bool:
    """Whether a text is an ISO date: SQLite has no other type for one."""
    try:
        date.fromisoformat(str(value)[: len("2026-01-01")])
    except ValueError:
        return False
    return True


def _value(row: TreeRow, category: str) -> str | None:
    for name, column in row.table.columns.items():
        if column.category == category and row.row[name] is not None:
            return str(row.row[name])
    return None


def _said(value: Any) -> tuple[str, ...]:
    return tuple(words(str(value)))


def evidence_left(tables: Sequence[PersonTable], asked: Mapping[str, str]) -> list[tuple[str, int]]:
    """Evidence that holds a corrected category, and is left as it was issued: tables and rows."""
    return [
        (table.name, len(table.trees))
        for table in tables
        if _as_issued(table) and _holds(table.bound.table, asked)
    ]


def _as_issued(table: PersonTable) -> bool:
    """Whether the rows are evidence that the law obliges to keep (and not bank details, say)."""
    purposes = table.bound.all_purposes.values()
    lawful = any(purpose.legal_basis == "legal_obligation" for purpose in purposes)
    return lawful and table.bound.table.role is Role.evidence


def _holds(table: Table, asked: Mapping[str, str]) -> bool:
    named = {_WHOLE} if {_LAST, _FIRST} & set(asked) else set()
    return any(column.category in {*asked, *named} for column in table.columns.values())
