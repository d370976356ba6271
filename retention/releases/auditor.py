"""What the checks of one build work with: its bytes as read from disk, its declaration, and the
way to the sources and to what was published before.
"""  # noqa: D205 - one sentence

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from retention.catalogue.rules import DateRule, make_rule
from retention.catalogue.sources import source_errors
from retention.installation import Installation
from retention.releases import records as store
from retention.releases.building import declaration_folder
from retention.releases.built import Built
from retention.releases.describing import part_meaning
from retention.releases.files import SUFFIX, digest_of, parquet_frame, read_folder
from retention.releases.model import (
    CubeDeclaration,
    DifferentialPrivacy,
    MicrodataDeclaration,
    Release,
    ReleaseColumn,
    Releases,
    Threshold,
)
from retention.releases.parts import Making, shape_of_cube
from retention.releases.reading import is_direct

if TYPE_CHECKING:
    import pandas as pd

    from anonymizers.cubes.cells import CubeShape
    from retention.releases.microdata import Original

BATCH_ROWS = 20_000
"""Values of a source's column that are looked for at once."""

_DATES = {
    "day": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "month": re.compile(r"\d{4}-\d{2}"),
    "quarter": re.compile(r"\d{4}-Q[1-4]"),
    "year": re.compile(r"\d{4}"),
}


