"""From stored values to the labels of a coordinate: the same for rows that leave and rows that stay.

Accumulators and releases both label here, so that their cells are the same cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from retention.catalogue.dates import DateColumn
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.rules import Coordinate, DateRule, make_rule
from retention.catalogue.sources import Sources
from retention.policy.calendar import zone

if TYPE_CHECKING:
    from anonymizers.rules.declared import Rule

REMEMBERED = 100_000
"""Distinct values of a column whose labels are kept in memory."""


class Labeller:
    """The labels of one column on one level. Dates are civil days of the policy's zone first."""

    def __init__(self, coordinate: Coordinate, days: DateColumn | None, folder: Path) -> None:
        self.coordinate = coordinate
        self._days = days
        self._folder = folder
        self._rule: Rule | None = None
        self._known: dict[Any, str | None] = {}

    @property
    def rule(self) -> Rule:
        """The rule itself.

        Raises:
            ConfigurationError: a hierarchy's file cannot be read, or has a hole.
        """
        if self._rule is None:
            self._rule = make_rule(self.coordinate.rule, self._folder)
        return self._rule

    def values(self, stored: Iterable[Any]) -> list[Any]:
        """What the rule works on: text, a number, an ISO day; ``None`` where nothing is stored."""
        if self._days is not None:
            days = (self._days.read(value) for value in stored)
            return [day.isoformat() if isinstance(day, date) else None for day in days]
        return [_plain(value) for value in stored]

    def labels(self, stored: Sequence[Any]) -> list[str | None]:
        """One label a value; ``None`` where nothing is stored, or nothing that can be read."""
        values = self.values(stored)
        new = list(dict.fromkeys(value for value in values if value not in self._known))
        if len(self._known) + len(new) > REMEMBERED:
            self._known.clear()
            new = list(dict.fromkeys(values))
        if new:
            self._known.update(zip(new, self._label(new), strict=True))
        return [self._known[value] for value in values]

    def _label(self, values: Sequence[Any]) -> list[str | None]:
        import pandas as pd  # noqa: PLC0415 - slow; most tables have no such coordinate

        from anonymizers.hierarchies import MISSING  # noqa: PLC0415

        series = pd.Series(list(values), name=self.coordinate.column, dtype=object)
        made = self.rule.label(series, self.coordinate.at)
        return [None if label == MISSING else str(label) for label in made]


def _plain(value: Any) -> Any:
    """A value that can be looked up: what databases give, but no bytes."""
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def labeller(
    sources: Sources,
    catalogue: Catalogue,
    policy_zone: ZoneInfo,
    table: TableName,
    coordinate: Coordinate,
    folder: Path,
) -> Labeller:
    """The labeller of a column of ``table``; a hierarchy's file is looked for from ``folder``.

    Raises:
        SourceError: the table cannot be reached or is not there.
    """
    days = None
    if isinstance(coordinate.rule, DateRule):
        system = table.partition(".")[0]
        days = DateColumn.bind(
            sources.table(table).c[coordinate.column],
            catalogue.table(table).columns[coordinate.column],
            sources.engine(system).dialect.name,
            zone(catalogue.systems[system].time_zone),
            policy_zone,
        )
    return Labeller(coordinate, days, folder)
