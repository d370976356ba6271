"""What explains that something of a person is still there once they objected.

Data that stand for another purpose stay, and must say that their owner objected to prospecting.
What is held for nothing else than what was objected to must be gone, and so must a further
record of the person's that anybody could still be solicited by, whether or not it was found when
the request was looked into.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import sqlalchemy as sa

from retention.catalogue.declarations import TODAY
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.execution.erasing import verdicts
from retention.installation import Installation
from retention.planning import clearing
from retention.planning.judge import Judged, Row, judge
from retention.planning.memory import remembered
from retention.planning.pages import read_rows
from retention.policy.decide import Phase
from retention.policy.rights import ended_by_objection, opposed
from retention.requests.model import Outcome
from retention.requests.proving.explaining import Explaining, Found, Verdict
from retention.requests.proving.found import Outcomes
from retention.requests.proving.owners import Owner, key_equals

_ELSEWISE = "held for other purposes than those objected to"
_ALONE = "held for a purpose that has to stop"


@dataclass
class Consents:
    """Whether rows with clocks of their own may stay, each looked at once. Keys are text."""

    installation: Installation
    as_of: date
    ended: frozenset[str]
    """The purposes that the objection ends."""
    _judged: dict[Owner, Judged | None] = field(default_factory=dict)

    @cached_property
    def prospecting(self) -> frozenset[str]:
        """Those of them that a row says of that its owner objected."""
        purposes = self.installation.policy.version_on(self.as_of).purposes
        return self.ended & ended_by_objection(purposes)

    def of(self, place: Owner) -> Verdict:
        """Whether a row may be there for another purpose, and says that its owner objected."""
        held = set(self.installation.catalogue.table(place[0]).purposes)
        if not held & self.ended:
            return True, _ELSEWISE
        if held <= self.ended:
            return False, _ALONE
        item = self._read(place)
        if item is None:
            return False, "the record it belongs to is gone"
        if set(item.purposes) <= self.ended:
            return False, _ALONE
        if why := self._solicited(place, item):
            return False, why
        if self._keeps_more(place, item):
            return False, _ALONE
        return True, _ELSEWISE

    def unheard(self, place: Owner) -> str | None:
        """Why a row that a legal hold keeps from going does not say that its owner objected."""
        item = self._read(place)
        says = self.installation.catalogue.table(place[0]).on_objection
        return self._solicited(place, item) if item is not None and says else None

    def _solicited(self, place: Owner, item: Judged) -> str | None:
        if set(item.decision.live_purposes) & self.prospecting:
            return "still up for prospecting"
        if set(item.purposes) & self.prospecting and not self._written(place[0], item.row):
            return "it does not say that its owner objected"
        return None

    def _keeps_more(self, place: Owner, item: Judged) -> bool:
        """Whether something is left for nothing but purposes that no row can say the end of."""
        if self.ended <= self.prospecting:
            return False
        bound = self.installation.binder(self.as_of).bind(TableName(place[0]))
        decision = opposed(self.ended, item.decision, self.as_of)
        return decision.phase is Phase.expired or bool(
            clearing.due(replace(item, decision=decision), bound)
        )

    def mentions(self, place: Owner) -> bool:
        """Whether what a row says of another person is held for another purpose too."""
        held = set(self.installation.catalogue.table(place[0]).purposes)
        if not held & self.ended or held <= self.ended:
            return not held & self.ended
        item = self._read(place)
        return item is not None and not set(item.purposes) <= self.ended

    def _written(self, name: str, row: Row) -> bool:
        """Whether a row holds what an objection writes into it; of a day, that there is one."""
        wanted = self.installation.catalogue.table(name).on_objection
        return all(
            row[column] is not None if value == TODAY else row[column] == value
            for column, value in wanted.items()
        )

    def _read(self, place: Owner) -> Judged | None:
        if place not in self._judged:
            self._judged[place] = self._judge(*place)
        return self._judged[place]

    def _judge(self, name: str, key: tuple[str, ...]) -> Judged | None:
        sources = self.installation.sources
        with source_errors(name.partition(".")[0]):
            bound = self.installation.binder(self.as_of).bind(TableName(name))
            with sources.engine(bound.system).connect() as connection:
                rows = read_rows(
                    connection, bound, sa.and_(*key_equals(bound.key, key, bound.dialect))
                )
                memory = remembered(self.installation, connection, bound, rows)
                found = judge(connection, bound, rows, self.as_of, sources, (), memory)
        return found[0] if found else None


def purposes_in_archive(
    installation: Installation, tokens: Collection[str], as_of: date
) -> dict[str, frozenset[str]]:
    """For which purposes the archive keeps records of the subjects ``tokens``, by table.

    Raises:
        StoreError: the archive cannot be read.
    """
    found: dict[str, frozenset[str]] = {}
    units = verdicts(installation, sorted(tokens), as_of, opposed=())
    records = [record for unit in units for record in unit.records]
    for record in records:
        found[record.table] = found.get(record.table, frozenset()) | frozenset(record.purposes)
    # What a restriction has sealed is there for no purpose: that is said by the outcomes.
    sealed = {record.table for record in records if record.restricted}
    return {name: purposes for name, purposes in found.items() if name not in sealed}


@dataclass(frozen=True)
class OutcomesOfObjection(Outcomes):
    """As ``Outcomes``; what the archive keeps for another purpose than prospecting is explained."""

    ended: frozenset[str] = frozenset()
    theirs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """For which purposes the archive keeps the person's own records, by table."""

    def in_source(self, name: str) -> Verdict:
        """That a row is kept says nothing: ``Consents`` looks at what it is kept for."""
        lines = [line for line in self.lines if line.outcome is not Outcome.kept]
        return Outcomes(self.catalogue, self.policy, lines).in_source(name)

    def in_archive(self, name: str) -> Verdict:
        if name in self.theirs and not self.theirs[name] & self.ended:
            return True, _ELSEWISE
        verdict = self.of_another(name)
        return verdict if verdict[0] else super().in_archive(name)

    def of_another(self, name: str) -> Verdict:
        try:
            clock = self.catalogue.clock_of(TableName(name))
        except KeyError:  # governed no more: archived for a purpose that keeps an archive
            if any(self._archives(purpose) for purpose in self.ended):
                return False, "not governed"
            return True, _ELSEWISE
        held = set(self.catalogue.table(clock).purposes)
        if held <= self.ended or any(self._archives(purpose) for purpose in held & self.ended):
            return False, _ALONE
        return True, _ELSEWISE

    def _archives(self, purpose: str) -> bool:
        found = (version.purposes.get(purpose) for version in self.policy.versions)
        return any(item and item.archive for item in found)


