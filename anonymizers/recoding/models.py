"""Privacy models: what a group of rows that look alike must satisfy before it is released.

k-anonymity (Samarati and Sweeney 1998), ℓ-diversity in its three forms (Machanavajjhala and
others 2007), t-closeness (Li and others 2007). k and diversity count subjects where a subject
column is given, rows otherwise. Each model judges all groups at once; the figures it compares
are in ``measures``. k says nothing of what a class gives away about its people: it goes with a
model of the sensitive column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding import measures
from anonymizers.recoding.groups import Groups

Verdict = npt.NDArray[np.bool_]

# Sums of logarithms and of shares: three people with three values have an entropy of ℓ = 3,
# though the computer may say 2.9999999999999996.
_TOLERANCE = 1e-9


class PrivacyModel(Protocol):
    """A condition on groups.

    ``monotone``: a group that satisfies it still does when rows are added, whatever they hold.
    """

    @property
    def monotone(self) -> bool: ...

    @property
    def sensitive(self) -> str | None:
        """The sensitive column that it looks at, if any."""

    def satisfied(self, groups: Groups) -> Verdict:
        """Whether each group satisfies the model, a boolean a group."""


@dataclass(frozen=True)
class KAnonymity:
    """At least ``k`` subjects in every class."""

    k: int

    monotone = True
    sensitive = None

    def __post_init__(self) -> None:
        _whole("k", self.k, 1)

    def satisfied(self, groups: Groups) -> Verdict:
        return np.asarray(groups.subjects >= self.k)


@dataclass(frozen=True)
class DistinctDiversity:
    """At least ``l`` distinct values of ``column`` in every class."""

    column: str
    l: int  # noqa: E741 - the field's name for it

    monotone = True

    def __post_init__(self) -> None:
        _whole("l", self.l, 1)

    @property
    def sensitive(self) -> str:
        return self.column

    def satisfied(self, groups: Groups) -> Verdict:
        return np.asarray(measures.distinct(groups.histogram(self.column)) >= self.l)


@dataclass(frozen=True)
class EntropyDiversity:
    """The entropy of ``column`` in every class is at least log ``l``, which may be fractional."""

    column: str
    l: float  # noqa: E741 - the field's name for it

    monotone = False

    def __post_init__(self) -> None:
        _number("l", self.l, low=1)

    @property
    def sensitive(self) -> str:
        return self.column

    def satisfied(self, groups: Groups) -> Verdict:
        effective = measures.effective(groups.histogram(self.column))
        return np.asarray(effective >= self.l * (1 - _TOLERANCE))


@dataclass(frozen=True)
class RecursiveDiversity:
    """Recursive (c, ℓ)-diversity: the commonest value of ``column`` is rarer than ``c`` times
    all but the ``l`` - 1 commonest together.
    """  # noqa: D205 - one sentence

    column: str
    c: float
    l: int  # noqa: E741 - the field's name for it

    monotone = False

    def __post_init__(self) -> None:
        _number("c", self.c, low=0)
        _whole("l", self.l, 1)

    @property
    def sensitive(self) -> str:
        return self.column

    def satisfied(self, groups: Groups) -> Verdict:
        commonest, tail = measures.commonest_and_tail(groups.histogram(self.column), self.l)
        return np.asarray(commonest < self.c * tail)


@dataclass(frozen=True)
class TCloseness:
    """In every class ``column`` is distributed as in the whole, up to a distance of ``t``.

    The earth mover's distance between values: ``equal`` (1 between any two), ``ordered`` (the
    number of steps between them over that between the extremes: the order of the hierarchy's
    leaves where one is given, else of the values), ``hierarchical`` (the height of their least
    common label over that of the hierarchy).
    """

    column: str
    t: float
    distance: Literal["equal", "ordered", "hierarchical"] = "equal"
    hierarchy: Hierarchy | None = None

    monotone = False

    def __post_init__(self) -> None:
        _number("t", self.t, low=0, high=1)
        if self.distance not in {"equal", "ordered", "hierarchical"}:
            raise ValueError(f"{self.column}: there is no distance {self.distance!r}")
        if self.distance == "hierarchical" and self.hierarchy is None:
            raise ValueError(f"{self.column}: a hierarchical distance needs the hierarchy")
        if self.hierarchy is not None and self.hierarchy.column != self.column:
            raise ValueError(f"{self.column}: the hierarchy is that of {self.hierarchy.column}")

    @property
    def sensitive(self) -> str:
        return self.column

    def satisfied(self, groups: Groups) -> Verdict:
        histogram = groups.histogram(self.column)
        found = measures.distance(histogram, self.distance, self.hierarchy)
        return np.asarray(found <= self.t + _TOLERANCE)


def least_subjects(models: Sequence[PrivacyModel]) -> int:
    """A group with fewer subjects than this satisfies the models in no case."""
    return max((model.k for model in models if isinstance(model, KAnonymity)), default=1)


def satisfied(models: Sequence[PrivacyModel], groups: Groups) -> Verdict:
    """Whether each group satisfies every model; the dear ones see only what passed the cheap."""
    verdict = np.ones(groups.count, dtype=np.bool_)
    for model in sorted(models, key=lambda each: (each.sensitive is not None, not each.monotone)):
        if verdict.all():
            verdict = model.satisfied(groups)
        elif verdict.any():
            verdict[verdict] = model.satisfied(groups.only(verdict))
    return verdict


def _whole(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name} must be a whole number of at least {low}")


def _number(name: str, value: float, low: float, high: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ValueError(f"{name} must be a number")
    if not low <= value <= high or math.isinf(value):
        upto = f" and at most {high:g}" if high < math.inf else ""
        raise ValueError(f"{name} must be at least {low:g}{upto}")
