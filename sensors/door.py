"""How a sensor gets at the engine, and how errors leave it.

Ticks of several sensors may be evaluated at once in one process, so each opens the
installation for itself and closes it again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Protocol

from retention.errors import RetentionError
from retention.installation import Installation
from retention.policy.calendar import day_in
from retention.unexpected import unexpected_text


class Door(Protocol):
    """What the sensors need of the resource ``retention``."""

    def open(self) -> Installation: ...
    def now(self) -> datetime: ...


class TickFailed(Exception):
    """What a tick that failed says; safe to show."""


@contextmanager
def opened(door: Door) -> Iterator[Installation]:
    """The installation for the length of a tick.

    Raises:
        TickFailed: whatever went wrong, in one line; of an unforeseen error its kind and place.
    """
    try:
        installation = door.open()
        try:
            yield installation
        finally:
            installation.close()
    except RetentionError as error:
        raise TickFailed(str(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not be shown
        raise TickFailed(unexpected_text(error)) from None


def today(door: Door, installation: Installation) -> date:
    """Today, in the policy's zone."""
    return day_in(door.now(), installation.zone)
