"""Transformations that replace the values of columns one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anonymizers.distinct import distinct, spread
from anonymizers.frame_pseudonyms import FrameKey, pseudonymise
from anonymizers.hierarchies import leaf_text
from anonymizers.rules.labelling import Rule
from anonymizers.texts.scrubbing import Scrubber
from anonymizers.transforms.base import Transform, TransformError, named


class Pseudonymise(Transform):
    """The values of ``columns`` become ``frame_pseudonyms`` under ``key``; nulls stay null.

    Columns given together share ``domain``: equal values in them get equal pseudonyms. What is
    not meant to be joined gets a domain of its own.
    """

    def __init__(self, columns: str | Sequence[str], key: FrameKey, domain: str) -> None:
        self.columns, self.key, self.domain = named(columns), key, domain
        key.for_domain(domain)

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        for column in self.columns:
            frame[column] = pseudonymise(frame[column], self.key, self.domain)
        return frame


class Generalise(Transform):
    """The values of ``column`` become their labels on a level of ``rule``."""

    def __init__(self, column: str, rule: Rule, level: int | str) -> None:
        self.columns, self.rule, self.level = named(column), rule, level
        # A level that is not there is found out here, not in the night.
        rule.closed_vocabulary(level)

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        (column,) = self.columns
        frame[column] = self.rule.label(frame[column], self.level)
        return frame


class Mask(Transform):
    """All characters but the first and the last few become ``sign``; nulls stay null.

    A mask is ``width`` signs long whatever it hides, so that no length is told; ``width=None``
    keeps the length. A value so short that masking would show half of it or more is hidden
    whole. With ``email=True`` the part after the last "@" stays, and what is before it is masked.
    """

    def __init__(
        self,
        columns: str | Sequence[str],
        *,
        first: int = 0,
        last: int = 0,
        sign: str = "*",
        width: int | None = 6,
        email: bool = False,
    ) -> None:
        self.columns = named(columns)
        if first < 0 or last < 0 or len(sign) != 1 or (width is not None and width < 1):
            raise TransformError("a mask shows 0 or more characters and has a width of 1 or more")
        self.first, self.last, self.sign, self.width, self.email = first, last, sign, width, email

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        for column in self.columns:
            places, values = distinct(frame[column])
            masked = [self._masked(leaf_text(value)) for value in values]
            frame[column] = spread(places, masked, frame[column], None)
        return frame

    def _masked(self, text: str) -> str:
        if self.email and "@" in text:
            name, _, host = text.rpartition("@")
            return f"{self._hidden(name)}@{host}"
        return self._hidden(text)

    def _hidden(self, text: str) -> str:
        shown = self.first + self.last
        if 2 * shown >= len(text):
            return self.sign * (self.width or len(text))
        hidden = self.sign * (self.width or len(text) - shown)
        return text[: self.first] + hidden + text[len(text) - self.last :]


class ScrubText(Transform):
    """Identifiers in the texts of ``column`` become placeholders, as ``scrubbing`` finds them.

    ``known`` names columns of the same frame that identify the row's person (names, addresses):
    wherever their values stand in the row's text, they go too, in any letter case and with or
    without accents.
    """

    def __init__(
        self, column: str, *, known: Sequence[str] = (), scrubber: Scrubber | None = None
    ) -> None:
        self.column, self.known = column, tuple(known)
        self.columns = named((column, *known))
        self.scrubber = scrubber or Scrubber()

    def _apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        known = frame[list(self.known)] if self.known else None
        frame[self.column] = self.scrubber.transform(frame[self.column], known)
        return frame
