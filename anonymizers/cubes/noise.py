"""Differentially private cubes: bounded contributions, noise by OpenDP, and its budget.

The unit of privacy is a person: two sets of records are neighbours where one has all records
of one person more. What a person can change is bounded first (``bound_contributions``), the
noise covers exactly that, and it is added to every cell of a closed domain, so that a cell's
presence tells nothing. OpenDP draws the noise (discrete Laplace or discrete Gaussian, integers
only: floating-point noise gives its input away, Mironov 2012) from its own randomness; a seed
would be a key to the data.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from anonymizers.cubes.cells import (
    ALL,
    ROWS,
    CubeError,
    CubeShape,
    base_cells,
    in_order,
    labels,
)

Mechanism = Literal["laplace", "gaussian"]

_ROUNDING = 1e-9
"""Relative: sums of decimal fractions must not fail by their last bit."""


@dataclass(frozen=True)
class PrivacySpend:
    """(epsilon, delta)-differential privacy spent on one ``unit``, a person.

    Raises:
        ValueError: epsilon is negative or not a number, or delta is no probability.
    """

    epsilon: float
    delta: float = 0.0
    unit: str = "subject"

    def __post_init__(self) -> None:
        if not (self.epsilon >= 0 and math.isfinite(self.epsilon)):
            raise ValueError("epsilon is a number from 0")
        if not 0 <= self.delta < 1:
            raise ValueError("delta is a probability below 1")


def sequential(spends: Iterable[PrivacySpend]) -> PrivacySpend:
    """What several releases about the same people spend: epsilons and deltas add up.

    Basic composition (Dwork and others 2006): it holds for every mechanism.
    """
    listed = _of_one_unit(spends)
    return PrivacySpend(
        math.fsum(item.epsilon for item in listed),
        math.fsum(item.delta for item in listed),
        listed[0].unit if listed else "subject",
    )


def parallel(spends: Iterable[PrivacySpend]) -> PrivacySpend:
    """What releases about people of whom no two are the same spend: the largest of each.

    Disjoint *rows* are not enough: a person with rows in two parts is in both.
    """
    listed = _of_one_unit(spends)
    return PrivacySpend(
        max((item.epsilon for item in listed), default=0.0),
        max((item.delta for item in listed), default=0.0),
        listed[0].unit if listed else "subject",
    )


def remaining(budget: PrivacySpend, spent: Iterable[PrivacySpend]) -> PrivacySpend:
    """What is left of ``budget`` after ``spent``, by sequential composition; never below 0."""
    gone = sequential([PrivacySpend(0, 0, budget.unit), *spent])
    return PrivacySpend(
        max(budget.epsilon - gone.epsilon, 0.0), max(budget.delta - gone.delta, 0.0), budget.unit
    )


def fits(budget: PrivacySpend, spent: Iterable[PrivacySpend], wanted: PrivacySpend) -> bool:
    """Whether ``wanted`` can still be spent."""
    total = sequential([*spent, wanted, PrivacySpend(0, 0, budget.unit)])
    return total.epsilon <= budget.epsilon * (1 + _ROUNDING) and total.delta <= budget.delta * (
        1 + _ROUNDING
    )


def _of_one_unit(spends: Iterable[PrivacySpend]) -> list[PrivacySpend]:
    listed = list(spends)
    if len({item.unit for item in listed}) > 1:
        raise ValueError("budgets of different units do not add up")
    return listed


def bound_contributions(
    frame: pd.DataFrame,
    shape: CubeShape,
    subject: str,
    *,
    max_cells: int,
    max_rows: int,
    key: bytes,
    clip: Mapping[str, tuple[int, int]] | None = None,
) -> pd.DataFrame:
    """The rows kept: at most ``max_cells`` base cells a person and ``max_rows`` rows a cell.

    Measures are clipped to ``clip`` (whole units). Which cells of a person are kept is drawn
    by a keyed hash, which rows of a cell by their clipped amounts: never by the order of rows,
    nor by what anyone else has. ``key`` is 16 to 64 random bytes, used once. The columns stay
    as they are; the index is new.

    Raises:
        CubeError: a column is not there, or a row belongs to nobody.
        ValueError: a bound below 1, or a key that is none.
    """
    _positive(max_cells=max_cells, max_rows=max_rows)
    if not 16 <= len(key) <= 64:
        raise ValueError("a key has 16 to 64 bytes")
    _need(frame, [*shape.dimensions, *shape.measures, subject])
    if frame[subject].isna().any():
        raise CubeError(f"{subject}: {int(frame[subject].isna().sum())} rows belong to nobody")
    kept = frame.reset_index(drop=True)
    for name, (low, high) in _clips(shape, clip).items():
        kept[name] = kept[name].clip(low, high)
    person = pd.Series(pd.factorize(kept[subject])[0], index=kept.index)
    cell, texts = _cells_of(kept, shape)
    pairs = pd.DataFrame({"person": person, "cell": cell}).drop_duplicates()
    names = kept[subject].astype("str").groupby(person).first()
    pairs["draw"] = _draws(names.loc[pairs["person"]], [texts[at] for at in pairs["cell"]], key)
    pairs = pairs.sort_values(["person", "draw"], kind="stable")
    pairs = pairs[pairs.groupby("person").cumcount() < max_cells]
    rows = pd.DataFrame({"person": person, "cell": cell, "row": np.arange(len(kept))})
    # Rows of a cell with the same amounts are the same to the cube: any of them will do.
    rows = rows.assign(**{f"_{n}": kept[n] for n in shape.measures})
    rows = rows.merge(pairs[["person", "cell"]], on=["person", "cell"])
    rows = rows.sort_values([f"_{n}" for n in shape.measures] + ["row"], kind="stable")
    rows = rows[rows.groupby(["person", "cell"]).cumcount() < max_rows]
    return kept.loc[np.sort(rows["row"].to_numpy())].reset_index(drop=True)


def _cells_of(frame: pd.DataFrame, shape: CubeShape) -> tuple[pd.Series, list[str]]:
    """A number for each row's base cell, and an unambiguous text for each number."""
    table = pd.DataFrame({name: labels(frame[name]) for name in shape.dimensions})
    groups = table.groupby(list(shape.dimensions), sort=True, observed=True)
    texts = [repr(labelled) for labelled, _ in groups]
    return groups.ngroup(), texts


