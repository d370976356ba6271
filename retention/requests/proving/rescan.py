"""What is left of a person once a request was carried out: searched by value, everywhere.

This is the proof that is independent of the work: it reads every row of every table as the
databases have them, whatever catalogue, plan and predicates say of these, and looks for the
values by which the person could be recognised. The archive is searched by fingerprints, the
releases byte by byte. What is found has to be explained by the request's outcomes.

One pass serves any number of persons. What it cannot find: a value that is encoded (base64),
hashed, encrypted, a short number but in columns of its name, or a name without its other half.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from retention.catalogue.sources import source_errors
from retention.installation import Installation
from retention.requests.model import OutcomeLine
from retention.requests.proving.archived import store_traces
from retention.requests.proving.corrected import ExplainingCorrected, OutcomesOfCorrection
from retention.requests.proving.explaining import Explaining, Found
from retention.requests.proving.found import Case, Outcomes, Trace
from retention.requests.proving.matching import Matcher
from retention.requests.proving.opposing import (
    Consents,
    ExplainingObjection,
    OutcomesOfObjection,
    purposes_in_archive,
)
from retention.requests.proving.owners import Owners
from retention.requests.proving.reading import Cells, RawTable, raw_tables, release_files
from retention.requests.proving.sought import contacts, gather_sought

__all__ = ["Case", "Trace", "contacts", "gather_sought", "rescan", "rescan_many"]

Progress = Callable[[str], None]

_TELL_EVERY = 50_000
"""Rows after which it is said that a table is still being read: some seconds of work."""

_COMMON_KEYS = frozenset({"id", "key", "code", "number", "name", "uuid", "pk"})
"""A column of such a name in another table says nothing of whose key it holds."""


def rescan(
    installation: Installation,
    sought: Mapping[str, Any],
    outcomes: Sequence[OutcomeLine],
    tokens: Collection[str],
    *,
    not_theirs: Collection[str] = (),
) -> list[Trace]:
    """What is left of one person. A request may be answered when all of it is explained.

    Raises:
        SourceError: a system cannot be reached or read, so nothing would be proved.
        StoreError: nor can a store, or the file of a release.
    """
    return rescan_many(installation, [Case(sought, outcomes, tokens, not_theirs)])[0]


def rescan_many(
    installation: Installation, many: Sequence[Case], progress: Progress = lambda _: None
) -> list[list[Trace]]:
    """As ``rescan``, for any number of persons in one pass over every table and file.

    ``progress`` is told the name of each table before it is read, and again as it is.
    """
    matcher = Matcher(
        (
            (
                [(field, value) for field, value, _ in case.sought["values"]
                 if not _is_short_number(field, value)],
                [(family, first) for family, first, _ in case.sought["names"]],
            )
            for case in many
        ),
        installation.settings.requests.region,
    )  # fmt: skip
    owners = Owners(installation)
    found: dict[int, list[Found]] = defaultdict(list)
    for place, item in _everywhere(installation, many, matcher, owners, progress):
        found[place].append(item)
    answers = []
    consents: dict[tuple[date, frozenset[str]], Consents] = {}
    for index, case in enumerate(many):
        of_case = (installation, case, index, matcher, owners)
        told = (installation.catalogue, installation.policy, case.outcomes)
        explaining: Explaining
        if case.opposed_on is not None:
            day = case.opposed_on
            of_day = consents.setdefault((day, case.ended), Consents(installation, day, case.ended))
            left = purposes_in_archive(installation, case.tokens, day)
            opposed = OutcomesOfObjection(*told, case.ended, left)
            explaining = ExplainingObjection(*of_case, opposed, found[index], of_day)
        elif case.corrected is not None:
            corrected = OutcomesOfCorrection(*told)
            explaining = ExplainingCorrected(*of_case, corrected, found[index])
        else:
            explaining = Explaining(*of_case, Outcomes(*told), found[index])
        answers.append(
            [*explaining.traces(), *store_traces(installation, case, explaining.outcomes)]
        )
    return answers


def _everywhere(
    installation: Installation,
    many: Sequence[Case],
    matcher: Matcher,
    owners: Owners,
    progress: Progress,
) -> Iterator[tuple[int, Found]]:
    for system in installation.catalogue.systems:
        for table in raw_tables(installation, system):
            progress(table.name)
            keys = _Keys.of(installation, table, many)
            short = _ShortNumbers.of(table, many)
            with source_errors(system), installation.sources.engine(system).connect() as at:
                for number, cells in enumerate(table.rows(at)):
                    if number and number % _TELL_EVERY == 0:
                        progress(table.name)
                    yield from _in_row(
                        installation, table, number, cells, matcher, keys, short, owners
                    )
    for place, rows in release_files(installation):
        progress(place)
        for number, texts in enumerate(rows):
            for hit in matcher.find(texts):
                wanted = hit.wanted
                yield (
                    wanted.case,
                    Found(place, number, None, wanted.what, wanted.number, governed=False),
                )


def _in_row(
    installation: Installation,
    table: RawTable,
    number: int,
    cells: Cells,
    matcher: Matcher,
    keys: _Keys,
    short: _ShortNumbers,
    owners: Owners,
) -> Iterator[tuple[int, Found]]:
    given = [(name, text) for name, text in zip(table.columns, cells, strict=True) if text]
    hits = matcher.find([text for _, text in given])
    pointing, numbers = list(keys.find(cells)), list(short.find(cells))
    if not hits and not pointing and not numbers:
        return
    governed = table.short in installation.catalogue.systems[table.system].tables
    row = dict(zip(table.columns, cells, strict=True))
    owner = owners.of(table.name, row) if governed else None
    root = owners.followed(table.name, row) if governed else None
    for hit in hits:
        column = None if hit.at is None else given[hit.at][0]
        wanted = hit.wanted
        yield (
            wanted.case,
            Found(
                table.name, number, column, wanted.what, wanted.number, governed, owner, root=root
            ),
        )
    for case, column, which in numbers:
        yield (
            case,
            Found(table.name, number, column, "identifier", which, governed, owner, root=root),
        )
    for case, column, points_at in pointing:
        yield case, Found(table.name, number, column, "key", -1, governed, owner, points_at, root)


_DECIMALS = re.compile(r"(?<=\d)\.0+\Z")
_SHORT = 9
"""Of fewer digits a number is an order's, a postcode or a price as well as a customer's."""


def _is_short_number(field: str, value: str) -> bool:
    return field == "identifier" and value.isdigit() and len(value) < _SHORT


@dataclass(frozen=True)
class _ShortNumbers:
    """Short numbers by which persons are recognised: in columns of the same name only."""

    watched: Sequence[tuple[int, str, Mapping[str, Sequence[tuple[int, int]]]]]
    """A column's place and name; for each number the cases, and what tells it from others."""

    @classmethod
    def of(cls, table: RawTable, many: Sequence[Case]) -> _ShortNumbers:
        by_name: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(dict)
        for index, case in enumerate(many):
            for number, (field, value, place) in enumerate(case.sought["values"]):
                if _is_short_number(field, value):
                    whose = by_name[place.rpartition(".")[2].casefold()].setdefault(value, [])
                    if index not in dict(whose):
                        whose.append((index, -2 - number))
        places = ((at, name, name.casefold()) for at, name in enumerate(table.columns))
        return cls([(at, name, by_name[low]) for at, name, low in places if low in by_name])

    def find(self, cells: Cells) -> Iterator[tuple[int, str, int]]:
        """The case, the column and what tells the number from others, for each that a row holds."""
        for at, name, numbers in self.watched:
            for case, number in numbers.get(_bare(cells[at] or ""), ()):
                yield case, name, number


