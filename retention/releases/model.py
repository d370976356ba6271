"""The declaration of releases: which statistics are published, of what, and how protected.

Only the shape of the document belongs here. Whether it fits the catalogue is ``reading``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from retention.catalogue.declarations import Names
from retention.catalogue.rules import Coordinate
from retention.documents import Misplaced, Place, StrictModel

SMALLEST_THRESHOLD = 3
"""Below three subjects each of two could compute the other from a cell."""

RESERVED = ("subjects", "subjects_at_most", "rows", "status")
"""Columns that every cube has already."""

_NAME = r"^[a-z][a-z0-9_]*$"
"""Names become columns, files and folders."""

Name = Annotated[str, Field(pattern=_NAME, max_length=60)]


class Labelled(StrictModel):
    """Something a reader of a release sees, named in both languages."""

    label: str
    label_fr: str = ""
    description: str = ""


class ReleaseColumn(Coordinate):
    """A column of a release: a source column, generalised by a rule."""

    name: Name
    label: str = ""
    label_fr: str = ""


class Measure(StrictModel):
    """A sum that a cube shows."""

    name: Name
    column: str
    label: str = ""
    label_fr: str = ""
    round: Decimal = Field(default=Decimal(1), gt=0)
    """Sums are rounded to a multiple of this: a power of ten."""
    clip: tuple[Decimal, Decimal] | None = None
    """With differential privacy: what one row may add, from and to; multiples of ``round``."""

    @model_validator(mode="after")
    def _in_order(self) -> Measure:
        sign, digits, _ = self.round.normalize().as_tuple()
        if sign or digits != (1,):
            raise Misplaced(("round",), "a power of ten is wanted, such as 0.01, 1 or 100")
        if self.clip is not None:
            if self.clip[0] >= self.clip[1]:
                raise Misplaced(("clip",), "a lower and a higher bound are wanted")
            if any(bound % self.round for bound in self.clip):
                raise Misplaced(("clip",), "the bounds are no multiples of 'round'")
        return self


class Threshold(StrictModel):
    """Cells of few subjects are suppressed, and as many others as it takes to keep them so."""

    kind: Literal["threshold"]
    threshold: int = Field(default=10, ge=SMALLEST_THRESHOLD)
    """The fewest distinct subjects a published cell counts."""
    dominance: float | None = Field(default=0.8, gt=0.5, lt=1)
    """The largest share of a sum that one subject may have; null where no sum is sensitive."""
    largest: int = Field(default=3_000, ge=1)
    """The most cells a cube may have, margins left out: proving that hidden ones cannot be
    computed takes longer the more there are. Beyond it: coarser dimensions, or noise."""


class DifferentialPrivacy(StrictModel):
    """Every cell of a closed domain is published, with noise."""

    kind: Literal["differential_privacy"]
    epsilon: float = Field(gt=0)
    """What one release spends, or one period of it where ``period`` is given."""
    delta: float = Field(default=0, ge=0, lt=1)
    max_cells: int = Field(default=1, ge=1)
    """Cells of one subject that count, in a period; more are left out at random."""
    max_rows: int = Field(default=1, ge=1)
    """Rows of one subject that count in one cell."""
    period: Name | None = None
    """A date dimension. Noise for one of its labels is drawn once, when that period is over;
    later releases repeat what was published."""
    reach: int = Field(default=1, ge=1)
    """How many of the latest periods may still be drawn: rows of older ones have begun to leave."""


Protection = Annotated[Threshold | DifferentialPrivacy, Field(discriminator="kind")]


class CubeDeclaration(Labelled):
    """A table of counts and sums by cell."""

    table: str
    """``system.table``."""
    accumulator: str | None = None
    """The table's accumulator that has what rows that left have added."""
    subject: Names | None = None
    """Columns that name the person a row belongs to, the first that is not null; by default
    the row's owner, or the row itself."""
    dimensions: tuple[ReleaseColumn, ...] = Field(min_length=1)
    measures: tuple[Measure, ...] = ()
    sensitive: tuple[str, ...] = ()
    """Dimensions of which nobody may learn a person's value from the others."""
    margins: tuple[tuple[str, ...], ...] = ()
    """Which dimensions are kept in each table of totals; an empty list is the grand total."""
    protection: Protection

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the dimensions, in order."""
        return tuple(item.name for item in self.dimensions)

    @model_validator(mode="after")
    def _coherent(self) -> CubeDeclaration:
        names = [*self.columns, *(item.name for item in self.measures)]
        _refuse_twice(names, "a dimension or measure")
        for name in names:
            if name in RESERVED or name.startswith("largest_"):
                raise ValueError(f"a dimension or measure cannot be called '{name}'")
        _known(self.sensitive, self.columns, ("sensitive",), "dimension")
        for place, margin in enumerate(self.margins):
            _known(margin, self.columns, ("margins", place), "dimension")
            if len(set(margin)) == len(self.columns):
                raise Misplaced(("margins", place), "is the cube itself")
        _refuse_twice([tuple(sorted(margin)) for margin in self.margins], "a margin")
        if isinstance(self.protection, DifferentialPrivacy):
            self._private(self.protection)
        return self

    def _private(self, protection: DifferentialPrivacy) -> None:
        place: Place = ("protection", "period")
        if protection.period is not None:
            _known((protection.period,), self.columns, place, "dimension")
            dated = self.dimensions[self.columns.index(protection.period)]
            if dated.rule.kind != "date" or dated.at not in ("month", "quarter", "year"):
                raise Misplaced(place, "a period is a date by month, quarter or year")
        for number, measure in enumerate(self.measures):
            if measure.clip is None:
                raise Misplaced(
                    ("measures", number), "differential privacy needs 'clip': what one row may add"
                )


class QuasiIdentifier(ReleaseColumn):
    """A column by which a person could be recognised: recoded until the models hold."""

    level: str | None = None
    """The level it starts from; recoding only goes up. By default the value."""


class Sensitive(ReleaseColumn):
    """A column that nobody must learn of a person."""


class PrivacyModels(StrictModel):
    """What every equivalence class of a microdata release satisfies, counted by subject."""

    k: int = Field(ge=2)
    l: float | None = Field(default=None, ge=1)  # noqa: E741 - the field's own name
    """Well-represented values of each sensitive column."""
    l_kind: Literal["entropy", "distinct", "recursive"] = "entropy"
    c: float = Field(default=3, gt=0)
    """For recursive diversity: r1 < c (rl + … + rm)."""
    t: float | None = Field(default=None, gt=0, le=1)
    """The largest distance of a class's distribution from the whole release's."""
    distance: Literal["equal", "ordered", "hierarchical"] = "equal"


class MicrodataDeclaration(Labelled):
    """A table of rows: the exception, where cubes do not serve."""

    table: str
    """``system.table``; each of its rows is a person."""
    quasi_identifiers: tuple[QuasiIdentifier, ...] = Field(min_length=1)
    sensitive: tuple[Sensitive, ...] = ()
    keep: tuple[ReleaseColumn, ...] = ()
    """Columns that say nothing by which a person could be recognised, and nothing sensitive."""
    models: PrivacyModels
    recoding: Literal["local", "global", "mondrian"] = "local"
    max_suppressed: float = Field(default=0.05, ge=0, lt=1)
    hold_out: float = Field(default=0.05, gt=0, lt=0.5)
    """The share of subjects left out, to be the control group of the attacks in the audit."""

    @property
    def columns(self) -> tuple[ReleaseColumn, ...]:
        """Every column of the release, in order."""
        return (*self.quasi_identifiers, *self.sensitive, *self.keep)

    @model_validator(mode="after")
    def _coherent(self) -> MicrodataDeclaration:
        _refuse_twice([item.name for item in self.columns], "a column")
        if (self.models.l is not None or self.models.t is not None) and not self.sensitive:
            raise Misplaced(("models",), "l and t need 'sensitive' columns")
        return self


class Utility(StrictModel):
    """Below this a release is not worth publishing: the audit fails."""

    max_suppressed: float = Field(default=0.1, ge=0, le=1)
    """The share of subjects (microdata: of rows) that no published cell counts."""
    min_cells: int = Field(default=2, ge=1)
    """Published cells of each cube, margins left aside; rows of microdata."""


class Release(Labelled):
    """One dataset: cubes of counts and sums (the normal form), or microdata (the exception)."""

    cadence: Literal["monthly"] = "monthly"
    cubes: dict[Name, CubeDeclaration] = Field(default_factory=dict)
    microdata: dict[Name, MicrodataDeclaration] = Field(default_factory=dict)
    utility: Utility = Utility()

    @property
    def parts(self) -> Iterator[tuple[str, CubeDeclaration | MicrodataDeclaration]]:
        """Every file of the release by name, cubes first."""
        yield from self.cubes.items()
        yield from self.microdata.items()

    @model_validator(mode="after")
    def _of_something(self) -> Release:
        if not self.cubes and not self.microdata:
            raise ValueError("give 'cubes' or 'microdata'")
        _refuse_twice([name for name, _ in self.parts], "a cube or microdata")
        return self


class Releases(StrictModel):
    """The document: every release by name."""

    statistics: str
    releases: dict[Name, Release]

    @model_validator(mode="after")
    def _of_something(self) -> Releases:
        if not self.releases:
            raise Misplaced(("releases",), "no release is declared")
        if "data_docs" in self.releases:
            raise Misplaced(("releases", "data_docs"), "the folder of that name holds other pages")
        return self


def _refuse_twice(names: Sequence[object], what: str) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} named twice: {name}")
        seen.add(name)


def _known(names: Sequence[str], known: Sequence[str], place: Place, what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Misplaced(place, f"there is no {what} '{unknown[0]}'")
