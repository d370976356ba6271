"""Which rows of a release a person could be: generalised labels against values in the clear.

A *profile* is a distinct combination of labels of the release, with its rows; persons are leaf
codes. What is expensive is done on the labels met and on distinct combinations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy, HierarchyError, leaf_text

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_CHUNK = 1 << 24
"""Bytes of a block of comparisons."""
_RANGE = re.compile(r"(-?[0-9.]+(?:e[+-]?[0-9]+)?)–(-?[0-9.]+(?:e[+-]?[0-9]+)?)")


@dataclass(frozen=True, eq=False)
class Column:
    """How the labels of one column cover values: ``covers[label, leaf]``; the last leaf is unknown."""

    name: str
    labels: Ints
    """The label of each row of the release, as a number."""
    texts: list[str]
    covers: Mask
    leaves: Mapping[str, int]
    hierarchy: Hierarchy | None = None

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The share of the leaves that each label covers, at least one leaf's."""
        covered = np.maximum(self.covers[:, :-1].sum(axis=1), 1)
        return np.asarray(covered / max(self.covers.shape[1] - 1, 1))

    def encode(self, values: pd.Series[Any]) -> Ints:
        """Leaf codes of values in the clear; what the column does not know is covered by ``*``."""
        met, uniques = pd.factorize(values.astype(object))
        unknown = self.covers.shape[1] - 1
        codes = [self.leaves.get(leaf_text(value), unknown) for value in uniques]
        return np.array([*codes, self.leaves[MISSING]], dtype=np.int64)[met]

    def only(self, labels: Ints) -> Column:
        """The column with some of its labels, numbered anew in their order."""
        texts = [self.texts[label] for label in labels]
        return replace(self, texts=texts, covers=self.covers[labels])

    def around(self, labels: Ints, leaves: Ints) -> Column:
        """Labels as coarse as ``labels``, around other values: on their level, or of their width."""
        covers = np.zeros((len(labels), self.covers.shape[1]), dtype=np.bool_)
        unknown = covers.shape[1] - 1
        for row, (label, leaf) in enumerate(zip(labels, leaves, strict=True)):
            text = self.texts[label]
            if text == EVERYTHING:
                covers[row] = True
            elif leaf != unknown:
                covers[row, :-1] = self._around(text, int(leaf))
        return replace(self, texts=[""] * len(labels), covers=covers)

    def _around(self, text: str, leaf: int) -> Mask:
        if self.hierarchy is not None:
            level = next(at for at, labels in enumerate(self.hierarchy.labels) if text in labels)
            codes = self.hierarchy.codes[level]
            return np.asarray(codes == codes[leaf])
        if ends := _RANGE.fullmatch(text):
            half = (float(ends[2]) - float(ends[1])) / 2
            return np.asarray(np.abs(self._numbers - self._numbers[leaf]) <= half)
        return np.asarray(np.arange(len(self.leaves)) == leaf)

    @cached_property
    def _numbers(self) -> npt.NDArray[np.float64]:
        return _numbers(list(self.leaves))


def column(
    release: pd.Series[Any], in_the_clear: Sequence[pd.Series[Any]], hierarchy: object
) -> Column:
    """The labels of a column of the release. ``in_the_clear``: the values that may be met.

    Labels of a column without a hierarchy are values, ``*``, ``(missing)`` or ranges ("20–29").
    Raises ``HierarchyError`` for labels that the hierarchy does not have.
    """
    name = str(release.name)
    found, uniques = pd.factorize(release.astype(object), use_na_sentinel=False)
    texts = [MISSING if pd.isna(value) else leaf_text(value) for value in uniques]
    labels = np.asarray(found, dtype=np.int64)
    if isinstance(hierarchy, Hierarchy):
        leaves = {text: code for code, text in enumerate(hierarchy.labels[0])}
        covers = _of_hierarchy(hierarchy, texts)
    else:
        met = {
            leaf_text(value): None
            for values in in_the_clear
            for value in pd.unique(values.dropna().astype(object))
        }
        met |= dict.fromkeys(
            text for text in texts if text != EVERYTHING and not _RANGE.fullmatch(text)
        )
        met[MISSING] = None
        leaves = {text: code for code, text in enumerate(met)}
        covers = _of_texts(texts, list(leaves))
    known = hierarchy if isinstance(hierarchy, Hierarchy) else None
    return Column(name, labels, texts, covers, leaves, known)