@dataclass(frozen=True)
class _Keys:
    """Where the keys of the persons' own records can stand in one table."""

    watched: Sequence[tuple[tuple[int, ...], str, str, Mapping[tuple[str, ...], frozenset[int]]]]
    """Places of columns, the first one's name, the table pointed at, and whose each key is."""

    @classmethod
    def of(cls, installation: Installation, table: RawTable, many: Sequence[Case]) -> _Keys:
        by_table: dict[str, dict[tuple[str, ...], set[int]]] = defaultdict(lambda: defaultdict(set))
        for index, case in enumerate(many):
            for name, key in case.sought["keys"]:
                by_table[name][tuple(map(_bare, key))].add(index)
        watched = []
        for name, columns in _pointers(installation, table):
            if name in by_table and set(columns) <= set(table.columns):
                places = tuple(table.columns.index(column) for column in columns)
                whose = {key: frozenset(cases) for key, cases in by_table[name].items()}
                watched.append((places, columns[0], name, whose))
        return cls(watched)

    def find(self, cells: Cells) -> Iterator[tuple[int, str, str]]:
        """The case, column and table pointed at, for each key that a row holds."""
        for places, column, name, whose in self.watched:
            key = tuple(_bare(cells[place] or "") for place in places)
            for case in whose.get(key, ()):
                yield case, column, name


def _bare(part: str) -> str:
    """A part of a key without what a column's type adds: blanks that pad it, or decimals."""
    return _DECIMALS.sub("", part.rstrip(" "))


def _pointers(installation: Installation, table: RawTable) -> list[tuple[str, tuple[str, ...]]]:
    """Subject tables, with the columns of ``table`` in which their keys can stand."""
    return list(dict.fromkeys(_all_pointers(installation, table)))


def _all_pointers(
    installation: Installation, table: RawTable
) -> Iterable[tuple[str, tuple[str, ...]]]:
    catalogue = installation.catalogue
    for name, declared in catalogue.tables():
        if not declared.subject:
            continue
        system, _, short = name.partition(".")
        if system == table.system:
            own = catalogue.systems[system].tables.get(table.short)
            # another kind of person has numbers of its own, even where they are called the same
            numbers_itself = own is not None and own.subject and set(own.key) & set(declared.key)
            by_name = not numbers_itself and not set(declared.key) & _COMMON_KEYS
            if short == table.short or by_name:
                yield name, declared.key
            for pointer in table.pointers:
                if pointer.table == short and set(pointer.far) == set(declared.key):
                    there = dict(zip(pointer.far, pointer.columns, strict=True))
                    yield name, tuple(there[column] for column in declared.key)
            for reference in own.pointers if own else ():
                if reference.table == short:
                    yield name, reference.via
        for link in catalogue.links.values():
            yield from _linked(name, declared.key, table, link.near, link.far)
            yield from _linked(name, declared.key, table, link.far, link.near)


def _linked(
    name: str, key: Sequence[str], table: RawTable, here: str, there: str
) -> Iterable[tuple[str, tuple[str, ...]]]:
    """A column of another system that a link says is equal to a key."""
    if len(key) == 1 and here == f"{name}.{key[0]}" and there.rpartition(".")[0] == table.name:
        yield name, (there.rpartition(".")[2],)