@dataclass
class ExplainingObjection(Explaining):
    """Judges what was found of a person who objected to prospecting."""

    consents: Consents

    def _may_be_many(self, item: Found) -> bool:
        return not self._stays(item)[0]

    def _stays(self, item: Found) -> Verdict:
        return (
            (False, "a row without an owner") if item.root is None else self.consents.of(item.root)
        )

    def _of_own(self, item: Found) -> Verdict:
        stays, why = self._stays(item)
        if stays:
            return True, why
        if item.root is not None and self.outcomes.held(item.root[0]):
            unheard = self.consents.unheard(item.root)
            if unheard is not None:
                return False, unheard
        said = super()._of_own(item)
        return said if said[0] or item.place in self._too_many else (False, why)

    def _of_key(self, item: Found, points_at: str) -> Verdict:
        """A bare key solicits nobody by itself: what counts is the record it names."""
        records = [self.consents.of(owner) for owner in self._own if owner[0] == points_at]
        if records and all(explained for explained, _ in records):
            return True, f"the record it names is {_ELSEWISE}"
        said = super()._of_key(item, points_at)
        return said if said[0] or not records else next(r for r in records if not r[0])

    def _of_others(self, item: Found) -> Verdict:
        explained, why = super()._of_others(item)
        if explained or item.root is None:
            return explained, why
        if item.column is None or self._identity(item):
            stays, because = self._stays(item)
            return stays, because if stays else f"{why}, {because}"
        if self.consents.mentions(item.root):
            return True, f"mentioned in a record that is {_ELSEWISE}"
        return False, f"{why}, {_ALONE}"
