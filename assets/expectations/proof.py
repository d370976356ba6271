"""A release's declaration as suites of expectations, put to the bytes in quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Part:
    """The results of one batch: a file of the release, or what the engine's audit has found."""

    title: str
    results: Sequence[Any]


@dataclass(frozen=True)
class Proof:
    """How the expectations about one build came out. Counts and words of the declaration."""

    release: str
    title: str
    month: str
    as_of: date
    digest: str
    at: datetime
    parts: Sequence[Part]

    def __iter__(self) -> Iterator[Any]:
        for part in self.parts:
            yield from part.results

    @property
    def made(self) -> int:
        return sum(len(part.results) for part in self.parts)

    @property
    def met(self) -> int:
        return sum(bool(result.success) for result in self)

    @property
    def passed(self) -> bool:
        return 0 < self.made == self.met

    @property
    def red(self) -> tuple[str, ...]:
        """The audit's checks of which an expectation is not met, each once."""
        red = [check_of(result) for result in self if not result.success]
        return tuple(dict.fromkeys(red))


def check_of(result: Any) -> str:
    """The audit's check that an expectation belongs to."""
    name: str = result.expectation_config.meta["check"]
    return name
