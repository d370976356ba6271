"""Attacks on a release in the sense of WP29 Opinion 05/2014, microdata against a control group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from anonymizers.audits import attacks
from anonymizers.audits.findings import Finding
from anonymizers.cubes.cells import MISSING
from retention.releases.auditor import Auditor
from retention.releases.built import Figure
from retention.releases.checks_plain import Outcome
from retention.releases.frames import SUBJECT
from retention.releases.microdata import Original
from retention.releases.model import MicrodataDeclaration


@dataclass(frozen=True)
class _Target:
    """One microdata file, and what an attacker and his control group know."""

    name: str
    part: MicrodataDeclaration
    release: pd.DataFrame
    original: Original
    seed: int

    @property
    def quasi(self) -> list[str]:
        return [item.name for item in self.part.quasi_identifiers]

    @property
    def known(self) -> pd.DataFrame:
        return _clear(self.original.released, self.quasi)

    @property
    def control(self) -> pd.DataFrame:
        return _clear(self.original.control, self.quasi)


def _clear(rows: pd.DataFrame, quasi: list[str]) -> pd.DataFrame:
    """Rows as an attacker knows them: nothing where a quasi-identifier is missing."""
    filled = {name: rows[name].where(rows[name] != MISSING) for name in quasi}
    return rows.drop(columns=SUBJECT).assign(**filled)


def _targets(auditor: Auditor) -> Iterator[_Target]:
    for name, part in auditor.microdata:
        seed = int(auditor.built.digest[:8], 16)
        yield _Target(name, part, auditor.frames[name], auditor.originals[name], seed)


def _cubes(auditor: Auditor) -> Iterator[tuple[str, list[attacks.PublishedCube], list[str], int]]:
    """The thresholded cubes of each table: together they may say more than each by itself."""
    by_table: dict[str, list[attacks.PublishedCube]] = {}
    sensitive: dict[str, list[str]] = {}
    thresholds: dict[str, int] = {}
    for name, cube, protection in auditor.thresholded:
        published = attacks.PublishedCube(name, auditor.frames[name], cube.columns)
        by_table.setdefault(cube.table, []).append(published)
        sensitive.setdefault(cube.table, []).extend(cube.sensitive)
        thresholds[cube.table] = max(thresholds.get(cube.table, 0), protection.threshold)
    for table, cubes in by_table.items():
        yield table, cubes, sensitive[table], thresholds[table]


def _outcome(results: Sequence[tuple[str, attacks.AttackResult]]) -> Outcome:
    found: list[Finding] = []
    figures: dict[str, Figure] = {}
    for name, result in results:
        found += result.findings()
        figures |= {
            f"{name}_{what}": value
            for what, value in result.figures().items()
            if what in {"attempts", "success", "control", "risk", "low", "high"}
        }
    return found, figures


def cannot_single_out(auditor: Auditor) -> Outcome:
    """Whoever knows a person's quasi-identifiers finds no row, no cell, of that person alone."""
    results = [(table, attacks.cube_singling_out(cubes)) for table, cubes, _, _ in _cubes(auditor)]
    for at in _targets(auditor):
        result = attacks.singling_out(
            at.release, at.known, at.control, at.quasi,
            hierarchies=at.original.hierarchies, seed=at.seed,
        )  # fmt: skip
        results.append((at.name, result))
    found, figures = _outcome(results)
    return [*found, *_more_rows_than_persons(auditor)], figures


def _more_rows_than_persons(auditor: Auditor) -> Iterator[Finding]:
    """Who stands in a release twice makes a class look larger than it is.

    A file that repeats the last one published may have persons who have left since.
    """
    for at in _targets(auditor):
        if len(at.release) > len(at.known) and not auditor.repeats(at.name):
            figures: dict[str, Figure] = {"file": at.name, "rows": len(at.release)}
            yield Finding(
                "cannot_single_out", "there are more rows than persons they are of", figures
            )


def cannot_link(auditor: Auditor) -> Outcome:
    """Two halves of what is known of a person, or two cubes, do not lead to the same few."""
    results = [
        (table, attacks.cube_linkability(cubes, threshold=threshold))
        for table, cubes, _, threshold in _cubes(auditor)
    ]
    for at in _targets(auditor):
        half = len(at.quasi) // 2
        if not half:
            continue
        result = attacks.linkability(
            at.release, at.known, at.control, (at.quasi[:half], at.quasi[half:]),
            hierarchies=at.original.hierarchies, threshold=at.part.models.k, seed=at.seed,
        )  # fmt: skip
        results.append((at.name, result))
    return _outcome(results)


def cannot_infer(auditor: Auditor) -> Outcome:
    """A person's class, or line of a cube, tells no more of a sensitive value than all do."""
    results = [
        (table, attacks.cube_inference(cubes, sensitive))
        for table, cubes, sensitive, _ in _cubes(auditor)
        if sensitive
    ]
    for at in _targets(auditor):
        for sensitive in at.part.sensitive:
            name = f"{at.name}_{sensitive.name}"
            result = attacks.inference(
                at.release, at.known, at.control, at.quasi, sensitive.name,
                hierarchies=at.original.hierarchies, seed=at.seed,
            )  # fmt: skip
            certain = attacks.attribute_certainty(at.release, at.quasi, sensitive.name)
            results += [(name, result), (f"{name}_certain", certain)]
    return _outcome(results)
