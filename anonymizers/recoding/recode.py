"""What all recodings have in common: ``fit`` and ``transform``, refusals, the last check.

A recoding maps tuples of quasi-identifiers to classes, and a class to one label for each column.
The algorithms are in modules of their own; here stands what no algorithm may get wrong: that
every class of a release satisfies every model, and that there is a release at all.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.hierarchies import Hierarchy
from anonymizers.recoding.axes import Axis, CategoryAxis
from anonymizers.recoding.groups import TupleGroups
from anonymizers.recoding.integer_keys import Ints, combine, factorise
from anonymizers.recoding.loss import RecodingReport, figures
from anonymizers.recoding.merging import merge, stretches
from anonymizers.recoding.models import KAnonymity, PrivacyModel, satisfied
from anonymizers.recoding.tuples import Tuples, collapse, encode_subject, encode_values


class RecodingError(ValueError):
    """There is no release that satisfies the models, or none that is not mostly suppressed."""


class Recoding(ABC):
    """A recoding of the columns that have a hierarchy, into classes that satisfy the models.

    ``subject`` names the column that says whom a row is about: k and diversity count subjects,
    not rows, where it is given. More than the share ``max_suppressed`` of the rows is never
    suppressed: ``fit`` raises ``RecodingError`` instead, as it does where there are no rows or k
    exceeds the subjects. After ``fit``, ``report_`` has the figures.
    """

    def __init__(
        self,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[PrivacyModel],
        *,
        subject: str | None = None,
        max_suppressed: float = 0.002,
        merge_leftovers: bool = True,
    ) -> None:
        self.hierarchies, self.models, self.subject = tuple(hierarchies), tuple(models), subject
        self.max_suppressed, self.merge_leftovers = max_suppressed, merge_leftovers
        self._check_declaration()

    axes_: tuple[Axis, ...]
    labels_: tuple[Ints, ...]
    report_: RecodingReport
    _codes: tuple[Ints, ...] | None = None

    @property
    def quasi_identifiers(self) -> tuple[str, ...]:
        """The columns that are recoded."""
        return tuple(hierarchy.column for hierarchy in self.hierarchies)

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The columns that the models look at."""
        return tuple(dict.fromkeys(model.sensitive for model in self.models if model.sensitive))

    def fit(self, frame: pd.DataFrame) -> Self:
        """Choose the classes for the rows of a frame."""
        axes = self._axes(frame)
        self.fit_tuples(axes, self._collapsed(axes, frame)[0])
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The release of the frame that was fitted: suppressed rows are absent, the index is new.

        Quasi-identifiers become categoricals of the labels that occur; other columns are as they
        were, that of the subjects too: what must not be published is dropped before. Another frame is refused with ``RecodingError`` unless its rows fall into the fitted
        classes and every class satisfies the models on *these* rows.
        """
        if self._codes is None:
            raise RecodingError("transform comes after a fit that succeeded")
        self._check_columns(frame)
        tuples, of_row = self._collapsed(self.axes_, frame)
        found = self._known(self._codes, tuples)
        present, first = factorise(found[found >= 0])
        numbered = found.copy()
        numbered[found >= 0] = present
        if not len(first) or not self._good(tuples, numbered, len(first)).all():
            raise RecodingError("these rows, in the classes fitted, do not satisfy the models")
        self._check_suppressed(int(tuples.rows[found < 0].sum()), tuples)
        return self._released(frame, found[of_row])

    def fit_transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``fit`` and ``transform`` of one frame, which is read once."""
        axes = self._axes(frame)
        tuples, of_row = self._collapsed(axes, frame)
        return self._released(frame, self.fit_tuples(axes, tuples)[of_row])

    def fit_tuples(self, axes: Sequence[Axis], tuples: Tuples) -> Ints:
        """Choose the classes of tuples whose codes are places on the axes.

        Returns the class of each tuple, -1 for those suppressed; ``labels_[column][class]`` are
        the labels.
        """
        # A fit that fails leaves nothing behind that `transform` might use.
        self._codes = None
        self._check_feasible(tuples)
        self.axes_ = tuple(axes)
        found, method = self._classes(tuples, self._allowed(tuples))
        found, labels = self._settled(tuples, found)
        report = figures(method, self.axes_, tuples, found, labels)
        if not report.classes:
            raise RecodingError("every row would be suppressed: no class satisfies the models")
        self._check_suppressed(report.suppressed, tuples)
        self.labels_, self.report_ = labels, report
        self._codes, self._found = tuples.codes, found
        return found

    @abstractmethod
    def _classes(self, tuples: Tuples, allowed: int) -> tuple[Ints, str]:
        """The class of each tuple or -1, numbered without gaps, and the method's name."""

    def _axes(self, frame: pd.DataFrame) -> tuple[Axis, ...]:
        self._check_columns(frame)
        return tuple(CategoryAxis(hierarchy) for hierarchy in self.hierarchies)

    def _settled(self, tuples: Tuples, found: Ints) -> tuple[Ints, tuple[Ints, ...]]:
        """Classes that look alike become one; what breaks a model then is merged or suppressed.

        Subjects that are in two classes, and rows suppressed, may change what a class says when
        it is seen in the release as a whole: so the release as a whole is judged, until it holds.
        """
        while True:
            found, labels = self._united(tuples, found)
            good = self._good(tuples, found, len(labels[0]))
            if good.all():
                return found, labels
            found = self._merged(tuples, _renumbered(found, good), int(good.sum()), 0)

    def _merged(self, tuples: Tuples, found: Ints, classes: int, budget: int) -> Ints:
        if not self.merge_leftovers:
            return found
        return merge(self.axes_, tuples, self.models, found, classes, budget)

    def _united(self, tuples: Tuples, found: Ints) -> tuple[Ints, tuple[Ints, ...]]:
        kept = found >= 0
        if not kept.any():
            return found, tuple(np.zeros(0, dtype=np.int64) for _ in self.axes_)
        numbered, first = factorise(found[kept])
        group = np.full(len(found), -1, dtype=np.int64)
        group[kept] = numbered
        low, high = stretches(tuples, group, len(first))
        labels = self._labels(low, high)
        small = [factorise(label)[0] for label in labels]
        united, first = factorise(combine(small, [int(codes.max()) + 1 for codes in small]))
        group[kept] = united[numbered]
        return group, tuple(label[first] for label in labels)

    def _labels(self, low: Sequence[Ints], high: Sequence[Ints]) -> list[Ints]:
        """The label of each class in each column: the lowest that covers all of it."""
        return [axis.labels(*ends) for axis, *ends in zip(self.axes_, low, high, strict=True)]

    def holding(self, tuples: Tuples, found: Ints, classes: int) -> Ints:
        """The class of each tuple, -1 for those whose class breaks a model in this release."""
        good = self._good(tuples, found, classes)
        while not good.all():
            found = _renumbered(found, good)
            good = self._good(tuples, found, int(good.sum()))
        return found

    def _good(self, tuples: Tuples, found: Ints, classes: int) -> npt.NDArray[np.bool_]:
        good = satisfied(self.models, TupleGroups(tuples, found, classes))
        if (found < 0).any() and tuples.sensitive and classes:
            # Closeness to the whole as it is released, which is all that anyone sees.
            whole = TupleGroups(tuples, np.where(found < 0, -1, 0), 1)
            references = {}
            for name, tally in tuples.sensitive.items():
                histogram = whole.histogram(name)
                references[name] = np.zeros(tally.values, dtype=np.int64)
                references[name][histogram.value] = histogram.count
            good &= satisfied(self.models, TupleGroups(tuples, found, classes, references))
        return good

    def _known(self, codes: Sequence[Ints], tuples: Tuples) -> Ints:
        """The fitted class of each tuple of a frame."""
        mine = len(self._found)
        both = [np.concatenate(pair) for pair in zip(codes, tuples.codes, strict=True)]
        number, _ = factorise(combine(both, [axis.places for axis in self.axes_]))
        found = np.full(int(number.max(initial=0)) + 1, -2, dtype=np.int64)
        found[number[:mine]] = self._found
        if (met := found[number[mine:]]).min(initial=0) < -1:
            raise RecodingError("the frame has quasi-identifiers that were not there at the fit")
        return met

    def _released(self, frame: pd.DataFrame, found: Ints) -> pd.DataFrame:
        kept = found >= 0
        of_row = found[kept]
        release = frame.loc[kept].reset_index(drop=True)
        for axis, label in zip(self.axes_, self.labels_, strict=True):
            number, first = factorise(label[of_row])
            texts = axis.texts(label[of_row][first])
            release[axis.column] = pd.Categorical.from_codes(number, pd.Index(texts, dtype="str"))
        for name, column in release.items():
            if isinstance(column.dtype, pd.CategoricalDtype):
                # A category that only suppressed rows had would be in the file of the release.
                release[name] = column.cat.remove_unused_categories()
        return release

    def _collapsed(self, axes: Sequence[Axis], frame: pd.DataFrame) -> tuple[Tuples, Ints]:
        return collapse(
            [axis.encode(frame[axis.column]) for axis in axes],
            [axis.places for axis in axes],
            subject=encode_subject(frame, self.subject) if self.subject else None,
            sensitive={name: encode_values(frame[name]) for name in self.sensitive},
        )

    def _check_declaration(self) -> None:
        columns = [*self.quasi_identifiers, *self.sensitive, *filter(None, [self.subject])]
        if not self.quasi_identifiers:
            raise RecodingError("a recoding needs the hierarchy of at least one column")
        if not self.models:
            raise RecodingError("a recoding needs at least one privacy model")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise RecodingError(f"{', '.join(twice)}: a column can have one part only")
        if not 0 <= self.max_suppressed < 1:
            raise RecodingError("max_suppressed is a share of the rows, from 0 to below 1")

    def _check_columns(self, frame: pd.DataFrame) -> None:
        for name in (*self.quasi_identifiers, *self.sensitive, self.subject):
            if name is not None and name not in frame.columns:
                raise RecodingError(f"{name}: the frame has no such column")
        if not frame.columns.is_unique:
            raise RecodingError("the frame has two columns of one name")

    def _allowed(self, tuples: Tuples) -> int:
        return math.floor(self.max_suppressed * int(tuples.rows.sum()) + 1e-9)

    def _check_suppressed(self, suppressed: int, tuples: Tuples) -> None:
        if suppressed > self._allowed(tuples):
            raise RecodingError(
                f"{suppressed} of {tuples.rows.sum()} rows would be suppressed, more than the "
                f"share {self.max_suppressed:g} that is allowed"
            )

    def _check_feasible(self, tuples: Tuples) -> None:
        if not len(tuples):
            raise RecodingError("the frame has no rows")
        subjects = int(tuples.subjects.totals(np.zeros(len(tuples), dtype=np.int64), 1)[0])
        for model in self.models:
            if isinstance(model, KAnonymity) and model.k > subjects:
                raise RecodingError(
                    f"k = {model.k} cannot be met: the number of subjects is {subjects}"
                )


def _renumbered(found: Ints, good: npt.NDArray[np.bool_]) -> Ints:
    """The classes that are good, numbered without gaps; -1 for the others."""
    return np.append(np.where(good, np.cumsum(good) - 1, -1), -1)[found]
