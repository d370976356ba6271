"""Finding a person in the archive by fingerprints: nothing is unsealed.

A person there is a token. What is compared is whether the fingerprints of what the request
says are among those of the person's records, and where a field has others only, it contradicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.model import Catalogue, Role, TableName
from retention.holds import subject_token
from retention.identities import VERSION, fingerprint
from retention.installation import Installation
from retention.keys import Keyring
from retention.requests.finding.holders import Group
from retention.requests.finding.likeness import KEYS, NAMES, Likeness, Sought
from retention.requests.finding.searching import CROWD, Candidate, Crowd
from retention.requests.model import RequestError
from retention.stores import archive
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches

_VERSIONS = (VERSION,)
"""Every version of the normal forms that the archive may hold."""


class Crowded(RequestError):
    """Far too many persons answer: what they have in common is a placeholder."""


Prints = Mapping[str, frozenset[str]]


def search_archive(installation: Installation, sought: Sought) -> Crowd:
    """The persons in the archive that may be the one sought.

    Raises:
        RequestError: far too many of them answer to what the request says.
    """
    prints = _prints(installation.keyring, sought)
    numbers = _by_number(installation, sought)
    found = Crowd()
    with reading(installation.stores.archive) as connection:
        tokens = _present(connection, numbers)
        for key in KEYS:
            some = _tokens_of(connection, key, prints.get(key, ()))
            if len(some) > CROWD:
                found.shared.add(key)
            else:
                tokens |= some
        tokens |= _named_at_address(connection, prints)
        found.candidates = _candidates(installation, connection, tokens, sought, prints, numbers)
    if len(found.candidates) > CROWD or (found.shared and not found.candidates):
        raise _too_many()
    return found


def by_prints(
    installation: Installation, wanted: Iterable[tuple[str, str]], sought: Sought
) -> list[Candidate]:
    """The persons in the archive with one of these fields and fingerprints.

    Raises:
        Crowded: far too many of them have one.
    """
    prints = _prints(installation.keyring, sought)
    numbers = _by_number(installation, sought)
    with reading(installation.stores.archive) as connection:
        tokens: set[str] = set()
        for field, item in wanted:
            tokens |= _tokens_of(connection, field, [item])
        if len(tokens) > CROWD:
            raise _too_many()
        return _candidates(installation, connection, tokens, sought, prints, numbers, every=True)


def has_left(installation: Installation, candidate: Candidate) -> bool:
    """Whether the archive holds the person's own row: it is not in its source then.

    Otherwise only rows that outlive it are there, and it may well be in its source still.
    """
    at = archive.records.c
    statement = sa.select(at.unit_id).where(
        at.subject_token == candidate.token,
        at.table_name == candidate.table,
        at.settled.is_(True),
    )
    with reading(installation.stores.archive) as connection:
        return connection.execute(statement.limit(1)).first() is not None


def groups_of(installation: Installation, tokens: Collection[str]) -> dict[str, list[Group]]:
    """What each archived record of the persons ``tokens`` says of whose it is, by token.

    A record is told by the chunk that brought it there: its key may have come there before.
    """
    at = archive.fingerprints.c
    owner, name = archive.units.c.subject_token, archive.records.c.table_name
    found: dict[tuple[str, str, str, str], set[tuple[str, str]]] = defaultdict(set)
    with reading(installation.stores.archive) as connection:
        for batch in batches(sorted(set(tokens)), BATCH):
            statement = _joined(owner, name, at.record_token, at.chunk_id, at.field, at.fingerprint)
            for *place, field, item in connection.execute(statement.where(owner.in_(batch))):
                found[tuple(place)].add((field, item))
    known = dict(installation.catalogue.tables())
    groups: dict[str, list[Group]] = defaultdict(list)
    for (token, table, *_), prints in sorted(found.items()):
        declared = known.get(TableName(table))
        is_own = declared is not None and declared.role is Role.subject
        groups[token].append(Group(frozenset(prints), is_own))
    return groups


def subject_of(catalogue: Catalogue, name: TableName) -> TableName:
    """The table of the persons to whom the rows of ``name`` belong, as ``holds.subjects``."""
    table = catalogue.table(name)
    system = name.partition(".")[0]
    if table.role is Role.subject:
        return name
    for pointer in table.pointers:
        other = TableName(f"{system}.{pointer.table}")
        if catalogue.table(other).role is Role.subject:
            return other
        if table.owner:
            return subject_of(catalogue, other)
    return name


def _prints(keyring: Keyring, sought: Sought) -> Prints:
    """The fingerprints of what is sought, by field."""
    said = dict(sought.said)
    if sought.full_name:
        said["full_name"] = sought.full_name
    forms = {field: frozenset((form,)) for field, form in said.items()}
    if sought.references:
        forms["customer_ref"] = sought.references
    return {
        field: frozenset(
            fingerprint(keyring, field, form, version)
            for form in spellings
            for version in _VERSIONS
        )
        for field, spellings in forms.items()
    }


def _by_number(installation: Installation, sought: Sought) -> dict[str, TableName]:
    """The tokens of the persons who have the customer reference as their key, and their table."""
    return {
        subject_token(installation.keyring, name, (reference,)): name
        for reference in sought.references
        for name, table in installation.catalogue.tables()
        if table.role is Role.subject and len(table.key) == 1
    }


def _present(connection: Connection, tokens: Collection[str]) -> set[str]:
    at = archive.units.c
    statement = sa.select(at.subject_token).where(
        at.subject_token.in_(sorted(tokens)), at.destroyed_on.is_(None)
    )
    return {row[0] for row in connection.execute(statement)} if tokens else set()


def _tokens_of(connection: Connection, field: str, items: Collection[str]) -> set[str]:
    """The persons with one of these fingerprints, or one more than ``CROWD`` of them."""
    if not items:
        return set()
    statement = _having(field, items).distinct().limit(CROWD + 1)
    return {row[0] for row in connection.execute(statement)}


def _named_at_address(connection: Connection, prints: Prints) -> set[str]:
    """The persons with the name and the address that are sought; neither alone leads to any."""
    if not (prints.get("family_name") and prints.get("address")):
        return set()
    token = archive.units.c.subject_token
    statement = _having("address", prints["address"]).where(
        sa.or_(
            *(
                token.in_(_having(field, prints[field]))
                for field in ("family_name", "full_name")
                if field in prints
            )
        )
    )
    return {row[0] for row in connection.execute(statement.distinct().limit(CROWD + 1))}


def _having(field: str, items: Collection[str]) -> Any:
    at = archive.fingerprints.c
    return _joined(archive.units.c.subject_token).where(
        at.fingerprint.in_(sorted(items)), at.field == field
    )


def _joined(*columns: Any) -> Any:
    """Fingerprints of records that are final, in units that are not destroyed."""
    prints, records, units = archive.fingerprints, archive.records, archive.units
    same = (prints.c.unit_id == records.c.unit_id) & (
        prints.c.record_token == records.c.record_token
    )
    return (
        sa.select(*columns)
        .select_from(prints)
        .join(records, same)
        .join(units, units.c.unit_id == prints.c.unit_id)
        .where(records.c.settled.is_(True), units.c.destroyed_on.is_(None))
    )


def _candidates(
    installation: Installation,
    connection: Connection,
    tokens: Collection[str],
    sought: Sought,
    prints: Prints,
    numbers: Mapping[str, TableName],
    *,
    every: bool = False,
) -> list[Candidate]:
    """The persons ``tokens``, compared; without ``every`` those who are worth a look."""
    stored: dict[str, set[tuple[str, str]]] = defaultdict(set)
    tables: dict[str, set[TableName]] = defaultdict(set)
    for batch in batches(sorted(tokens), BATCH):
        at = archive.fingerprints.c
        statement = _joined(archive.units.c.subject_token, at.field, at.fingerprint)
        statement = statement.where(archive.units.c.subject_token.in_(batch))
        for token, field, item in connection.execute(statement.distinct()):
            stored[token].add((field, item))
        at_records = archive.records.c
        names = sa.select(at_records.subject_token, at_records.table_name).distinct()
        for token, name in connection.execute(names.where(at_records.subject_token.in_(batch))):
            tables[token].add(subject_of(installation.catalogue, TableName(name)))
    found = []
    for token in sorted(set(tables) & set(tokens)):
        likeness = _likeness(sought, prints, stored[token], known_number=token in numbers)
        if every or likeness.worth_a_look:
            # One person's rows are of one system, under one subject.
            table = numbers.get(token) or min(tables[token])
            found.append(Candidate(table, (), token, likeness, prints=frozenset(stored[token])))
    return found


def _too_many() -> RequestError:
    return Crowded(
        f"the archive: more than {CROWD} persons answer to what the request says; "
        "ask the person for more, such as the customer reference"
    )


def _likeness(
    sought: Sought, prints: Prints, stored: Collection[tuple[str, str]], *, known_number: bool
) -> Likeness:
    by_field: dict[str, set[str]] = defaultdict(set)
    for field, item in stored:
        by_field[field].add(item)
    agrees = {field for field in prints if by_field[field] & prints[field]} - {"full_name"}
    contradicts = {field for field in ("email", "phone", "address") if by_field[field]}
    if by_field["family_name"] or by_field["full_name"]:
        contradicts |= set(NAMES)
    if by_field["full_name"] & prints.get("full_name", frozenset()):
        agrees |= set(NAMES)
    elif by_field["full_name"] and "full_name" in prints:
        # Another name of the same family, or the same first name in another one.
        agrees -= {"first_name"}
    if known_number:
        agrees.add("customer_ref")
    given = frozenset(sought.said) | sought.unreadable
    return Likeness(frozenset(agrees), frozenset((contradicts & given) - agrees))
