"""Numbers that are identifiers: more of them than chance puts there.

A count of 40 is no leak because somebody's number is 40. So a number says something only where
identifiers are rare around it: of its 16 neighbours (one apart, or as far as it is
round: 1200 has 1100 and 1300) at most 4 are identifiers. Of those matches there must be more
than chance explains, which is the share of matches among other numbers as large and as round.
Numbers that are numbers of rows show in another way: they are all different, without gaps.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.audits.findings import Figure, Finding
from anonymizers.audits.leaks_shape import open_numbers, open_texts, whole_number
from anonymizers.cubes.cells import ROWS

Ints = npt.NDArray[np.int64]

_SMALLEST, _LARGEST = 100, 2**55
"""Two digits say nothing: ages, days, small counts."""
_NEIGHBOURS = np.array([step for step in range(-8, 9) if step], dtype=np.int64)
_CROWDED = 4
_PROBES, _FEWEST_PROBES, _MOST_PROBES = 200_000, 16, 1_000
"""Other numbers tried, in all and for each number: enough to tell a chance of one in a thousand."""
_SIGNIFICANT = 1e-3
_FEWEST_DIGITS = 4
"""Of what is read out of the digits of another number."""
_SERIAL_ROWS = 20
_DIGITS = re.compile(r"[0-9]{1,18}")
_HEX_NUMBER = re.compile(r"(?:0x)?([0-9a-f]{4,15})")


@dataclass(frozen=True, eq=False)
class Channel:
    """Numbers read in one way out of one column."""

    column: str
    how: str
    numbers: Ints


def channels(frame: pd.DataFrame, texts: Iterable[tuple[str, list[str]]]) -> Iterator[Channel]:
    """Every way of reading numbers out of a frame that has any; ``texts`` are its open texts."""
    for name, values in open_numbers(frame):
        read: dict[str, set[int]] = {"a number": set(), "digits behind the point": set()}
        read["digits of a number"] = set()
        for value in values:
            whole, fraction = _parts(value)
            if whole is not None and not fraction:
                read["a number"].add(whole)
                read["digits of a number"].update(_inside(str(abs(whole)), first=1))
            elif fraction:
                read["digits behind the point"].update(_inside(fraction, first=0))
                if whole is not None and abs(whole) >= 10**_FEWEST_DIGITS:
                    read["digits of a number"].add(abs(whole))
        yield from _made(name, read)
    for name, labels in texts:
        read = {"a number as text": set(), "a hexadecimal number": set()}
        for label in labels:
            bare = label.strip().lower()
            if _DIGITS.fullmatch(bare):
                read["a number as text"].add(int(bare))
            if digits := _HEX_NUMBER.fullmatch(bare):
                read["a hexadecimal number"].add(int(digits[1], 16))
        yield from _made(name, read)


def _made(name: str, read: dict[str, set[int]]) -> Iterator[Channel]:
    for how, numbers in read.items():
        kept = sorted(number for number in numbers if _SMALLEST <= abs(number) < _LARGEST)
        if kept:
            yield Channel(name, how, np.array(kept, dtype=np.int64))


def _parts(value: Any) -> tuple[int | None, str]:
    """The whole part of a number, and its digits behind the point as a reader sees them."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        return None, ""
    if number.adjusted() > 30 or number.adjusted() < -30:
        return None, ""
    _, _, fraction = f"{number:f}".partition(".")
    return int(number), fraction.rstrip("0")


def _inside(digits: str, *, first: int) -> Iterator[int]:
    """The numbers of four digits and more at the end of ``digits``, from the place ``first`` on.

    With the zeros at the end and without: an identifier times a thousand is one.
    """
    bare = digits.rstrip("0")
    for end, start in ((digits, first), (bare, first if bare == digits else 0)):
        for at in range(start, len(end) - _FEWEST_DIGITS + 1):
            if end[at] != "0":
                yield int(end[at : at + 18])


