"""What the orchestrator's own stores still hold of a person: archive, vault and packages.

The archive is searched by fingerprints of every value, and by the opaque names of the person
and of their records; nothing is unsealed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from retention.identities import VERSION, fingerprint, normal
from retention.installation import Installation
from retention.requests.proving.found import Case, Outcomes, Trace
from retention.stores import archive, cases, vault
from retention.stores.open import reading
from retention.stores.sql import batches

_BY_ITSELF = ("email", "phone", "iban")

Found = Mapping[str, Any]


def store_traces(installation: Installation, case: Case, outcomes: Outcomes) -> Iterator[Trace]:
    """Every trace in the stores, explained or not.

    Raises:
        StoreError: a store cannot be read.
    """
    if case.corrected is not None:
        # What is theirs in the archive stays there: only wrong values are looked for.
        kinds = case.corrected.what | ({"full_name"} if "name" in case.corrected.what else set())
        found = _by_value(installation, case, outcomes)
        yield from (trace for trace in found if trace.what in kinds)
        return
    yield from _by_token(installation, case, outcomes)
    yield from _by_value(installation, case, outcomes)
    yield from _by_record(installation, case, outcomes)
    yield from _packages(installation, case)


def places_of(installation: Installation, tokens: Collection[str]) -> list[tuple[str, int]]:
    """The archive's records of the subjects ``tokens``: record token and incarnation.

    Raises:
        StoreError: the archive cannot be read.
    """
    at = archive.records.c
    statement = sa.select(at.record_token, at.incarnation).distinct()
    rows = _rows(installation.stores.archive, statement, at.subject_token, sorted(tokens))
    return sorted((row["record_token"], row["incarnation"]) for row in rows)


def _by_token(installation: Installation, case: Case, outcomes: Outcomes) -> Iterator[Trace]:
    at = archive.records.c
    rows = _rows(
        installation.stores.archive,
        sa.select(at.table_name, at.record_token, at.incarnation).distinct(),
        at.subject_token,
        case.tokens,
    )
    former = {tuple(place) for place in case.sought.get("former", ())}
    left = {
        (row["table_name"], row["record_token"])
        for row in rows
        if (row["record_token"], row["incarnation"]) not in former
    }
    for name, count in sorted(Counter(name for name, _ in left).items()):
        explained, why = outcomes.in_archive(name)
        yield Trace(f"archive:{name}", "record", count, explained, why)


def _by_value(installation: Installation, case: Case, outcomes: Outcomes) -> Iterator[Trace]:
    wanted = _fingerprints(installation, case)
    prints, records = archive.fingerprints.c, archive.records.c
    statement = sa.select(
        prints.record_token, prints.field, prints.fingerprint, records.table_name,
        records.subject_token,
    ).outerjoin_from(
        archive.fingerprints,
        archive.records,
        (prints.record_token == records.record_token) & (prints.unit_id == records.unit_id),
    )  # fmt: skip
    rows = _rows(installation.stores.archive, statement, prints.fingerprint, wanted)
    by_name = {item for item, field in wanted.items() if field == "full_name"}
    others = _Others(installation, case, by_name)
    others.read({row["subject_token"] for row in rows} - {None} - set(case.tokens))
    found: dict[tuple[str, str, bool, str], set[str]] = defaultdict(set)
    for row in rows:
        name = row["table_name"]
        if name is None:
            place, verdict = "archive", (False, "a fingerprint whose record is gone")
        elif row["subject_token"] in case.tokens:
            place, verdict = f"archive:{name}", outcomes.in_archive(name)
        else:
            place, verdict = f"archive:{name}", others.verdict(row["subject_token"], row["field"])
            allowed = outcomes.of_another(name)
            verdict = allowed if allowed[0] and not verdict[0] else verdict
        found[place, row["field"], *verdict].add(row["record_token"])
    for (place, field, explained, why), tokens in sorted(found.items()):
        yield Trace(place, field, len(tokens), explained, why)


def _fingerprints(installation: Installation, case: Case) -> dict[str, str]:
    """Fingerprints of every value by which the archive can be searched, and their fields."""
    region = installation.settings.requests.region
    pairs = [(field, value) for field, value, _ in case.sought["values"]]
    pairs += [("full_name", f"{first} {family}") for family, first, _ in case.sought["names"]]
    return {
        fingerprint(installation.keyring, field, form): field
        for field, value in pairs
        if field in (*_BY_ITSELF, "full_name") and (form := normal(field, value, region))
    }


@dataclass
class _Others:
    """Persons of the archive who are not the one that is looked for."""

    installation: Installation
    case: Case
    ours: Collection[str]
    """Fingerprints of the person's own names."""

    def read(self, tokens: Collection[str]) -> None:
        """What names the records of ``tokens`` have, by fingerprint."""
        prints, records = archive.fingerprints.c, archive.records.c
        statement = sa.select(records.subject_token, prints.fingerprint).join_from(
            archive.fingerprints,
            archive.records,
            (prints.record_token == records.record_token) & (prints.unit_id == records.unit_id),
        )
        named = statement.where(prints.field == "full_name", prints.version == VERSION)
        self._names: dict[str, set[str]] = defaultdict(set)
        for row in _rows(self.installation.stores.archive, named, records.subject_token, tokens):
            self._names[row["subject_token"]].add(row["fingerprint"])

    def verdict(self, token: str, field: str) -> tuple[bool, str]:
        if token in self.case.not_theirs:
            return True, "a person has said that the record is another's"
        if field == "full_name":
            return True, "another person has the same name"
        names = self._names.get(token, set())
        if names and not names & set(self.ours):
            return True, "the record is another person's, who shares the value"
        return False, "a further record that may be the same person's"


