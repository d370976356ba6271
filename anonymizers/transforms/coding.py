"""Top and bottom coding: what lies far out becomes the limit, which many share."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import pandas as pd

from anonymizers.transforms.base import Transform, TransformError, named

FEWEST = 10
"""Subjects at or beyond a limit, unless said otherwise."""


class TopBottomCode(Transform):
    """Numbers below ``low`` become ``low``, numbers above ``high`` become ``high``.

    The limits are given, or learnt by ``fit`` from ``quantiles`` (either may be ``None``: that
    end is left as it is). A learnt limit moves inwards until ``fewest`` subjects lie at or
    beyond it, and is then rounded inwards to two significant digits, so that it is nobody's own
    number. Without ``subject`` every row is a subject of its own. ``limits_`` holds what ``fit``
    found. Nulls stay null. Raises ``TransformError`` for a column without numbers, or with so
    few subjects that the limits would cross.
    """

    def __init__(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        quantiles: tuple[float | None, float | None] | None = None,
        fewest: int = FEWEST,
        subject: str | None = None,
    ) -> None:
        learns = quantiles is not None and any(share is not None for share in quantiles)
        if learns == (low is not None or high is not None):
            raise TransformError("TopBottomCode: either limits are given or quantiles")
        if low is not None and high is not None and low > high:
            raise TransformError("TopBottomCode: the low limit is above the high one")
        if any(share is not None and not 0 <= share <= 1 for share in quantiles or ()):
            raise TransformError("TopBottomCode: a quantile lies between 0 and 1")
        if fewest < 1:
            raise TransformError("TopBottomCode: fewest is a number of subjects from 1 on")
        self.column, self.subject, self.fewest = column, subject, fewest
        self.quantiles = quantiles if learns else None
        self.columns = named(column)
        self.learnt_from = () if subject is None else (subject,)
        self.limits_: tuple[float | None, float | None] = (low, high)

    def _learn(self, frame: pd.DataFrame) -> None:
        numbers = self._numbers(frame)
        if self.quantiles is None:
            return
        known = numbers.notna()
        subjects = frame.loc[known, self.subject] if self.subject is not None else None
        bottom, top = self.quantiles
        low = None if bottom is None else self._limit(numbers[known], subjects, bottom, top=False)
        high = None if top is None else self._limit(numbers[known], subjects, top, top=True)
        if low is not None and high is not None and low > high:
            raise TransformError(
                f"TopBottomCode: {self.column} has too few subjects for limits that leave "
                f"{self.fewest} beyond each"
            )
        self.limits_ = (low, high)

    def _limit(
        self, numbers: pd.Series[Any], subjects: pd.Series[Any] | None, share: float, *, top: bool
    ) -> float:
        # Seen from the top; the bottom is the top of the negated numbers.
        sign = 1 if top else -1
        outward = numbers.astype("float64") * sign
        furthest = outward if subjects is None else outward.groupby(subjects).max()
        if len(furthest) < self.fewest:
            raise TransformError(
                f"TopBottomCode: {self.column} has {len(furthest)} subjects, fewer than the "
                f"{self.fewest} that must lie beyond a limit"
            )
        shared = float(furthest.nlargest(self.fewest).iloc[-1])
        limit = min(shared, float(outward.quantile(share if top else 1 - share)))
        if not np.isfinite(limit):
            raise TransformError(f"TopBottomCode: {self.column} has no finite limit")
        return sign * _inwards(limit)

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        numbers = self._numbers(frame)
        low, high = (_as_dtype(limit, numbers) for limit in self.limits_)
        frame[self.column] = numbers.clip(low, high)
        return frame

    def _numbers(self, frame: pd.DataFrame) -> pd.Series[Any]:
        values = frame[self.column]
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if numeric:
            return values
        if all(isinstance(value, Decimal) for value in values.dropna()):
            return values.astype("float64")
        raise TransformError(f"TopBottomCode: {self.column} ({values.dtype}) holds no numbers")


def _inwards(limit: float) -> float:
    """The number of two significant digits at or below ``limit``."""
    exact = Decimal(repr(limit))
    if not exact:
        return 0.0
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), ROUND_FLOOR))


def _as_dtype(limit: float | None, numbers: pd.Series[Any]) -> float | int | None:
    """A whole limit of whole numbers as an integer, so that the column's type stays."""
    if limit is not None and pd.api.types.is_integer_dtype(numbers) and float(limit).is_integer():
        return int(limit)
    return limit
