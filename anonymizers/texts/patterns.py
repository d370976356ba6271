"""Where identifiers stand in a text: patterns with checksums, French first.

``find`` says where, ``count_hits`` says in how many rows of a column. Both read texts in folded
form (``folding``), so that full-width digits, no-break spaces and invisible characters hide
nothing. Time is in proportion to the length of a text, whatever it holds.

What the kinds are: "email" (also "name (at) host (dot) fr"), "phone" (French ones by shape,
others as ``phonenumbers`` knows them), "iban" (and RIB), "nir" (social security), "siret",
"siren" (and French VAT numbers), "card", "date" (with a day), "postcode" (with its town),
"street", "ip", "url" (that names a user or carries a secret), "name" (after a civility).
What has no mark of its own (a name alone, a town alone) patterns cannot find: hand the known
values or a name recogniser to ``scrubbing``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from anonymizers.distinct import distinct
from anonymizers.hierarchies import leaf_text
from anonymizers.texts.contact_patterns import (
    AT_WORDS,
    email_spans,
    ip_spans,
    phone_spans,
    url_spans,
)
from anonymizers.texts.folding import Folded, fold, spaced
from anonymizers.texts.french_words import CIVILITY_WORDS, WAY_WORDS
from anonymizers.texts.number_patterns import account_spans, company_spans, date_spans, number_spans
from anonymizers.texts.postal_patterns import name_spans, postcode_spans, street_spans
from anonymizers.texts.spans import KINDS, Span, resolved

__all__ = ["KINDS", "Span", "count_hits", "find", "spans_in"]

_FIVE_DIGITS = re.compile("[0-9]{2} ?[0-9]{3}")
_THREE_DIGITS = re.compile("[0-9]{3}")
# With what may stand between the digits of one number: below nine none names anybody.
_NINE_DIGITS = re.compile(r"[0-9](?:[^0-9\x01]{0,6}[0-9]){8}")
_WANTED = AT_WORDS | WAY_WORDS | CIVILITY_WORDS


def find(text: str, kinds: Collection[str] = KINDS) -> list[Span]:
    """The identifiers in ``text``, in order, none overlapping another.

    Where several meet they are one, which covers all of them (``spans.resolved``).
    """
    folded = fold(text)
    spans = spans_in(folded, kinds)
    if folded.positions is None:
        return spans
    return [Span(span.kind, *folded.original(span.start, span.end)) for span in spans]


def spans_in(folded: Folded, kinds: Collection[str] = KINDS) -> list[Span]:
    """The identifiers in a folded text, by their places in it."""
    lower = folded.lower
    # Which patterns can match at all, asked as cheaply as it can be: most texts hold little.
    words = _WANTED.intersection(spaced(lower).split())
    spans: list[Span] = []
    if "@" in lower or "%40" in lower or "(a)" in lower or "[a]" in lower or words & AT_WORDS:
        spans += email_spans(lower)
    if words:
        if words & WAY_WORDS:
            spans += street_spans(folded)
        if words & CIVILITY_WORDS:
            spans += name_spans(folded)
    if ":" in lower:
        spans += ip_spans(lower)
        if "://" in lower:
            spans += url_spans(lower)
    if digits := sum(map(lower.count, "0123456789")):
        spans += _digit_spans(folded, digits)
    if not spans or kinds is KINDS:
        return resolved(spans)
    return resolved([span for span in spans if span.kind in kinds])


def _digit_spans(folded: Folded, digits: int) -> Iterator[Span]:
    lower = folded.lower
    yield from date_spans(lower)
    if ":" not in lower:
        yield from ip_spans(lower)
    if digits >= 5 and _FIVE_DIGITS.search(lower):
        yield from postcode_spans(folded)
    if digits < 9 or not _NINE_DIGITS.search(lower):
        return
    yield from phone_spans(lower)
    # Telephone numbers are written in pairs; no group of any other number is so short.
    if not _THREE_DIGITS.search(lower):
        return
    yield from company_spans(lower)
    if digits >= 12:
        yield from account_spans(lower)
        yield from number_spans(lower)


def count_hits(values: pd.Series[Any], kinds: Collection[str] = KINDS) -> dict[str, int]:
    """How many rows hold an identifier of which kind; kinds without a hit are absent.

    Numbers are read as their digits, anything else as its text; each distinct value once.
    """
    places, uniques = distinct(values)
    rows = np.bincount(places[places >= 0], minlength=len(uniques))
    hits: Counter[str] = Counter()
    for value, count in zip(uniques, rows.tolist(), strict=True):
        for kind in {span.kind for span in find(leaf_text(value), kinds)}:
            hits[kind] += count
    return {kind: hits[kind] for kind in KINDS if hits[kind]}
