"""What a run is for when a person has asked: their rows, and what the right makes of each.

The stages of the daily run carry it out: one executor. Which rows are looked at is a matter of
whose they are; what is done with each is the policy's decision, changed by the right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy.sql import ColumnElement

from retention.catalogue.bound import BoundTable
from retention.catalogue.dates import DateColumn
from retention.catalogue.declarations import TODAY
from retention.catalogue.model import TableName
from retention.execution.aim import Writes
from retention.execution.correcting import Correction
from retention.execution.trees import Tree
from retention.holds import HeldRows, Person
from retention.installation import Installation
from retention.planning.facts import Key
from retention.planning.judge import Candidates, Judged, is_pseudonymised
from retention.planning.plan import Transition
from retention.policy import rights
from retention.policy.calendar import ONE_DAY, zone
from retention.policy.decide import Action, Decision, Location
from retention.requests.doing.persons import belonging
from retention.requests.model import Kind

Place = tuple[TableName, Key]

LEAVES = frozenset({Action.archive, Action.dispose})
"""By what a row goes from its table for good."""


@dataclass(frozen=True)
class PersonAim:
    """One person's request."""

    kind: Kind
    persons: tuple[Person, ...]
    as_of: date
    opposing: Mapping[TableName, Mapping[str, Any]] = field(default_factory=dict)
    """For an objection: what each table's rows hold afterwards (``Table.on_objection``)."""
    days: Mapping[TableName, Mapping[str, DateColumn]] = field(default_factory=dict)
    """Of these columns, those that hold the day of the objection."""
    ended: frozenset[str] = frozenset()
    """The purposes that an objection ends."""
    prospecting: frozenset[str] = frozenset()
    """The purposes of which a row says that its owner objected."""
    obliging: frozenset[str] = frozenset()
    """The purposes that a legal obligation is the basis of."""
    corrections: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    """For a rectification: what each row's columns become."""
    archived: tuple[Correction, ...] = ()
    """For a rectification: what records of the archive become."""
    waiting: frozenset[Place] = frozenset()
    """Rows that would go, but that an undecided row of the person refers to (``waiting``)."""
    daily: bool = False

    @property
    def writes(self) -> Transition | None:
        return _WRITES.get(self.kind)

    @property
    def opposed(self) -> frozenset[str] | None:
        """The purposes that an objection ends; ``None`` where the request is none."""
        return self.ended if self.kind is Kind.objection else None

    def moving(self, found: Candidates) -> ColumnElement[bool]:
        return belonging(found.bound, self.persons)

    def changing(self, found: Candidates) -> ColumnElement[bool]:
        return belonging(found.bound, self.persons)

    def decided(self, bound: BoundTable, judged: Sequence[Judged]) -> list[Judged]:
        found = [replace(item, decision=self._decided(bound, item)) for item in judged]
        return [
            replace(item, decision=rights.waiting(item.decision))
            if (bound.name, item.key) in self.waiting and item.decision.action in LEAVES
            else item
            for item in found
        ]

    def _decided(self, bound: BoundTable, item: Judged) -> Decision:
        purposes = [bound.all_purposes[name] for name in item.purposes]
        in_place = is_pseudonymised(bound, item.row)
        where = Location.pseudonymised if in_place else Location.active
        if self.kind is Kind.erasure:
            return rights.erased(purposes, item.facts, item.decision, self.as_of, location=where)
        if self.kind is Kind.objection:
            return rights.opposed(self.ended, item.decision, self.as_of, location=where)
        if item.decision.action is Action.hold:
            return item.decision
        if self.kind is Kind.restriction:
            return rights.restricted(item.decision)
        return replace(item.decision, action=Action.keep)

    def written(self, item: Judged, tree: Tree) -> Writes:
        root = (tree.root.name, tree.root.key)
        if item.decision.action is Action.hold and not self._despite_hold(item):
            return {}
        if self.kind is not Kind.rectification:
            if not self.prospecting & set(item.purposes):
                return {}
            values = dict(self._unsaid(item, tree))
            return {root: values} if values else {}
        mine = {(row.name, row.key) for row in tree.rows} & set(self.corrections)
        return {root: {}, **{place: self.corrections[place] for place in mine}} if mine else {}

    def _despite_hold(self, item: Judged) -> bool:
        """An objection does not wait for a legal hold to be written down (GDPR art. 21(3)).

        What is restricted is out of use anyway, and nothing of it changes.
        """
        return self.kind is Kind.objection and not item.frozen

    def _unsaid(self, item: Judged, tree: Tree) -> Iterator[tuple[str, Any]]:
        """What a row does not say yet of its owner's objection.

        The day that stands there stays, unless the row was up for prospecting until now.
        """
        days, yesterday = self.days.get(tree.root.name, {}), self.as_of - ONE_DAY
        was_up = any(
            purpose.purpose in self.prospecting and purpose.active_through == yesterday
            for purpose in item.decision.purposes
        )
        for name, value in self.opposing.get(tree.root.name, {}).items():
            there = tree.root.row[name]
            said = not was_up and name in days and isinstance(days[name].read(there), date)
            if there != value and not said:
                yield name, value

    def held(self, found: HeldRows) -> frozenset[str]:
        """A restriction is not stopped by itself; every other request is by any hold."""
        return found.legal if self.kind is Kind.restriction else found.tokens