class Auditor:
    """What the checks of one build need: its bytes, its declaration, the way to the sources.

    Make one for several checks: files are read from disk once, and so are source rows.
    """

    def __init__(self, installation: Installation, releases: Releases, built: Built) -> None:
        self.installation = installation
        self.built = built
        self.release: Release = releases.releases[built.release]
        self.folder: Path = declaration_folder(installation)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Every file in quarantine by name."""
        return read_folder(self.built.folder)

    @property
    def whole(self) -> bool:
        """Whether they are still the bytes that were built."""
        return digest_of(self.files) == self.built.digest

    @property
    def tables(self) -> Mapping[str, bytes]:
        """The data files by name."""
        return {name: data for name, data in self.files.items() if name.endswith(SUFFIX)}

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Each declared part as its file says it; a part without a file is absent."""
        return {
            name: parquet_frame(self.files[name + SUFFIX], name)
            for name, _ in self.release.parts
            if name + SUFFIX in self.files
        }

    # --- the parts by kind -------------------------------------------------------------

    @property
    def thresholded(self) -> Iterator[tuple[str, CubeDeclaration, Threshold]]:
        for name, cube in self.release.cubes.items():
            if isinstance(cube.protection, Threshold):
                yield name, cube, cube.protection

    @property
    def noisy(self) -> Iterator[tuple[str, CubeDeclaration, DifferentialPrivacy]]:
        for name, cube in self.release.cubes.items():
            if isinstance(cube.protection, DifferentialPrivacy):
                yield name, cube, cube.protection

    @property
    def microdata(self) -> Iterator[tuple[str, MicrodataDeclaration]]:
        yield from self.release.microdata.items()

    def shape(self, cube: CubeDeclaration) -> CubeShape:
        return shape_of_cube(self.installation, cube)

    def cells(self, name: str, cube: CubeDeclaration) -> pd.DataFrame:
        """A cube's cells, measures in whole units."""
        from retention.releases.cubes import in_units_again  # noqa: PLC0415 - imports pandas

        return in_units_again(self.frames[name], cube)

    def published_before(self, name: str) -> Iterator[tuple[str, pd.DataFrame]]:
        """What was published of a part before, as its bytes say it, oldest first, by month.

        Of a release that is out itself: what was published before it.

        Raises:
            ValueError: it was declared otherwise, so that the two cannot be compared.
        """
        part = dict(self.release.parts)[name]
        for record in store.once_public(self.installation, self.built.release):
            if (record.month, record.digest) == (self.built.month, self.built.digest):
                return
            kept = store.kept(self.installation, record).get(name)
            if kept is None:
                continue
            if kept.meaning != part_meaning(part, self.folder):
                raise ValueError("it was declared otherwise when it was published before")
            yield record.month, parquet_frame(kept.shown, name)

    def repeats(self, name: str) -> bool:
        """Whether a part says what the last release of it has said, or is that release itself."""
        out = store.once_public(self.installation, self.built.release)
        if any((it.month, it.digest) == (self.built.month, self.built.digest) for it in out):
            return True
        said = [frame for _, frame in self.published_before(name)]
        return bool(said) and bool(said[-1].equals(self.frames[name]))

    # --- vocabulary --------------------------------------------------------------------

    def closed(self, name: str) -> dict[str, frozenset[str]]:
        """The closed vocabulary of each column of a part that has one.

        Of a date those labels that are dates of its level; all others are outside.
        """
        from anonymizers.cubes.cells import ALL, MISSING  # noqa: PLC0415 - imports pandas
        from anonymizers.cubes.suppression import PUBLISHED, SUPPRESSED  # noqa: PLC0415
        from anonymizers.rules.labelling import UNKNOWN  # noqa: PLC0415

        part = dict(self.release.parts)[name]
        columns: tuple[ReleaseColumn, ...]
        columns = part.dimensions if isinstance(part, CubeDeclaration) else part.columns
        found = {}
        for column in columns:
            labels = self._closed_labels(name, column, climbing=self._climbs(part, column))
            if labels is not None:
                found[column.name] = labels | {ALL, MISSING, UNKNOWN}
        if isinstance(part, CubeDeclaration) and isinstance(part.protection, Threshold):
            found["status"] = frozenset({PUBLISHED, SUPPRESSED})
        return found

    def _climbs(self, part: CubeDeclaration | MicrodataDeclaration, column: ReleaseColumn) -> bool:
        """Whether a label of a higher level can stand in the column, too."""
        return isinstance(part, MicrodataDeclaration) and column in part.quasi_identifiers

    def _closed_labels(
        self, name: str, column: ReleaseColumn, *, climbing: bool
    ) -> frozenset[str] | None:
        levels = column.rule.levels[column.rule.levels.index(column.at) :]
        wanted = levels if climbing else levels[:1]
        rule = make_rule(column.rule, self.folder)
        labels: set[str] = set()
        for level in wanted:
            if isinstance(column.rule, DateRule) and level in _DATES:
                met = set(self.frames[name][column.name].dropna())
                labels |= {label for label in met if _DATES[level].fullmatch(label)}
                continue
            closed = rule.closed_vocabulary(level)
            if closed is None:
                return None
            labels |= closed
        return frozenset(labels)

    # --- the sources -------------------------------------------------------------------

    def identifiers(self) -> Iterator[tuple[str, list[Any]]]:
        """The values of every column of every governed table that names a person, in batches.

        They are compared and forgotten: nothing is written.
        """
        for table_name, table in self.installation.catalogue.tables():
            columns = [
                name
                for name, column in table.columns.items()
                if column.identifies or is_direct(column.category)
            ]
            if not columns:
                continue
            system = table_name.partition(".")[0]
            sql = self.installation.sources.table(table_name)
            with (
                source_errors(system),
                self.installation.sources.engine(system).connect() as connection,
            ):
                for column in columns:
                    statement = (
                        sa.select(sql.c[column]).where(sql.c[column].is_not(None)).distinct()
                    )
                    result = connection.execution_options(yield_per=BATCH_ROWS).execute(statement)
                    for rows in result.partitions(BATCH_ROWS):
                        yield f"{table_name}.{column}", [row[0] for row in rows]

    @cached_property
    def originals(self) -> dict[str, Original]:
        """The active rows of each microdata part: RESTRICTED, in memory only."""
        from retention.releases.microdata import original  # noqa: PLC0415 - imports pandas

        making = Making(
            self.installation,
            self.folder,
            self.built.release,
            self.built.month,
            self.built.as_of,
        )
        return {name: original(making, part) for name, part in self.microdata}
