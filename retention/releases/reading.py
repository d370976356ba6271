"""Reading the declaration of releases, and whether it fits the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from retention.catalogue.declarations import Accumulator
from retention.catalogue.model import Catalogue, Table, TableName
from retention.catalogue.rules import Coordinate, make_rule
from retention.documents import Place, place_problems, read_document
from retention.errors import ConfigurationError
from retention.execution.counting import leaves_at_once, own_person
from retention.installation import Installation
from retention.releases.coarsening import Way, way
from retention.releases.model import (
    CubeDeclaration,
    DifferentialPrivacy,
    MicrodataDeclaration,
    Releases,
    Threshold,
)

DIRECT = (
    "user.name",
    "user.contact",
    "user.unique_id",
    "user.government_id",
    "user.financial.bank_account",
    "user.financial.credit_card",
    "user.device.ip_address",
    "user.device.cookie_id",
    "user.device.device_id",
    "user.account.username",
    "user.authorization",
    "user.biometric",
    "user.biometrics",
    "user.content",
)
"""Categories whose raw values name a person, whatever the catalogue says of their columns."""

Problem = tuple[Place, str]
Part = CubeDeclaration | MicrodataDeclaration


def read_releases(
    path: Path, catalogue: Catalogue, catalogue_folder: Path | None = None
) -> Releases:
    """Read the declaration at ``path`` and check it against the catalogue.

    Files of hierarchies are looked for beside the document that names them; the catalogue is
    in ``catalogue_folder``, by default the declaration's own.

    Raises:
        ConfigurationError: every fault, with file, line and key.
    """
    releases = read_document(path, Releases)
    folder = path.resolve().parent
    problems = list(_problems(releases, catalogue, folder, catalogue_folder or folder))
    if problems:
        raise ConfigurationError(place_problems(path, problems))
    return releases


def declared_releases(installation: Installation) -> Releases | None:
    """The installation's declaration; ``None`` where its settings name no ``statistics``.

    Raises:
        ConfigurationError: every fault, with file, line and key.
    """
    statistics = installation.settings.statistics
    if statistics is None:
        return None
    path = installation.settings.path(statistics.declaration)
    return read_releases(path, installation.catalogue, installation.catalogue_folder)


def _problems(
    releases: Releases, catalogue: Catalogue, folder: Path, catalogue_folder: Path
) -> Iterator[Problem]:
    tables = dict(catalogue.tables())
    for name, release in releases.releases.items():
        for part_name, part in release.parts:
            kind = "cubes" if isinstance(part, CubeDeclaration) else "microdata"
            place: Place = ("releases", name, kind, part_name)
            if part.table not in tables:
                yield (*place, "table"), f"there is no governed table '{part.table}'"
                continue
            table = tables[TableName(part.table)]
            missing = list(_unknown_columns(place, part, table))
            yield from missing
            if missing:
                continue
            yield from _subject_problems(place, part, table)
            yield from _rule_problems(place, part, folder)
            yield from _identity_problems(place, part, table)
            if isinstance(part, MicrodataDeclaration):
                yield from _microdata_problems(place, part, catalogue)
            if isinstance(part, CubeDeclaration):
                yield from _accumulator_problems(place, part, catalogue, folder, catalogue_folder)
                yield from _domain_problems(place, part, folder)


def columns_of(part: Part) -> Iterator[tuple[Place, Coordinate]]:
    """Every generalised column of a part, and where it stands."""
    if isinstance(part, CubeDeclaration):
        groups: Sequence[tuple[str, Sequence[Coordinate]]] = [("dimensions", part.dimensions)]
    else:
        groups = [
            ("quasi_identifiers", part.quasi_identifiers),
            ("sensitive", part.sensitive),
            ("keep", part.keep),
        ]
    for group, columns in groups:
        for number, column in enumerate(columns):
            yield (group, number), column


def _unknown_columns(place: Place, part: Part, table: Table) -> Iterator[Problem]:
    named = [((*where, "column"), column.column) for where, column in columns_of(part)]
    if isinstance(part, CubeDeclaration):
        named += [
            (("measures", number, "column"), measure.column)
            for number, measure in enumerate(part.measures)
        ]
        named += [(("subject",), column) for column in part.subject or ()]
    for where, column in named:
        if column not in table.columns:
            yield (*place, *where), f"{part.table} has no column '{column}'"


def _subject_problems(place: Place, part: Part, table: Table) -> Iterator[Problem]:
    if isinstance(part, CubeDeclaration) and part.subject and table.owner:
        problem = "rows that are owned belong to their owner; 'subject' is for tables without one"
        yield (*place, "subject"), problem


def _microdata_problems(
    place: Place, part: MicrodataDeclaration, catalogue: Catalogue
) -> Iterator[Problem]:
    """Whose rows are whose is not in a release: only one row each can be counted in its bytes."""
    if not own_person(catalogue, TableName(part.table)):
        problem = "microdata are of tables with one row a person; make a cube of this one"
        yield (*place, "table"), problem


def _rule_problems(place: Place, part: Part, folder: Path) -> Iterator[Problem]:
    for where, column in columns_of(part):
        try:
            make_rule(column.rule, folder)
        except ConfigurationError as error:
            yield (*place, *where, "rule"), str(error)


def _identity_problems(place: Place, part: Part, table: Table) -> Iterator[Problem]:
    """What names a person is in a release generalised or not at all."""
    for where, column in columns_of(part):
        if where[0] == "quasi_identifiers":
            continue  # recoded until the models hold
        annotated = table.columns[column.column]
        direct = annotated.identifies or is_direct(annotated.category)
        if direct and column.raw:
            problem = f"'{column.column}' names a person: give a rule and a level above its value"
            yield (*place, *where, "column"), problem
    for where, column in columns_of(part):
        if where[0] == "quasi_identifiers" and column.rule.kind == "value":
            annotated = table.columns[column.column]
            if annotated.identifies or is_direct(annotated.category):
                problem = f"'{column.column}' names a person: give a rule that generalises it"
                yield (*place, *where, "column"), problem
    if isinstance(part, CubeDeclaration):
        for number, measure in enumerate(part.measures):
            annotated = table.columns[measure.column]
            if annotated.identifies or is_direct(annotated.category):
                problem = f"'{measure.column}' names a person: it cannot be summed"
                yield (*place, "measures", number, "column"), problem


def is_direct(category: str) -> bool:
    """Whether values of the category name a person by themselves."""
    return any(category == item or category.startswith(f"{item}.") for item in DIRECT)


def _accumulator_problems(
    place: Place, cube: CubeDeclaration, catalogue: Catalogue, folder: Path, catalogue_folder: Path
) -> Iterator[Problem]:
    if cube.accumulator is None:
        return
    here = (*place, "accumulator")
    accumulator = catalogue.table(cube.table).accumulators.get(cube.accumulator)
    if accumulator is None:
        yield here, f"{cube.table} has no accumulator '{cube.accumulator}'"
        return
    for number, dimension in enumerate(cube.dimensions):
        if way(dimension, folder, accumulator, catalogue_folder) is Way.none:
            problem = (
                f"accumulator '{cube.accumulator}' is not by '{dimension.column}' on level "
                f"'{dimension.at}' or a finer one"
            )
            yield (*place, "dimensions", number), problem
    for number, measure in enumerate(cube.measures):
        if measure.column not in accumulator.sums:
            problem = f"accumulator '{cube.accumulator}' does not sum '{measure.column}'"
            yield (*place, "measures", number), problem
    if accumulator.subject != cube.subject:
        yield here, f"accumulator '{cube.accumulator}' names another 'subject'"
    yield from _person_problems(here, cube, catalogue, accumulator)


def _person_problems(
    place: Place, cube: CubeDeclaration, catalogue: Catalogue, accumulator: Accumulator
) -> Iterator[Problem]:
    """What is not known of people who have left, and what a protection has to know."""
    name = TableName(cube.table)
    if isinstance(cube.protection, DifferentialPrivacy):
        one_row_each = own_person(catalogue, name) and accumulator.subject is None
        if not one_row_each or cube.measures:
            problem = (
                "what one person has added to it cannot be bounded any more; with differential "
                "privacy give a 'period' instead, whose cells are kept as published"
            )
            yield place, problem
    elif (
        cube.measures
        and cube.protection.dominance is not None
        and not leaves_at_once(catalogue, name)
    ):
        problem = (
            f"rows of one person leave {name} on different days, so that dominance cannot be "
            "known of them; set 'dominance: null' if the sums are not sensitive"
        )
        yield place, problem


def _domain_problems(place: Place, cube: CubeDeclaration, folder: Path) -> Iterator[Problem]:
    """With noise every cell of a closed domain is shown: which there are must not tell anything."""
    protection = cube.protection
    if isinstance(protection, Threshold):
        return
    for number, dimension in enumerate(cube.dimensions):
        if dimension.name == protection.period:
            continue
        if make_rule(dimension.rule, folder).closed_vocabulary(dimension.at) is None:
            problem = (
                "differential privacy needs a closed vocabulary: give 'values' to the rule "
                "'value', or take a rule and a level that have one"
            )
            yield (*place, "dimensions", number), problem
