"""Ctrl-C and SIGTERM: the first asks for a stop, the second interrupts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.failure import warn

if TYPE_CHECKING:
    from types import FrameType


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Ask the run to stop at the first signal; a second one interrupts it where it is."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        warn("stopping after this chunk (once more to interrupt it at once)")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
