"""Spans of text that hold an identifier, and what happens where two of them meet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

KINDS = (
    "iban", "nir", "siret", "card", "url", "email", "phone", "siren", "ip", "date", "street",
    "postcode", "name",
)  # fmt: skip
"""The kinds of identifiers, the most specific first."""

_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


class Span(NamedTuple):
    """An identifier of ``kind`` at ``text[start:end]``."""

    kind: str
    start: int
    end: int


def resolved(spans: Iterable[Span]) -> list[Span]:
    """``spans`` in order, those that overlap made one.

    It has the kind of the longest of them (of the most specific, where they are as long) and
    covers them all: no remainder of the one that lost is left to be read.
    """
    spans = list(spans)
    if len(spans) < 2:
        return spans
    found: list[Span] = []
    best = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end, _RANK[span.kind])):
        if not found or span.start >= found[-1].end:
            found.append(span)
            best = span.end - span.start
            continue
        last, size = found[-1], span.end - span.start
        wins = (size, -_RANK[span.kind]) > (best, -_RANK[last.kind])
        found[-1] = Span(span.kind if wins else last.kind, last.start, max(last.end, span.end))
        best = max(best, size)
    return found


def matches(
    pattern: re.Pattern[str], text: str, accepts: Callable[[re.Match[str]], bool]
) -> Iterator[re.Match[str]]:
    """The matches that are accepted; after one that is not, the next may begin inside it.

    Patterns are bounded in length, so that this takes time in proportion to the text.
    """
    at = 0
    while match := pattern.search(text, at):
        if accepts(match):
            yield match
            at = match.end()
        else:
            at = match.start() + 1