def _by_record(installation: Installation, case: Case, outcomes: Outcomes) -> Iterator[Trace]:
    """Leftovers under the opaque names of the person's records, whatever they belong to."""
    stores = installation.stores
    table_of = {token: name for name, token in case.sought["records"]}
    archived = {
        row["record_token"]
        for row in _rows(
            stores.archive, sa.select(archive.records.c.record_token).distinct(),
            archive.records.c.record_token, table_of,
        )
    }  # fmt: skip
    at = vault.records.c
    sealed = _rows(stores.vault, sa.select(at.record_token).distinct(), at.record_token, table_of)
    if left := {row["record_token"] for row in sealed} - archived:
        yield Trace(
            "vault", "identity", len(left), explained=False, why="an identity whose record is gone"
        )
    at = archive.evidence.c
    for place in (at.owner_token, at.record_token):
        statement = sa.select(place.label("token"), sa.func.count().label("n")).group_by(place)
        kept: Counter[tuple[str, bool, str]] = Counter()
        for row in _rows(stores.archive, statement, place, table_of):
            kept[table_of[row["token"]], *outcomes.in_archive(table_of[row["token"]])] += row["n"]
        for (name, explained, why), rows in sorted(kept.items()):
            yield Trace(f"archive:{name}", f"event by its {place.name}", rows, explained, why)


def _packages(installation: Installation, case: Case) -> Iterator[Trace]:
    """Copies of the data that were made for this person and are not destroyed yet."""
    who, made = cases.request_subjects.c, cases.packages.c
    theirs = _rows(
        installation.stores.cases,
        sa.select(who.request_id).where(who.chosen.is_(True)).distinct(),
        who.subject_token,
        case.tokens,
    )
    requests = {row["request_id"] for row in theirs}
    statement = sa.select(made.package_id).where(made.sealed.is_not(None))
    count = len(_rows(installation.stores.cases, statement, made.request_id, requests))
    if count:
        opposed = case.opposed_on is not None
        why = "the person's own copy" if opposed else "a copy made for the person is still there"
        yield Trace("package", "copy", count, explained=opposed, why=why)


def _rows(
    engine: Engine, statement: sa.Select[Any], column: Any, among: Iterable[str]
) -> Sequence[Found]:
    found: list[Found] = []
    with reading(engine) as connection:
        for batch in batches(among):
            rows = connection.execute(statement.where(column.in_(batch))).mappings()
            found += [dict(row) for row in rows]
    return found
