"""Active rows as frames: labels instead of values, whole units instead of amounts, numbers
instead of persons.
"""  # noqa: D205 - one sentence

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anonymizers.cubes.cells import MISSING, in_units
from retention.catalogue.labels import Labeller, labeller
from retention.catalogue.model import TableName
from retention.encoding import encode
from retention.installation import Installation
from retention.releases.active import Page

if TYPE_CHECKING:
    from retention.releases.model import Measure, ReleaseColumn

SUBJECT = "retention_subject"
"""The column that tells persons apart while a release is made. It is never written."""

FINER = Decimal(10) ** -6
"""Sums are added up in units so much finer than they are published in: exactly."""


class Labels:
    """The labellers of a release's columns."""

    def __init__(
        self,
        installation: Installation,
        table: TableName,
        columns: Sequence[ReleaseColumn],
        folder: Path,
    ) -> None:
        at = installation
        self._by_name: dict[str, Labeller] = {
            column.name: labeller(at.sources, at.catalogue, at.zone, table, column, folder)
            for column in columns
        }

    def __getitem__(self, name: str) -> Labeller:
        return self._by_name[name]

    def of(self, page: Page) -> dict[str, pd.Series[Any]]:
        """Each column's labels, as a categorical; ``MISSING`` where there is nothing."""
        return {
            name: _categorical(name, made.labels(page.columns[made.coordinate.column]))
            for name, made in self._by_name.items()
        }


def _categorical(name: str, labels: Sequence[str | None]) -> pd.Series[Any]:
    filled = pd.Series(
        [MISSING if label is None else label for label in labels], name=name, dtype="str"
    )
    return filled.astype("category")


class Persons:
    """Numbers for persons: equal where the person is, and meaningless outside of this process."""

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def numbers(self, persons: Sequence[object]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """64-bit digests under a key that nobody keeps."""
        return np.fromiter((self._number(person) for person in persons), np.int64, len(persons))

    def _number(self, person: object) -> int:
        digest = hashlib.blake2b(encode(_plain(person)), digest_size=8, key=self._key)
        return int.from_bytes(digest.digest(), "big", signed=True)


def _plain(person: object) -> object:
    """Keys as text: a reference can be stored in another type than the key it equals."""
    if isinstance(person, tuple):
        return [_plain(part) for part in person]
    return person if person is None else str(person)


def fine_unit(measure: Measure) -> Decimal:
    """The unit that a measure is added up in."""
    return measure.round * FINER


def amounts(values: Sequence[Any], measure: Measure) -> pd.Series[Any]:
    """The values of a measure in fine units; what is no number counts nothing."""
    texts = pd.Series(["0" if value is None else str(value) for value in values], dtype=object)
    return in_units(texts.rename(measure.name), fine_unit(measure))


def frame(columns: Mapping[str, pd.Series[Any]], subjects: Sequence[int] | Any) -> pd.DataFrame:
    """A frame of those columns and the subjects."""
    made = pd.DataFrame(dict(columns))
    made[SUBJECT] = subjects
    return made
