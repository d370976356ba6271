"""What a recoding costs: information loss, class sizes, suppressed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anonymizers.recoding.axes import Axis
from anonymizers.recoding.groups import TupleGroups
from anonymizers.recoding.integer_keys import Ints
from anonymizers.recoding.tuples import Tuples


@dataclass(frozen=True)
class RecodingReport:
    """The figures of a recoding.

    ``ncp`` is the mean of the normalised certainty penalty over all cells of quasi-identifiers,
    each in [0, 1]; a cell of a suppressed row counts 1. For a label of a hierarchy it is
    (leaves under the label - 1) / (leaves - 1), for a range of numbers its width over that of
    the column. ``discernibility`` is the sum of the squared sizes of the classes, and of the
    number of all rows for each suppressed row (Bayardo and Agrawal 2005), in rows;
    ``average_class_size`` is in rows too, ``smallest_class`` in subjects.
    """

    method: str
    rows: int
    suppressed: int
    classes: int
    ncp: float
    discernibility: int
    average_class_size: float
    smallest_class: int


def figures(
    method: str, axes: Sequence[Axis], tuples: Tuples, found: Ints, labels: Sequence[Ints]
) -> RecodingReport:
    """The report of a recoding: ``found`` is each tuple's class or -1, ``labels[column][class]``
    the label of each class.
    """  # noqa: D205 - one sentence
    classes = len(labels[0])
    groups = TupleGroups(tuples, found, classes)
    rows, released = int(tuples.rows.sum()), int(groups.rows.sum())
    lost = sum(
        float((groups.rows * axis.loss(label)).sum())
        for axis, label in zip(axes, labels, strict=True)
    )
    suppressed = rows - released
    squares = int((groups.rows.astype(object) ** 2).sum()) if classes else 0
    return RecodingReport(
        method=method,
        rows=rows,
        suppressed=suppressed,
        classes=classes,
        ncp=(lost / len(axes) + suppressed) / rows,
        discernibility=squares + suppressed * rows,
        average_class_size=released / classes if classes else 0.0,
        smallest_class=int(np.min(groups.subjects)) if classes else 0,
    )
