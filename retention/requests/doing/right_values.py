"""What a rectification goes by: the right values, and the person's own wrong ones.

What is wrong is what the person's own records hold now, in the sources and in the archive. It
is kept with the request before anything is touched: a second attempt would not find it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retention.catalogue.declarations import Column
from retention.catalogue.model import Catalogue, Role, Table, TableName
from retention.execution.sealing import OWNER_PREFIX
from retention.identities import field_of, normal, words
from retention.requests.doing.persons import Archived, PersonTable
from retention.requests.model import Asked

LAST, FIRST, WHOLE = "user.name.last", "user.name.first", "user.name"
EMAIL, PHONE = "user.contact.email", "user.contact.phone_number"
USERNAME = "user.account.username"
NAMES = frozenset({LAST, FIRST, WHOLE})

_TITLES = frozenset({"m", "mr", "mme", "mlle", "monsieur", "madame", "mademoiselle"})

Words = tuple[str, ...]
Old = Mapping[str, Any]
"""Plain data: ``values``, pairs of a category and a value; ``names``, family and first names."""


OwnRow = tuple[Table, Mapping[str, Any]]
"""A row that is the person's own, not one that merely belongs to them."""


def old_values(rows: Iterable[OwnRow], asked: Asked, region: str) -> dict[str, Any]:
    """What a person's own records hold of the categories to be corrected. Personal data.

    Of several values of one category in one row (two phone numbers) only that which the request
    itself names is wrong: the other may well be right.
    """
    values: dict[tuple[str, str], None] = {}
    names: dict[tuple[str, str], None] = {}
    named = {form(c, value, region) for c in asked.corrections for value in asked.said().values()}
    wanted = {*asked.corrections, *(NAMES if NAMES & set(asked.corrections) else ())}
    for table, row in rows:
        said: dict[str, str] = {}
        several = several_in(table, row, region)
        for name, column in table.columns.items():
            value = row.get(name)
            if column.category in wanted and value is not None and str(value).strip():
                if column.category not in several or form(column.category, value, region) in named:
                    values[column.category, str(value)] = None
                said.setdefault(column.category, str(value))
        if LAST in said and FIRST in said:
            names[said[LAST], said[FIRST]] = None
    return {"values": [list(item) for item in values], "names": [list(item) for item in names]}


def several_in(table: Table, row: Mapping[str, Any], region: str) -> set[str]:
    """The categories of which a row holds more than one value."""
    return {name for name, held in _held_in(table, row, region).items() if len(held) > 1}


def missing_in(table: Table, row: Mapping[str, Any], region: str) -> set[str]:
    """The categories of which a row holds nothing at all."""
    held = _held_in(table, row, region)
    return {column.category for column in table.columns.values()} - set(held)


def _held_in(table: Table, row: Mapping[str, Any], region: str) -> dict[str, set[Words]]:
    found: dict[str, set[Words]] = {}
    for name, column in table.columns.items():
        if row.get(name) is not None and not is_key(table, name):
            held = form(column.category, row[name], region)
            found.setdefault(column.category, set()).add(held)
    return found


def is_key(table: Table, column: str) -> bool:
    """Whether a column is what rows are told apart or pointed at by: it is never changed."""
    return column in table.key or any(column in pointer.via for pointer in table.pointers)


def own_rows(tables: Iterable[PersonTable]) -> Iterator[OwnRow]:
    """Those of the sources."""
    for found in tables:
        if found.bound.table.role is Role.subject:
            yield from ((found.bound.table, tree.root.row) for tree in found.trees.values())


def own_records(catalogue: Catalogue, archived: Iterable[Archived]) -> Iterator[OwnRow]:
    """Those of the archive; an owner's columns that a record carries along are such a row."""
    known = dict(catalogue.tables())
    for record in archived:
        if record.table not in known:
            continue
        if known[record.table].role is Role.subject:
            yield known[record.table], record.values
        elif carried := carried_by(record):
            owner = catalogue.owner_of(record.table)
            assert owner is not None, "only what has an owner carries an owner's columns"
            yield known[owner], carried


