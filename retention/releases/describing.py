"""The manifest and the data dictionary of a release: what it is, for whoever reads it.

Nothing personal, and no number that would tell more than the release itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from retention.catalogue.rules import make_rule, meaning
from retention.installation import Installation
from retention.releases.built import Figure
from retention.releases.files import SUFFIX, sha256
from retention.releases.model import (
    CubeDeclaration,
    MicrodataDeclaration,
    Release,
    ReleaseColumn,
    Threshold,
)

Part = CubeDeclaration | MicrodataDeclaration

FORMAT = 1
"""Of the manifest."""

ALL, MISSING = "(all)", "(missing)"
"""As ``anonymizers.cubes.cells`` has them, which is slow to import."""

NOT_TOLD = ("cells_held_back", "repeated")
"""Figures that would tell readers that a few persons have come or gone."""

_LONGEST_VOCABULARY = 200

_COUNTS = (
    (
        "subjects",
        "different persons, at least",
        "personnes distinctes, au moins",
        "Of persons who have left more cannot be known, where their rows left on different days.",
    ),
    ("rows", "records", "enregistrements", "Whole records of the table."),
)
_NOISY_ROWS = (
    "rows",
    "records, with noise",
    "enregistrements, avec bruit",
    "The true number is near: noise was added, and what one person adds is bounded.",
)
_STATUS = (
    "status",
    "published or suppressed",
    "publié ou masqué",
    "A suppressed cell counts somebody, and shows none of its numbers.",
)


def release_digest(release: Release) -> str:
    """A SHA-256 over a release's declaration."""
    text = json.dumps(release.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def part_meaning(part: Part, folder: Path) -> str:
    """A digest of what a part's columns mean: releases can be compared where it is the same."""
    if isinstance(part, CubeDeclaration):
        described: list[Any] = [
            part.table,
            part.accumulator,
            part.subject,
            part.columns,
            meaning(part.dimensions, folder),
            [[item.name, item.column, str(item.round.normalize())] for item in part.measures],
            sorted(sorted(margin) for margin in part.margins),
            part.protection.kind,
        ]
    else:
        columns = part.columns
        described = [part.table, [c.name for c in columns], meaning(columns, folder)]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def columns_of_file(part: Part) -> tuple[str, ...]:
    """The columns of a part's file, in order."""
    if isinstance(part, MicrodataDeclaration):
        return tuple(column.name for column in part.columns)
    measures = tuple(measure.name for measure in part.measures)
    if isinstance(part.protection, Threshold):
        return (*part.columns, "subjects", "rows", *measures, "status")
    return (*part.columns, "rows", *measures)


def dictionary(name: str, release: Release, folder: Path) -> dict[str, Any]:
    """The data dictionary: every column of every file, in English and French."""
    return {
        "format": FORMAT,
        "release": name,
        "files": {
            f"{part_name}{SUFFIX}": {
                "label": part.label,
                "label_fr": part.label_fr,
                "description": part.description,
                "columns": list(_columns(part, folder)),
            }
            for part_name, part in release.parts
        },
    }


def _columns(part: Part, folder: Path) -> Iterator[dict[str, Any]]:
    if isinstance(part, MicrodataDeclaration):
        roles = dict.fromkeys((c.name for c in part.quasi_identifiers), "quasi-identifier")
        roles |= dict.fromkeys((c.name for c in part.sensitive), "sensitive")
        for column in part.columns:
            yield {**_generalised(column, folder), "role": roles.get(column.name, "kept")}
        return
    for column in part.dimensions:
        yield {**_generalised(column, folder), "role": "dimension", "total": ALL}
    noisy = not isinstance(part.protection, Threshold)
    for name, label, label_fr, note in (_NOISY_ROWS,) if noisy else _COUNTS:
        yield _count(name, label, label_fr, note)
    for measure in part.measures:
        yield {
            "name": measure.name,
            "label": measure.label or measure.name,
            "label_fr": measure.label_fr,
            "type": "number",
            "role": "sum",
            "rounded_to": str(measure.round),
        }
    if not noisy:
        yield {**_count(*_STATUS), "type": "text", "role": "status"}


def _count(name: str, label: str, label_fr: str, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "label_fr": label_fr,
        "description": note,
        "type": "number",
        "role": "count",
    }


def _generalised(column: ReleaseColumn, folder: Path) -> dict[str, Any]:
    closed = make_rule(column.rule, folder).closed_vocabulary(column.at)
    short = closed is not None and len(closed) <= _LONGEST_VOCABULARY
    return {
        "name": column.name,
        "label": column.label or column.name,
        "label_fr": column.label_fr,
        "type": "text",
        "rule": column.rule.kind,
        "level": column.at,
        "missing": MISSING,
        **({"vocabulary": sorted(closed)} if short and closed is not None else {}),
    }


def manifest(
    installation: Installation,
    name: str,
    release: Release,
    *,
    month: str,
    as_of: date,
    digest: str,
    files: Mapping[str, bytes],
    figures: Mapping[str, Mapping[str, Figure]],
    left_out: Mapping[str, Counter[str]],
) -> dict[str, Any]:
    """The manifest of a build; publication adds the audit and the revision."""
    return {
        "format": FORMAT,
        "release": name,
        "label": release.label,
        "label_fr": release.label_fr,
        "description": release.description,
        "month": month,
        "as_of": as_of.isoformat(),
        "digest": digest,
        "files": {
            file: {"sha256": sha256(data), "bytes": len(data)}
            for file, data in sorted(files.items())
        },
        "declaration": release_digest(release),
        "policy": {
            "name": installation.policy.policy,
            "digest": installation.policy.digest(as_of),
        },
        "catalogue": installation.catalogue_digest(),
        "program": program_version(),
        "privacy": {part_name: _privacy(part) for part_name, part in release.parts},
        "figures": {
            part: {name: value for name, value in found.items() if name not in NOT_TOLD}
            for part, found in figures.items()
        },
        "left_out": _coarse(release, left_out),
    }


def _privacy(part: Part) -> dict[str, Any]:
    if isinstance(part, CubeDeclaration):
        return part.protection.model_dump(mode="json")
    chosen = {"models", "recoding", "max_suppressed", "hold_out"}
    return part.model_dump(mode="json", include=chosen)


def _coarse(release: Release, left_out: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Rows that are not in the release, by table and why, in steps of the largest threshold.

    Smaller numbers are not shown, and no step is so small that one person more would show.
    With differential privacy nothing is: it would be a number without noise.
    """
    found: dict[str, dict[str, int]] = {}
    for table, reasons in left_out.items():
        parts = [part for _, part in release.parts if part.table == table]
        steps = [_step(part) for part in parts]
        if None in steps:
            continue
        step = max(step for step in steps if step is not None)
        shown = {why: number // step * step for why, number in sorted(reasons.items())}
        found[table] = {why: number for why, number in shown.items() if number}
    return found


def _step(part: Part) -> int | None:
    if isinstance(part, MicrodataDeclaration):
        return part.models.k
    return part.protection.threshold if isinstance(part.protection, Threshold) else None


def program_version() -> str:
    """The version of this program."""
    try:
        return version("retention-orchestrator")
    except PackageNotFoundError:
        return "unknown"
