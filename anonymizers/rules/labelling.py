"""How a rule labels a column: what every generalisation rule shares.

A rule labels columns (``label``: what cubes use), and becomes a finite ``Hierarchy`` once it is
fitted to the values met (``fit``: what recodings use). Level 0 is the value in its canonical
form, the last level is ``*``. Nulls and blank texts are ``MISSING`` on every level below the
last, values that cannot be read are ``UNKNOWN``: every value has a label, and what is equal on
a level is equal on every level above. The rules themselves are in ``rules``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.distinct import Places, distinct, spread
from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy, HierarchyError

UNKNOWN = "(unknown)"
"""The label of a value that cannot be read, on every level below the last."""


class Rule(Protocol):
    """What every rule offers."""

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels' names, from the value itself to ``*``."""
        ...

    def label(self, values: pd.Series[Any], level: int | str) -> pd.Series[Any]:
        """The labels of ``values`` on a level: dtype ``str``, never null, same index and name."""
        ...

    def fit(self, column: str, values: pd.Series[Any]) -> Hierarchy:
        """The finite hierarchy of the values met; its ``encode`` takes values as they come."""
        ...

    def closed_vocabulary(self, level: int | str) -> frozenset[str] | None:
        """Every label the level can have, ``None`` where there is no end of them."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class FittedRule(Hierarchy):
    """The hierarchy of a rule: it reads values as the rule does ("75 011" is the leaf "75011")."""

    rule: Rule

    def encode(
        self, values: pd.Series[Any], unknown: Literal["raise", "suppress"] = "raise"
    ) -> npt.NDArray[np.int32]:
        return super().encode(self.rule.label(values, 0), unknown)


class DistinctRule:
    """A rule that reads each distinct value once.

    A subclass says its levels' names, and its ``_path``: the labels of a value on every level
    below the last, or ``None`` for a value that cannot be read.
    """

    names: ClassVar[tuple[str, ...]] = ()
    aliases: ClassVar[dict[str, str]] = {}
    """Other names under which a level may be declared."""

    @property
    def levels(self) -> tuple[str, ...]:
        return self.names

    def label(self, values: pd.Series[Any], level: int | str) -> pd.Series[Any]:
        at = self.level_index(level)
        if at == len(self.levels) - 1:
            everything = pd.array([EVERYTHING], dtype="str")
            repeated = everything.take(np.zeros(len(values), dtype=np.int64))
            return pd.Series(repeated, index=values.index, name=values.name)
        places, labels = self._labelled(values, at)
        return spread(places, labels, values, MISSING)

    def fit(self, column: str, values: pd.Series[Any]) -> Hierarchy:
        met = self.label(values, 0).drop_duplicates()
        # Nulls are the leaf that every hierarchy has, first or last: the labels' order, and so
        # the hierarchy's, must not tell in which order the values came.
        met = met[met != MISSING].sort_values()
        paths = [self._again(met, level) for level in range(1, len(self.levels))]
        rows = [*zip(met, *paths, strict=True), (*[MISSING] * len(paths), EVERYTHING)]
        plain = Hierarchy.from_rows(column, rows, self.levels)
        return FittedRule(column, plain.levels, plain.labels, plain.codes, self)

    def closed_vocabulary(self, level: int | str) -> frozenset[str] | None:
        """Every label the level can have, ``MISSING`` and ``UNKNOWN`` included."""
        at = self.level_index(level)
        if at == len(self.levels) - 1:
            return frozenset({EVERYTHING})
        labels = self._vocabulary(self.levels[at])
        return None if labels is None else labels | {MISSING, UNKNOWN}

    def level_index(self, level: int | str) -> int:
        """The number of a level given by name or number; ``HierarchyError`` if there is none."""
        name = self.aliases.get(level, level) if isinstance(level, str) else level
        if isinstance(name, int) and 0 <= name < len(self.levels):
            return name
        if name in self.levels:
            return self.levels.index(name)
        known = ", ".join(self.levels)
        raise HierarchyError(f"there is no level {level!r}: the levels are {known}")

    def _labelled(self, values: pd.Series[Any], at: int) -> tuple[Places, Sequence[str]]:
        places, uniques = distinct(values)
        return places, [self._label_of(value, at) for value in uniques]

    def _label_of(self, value: object, at: int) -> str:
        if isinstance(value, str) and not value.strip():
            return MISSING
        path = self._path(value)
        return UNKNOWN if path is None else path[at]

    def _again(self, leaves: pd.Series[Any], level: int) -> list[str]:
        """The labels of leaves, which are canonical values already, or ``UNKNOWN``."""
        labels = self.label(leaves, level)
        if level < len(self.levels) - 1:
            labels = labels.mask(leaves == UNKNOWN, UNKNOWN)
        return list(labels)

    def _path(self, value: object) -> Sequence[str] | None:
        raise NotImplementedError

    def _vocabulary(self, level: str) -> frozenset[str] | None:  # noqa: ARG002 - a subclass may
        return None
