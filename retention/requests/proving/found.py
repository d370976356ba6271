"""The words of the re-scan, and what a request's outcomes explain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from retention.catalogue.model import Catalogue, Role, TableName
from retention.policy.table import Policy
from retention.requests.doing.right_values import RightValues, Words
from retention.requests.model import BECAUSE, Outcome, OutcomeLine


@dataclass(frozen=True)
class Trace:
    """Something of a person that is still there: where and what, never the value.

    ``place`` is ``system.table.column``, ``system.table`` (several columns together),
    ``archive:system.table``, ``archive``, ``vault``, ``package`` or ``release:FOLDER/FILE``.
    ``why`` says by which rule it is explained, or why it is not.
    """

    place: str
    what: str
    rows: int
    explained: bool
    why: str
    may_be_anothers: bool = False
    """It is in no row that is known to be the person's: somebody may say that it is another's."""


@dataclass(frozen=True)
class Corrected:
    """What a rectification has put right: what of it is searched for, and where it was done."""

    what: frozenset[str]
    """The kinds of value (``Wanted.what``) that were corrected."""
    right: RightValues
    names: frozenset[Words]
    """The person's names, wrong ones and right ones, as words in alphabetical order."""


@dataclass(frozen=True)
class Case:
    """What one request's re-scan goes by.

    ``sought`` is what ``gather_sought`` found before anything was touched; ``tokens`` are the
    person's subject tokens; ``not_theirs`` those of records of which somebody has said that
    they are another person's.
    """

    sought: Mapping[str, Any]
    outcomes: Sequence[OutcomeLine]
    tokens: Collection[str]
    not_theirs: Collection[str] = field(default=())
    corrected: Corrected | None = None
    """For a rectification: ``sought`` then holds what was wrong, and nothing else."""
    opposed_on: date | None = None
    """For an objection: the day on which what is left is judged."""
    ended: frozenset[str] = frozenset()
    """For an objection: the purposes that it ends."""


_STAY = frozenset({Outcome.kept, Outcome.held, Outcome.review, Outcome.stopped})
"""After these a row is still where it was."""

_SEALED = _STAY | {Outcome.archived, Outcome.restricted}
"""After these there may be something of it in the archive."""

_SAID: Mapping[Outcome, str] = {
    Outcome.kept: "kept",
    Outcome.held: "held",
    Outcome.review: "waits for a person's decision",
    Outcome.stopped: "its table was stopped",
    Outcome.archived: "archived",
    Outcome.restricted: "restricted",
}
_UNSAID = "the outcome does not say that it stays"


@dataclass(frozen=True)
class Outcomes:
    """What became of each table, as far as it explains that something is still there."""

    catalogue: Catalogue
    policy: Policy
    lines: Sequence[OutcomeLine]

    def in_source(self, name: str) -> tuple[bool, str]:
        """Whether rows of a table are still to be there; and why, or why not."""
        for line in self._lines(name):
            if line.outcome in _STAY or (line.outcome is Outcome.archived and self._in_place(line)):
                return True, _because(line)
        return False, _UNSAID

    def held(self, name: str) -> bool:
        """Whether a legal hold keeps rows of a table from going."""
        return any(
            line.outcome is Outcome.held and line.because == "legal_hold"
            for line in self._lines(name)
        )

    def in_archive(self, name: str) -> tuple[bool, str]:
        for line in self._lines(name):
            if line.outcome in _SEALED:
                return True, _because(line)
        return False, _UNSAID

    def of_another(self, name: str) -> tuple[bool, str]:
        """Whether the table of an archived record explains it, though it may be the person's."""
        return False, f"{name}: {_UNSAID}"

    def most(self, name: str) -> int | None:
        """How many rows of the table can be left in the source; ``None`` if it is not said.

        Dependants of rows that all stay may become more: a customer goes on ordering.
        """
        own = [line for line in self.lines if line.table == name]
        if not own or any(line.outcome is Outcome.stopped for line in self._lines(name)):
            return None
        follows = self.catalogue.table(name).role is Role.dependant
        if follows and all(line.outcome in _STAY for line in own):
            return None
        return sum(
            line.rows
            for line in own
            if line.outcome in _STAY or (line.outcome is Outcome.archived and self._in_place(line))
        )

    def _lines(self, name: str) -> list[OutcomeLine]:
        """A table's own lines; without any, those of the table that a dependant follows.

        Where a tree was stopped, that is said of one of its tables, and of no number of rows.
        """
        try:
            clock = self.catalogue.clock_of(TableName(name))
            tree = self.catalogue.tree_of(TableName(name))
        except KeyError:  # not governed
            return []
        counted = [line for line in self.lines if line.rows]
        own = [line for line in counted if line.table == name]
        follows = [line for line in counted if line.table == clock]
        stopped = [line for line in self.lines if line.outcome is Outcome.stopped]
        return [*(own or follows), *(line for line in stopped if line.table in tree)]

    def _in_place(self, line: OutcomeLine) -> bool:
        found = (version.purposes.get(line.purpose) for version in self.policy.versions)
        return any(item and item.archive and item.archive.in_place for item in found)


def _because(line: OutcomeLine) -> str:
    reason = BECAUSE.get(line.because or "")
    until = f" until {line.until.isoformat()}" if line.until else ""
    return _SAID[line.outcome] + until + (f", because {reason}" if reason else "")