_WRITES = {
    # What stays after an erasure may be used for its contract, and for nothing else.
    Kind.erasure: Transition.oppose,
    Kind.objection: Transition.oppose,
    Kind.rectification: Transition.rectify,
}


def aim_of(
    installation: Installation,
    kind: Kind,
    persons: Sequence[Person],
    as_of: date,
    corrections: Mapping[Place, Mapping[str, Any]] | None = None,
    archived: tuple[Correction, ...] = (),
    *,
    purposes: Collection[str] = (),
) -> PersonAim:
    """The aim of a request of ``persons``, with all that it has to know of the catalogue.

    ``purposes`` are those that an objection names.
    """
    ended = rights.ended_by_objection(installation.policy.version_on(as_of).purposes, purposes)
    prospecting = rights.ended_by_objection(installation.policy.version_on(as_of).purposes)
    days = dict(_days(installation)) if _WRITES.get(kind) is Transition.oppose else {}
    return PersonAim(
        kind,
        tuple(persons),
        as_of,
        opposing=_opposing(installation, days, as_of) if days else {},
        days=days,
        ended=ended,
        prospecting=prospecting & ended if kind is Kind.objection else prospecting,
        obliging=frozenset(
            name
            for version in installation.policy.versions
            for name, purpose in version.purposes.items()
            if purpose.legal_basis == "legal_obligation"
        ),
        corrections=corrections or {},
        archived=archived,
    )


def _days(installation: Installation) -> Iterator[tuple[TableName, dict[str, DateColumn]]]:
    """By table that an objection is written into, the columns that hold its day."""
    for name, table in installation.catalogue.tables():
        if table.on_objection:
            sql, system = installation.sources.table(name), name.partition(".")[0]
            local = zone(installation.catalogue.systems[system].time_zone)
            dialect = installation.sources.engine(system).dialect.name
            yield (
                name,
                {
                    column: DateColumn.bind(
                        sql.c[column], table.columns[column], dialect, local, installation.zone
                    )
                    for column, value in table.on_objection.items()
                    if value == TODAY
                },
            )


def _opposing(
    installation: Installation,
    days: Mapping[TableName, Mapping[str, DateColumn]],
    as_of: date,
) -> dict[TableName, dict[str, Any]]:
    """What an objection writes, by table, as each column holds it."""
    return {
        name: {
            column: of_day[column].written(as_of) if column in of_day else value
            for column, value in installation.catalogue.table(name).on_objection.items()
        }
        for name, of_day in days.items()
    }
