"""Whose a row is in which something was found: by the declared foreign keys, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from retention.catalogue.declarations import Reference
from retention.catalogue.model import Role, TableName
from retention.catalogue.sources import source_errors
from retention.installation import Installation

Texts = tuple[str, ...]
Owner = tuple[str, Texts]
"""A record of a subject table: the table's name and its key, as text."""


@dataclass
class Owners:
    """Looks up owners, each once. Rows are given and told as text."""

    installation: Installation
    _parents: dict[tuple[str, Texts], Owner | None] = field(default_factory=dict)
    _rows: dict[Owner, dict[str, str]] = field(default_factory=dict)

    def of(self, name: str, row: Mapping[str, str | None]) -> Owner | None:
        """The person a row of a catalogued table belongs to.

        ``None`` where it belongs to nobody, or where the row between it and its owner is gone.
        """
        table = self.installation.catalogue.table(name)
        if table.role is Role.subject:
            own = _known(name, [row.get(column) for column in table.key])
            return None if own is None else self._as_stored(*own)
        pointer = self._pointer(name)
        if pointer is None:
            return None
        system = name.partition(".")[0]
        far = _known(f"{system}.{pointer.table}", [row.get(column) for column in pointer.via])
        return None if far is None else self._up(*far)

    def followed(self, name: str, row: Mapping[str, str | None]) -> Owner | None:
        """The row with clocks of its own that a row follows: itself, where it has some.

        ``None`` where a row between the two is gone.
        """
        table = self.installation.catalogue.table(name)
        if table.role is not Role.dependant or table.owner is None:
            return _known(name, [row.get(column) for column in table.key])
        far = f"{name.partition('.')[0]}.{table.owner.table}"
        owner = _known(far, [row.get(column) for column in table.owner.via])
        if owner is None or self.installation.catalogue.table(far).role is not Role.dependant:
            return owner
        between = self.row(owner)
        return self.followed(far, between) if between else None

    def _pointer(self, name: str) -> Reference | None:
        """The way to the owner; an event's row belongs to whom it refers to."""
        table = self.installation.catalogue.table(name)
        if table.owner is not None:
            return table.owner
        system = name.partition(".")[0]
        tables = self.installation.catalogue.systems[system].tables
        for pointer in table.references:
            if tables[pointer.table].role is not Role.event:
                return pointer
        return None

    def _up(self, name: str, key: Texts) -> Owner | None:
        if self.installation.catalogue.table(name).role is Role.subject:
            return self._as_stored(name, key)
        place = (name, key)
        if place not in self._parents:
            self._parents[place] = None  # a circle of rows ends here
            row = self._read(name, key)
            self._parents[place] = self.of(name, row) if row else None
        return self._parents[place]

    def _as_stored(self, name: str, key: Texts) -> Owner:
        """A person by their key as their own row holds it: blanks that pad it are part of it.

        What points at them can have it otherwise (another case, decimals) and be equal to it.
        """
        row = self.row((name, key))
        stored = [row.get(column) for column in self.installation.catalogue.table(name).key]
        return _known(name, stored) or (name, key)

    def row(self, owner: Owner) -> dict[str, str]:
        """What stands in a record; empty where it is gone."""
        if owner not in self._rows:
            self._rows[owner] = self._read(*owner)
        return self._rows[owner]

    def _read(self, name: str, key: Texts) -> dict[str, str]:
        system = name.partition(".")[0]
        sql = self.installation.sources.table(TableName(name))
        columns = self.installation.catalogue.table(name).key
        if len(columns) != len(key):
            return {}
        engine = self.installation.sources.engine(system)
        match = key_equals([sql.c[column] for column in columns], key, engine.dialect.name)
        with source_errors(system), engine.connect() as connection:
            found = connection.execute(sa.select(*sql.columns).where(*match)).mappings().first()
        return {str(at): str(value) for at, value in (found or {}).items() if value is not None}


def _known(name: str, parts: Sequence[str | None]) -> Owner | None:
    known = tuple(part for part in parts if part is not None)
    return (name, known) if known and len(known) == len(parts) else None


def key_equals(
    columns: Sequence[sa.Column[Any]], key: Texts, dialect: str
) -> list[sa.ColumnElement[bool]]:
    """That ``columns`` hold a key that is given as text."""
    return [
        _equals(column, text, sqlite=dialect == "sqlite")
        for column, text in zip(columns, key, strict=True)
    ]


def _equals(column: sa.Column[object], text: str, *, sqlite: bool) -> sa.ColumnElement[bool]:
    if not sqlite:
        return column == sa.cast(sa.literal(text, sa.Text), column.type)
    # A column without a declared type compares numbers and their texts as different.
    number = text.removeprefix("-")
    same = column == sa.literal(text, sa.Text)
    if number.isascii() and number.isdigit() and len(number) < 19:
        same |= column == sa.literal(int(text), sa.Integer)
    return same
