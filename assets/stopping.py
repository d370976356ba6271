"""Stopping a run between two chunks, when a person terminates it.

Dagster raises an interrupt into a step wherever it is. That is repaired like any crash, yet
a step that hears the signal itself can finish its chunk first.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def heeding_signals(asked: list[int]) -> Iterator[Callable[[], bool]]:
    """Yields whether a stop has been asked for; a second signal interrupts at once.

    Signals are noted in ``asked``, so that the next step of the run knows of them too.
    """

    def ask(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    with handled_by(dict.fromkeys(SIGNALS, ask)):
        yield lambda: bool(asked)


@contextmanager
def handled_by(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Signals are handled by ``handlers`` for a while; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def handlers_now() -> dict[signal.Signals, Any]:
    """The handlers of the signals that stop a run, as they are set at this moment."""
    return {number: signal.getsignal(number) for number in SIGNALS}
