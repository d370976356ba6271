"""Finding what a person is recognised by in any text: the pure part of the re-scan.

Any number of persons are looked for at once. What a row costs depends on its length, not on
how many they are: e-mails, phone numbers and bank accounts are taken out of the text and
looked up; names and addresses are looked up by one of their words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from retention.requests.proving.names import is_name, name_words, of_a_street, side_by_side
from retention.requests.proving.texts import (
    BETWEEN,
    email_spellings,
    emails,
    folded,
    numbers,
    objects,
    phone_spellings,
    plain,
    readings,
)

STRONG = frozenset({"email", "phone", "iban", "identifier", "key"})
"""What names one person by itself; a name, an address or a user name does not."""

_IBAN = re.compile(r"(?<![a-z0-9])[a-z]{2}\d{2}")
_BLANKS = re.compile(r"[\s.\-]+")
_POSTCODE = re.compile(r"\d{5}")
_WHOLE_WORDS = 8
"""A cell of more words is not a name."""
_LONG = 9
"""A number of fewer digits stands in many texts by chance, where its groups are put together."""
_DIGITS = re.compile(r"\d{9,}")
_DECIMALS = re.compile(r"(?<=\d)\.0+\Z")


@dataclass(frozen=True)
class Wanted:
    """One value of one case; ``number`` tells the values of a case apart."""

    case: int
    what: str
    number: int


@dataclass(frozen=True)
class Hit:
    """A value that was found. ``at`` is the place of the cell; ``None``: it spans several."""

    wanted: Wanted
    at: int | None


@dataclass(frozen=True)
class _Phrase:
    words: tuple[str, ...]
    anchor: int
    wanted: Wanted
    beside: tuple[frozenset[str], ...] = ()
    """It counts only where all words of one of these are in the same row."""


@dataclass(frozen=True)
class _Pair:
    first: tuple[str, ...]
    second: tuple[str, ...]
    wanted: Wanted


class Matcher:
    """What is looked for, of any number of cases.

    Args:
        cases: For each its values, as ``(field, value)``, and its ``(family, first)`` names.
        region: The country of phone numbers that are written without one.
    """

    def __init__(
        self,
        cases: Iterable[tuple[Iterable[tuple[str, str]], Iterable[tuple[str, str]]]],
        region: str,
    ) -> None:
        self._region = region
        self._numbers: dict[tuple[int, str, str], Wanted] = {}
        self._looked_up: dict[str, dict[str, set[Wanted]]] = defaultdict(lambda: defaultdict(set))
        self._iban_lengths: set[int] = set()
        self._number_lengths: set[int] = set()
        self._phrases: dict[str, set[_Phrase]] = defaultdict(set)
        self._pairs: dict[str, set[_Pair]] = defaultdict(set)
        for case, (values, names) in enumerate(cases):
            self._add(case, list(values), list(names))
        self._anchors = frozenset(self._phrases) | frozenset(self._pairs)

    # --- what is looked for ------------------------------------------------------------

    def _add(
        self, case: int, values: Sequence[tuple[str, str]], names: Sequence[tuple[str, str]]
    ) -> None:
        beside: set[frozenset[str]] = set()
        for family, first in names:
            beside |= self._add_name(case, name_words(family), name_words(first))
        for value in (value for field, value in values if field == "full_name"):
            beside |= self._add_full_name(case, name_words(value))
        for field, value in values:
            if field == "address":
                self._add_address(case, value, beside)
            elif field != "full_name":
                self._add_value(case, field, value)

    def _wanted(self, case: int, what: str, form: str) -> Wanted:
        place = (case, what, form)
        return self._numbers.setdefault(place, Wanted(case, what, len(self._numbers)))

    def _add_value(self, case: int, field: str, value: str) -> None:
        if field == "email":
            form = plain(value).strip()
            if "@" in form:
                for spelling in email_spellings(form):
                    self._looked_up["email"][spelling].add(self._wanted(case, field, form))
        elif field == "phone":
            form, spellings, bare = phone_spellings(value, self._region)
            for spelling in spellings:
                self._number_lengths.add(len(spelling))
                self._looked_up["number"][spelling].add(self._wanted(case, field, form))
            for spelling in bare:
                self._looked_up["bare phone"][spelling].add(self._wanted(case, field, form))
        elif field == "iban":
            form = _BLANKS.sub("", plain(value))
            self._iban_lengths.add(len(form))
            self._looked_up["iban"][form].add(self._wanted(case, field, form))
            self._add_digits(form[4:], self._wanted(case, field, form))  # as its own bank writes it
        else:
            words = tuple(folded(value))
            joined = "".join(words)
            if len(joined) >= 5:
                wanted = self._wanted(case, field, " ".join(words))
                self._add_phrase(words, wanted)
                self._add_digits(joined, wanted)
                if field == "identifier" and len(words) > 1 and len(joined) >= _LONG:
                    self._add_phrase((joined,), wanted)

    def _add_digits(self, digits: str, wanted: Wanted) -> None:
        """A long number is found in whatever groups it is written."""
        if len(digits) >= _LONG and digits.isascii() and digits.isdigit():
            self._number_lengths.add(len(digits))
            self._looked_up["number"][digits].add(wanted)

    def _add_phrase(
        self, words: tuple[str, ...], wanted: Wanted, beside: Iterable[frozenset[str]] = ()
    ) -> None:
        anchor = max(range(len(words)), key=lambda place: len(words[place]))
        phrase = _Phrase(words, anchor, wanted, tuple(sorted(beside, key=sorted)))
        self._phrases[words[anchor]].add(phrase)

    def _add_name(
        self, case: int, family: tuple[str, ...], first: tuple[str, ...]
    ) -> set[frozenset[str]]:
        if not (is_name(family) and is_name(first)):
            return set()
        wanted = self._wanted(case, "name", " ".join(sorted((*family, *first))))
        anchor = max(family, key=len)
        self._pairs[anchor].add(_Pair(family, first, wanted))
        return {frozenset(family), frozenset(first)}

    def _add_full_name(self, case: int, words: tuple[str, ...]) -> set[frozenset[str]]:
        """Which words are the family name is not known: every way is tried."""
        if len(words) < 2 or len("".join(words)) < 5:
            return set()
        self._add_phrase(words, self._wanted(case, "name", " ".join(sorted(words))))
        found: set[frozenset[str]] = set()
        for cut in range(1, len(words)):
            found |= self._add_name(case, words[:cut], words[cut:])
        return found

    def _add_address(self, case: int, value: str, beside: set[frozenset[str]]) -> None:
        words = folded(value)
        ends = [place for place, word in enumerate(words) if _POSTCODE.fullmatch(word)]
        street = tuple(words[: ends[-1]] if ends and ends[-1] >= 2 else words)
        if len(street) >= 3 and beside:
            self._add_phrase(street, self._wanted(case, "address", " ".join(street)), beside)

    # --- looking -----------------------------------------------------------------------

    def find(self, cells: Sequence[str]) -> list[Hit]:
        """Every value that is in the cells of a row, each place once."""
        if not any(self._may_hold(text) for text in readings(BETWEEN.join(cells))):
            return []
        row = frozenset(word for cell in cells for text in readings(cell) for word in folded(text))
        hits = {
            Hit(wanted, at): None
            for at, cell in enumerate(cells)
            for text in readings(cell)
            for wanted in self._in_text(text, row)
        }
        hits |= {
            Hit(hit.wanted, at): None
            for at, cell in enumerate(cells)
            for leaves in objects(cell)
            for hit in self.find(leaves)
        }
        hits |= {Hit(wanted, None): None for wanted in self._across(cells, row)}
        placed = {hit.wanted for hit in hits if hit.at is not None}
        return [hit for hit in hits if hit.at is not None or hit.wanted not in placed]

    def _may_hold(self, text: str) -> bool:
        """Quick, and never wrong when it says no."""
        if not self._anchors.isdisjoint(folded(text)):
            return True
        return any(True for _ in self._in_plain(plain(text))) or self._is_bare_phone(text)

    def _is_bare_phone(self, text: str) -> bool:
        bare = self._looked_up["bare phone"]
        return bool(bare) and any(digits in bare for digits in _DIGITS.findall(text))

    def _in_text(self, text: str, row: frozenset[str]) -> Iterator[Wanted]:
        yield from self._in_plain(plain(text))
        whole = _DECIMALS.sub("", text.strip())  # a column of floating numbers adds decimals
        yield from self._looked_up["bare phone"].get(whole, ())
        words = folded(text)
        for place, word in enumerate(words):
            for phrase in self._phrases.get(word, ()):
                start = place - phrase.anchor
                if start < 0 or tuple(words[start : start + len(phrase.words)]) != phrase.words:
                    continue
                if phrase.wanted.what == "name" and of_a_street(words, start):
                    continue
                outside = row.difference(phrase.words) if phrase.beside else row
                if not phrase.beside or any(names <= outside for names in phrase.beside):
                    yield phrase.wanted
            for pair in self._pairs.get(word, ()):
                if side_by_side(words, place, pair.first, pair.second):
                    yield pair.wanted

    def _in_plain(self, text: str) -> Iterator[Wanted]:
        if self._looked_up["email"] and "@" in text:
            for found in emails(text):
                yield from self._looked_up["email"].get(found, ())
        if self._number_lengths:
            for found in numbers(text, self._number_lengths):
                yield from self._looked_up["number"].get(found, ())
        if self._iban_lengths:
            for match in _IBAN.finditer(text):
                compact = _BLANKS.sub("", text[match.start() : match.start() + 80])
                for length in self._iban_lengths:
                    yield from self._looked_up["iban"].get(compact[:length], ())

    def _across(self, cells: Sequence[str], row: frozenset[str]) -> Iterator[Wanted]:
        """Family name and first name, each alone in a cell of its own."""
        if self._anchors.isdisjoint(row):
            return
        whole = {
            words
            for cell in cells
            if len(cell) < 200 and 0 < len(words := name_words(cell)) <= _WHOLE_WORDS
        }
        for words in whole:
            for word in words:
                for pair in self._pairs.get(word, ()):
                    if pair.first == words and pair.second in whole:
                        yield pair.wanted