def _draws(names: Iterable[str], texts: Iterable[str], key: bytes) -> list[bytes]:
    return [
        hashlib.blake2b(
            f"{len(name)}:{name}{text}".encode("utf-8", "surrogatepass"), key=key, digest_size=16
        ).digest()
        for name, text in zip(names, texts, strict=True)
    ]


def domain(shape: CubeShape, vocabularies: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Every base cell that can be: the product of the dimensions' closed vocabularies.

    Raises:
        CubeError: a dimension without a vocabulary, or one that is empty, names a label twice,
            or has the label of margins.
    """
    for name in shape.dimensions:
        words = list(vocabularies.get(name, ()))
        if not words:
            raise CubeError(f"{name}: noise needs a closed vocabulary")
        if len(set(words)) < len(words) or ALL in words:
            raise CubeError(f"{name}: a vocabulary has each label once, and not {ALL!r}")
    product = pd.MultiIndex.from_product(
        [list(vocabularies[name]) for name in shape.dimensions], names=list(shape.dimensions)
    )
    return product.to_frame(index=False).astype("str")


@dataclass(frozen=True)
class NoisyCube:
    """A cube that can be published as it is."""

    cells: pd.DataFrame
    """Dimensions, ``rows`` and measures (integers), margins included (sums of the noisy cells:
    they add up, and cost no budget; where small cells are clamped they are biased upwards)."""
    spend: PrivacySpend
    scales: Mapping[str, float]
    """Noise scale by column: what a reader needs for a confidence interval."""


def noisy_cube(
    cube: pd.DataFrame,
    shape: CubeShape,
    vocabularies: Mapping[str, Sequence[str]],
    *,
    epsilon: float,
    delta: float = 0.0,
    max_cells: int,
    max_rows: int = 1,
    clip: Mapping[str, tuple[int, int]] | None = None,
    mechanism: Mechanism = "laplace",
    clamp: bool = True,
) -> NoisyCube:
    """``cube`` with noise for ``epsilon`` and ``delta`` in every cell of its closed domain.

    ``cube`` holds base cells of bounded rows: ``aggregate(bound_contributions(…))`` with the
    same bounds. The budget is shared evenly between the counts and each measure. With
    ``clamp`` what cannot be negative is not (post-processing, at no cost).

    Raises:
        CubeError: a cell outside the domain, or a measure without bounds.
        ValueError: a budget that the mechanism cannot spend.
    """
    _positive(max_cells=max_cells, max_rows=max_rows)
    spend = _spend(epsilon, delta, mechanism)
    clips = _clips(shape, clip)
    cells = domain(shape, vocabularies)
    numbers = _filled(cube, shape, cells)
    share = PrivacySpend(epsilon / len(shape.values), delta / len(shape.values))
    scales: dict[str, float] = {}
    for name in shape.values:
        largest = 1 if name == ROWS else max(abs(bound) for bound in clips[name])
        noise = _mechanism(mechanism, share, max_cells, max_rows * largest)
        scales[name] = noise.scale
        values = np.asarray(noise.measurement(numbers[name].tolist()), dtype="int64")
        if clamp and (name == ROWS or clips[name][0] >= 0):
            values = np.maximum(values, 0)
        cells[name] = values
    return NoisyCube(in_order(_with_margins(cells, shape), shape), spend, scales)


def _spend(epsilon: float, delta: float, mechanism: Mechanism) -> PrivacySpend:
    if not epsilon > 0:
        raise ValueError("epsilon must be above 0")
    if mechanism == "laplace" and delta:
        raise ValueError("Laplace noise spends no delta; give 0, or choose 'gaussian'")
    if mechanism == "gaussian" and not delta > 0:
        raise ValueError("Gaussian noise needs a delta above 0")
    return PrivacySpend(epsilon, delta)


@dataclass(frozen=True)
class _Noise:
    measurement: Any
    scale: float


def _mechanism(kind: Mechanism, share: PrivacySpend, max_cells: int, per_cell: int) -> _Noise:
    """OpenDP's mechanism for a person who changes ``max_cells`` cells by ``per_cell`` each."""
    if per_cell == 0:  # a measure clipped to nothing: it says nothing of anyone
        return _Noise(list, 0.0)
    import opendp.prelude as dp  # noqa: PLC0415 - loads a library of many megabytes

    dp.enable_features("contrib")
    atoms = dp.vector_domain(dp.atom_domain(T="i64"))
    if kind == "laplace":
        l1 = max_cells * per_cell
        space = atoms, dp.l1_distance(T="i64")

        def laplace(scale: float) -> Any:
            return dp.m.make_laplace(*space, scale=scale)

        scale = _just_enough(l1 / share.epsilon, lambda s: laplace(s).map(l1) <= share.epsilon)
        return _Noise(laplace(scale), scale)
    # The map of the l2 distance is in floating point: round it up, never down.
    l2 = math.nextafter(math.sqrt(max_cells) * per_cell, math.inf)
    plane = atoms, dp.l2_distance(T="f64")

    def gaussian(scale: float) -> Any:
        return dp.m.make_gaussian(*plane, scale=scale)

    def enough(scale: float) -> bool:
        private = dp.c.make_zCDP_to_approxDP(gaussian(scale))
        spent: float = private.map(l2).epsilon(share.delta)
        return spent <= share.epsilon

    scale = _smallest(enough, per_cell)
    return _Noise(gaussian(scale), scale)


def _just_enough(scale: float, enough: Any) -> float:
    """``scale``, raised by as little as it takes for the map, which rounds up, to agree."""
    step = 1e-15
    while not enough(scale):
        scale *= 1 + step
        step *= 2
    return scale


def _smallest(enough: Any, start: float) -> float:
    """The smallest scale that is enough, to one in 100,000, never below it."""
    high = float(start)
    while not enough(high):
        high *= 2
    low = high / 2
    while low > 1e-6 and enough(low):
        low, high = low / 2, low
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _filled(cube: pd.DataFrame, shape: CubeShape, cells: pd.DataFrame) -> pd.DataFrame:
    """The exact numbers of every cell of the domain, in its order; 0 where nobody is."""
    _need(cube, [*shape.dimensions, *shape.values])
    keys = list(shape.dimensions)
    base = base_cells(cube, shape)
    if base.duplicated(keys).any():
        raise CubeError("a cube has a cell twice")
    known = base.set_index(keys)[list(shape.values)]
    places = pd.MultiIndex.from_frame(cells[keys]) if len(keys) > 1 else pd.Index(cells[keys[0]])
    outside = int((~known.index.isin(places)).sum())
    if outside:
        raise CubeError(f"{outside} cells are outside the closed vocabularies of their dimensions")
    return known.reindex(places).fillna(0).astype("int64")


def _with_margins(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    parts = [cells]
    for margin in shape.margins:
        groups = cells.assign(_total=0).groupby(list(margin) or ["_total"], observed=True)
        summed = groups[list(shape.values)].sum().reset_index()
        summed = summed.assign(**{n: ALL for n in shape.dimensions if n not in margin})
        parts.append(summed[list(cells.columns)])
    return pd.concat(parts, ignore_index=True)


def _clips(
    shape: CubeShape, clip: Mapping[str, tuple[int, int]] | None
) -> dict[str, tuple[int, int]]:
    given = clip or {}
    for name in shape.measures:
        if name not in given:
            raise CubeError(f"{name}: noise needs bounds of what a row may add")
        if given[name][0] > given[name][1]:
            raise CubeError(f"{name}: the bounds are a lower and a higher one")
    return {name: given[name] for name in shape.measures}


def _need(frame: pd.DataFrame, names: Sequence[str]) -> None:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise CubeError(f"no column {absent[0]!r}")


def _positive(**bounds: int) -> None:
    for name, bound in bounds.items():
        if bound < 1:
            raise ValueError(f"{name} must be at least 1")
