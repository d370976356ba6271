"""Pseudonyms of whole columns: the exact HMAC-SHA256 of each value, and the key's version.

A frame pseudonym is ``hmac<version>_`` and the 64 hexadecimal digits of

    HMAC-SHA256(domain key, UTF-8 text of the value), where
    domain key = HMAC-SHA256(secret, "pseudonym/frame/1/" version "/" domain)

so the same value has unlinkable pseudonyms in two domains, under two versions, and in the
archive (``pseudonyms`` derives its keys otherwise). The text of a value is that of
``hierarchies.leaf_text``: 7 and 7.0 are "7"; bytes are taken as they are; nulls stay null.

Rotation, from version n to a later one: ``rotate`` needs both keys and the values, proves that
every pseudonym is the value's under the old key, and answers with the new one. Where the values
lie elsewhere, ``rotation_table`` maps old to new for the values it is given and ``remap`` applies
it. Without the values, or without either key, nothing leads from one version to the other: to
destroy the old key and the table is to cut the link for good.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.distinct import arrow, arrow_strings, of_arrow
from anonymizers.hierarchies import leaf_text
from anonymizers.pseudonyms import hmac_digests

_SHAPE = re.compile(r"hmac([1-9][0-9]{0,8})_[0-9a-f]{64}")
_DIGEST = 32
_BYTE = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype="<u2")
_HEX = (_BYTE[None, :].astype("<u4") | _BYTE[:, None].astype("<u4") << 16).reshape(-1)
"""Four digits for every two bytes, in memory order: twice as fast as a byte at a time."""
_CHUNK = 4_096
"""Messages hashed in a row: few enough to stay in the processor's cache."""


class RotationError(ValueError):
    """Pseudonyms are not those of the values, or not in the table. It names counts only."""


@dataclass(frozen=True)
class FrameKey:
    """A secret of at least 32 random bytes, and its version: 1, 2, …"""

    version: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.version < 10**9:
            raise ValueError(f"a key's version is a number from 1 on, not {self.version}")
        if len(self.secret) < _DIGEST:
            raise ValueError(f"a key is at least {_DIGEST} bytes, not {len(self.secret)}")

    @property
    def prefix(self) -> str:
        """What every pseudonym under this key begins with."""
        return f"hmac{self.version}_"

    def for_domain(self, domain: str) -> bytes:
        """The key under which the values of ``domain`` are hashed."""
        if not domain:
            raise ValueError("a pseudonym needs a domain: the name of what is pseudonymised")
        label = f"pseudonym/frame/1/{self.version}/{domain}".encode("utf-8", "surrogatepass")
        return hmac_digests(self.secret, [label])


def frame_pseudonym(value: object, key: FrameKey, domain: str) -> str:
    """The pseudonym of one value: what ``pseudonymise`` gives each row."""
    return key.prefix + hmac_digests(key.for_domain(domain), [_message(value)]).hex()


def pseudonymise(values: pd.Series[Any], key: FrameKey, domain: str) -> pd.Series[Any]:
    """The pseudonym of every value: dtype ``str``, index and name kept, nulls stay null.

    Each distinct value is hashed once.
    """
    pa = arrow()

    messages, count, codes = _distinct_messages(values)
    prefix = np.frombuffer(key.prefix.encode(), dtype=np.uint8)
    texts = np.empty((count, len(prefix) + 2 * _DIGEST), dtype=np.uint8)
    texts[:, : len(prefix)] = prefix
    secret = key.for_domain(domain)
    for start in range(0, count, _CHUNK):
        digests = np.frombuffer(hmac_digests(secret, messages(start)), dtype="<u2")
        digits = np.take(_HEX, digests).view(np.uint8)
        texts[start : start + _CHUNK, len(prefix) :] = digits.reshape(-1, 2 * _DIGEST)
    ends = np.arange(count + 1, dtype=np.int64) * texts.shape[1]
    found = pa.LargeStringArray.from_buffers(
        count, pa.py_buffer(ends), pa.py_buffer(texts.reshape(-1))
    )
    if codes is not None:
        found = found.take(codes)
    return pd.Series(of_arrow(found), index=values.index, name=values.name)


def version_counts(pseudonyms: pd.Series[Any]) -> dict[int, int]:
    """How many rows are under which version. Raises ``ValueError`` where one is no pseudonym."""
    counts: dict[int, int] = {}
    strangers = 0
    for text, rows in pseudonyms.value_counts().items():
        shape = _SHAPE.fullmatch(text) if isinstance(text, str) else None
        if shape is None:
            strangers += int(rows)
        else:
            version = int(shape[1])
            counts[version] = counts.get(version, 0) + int(rows)
    if strangers:
        raise ValueError(f"{strangers} of {len(pseudonyms)} rows hold no frame pseudonym")
    return dict(sorted(counts.items()))


