"""Attacks on a release, in the sense of WP29 Opinion 05/2014, each against a control group.

The opinion asks three questions of an anonymisation: can a person be singled out, can two
records of a person be linked, can something be inferred about one. Here each is tried, the way
an attacker would who knows the release, the hierarchies, and what is said below; and the same
is tried on people who are not in the release. What works as well on them is knowledge of the
world and not of a person: the risk is what is left (``attacks_result``).

Microdata here and in ``attacks_singling_out``, cubes in ``attacks_cubes``. Everything random
comes from ``seed``. What the attacks do not know: combinations of several releases
(``differencing``), and the algorithm that made the release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anonymizers.audits.attacks_cubes import (
    PublishedCube,
    cube_inference,
    cube_linkability,
    cube_singling_out,
)
from anonymizers.audits.attacks_matching import (
    Column,
    Ints,
    Profiles,
    codes,
    grouped,
    profiles,
    sample,
)
from anonymizers.audits.attacks_result import (
    LIMIT,
    LIMIT_OF_COUNTS,
    NOBODY,
    AttackResult,
    against_control,
    wilson,
)
from anonymizers.audits.attacks_singling_out import singling_out
from anonymizers.hierarchies import EVERYTHING

__all__ = [
    "LIMIT",
    "LIMIT_OF_COUNTS",
    "NOBODY",
    "AttackResult",
    "PublishedCube",
    "attribute_certainty",
    "cube_inference",
    "cube_linkability",
    "cube_singling_out",
    "inference",
    "linkability",
    "singling_out",
    "wilson",
]


def linkability(
    release: pd.DataFrame,
    original: pd.DataFrame,
    control: pd.DataFrame,
    known: tuple[Sequence[str], Sequence[str]],
    *,
    hierarchies: Mapping[str, object] | None = None,
    threshold: int = 5,
    attempts: int = 1000,
    limit: float = LIMIT,
    seed: int,
) -> AttackResult:
    """Two disjoint sets of a target's columns: does the release show that they belong together?

    They do where rows of the release fit both, and fewer than ``threshold`` do: the attacker
    links the two records through these few. On people who are not in the release a link is an
    error that looks the same.
    """
    random = np.random.default_rng(seed)
    names = [*known[0], *known[1]]
    if len(set(names)) < len(names):
        raise ValueError("the two sets of columns to be linked share a column")
    found = profiles(release, names, [original, control], hierarchies)

    def linked(people: pd.DataFrame) -> tuple[int, int]:
        targets = people.iloc[sample(len(people), attempts, random)]
        profile, person = found.pairs(codes(found, targets))
        rows = np.bincount(person, weights=found.rows[profile], minlength=len(targets))
        return int(((rows > 0) & (rows < threshold)).sum()), len(targets)

    return against_control(
        "linkability",
        *linked(original),
        *linked(control),
        limit=limit,
        details={"known": len(known[0]), "linked_with": len(known[1]), "threshold": threshold},
    )


def inference(
    release: pd.DataFrame,
    original: pd.DataFrame,
    control: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    sensitive: str,
    *,
    hierarchies: Mapping[str, object] | None = None,
    attempts: int = 1000,
    limit: float = LIMIT,
    seed: int,
) -> AttackResult:
    """The attacker knows a target's quasi-identifiers and guesses the sensitive value.

    The guess is the most likely value among the rows that fit, each class counting by its rows
    over the combinations it covers (how many of them are expected to be just like the target);
    where none fits, the most frequent value of all. A guess is right if it covers the truth.
    """
    random = np.random.default_rng(seed)
    found = profiles(release, quasi_identifiers, [original, control], hierarchies)
    secret = profiles(release, [sensitive], [original, control], hierarchies).columns[0]
    likely = _Likely(found, secret)

    def guessed(people: pd.DataFrame) -> tuple[int, int]:
        targets = people.iloc[sample(len(people), attempts, random)]
        guess = likely.guesses(codes(found, targets))
        return int(secret.covers[guess, secret.encode(targets[sensitive])].sum()), len(targets)

    if not len(release):
        return against_control("inference", 0, 0, 0, 0, limit=limit, details={"column": sensitive})
    return against_control(
        "inference",
        *guessed(original),
        *guessed(control),
        limit=limit,
        details={"column": sensitive},
    )


class _Likely:
    """How often each label of a sensitive column stands in each profile."""

    def __init__(self, found: Profiles, secret: Column) -> None:
        from scipy import sparse  # noqa: PLC0415 - heavy, and for this attack only

        self._made: Any = sparse.csr_array
        self._found = found
        shape = (len(found.rows), len(secret.texts))
        ones = np.ones(len(secret.labels))
        self._counts = self._made((ones, (found.of_row, secret.labels)), shape=shape)
        self._mode = int(np.bincount(secret.labels).argmax()) if len(secret.labels) else 0

    def guesses(self, people: Ints) -> Ints:
        """The label to guess for each person."""
        profile, person = self._found.pairs(people)
        # Times a constant, so that the shares of many columns do not vanish.
        weights = 1 / self._found.volumes()[profile]
        fits = self._made((weights, (person, profile)), shape=(len(people), len(self._found.rows)))
        scores = fits @ self._counts
        best = np.asarray(scores.argmax(axis=1), dtype=np.int64).reshape(-1)
        known = np.bincount(person, minlength=len(people)) > 0
        return np.where(known, best, self._mode)


def attribute_certainty(
    release: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    sensitive: str,
    *,
    certainty: float = 0.8,
    limit: float = LIMIT_OF_COUNTS,
) -> AttackResult:
    """Share of rows in classes whose most frequent sensitive value holds ≥ ``certainty``.

    What the whole release says of everybody tells nothing of a class: a value that holds that
    share of all rows does not count, nor does ``*``. Every row is looked at, so there is no
    control group.
    """
    names = [*quasi_identifiers, sensitive]
    table = np.stack(
        [
            pd.factorize(release[name].astype(object), use_na_sentinel=False)[0].astype(np.int64)
            for name in names
        ],
        axis=1,
    )
    classes, _ = grouped(table[:, :-1])
    pairs, one = grouped(np.stack([classes, table[:, -1]], axis=1))
    size = np.bincount(classes)
    values = table[one, -1]
    overall = np.bincount(table[:, -1]) / max(1, len(release))
    tells = (overall[values] < certainty) & (
        release[sensitive].iloc[one].astype(object).to_numpy() != EVERYTHING
    )
    sure = (np.bincount(pairs) >= certainty * size[classes[one]]) & tells
    certain = int(size[np.unique(classes[one[sure]])].sum())
    return against_control(
        "attribute certainty",
        certain,
        len(release),
        0,
        0,
        limit=limit,
        exhaustive=True,
        details={"column": sensitive, "certainty": certainty},
    )