class Probes:
    """The numbers of a channel, and others to compare them with: looked up in one table."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        numbers = channel.numbers
        units = _units(numbers)
        near = [numbers[:, None] + _NEIGHBOURS * unit for unit in (1, units[:, None])]
        far = _far(channel, units)
        every = [numbers, *(some.ravel() for some in near), far.ravel()]
        self._table = pd.Index(np.unique(np.concatenate(every)))
        self.own = self.places(numbers)
        self.near = [self.places(some.ravel()).reshape(some.shape) for some in near]
        self.far = self.places(far.ravel()).reshape(far.shape)
        # What is in the column itself, or no number that an identifier could be, says nothing.
        self.others = ~np.isin(far, numbers) & ((far > 0) | (numbers[0] < 0))
        size = np.floor(np.log10(np.maximum(np.abs(numbers), 1)))
        self.sizes = [np.flatnonzero(size == digits) for digits in np.unique(size)]
        self.low, self.high = int(self._table[0]), int(self._table[-1])

    def __len__(self) -> int:
        return len(self._table)

    def places(self, numbers: Ints) -> npt.NDArray[np.intp]:
        """Where numbers stand in the table, -1 for those that do not."""
        found: npt.NDArray[np.intp] = self._table.get_indexer(pd.Index(numbers))
        return found


class Evidence:
    """A stream of identifiers against the numbers of a channel: noted, and judged at the end."""

    def __init__(self, probes: Probes) -> None:
        self.probes = probes
        self._met = np.zeros(len(probes), dtype=np.bool_)

    def note(self, identifiers: Ints) -> None:
        """Some of the identifiers, as whole numbers."""
        probes = self.probes
        within = identifiers[(identifiers >= probes.low) & (identifiers <= probes.high)]
        if len(within):
            places = probes.places(within)
            self._met[places[places >= 0]] = True

    def isolated(self) -> int:
        """How many numbers are identifiers with few others around, if more than by chance.

        Numbers of as many digits are judged together: one long one among short ones counts.
        """
        lonely = self._met[self.probes.own]
        for near in self.probes.near:
            lonely &= self._met[near].sum(axis=1) <= _CROWDED
        return sum(self._beyond_chance(some, lonely[some]) for some in self.probes.sizes)

    def _beyond_chance(self, some: npt.NDArray[np.intp], lonely: npt.NDArray[np.bool_]) -> int:
        from scipy.stats import binom  # noqa: PLC0415 - heavy, and only where numbers are judged

        count = int(lonely.sum())
        if not count:
            return 0
        others = self.probes.others[some]
        met = self._met[self.probes.far[some]] & others
        # Where identifiers end, one side has none: the other one says how likely they were.
        middle = others.shape[1] // 2
        sides = [
            met[:, side].sum(axis=1) / np.maximum(others[:, side].sum(axis=1), 1)
            for side in (slice(middle), slice(middle, None))
        ]
        tried = len(np.unique(self.probes.far[some][others]))
        chance = min(1.0, float(np.maximum(*sides).mean()) + 0.5 / (tried + 1))
        return count if float(binom.sf(count - 1, len(some), chance)) <= _SIGNIFICANT else 0


def _units(numbers: Ints) -> Ints:
    """The twos and fives in each number: identifiers may be multiples of ten, and sums too."""
    left = np.where(numbers == 0, 1, np.abs(numbers))
    units = np.ones_like(numbers)
    for factor in (2, 5):
        while (divisible := left % factor == 0).any():
            units[divisible] *= factor
            left[divisible] //= factor
    return units


def _far(channel: Channel, units: Ints) -> Ints:
    """Numbers about as large and as round as each of the channel's: half below it, half above."""
    numbers = channel.numbers
    seed = hashlib.sha256(f"{channel.column}\0{channel.how}".encode()).digest()[:8]
    random = np.random.default_rng(int.from_bytes(seed, "big"))
    each = max(_FEWEST_PROBES, min(_MOST_PROBES, _PROBES // len(numbers)))
    width = np.maximum(64, np.abs(numbers) // (4 * units))[:, None]
    steps = np.ceil(random.random((len(numbers), each)) * width).astype(np.int64)
    steps[:, : each // 2] *= -1
    return numbers[:, None] + steps * units[:, None]


def serial_numbers(frame: pd.DataFrame) -> list[Finding]:
    """Columns of whole numbers that are all different and hardly leave one out: numbers of rows.

    From 20 rows on, where at least half of the numbers between the smallest and the largest are
    there (of a cube's counts, four in five; its labels are different by nature). Who has the
    source in its order has the persons.
    """
    found = []
    cells = ROWS in frame.columns
    texts = (
        {}
        if cells
        else {
            name: [int(text) for text in values if _DIGITS.fullmatch(text)]
            for name, values in open_texts(frame, {})
        }
    )
    numbers = {
        name: [whole for value in values if (whole := whole_number(value)) is not None]
        for name, values in open_numbers(frame)
    }
    for name in map(str, frame.columns):
        values = [*texts.get(name, ()), *numbers.get(name, ())]
        if len(frame) < _SERIAL_ROWS or len(set(values)) < len(frame):
            continue
        if len(values) > (0.8 if cells else 0.5) * (max(values) - min(values)):
            figures: dict[str, Figure] = {"column": name, "rows": len(frame)}
            problem = "numbers that are all different and without gaps"
            found.append(Finding("leaks.serial_numbers", problem, figures))
    return found
