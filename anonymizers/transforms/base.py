"""What every transformation shares: it is fitted, finds its columns, and leaves its input alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import pandas as pd


class TransformError(ValueError):
    """A transformation that cannot be what was declared: names columns and counts, no values."""


class NotFitted(RuntimeError):
    """``transform`` was called before ``fit``."""


class Transform(ABC):
    """Frames in, frames out.

    ``fit`` looks at a frame and returns the transformation itself; ``transform`` returns a new
    frame. A subclass says which ``columns`` it needs, which more it needs to be ``learnt_from``,
    what it ``_learn``s, and what it does to a frame of its own (``_apply``).
    """

    columns: tuple[str, ...] = ()
    learnt_from: tuple[str, ...] = ()
    _fitted = False

    def fit(self, frame: pd.DataFrame) -> Self:
        """Learn from ``frame``. Raises ``TransformError`` where a column is not there."""
        self._check(frame, (*self.columns, *self.learnt_from))
        self._learn(frame)
        self._fitted = True
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` transformed, as a new frame. Raises ``NotFitted`` before ``fit``."""
        if not self._fitted:
            name = type(self).__name__
            raise NotFitted(f"{name}: call fit before transform")
        self._check(frame, self.columns)
        # Shallow: pandas copies a column when it is written to, and never the caller's.
        return self._apply(frame.copy(deep=False))

    def fit_transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``fit`` and ``transform`` on the same frame."""
        return self.fit(frame).transform(frame)

    def _check(self, frame: pd.DataFrame, columns: Sequence[str]) -> None:
        name = type(self).__name__
        if missing := [column for column in columns if column not in frame.columns]:
            raise TransformError(f"{name}: the frame has no column {', '.join(missing)}")
        doubled = set(frame.columns[frame.columns.duplicated()])
        if twice := [column for column in columns if column in doubled]:
            raise TransformError(f"{name}: the frame has several columns {', '.join(twice)}")

    def _learn(self, frame: pd.DataFrame) -> None:  # noqa: B027 - not all learn
        """What ``fit`` keeps; nothing unless a subclass says so."""

    @abstractmethod
    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame transformed; ``frame`` may be written to."""


class Chain(Transform):
    """Transformations one after the other; each is fitted on what the one before makes."""

    def __init__(self, *steps: Transform) -> None:
        self.steps = steps

    def _learn(self, frame: pd.DataFrame) -> None:
        for number, step in enumerate(self.steps, 1):
            step.fit(frame)
            if number < len(self.steps):
                frame = step.transform(frame)

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        for step in self.steps:
            frame = step.transform(frame)
        return frame


def named(columns: str | Sequence[str]) -> tuple[str, ...]:
    """Columns given as one name or several; at least one, none twice."""
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not names or len(set(names)) != len(names):
        raise TransformError("a transformation names its columns, each once")
    return names
