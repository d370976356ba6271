"""Whose records a request is about. Only declared keys decide; a likeness is for a person.

Exact is a record with which a declared key (customer reference, e-mail, telephone) agrees
and no given field disagrees, and whose key is not somebody else's too. Everything weaker that
is worth a look is doubtful, and a person chooses; what is weaker still is not listed.

- An e-mail or telephone that two records of one table share, or records with two names,
  decides nothing, unless each of them has the full name that is given.
- A customer reference alone decides only where one record has it: tables number their rows on
  their own. So does a reference with a family name, where rows of two tables have both.
  Where it agrees along with something else, the rows of other tables that have the
  number by chance are left out.
- Declared links are followed from exact records only. A record they reach is exact unless a
  given field disagrees, or the link reaches it from somebody else too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from retention.catalogue.model import TableName
from retention.holds import Person
from retention.identities import field_of_category, fingerprints, normal
from retention.installation import Installation
from retention.keys import Keyring
from retention.planning.facts import Key
from retention.requests.finding.holders import SAYS_WHO, Prints, Relation, relation
from retention.requests.finding.likeness import KEYS, NAMES, Likeness, Sought
from retention.requests.finding.linking import Links, log_links, person_end
from retention.requests.finding.searching import (
    Candidate,
    by_keys,
    by_tokens,
    persons_tables,
    search,
)
from retention.requests.finding.searching_archive import has_left, search_archive
from retention.requests.model import Asked

_FULL_NAME = frozenset(NAMES)
_NUMBER_AND_NAME = frozenset(("customer_ref", *NAMES))


@dataclass(frozen=True)
class Match:
    """A record that is, or may be, the person's. No value of the record but its key.

    ``key`` is empty where only the archive knows the person. ``found_by`` is the field that
    led there (``customer_ref``, ``email``, ``phone``, ``address``), ``link`` or ``archive``;
    ``agrees`` and ``contradicts`` are names of fields of the request. A name that is only
    like the one given (an initial) contradicts as well.
    """

    table: TableName
    key: Key
    token: str
    found_by: str
    exact: bool
    agrees: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    seen: Prints = field(default=frozenset(), repr=False)
    """What the record says of whose it is, as fingerprints; the archive's where it has no key."""


def resolve(installation: Installation, asked: Asked) -> list[Match]:
    """Every record that may be the person's, in all systems and the archive; exact ones first.

    Raises:
        SourceError: a system cannot be reached, so that the answer could not be complete.
        RequestError: far too many records answer to what the request says.
    """
    sought = Sought.of(asked, installation.settings.requests.region)
    found: dict[str, Candidate] = {}
    shared: set[str] = set()
    for name in persons_tables(installation):
        answer = search(installation, name, sought)
        found |= {item.token: item for item in answer.candidates}
        shared |= answer.shared
    archived = search_archive(installation, sought)
    shared |= archived.shared
    for item in _with_keys(installation, archived.candidates, found, sought):
        found[item.token] = _merged(installation.keyring, found.get(item.token), item)
    deciding = _Deciding(installation.keyring, list(found.values()), shared)
    exact = {item.token for item in deciding.candidates if deciding.is_exact(item)}
    links = Links(installation, sought, {item.token: item for item in deciding.candidates}, exact)
    links.follow()
    return _matches(installation.keyring, links, {item.token for item in deciding.candidates})


def linked(installation: Installation, asked: Asked, persons: Sequence[Person]) -> list[Match]:
    """What declared links lead to from records that a person has chosen; they are not repeated.

    ``resolve`` follows links from exact records only: after a choice this finds the rest.

    Raises:
        SourceError: a system cannot be reached.
    """
    sought = Sought.of(asked, installation.settings.requests.region)
    keys: dict[TableName, list[Key]] = defaultdict(list)
    for name, key in persons:
        if key:
            keys[name].append(key)
    chosen = {
        item.token: item
        for name, wanted in keys.items()
        for item in by_keys(installation, name, wanted, sought)
    }
    links = Links(installation, sought, dict(chosen), set(chosen))
    links.follow()
    return [
        match for match in _matches(installation.keyring, links, set()) if match.token not in chosen
    ]


