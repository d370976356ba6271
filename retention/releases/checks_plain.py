"""Checks of any release: that it is what was declared, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pandas as pd

from anonymizers.audits import leaks, leaks_shape
from anonymizers.audits.findings import Finding
from anonymizers.cubes.cells import ALL
from anonymizers.cubes.suppression import PUBLISHED, STATUS
from retention.releases.auditor import Auditor
from retention.releases.built import DICTIONARY, MANIFEST, Figure
from retention.releases.describing import columns_of_file, dictionary
from retention.releases.files import SUFFIX, json_bytes
from retention.releases.model import CubeDeclaration, MicrodataDeclaration, Threshold
from retention.releases.noisy import WHOLE, vocabularies
from retention.releases.parts import Making
from retention.releases.reading import columns_of, is_direct

SMALL = 1_000
"""Counts below this say nothing of anybody by being equal to an identifier."""

Outcome = tuple[list[Finding], dict[str, Figure]]


def schema_is_as_declared(auditor: Auditor) -> Outcome:
    """Exactly the declared files and columns; labels of closed vocabularies; sums as rounded."""
    check = "schema_is_as_declared"
    wanted = {name + SUFFIX for name, _ in auditor.release.parts} | {MANIFEST, DICTIONARY}
    there = set(auditor.files)
    found: list[Finding] = []
    if wanted - there:
        found.append(Finding(check, "a declared file is missing", {"files": len(wanted - there)}))
    if there - wanted:
        found.append(Finding(check, "there are other files", {"files": len(there - wanted)}))
    if not auditor.whole:
        found.append(Finding(check, "the files are not those that were built"))
    said = dictionary(auditor.built.release, auditor.release, auditor.folder)
    if auditor.files.get(DICTIONARY) not in (None, json_bytes(said)):
        found.append(Finding(check, "the data dictionary is not that of the declaration"))
    for name, part in auditor.release.parts:
        if name not in auditor.frames:
            continue
        frame = auditor.frames[name]
        declared = columns_of_file(part)
        problems = leaks.undeclared_columns(frame, declared)
        found += problems
        if problems:
            continue
        found += leaks.column_types(_blanks_aside(frame), _kinds(part))
        found += leaks.vocabulary(frame, auditor.closed(name))
        found += leaks.precision(_blanks_aside(frame), _units(part))
        found += leaks.formulas(frame)
        if isinstance(part, CubeDeclaration) and not isinstance(part.protection, Threshold):
            found += _domain(auditor, check, name, frame, part)
    return found, {"files": len(auditor.tables)}


def _units(part: CubeDeclaration | MicrodataDeclaration) -> dict[str, Decimal]:
    if isinstance(part, MicrodataDeclaration):
        return {}
    return {measure.name: measure.round for measure in part.measures}


def _kinds(part: CubeDeclaration | MicrodataDeclaration) -> dict[str, leaks_shape.Kind]:
    """Labels are texts and counts whole numbers: anything finer could carry something along."""
    if isinstance(part, MicrodataDeclaration):
        return {column.name: "text" for column in part.columns}
    kinds: dict[str, leaks_shape.Kind] = dict.fromkeys(columns_of_file(part), "integer")
    kinds |= dict.fromkeys(part.columns, "text")
    kinds |= {measure.name: "number" for measure in part.measures if measure.round < 1}
    return {name: "text" if name == "status" else kind for name, kind in kinds.items()}


def _domain(
    auditor: Auditor, check: str, name: str, frame: pd.DataFrame, cube: CubeDeclaration
) -> Iterator[Finding]:
    """With noise every cell of the domain is there: which are missing would tell who is not."""
    protection = cube.protection
    assert not isinstance(protection, Threshold)
    making = Making(
        auditor.installation, auditor.folder, auditor.built.release, auditor.built.month,
        auditor.built.as_of,
    )  # fmt: skip
    inner = frame[(frame[list(cube.columns)] != ALL).all(axis=1)]
    periods = sorted(set(inner[protection.period])) if protection.period else [WHOLE]
    size = 0
    for period in periods:
        cells = 1
        for labels in vocabularies(making, cube, protection, period).values():
            cells *= len(labels)
        size += cells
    distinct = len(inner.drop_duplicates(list(cube.columns)))
    if not size == len(inner) == distinct:
        figures: dict[str, Figure] = {"file": name, "cells": len(inner), "domain": size}
        yield Finding(check, "the cells are not those of the closed domain", figures)


def _blanks_aside(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that show their numbers: a suppressed cell is blank."""
    if STATUS not in frame.columns:
        return frame
    return pd.DataFrame(frame.loc[frame[STATUS] == PUBLISHED])


def no_direct_identifier(auditor: Auditor) -> Outcome:
    """No column that names a person by its category, no text of an identifier's form."""
    check = "no_direct_identifier"
    found: list[Finding] = []
    for name, part in auditor.release.parts:
        table = auditor.installation.catalogue.table(part.table)
        for where, column in columns_of(part):
            annotated = table.columns[column.column]
            direct = annotated.identifies or is_direct(annotated.category)
            if direct and column.raw and where[0] != "quasi_identifiers":
                found.append(
                    Finding(
                        check, "a column names a person", {"file": name, "column": column.column}
                    )
                )
        frame, closed = auditor.frames[name], auditor.closed(name)
        found += leaks.identifier_patterns(frame, closed)
        keys = {"pseudonym": auditor.installation.keyring.pseudonym_key}
        found += leaks.pseudonyms(frame, closed, keys)
        found += leaks.serial_numbers(frame)
    return found, {}


def no_source_value(auditor: Auditor) -> Outcome:
    """No value of an identifying column of any system stands anywhere in the release."""
    found: list[Finding] = []
    seen = 0

    def streamed() -> Iterator[tuple[str, list[object]]]:
        nonlocal seen
        for column, values in auditor.identifiers():
            seen += len(values)
            yield column, values

    for name, part in auditor.release.parts:
        frame = auditor.frames[name]
        if isinstance(part, CubeDeclaration):
            frame = _small_counts_aside(frame)
        found += leaks.source_identifiers(frame, streamed(), auditor.closed(name))
    # in powers of ten: how many there are exactly would change with a single person
    return found, {"values_looked_for": 10 ** (len(str(seen)) - 1) if seen else 0}


def _small_counts_aside(frame: pd.DataFrame) -> pd.DataFrame:
    """Counts below ``SMALL`` are blank: there are persons with such numbers in any source.

    That a count of 35 is also the number of some row, and 36 is not, happens in every other
    release; of what is larger the audit can tell chance from design.
    """
    numbers = [name for name in frame.columns if pd.api.types.is_integer_dtype(frame[name].dtype)]
    return frame.assign(**{name: frame[name].where(frame[name].abs() >= SMALL) for name in numbers})


def order_is_canonical(auditor: Auditor) -> Outcome:
    """Rows stand in the order of their values: no other order, which could tell of insertion."""
    found: list[Finding] = []
    for name, part in auditor.release.parts:
        order = (
            list(part.columns)
            if isinstance(part, CubeDeclaration)
            else [column.name for column in part.columns]
        )
        found += leaks.row_order(auditor.frames[name], order)
    return found, {}


def bytes_are_plain(auditor: Auditor) -> Outcome:
    """The files carry the data and their schema: no index, no other metadata."""
    found: list[Finding] = []
    for name, part in auditor.release.parts:
        found += leaks.index(auditor.frames[name])
        path = auditor.built.folder / (name + SUFFIX)
        found += leaks.parquet_metadata(path, columns_of_file(part))
    return found, {"bytes": sum(len(data) for data in auditor.tables.values())}
