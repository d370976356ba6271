"""The generalisation rules by name: values, tables, dates, postcodes, bands, agents, addresses.

What belongs here: the rules that are a table, ready or declared. ``dates``, ``bands``,
``user_agents`` and ``addresses`` hold those that compute; ``labelling`` what all of them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from anonymizers.distinct import spread
from anonymizers.hierarchies import EVERYTHING, Hierarchy, leaf_text
from anonymizers.rules.addresses import ByAddress
from anonymizers.rules.bands import ByBands
from anonymizers.rules.dates import ByDate
from anonymizers.rules.french_postcodes import (
    ARMED_FORCES,
    FRANCE,
    MONACO,
    REGION_OF,
    REGIONS,
    place,
)
from anonymizers.rules.labelling import UNKNOWN, DistinctRule, Rule
from anonymizers.rules.user_agents import ByUserAgent

__all__ = [
    "UNKNOWN",
    "ByAddress",
    "ByBands",
    "ByDate",
    "ByPostcode",
    "ByTable",
    "ByUserAgent",
    "ByValue",
    "Rule",
]


@dataclass(frozen=True)
class ByValue(DistinctRule):
    """The value itself, then everything. With ``values`` given, any other is ``UNKNOWN``."""

    values: frozenset[str] | None = None
    names: ClassVar[tuple[str, ...]] = ("value", EVERYTHING)

    def _path(self, value: object) -> Sequence[str] | None:
        text = leaf_text(value)
        return (text,) if self.values is None or text in self.values else None

    def _vocabulary(self, level: str) -> frozenset[str] | None:  # noqa: ARG002 - there is one
        return self.values


class ByTable:
    """The labels of a declared hierarchy.

    A value that is not in it raises ``HierarchyError``, or with ``unknown="label"`` is
    ``UNKNOWN`` on every level below the last.
    """

    def __init__(
        self, hierarchy: Hierarchy, *, unknown: Literal["raise", "label"] = "raise"
    ) -> None:
        self.hierarchy, self.unknown = hierarchy, unknown

    @property
    def levels(self) -> tuple[str, ...]:
        return self.hierarchy.levels

    def label(self, values: pd.Series[Any], level: int | str) -> pd.Series[Any]:
        at = self.hierarchy.level_index(level)
        outside: Literal["raise", "suppress"] = "raise" if self.unknown == "raise" else "suppress"
        leaves = self.hierarchy.encode(values, outside)
        labels = self.hierarchy.labels[at]
        codes = np.append(self.hierarchy.codes[at], np.int32(-1))[leaves]
        return spread(codes, labels, values, EVERYTHING if at == len(self.levels) - 1 else UNKNOWN)

    def fit(self, column: str, values: pd.Series[Any]) -> Hierarchy:
        """The declared hierarchy, once every value has been found in it."""
        hierarchy = replace(self.hierarchy, column=column)
        hierarchy.encode(values)
        return hierarchy

    def closed_vocabulary(self, level: int | str) -> frozenset[str] | None:
        at = self.hierarchy.level_index(level)
        labels = frozenset(self.hierarchy.labels[at])
        return (
            labels if at == len(self.levels) - 1 or self.unknown == "raise" else labels | {UNKNOWN}
        )


@dataclass(frozen=True)
class ByPostcode(DistinctRule):
    """French postcode, département, région, country: see ``french_postcodes``.

    Whole numbers are postcodes whose leading zero the column's type has lost; a text of four
    digits may be another country's, and is ``UNKNOWN``.
    """

    names: ClassVar[tuple[str, ...]] = ("postcode", "department", "region", "country", EVERYTHING)
    aliases: ClassVar[dict[str, str]] = {"département": "department", "région": "region"}

    def _path(self, value: object) -> Sequence[str] | None:
        return place(value if isinstance(value, str) else leaf_text(value).zfill(5))

    def _vocabulary(self, level: str) -> frozenset[str] | None:
        elsewhere = {MONACO, ARMED_FORCES}
        if level == "department":
            return frozenset(REGION_OF) | elsewhere
        if level == "region":
            return frozenset(REGIONS) | elsewhere
        return frozenset({FRANCE, MONACO}) if level == "country" else None