def logged(
    installation: Installation,
    asked: Asked,
    persons: Sequence[Person],
    tokens: Collection[str],
    before: Mapping[tuple[TableName, str], Iterable[object]],
) -> list[Match]:
    """Rows of logs that links lead to from ``persons``, as they are now or were.

    ``tokens`` are the persons'; ``before`` is what their records held, by table and column.

    Raises:
        SourceError: a system cannot be reached. RequestError: the rows are far too many.
    """
    sought = Sought.of(asked, installation.settings.requests.region)
    links = Links(installation, sought, {}, set(tokens))
    leading = {person_end(link, far=far)[0] for link, far in log_links(installation)}
    held: dict[tuple[TableName, str], set[object]] = defaultdict(set)
    keys: dict[TableName, list[Key]] = defaultdict(list)
    for place, values in before.items():
        held[place] |= set(values)
    for name, key in persons:
        if name in leading:
            keys[name].append(key)
            for column, part in zip(installation.catalogue.table(name).key, key, strict=True):
                held[name, column].add(part)
    for name, wanted in keys.items():
        for item in by_keys(installation, name, wanted, sought):
            for column, value in item.links.items():
                held[name, column].add(value)
    links.follow_to_logs(held)
    return [match for match in _matches(installation.keyring, links, set()) if match.exact]


def rows_seen(
    installation: Installation, persons: Sequence[Person]
) -> dict[tuple[TableName, str], Prints]:
    """What the rows of ``persons`` that are in their sources say, by table and token.

    Raises:
        SourceError: a system cannot be reached.
    """
    sought = Sought.of(Asked(), installation.settings.requests.region)
    keys: dict[TableName, list[Key]] = defaultdict(list)
    for name, key in persons:
        keys[name].append(key)
    return {
        (name, item.token): seen(installation.keyring, item)
        for name, wanted in keys.items()
        for item in by_keys(installation, name, wanted, sought)
    }


def said_of(installation: Installation, asked: Asked) -> Prints:
    """What a request says of whose the records are, what it corrects included."""
    region = installation.settings.requests.region
    found: dict[str, set[str]] = defaultdict(set)
    given = [*asked.said().items()]
    given += [
        (name, value) for category, value in asked.corrections.items()
        if (name := field_of_category(category))
    ]  # fmt: skip
    for name, value in given:
        if name in SAYS_WHO and (form := normal(name, value, region)):
            found[name].add(form)
    for names in product(found["family_name"], found["first_name"]):
        if form := normal("full_name", " ".join(names)):
            found["full_name"].add(form)
    pairs = ((name, form) for name, forms in found.items() for form in forms)
    return frozenset(fingerprints(installation.keyring, pairs))


def seen(keyring: Keyring, item: Candidate) -> Prints:
    """What a record says of whose it is; the archive's records, of whom only the archive knows."""
    if not item.key:
        return item.prints
    pairs = ((name, form) for name in SAYS_WHO for form in item.values.get(name, ()))
    return frozenset(fingerprints(keyring, pairs))


def _with_keys(
    installation: Installation,
    archived: Iterable[Candidate],
    found: Mapping[str, Candidate],
    sought: Sought,
) -> list[Candidate]:
    """``archived``, and the rows of those who are in their source still, not found there.

    Their invoice is archived with the e-mail they had then; now they have another.
    """
    items = list(archived)
    wanted: dict[TableName, set[str]] = defaultdict(set)
    subjects = set(persons_tables(installation))
    for item in items:
        if item.token not in found and item.table in subjects and not has_left(installation, item):
            wanted[item.table].add(item.token)
    rows = {
        item.token: item
        for name, tokens in wanted.items()
        for item in by_tokens(installation, name, tokens, sought)
    }
    return [_merged(installation.keyring, rows.get(item.token), item) for item in items]


def _merged(keyring: Keyring, live: Candidate | None, archived: Candidate) -> Candidate:
    """A person of source and archive: what agrees with either, what contradicts the row.

    Where the key has been given to somebody else since, it is one of the two.
    """
    if live is None:
        return archived
    if relation(seen(keyring, live), archived.prints) is Relation.other:
        return archived if archived.likeness.clean and not live.likeness.clean else live
    likeness = Likeness(
        live.likeness.agrees | (archived.likeness.agrees - live.likeness.contradicts),
        live.likeness.contradicts,
        live.likeness.like - archived.likeness.agrees,
    )
    return replace(live, likeness=likeness, prints=live.prints | archived.prints)


