"""The errors a user of the orchestrator can meet.

Every message is one line, names the place of the fault and what to do about it,
and carries no personal data: configuration names, counts and dates only.
"""

from __future__ import annotations

from collections.abc import Sequence


class RetentionError(Exception):
    """Base of every error raised on purpose. ``str()`` is safe to print and to log."""

    exit_code = 1


class ConfigurationError(RetentionError):
    """A policy, catalogue or settings file is wrong.

    ``problems`` holds one line for each fault found, ``file:line: key: what is wrong``.
    """

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        more = len(self.problems) - 1
        super().__init__(self.problems[0] + (f" (and {more} more)" if more else ""))


class SourceError(RetentionError):
    """A source system cannot be reached or does not look as the catalogue says."""

    exit_code = 3


class StoreError(RetentionError):
    """One of the orchestrator's own stores cannot be reached, read or written."""

    exit_code = 4


class ApprovalNeeded(RetentionError):
    """A plan is implausibly large or otherwise wants a person's approval of its digest."""

    exit_code = 5


class LeaseHeld(RetentionError):
    """Another run is at work; only one may write at a time."""

    exit_code = 6


class RunFailed(RetentionError):
    """A run finished its other work, yet at least one owner tree was stopped."""

    exit_code = 7
