"""Whether what was found is explained: by the request's outcomes, or because it is another's.

In doubt it is not, and a person looks at it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from retention.catalogue.model import TableName
from retention.holds import subject_token
from retention.installation import Installation
from retention.requests.proving.found import Case, Outcomes, Trace
from retention.requests.proving.matching import STRONG, Matcher
from retention.requests.proving.owners import Owner, Owners
from retention.requests.proving.sought import field_of

Verdict = tuple[bool, str]

_NAMES = ("family_name", "first_name", "full_name")


@dataclass(frozen=True)
class Found:
    """A value found in one row or line."""

    place: str
    """The table, or the file."""
    row: int
    column: str | None
    what: str
    number: int
    governed: bool
    owner: Owner | None = None
    points_at: str | None = None
    """For a key: the table whose record it names."""
    root: Owner | None = None
    """The row with clocks of its own that the row follows, or that it is."""


@dataclass
class Explaining:
    """Judges what was found of one case; ``index`` is the case's place in the matcher."""

    installation: Installation
    case: Case
    index: int
    matcher: Matcher
    owners: Owners
    outcomes: Outcomes
    found: Sequence[Found]

    def traces(self) -> list[Trace]:
        """What was found, counted by place, kind and verdict."""
        rows: dict[tuple[str, str, bool, str, bool], set[int]] = defaultdict(set)
        for item in self.found:
            place = item.place if item.column is None else f"{item.place}.{item.column}"
            explained, why = self._verdict(item)
            doubtful = not explained and item.owner not in self._own
            rows[place, item.what, explained, why, doubtful].add(item.row)
        return [
            Trace(place, what, len(numbers), explained, why, doubtful)
            for (place, what, explained, why, doubtful), numbers in sorted(rows.items())
        ]

    @cached_property
    def _own(self) -> frozenset[Owner]:
        return frozenset((name, tuple(key)) for name, key in self.case.sought["keys"])

    @cached_property
    def _beside(self) -> dict[tuple[str, int], set[str]]:
        """Which kinds of value were found in each row."""
        kinds: dict[tuple[str, int], set[str]] = defaultdict(set)
        for item in self.found:
            kinds[item.place, item.row].add(item.what)
        return kinds

    @cached_property
    def _too_many(self) -> frozenset[str]:
        """Tables in which more rows of the person are left than the outcome says."""
        rows: dict[str, set[int]] = defaultdict(set)
        for item in self.found:
            if item.owner in self._own and self._may_be_many(item):
                rows[item.place].add(item.row)
        most = {name: self.outcomes.most(name) for name in rows}
        return frozenset(
            name
            for name, limit in most.items()
            if limit is not None and len(rows[name]) > limit > 0
        )

    def _may_be_many(self, item: Found) -> bool:  # noqa: ARG002 - not every kind of request counts all
        """Whether a row of the person's is one of those that the outcome counts."""
        return True

    @cached_property
    def _shared(self) -> frozenset[int]:
        """Values that another person is known to have too: their record says another name."""
        return frozenset(
            item.number
            for item in self.found
            if item.what in STRONG
            and self._is_others(item)
            and self._identity(item)
            and (self._disowned(item.owner) or self._relation(item.owner) == "other")
        )

    @cached_property
    def _homonyms(self) -> frozenset[int]:
        """Names that another person is known to have too, who shares nothing else."""
        return frozenset(
            item.number
            for item in self.found
            if item.what == "name"
            and self._is_others(item)
            and item.owner is not None
            and item.owner[0] == item.place
            and (item.column is None or self._identity(item))
            and not self._beside[item.place, item.row] & {*STRONG, "address"}
        )

    def _is_others(self, item: Found) -> bool:
        return item.owner is not None and item.owner not in self._own

    def _verdict(self, item: Found) -> Verdict:
        if item.owner is not None and item.owner in self._own:
            return self._of_own(item)
        if item.what == "key" and item.points_at is not None:
            return self._of_key(item, item.points_at)
        return self._of_others(item)

    def _of_own(self, item: Found) -> Verdict:
        if item.place in self._too_many:
            return False, "more rows are left than the outcome says"
        return self.outcomes.in_source(item.place)

    def _of_key(self, item: Found, points_at: str) -> Verdict:
        explained, why = self.outcomes.in_source(points_at)
        return explained and item.governed, why if item.governed else _UNGOVERNED

    def _of_others(self, item: Found) -> Verdict:
        return self._of_nobody(item) if item.owner is None else self._of_another(item)

    def _of_another(self, item: Found) -> Verdict:
        if self._disowned(item.owner):
            return True, "a person has said that the record is another's"
        if item.what in STRONG:
            return self._strong_of_another(item)
        return self._weak_of_another(item)

    def _strong_of_another(self, item: Found) -> Verdict:
        relation = self._relation(item.owner)
        if self._identity(item) and relation == "other":
            return True, "the record is another person's, who shares the value"
        if self._identity(item) and relation == "same":
            return False, "a further record of the same person"
        if item.number in self._shared and "name" not in self._beside[item.place, item.row]:
            return True, "another person shares the value"
        if self._identity(item):
            return False, "a further record that may be the same person's"
        return False, "mentioned in another person's record"

    def _weak_of_another(self, item: Found) -> Verdict:
        own_field = item.column is None or self._identity(item)
        same = self._relation(item.owner) == "same"
        if item.what == "name":
            beside = self._beside[item.place, item.row]
            if same and own_field and "address" in beside:
                return False, "a further record with the same name and address"
            if same or item.number in self._homonyms:
                return True, "another person has the same name"
            return False, "named in another person's record"
        if not same and "name" not in self._beside[item.place, item.row]:
            return True, "an address in the record of another person"
        if own_field:
            return False, "a further record that may be the same person's"
        return False, "mentioned in another person's record"

    def _of_nobody(self, item: Found) -> Verdict:
        named = "name" in self._beside[item.place, item.row]
        if item.what in STRONG and item.number in self._shared and not named:
            return True, "another person shares the value"
        if item.what == "name" and item.number in self._homonyms:
            return True, "another person has the same name"
        return False, "a row without an owner" if item.governed else _UNGOVERNED

    def _disowned(self, owner: Owner | None) -> bool:
        if owner is None or not self.case.not_theirs:
            return False
        token = subject_token(self.installation.keyring, TableName(owner[0]), owner[1])
        return token in self.case.not_theirs

    def _identity(self, item: Found) -> bool:
        """Whether the column says of whose the row is, rather than mentioning somebody."""
        if not item.governed or item.column is None:
            return False
        column = self.installation.catalogue.table(item.place).columns.get(item.column)
        return column is not None and field_of(column) is not None

    def _relation(self, owner: Owner | None) -> str:
        """Whether a record has the person's name (``same``), an ``other``, or ``none`` at all."""
        if owner is None:
            return "none"
        given = list(self._names_of(owner))
        hits = self.matcher.find([text for _, text in given])
        if any(hit.wanted.case == self.index and hit.wanted.what == "name" for hit in hits):
            return "same"
        fields = {field for field, _ in given}
        whole = "full_name" in fields or {"family_name", "first_name"} <= fields
        known = self.case.sought["names"] or any(
            field == "full_name" for field, *_ in self.case.sought["values"]
        )
        return "other" if whole and known else "none"

    def _names_of(self, owner: Owner) -> Iterator[tuple[str, str]]:
        columns = self.installation.catalogue.table(owner[0]).columns
        for name, text in self.owners.row(owner).items():
            field = field_of(columns[name]) if name in columns else None
            if field in _NAMES and text.strip():
                yield field, text


_UNGOVERNED = "in a place that the catalogue does not govern"
