"""The named normalisers under which two systems' values are compared for a link.

Each exists in Python and in SQL, and both agree: only ASCII letters are folded, since
databases differ on the others.
"""

from __future__ import annotations

import string
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_DIGITS = frozenset(string.digits)


def normalise(value: object, normaliser: str) -> str | None:
    """``value`` as it is compared; ``None`` where nothing is left to compare."""
    if value is None:
        return None
    text = str(value)
    if normaliser == "email":
        text = text.strip(" ").translate(_ASCII_LOWER)
    elif normaliser == "digits":
        text = "".join(character for character in text if character in _DIGITS)
    return text or None


def normalised(
    column: ColumnElement[Any], normaliser: str, dialect_name: str
) -> ColumnElement[Any]:
    """The SQL expression that equals :func:`normalise` on a column's values."""
    if dialect_name == "sqlite":
        return sa.func.retention_normalise(column, normaliser, type_=sa.String)
    text = sa.cast(column, sa.Text)
    if normaliser == "email":
        return sa.func.lower(sa.collate(sa.func.trim(text), "C"))
    if normaliser == "digits":
        return sa.func.regexp_replace(text, "[^0-9]", "", "g")
    return text