def _of_hierarchy(hierarchy: Hierarchy, texts: Sequence[str]) -> Mask:
    place: dict[str, tuple[int, int]] = {}
    for level, labels in enumerate(hierarchy.labels):
        for code, label in enumerate(labels):
            place.setdefault(label, (level, code))
    if unknown := sum(text not in place for text in texts):
        raise HierarchyError(
            f"{hierarchy.column}: {unknown} of the release's labels are not in the hierarchy"
        )
    covers = np.zeros((len(texts), len(hierarchy.labels[0]) + 1), dtype=np.bool_)
    for row, text in enumerate(texts):
        level, code = place[text]
        covers[row, :-1] = hierarchy.codes[level] == code
        covers[row, -1] = text == EVERYTHING
    return covers


def _of_texts(texts: Sequence[str], leaves: Sequence[str]) -> Mask:
    numbers = _numbers(leaves)
    index = {text: code for code, text in enumerate(leaves)}
    covers = np.zeros((len(texts), len(leaves) + 1), dtype=np.bool_)
    for row, text in enumerate(texts):
        if text == EVERYTHING:
            covers[row] = True
        elif text in index:
            covers[row, index[text]] = True
        elif ends := _RANGE.fullmatch(text):
            covers[row, :-1] = (numbers >= float(ends[1])) & (numbers <= float(ends[2]))
    return covers


def _numbers(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    return pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy("float64")


@dataclass(frozen=True, eq=False)
class Profiles:
    """The distinct combinations of labels of a release."""

    columns: tuple[Column, ...]
    labels: Ints
    """(profiles, columns)."""
    rows: Ints
    """Rows of the release in each profile."""
    of_row: Ints
    """The profile of each row of the release."""

    def pairs(self, persons: Ints) -> tuple[Ints, Ints]:
        """Profiles and persons that fit each other, by number.

        ``persons``: leaf codes (persons, columns). Time is profiles × persons × columns / 8.
        """
        if not len(persons) or not len(self.rows):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        # One bit a person: the comparisons of a profile are a few hundred bytes.
        fits = [
            np.packbits(column.covers[:, persons[:, at]], axis=1)
            for at, column in enumerate(self.columns)
        ]
        step = max(1, _CHUNK // max(1, fits[0].shape[1]))
        profiles, places = [], []
        for start in range(0, len(self.rows), step):
            block = fits[0][self.labels[start : start + step, 0]]
            for at in range(1, len(fits)):
                block &= fits[at][self.labels[start : start + step, at]]
            row, byte = np.nonzero(block)
            one, bit = np.nonzero(np.unpackbits(block[row, byte][:, None], axis=1))
            profiles.append(row[one] + start)
            places.append(byte[one] * 8 + bit)
        place = np.concatenate(places)
        real = place < len(persons)
        return np.concatenate(profiles)[real], place[real]

    def volumes(self) -> npt.NDArray[np.float64]:
        """The share of all combinations of values that each profile covers."""
        found = np.ones(len(self.rows))
        for at, column in enumerate(self.columns):
            found *= column.shares[self.labels[:, at]]
        return found


def profiles(
    release: pd.DataFrame,
    names: Sequence[str],
    in_the_clear: Sequence[pd.DataFrame],
    hierarchies: Mapping[str, object] | None,
) -> Profiles:
    """The profiles of a release over some of its columns."""
    columns = tuple(
        column(
            release[name], [frame[name] for frame in in_the_clear], (hierarchies or {}).get(name)
        )
        for name in names
    )
    table = np.stack([one.labels for one in columns], axis=1)
    of_row, first = grouped(table)
    rows = np.bincount(of_row, minlength=len(first))
    return Profiles(columns, table[first], rows, of_row)


def grouped(table: Ints) -> tuple[Ints, Ints]:
    """The group of each row of ``table``, and one row of each group."""
    key = np.zeros(len(table), dtype=np.int64)
    for values in table.T:
        both = key * (int(values.max(initial=0)) + 1) + values
        key = np.unique(both, return_inverse=True)[1].astype(np.int64)
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    return group.astype(np.int64), first.astype(np.int64)


def codes(found: Profiles, persons: pd.DataFrame) -> Ints:
    """Leaf codes of persons in the clear: (persons, columns)."""
    return np.stack([one.encode(persons[one.name]) for one in found.columns], axis=1)


def sample(count: int, wanted: int, random: np.random.Generator) -> Ints:
    """Some of the first ``count`` numbers, in order; all of them where no more are wanted."""
    if count <= wanted:
        return np.arange(count)
    return np.sort(random.choice(count, wanted, replace=False))
