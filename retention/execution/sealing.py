"""Sealing a tree for the archive: in segments that expire together, identities apart.

A row's columns are split by the day on which the last purpose that needs them ends. Each
part belongs to an archive unit (one subject, one day of expiry) with a key of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from anonymizers.pseudonyms import pseudonym
from retention.catalogue.declarations import Column
from retention.encoding import decode, encode
from retention.execution.trees import Tree, TreeRow
from retention.keys import Keyring, seal_with, unseal_with
from retention.planning.facts import pack, unpack
from retention.planning.judge import Judged
from retention.planning.memory import record_token
from retention.policy.calendar import ONE_DAY
from retention.policy.decide import Decision, Facts

OWNER_PREFIX = "owner."
"""Before the names of the owner's columns that a row carries along."""

PSEUDONYMS = "~pseudonyms"
"""Where a payload keeps the pseudonyms of the identifying columns."""


@dataclass(frozen=True)
class Segment:
    """The columns of one archived row that expire on the same day."""

    record_token: str
    table: str
    subject_token: str
    expires_on: date
    payload: Mapping[str, Any]
    identity: Mapping[str, Any]
    facts: Mapping[str, Any]
    row_digest: bytes


def segments(
    keyring: Keyring,
    tree: Tree,
    judged: Judged,
    subject_token: str,
    carried: Mapping[str, Any],
) -> Iterator[Segment]:
    """Every segment of a tree. ``carried`` are owner's columns the root takes along."""
    for row in tree.rows:
        token = record_token(keyring, row.name, row.key)
        digest = keyring.row_digest(row.row)
        extra = carried if row is tree.root else {}
        for day, part in _by_expiry(keyring, row, judged.decision, extra).items():
            facts = pack_facts(judged.facts, sorted(part.needed_by))
            yield Segment(
                token, row.name, subject_token, day, part.payload, part.identity, facts, digest
            )


RESTRICTED_UNTIL = date(9999, 1, 1)
"""The day of expiry of units of restricted rows: they go back, or are decided on anew."""

RESTRICTED = "restricted"
"""In a record's facts: it is here whole, since a restriction took it from its source."""


def whole(keyring: Keyring, tree: Tree, subject_token: str) -> Iterator[Segment]:
    """Every row of a tree as it is, nothing dropped: what a lifted restriction puts back."""
    for row in tree.rows:
        identity = {name: v for name, v in row.row.items() if row.table.columns[name].identifies}
        payload = {name: v for name, v in row.row.items() if name not in identity}
        yield Segment(
            record_token(keyring, row.name, row.key),
            row.name,
            subject_token,
            RESTRICTED_UNTIL,
            payload,
            identity,
            {RESTRICTED: True},
            keyring.row_digest(row.row),
        )


def expires_on(decision: Decision, purposes: Sequence[str]) -> date | None:
    """The first day on which none of ``purposes`` (none given: of all) keeps the data."""
    ends = [
        item.archive_through
        for item in decision.purposes
        if item.live and item.archive_through and (not purposes or item.purpose in purposes)
    ]
    return min(max(ends), date.max - ONE_DAY) + ONE_DAY if ends else None


@dataclass
class _Part:
    """The columns of a row that expire on one day, and the purposes that keep them until then."""

    payload: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    needed_by: set[str] = field(default_factory=set)


def _by_expiry(
    keyring: Keyring, row: TreeRow, decision: Decision, carried: Mapping[str, Any]
) -> dict[date, _Part]:
    found: dict[date, _Part] = defaultdict(_Part)
    live = set(decision.live_purposes)
    whole = expires_on(decision, ())
    assert whole is not None, "only rows in the archive phase are archived"
    found[whole].needed_by |= live  # the row itself, though each of its columns went earlier
    for name, value in row.row.items():
        column = row.table.columns[name]
        needed = () if name in row.table.key else column.purposes
        day = expires_on(decision, needed)
        if column.archive == "drop" or day is None:
            continue
        part = found[day]
        part.needed_by |= live & set(needed) if needed else live
        if column.identifies:
            part.identity[name] = value
        else:
            part.payload[name] = value
    for part in found.values():
        if tokens := pseudonyms(keyring, row.table.columns, part.identity):
            part.payload[PSEUDONYMS] = tokens
    for name, value in carried.items():
        found[whole].identity[OWNER_PREFIX + name] = value
    return found


