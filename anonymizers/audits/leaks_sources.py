"""Values of the sources anywhere in a release: identifiers stream past what the release holds.

The release is small and is made into sets; the identifiers may be ten million, and each is
looked at once: on one core some 1.5 million texts a second (0.8 million with accents), 20 million
whole numbers, 10 million of anything where the release has declared labels only, and 0.1 million
where it holds something like a digest. Nothing of them is kept but counts.

Two texts are the same where they are so without case, accents and odd spaces, or without any
punctuation if they hold a digit. Identifiers of five characters and more are also looked for
inside texts; those of letters alone as words, so that "Marin" is not in "marine".
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.audits.findings import Figure, Finding
from anonymizers.audits.leaks_numbers import Evidence, Probes, channels
from anonymizers.audits.leaks_shape import open_texts, whole_number
from anonymizers.audits.leaks_texts import disguises
from anonymizers.texts.folding import fold

_CHECK = "leaks.source_identifiers"

_SHORTEST = 2
"""Characters of a text that is compared as a whole: initials are no identifiers."""
_SHORTEST_INSIDE = 5
_LONG_NUMBER = 9
"""Digits from which on a number is no postcode, month or day."""
_WORD = re.compile(r"[^\W\d_]{3}")
_PUNCTUATION = re.compile(r"[\W_]+")
_DIGIT = re.compile("[0-9]")
_DIGITS = re.compile("[0-9]+")
_NOWHERE: set[tuple[str, str]] = set()
_HEX_RUN = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{12,128}")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]{22,86}")
_DIGESTS: tuple[Callable[..., Any], ...] = (
    hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512,
)  # fmt: skip
_DIGEST_LENGTHS = frozenset((16, 20, 32, 64))
_MANY_LENGTHS = 12

_LONGEST_NUMBER = 18
_SEPARATOR = "\0"
_ODD_SPACES = re.compile(r"[\t-\r\x1c-\x1f]| [ \0]|\0 ")
_ASCII_PUNCTUATION = bytes(code for code in range(1, 128) if not chr(code).isalnum())

Ints = npt.NDArray[np.int64]
Batch = list[Any] | Ints
Place = tuple[str, str]
"""A column of the release, and how a value stands there."""


def source_identifiers(
    frame: pd.DataFrame,
    identifiers: Iterable[tuple[str, Iterable[Any]]],
    closed: Mapping[str, Collection[str]],
) -> list[Finding]:
    """Identifiers of the sources in the release: as text, inside text, encoded, hashed, as numbers.

    ``identifiers``: batches of (name of the source column, its values), streamed; a column may
    come in many batches. Texts, whole numbers, bytes, dates and UUIDs; nulls are none. A number
    is found where more numbers are identifiers than by chance (``leaks_numbers``): also behind
    the point of another, or in its digits.
    """
    texts = list(open_texts(frame, closed))
    release = _Texts(texts)
    probes = [Probes(channel) for channel in channels(frame, texts)]
    evidence: dict[str, list[Evidence]] = {}
    hits: Counter[tuple[str, str, str]] = Counter()
    for source, values in identifiers:
        batch = _as_batch(values)
        if probes and len(numbers := _numbers(batch)):
            if source not in evidence:
                evidence[source] = [Evidence(probe) for probe in probes]
            for one in evidence[source]:
                one.note(numbers)
        if texts:
            for column, how in release.met(batch):
                hits[source, column, how] += 1
    for source, judged in evidence.items():
        for one in judged:
            if count := one.isolated():
                hits[source, one.probes.channel.column, one.probes.channel.how] = count
    return [_finding(*where, count) for where, count in sorted(hits.items())]


def _finding(source: str, column: str, how: str, count: int) -> Finding:
    figures: dict[str, Figure] = {
        "column": column, "source column": source, "found as": how, "values": count,
    }  # fmt: skip
    return Finding(_CHECK, "values of an identifying source column", figures)


def _numbers(batch: Batch) -> Ints:
    """The identifiers of a batch that are whole numbers, also those written as text."""
    if isinstance(batch, np.ndarray):
        return batch
    numbers = []
    for value in batch:
        if value.__class__ is str:
            if value.isdigit() and len(value) < _LONGEST_NUMBER and value.isascii():
                numbers.append(int(value))
        elif (whole := whole_number(value)) is not None and abs(whole) < 10**_LONGEST_NUMBER:
            numbers.append(whole)
    return np.array(numbers, dtype=np.int64)


def _as_batch(values: Iterable[Any]) -> Batch:
    """Whole numbers as an array, anything else as a list."""
    if isinstance(values, np.ndarray | pd.Series) and values.dtype.kind in "iu":
        found = np.asarray(values)
        return found[found < 2**62].astype(np.int64)
    listed = values if isinstance(values, list) else list(values)
    if set(map(type, listed)) == {int} and max(map(abs, listed)) < 2**62:
        return np.array(listed, dtype=np.int64)
    return listed


def identifier_text(value: Any) -> str | None:
    """An identifier as folded text; ``None`` for nothing and for what is too short."""
    if value.__class__ is not str:
        if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124 - NaN
            return None
        if isinstance(value, bytes | bytearray | memoryview):
            value = bytes(value).decode("utf-8", "replace")
        elif isinstance(value, float | Decimal | np.floating) and value == int(value):
            value = str(int(value))
        else:
            value = str(value)
    text: str = _folded(value)
    return text if len(text) >= _SHORTEST else None


def folded(batch: list[Any]) -> list[str]:
    """``identifier_text`` of a batch, what it leaves out left out: at once where that is possible."""
    try:
        joined = _SEPARATOR.join(batch)
    except TypeError:  # not texts alone
        joined = ""
    lower = joined.lower() if joined.isascii() else fold(joined).lower
    texts = lower.split(_SEPARATOR)
    if lower and len(texts) == len(batch) and not _ODD_SPACES.search(f"\0{lower}\0"):
        return texts
    return [text for value in batch if (text := identifier_text(value)) is not None]


def compacted(texts: list[str]) -> list[str]:
    """Texts without their punctuation."""
    joined = _SEPARATOR.join(texts)
    if joined.isascii():
        bare = joined.encode().translate(None, _ASCII_PUNCTUATION).decode()
        if len(found := bare.split(_SEPARATOR)) == len(texts):
            return found
    return [_PUNCTUATION.sub("", text) for text in texts]


def _folded(text: str) -> str:
    lower = text.lower() if text.isascii() else fold(text).lower
    if "  " in lower or "\t" in lower or "\n" in lower:
        return " ".join(lower.split())
    return lower.strip()


class _Texts:
    """The open texts of a release, as sets to look identifiers up in."""

    def __init__(self, texts: Iterable[tuple[str, list[str]]]) -> None:
        self._whole: dict[str, set[Place]] = defaultdict(set)
        self._compact: dict[str, set[Place]] = defaultdict(set)
        self._long: list[tuple[str, Place]] = []
        self._digests: dict[bytes, set[Place]] = defaultdict(set)
        for column, values in texts:
            for value in values:
                self._add(value, (column, "text"))
                for how, said in disguises(value):
                    self._add(said, (column, how))
                self._add_digests(value, column)
        self._heads: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, (text, _) in enumerate(self._long):
            for at in range(len(text) - _SHORTEST_INSIDE + 1):
                self._heads[text[at : at + _SHORTEST_INSIDE]].append((number, at))
        runs = {
            int(run)
            for text in [*self._whole, *self._compact, *(text for text, _ in self._long)]
            for run in _DIGITS.findall(text)
            if len(run) <= _LONGEST_NUMBER
        }
        self._runs = np.array(sorted(runs), dtype=np.int64)
        self._lengths = sorted({len(start) for start in self._digests})

    def _add(self, value: str, place: Place) -> None:
        text = _folded(value)
        if len(text) >= (_LONG_NUMBER if text.isdigit() else _SHORTEST):
            # A shorter number is judged as a number: "75011" may be a label that is open.
            self._whole[text].add(place)
        if len(text) > _SHORTEST_INSIDE:
            self._long.append((text, place))
        compact = _PUNCTUATION.sub("", text)
        least = _LONG_NUMBER if compact.isdigit() else _SHORTEST_INSIDE
        if len(compact) >= least and _DIGIT.search(compact):
            self._compact[compact].add(place)

    def _add_digests(self, value: str, column: str) -> None:
        for run in _HEX_RUN.findall(value.lower()):
            self._digests[bytes.fromhex(run[: len(run) // 2 * 2])].add((column, "hash"))
        for run in _BASE64_RUN.findall(value):
            bare = run.replace("-", "+").replace("_", "/")
            try:
                data = base64.b64decode(bare + "=" * (-len(bare) % 4))
            except ValueError:
                continue
            if len(data) in _DIGEST_LENGTHS:
                self._digests[data].add((column, "hash"))

    def met(self, batch: Batch) -> Iterator[Place]:
        """Where identifiers of a batch stand, once for each."""
        if self._digests:
            yield from self._met_digests(batch)
        # A number in a text is one of its runs of digits.
        left = (
            batch[np.isin(batch, self._runs)].tolist() if isinstance(batch, np.ndarray) else batch
        )
        texts = folded(left) if self._whole or self._compact or self._long else []
        whole, heads = self._whole, self._heads
        for text in texts:
            if text in whole:
                yield from whole[text]
        if self._compact:
            yield from self._met_compact(texts)
        for text in texts if heads else ():
            if text[:_SHORTEST_INSIDE] in heads and len(text) >= _SHORTEST_INSIDE:
                yield from self._inside(text)

    def _met_compact(self, texts: list[str]) -> Iterator[Place]:
        for text, bare in zip(texts, compacted(texts), strict=True):
            if bare in self._compact:
                for column, how in self._compact[bare] - self._whole.get(text, _NOWHERE):
                    yield column, f"{how}, punctuated otherwise"

    def _inside(self, text: str) -> Iterator[Place]:
        places = set()
        for number, at in self._heads[text[:_SHORTEST_INSIDE]]:
            long, place = self._long[number]
            if (
                len(long) > len(text)
                and long.startswith(text, at)
                and _stands_alone(long, at, text)
            ):
                places.add(place)
        for column, how in sorted(places):
            yield column, f"inside {how}"

    def _met_digests(self, batch: Batch) -> Iterator[Place]:
        lengths = self._lengths[:_MANY_LENGTHS]
        for value in batch:
            for written in _spellings(value):
                for digest in _DIGESTS:
                    whole = digest(written, usedforsecurity=False).digest()
                    for length in lengths:
                        if whole[:length] in self._digests and length <= len(whole):
                            yield from self._digests[whole[:length]]


def _spellings(value: Any) -> set[bytes]:
    """How a value may have been written before it was hashed."""
    text = value if isinstance(value, str) else None if value is None else str(value)
    if not text:
        return set()
    folded = identifier_text(value) or text
    return {
        spelling.encode("utf-8", "surrogatepass")
        for spelling in (text, text.strip(), text.lower(), text.upper(), folded)
    }


def _stands_alone(long: str, at: int, text: str) -> bool:
    """Whether ``text`` in ``long`` is a word; what holds more than letters need not be one."""
    if not text.replace(" ", "").replace("-", "").isalpha():
        if not text.isdigit():
            return True
        # A number within a longer number is another number, and one in "[10000, 20000)" an edge.
        spoken = len(text) >= _LONG_NUMBER or _WORD.search(long) is not None
        return spoken and not _touches(long, at, text, str.isdigit)
    return not _touches(long, at, text, str.isalpha)


def _touches(long: str, at: int, text: str, kind: Callable[[str], bool]) -> bool:
    before, after = long[at - 1 : at] if at else "", long[at + len(text) : at + len(text) + 1]
    return (bool(before) and kind(before)) or (bool(after) and kind(after))
