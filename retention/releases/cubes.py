"""Making a cube: active rows and accumulators, added up, then protected by a threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from anonymizers.cubes.cells import (
    ALL,
    SUBJECTS,
    CubeError,
    CubeShape,
    aggregate,
    combine,
    with_margins,
)
from anonymizers.cubes.sticky import next_release
from anonymizers.cubes.suppression import PUBLISHED, STATUS, Unprotectable, for_publication
from retention.catalogue.model import TableName
from retention.errors import RetentionError
from retention.execution.counting import leaves_at_once
from retention.releases.active import ActiveBase
from retention.releases.adding import in_published_units, of_different_persons
from retention.releases.built import Figure
from retention.releases.errors import EmptyRelease
from retention.releases.frames import FINER, SUBJECT, Labels, Persons, amounts, frame
from retention.releases.history import departed
from retention.releases.model import CubeDeclaration, Threshold
from retention.releases.parts import Made, Making, shape_of_cube


def records(making: Making, cube: CubeDeclaration) -> Iterator[pd.DataFrame]:
    """The active rows of a cube's table, page by page: labels, fine units, persons' numbers."""
    table = TableName(cube.table)
    base = ActiveBase(making.installation, table, making.as_of)
    labels = Labels(making.installation, table, cube.dimensions, making.folder)
    persons = Persons()
    wanted = [*(item.column for item in cube.dimensions), *(item.column for item in cube.measures)]
    for page in base.pages(list(dict.fromkeys(wanted)), cube.subject):
        columns = labels.of(page)
        for measure in cube.measures:
            columns[measure.name] = amounts(page.columns[measure.column], measure)
        yield frame(columns, persons.numbers(page.persons))
        making.progress(table, len(page))
        making.renew()
    making.left_out[table] = base.left_out


def exact(making: Making, cube: CubeDeclaration) -> pd.DataFrame:
    """The cube as it is, margins included: RESTRICTED. Measures are in published units."""
    shape = shape_of_cube(making.installation, cube)
    at_once = cube.subject is None and leaves_at_once(
        making.installation.catalogue, TableName(cube.table)
    )
    active = _active(records(making, cube), shape, at_once=at_once)
    gone = departed(making.installation, cube, shape, making.folder)
    if gone is None:
        together = active
    elif at_once:
        together = of_different_persons([_base(active, shape), gone], shape)
    else:
        together = combine([_base(active, shape), gone], shape)
    ratio = int(1 / FINER)
    ratios = dict.fromkeys(shape.measures, ratio)
    cells = pd.concat([_base(together, shape), _margins(active, shape)], ignore_index=True)
    return with_margins(in_published_units(cells, shape, ratios), shape)


def _active(pages: Iterator[pd.DataFrame], shape: CubeShape, *, at_once: bool) -> pd.DataFrame:
    """Base cells and margins of the active rows.

    Where all rows of a person are in one page, pages are added up as they come; else persons
    have to be told apart over all of them.
    """
    if not at_once:
        return aggregate(all_of(pages, shape), shape, SUBJECT)
    total = aggregate(_nothing(shape), shape, SUBJECT)
    for page in pages:
        total = of_different_persons([total, aggregate(page, shape, SUBJECT)], shape)
    return total


def all_of(pages: Iterable[pd.DataFrame], shape: CubeShape) -> pd.DataFrame:
    """The pages as one frame; one without rows where there is none."""
    return pd.concat([_nothing(shape), *pages], ignore_index=True)


def _nothing(shape: CubeShape) -> pd.DataFrame:
    columns: dict[str, Any] = {name: pd.Series(dtype="str") for name in shape.dimensions}
    columns |= {name: pd.Series(dtype="int64") for name in (*shape.measures, SUBJECT)}
    return pd.DataFrame(columns)


def _inner(cells: pd.DataFrame, shape: CubeShape) -> Any:
    return (cells[list(shape.dimensions)] != ALL).all(axis=1)


def _base(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    return pd.DataFrame(cells.loc[_inner(cells, shape)])


def _margins(cells: pd.DataFrame, shape: CubeShape) -> pd.DataFrame:
    return pd.DataFrame(cells.loc[~_inner(cells, shape)])


def thresholded(
    making: Making,
    cube: CubeDeclaration,
    protection: Threshold,
    history: Sequence[pd.DataFrame],
) -> Made:
    """The cube with its small cells, and what would give them away, suppressed.

    ``history`` has the states of earlier published releases of the cube, oldest first: no cell
    may differ from them by a few persons.

    Raises:
        EmptyRelease: no row was ever there. RetentionError: it cannot be protected, given what earlier releases have told.
    """
    shape = shape_of_cube(making.installation, cube)
    cells = exact(making, cube)
    if not len(cells):
        raise EmptyRelease(f"{making.release}: nobody is in {cube.table}, and nobody has left it")
    if len(cells) > protection.largest:
        raise RetentionError(
            f"{making.release}: a cube of {cube.table} has {len(cells)} cells, more than "
            f"{protection.largest} ('largest'); give it coarser dimensions, or protect it by "
            "'differential_privacy'"
        )
    try:
        made = next_release(
            cells, shape, history, protection.threshold, dominance=protection.dominance
        )
    except Unprotectable:
        told = "what earlier releases have told" if history else "what it would tell itself"
        raise RetentionError(
            f"{making.release}: a cube of {cube.table} cannot be protected, given {told}; give it "
            "coarser dimensions or fewer margins, under another name if it was published before"
        ) from None
    except CubeError as error:
        raise RetentionError(f"{making.release}: {error}") from None
    shown = for_publication(made.published, shape)
    return Made(
        in_amounts(shown, cube), _figures(made.state, shape, protection, made.held), made.state
    )


def in_amounts(cells: pd.DataFrame, cube: CubeDeclaration) -> pd.DataFrame:
    """Measures as amounts instead of whole units: numbers where the unit is whole, else decimals."""
    shown = cells.copy()
    for measure in cube.measures:
        units = shown[measure.name]
        if measure.round >= 1:
            shown[measure.name] = units * int(measure.round)
        else:
            shown[measure.name] = pd.Series(
                [None if pd.isna(unit) else Decimal(int(unit)) * measure.round for unit in units],
                index=units.index,
                dtype=object,
            )
    return shown


def in_units_again(cells: pd.DataFrame, cube: CubeDeclaration) -> pd.DataFrame:
    """What ``in_amounts`` was given."""
    units = cells.copy()
    for measure in cube.measures:
        if measure.round >= 1:
            units[measure.name] = units[measure.name].astype("Int64") // int(measure.round)
        else:
            whole = [
                pd.NA if pd.isna(amount) else int(amount / measure.round)
                for amount in units[measure.name]
            ]
            units[measure.name] = pd.array(whole, dtype="Int64")
    return units


def _figures(
    state: pd.DataFrame, shape: CubeShape, protection: Threshold, held: int
) -> dict[str, Figure]:
    base = _base(state, shape)
    shown = base[STATUS] == PUBLISHED
    return {
        "cells": len(base),
        "cells_published": int(shown.sum()),
        "cells_held_back": held,
        "suppressed_share": coarse_share(
            int(base.loc[~shown, SUBJECTS].sum()),
            int(base[SUBJECTS].sum()),
            protection.threshold,
        ),
    }


def coarse_share(part: int, whole: int, threshold: int) -> float:
    """``part / whole``, rounded up so coarsely that it tells of no group below ``threshold``."""
    if not whole or not part:
        return 0.0
    step = max(0.01, threshold / whole)
    return round(min(1.0, -(-(part / whole) // step) * step), 4)
