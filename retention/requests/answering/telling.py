"""What is told of a request that took several attempts: all that was done, and nothing else.

What an attempt did is not found again by the next one; what it only meant to do is. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from retention.requests.model import Outcome, OutcomeLine

FINAL = frozenset({Outcome.deleted, Outcome.archived, Outcome.corrected, Outcome.restricted})
"""What is done once and stays done."""

_FOUND_AGAIN = frozenset({Outcome.archived, Outcome.restricted})
"""What is done, and lies in the archive where the next plan finds it."""


def told(
    before: Sequence[OutcomeLine], now: Sequence[OutcomeLine], unseen: Collection[str] = ()
) -> list[OutcomeLine]:
    """The lines of earlier attempts (``before``) and of the present plan, as one account.

    Rows that the plan finds were not dealt with ``before``, whatever was meant: they are told
    as the plan has them. Of what it does not find any more, what was meant is what was done.
    Rows of tables that were ``unseen`` before are none of those that were meant: these were in
    the archive.
    """
    rows: Counter[OutcomeLine] = Counter()
    for line in now:
        rows[_kind(line)] += line.rows
    meant = [line for line in before if line.outcome in FINAL]
    waited = [line for line in before if line.outcome not in FINAL]
    found = {
        place: max(0, _rows(now, *place) - _rows(waited, *place))
        for place in {(line.table, line.purpose) for line in meant}
    }
    # What the plan says just so again is what is found first.
    for line in sorted(meant, key=lambda line: _kind(line) not in rows):
        place = (line.table, line.purpose)
        others = line.table in unseen and line.outcome not in _FOUND_AGAIN
        undone = 0 if others else min(line.rows, found[place])
        found[place] -= undone
        if line.rows > undone:
            rows[_kind(line)] += line.rows - undone
    return [replace(line, rows=count) for line, count in rows.items()]


def _kind(line: OutcomeLine) -> OutcomeLine:
    return replace(line, rows=0)


def _rows(lines: Iterable[OutcomeLine], table: str, purpose: str) -> int:
    """The rows of a table of which ``lines`` say something for a purpose, or for all."""
    return sum(line.rows for line in lines if line.table == table and line.purpose in ("", purpose))
