"""Whether what a request is about is still the person's: a key can be another's by now.

Between the day on which a record was found and the day on which something is done to it, its
row may be gone and its key given again. The archive may hold what an earlier holder of the key
left there. Neither is touched, shown or counted for the person; what cannot be told stops the
request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.holds import Person, subject_token
from retention.identities import fingerprints, identities
from retention.installation import Installation
from retention.requests.book.casebook import KnownSubject
from retention.requests.finding.holders import SAYS_WHO, Prints, Relation, relation, whose
from retention.requests.finding.identity import rows_seen
from retention.requests.finding.searching_archive import groups_of
from retention.requests.model import RequestError
from retention.requests.proving.owners import Owners


def rows_of(
    installation: Installation, chosen: Sequence[KnownSubject], said: Prints
) -> list[Person]:
    """The chosen records in the sources, but those whose key is another person's now.

    Rows that are gone stay in: nothing is there to be touched. ``said`` is what the request says.

    Raises:
        RequestError: a row says nothing any more of what it said when it was found.
    """
    found: list[Person] = []
    now = _now(installation, [item for item in chosen if item.key and item.seen])
    for item in chosen:
        row = now.get((item.table, item.token), frozenset())
        is_now = relation(item.seen | said, row) if item.seen else Relation.same
        if is_now is Relation.unclear:
            raise RequestError(
                f"{item.table} {item.token[:12]}: the record says none of what it said when it was "
                "found; nothing was done: 'retention request choose' says whether it is still "
                "theirs, then 'retention request retry'"
            )
        if item.key and is_now is Relation.same:
            found.append((item.table, item.key))
    return found


def archived_of(
    installation: Installation, chosen: Sequence[KnownSubject], said: Prints
) -> Iterator[str]:
    """The tokens of the chosen under which the archive has what is theirs, or has nothing.

    Raises:
        RequestError: it has some of theirs and some of another's, or that cannot be told.
    """
    groups = groups_of(installation, [item.token for item in chosen])
    for item in chosen:
        in_source = bool(item.key and item.seen)
        person = said | item.seen if in_source else said
        found = whose(person, groups.get(item.token, ()), in_source=in_source)
        if found is Relation.unclear:
            raise RequestError(
                f"{item.table} {item.token[:12]}: the archive has records under this key that are "
                "another person's, or the person's under an earlier name and address; nothing was "
                "done: ask the person for these, and take in a request that says them"
            )
        if found is Relation.same:
            yield item.token


def given_again(
    installation: Installation, keys: Iterable[Sequence[Any]], persons: Sequence[Person]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Which of ``keys`` (table, parts as text) are another's now, their own row being archived.

    ``persons`` are the records in the sources that are theirs.
    """
    own = {(str(name), tuple(map(str, key))) for name, key in persons}
    owners = Owners(installation)
    for name, parts in keys:
        place = (str(name), tuple(parts))
        if place in own:
            continue
        token = subject_token(installation.keyring, TableName(name), place[1])
        left = [item for item in groups_of(installation, [token]).get(token, ()) if item.is_own_row]
        try:
            row = owners.row(place) if left else {}
        except SourceError:
            continue
        table, region = installation.catalogue.table(name), installation.settings.requests.region
        pairs = (pair for pair in identities(table, row, region) if pair[0] in SAYS_WHO)
        prints = frozenset(fingerprints(installation.keyring, pairs))
        if any(relation(prints, item.prints) is Relation.other for item in left):
            yield place


def _now(
    installation: Installation, chosen: Sequence[KnownSubject]
) -> dict[tuple[TableName, str], Prints]:
    """What the rows say now. What cannot be reached cannot be touched either."""
    known = {name for name, _ in installation.catalogue.tables()}
    persons: dict[TableName, list[Person]] = defaultdict(list)
    for item in chosen:
        if item.table in known:
            persons[item.table].append((item.table, item.key))
    found: dict[tuple[TableName, str], Prints] = {}
    for _, wanted in sorted(persons.items()):
        try:
            found |= rows_seen(installation, wanted)
        except SourceError:
            continue
    return found
