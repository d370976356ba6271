"""What the orchestrator's own account may do with a table, and whether it sees all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LiveRights:
    """Of one account on one table; nothing is lacking where the database knows no accounts."""

    lacks: frozenset[str] = frozenset()
    """Those of SELECT, UPDATE, DELETE and INSERT that it does not have."""
    hides_rows: bool = False
    """Row-level security is at work: the account may see some rows only."""
