"""Checks of cubes: cells, their complements, their differences to earlier releases, the budget."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from anonymizers.audits.findings import Finding
from anonymizers.cubes import differencing
from anonymizers.cubes.cells import ALL, CubeShape
from anonymizers.cubes.suppression import PUBLISHED, STATUS
from retention.releases.auditor import Auditor
from retention.releases.budget import spent, spent_on
from retention.releases.built import Figure
from retention.releases.checks_plain import Outcome
from retention.releases.microdata import few_differ
from retention.releases.model import CubeDeclaration, DifferentialPrivacy


def no_small_cell(auditor: Auditor) -> Outcome:
    """No published cell, no margin counts fewer subjects than the threshold."""
    found: list[Finding] = []
    smallest: list[int] = []
    for name, cube, protection in auditor.thresholded:
        cells = auditor.cells(name, cube)
        found += differencing.small_cells(cells, auditor.shape(cube), protection.threshold)
        shown = cells.loc[cells[STATUS] == PUBLISHED, "subjects"]
        smallest += [int(shown.min())] if len(shown) else []
    return found, {"smallest": min(smallest)} if smallest else {}


def no_recoverable_cell(auditor: Auditor) -> Outcome:
    """No suppressed cell can be computed, or bounded closely, within a cube or from several."""
    found: list[Finding] = []
    suppressed = 0
    for name, cube, protection in auditor.thresholded:
        cells = auditor.cells(name, cube)
        suppressed += int((cells[STATUS] != PUBLISHED).sum())
        found += differencing.recoverable(cells, auditor.shape(cube), protection.threshold)
    for cubes, threshold in _alike(auditor):
        found += differencing.linked(cubes, threshold)
    return found, {"suppressed": suppressed}


def _alike(auditor: Auditor) -> Iterator[tuple[list[tuple[pd.DataFrame, CubeShape]], int]]:
    """Cubes of one table count the same people: together they could say more than each."""
    by_table: dict[str, list[tuple[pd.DataFrame, CubeShape]]] = {}
    thresholds: dict[str, int] = {}
    for name, cube, protection in auditor.thresholded:
        by_table.setdefault(cube.table, []).append((auditor.cells(name, cube), auditor.shape(cube)))
        thresholds[cube.table] = max(thresholds.get(cube.table, 0), protection.threshold)
    for table, cubes in by_table.items():
        if len(cubes) > 1:
            yield cubes, thresholds[table]


def no_differencing(auditor: Auditor) -> Outcome:
    """No difference to any release published before tells of fewer than the threshold."""
    found: list[Finding] = []
    compared = 0
    for name, cube, protection in auditor.thresholded:
        current, shape = auditor.frames[name], auditor.shape(cube)
        for _, previous in auditor.published_before(name):
            compared += 1
            found += differencing.between(previous, current, shape, protection.threshold)
    for name, cube, noise in auditor.noisy:
        for month, previous in auditor.published_before(name):
            compared += 1
            if noise.period is not None or month == auditor.built.month:
                found += _drawn_again(auditor.frames[name], previous, cube, noise)
    for name, part in auditor.microdata:
        for _, previous in auditor.published_before(name):
            compared += 1
            if few_differ(auditor.frames[name], previous, part.models.k):
                figures: dict[str, Figure] = {"file": name, "k": part.models.k}
                problem = "fewer than k rows came or went since a release before"
                found.append(Finding("no_differencing", problem, figures))
    return found, {"releases_compared": compared}


def _drawn_again(
    current: pd.DataFrame,
    previous: pd.DataFrame,
    cube: CubeDeclaration,
    protection: DifferentialPrivacy,
) -> Iterator[Finding]:
    """What was published of a period stays as it is: two draws would tell more than one."""
    keys = list(cube.columns)
    inner = previous.loc[(previous[keys] != ALL).all(axis=1)]
    both = inner.merge(current, on=keys, how="left", suffixes=("_before", ""))
    numbers = ["rows", *(measure.name for measure in cube.measures)]
    changed = sum(
        int((both[f"{name}_before"] != both[name]).fillna(value=True).sum()) for name in numbers
    )
    if changed:
        figures: dict[str, Figure] = {"cells": changed, "period": protection.period or "month"}
        yield Finding("no_differencing", "noisy cells differ from those published before", figures)


def utility_is_sufficient(auditor: Auditor) -> Outcome:
    """Not more is suppressed, and not less is shown, than the declared floor says."""
    check = "utility_is_sufficient"
    floor = auditor.release.utility
    found: list[Finding] = []
    figures: dict[str, Figure] = {}
    for name, part in auditor.release.parts:
        frame = auditor.frames[name]
        if isinstance(part, CubeDeclaration):
            frame = frame.loc[(frame[list(part.columns)] != ALL).all(axis=1)]
            if STATUS in frame.columns:
                frame = frame.loc[frame[STATUS] == PUBLISHED]
        share = float(auditor.built.figures[f"{name}.suppressed_share"])
        figures[f"{name}_shown"], figures[f"{name}_suppressed_share"] = len(frame), share
        if len(frame) < floor.min_cells:
            found.append(Finding(check, "too little is shown", {"file": name, "shown": len(frame)}))
        if share > floor.max_suppressed:
            found.append(
                Finding(check, "too much is suppressed", {"file": name, "suppressed_share": share})
            )
    return found, figures


def budget_is_kept(auditor: Auditor) -> Outcome:
    """Every draw is on record, and what was spent is within the year's budget."""
    check = "budget_is_kept"
    found: list[Finding] = []
    statistics = auditor.installation.settings.statistics
    assert statistics is not None
    release, month = auditor.built.release, auditor.built.month
    for name, cube, protection in auditor.noisy:
        frame = auditor.frames[name]
        drawn = spent_on(auditor.installation, release, name)
        inner = frame.loc[(frame[list(cube.columns)] != ALL).all(axis=1)]
        shown = set(inner[protection.period]) if protection.period else {month}
        missing = shown - set(drawn)
        if missing:
            found.append(
                Finding(
                    check,
                    "noise was drawn without a record",
                    {"file": name, "periods": len(missing)},
                )
            )
    total = spent(auditor.installation, release, month)
    if total.epsilon > statistics.epsilon_per_year * (1 + 1e-9):
        found.append(Finding(check, "the budget is overspent", {"epsilon": total.epsilon}))
    if total.delta > statistics.delta_per_year * (1 + 1e-9):
        found.append(Finding(check, "the budget is overspent", {"delta": total.delta}))
    return found, {"epsilon_in_twelve_months": total.epsilon, "delta_in_twelve_months": total.delta}
