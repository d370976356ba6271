"""Many columns of small integers as one integer a row, and integers numbered anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[Any]
"""A one-dimensional array of integers of whatever width."""

_LARGEST_KEY = 2**62


def combine(codes: Sequence[Ints], radices: Sequence[int]) -> Ints:
    """One integer for each row, ordered as the rows' codes are (mixed radix).

    Where the product of the radices exceeds 62 bits, what was combined so far is numbered anew
    and the product starts again from the number of distinct values.
    """
    rows = len(codes[0]) if codes else 0
    small = int(np.prod([float(radix) for radix in radices])) < 2**31
    key = np.zeros(rows, dtype=np.int32 if small else np.int64)
    size = 1
    for column, radix in zip(codes, radices, strict=True):
        if size * radix > _LARGEST_KEY:
            ids, first = factorise(key)
            key, size = ids.astype(np.int64), len(first)
        np.multiply(key, key.dtype.type(radix), out=key)
        np.add(key, column.astype(key.dtype, copy=False), out=key)
        size *= radix
    return key


def factorise(key: Ints) -> tuple[Ints, Ints]:
    """Number the distinct keys in rising order: (number of each row, a row of each number)."""
    ids, uniques = pd.factorize(key)
    order = np.argsort(uniques, kind="stable")
    rank = np.empty(len(uniques), dtype=np.int32)
    rank[order] = np.arange(len(uniques), dtype=np.int32)
    of_row = rank[ids]
    first = np.empty(len(uniques), dtype=np.int64)
    first[of_row[::-1]] = np.arange(len(of_row) - 1, -1, -1)
    return of_row, first


def distinct(key: Ints) -> Ints:
    """The distinct keys in rising order. ``key`` itself is sorted in place.

    Several times as fast as ``np.unique``, which looks every key up in a table.
    """
    key.sort()
    return key[first_of_run(key)]


def first_of_run(*columns: Ints) -> npt.NDArray[np.bool_]:
    """Where a row differs from the one before it."""
    fresh = np.zeros(len(columns[0]), dtype=np.bool_)
    fresh[:1] = True
    for column in columns:
        fresh[1:] |= column[1:] != column[:-1]
    return fresh
