"""How many subjects of each tuple have each value, in a form that adds up over groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from anonymizers.recoding.integer_keys import Ints, distinct, factorise, first_of_run

_DENSE = 1 << 20


@dataclass(frozen=True, eq=False)
class Tally:
    """How many subjects of each tuple have each value, so that groups of tuples can be counted.

    ``at``, ``value`` and ``count`` are the entries: ``count`` subjects of tuple ``at`` have
    ``value``, and have it in no other tuple; they are sorted. A subject that has a value in
    several tuples is *roaming*: its (tuple, value, subject) stand in the three ``roaming`` arrays.
    """

    values: int
    at: Ints
    value: Ints
    count: Ints
    roaming_at: Ints
    roaming_value: Ints
    roaming_subject: Ints
    subjects: int
    tuples: int

    def grouped(self, group: Ints, groups: int) -> tuple[Ints, Ints, Ints]:
        """(group, value, count) of every value met, sorted; ``group`` is -1 for tuples left out."""
        keys, weights = self._keys(group)
        size = groups * self.values
        if size <= max(_DENSE, 4 * len(keys)):
            dense = np.bincount(keys, weights=weights, minlength=size)
            met = np.flatnonzero(dense)
            count = dense[met].astype(np.int64)
        else:
            met, inverse = np.unique(keys, return_inverse=True)
            count = np.bincount(inverse, weights=weights).astype(np.int64)
        return met // self.values, met % self.values, count

    def totals(self, group: Ints, groups: int) -> npt.NDArray[np.int64]:
        """Subjects of each group. Only for a tally of one value."""
        keys, weights = self._keys(group)
        return np.bincount(keys, weights=weights, minlength=groups).astype(np.int64)

    def most(self) -> Ints:
        """At most so many subjects of each tuple. Only for a tally of one value."""
        sole = np.bincount(self.at, weights=self.count, minlength=self.tuples)
        return sole.astype(np.int64) + np.bincount(self.roaming_at, minlength=self.tuples)

    def take(self, index: Ints) -> Tally:
        """The tally of some of the tuples, by their numbers, in that order; one may come twice."""
        at, entry = _gathered(self._starts[0], index)
        roaming_at, roaming = _gathered(self._starts[1], index)
        return Tally(
            values=self.values,
            at=at,
            value=self.value[entry],
            count=self.count[entry],
            roaming_at=roaming_at,
            roaming_value=self.roaming_value[roaming],
            roaming_subject=self.roaming_subject[roaming],
            subjects=self.subjects,
            tuples=len(index),
        )

    @cached_property
    def _starts(self) -> tuple[Ints, Ints]:
        return _run_starts(self.at, self.tuples), _run_starts(self.roaming_at, self.tuples)

    def _keys(self, group: Ints) -> tuple[Ints, Ints]:
        at = group[self.at]
        kept = at >= 0
        keys = at[kept].astype(np.int64) * self.values + self.value[kept]
        count = self.count[kept]
        if not len(self.roaming_at):
            return keys, count
        at = group[self.roaming_at]
        kept = at >= 0
        roaming = at[kept].astype(np.int64) * self.values + self.roaming_value[kept]
        met, inverse = np.unique(roaming, return_inverse=True)
        pairs = distinct(inverse * self.subjects + self.roaming_subject[kept])
        once = met[pairs // max(self.subjects, 1)]
        return np.concatenate([keys, once]), np.concatenate([count, np.ones(len(once), np.int64)])


def tallies(
    of_row: Ints,
    tuples: int,
    columns: Mapping[str, tuple[Ints, int]],
    subject: Ints | None,
    *,
    fixed: bool,
) -> tuple[Tally, dict[str, Tally]]:
    """The tally of the subjects, and one for each column of (values, how many there may be).

    Without ``subject`` every row is a subject of its own. ``fixed``: nobody is called roaming,
    as the tuples are the groups.
    """
    whole = np.zeros(len(of_row), dtype=np.int8)
    sizes = np.bincount(subject if subject is not None else whole[:0])
    # Everybody in the frame has one row or several.
    many = (sizes > 1)[subject] if subject is not None else whole[:0].astype(np.bool_)
    if subject is None or not many.any():
        return _tally(tuples, 1, of_row), {
            name: _tally(tuples, size, _cells(of_row, values, size))
            for name, (values, size) in columns.items()
        }
    alone = np.flatnonzero(~many)
    several = np.flatnonzero(many) if len(alone) else alone
    found: dict[str, Tally] = {}
    people: Tally | None = None
    for name, (values, size) in (columns or {"": (whole, 1)}).items():
        cells = _cells(of_row, values, size)
        who, met = _distinct(
            subject[several] if len(alone) else subject,
            cells[several] if len(alone) else cells,
            (len(sizes), tuples * size),
        )
        if people is None:
            # Sorted by subject and tuple: who is in a tuple is there without looking again.
            at = met // size
            fresh = first_of_run(who, at)
            people = _tally(tuples, 1, of_row[alone], (who[fresh], at[fresh]), fixed=fixed)
        if columns:
            found[name] = _tally(tuples, size, cells[alone], (who, met), fixed=fixed)
    assert people is not None
    return people, found


def _cells(of_row: Ints, values: Ints, size: int) -> Ints:
    """One number for each row's tuple and value."""
    cells = of_row.astype(np.int64)
    cells *= size
    cells += values
    return cells


