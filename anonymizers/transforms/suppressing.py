"""Suppression: of columns, of rows, of cells, and of values that too few subjects share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from anonymizers.distinct import distinct, spread
from anonymizers.hierarchies import leaf_text
from anonymizers.transforms.base import Transform, TransformError, named

OTHER = "(other)"
"""What rare values become."""

Where = Callable[[pd.DataFrame], "pd.Series[Any]"]


class Suppress(Transform):
    """With ``columns`` the columns go, with ``where`` the rows; with both those cells go null.

    ``where`` answers for each row of a frame whether it is meant; a row it does not know (null)
    is suppressed too.
    """

    def __init__(
        self, columns: str | Sequence[str] | None = None, *, where: Where | None = None
    ) -> None:
        if columns is None and where is None:
            raise TransformError("Suppress: say which columns, or where")
        self.columns = () if columns is None else named(columns)
        self.where = where

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.where is None:
            return frame.drop(columns=list(self.columns))
        answers = self.where(frame)
        if not isinstance(answers, pd.Series) or not answers.index.equals(frame.index):
            raise TransformError("Suppress: where answers with a series that has the frame's index")
        meant = answers.astype("boolean").fillna(value=True).to_numpy(dtype=bool)
        if not self.columns:
            return frame.loc[~meant]
        for column in self.columns:
            frame[column] = frame[column].mask(meant)
        return frame


class SuppressRare(Transform):
    """Values of ``column`` that fewer than ``fewest`` subjects share become ``OTHER``.

    What is rare is learnt by ``fit``: a value it has not met is rare as well. Without
    ``subject`` every row is a subject of its own; rows whose subject is null count for nobody.
    Nulls stay null. The result is text.
    """

    def __init__(self, column: str, fewest: int, *, subject: str | None = None) -> None:
        if fewest < 2:
            raise TransformError("SuppressRare: a value is rare below 2 subjects or more")
        self.column, self.fewest, self.subject = column, fewest, subject
        self.columns = named(column)
        self.learnt_from = () if subject is None else (subject,)
        self._common: frozenset[Any] = frozenset()

    def _learn(self, frame: pd.DataFrame) -> None:
        met = frame[[self.column]]
        if self.subject is not None:
            met = frame[[self.column, self.subject]].dropna().drop_duplicates()
        counts = met[self.column].value_counts()
        self._common = frozenset(counts.index[counts >= self.fewest])

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        places, values = distinct(frame[self.column])
        kept = [leaf_text(value) if value in self._common else OTHER for value in values]
        frame[self.column] = spread(places, kept, frame[self.column], None)
        return frame
