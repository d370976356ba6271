"""Putting restricted rows back, broken off: was the source's transaction committed?

The keys were free when it began, and it was one transaction. So rows that are there as they were
sealed were put back by it, and where none is there nothing was. Where rows are there, yet none as
it was sealed, an application has changed every one since, or has used the keys for others. No
program can tell: a person has to look, and until then the sealed copies stay. Columns that a table
has got since count for nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.model import TableName
from retention.errors import SourceError, StoreError
from retention.execution.chunks import Chunk, IntendedRow
from retention.execution.restricted import restricted_rows
from retention.execution.sealing import RESTRICTED, Segment
from retention.execution.work import Work
from retention.planning.facts import Key, key_in
from retention.stores import archive
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches


def committed(work: Work, rows: Sequence[IntendedRow]) -> bool | None:
    """Whether the transaction that was to put ``rows`` back was committed; ``None``: who knows.

    Copies go only after it, and their keys first: where one has gone, it was.

    Raises:
        SourceError: the system is out of reach.
    """
    copies = _copies(work, [token for row in rows for token in row.tokens])
    units = {copy.unit_id for copy in copies}
    if not copies or work.installation.keyring.destroyed(units):
        return True
    there = _there(work, rows)
    if not there:
        return False
    if len(there) != len(rows):
        return None
    as_sealed = _as_sealed(work, copies, there) or _as_sealed(
        work, copies, _but_for_new_columns(work, copies, there)
    )
    return True if as_sealed else None


def _as_sealed(work: Work, copies: Iterable[Any], there: Mapping[str, Mapping[str, Any]]) -> bool:
    digest = work.installation.keyring.row_digest
    return any(
        digest(there[copy.record_token]) == bytes(copy.row_digest)
        for copy in copies
        if copy.record_token in there
    )


def _but_for_new_columns(
    work: Work, copies: Iterable[Any], there: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The rows ``there`` without the columns that their tables have got since."""
    try:
        sealed = restricted_rows(work.installation, [copy.subject_token for copy in copies])
    except StoreError:
        return {}  # what cannot be unsealed is not compared; 'lift' says so
    return {
        row.record_token: {
            name: value
            for name, value in there.get(row.record_token, {}).items()
            if name in row.values
        }
        for row in sealed
    }


def undecided_chunks(work: Work) -> list[tuple[Chunk, list[IntendedRow]]]:
    """What earlier runs meant to put back, and the repair could not tell whether they did."""
    chunks = work.journal.chunks("intended", stage="restore", any_run=True)
    return [
        (chunk, work.journal.intent(chunk))
        for chunk in chunks
        if chunk.run_id != work.journal.run_id
    ]


def what_to_do(work: Work, rows: Sequence[IntendedRow]) -> str:
    """What a person has to look at and decide, in one line without personal data."""
    wanted = Counter(str(row.key[0]) for row in rows)
    there = _there(work, rows)
    found = Counter(str(row.key[0]) for row in rows if row.tokens[0] in there)
    places = ", ".join(
        f"{name} ({found[name]} of {count})" for name, count in sorted(wanted.items())
    )
    return (
        "an earlier attempt to put the restricted rows back broke off, and rows that are not as "
        f"they were sealed are under their keys now: {places}. Look at them. If they are the "
        "person's, put back and changed since, lift with '--keep-rows': they stay as they are, "
        "what is missing counts as deleted since, and the sealed copies are destroyed. If they "
        "are others', remove them or give them other keys, then lift again. Nothing was changed"
    )


def refuse_to_seal_again(work: Work, made: Iterable[Segment]) -> None:
    """Nothing may be sealed beside copies of which it is not certain that they still count.

    Nor a second row under a key of which a restriction has sealed a row already: only one of
    them could be put back.

    Raises:
        SourceError: one of ``made`` would be.
    """
    restricted = [item for item in made if RESTRICTED in item.facts]
    if not restricted:
        return
    unsure = {token for _, rows in undecided_chunks(work) for row in rows for token in row.tokens}
    persons = {copy.subject_token for copy in _copies(work, unsure)}
    sealed = {copy.record_token for copy in _copies(work, [s.record_token for s in restricted])}
    for item in restricted:
        if item.record_token in sealed or item.subject_token in persons:
            raise SourceError(
                f"{item.table}: a restriction of the same rows has not ended: 'retention request "
                "lift' ends it, or says what hinders it; then try again"
            )


def _copies(work: Work, tokens: Iterable[str]) -> list[Any]:
    """The final copies, of records that a restriction took out, that ``tokens`` name."""
    at, unit = archive.records.c, archive.units.c
    statement = (
        sa.select(at.record_token, at.unit_id, at.row_digest, at.facts, unit.subject_token)
        .join(archive.units, unit.unit_id == at.unit_id)
        .where(at.settled.is_(True))
    )
    found: list[Any] = []
    with reading(work.installation.stores.archive) as connection:
        for batch in batches(sorted(set(tokens)), BATCH):
            found += connection.execute(statement.where(at.record_token.in_(batch))).all()
    return [row for row in found if RESTRICTED in row.facts]


def _there(work: Work, rows: Sequence[IntendedRow]) -> dict[str, dict[str, Any]]:
    """The rows that are in the source under the keys of ``rows``, by token."""
    by_table: dict[TableName, dict[Key, str]] = defaultdict(dict)
    for row in rows:
        by_table[TableName(row.key[0])][tuple(row.key[1:])] = row.tokens[0]
    found: dict[str, dict[str, Any]] = {}
    for name, tokens in by_table.items():
        with work.installation.sources.begin(name.partition(".")[0]) as connection:
            present = _rows_of(work, connection, name, list(tokens))
        found |= {tokens[key]: row for key, row in present.items() if key in tokens}
    return found


def _rows_of(
    work: Work, connection: Connection, name: TableName, keys: Sequence[Key]
) -> dict[Key, dict[str, Any]]:
    """The rows of a table that are in the source, by key."""
    sql = work.installation.sources.table(name)
    key = [sql.c[column] for column in work.installation.catalogue.table(name).key]
    found: dict[Key, dict[str, Any]] = {}
    for batch in batches(keys, BATCH):
        statement = sa.select(*sql.columns).where(key_in(key, batch))
        for row in connection.execute(statement).mappings():
            found[tuple(row[column.name] for column in key)] = dict(row)
    return found
