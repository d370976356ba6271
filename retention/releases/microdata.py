"""Making microdata: active rows, recoded until every equivalence class satisfies the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from anonymizers.hierarchies import EVERYTHING, MISSING, Hierarchy, HierarchyError
from anonymizers.recoding.models import (
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    PrivacyModel,
    RecursiveDiversity,
    TCloseness,
)
from retention.catalogue.model import TableName
from retention.errors import RetentionError
from retention.releases.active import ActiveBase
from retention.releases.built import Figure
from retention.releases.cubes import coarse_share
from retention.releases.errors import EmptyRelease
from retention.releases.frames import SUBJECT, Labels, Persons, frame
from retention.releases.model import MicrodataDeclaration, PrivacyModels, ReleaseColumn
from retention.releases.parts import Made, Making

_HEX_DIGITS = 12


@dataclass(frozen=True)
class Original:
    """The active rows of a microdata release before recoding: RESTRICTED, in memory only.

    Each frame has the release's columns on the levels they start from, and ``SUBJECT``.
    """

    released: pd.DataFrame
    """The persons whose rows are recoded."""
    control: pd.DataFrame
    """The persons held out: the control group of the attacks."""
    hierarchies: dict[str, Hierarchy]
    """Of quasi-identifiers and sensitive columns, from the levels they start from upwards."""


def original(making: Making, declared: MicrodataDeclaration) -> Original:
    """Read the active rows of a microdata release; who is held out is the same each time.

    Raises:
        RetentionError: a value is in no hierarchy.
    """
    table = TableName(declared.table)
    base = ActiveBase(making.installation, table, making.as_of)
    labels = Labels(making.installation, table, declared.columns, making.folder)
    persons = Persons()
    columns = list(dict.fromkeys(item.column for item in declared.columns))
    parts: list[pd.DataFrame] = []
    climbing = (*declared.quasi_identifiers, *declared.sensitive)
    paths: dict[str, dict[str, tuple[str, ...]]] = {column.name: {} for column in climbing}
    for page in base.pages(columns, None):
        made = frame(labels.of(page), persons.numbers(page.persons))
        made[_HELD_OUT] = [_held_out(making, declared, person) for person in page.persons]
        parts.append(made)
        for column in climbing:
            _follow(paths[column.name], column, labels, page.columns[column.column])
        making.progress(table, len(page))
        making.renew()
    making.left_out[table] = base.left_out
    whole = _joined(parts, [item.name for item in declared.columns])
    out = whole.pop(_HELD_OUT).to_numpy(dtype=bool)
    return Original(
        released=whole[~out].reset_index(drop=True),
        control=whole[out].reset_index(drop=True),
        hierarchies={column.name: _hierarchy(column, paths[column.name]) for column in climbing},
    )


_HELD_OUT = "retention_held_out"


def _held_out(making: Making, declared: MicrodataDeclaration, person: object) -> bool:
    parts = [str(part) for part in person] if isinstance(person, tuple) else [str(person)]
    token = making.installation.keyring.token("hold out", making.release, declared.table, *parts)
    return int(token[:_HEX_DIGITS], 16) < int(declared.hold_out * 16**_HEX_DIGITS)


def _joined(parts: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """All pages as one frame of texts: categoricals of several pages do not join."""
    plain = [part.assign(**{name: part[name].astype("str") for name in names}) for part in parts]
    if not plain:
        empty: dict[str, Any] = {name: pd.Series(dtype="str") for name in names}
        return pd.DataFrame({**empty, SUBJECT: pd.Series(dtype="int64"), _HELD_OUT: []})
    return pd.concat(plain, ignore_index=True)


def _follow(
    known: dict[str, tuple[str, ...]], column: ReleaseColumn, labels: Labels, stored: Sequence[Any]
) -> None:
    """Note the path upwards of each label met."""
    made = labels[column.name]
    values = list(dict.fromkeys(made.values(stored)))
    rule = made.rule
    levels = rule.levels[rule.levels.index(column.at) :]
    series = pd.Series(values, name=column.name, dtype=object)
    columns = [[str(label) for label in rule.label(series, level)] for level in levels]
    for path in zip(*columns, strict=True):
        known.setdefault(path[0], path)


def _hierarchy(column: ReleaseColumn, paths: dict[str, tuple[str, ...]]) -> Hierarchy:
    """The hierarchy of the labels met, from the level the column starts from."""
    levels = column.rule.levels[column.rule.levels.index(column.at) :]
    named = levels if levels[-1] == EVERYTHING else (*levels, EVERYTHING)
    rows = [
        path if path[-1] == EVERYTHING else (*path, EVERYTHING)
        for label, path in sorted(paths.items())
        if label != MISSING
    ]
    if not rows:
        rows = [(*[MISSING] * (len(named) - 1), EVERYTHING)]
    try:
        return Hierarchy.from_rows(column.name, rows, named)
    except HierarchyError as error:
        raise RetentionError(str(error)) from None


def recoded(
    making: Making, declared: MicrodataDeclaration, history: Sequence[pd.DataFrame] = ()
) -> Made:
    """The release: suppressed rows are absent, rows are in the order of their values.

    ``history`` has the files of earlier published releases, oldest first. Where fewer than k
    rows have come or gone since one of them, the last one is repeated, which tells nothing new.

    Raises:
        EmptyRelease: there is no active row. RetentionError: no recoding satisfies the models.
    """
    from anonymizers.recoding.recode import RecodingError  # noqa: PLC0415 - with the algorithms below

    found = original(making, declared)
    if not len(found.released):
        raise EmptyRelease(f"{making.release}: {declared.table} has no active row to be released")
    recoding = _recoding(declared, found.hierarchies)
    try:
        release = recoding.fit_transform(_with_nulls(found.released, declared))
    except RecodingError as error:
        raise RetentionError(f"{making.release}: {error}") from None
    report = recoding.report_
    names = [item.name for item in declared.columns]
    shown = release[names].astype("str").sort_values(names, kind="stable", ignore_index=True)
    repeated = any(few_differ(shown, before, declared.models.k) for before in history)
    if repeated:
        shown = history[-1]
    figures: dict[str, Figure] = {
        "rows": len(shown),
        "repeated": int(repeated),
        "classes": report.classes,
        "suppressed_share": coarse_share(report.suppressed, report.rows, declared.models.k),
        "ncp": round(float(report.ncp), 4),
    }
    return Made(shown, figures)


def few_differ(current: pd.DataFrame, previous: pd.DataFrame, k: int) -> bool:
    """Whether the rows that came since ``previous``, or those that went, are a few: below k."""
    names = list(current.columns)
    change = current.value_counts(names).sub(previous.value_counts(names), fill_value=0)
    came, went = int(change[change > 0].sum()), int(-change[change < 0].sum())
    return 0 < came < k or 0 < went < k


def _with_nulls(rows: pd.DataFrame, declared: MicrodataDeclaration) -> pd.DataFrame:
    """Quasi-identifiers with nulls where they are missing, as hierarchies want them."""
    changed = {
        quasi.name: rows[quasi.name].where(rows[quasi.name] != MISSING)
        for quasi in declared.quasi_identifiers
    }
    return rows.assign(**changed)


def _recoding(declared: MicrodataDeclaration, found: Mapping[str, Hierarchy]) -> Any:
    hierarchies = [found[quasi.name] for quasi in declared.quasi_identifiers]
    models = privacy_models(
        declared.models, {item.name: found[item.name] for item in declared.sensitive}
    )
    options: dict[str, Any] = {"subject": SUBJECT, "max_suppressed": declared.max_suppressed}
    if declared.recoding == "mondrian":
        from anonymizers.recoding.mondrian import Mondrian  # noqa: PLC0415 - one of the three is wanted

        return Mondrian(hierarchies, models, **options)
    if declared.recoding == "global":
        from anonymizers.recoding.full_domain import GlobalRecoding  # noqa: PLC0415

        return GlobalRecoding(hierarchies, models, **options)
    from anonymizers.recoding.local import LocalRecoding  # noqa: PLC0415

    return LocalRecoding(hierarchies, models, **options)


def privacy_models(
    declared: PrivacyModels, sensitive: Mapping[str, Hierarchy]
) -> list[PrivacyModel]:
    """The models of a declaration, for each of its sensitive columns."""
    models: list[PrivacyModel] = [KAnonymity(declared.k)]
    for column, hierarchy in sensitive.items():
        if declared.l is not None:
            models.append(_diversity(declared, column, declared.l))
        if declared.t is not None:
            wanted = hierarchy if declared.distance == "hierarchical" else None
            models.append(TCloseness(column, declared.t, declared.distance, wanted))
    return models


def _diversity(declared: PrivacyModels, column: str, wanted: float) -> PrivacyModel:
    if declared.l_kind == "distinct":
        return DistinctDiversity(column, int(wanted))
    if declared.l_kind == "recursive":
        return RecursiveDiversity(column, declared.c, int(wanted))
    return EntropyDiversity(column, wanted)
