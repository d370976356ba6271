"""The ledger: what was done, in a chain that shows any later change of it.

One entry for each run, table and transition, with counts and a Merkle root over salted
commitments to the rows: no personal data. Each entry's hash covers all of its fields and the
hash before it. The hash of the last entry, the *head*, is exported to a file outside the
database; only with it can entries cut off the end, or a chain made anew, be noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, insert, select

from retention.errors import StoreError
from retention.stores.control import ledger
from retention.stores.errors import store_errors
from retention.stores.open import reading

GENESIS = hashlib.sha256(b"retention ledger 1").hexdigest()
"""What the first entry has for its previous hash."""

_APPEND_LOCK = 5_706_433_191
"""Any number that is the same everywhere: PostgreSQL's name for the lock on appending."""

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LedgerEntry:
    """One entry. ``merkle_root``, ``previous`` and ``hash`` are 64 hexadecimal characters."""

    sequence: int
    run_id: str
    table_name: str
    transition: str
    as_of: date
    counts: Mapping[str, int]
    merkle_root: str
    previous: str
    recorded_at: datetime
    hash: str = ""

    def computed_hash(self) -> str:
        """SHA-256 over canonical JSON of every field but the hash itself."""
        fields = asdict(self) | {
            "as_of": self.as_of.isoformat(),
            "counts": dict(self.counts),
            "recorded_at": self.recorded_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
        del fields["hash"]
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Verification:
    """The outcome of ``verify``."""

    entries: int
    """How many entries hold, from the first on."""
    head: str
    """The hash of the last of them; ``GENESIS`` where there is none."""
    problem: str | None
    """The first fault found, in one line."""


class _Head(NamedTuple):
    sequence: int
    hash: str


def append(
    connection: Connection,
    *,
    run_id: str,
    table_name: str,
    transition: str,
    as_of: date,
    counts: Mapping[str, int],
    merkle_root: str,
    now: datetime,
) -> LedgerEntry:
    """Add an entry, in the caller's transaction on the control store.

    Args:
        connection: On the control store, inside the transaction that journals the work.
        run_id: The run.
        table_name: ``system.table``.
        transition: What was done.
        as_of: The day that was decided for.
        counts: Whole numbers only; names of counts, never of persons.
        merkle_root: 64 hexadecimal characters.
        now: An aware instant.

    Raises:
        ValueError: a count that is no whole number, or a root of another form.
        StoreError: the store cannot be written.
    """
    if any(type(count) is not int for count in counts.values()):
        raise ValueError("the counts of a ledger entry are whole numbers")
    if not _HEX.fullmatch(merkle_root):
        raise ValueError("a Merkle root is given as 64 hexadecimal characters")
    with store_errors("control"):
        if connection.dialect.name == "postgresql":
            # A run and a request may append at once: one waits until the other has committed.
            connection.execute(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
        last = _last(connection)
        entry = LedgerEntry(
            sequence=last.sequence + 1,
            run_id=run_id,
            table_name=table_name,
            transition=transition,
            as_of=as_of,
            counts=dict(counts),
            merkle_root=merkle_root,
            previous=last.hash,
            recorded_at=now.astimezone(UTC),
        )
        fields = asdict(entry) | {"hash": entry.computed_hash()}
        connection.execute(insert(ledger).values(fields))
    return LedgerEntry(**fields)


def verify(engine: Engine, head_file: Path | None) -> Verification:
    """Read the whole ledger and find an entry changed, removed, moved or cut off.

    Without ``head_file`` entries cut off the end cannot be noticed.

    Raises:
        StoreError: the control store cannot be read.
    """
    exported: _Head | None = None
    problem: str | None = None
    if head_file is not None:
        try:
            exported = _read_head(head_file)
        except StoreError as error:
            problem = str(error)
    count, head = 0, GENESIS
    with store_errors("control"), reading(engine) as connection:
        rows = connection.execute(
            select(ledger).order_by(ledger.c.sequence).execution_options(yield_per=1000)
        )
        try:
            for row in rows.mappings():
                entry = LedgerEntry(**row)
                fault = _fault(entry, count + 1, head)
                if fault is None and exported == (entry.sequence, entry.hash):
                    exported = None
                elif fault is None and exported and exported.sequence == entry.sequence:
                    fault = f"entry {entry.sequence} is not the one whose hash was exported"
                if fault is not None:
                    return Verification(count, head, problem or fault)
                count, head = entry.sequence, entry.hash
        except (ValueError, TypeError, AttributeError):
            return Verification(count, head, f"entry {count + 1} cannot be read")
    if problem is None and exported is not None and exported != (0, GENESIS):
        problem = (
            f"entries {count + 1} to {exported.sequence} are missing: {head_file} names the latter"
        )
    if problem is None and head_file is not None and count and not head_file.exists():
        problem = f"{head_file} is missing: whether entries were cut off cannot be told"
    return Verification(count, head, problem)


def export_head(engine: Engine, path: Path) -> None:
    """Write the sequence and hash of the last entry to ``path``, replacing it at once.

    Raises:
        StoreError: the store cannot be read or the file not be written; or the head that was
            exported before is not in the ledger, which means that entries are missing.
    """
    before = _read_head(path)
    with store_errors("control"), reading(engine) as connection:
        last = _last(connection)
        if before is not None and before.sequence > 0:
            query = select(ledger.c.hash).where(ledger.c.sequence == before.sequence)
            if connection.execute(query).scalar_one_or_none() != before.hash:
                raise StoreError(
                    f"store 'control': the ledger lacks entry {before.sequence}, whose hash"
                    f" {path} holds; find out why before moving that file away"
                )
    text = json.dumps({"sequence": last.sequence, "hash": last.hash}) + "\n"
    try:
        _replace(path, text)
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise StoreError(f"ledger head: {path} cannot be written: {why}") from None


def _fault(entry: LedgerEntry, expected: int, previous: str) -> str | None:
    if entry.sequence != expected:
        return f"entry {expected} is missing: after {expected - 1} comes {entry.sequence}"
    if entry.previous != previous:
        return f"entry {entry.sequence} does not follow the one before it"
    if entry.computed_hash() != entry.hash:
        return f"entry {entry.sequence} was changed"
    return None


def _last(connection: Connection) -> _Head:
    query = select(ledger.c.sequence, ledger.c.hash).order_by(ledger.c.sequence.desc()).limit(1)
    row = connection.execute(query).first()
    return _Head(row.sequence, row.hash) if row else _Head(0, GENESIS)


def _read_head(path: Path) -> _Head | None:
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        head = _Head(found["sequence"], found["hash"])
    except FileNotFoundError:
        return None
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise StoreError(f"ledger head: {path} cannot be read: {why}") from None
    except (ValueError, TypeError, KeyError):
        head = _Head(-1, "")
    known = type(head.sequence) is int and type(head.hash) is str
    if not known or head.sequence < 0 or (head.sequence == 0) != (head.hash == GENESIS):
        raise StoreError(f"ledger head: {path} does not hold the head of a ledger")
    return head


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