def pseudonyms(
    keyring: Keyring, columns: Mapping[str, Column], identity: Mapping[str, Any]
) -> dict[str, str]:
    """What stands in a payload for the identifying columns that are in the vault."""
    return {
        name: pseudonym(keyring.pseudonym_key, f"archive:{columns[name].category}", str(value))
        for name, value in identity.items()
        if name in columns and value is not None
    }


@dataclass(frozen=True)
class SealedSegment:
    """A segment under its unit's key, ready to be written."""

    segment: Segment
    unit_id: str
    incarnation: int
    payload: bytes
    identity: bytes


def seal(segment: Segment, unit_id: str, unit_key: bytes, incarnation: int) -> SealedSegment:
    """Encrypt a segment under its unit's key, bound to its place in the archive."""
    place = _place(segment.record_token, incarnation, unit_id)
    return SealedSegment(
        segment,
        unit_id,
        incarnation,
        seal_with(unit_key, f"payload:{place}", encode(dict(segment.payload))),
        seal_with(unit_key, f"identity:{place}", encode(dict(segment.identity))),
    )


def unseal_payload(
    token: str, incarnation: int, unit_id: str, unit_key: bytes, blob: bytes
) -> dict[str, Any]:
    """What ``seal`` put into the archive."""
    place = _place(token, incarnation, unit_id)
    found: dict[str, Any] = decode(unseal_with(unit_key, f"payload:{place}", blob))
    return found


def unseal_identity(
    token: str, incarnation: int, unit_id: str, unit_key: bytes, blob: bytes
) -> dict[str, Any]:
    """What ``seal`` put into the vault."""
    place = _place(token, incarnation, unit_id)
    found: dict[str, Any] = decode(unseal_with(unit_key, f"identity:{place}", blob))
    return found


def reseal(
    row: Mapping[str, Any],
    identity: bytes | None,
    old: tuple[str, bytes],
    new: tuple[str, bytes],
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A stored record under another unit: the rows of archive and vault, final ones.

    ``old`` and ``new`` are the units' ids and keys.

    Raises:
        StoreError: it cannot be unsealed.
    """
    token, incarnation = row["record_token"], row["incarnation"]
    before = _place(token, incarnation, old[0])
    after = _place(token, incarnation, new[0])
    payload = unseal_with(old[1], f"payload:{before}", row["payload"])
    moved = {**row, "unit_id": new[0]}
    moved["payload"] = seal_with(new[1], f"payload:{after}", payload)
    if identity is None:
        return moved, None
    opened = unseal_with(old[1], f"identity:{before}", identity)
    sealed = {
        "record_token": token,
        "incarnation": incarnation,
        "unit_id": new[0],
        "sealed": seal_with(new[1], f"identity:{after}", opened),
        "chunk_id": row["chunk_id"],
    }
    return moved, sealed


def _place(token: str, incarnation: int, unit_id: str) -> str:
    return f"{token}:{incarnation}:{unit_id}"


def pack_facts(facts: Facts, purposes: Sequence[str]) -> dict[str, Any]:
    """Facts as JSON, days only, and the purposes that keep what is archived.

    With them the archive can be decided on again when the policy changes.
    """
    return {"purposes": list(purposes), **pack(facts)}


def unpack_facts(packed: Mapping[str, Any]) -> tuple[Facts, tuple[str, ...]]:
    """What ``pack_facts`` put away."""
    return unpack(packed), tuple(packed["purposes"])
