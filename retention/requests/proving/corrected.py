"""Whether a wrong value that was found after a rectification may stand there.

In a column that is corrected it may not. A text that quotes it stays as it was written, and
what a person signs in with, or a row is told apart by, is not changed either: both are told.
A name or an address is theirs only in their own rows and in what points at them, since others
have the same ones; elsewhere only what names one person by itself is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from retention.catalogue.model import TableName
from retention.catalogue.taxonomy import falls_under
from retention.requests.doing.rectifying import corrects
from retention.requests.doing.right_values import USERNAME, in_words, is_key
from retention.requests.proving.explaining import Explaining, Found
from retention.requests.proving.found import Corrected, Outcomes, Trace
from retention.requests.proving.matching import STRONG
from retention.requests.proving.owners import Owner

QUOTED, IDENTIFIER = "quoted", "identifier"
"""Why a wrong value stays: words of ``model.BECAUSE``."""

_Judged = tuple[str, str, bool, str]
"""Place, kind, whether it is explained, and why."""


class OutcomesOfCorrection(Outcomes):
    """What is told of a rectification: an owner's values are the owner's, wherever they lie."""

    def in_archive(self, name: str) -> tuple[bool, str]:
        """A record also holds what it carries along of its owner, which is told of the owner."""
        said = super().in_archive(name)
        known = {table for table, _ in self.catalogue.tables()}
        owner = self.catalogue.owner_of(TableName(name)) if name in known else None
        return said if said[0] or owner is None else super().in_archive(owner)


@dataclass
class ExplainingCorrected(Explaining):
    """Judges what was found of the values that one rectification has corrected."""

    def traces(self) -> list[Trace]:
        """What was found; what may stay is counted by table and reason (``QUOTED``, …)."""
        rows: dict[_Judged, set[int]] = defaultdict(set)
        for item in self.found:
            if item.what in self._corrected.what and (judged := self._judged(item)):
                rows[judged].add(item.row)
        return [
            Trace(place, what, len(numbers), explained, why)
            for (place, what, explained, why), numbers in sorted(rows.items())
        ]

    @property
    def _corrected(self) -> Corrected:
        assert self.case.corrected is not None, "another kind of request"
        return self.case.corrected

    def _judged(self, item: Found) -> _Judged | None:
        place = item.place if item.column is None else f"{item.place}.{item.column}"
        if self._is_theirs(item):
            explained, why = self._left(item)
        elif item.what in STRONG:
            explained, why = self._verdict(item)
            if not explained and self._mentions(item):
                explained, why = True, QUOTED
        else:
            return None
        if why in (QUOTED, IDENTIFIER):
            return item.place, why, True, why
        return place, item.what, explained, why

    def _is_theirs(self, item: Found) -> bool:
        own = item.owner is not None and item.owner in self._own
        return own or "key" in self._beside[item.place, item.row]

    def _left(self, item: Found) -> tuple[bool, str]:
        """Of a row of theirs."""
        if not item.governed:
            return False, "in a place that the catalogue does not govern"
        table = self.installation.catalogue.table(item.place)
        if item.column is not None:
            declared = table.columns.get(item.column)
            if declared is None:
                return False, "in a column that nobody has described"
            if not corrects(table, item.column, self._corrected.right):
                named = is_key(table, item.column) or falls_under(declared.category, USERNAME)
                return True, IDENTIFIER if named else QUOTED
        explained, why = self.outcomes.in_source(item.place)
        return explained, why if explained else "what was to be corrected is still there"

    def _mentions(self, item: Found) -> bool:
        """Whether a governed row of somebody else says it in passing."""
        return item.governed and item.column is not None and not self._identity(item)

    def _relation(self, owner: Owner | None) -> str:
        """As for an erasure; but whoever has the right name is the same person too."""
        said = dict(self._names_of(owner)) if owner is not None else {}
        whole = tuple(sorted(in_words(" ".join(_whole_name(said)))))
        if not whole or not self._corrected.names:
            return "none"
        return "same" if whole in self._corrected.names else "other"


def _whole_name(said: dict[str, str]) -> Iterator[str]:
    if "full_name" in said:
        yield said["full_name"]
    elif {"family_name", "first_name"} <= set(said):
        yield from (said["family_name"], said["first_name"])
