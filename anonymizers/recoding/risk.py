"""Measuring a release, however it was made: classes of rows that look alike, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding import measures
from anonymizers.recoding.groups import Histogram, TupleGroups
from anonymizers.recoding.integer_keys import Ints, distinct
from anonymizers.recoding.measures import Distance
from anonymizers.recoding.tuples import collapse, encode_subject, encode_values

_DENSE = 1 << 20


@dataclass(frozen=True)
class SensitiveFigures:
    """The worst class for one sensitive column.

    ``distinct`` values; ``entropy`` as the effective number of values (exp of the entropy);
    ``recursive[l]`` the infimum of the c for which the release is (c, ℓ)-diverse (infinite
    where a class has fewer than ℓ values); ``closeness[distance]`` the largest distance of a
    class from the reference.
    """

    distinct: int
    entropy: float
    recursive: Mapping[int, float]
    closeness: Mapping[str, float]


@dataclass(frozen=True)
class RiskFigures:
    """What was measured of a release. ``k`` is the smallest class in subjects (0: no rows).

    ``unique`` rows are in classes of one subject. ``suppressed`` rows are those of the
    reference that are not in the release.
    """

    rows: int
    subjects: int
    classes: int
    k: int
    unique: int
    suppressed: int
    average_class_size: float
    discernibility: int
    sensitive: Mapping[str, SensitiveFigures]


def measure(
    frame: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    sensitive: Sequence[str] = (),
    subject: str | None = None,
    hierarchies: Sequence[Hierarchy] | None = None,
    reference: pd.DataFrame | None = None,
    *,
    recursive: Sequence[int] = (2, 3),
) -> RiskFigures:
    """The figures of a release.

    ``quasi_identifiers`` name the columns by which rows look alike (labels are compared as they
    stand); ``subject`` names the column that says who a row is about, without which rows are
    counted; ``hierarchies`` give the hierarchical distance of the sensitive columns they are
    of, and the order of their values (which numbers, dates and ordered categoricals have by
    themselves: the others have no ordered distance); ``reference`` is the frame whose distribution closeness is
    measured against, by default the release itself. Raises ``ValueError`` for a column that is not
    there, or a row without a subject.
    """
    _check(frame, [*quasi_identifiers, *sensitive, subject])
    if reference is not None:
        _check(reference, [*sensitive, subject])
    # Texts are numbered outside Python's lock: a column on each core.
    with ThreadPoolExecutor() as pool:
        labels = list(pool.map(_labels, [frame[name] for name in quasi_identifiers]))
    who = encode_subject(frame, subject) if subject else None
    encoded = {name: encode_values(_both(frame, reference, name)) for name in sensitive}
    tuples, _ = collapse(
        [codes for codes, _ in labels] or [np.zeros(len(frame), dtype=np.int8)],
        [radix for _, radix in labels] or [1],
        subject=who,
        sensitive={name: (codes[: len(frame)], found) for name, (codes, found) in encoded.items()},
        fixed=True,
    )
    references = {}
    whole = who if reference is None else encode_subject(reference, subject) if subject else None
    for name, (codes, categories) in encoded.items():
        seen = codes if reference is None else codes[len(frame) :]
        references[name] = _distribution(seen, len(categories), whole)
    trees = {hierarchy.column: hierarchy for hierarchy in hierarchies or ()}
    classes = len(tuples)
    groups = TupleGroups(tuples, np.arange(classes), classes, references)
    return RiskFigures(
        rows=len(frame),
        subjects=len(frame) if who is None else int(np.count_nonzero(np.bincount(who))),
        classes=classes,
        k=int(groups.subjects.min()) if classes else 0,
        unique=int(groups.rows[groups.subjects == 1].sum()),
        suppressed=0 if reference is None else max(len(reference) - len(frame), 0),
        average_class_size=len(frame) / classes if classes else 0.0,
        discernibility=int((groups.rows.astype(object) ** 2).sum()),
        sensitive={
            name: _figures(groups.histogram(name), frame[name], trees.get(name), recursive)
            for name in sensitive
        },
    )


def _figures(
    histogram: Histogram,
    values: pd.Series[Any],
    hierarchy: Hierarchy | None,
    recursive: Sequence[int],
) -> SensitiveFigures:
    kinds: list[Distance] = ["equal"]
    if hierarchy is not None:
        kinds += ["ordered", "hierarchical"]
    elif _has_order(values):
        kinds += ["ordered"]
    if not histogram.groups:
        return SensitiveFigures(0, 0.0, dict.fromkeys(recursive, 0.0), dict.fromkeys(kinds, 0.0))
    ratios = {}
    for size in recursive:
        commonest, tail = measures.commonest_and_tail(histogram, size)
        with np.errstate(divide="ignore"):
            ratios[size] = float((commonest / tail).max())
    return SensitiveFigures(
        distinct=int(measures.distinct(histogram).min()),
        entropy=float(measures.effective(histogram).min()),
        recursive=ratios,
        closeness={
            kind: float(measures.distance(histogram, kind, hierarchy).max()) for kind in kinds
        },
    )


def _has_order(values: pd.Series[Any]) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return bool(values.cat.ordered)
    types = pd.api.types
    return types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values)


def _labels(values: pd.Series[Any]) -> tuple[Ints, int]:
    """A code for each row, and how many there are at most; nulls are a label of their own."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes: Ints = values.cat.codes.to_numpy()
        size = len(values.cat.categories)
    else:
        codes, uniques = pd.factorize(values)
        size = len(uniques)
    if codes.min(initial=0) < 0:
        codes = np.where(codes < 0, size, codes)
        size += 1
    return codes, max(size, 1)


def _both(frame: pd.DataFrame, reference: pd.DataFrame | None, name: str) -> pd.Series[Any]:
    if reference is None:
        return frame[name]
    if frame[name].dtype != reference[name].dtype:
        frame, reference = frame.astype({name: object}), reference.astype({name: object})
    both: pd.Series[Any] = pd.concat([frame[name], reference[name]])
    return both


def _distribution(codes: Ints, size: int, who: Ints | None) -> npt.NDArray[np.int64]:
    if who is not None:
        people = int(who.max(initial=-1)) + 1
        key = who.astype(np.int64)
        key *= size
        key += codes
        if people * size <= max(_DENSE, 16 * len(key)):
            seen = np.zeros((people, size), dtype=np.bool_)
            seen.reshape(-1)[key] = True
            return np.asarray(seen.sum(axis=0, dtype=np.int64))
        codes = distinct(key) % size
    return np.bincount(codes, minlength=size).astype(np.int64)


def _check(frame: pd.DataFrame, names: Sequence[str | None]) -> None:
    for name in names:
        if name is not None and name not in frame.columns:
            raise ValueError(f"{name}: the frame has no such column")
