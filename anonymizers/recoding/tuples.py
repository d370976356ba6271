"""Rows collapsed to weighted distinct tuples of quasi-identifiers.

Every recoding and every measurement works on these: ten million rows of a population rarely
have more than some hundred thousand distinct tuples. Tuples stand in the order of their codes,
so nothing that follows depends on the order of the rows. A subject that has several rows counts
once in whatever group its tuples are put.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.hierarchies import MISSING
from anonymizers.recoding.integer_keys import Ints, combine, factorise
from anonymizers.recoding.tallies import Tally, tallies


@dataclass(frozen=True, eq=False)
class Tuples:
    """Distinct tuples: ``codes[column][tuple]``, the rows of each, and who and what they hold.

    ``subjects`` is a tally of one value, ``sensitive`` a tally for each sensitive column, whose
    values are numbered as in ``categories`` (nulls are the category ``MISSING``, the last).
    ``references`` counts each value once a subject in the whole frame.
    """

    codes: tuple[Ints, ...]
    rows: npt.NDArray[np.int64]
    subjects: Tally
    sensitive: Mapping[str, Tally] = field(default_factory=dict)
    categories: Mapping[str, pd.Index] = field(default_factory=dict)
    references: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: Ints) -> Tuples:
        """Some of the tuples, by their numbers; the references stay those of the whole frame."""
        return Tuples(
            codes=tuple(codes[index] for codes in self.codes),
            rows=self.rows[index],
            subjects=self.subjects.take(index),
            sensitive={name: tally.take(index) for name, tally in self.sensitive.items()},
            categories=self.categories,
            references=self.references,
        )


def collapse(
    codes: Sequence[Ints],
    radices: Sequence[int],
    *,
    subject: Ints | None = None,
    sensitive: Mapping[str, tuple[Ints, pd.Index]] | None = None,
    fixed: bool = False,
) -> tuple[Tuples, Ints]:
    """The distinct tuples of rows, and the number of each row's tuple (int32).

    ``codes`` has an array for each quasi-identifier, below the radix of that column; ``subject``
    numbers the subject of each row; ``sensitive`` holds codes and categories. ``fixed`` is for
    tuples that are not going to be put together into groups: it saves the work of knowing who is
    in several of them (and leaves ``references`` to the caller where there are subjects).
    """
    of_row, first = factorise(combine(codes, radices))
    met = [column[first] for column in codes]
    return weighted(met, of_row, subject=subject, sensitive=sensitive, fixed=fixed), of_row


def weighted(
    codes: Sequence[Ints],
    of_row: Ints,
    *,
    subject: Ints | None = None,
    sensitive: Mapping[str, tuple[Ints, pd.Index]] | None = None,
    fixed: bool = False,
) -> Tuples:
    """As ``collapse``, where the distinct tuples and the number of each row's are known."""
    count = len(codes[0])
    columns = {
        name: (values, len(categories)) for name, (values, categories) in (sensitive or {}).items()
    }
    people, spread = tallies(of_row, count, columns, subject, fixed=fixed)
    everything = np.zeros(count, dtype=np.int64)
    references = {}
    for name, tally in spread.items():
        _, met, counts = tally.grouped(everything, 1)
        references[name] = np.zeros(tally.values, dtype=np.int64)
        references[name][met] = counts
    return Tuples(
        codes=tuple(codes),
        rows=np.bincount(of_row, minlength=count).astype(np.int64),
        subjects=people,
        sensitive=spread,
        categories={name: categories for name, (_, categories) in (sensitive or {}).items()},
        references=references,
    )


def encode_subject(frame: pd.DataFrame, subject: str) -> Ints:
    """A number for each subject. Raises ``ValueError`` where a row has none: it cannot be counted.

    A row without a subject might belong to anybody, so no count with it would be a lower bound.
    """
    values = frame[subject]
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu" and len(values):
        least, most = int(values.min()), int(values.max())
        if most - least <= 4 * len(values):
            # Keys of a table lie close together: no need to look each of them up.
            return values.to_numpy() - values.dtype.type(least)
    ids, _ = pd.factorize(values)
    if missing := int((ids < 0).sum()):
        raise ValueError(f"{subject}: {missing} of {len(ids)} rows have no subject")
    return ids


def encode_values(values: pd.Series[Any]) -> tuple[Ints, pd.Index]:
    """Codes and categories of a sensitive column, in the order of the values.

    Numbers and dates are in their own order, ordered categoricals in theirs, all else in that
    of its text. Nulls are the category ``MISSING``, the last. Categories nobody has stay out.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        found: Ints = values.cat.codes.to_numpy()
        categories = values.cat.categories
        ordered = bool(values.cat.ordered)
    else:
        found, categories = pd.factorize(values)
        categories, ordered = pd.Index(categories), False
    met = np.bincount(found[found >= 0], minlength=len(categories)) > 0
    numbers = np.flatnonzero(met)
    if not ordered:
        numbers = numbers[_order(categories[numbers])]
    new = np.full(len(categories) + 1, len(numbers), dtype=np.int32)
    new[numbers] = np.arange(len(numbers))
    kept = pd.Index(categories[numbers], dtype=object)
    if (found < 0).any():
        kept = kept.append(pd.Index([MISSING], dtype=object))
    return new[found], kept


def _order(values: pd.Index) -> Ints:
    try:
        return np.argsort(values.to_numpy(), kind="stable")
    except TypeError:
        return np.argsort([str(value) for value in values], kind="stable")
