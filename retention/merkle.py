"""Merkle trees over salted commitments, hashed as RFC 6962 (section 2.1) does.

A leaf commits to a row without saying anything about it to whoever lacks the salt. Leaves and
nodes are hashed in separate domains, so that a node cannot be passed off as a leaf.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


class Step(NamedTuple):
    """One step from a leaf towards the root: the sibling's hash and the side it stands on."""

    side: Literal["left", "right"]
    sibling: bytes


def leaf(salt: bytes, *parts: bytes) -> bytes:
    """The 32-byte commitment to ``parts``, for whoever has the salt.

    Each part is preceded by its length: bytes moved over a border change the commitment.
    """
    message = b"".join(len(part).to_bytes(8, "big") + part for part in (salt, *parts))
    return leaf_hash(message)


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962's hash of one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The 32-byte root over leaf hashes, in their order; ``EMPTY_ROOT`` over none."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> tuple[Step, ...]:
    """The audit path of the leaf at ``index``, from the leaf upwards.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError("the tree has no leaf with this index")
    steps: list[Step] = []
    level = list(leaves)
    while len(level) > 1:
        if index % 2:
            steps.append(Step("left", level[index - 1]))
        elif index + 1 < len(level):
            steps.append(Step("right", level[index + 1]))
        level = _parents(level)
        index //= 2
    return tuple(steps)


def verify(leaf: bytes, path: Iterable[tuple[str, bytes]], root: bytes) -> bool:
    """Whether ``path`` leads from ``leaf`` to ``root``.

    Compute ``leaf`` from the row and the salt: a hash taken on trust proves nothing.
    """
    at = leaf
    for side, sibling in path:
        if side not in ("left", "right"):
            return False
        at = _node(sibling, at) if side == "left" else _node(at, sibling)
    return hmac.compare_digest(at, root)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _parents(level: list[bytes]) -> list[bytes]:
    # A node without a sibling moves up as it is, which gives RFC 6962's left-heavy tree.
    parents = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return parents + level[-1:] if len(level) % 2 else parents
