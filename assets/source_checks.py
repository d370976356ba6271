"""Checks on the sources: keys, events, annotation, foreign keys. None of them blocks.

What they find, the plan acts on by itself: the owner tree of a faulty table stops and the
others go on. A check shows it where a person looks, and can be run alone at any time.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from assets.expectations import Equal, Zero, failed, judged
from retention.catalogue.findings import Finding
from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.installation import Installation
from retention.planning.quality import quality

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
    """Four checks on each governed table, in one step a table."""
    return [_checks(name) for name, _ in blueprint.catalogue.tables()]


def _checks(name: TableName) -> dg.AssetChecksDefinition:
    key = naming.of_table("source", name)
    specs = [
        dg.AssetCheckSpec(check, asset=key, description=about) for check, about in _ABOUT.items()
    ]

    @dg.multi_asset_check(name="__".join(["check", *key.path]), specs=specs)
    def check(retention: dg.ResourceParam[Door]) -> Iterator[dg.AssetCheckResult]:
        with safe_errors():
            try:
                results = list(_look(retention.installation(), name, retention))
            except SourceError as error:
                results = [_red(check_name, str(error)) for check_name in _ABOUT]
        for result in results:
            yield result._replace(asset_key=key)

    return check


def _look(
    installation: Installation, name: TableName, door: Door
) -> Iterator[dg.AssetCheckResult]:
    drift = door.drift(name.partition(".")[0]).of(name)
    yield _by_findings(naming.SCHEMA_IS_ANNOTATED, drift.schema)
    yield _by_findings(naming.FOREIGN_KEYS_ARE_DECLARED, drift.foreign_keys)
    found = quality(installation, name, door.day())
    yield judged(
        naming.KEYS_ARE_SOUND,
        {"rows": found.rows, "distinct_keys": found.distinct_keys, "null_keys": found.null_keys},
        [Equal("distinct_keys", "rows"), Zero("null_keys")],
    )
    too_many = found.bad_share > installation.settings.max_review_share
    yield judged(
        naming.EVENTS_ARE_SOUND,
        {"unreadable_dates": found.unreadable_dates, "future_dates": found.future_dates},
        [Zero("unreadable_dates"), Zero("future_dates")],
        severity=dg.AssetCheckSeverity.ERROR if too_many else dg.AssetCheckSeverity.WARN,
        rows=found.rows,
        share=round(found.bad_share, 6),
        allowed_share=installation.settings.max_review_share,
    )


def _by_findings(check: str, findings: Sequence[Finding]) -> dg.AssetCheckResult:
    errors = [finding for finding in findings if finding.severity == "error"]
    frame = {"errors": len(errors), "warnings": len(findings) - len(errors)}
    expected = [Zero("errors"), Zero("warnings")]
    faults = failed(frame, expected)
    lines = [{"place": f.place, "severity": f.severity, "problem": f.problem} for f in findings]
    more = {"findings": metadata.table(lines, lines[0])} if lines else {}
    return dg.AssetCheckResult(
        check_name=check,
        passed=not faults,
        severity=dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN,
        description=str((errors or findings)[0]) if findings else None,
        metadata={**frame, **more},
    )


def _red(check: str, why: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check, passed=False, severity=dg.AssetCheckSeverity.ERROR, description=why
    )
