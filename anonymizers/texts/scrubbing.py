"""Free text without identifiers: each one found becomes a placeholder such as ``[email]``.

Patterns come first (``patterns``), with what is known of the row's person (``known_names``); a
name recogniser, where the caller hands one in, reads what is left. Nobody can promise that a
free text names nobody: releases leave free text out, and archives that keep it scrub it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import pandas as pd

from anonymizers.distinct import distinct, spread
from anonymizers.hierarchies import leaf_text
from anonymizers.texts.folding import Folded, fold
from anonymizers.texts.known_names import known_spans, needles
from anonymizers.texts.patterns import KINDS, Span, spans_in
from anonymizers.texts.spans import resolved

UNSETTLED = "[text]"
"""What becomes of a text that still shows identifiers after many passes: it was made to."""

_MOST_PASSES = 12
_PLACEHOLDER = re.compile(rf"\[({'|'.join(KINDS)})\]")
_BLANK = "\x01"


class NameRecogniser(Protocol):
    """A model that finds names of persons: handed in by the caller, never a dependency."""

    def names(self, texts: Sequence[str]) -> Sequence[Sequence[tuple[int, int]]]:
        """For each text the (start, end) of every name in it."""
        ...


def scrub(text: str, known: Iterable[object] = (), kinds: Collection[str] = KINDS) -> str:
    """``text`` with every identifier of ``kinds``, and all that is ``known``, as a placeholder.

    ``known`` are values that identify the text's person. Scrubbing twice changes nothing more:
    a pass may bring an identifier to light that another hid, so passes go on until one finds
    nothing.
    """
    return _scrubbed(text, needles(known), kinds)


class Scrubber:
    """``scrub`` for columns, each distinct text once.

    ``kinds`` limits what is looked for. ``recogniser`` reads the texts after the patterns have
    gone over them; what it finds becomes ``[name]``.
    """

    def __init__(
        self, *, kinds: Collection[str] = KINDS, recogniser: NameRecogniser | None = None
    ) -> None:
        if strange := sorted(set(kinds) - set(KINDS)):
            raise ValueError(f"there is no kind of identifier {', '.join(strange)}")
        self.kinds, self.recogniser = frozenset(kinds), recogniser

    def transform(
        self, values: pd.Series[Any], known: pd.DataFrame | None = None
    ) -> pd.Series[Any]:
        """The texts scrubbed: dtype ``str``, index and name kept, nulls stay null.

        ``known`` holds in the same rows what identifies the row's person; every column of it is
        looked for in the row's text. Raises ``ValueError`` where its index is another.
        """
        places, texts = distinct(values)
        if known is not None:
            if not known.index.equals(values.index):
                raise ValueError("what is known of the rows has another index than their texts")
            rows = list(zip(*(known[column] for column in known.columns), strict=True))
            return self._by_row(values, [None if at < 0 else texts[at] for at in places], rows)
        scrubbed = [_scrubbed(leaf_text(text), (), self.kinds) for text in texts]
        return spread(places, self._recognised(scrubbed), values, None)

    def _by_row(
        self, values: pd.Series[Any], texts: Sequence[Any], rows: Sequence[tuple[Any, ...]]
    ) -> pd.Series[Any]:
        forms = lru_cache(maxsize=65_536)(needles)
        there = [at for at, text in enumerate(texts) if text is not None]
        scrubbed = [_scrubbed(leaf_text(texts[at]), forms(rows[at]), self.kinds) for at in there]
        results: list[str | None] = [None] * len(texts)
        for at, text in zip(there, self._recognised(scrubbed), strict=True):
            results[at] = text
        return pd.Series(results, index=values.index, name=values.name, dtype="str")

    def _recognised(self, texts: Sequence[str]) -> Sequence[str]:
        if self.recogniser is None or not texts:
            return texts
        found = self.recogniser.names(texts)
        if len(found) != len(texts):
            raise ValueError(f"the recogniser answered for {len(found)} of {len(texts)} texts")
        pairs = zip(texts, found, strict=True)
        return [_scrubbed(_without_names(text, names), (), self.kinds) for text, names in pairs]


def _scrubbed(text: str, known: Sequence[str], kinds: Collection[str]) -> str:
    whole = fold(text)
    left = whole
    if "[" in text:
        left = _blanked(left, [match.span() for match in _PLACEHOLDER.finditer(whole.lower)])
    found: list[Span] = []
    for _ in range(_MOST_PASSES):
        spans = spans_in(left, kinds)
        if known and (named := list(known_spans(left, known))):
            spans = resolved([*spans, *named])
        if not spans:
            return _replaced(text, whole, found) if found else text
        found += spans
        left = _blanked(left, [(span.start, span.end) for span in spans])
    return UNSETTLED


def _blanked(folded: Folded, places: Iterable[tuple[int, int]]) -> Folded:
    """``folded`` with characters at ``places`` that belong to no pattern.

    What is blank is nobody's, and no sign of anything beside it; no pattern reaches over it, so
    that it does not matter how long it is: a placeholder is shorter than what it stands for.
    """
    cased, lower, at = "", "", 0
    for start, end in places:
        blank = _BLANK * (end - start)
        cased += folded.cased[at:start] + blank
        lower += folded.lower[at:start] + blank
        at = end
    cased, lower = cased + folded.cased[at:], lower + folded.lower[at:]
    return Folded(cased, lower, folded.size, folded.positions)


def _without_names(text: str, names: Sequence[tuple[int, int]]) -> str:
    if any(not 0 <= start < end <= len(text) for start, end in names):
        raise ValueError("the recogniser found a name outside its text")
    # A placeholder stays what it is, unless a name reaches over its end.
    spans = [Span(match[1], *match.span()) for match in _PLACEHOLDER.finditer(text)]
    spans = resolved([*spans, *(Span("name", *name) for name in names)])
    return _replaced(text, Folded(text, text, len(text)), spans)


def _replaced(text: str, folded: Folded, spans: list[Span]) -> str:
    if len(spans) > 1:
        spans.sort(key=lambda span: span.start)
    parts: list[str] = []
    at = 0
    for span in spans:
        start, end = folded.original(span.start, span.end)
        parts += (text[at:start], "[", span.kind, "]")
        at = end
    parts.append(text[at:])
    return "".join(parts)
