"""What the files of a release hold, before they are written: frames, and what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from retention.catalogue.model import TableName
from retention.execution.counting import own_person
from retention.installation import Installation
from retention.releases.built import Figure
from retention.releases.model import CubeDeclaration

if TYPE_CHECKING:
    import pandas as pd

    from anonymizers.cubes.cells import CubeShape

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Made:
    """One file of a release. ``frame`` is what analysts get, in canonical order."""

    frame: pd.DataFrame
    figures: Mapping[str, Figure]
    """Of the whole: nothing here may tell more than the frame does."""
    state: pd.DataFrame | None = None
    """RESTRICTED: a thresholded cube with every number, for later releases to compare with."""


@dataclass
class Making:
    """What making one release works with."""

    installation: Installation
    folder: Path
    """Of the declaration: hierarchies' files are looked for from here."""
    release: str
    month: str
    as_of: date
    renew: Callable[[], None] = lambda: None
    """Called between pages: prolongs the lease, or stops where it was lost."""
    progress: Progress = lambda _table, _rows: None
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    """Rows that are not active, by table and why."""


def shape_of_cube(installation: Installation, cube: CubeDeclaration) -> CubeShape:
    """The cube's shape; margins in the order of its dimensions."""
    from anonymizers.cubes.cells import CubeShape  # noqa: PLC0415 - imports pandas

    one_row_each = cube.subject is None and own_person(
        installation.catalogue, TableName(cube.table)
    )
    return CubeShape(
        dimensions=cube.columns,
        measures=tuple(measure.name for measure in cube.measures),
        margins=tuple(
            tuple(name for name in cube.columns if name in margin) for margin in cube.margins
        ),
        one_row_each=one_row_each,
    )
