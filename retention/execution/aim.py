"""What a run is for: the policy of the day, or what one person has asked.

The stages are the same for both. An aim says which rows of a table are looked at, what is
decided on each, and what is written into those that stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.execution.trees import Tree
from retention.holds import HeldRows
from retention.planning import clearing
from retention.planning.judge import Candidates, Judged
from retention.planning.plan import Transition

Writes = Mapping[tuple[TableName, tuple[Any, ...]], Mapping[str, Any]]
"""By table and key: what columns of a row become."""


class Aim(Protocol):
    """What the stages ask of a run."""

    @property
    def daily(self) -> bool:
        """Whether quotas and windows bind the run, and the whole table is looked over."""
        ...

    @property
    def writes(self) -> Transition | None:
        """How what ``written`` says is journalled; ``None``: it says nothing."""
        ...

    def moving(self, found: Candidates) -> ColumnElement[bool]:
        """Rows that may have to leave the table."""
        ...

    def changing(self, found: Candidates) -> ColumnElement[bool]:
        """Rows that may have to be changed where they lie."""
        ...

    def decided(self, bound: BoundTable, judged: Sequence[Judged]) -> list[Judged]:
        """What is decided, given what the policy says."""
        ...

    def written(self, item: Judged, tree: Tree) -> Writes:
        """What is written into a row that stays, and into its dependants."""
        ...

    def held(self, found: HeldRows) -> frozenset[str]:
        """Of the persons held now, those that are held for this run too, by token."""
        ...


class PolicyAim:
    """The policy of the day: every row that is due."""

    daily: bool = True
    writes: Transition | None = None

    def moving(self, found: Candidates) -> ColumnElement[bool]:
        return found.condition

    def changing(self, found: Candidates) -> ColumnElement[bool]:
        return sa.or_(found.to_pseudonymise, clearing.condition(found))

    def decided(self, bound: BoundTable, judged: Sequence[Judged]) -> list[Judged]:  # noqa: ARG002
        return list(judged)

    def written(self, item: Judged, tree: Tree) -> Writes:  # noqa: ARG002
        return {}

    def held(self, found: HeldRows) -> frozenset[str]:
        return found.tokens


POLICY = PolicyAim()
