"""What a check of the catalogue finds: a fault that stops work, or a thing to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retention.catalogue.model import TableName


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``place`` and ``problem`` hold names of the schema only, never data."""

    place: str
    """``system``, ``system.table`` or ``system.table.column``."""
    problem: str
    severity: Literal["error", "warning"]
    table: TableName | None
    """The governed table whose owner tree an error stops; ``None`` stops no tree."""

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"
