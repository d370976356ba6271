"""What explains that something of a person is still there once they objected to prospecting.

Data that stand for another purpose stay, and must say that their owner objected. What is held
for prospecting alone must be gone, and so must a further record of the person's that anybody
could still be solicited by, whether or not it was found when the request was looked into.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import sqlalchemy as sa

from retention.catalogue.declarations import TODAY
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.installation import Installation
from retention.planning.judge import Judged, Row, judge
from retention.planning.memory import remembered
from retention.planning.pages import read_rows
from retention.policy.rights import is_prospecting
from retention.requests.proving.explaining import Explaining, Found, Verdict
from retention.requests.proving.found import Outcomes
from retention.requests.proving.owners import Owner, key_equals

_ELSEWISE = "held for other purposes than prospecting"
_ALONE = "held for prospecting, which has to stop"


@dataclass
class Consents:
    """Whether rows with clocks of their own may stay, each looked at once. Keys are text."""

    installation: Installation
    as_of: date
    _judged: dict[Owner, Judged | None] = field(default_factory=dict)

    @cached_property
    def ended(self) -> frozenset[str]:
        """The purposes that an objection ends."""
        version = self.installation.policy.version_on(self.as_of)
        return frozenset(
            name for name, purpose in version.purposes.items() if is_prospecting(purpose)
        )

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
        if set(item.decision.live_purposes) & self.ended:
            return False, "still up for prospecting"
        if set(item.purposes) & self.ended and not self._written(place[0], item.row):
            return False, "it does not say that its owner objected"
        return True, _ELSEWISE

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


@dataclass(frozen=True)
class OutcomesOfObjection(Outcomes):
    """As ``Outcomes``; what the archive keeps for another purpose than prospecting is explained."""

    ended: frozenset[str] = frozenset()

    def in_archive(self, name: str) -> Verdict:
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
