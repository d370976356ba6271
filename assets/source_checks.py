"""Checks on the sources: keys, events, annotation, foreign keys. None of them blocks.

What they find, the plan acts on by itself: the owner tree of a faulty table stops and the
others go on. A check shows it where a person looks, and can be run alone at any time.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from assets.expectations import Check, Equal, Zero, evaluate, red
from retention.catalogue.findings import Finding
from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.planning.quality import quality

_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

_ABOUT = {
    naming.KEYS_ARE_SOUND: "Every row has a key, and no two rows the same.",
    naming.EVENTS_ARE_SOUND: (
        "Dates of events can be read and do not lie in the future. A few such rows are a warning "
        "and go to review; more than the share in the settings stop the owner tree."
    ),
    naming.SCHEMA_IS_ANNOTATED: "The database has the columns that the catalogue annotates.",
    naming.FOREIGN_KEYS_ARE_DECLARED: (
        "Every foreign key at this table is declared, indexed, and takes no rows along."
    ),
}


def source_checks(blueprint: Blueprint) -> list[dg.AssetChecksDefinition]:
    """Four checks on each governed table, in one step a system."""
    return [
        _checks(system, [TableName(f"{system}.{table}") for table in declared.tables])
        for system, declared in blueprint.catalogue.systems.items()
    ]


def _checks(system: str, names: Sequence[TableName]) -> dg.AssetChecksDefinition:
    specs = {
        (name, check): dg.AssetCheckSpec(
            check, asset=naming.of_table("source", name), description=about
        )
        for name in names
        for check, about in _ABOUT.items()
    }

    @dg.multi_asset_check(
        name=f"check_{naming.step_name(system)}", specs=list(specs.values()), can_subset=True
    )
    def checks(
        context: dg.AssetCheckExecutionContext, retention: dg.ResourceParam[Door]
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = context.selected_asset_check_keys
        with safe_errors():
            retention.announce("check", system, 0)
            made: list[Check] = []
            results: list[dg.AssetCheckResult] = []
            for name in names:
                mine = [check for check in _ABOUT if specs[name, check].key in wanted]
                if not mine:
                    continue
                try:
                    made += [check for check in _look(retention, name) if check.name in mine]
                except SourceError as error:
                    asset = naming.of_table("source", name)
                    results += [red(check, asset, str(error)) for check in mine]
            results += evaluate(made)
        yield from results

    return checks


def _look(door: Door, name: TableName) -> list[Check]:
    asset = naming.of_table("source", name)
    installation = door.installation()
    drift = door.drift(name.partition(".")[0]).of(name)
    found = quality(installation, name, door.day())
    allowed = installation.settings.max_review_share
    return [
        Check(
            asset,
            naming.KEYS_ARE_SOUND,
            {"rows": found.rows, "keys": found.distinct_keys, "null_keys": found.null_keys},
            [Equal("keys", "rows"), Zero("null_keys")],
        ),
        Check(
            asset,
            naming.EVENTS_ARE_SOUND,
            {"rows_with_unreadable_dates": found.unreadable_dates,
             "rows_with_future_dates": found.future_dates},
            [Zero("rows_with_unreadable_dates"), Zero("rows_with_future_dates")],
            severity=_WARN if found.bad_share <= allowed else _ERROR,
            more={"rows": found.rows, "share": round(found.bad_share, 6), "allowed_share": allowed},
        ),
        _of_findings(asset, naming.SCHEMA_IS_ANNOTATED, drift.schema),
        _of_findings(asset, naming.FOREIGN_KEYS_ARE_DECLARED, drift.foreign_keys),
    ]  # fmt: skip


def _of_findings(asset: dg.AssetKey, check: str, findings: Sequence[Finding]) -> Check:
    errors = [finding for finding in findings if finding.severity == "error"]
    lines = [{"place": f.place, "severity": f.severity, "problem": f.problem} for f in findings]
    return Check(
        asset,
        check,
        {"errors": len(errors), "warnings": len(findings) - len(errors)},
        [Zero("errors"), Zero("warnings")],
        severity=_ERROR if errors else _WARN,
        why=str([*errors, *findings][0]) if findings else None,
        more={"findings": metadata.table(lines, lines[0])} if lines else {},
    )