def rotate(
    pseudonyms: pd.Series[Any],
    values: pd.Series[Any],
    old: FrameKey,
    new: FrameKey,
    domain: str,
) -> pd.Series[Any]:
    """``pseudonyms`` of ``values`` (same rows, in the same order) brought from ``old`` to ``new``.

    Rows that are under ``new`` already stay, so a rotation that was interrupted can be run
    again. Raises ``RotationError`` if any row is neither its value's old nor its new pseudonym.
    """
    _check_rotation(old, new)
    if len(pseudonyms) != len(values):
        raise RotationError(f"{len(pseudonyms)} pseudonyms for {len(values)} values")
    given = pseudonyms.astype("str").reset_index(drop=True)
    before = pseudonymise(values, old, domain).reset_index(drop=True)
    after = pseudonymise(values, new, domain).reset_index(drop=True)
    proven = (given == before) | (given == after) | (given.isna() & after.isna())
    if strangers := int((~proven).sum()):
        raise RotationError(
            f"{strangers} of {len(given)} pseudonyms are not those of the values under version "
            f"{old.version} or {new.version}: another key, another domain, or other rows"
        )
    return pd.Series(after.array, index=pseudonyms.index, name=pseudonyms.name)


def rotation_table(
    values: pd.Series[Any], old: FrameKey, new: FrameKey, domain: str
) -> pd.DataFrame:
    """The columns ``old`` and ``new``: one row for each distinct value, sorted by ``old``.

    It links the two versions: as secret as the keys, and to be destroyed with them.
    """
    _check_rotation(old, new)
    distinct = values.dropna()
    table = pd.DataFrame(
        {"old": pseudonymise(distinct, old, domain), "new": pseudonymise(distinct, new, domain)}
    )
    return table.drop_duplicates().sort_values("old", ignore_index=True)


def remap(pseudonyms: pd.Series[Any], table: pd.DataFrame) -> pd.Series[Any]:
    """``pseudonyms`` brought to the new version by a ``rotation_table``; nulls stay null.

    Rows under the new version already stay. Raises ``RotationError`` if a pseudonym is not in
    the table, or the table gives one old pseudonym two new ones.
    """
    pairs = table[["old", "new"]].drop_duplicates()
    if not pairs["old"].is_unique or not pairs["new"].is_unique:
        raise RotationError("the rotation table maps a pseudonym more than once")
    distinct = pd.Series(pseudonyms.dropna().unique(), dtype="str")
    mapped = distinct.map(pairs.set_index("old")["new"])
    mapped = mapped.where(mapped.notna(), distinct.where(distinct.isin(pairs["new"])))
    if strangers := int(mapped.isna().sum()):
        raise RotationError(
            f"{strangers} of {len(distinct)} distinct pseudonyms are not in the rotation table"
        )
    renewed = pseudonyms.map(pd.Series(mapped.array, index=pd.Index(distinct)))
    return renewed.astype("str")


def _check_rotation(old: FrameKey, new: FrameKey) -> None:
    if new.version <= old.version:
        raise ValueError(f"version {new.version} does not come after version {old.version}")
    if new.secret == old.secret:
        raise ValueError(f"version {new.version} has the secret of version {old.version}")


def _message(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return leaf_text(value).encode("utf-8", "surrogatepass")


def _distinct_messages(
    values: pd.Series[Any],
) -> tuple[Callable[[int], list[bytes]], int, Any]:
    """Chunks of the distinct values' bytes, their number, and each row's place among them.

    The places are an Arrow array, null for nulls, or ``None`` where every row is its own.
    """
    pa = arrow()

    if isinstance(values.dtype, pd.StringDtype) or pd.api.types.is_integer_dtype(values.dtype):
        texts = arrow_strings(values)
        codes = None
        if texts.null_count or _repeats(texts):
            encoded = texts.dictionary_encode()
            texts, codes = encoded.dictionary, encoded.indices
        raw = texts.cast(pa.large_binary())
        return (
            lambda start: raw.slice(start, _CHUNK).to_numpy(zero_copy_only=False).tolist(),
            len(raw),
            codes,
        )
    met, uniques = pd.factorize(values)
    items = list(uniques)
    places = pa.array(met, mask=met < 0)
    return (
        lambda start: [_message(item) for item in items[start : start + _CHUNK]],
        len(items),
        places,
    )


def _repeats(texts: Any) -> bool:
    """Whether values repeat so much that finding the distinct ones pays.

    By the birthday bound: were each value there twice on average, a random sample of 4 √n
    rows would hold a pair but for 1 chance in 3,000. Only time depends on the answer.
    """
    rows = len(texts)
    size = min(rows, 4 * math.isqrt(rows) + 1)
    sample: npt.NDArray[np.int64] = np.random.default_rng(rows).choice(rows, size, replace=False)
    return len(texts.take(sample).unique()) < size