def _tally(
    tuples: int, size: int, cells: Ints, met: tuple[Ints, Ints] | None = None, *, fixed: bool = True
) -> Tally:
    """A tally of ``cells``, each of a subject of its own, and of ``met``.

    The latter are distinct (subject, cell) of subjects that have several rows.
    """
    who = roaming = np.zeros(0, dtype=np.int64)
    if met is not None:
        who, more = met
        if fixed:
            who = roaming
        else:
            roams = _roams(who, more, size)
            who, roaming, more = who[roams], more[roams], more[~roams]
            order = np.argsort(roaming, kind="stable")
            who, roaming = who[order], roaming[order]
        cells = np.concatenate([cells, more]) if len(cells) else more
    if tuples * size <= max(_DENSE, 2 * len(cells)):
        dense = np.bincount(cells, minlength=tuples * size)
        entry = np.flatnonzero(dense)
        count = dense[entry]
    else:
        numbers, first = factorise(cells)
        entry, count = cells[first], np.bincount(numbers)
    return Tally(
        values=size,
        at=entry // size,
        value=entry % size,
        count=count,
        roaming_at=roaming // size,
        roaming_value=roaming % size,
        roaming_subject=who,
        subjects=int(who.max(initial=-1)) + 1,
        tuples=tuples,
    )


def _roams(who: Ints, cells: Ints, size: int) -> npt.NDArray[np.bool_]:
    """Which of distinct (subject, cell) have a value that the subject has in several tuples."""
    roams = (np.bincount(who) > 1)[who]
    if size > 1:
        some = np.flatnonzero(roams)
        numbers, first = factorise(who[some] * np.int64(size) + cells[some] % size)
        roams[some] = (np.bincount(numbers, minlength=len(first)) > 1)[numbers]
    return roams


def _distinct(who: Ints, cells: Ints, shape: tuple[int, int]) -> tuple[Ints, Ints]:
    """The distinct (subject, cell), sorted.

    A sparse matrix puts its entries in order by counting, which takes a third of the time of
    sorting them.
    """
    from scipy import sparse  # noqa: PLC0415 - takes a while, and few need it

    entries = np.ones(len(who), dtype=np.int8)
    matrix = sparse.csr_array((entries, (who, cells)), shape=shape)
    matrix.sum_duplicates()
    lengths = np.diff(matrix.indptr)
    return np.repeat(np.arange(shape[0], dtype=matrix.indices.dtype), lengths), matrix.indices


def _run_starts(at: Ints, tuples: int) -> Ints:
    starts = np.zeros(tuples + 1, dtype=np.int64)
    np.cumsum(np.bincount(at, minlength=tuples), out=starts[1:])
    return starts


def _gathered(starts: Ints, index: Ints) -> tuple[Ints, Ints]:
    """Runs of entries put one after another: (number of the run, entry)."""
    length = starts[index + 1] - starts[index]
    at = np.repeat(np.arange(len(index)), length)
    before = np.cumsum(length) - length
    return at, np.arange(len(at)) + (starts[index] - before)[at]
