"""A release's declaration as a suite of expectations for each of its files.

What every expectation asks follows from the declaration alone, and each belongs to one check
of the engine's audit, which it can turn red. Nothing is asked of a database here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from anonymizers.cubes.cells import ROWS, SUBJECTS, CubeShape
from assets.expectations import releases as expect
from retention.releases.describing import Part, columns_of_file
from retention.releases.model import CubeDeclaration, MicrodataDeclaration, Threshold

_SETS = {
    "no_source_value": expect.ExpectNoSourceValue,
    "no_differencing": expect.ExpectNoDifferencingDisclosure,
    "bytes_are_plain": expect.ExpectBytesToBePlain,
    "utility_is_sufficient": expect.ExpectEnoughUtility,
    "budget_is_kept": expect.ExpectPrivacyBudgetToBeKept,
    "cannot_single_out": expect.ExpectNoSinglingOut,
    "cannot_link": expect.ExpectNoLinkability,
    "cannot_infer": expect.ExpectNoInference,
}
"""Checks that need the sources or earlier releases, and the expectation of each."""


def expectations_of(
    part: Part, closed: Mapping[str, Collection[str]], shape: CubeShape | None
) -> list[Any]:
    """What is expected of one file of a release.

    ``closed`` has the labels of columns of which all are known beforehand; ``shape`` is that
    of a cube.
    """
    found = list(_of_any(part, {column: sorted(labels) for column, labels in closed.items()}))
    if isinstance(part, MicrodataDeclaration):
        found += _of_microdata(part)
    elif shape is not None and isinstance(part.protection, Threshold):
        found += _of_cube(part, shape, part.protection.threshold)
    return found


def expectations_of_audit(checks: Sequence[str], about: dict[str, str]) -> list[Any]:
    """What is expected of the engine's own findings: none, for each of ``checks``."""
    found = []
    for check in checks:
        expectation = _SETS.get(check)
        if expectation is not None:
            found.append(expectation(check=check, meta={"check": check}))
        else:
            found.append(
                expect.ExpectAuditToFindNothing(
                    check=check, about=about[check], meta={"check": check}
                )
            )
    return found


def _of_any(part: Part, closed: dict[str, list[str]]) -> Iterator[Any]:
    yield expect.ExpectReleaseColumnsToBeDeclared(
        columns=list(columns_of_file(part)), meta={"check": "schema_is_as_declared"}
    )
    if closed:
        yield expect.ExpectReleaseLabelsToBeDeclared(
            closed=closed, meta={"check": "schema_is_as_declared"}
        )
    yield expect.ExpectReleaseTextsToHoldNoIdentifier(
        closed=closed, meta={"check": "no_direct_identifier"}
    )
    yield expect.ExpectReleaseTextsToBePlain(closed=closed, meta={"check": "schema_is_as_declared"})
    yield expect.ExpectReleaseRowsInCanonicalOrder(
        order=_order(part), meta={"check": "order_is_canonical"}
    )
    units = _units(part)
    if units:
        yield expect.ExpectReleaseMeasuresNoFinerThanDeclared(
            units=units, meta={"check": "schema_is_as_declared"}
        )


def _of_cube(cube: CubeDeclaration, shape: CubeShape, threshold: int) -> Iterator[Any]:
    dimensions = list(shape.dimensions)
    yield expect.ExpectNoSmallCell(
        dimensions=dimensions, threshold=threshold, meta={"check": "no_small_cell"}
    )
    yield expect.ExpectNoRecoverableCell(
        dimensions=dimensions,
        units={item.name: str(item.round.normalize()) for item in cube.measures},
        margins=[list(margin) for margin in shape.margins],
        one_row_each=shape.one_row_each,
        threshold=threshold,
        meta={"check": "no_recoverable_cell"},
    )


def _of_microdata(part: MicrodataDeclaration) -> Iterator[Any]:
    names = [item.name for item in part.quasi_identifiers]
    models = part.models
    meta = {"check": "privacy_model_holds"}
    yield expect.ExpectClassesToHoldKSubjects(quasi_identifiers=names, k=models.k, meta=meta)
    for item in part.sensitive:
        if models.l is not None:
            yield expect.ExpectSensitiveValuesToBeDiverse(
                quasi_identifiers=names,
                column=item.name,
                kind=models.l_kind,
                diversity=models.l,
                c=models.c,
                meta=meta,
            )
        # The other distances need the order or the hierarchy of the values: the engine has them.
        if models.t is not None and models.distance == "equal":
            yield expect.ExpectSensitiveValuesToBeClose(
                quasi_identifiers=names, column=item.name, t=models.t, distance="equal", meta=meta
            )


def _order(part: Part) -> list[str]:
    if isinstance(part, CubeDeclaration):
        return list(part.columns)
    return [column.name for column in part.columns]


def _units(part: Part) -> dict[str, str]:
    """By column: of what its numbers are multiples, as decimal text."""
    if isinstance(part, MicrodataDeclaration):
        return {}
    counts = {ROWS: "1"}
    if isinstance(part.protection, Threshold):
        counts[SUBJECTS] = "1"
    return counts | {item.name: str(item.round.normalize()) for item in part.measures}
