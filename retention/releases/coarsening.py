"""From an accumulator's coordinates to a cube's: equal ones, or coarser ones."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path

from retention.catalogue.declarations import Accumulator, Dimension
from retention.catalogue.rules import Coordinate, DateRule, meaning


class Way(Enum):
    """How a cube's dimension follows from an accumulator's."""

    same = auto()
    """The labels are the same ones."""
    from_value = auto()
    """The accumulator kept the value: any rule can be applied to it."""
    from_date = auto()
    """Both are dates, and the accumulator's are finer."""
    none = auto()
    """It does not."""


_COARSENESS = {"day": 0, "month": 1, "quarter": 2, "year": 3, "*": 4}


def way(wanted: Coordinate, folder: Path, accumulator: Accumulator, catalogue_folder: Path) -> Way:
    """How ``wanted`` follows from ``accumulator``; files are looked for from each one's folder."""
    source = source_of(wanted, accumulator)
    if source is None:
        return Way.none
    if wanted.at == source.at and meaning((_bare(wanted),), folder) == meaning(
        (_bare(source),), catalogue_folder
    ):
        return Way.same
    if isinstance(wanted.rule, DateRule) and isinstance(source.rule, DateRule):
        finer = _COARSENESS[source.at] <= _COARSENESS[wanted.at]
        return Way.from_date if finer else Way.none
    if source.rule.kind == "value" and source.raw and not isinstance(wanted.rule, DateRule):
        return Way.from_value
    return Way.none


def source_of(wanted: Coordinate, accumulator: Accumulator) -> Dimension | None:
    """The accumulator's coordinate on the same column; the finest, where there are several."""
    there = [item for item in accumulator.by if item.column == wanted.column]
    return min(there, key=lambda item: (not item.raw, _COARSENESS.get(item.at, 0)), default=None)


def _bare(coordinate: Coordinate) -> Coordinate:
    return Coordinate(column=coordinate.column, rule=coordinate.rule, level=coordinate.at)


def days_of(labels: Sequence[str | None]) -> list[str | None]:
    """A day within each label of a date rule: what a coarser level is worked out from.

    Labels that are no dates (missing, unknown) stay as they are.
    """
    return [None if label is None else _day(label) for label in labels]


def _day(label: str) -> str:
    if len(label) == 7 and label[5] == "Q":
        return f"{label[:4]}-{3 * int(label[6]) - 2:02}-01"
    if len(label) == 7 and label[4] == "-":
        return f"{label}-01"
    if len(label) == 4 and label.isdigit():
        return f"{label}-01-01"
    return label
