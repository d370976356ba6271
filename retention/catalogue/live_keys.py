"""A foreign key as a database holds it."""

from __future__ import annotations

from dataclasses import dataclass

HARMFUL_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True)
class LiveForeignKey:
    """A foreign key into a governed table of the system."""

    source: str
    """The table that refers, as one names it: with its schema where that is another."""
    same_schema: bool
    target: str
    pairs: tuple[tuple[str, str], ...]
    """(its column, the target's column)."""
    on_delete: str
    deferred: bool
    """Checked only when the transaction commits."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for column, _ in self.pairs)
