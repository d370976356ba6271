"""A plan: what would change phase on a day, as predicates and counts, never a list of rows.

Its digest covers the policy version, the catalogue, the day and the predicates. Counts are
upper bounds: an approval of the digest binds them.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from enum import StrEnum
from typing import NewType

from pydantic import Field

from retention.documents import StrictModel

PlanDigest = NewType("PlanDigest", str)
"""64 hexadecimal characters."""


class Transition(StrEnum):
    """What can happen to rows."""

    archive = "archive"
    pseudonymise = "pseudonymise"
    clear = "clear"
    dispose = "dispose"
    expire = "expire"
    """Archived units whose last day is past: key destroyed, records deleted."""
    review = "review"
    hold = "hold"
    restrict = "restrict"
    """Rows leave active use (GDPR art. 18), whole, until ``restore`` puts them back."""
    restore = "restore"
    oppose = "oppose"
    """An objection is written into the rows of the person."""
    rectify = "rectify"


DESTRUCTIVE = (
    Transition.archive,
    Transition.dispose,
    Transition.pseudonymise,
    Transition.clear,
    Transition.expire,
)


class PlanItem(StrictModel):
    """So many rows of one table make one transition."""

    table: str
    transition: Transition
    rows: int
    follows: str | None = None
    """For a dependant: the table whose rows it goes with."""


class TableCounts(StrictModel):
    """How a table's rows stand, by phase, and each purpose's by phase."""

    table: str
    rows: int
    phases: dict[str, int]
    purposes: dict[str, dict[str, int]]


class Plan(StrictModel):
    """What a run on ``as_of`` would do."""

    as_of: date
    request: str | None = None
    """The data subject's request that is carried out: its opaque id; ``None``: the policy."""
    policy: str
    policy_digest: str
    catalogue_digest: str
    predicates: dict[str, str]
    """A SHA-256 for each table, over the compiled condition and its constants."""
    tables: tuple[TableCounts, ...]
    items: tuple[PlanItem, ...]
    stopped: dict[str, str] = Field(default_factory=dict)
    """Tables whose owner tree is stopped, and why."""

    @property
    def digest(self) -> PlanDigest:
        document = self.model_dump(mode="json", include=_DIGESTED)
        if self.request is not None:
            document["request"] = self.request
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return PlanDigest(hashlib.sha256(text.encode()).hexdigest())

    def rows(self, transition: Transition, table: str | None = None) -> int:
        """Rows that make ``transition``, of ``table`` or of all."""
        return sum(
            item.rows
            for item in self.items
            if item.transition is transition and table in (None, item.table)
        )

    def counts(self, table: str) -> TableCounts | None:
        return next((item for item in self.tables if item.table == table), None)

    def within(self, approved: Plan) -> bool:
        """Whether every destructive count is at most what ``approved`` foresaw."""
        return all(
            item.rows <= approved.rows(item.transition, item.table)
            for item in self.items
            if item.transition in DESTRUCTIVE
        )


_DIGESTED = {"as_of", "policy", "policy_digest", "catalogue_digest", "predicates"}