def carried_by(record: Archived) -> dict[str, Any]:
    """The owner's columns that an archived record carries along, by the owner's names."""
    return {
        name.removeprefix(OWNER_PREFIX): value
        for name, value in record.values.items()
        if name.startswith(OWNER_PREFIX)
    }


@dataclass(frozen=True)
class RightValues:
    """What is right (``asked``, by category), and what stood there instead."""

    asked: Mapping[str, str]
    wrong: Mapping[str, frozenset[Words]]
    """By category, in their normal ``form``: spelling is no matter."""
    names: Mapping[Words, str]
    """Each wrong whole name, and the right one in the same order."""
    region: str = "FR"
    """The country of phone numbers that are written without one."""

    @classmethod
    def of(cls, asked: Mapping[str, str], *known: Old, region: str = "FR") -> RightValues:
        """``known`` is what the records hold now, and what they held before."""
        wrong: dict[str, set[Words]] = {category: set() for category in asked}
        for category, value in (pair for old in known for pair in old["values"]):
            wrong.setdefault(category, set()).add(form(category, value, region))
        names = dict(_names(asked, [pair for old in known for pair in old["names"]]))
        if WHOLE in asked:
            whole = [in_words(v) for old in known for c, v in old["values"] if c == WHOLE]
            names |= dict.fromkeys((name for name in whole if len(name) > 1), asked[WHOLE])
        held = {category: frozenset(found) for category, found in wrong.items()}
        return cls(asked, held, names, region)

    def is_wrong(self, category: str, present: Any) -> bool:
        """Whether a value is one of the wrong ones of its category."""
        return present is not None and form(category, present, self.region) in self.wrong[category]

    def wanted(
        self, category: str, present: Any, *, own: bool, username: bool = True
    ) -> str | None:
        """What a column of ``category`` has to hold; ``None``: it stays as it is.

        ``own``: it is the person's own record, in which what is missing is completed. In other
        rows only what is theirs is corrected. ``username``: a user name may be changed, if it
        is nothing but the person's whole name.
        """
        if category in self.asked:
            theirs = own or self.is_wrong(category, present)
            right = self.asked[category]
            return right if theirs and str(present) != right else None
        shown = category == USERNAME and username and " " in str(present).strip()
        if present is None or not (category == WHOLE or shown):
            return None
        return self._renamed(str(present))

    def _renamed(self, text: str) -> str | None:
        """A whole name, put right; a form of address before it stays."""
        right = self.names.get(in_words(text))
        title, _, rest = text.strip().partition(" ")
        if right is None and title.rstrip(".").casefold() in _TITLES:
            right = self.names.get(in_words(rest))
            right = right and f"{title} {right}"
        return right if right != text else None

    def concerns(self, table: Table) -> bool:
        """Whether a table can hold what is to be corrected."""
        named = {WHOLE} if {LAST, FIRST} & set(self.asked) else set()
        return any(column.category in {*self.asked, *named} for column in table.columns.values())


def _names(asked: Mapping[str, str], pairs: Sequence[Sequence[str]]) -> Iterator[tuple[Words, str]]:
    if not NAMES & set(asked):
        return
    for family, first in pairs:
        right = asked.get(FIRST, first), asked.get(LAST, family)
        whole = None if {LAST, FIRST} & set(asked) else asked[WHOLE]
        yield in_words(f"{first} {family}"), whole or " ".join(right)
        yield in_words(f"{family} {first}"), whole or " ".join(reversed(right))


def form(category: str, value: Any, region: str) -> Words:
    """A value as it is compared: two spellings of an e-mail, a phone number, … are equal."""
    field = field_of(Column(category=category))
    normalised = normal(field, value, region) if field and field != "customer_ref" else None
    return (normalised,) if normalised else in_words(value)


def in_words(value: Any) -> Words:
    """A value's words, without accents and punctuation."""
    return tuple(words(str(value)))


def known_to(tables: Iterable[PersonTable]) -> set[TableName]:
    """The tables, dependants included, in which the person has rows."""
    return {row.name for table in tables for tree in table.trees.values() for row in tree.rows}
