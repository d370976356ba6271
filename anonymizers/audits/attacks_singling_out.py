"""Singling out in microdata: predicates learnt from a release that match exactly one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymizers.audits.attacks_matching import (
    Column,
    Ints,
    Profiles,
    codes,
    grouped,
    profiles,
    sample,
)
from anonymizers.audits.attacks_result import NOBODY, AttackResult, against_control

_SUBSETS = 32
_BLOCK = 64


def singling_out(
    release: pd.DataFrame,
    original: pd.DataFrame,
    control: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    *,
    hierarchies: Mapping[str, object] | None = None,
    subject: str | None = None,
    attempts: int = 1000,
    limit: float = NOBODY,
    seed: int,
) -> AttackResult:
    """Predicates learnt from the release: how often does exactly one person of the original match?

    The attacker tries what promises most: the labels of rows that are alone in the release, or
    else of the smallest classes; and combinations of some of the columns that are there once.
    The control are predicates as coarse, around people of the control group, on the same
    original: a guess without the release. (Counted among the few of the control group, any
    predicate would seem to isolate.) The better of the two ways of attacking is the result.

    ``release`` holds labels, ``original`` and ``control`` the same columns in the clear, as
    in every attack on microdata. ``subject`` names the column of ``original`` that tells persons
    apart, where one has several rows. Raises ``HierarchyError`` for labels that are in no hierarchy.
    """
    random = np.random.default_rng(seed)
    found = profiles(release, quasi_identifiers, [original, control], hierarchies)
    population = _population(found, original, subject)
    strangers = codes(found, control)
    results = [
        _isolating(chosen, found, population, strangers, every, random, attempts, limit)
        for chosen, every in (
            _rarest(found, attempts, random),
            _rare_combinations(found, attempts, random),
        )
    ]
    return worst(results)


def worst(results: Sequence[AttackResult]) -> AttackResult:
    """The result that says most against a release: one that it does not withstand, if any."""
    return max(results, key=lambda result: (not result.passed, result.risk, result.attempts))


@dataclass(frozen=True, eq=False)
class _Population:
    """The distinct combinations of an original, and the first and last person of each."""

    persons: Ints
    first: Ints
    last: Ints


def _population(found: Profiles, original: pd.DataFrame, subject: str | None) -> _Population:
    table = codes(found, original)
    number = np.arange(len(original)) if subject is None else pd.factorize(original[subject])[0]
    group, one = grouped(table)
    first = np.full(len(one), len(original), dtype=np.int64)
    last = np.full(len(one), -1, dtype=np.int64)
    np.minimum.at(first, group, number)
    np.maximum.at(last, group, number)
    return _Population(table[one], first, last)


_Chosen = npt.NDArray[np.int64]
"""Predicates: (attempts, columns) labels by number, -1 for a column that is left open."""


def _rarest(found: Profiles, attempts: int, random: np.random.Generator) -> tuple[_Chosen, bool]:
    """The labels of single rows, or else of the smallest classes; and whether those are all."""
    alone = np.flatnonzero(found.rows == 1)
    if len(alone):
        return found.labels[alone[sample(len(alone), attempts, random)]], len(alone) <= attempts
    return found.labels[np.argsort(found.rows, kind="stable")[:attempts]], True


def _rare_combinations(
    found: Profiles, attempts: int, random: np.random.Generator
) -> tuple[_Chosen, bool]:
    """Labels of some of the columns that are in the release once."""
    width = len(found.columns)
    subsets: set[tuple[int, ...]] = {(at,) for at in range(width)} if width > 1 else set()
    for _ in range(_SUBSETS if width > 2 else 0):
        size = int(random.integers(2, width))
        subsets.add(tuple(sorted(int(at) for at in random.choice(width, size, replace=False))))
    chosen = []
    for subset in sorted(subsets):
        group, first = grouped(found.labels[:, subset])
        alone = np.flatnonzero(np.bincount(group, weights=found.rows) == 1)
        predicates = np.full((len(alone), width), -1, dtype=np.int64)
        predicates[:, subset] = found.labels[first[alone]][:, subset]
        chosen.append(predicates)
    every = np.concatenate([*chosen, np.empty((0, width), dtype=np.int64)])
    return every[sample(len(every), attempts, random)], False


def _isolating(
    chosen: _Chosen,
    found: Profiles,
    population: _Population,
    strangers: Ints,
    every: bool,  # noqa: FBT001 - positions are those of the caller's tuple
    random: np.random.Generator,
    attempts: int,
    limit: float,
) -> AttackResult:
    hits = _isolated(
        [_only(one, chosen[:, at]) for at, one in enumerate(found.columns)], population
    )
    tried = 0
    guessed = 0
    if len(chosen) and len(strangers):
        tried = attempts
        shapes = chosen[random.integers(0, len(chosen), tried)]
        people = strangers[random.integers(0, len(strangers), tried)]
        guesses = [
            _open(one, shapes[:, at], one.around(np.maximum(shapes[:, at], 0), people[:, at]))
            for at, one in enumerate(found.columns)
        ]
        guessed = _isolated(guesses, population)
    return against_control(
        "singling out",
        hits,
        len(chosen),
        guessed,
        tried,
        limit=limit,
        exhaustive=every,
        details={"smallest_class": int(found.rows.min()) if len(found.rows) else 0},
    )


def _only(one: Column, labels: Ints) -> Column:
    return _open(one, labels, one.only(np.maximum(labels, 0)))


def _open(one: Column, labels: Ints, shaped: Column) -> Column:
    """``shaped`` with everything covered where the predicate leaves the column open."""
    shaped.covers[labels < 0] = True
    return shaped if len(labels) else one.only(labels)


def _isolated(columns: Sequence[Column], population: _Population) -> int:
    """How many predicates (row i of each column's ``covers``) match exactly one person."""
    count = len(columns[0].covers)
    hits = 0
    for start in range(0, count, _BLOCK):
        number = np.arange(start, min(start + _BLOCK, count))
        block = Profiles(
            tuple(one.only(number) for one in columns),
            np.repeat(np.arange(len(number))[:, None], len(columns), axis=1),
            np.ones(len(number), dtype=np.int64),
            number,
        )
        predicate, group = block.pairs(population.persons)
        first = np.full(len(number), np.iinfo(np.int64).max)
        last = np.full(len(number), -1, dtype=np.int64)
        np.minimum.at(first, predicate, population.first[group])
        np.maximum.at(last, predicate, population.last[group])
        hits += int((first == last).sum())
    return hits