class _Deciding:
    """Which of all candidates together are exact."""

    def __init__(self, keyring: Keyring, candidates: Sequence[Candidate], shared: set[str]) -> None:
        self._keyring = keyring
        self._shared = shared
        self.candidates = _own_numbers(candidates)

    def is_exact(self, item: Candidate) -> bool:
        if not item.likeness.clean:
            return False
        key = next((key for key in KEYS if key in item.likeness.agrees), None)
        if key is None:
            return False
        if key == "customer_ref":
            return self._is_numbered(item)
        return key not in self._shared and not self._is_disputed(key)

    def _is_numbered(self, item: Candidate) -> bool:
        """Whether the number is the person's: a family name may agree by chance, too."""
        holders = self._holders("customer_ref")
        if len(holders) == 1 or not item.likeness.agrees <= _NUMBER_AND_NAME:
            return True
        if not _is_confirmed(item):
            return False
        if item.likeness.agrees >= _FULL_NAME:
            return True
        others = (other for other in holders if other.table != item.table)
        return not any(_is_confirmed(other) and other.likeness.clean for other in others)

    def _holders(self, key: str) -> list[Candidate]:
        return [item for item in self.candidates if key in item.likeness.agrees]

    def _is_disputed(self, key: str) -> bool:
        """Whether a key that agrees may be somebody else's."""
        holders = self._holders(key)
        if all(item.likeness.agrees >= _FULL_NAME for item in holders):
            return False
        if any(not _FULL_NAME.isdisjoint(item.likeness.disagrees) for item in holders):
            return True
        tables = [item.table for item in holders]
        return len(set(tables)) < len(tables) or self._two_names(holders)

    def _two_names(self, holders: Sequence[Candidate]) -> bool:
        """Whether records have names that are not the same, whatever the request says."""
        for name in ("full_name", "family_name"):
            names = [
                {item for what, item in self._prints(holder) if what == name} for holder in holders
            ]
            given = [found for found in names if found]
            if given and not set.intersection(*given):
                return True
        return False

    def _prints(self, item: Candidate) -> set[tuple[str, str]]:
        pairs = (
            (field, form)
            for field in ("full_name", "family_name")
            for form in item.values.get(field, ())
        )
        return fingerprints(self._keyring, pairs) | item.prints


def _is_confirmed(item: Candidate) -> bool:
    """Whether something besides the number agrees; a first name is too many people's."""
    return not item.likeness.agrees <= {"customer_ref", "first_name"}


def _own_numbers(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, where a customer reference means something.

    In a table where one record has it, the others' references contradict. Where it is
    confirmed by something else, rows of other tables that have the number, and nothing else
    of what is said, are left out.
    """
    holders = [item for item in candidates if "customer_ref" in item.likeness.agrees]
    tables = {item.table for item in holders}
    confirmed = {item.table for item in holders if _is_confirmed(item) and item.likeness.clean}
    kept = []
    for item in candidates:
        agrees = item.likeness.agrees
        by_chance = "customer_ref" in agrees and not _is_confirmed(item)
        if confirmed and by_chance and item.table not in confirmed and not item.likeness.clean:
            continue
        if item.table in tables and "customer_ref" not in agrees:
            contradicts = item.likeness.contradicts | {"customer_ref"}
            likeness = replace(item.likeness, contradicts=contradicts)
            kept.append(replace(item, likeness=likeness))
        else:
            kept.append(item)
    return kept


def _matches(keyring: Keyring, links: Links, direct: set[str]) -> list[Match]:
    found = []
    for token, item in links.found.items():
        found.append(
            Match(
                item.table,
                item.key,
                token,
                _found_by(item, direct=token in direct),
                token in links.exact,
                tuple(sorted(item.likeness.agrees)),
                tuple(sorted(item.likeness.disagrees)),
                seen(keyring, item),
            )
        )
    return sorted(found, key=lambda match: (not match.exact, match.table, match.token))


def _found_by(item: Candidate, *, direct: bool) -> str:
    if not direct:
        return "link"
    if not item.key:
        return "archive"
    leading = [*KEYS, "address"]
    return next((field for field in leading if field in item.likeness.agrees), "archive")
