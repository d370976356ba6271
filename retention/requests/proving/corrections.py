"""What is remembered, searched for and told of a rectification.

What was wrong is kept, sealed, before anything is touched. Afterwards it is searched for, alone:
the right value may stand wherever it likes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from retention.catalogue.declarations import Column
from retention.catalogue.model import Role, TableName
from retention.catalogue.sources import source_errors
from retention.holds import Person
from retention.installation import Installation
from retention.planning.facts import key_in
from retention.requests.book import casebook
from retention.requests.doing.persons import archived_of
from retention.requests.doing.rectifying import WRONG, corrects
from retention.requests.doing.right_values import (
    FIRST,
    LAST,
    NAMES,
    WHOLE,
    OwnRow,
    RightValues,
    Words,
    in_words,
    old_values,
    own_records,
)
from retention.requests.model import Asked, Outcome, OutcomeLine, RequestId
from retention.requests.proving.corrected import IDENTIFIER, QUOTED
from retention.requests.proving.found import Case, Corrected, Trace
from retention.requests.proving.matching import Matcher
from retention.requests.proving.sought import field_of, gather_sought

Value = tuple[str, str]
"""A field and what stands there."""
Name = tuple[str, str]
"""Family name and first name."""


def remember(
    installation: Installation,
    request_id: RequestId,
    asked: Asked,
    persons: Sequence[Person],
    tokens: Sequence[str],
) -> None:
    """Keep, sealed, what is wrong and what is the person's: before anything is touched, once.

    Raises:
        SourceError: a system cannot be reached. StoreError: the archive cannot be unsealed.
    """
    if casebook.sought(installation, request_id) is not None:
        return
    own = [*_own_rows(installation, persons)]
    own += own_records(installation.catalogue, archived_of(installation, tokens))
    found: dict[str, Any] = gather_sought(installation, persons, tokens, asked)
    found[WRONG] = old_values(own, asked, installation.settings.requests.region)
    casebook.keep_sought(installation, request_id, found)


def _own_rows(installation: Installation, persons: Sequence[Person]) -> Iterator[OwnRow]:
    for name, key in persons:
        table, system = installation.catalogue.table(name), name.partition(".")[0]
        if table.role is not Role.subject or not key:
            continue
        sql = installation.sources.table(TableName(name))
        statement = sa.select(*sql.columns).where(key_in([sql.c[c] for c in table.key], [key]))
        with source_errors(system), installation.sources.engine(system).connect() as connection:
            for row in connection.execute(statement).mappings():
                yield table, dict(row)


def case_of(installation: Installation, number: RequestId) -> Case | None:
    """What is searched for after a rectification; ``None`` where nothing can be."""
    sought, asked = (
        casebook.sought(installation, number),
        casebook.get(installation, number).asked,
    )
    if sought is None or WRONG not in sought or asked is None:
        return None
    region = installation.settings.requests.region
    right = RightValues.of(asked.corrections, sought[WRONG], region=region)
    names = [(str(family), str(first)) for family, first, _ in sought["names"]]
    old_names = [
        (family, first)
        for family, first in names
        if not (NAMES & set(right.asked)) or _is_wrong_name((family, first), right, region)
    ]
    values = [
        (field, value)
        for category, value in sought[WRONG]["values"]
        if (field := _searched(category))
        and _is_wrong((field, value), category, right, names, region)
    ]
    what = {"name" if field in ("full_name", "username") else field for field, _ in values}
    what |= {"username"} & {field for field, _ in values}
    if NAMES & set(right.asked) and old_names:
        what |= {"name"}
    if not what:
        return None
    lines = casebook.outcomes(installation, number)
    return Case(
        {
            **sought,
            "values": [(field, value, WRONG) for field, value in values],
            "names": [(family, first, WRONG) for family, first in old_names],
        },
        [line for line in lines if line.because not in (QUOTED, IDENTIFIER)],
        casebook.tokens(installation, number),
        [s.token for s in casebook.subjects(installation, number) if s.chosen is False],
        Corrected(frozenset(what), right, frozenset(_all_names(sought, right))),
    )


def _all_names(sought: Mapping[str, Any], right: RightValues) -> Iterator[Words]:
    own = set(sought["own"])
    whole = [f"{family} {first}" for family, first, _ in sought["names"]]
    whole += [
        value
        for field, value, place in sought["values"]
        if field == "full_name" and place.rpartition(".")[0] in own
    ]
    whole += [*right.names.values(), right.asked.get(WHOLE, "")]
    yield from (tuple(sorted(in_words(name))) for name in whole if name.strip())


def _searched(category: str) -> str | None:
    """The field by which a value of a category can be searched for; halves of names cannot."""
    field = field_of(Column(category=category, identifies=True))
    return None if field in ("family_name", "first_name") else field


def _is_wrong_name(name: Name, right: RightValues, region: str) -> bool:
    """Whether a name can be told from the right one when it is found."""
    family, first = name
    last, given = (
        right.asked.get(LAST, family),
        right.asked.get(FIRST, first),
    )
    whole = right.asked.get(WHOLE, f"{given} {last}")
    return not Matcher([([], [name])], region).find([whole])


def _is_wrong(
    value: Value, category: str, right: RightValues, names: Sequence[Name], region: str
) -> bool:
    """Whether a value can be told from the right one: it is no other spelling or part of it."""
    if category not in right.asked:
        return bool(NAMES & set(right.asked)) and category in NAMES
    matcher = Matcher([([value], names)], region)
    beside = [" ".join(name) for name in names]
    hits = matcher.find([right.asked[category], *beside])
    kinds = {"name"} if value[0] == "full_name" else {value[0]}
    return not any(hit.wanted.what in kinds and hit.at == 0 for hit in hits)


def tell(
    installation: Installation, number: RequestId, case: Case, traces: Iterable[Trace]
) -> None:
    """Put what the wrong values still stand in, and may, into the outcomes. Repeatable."""
    left: Counter[tuple[str, str]] = Counter()
    for trace in traces:
        if trace.what in (QUOTED, IDENTIFIER):
            left[trace.place, trace.what] += trace.rows
    left.update(_quoting_records(installation, case))
    lines = [
        OutcomeLine(name, "", Outcome.kept, rows, None, because)
        for (name, because), rows in sorted(left.items())
    ]
    if set(lines) != set(casebook.outcomes(installation, number)) - set(case.outcomes):
        casebook.put_outcomes(installation, number, [*case.outcomes, *lines])


def _quoting_records(installation: Installation, case: Case) -> Iterator[tuple[str, str]]:
    """Records of theirs in the archive that quote a wrong value, with the reason they stay."""
    assert case.corrected is not None, "another kind of request"
    values = [(field, value) for field, value, _ in case.sought["values"]]
    names = [(family, first) for family, first, _ in case.sought["names"]]
    matcher = Matcher([(values, names)], installation.settings.requests.region)
    known, seen = dict(installation.catalogue.tables()), set()
    for record in archived_of(installation, list(case.tokens)):
        place = (record.table, record.record_token, record.incarnation)
        if record.restricted or record.table not in known or place in seen:
            continue
        table = known[record.table]
        cells = [
            str(value)
            for name, value in record.values.items()
            if name in table.columns
            and isinstance(value, str)
            and not corrects(table, name, case.corrected.right)
        ]
        if any(hit.wanted.what in case.corrected.what for hit in matcher.find(cells)):
            seen.add(place)
            yield record.table, QUOTED
