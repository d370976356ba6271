"""Stage 6, audit: each release in quarantine is attacked, and what came of it is put on record.

The checks block: where one is red, nothing is published in this run. And the publishing asset
asks the control store by itself whether an audit passed for exactly the bytes it publishes.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from anonymizers.audits.findings import Finding
from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from assets.statistics_quarantine import at_statistics
from retention.errors import RetentionError
from retention.releases.auditing import CHECKS, CheckResult, checks_of, record_audit
from retention.releases.building import find_built

_SHOWN_FINDINGS = 20


def release_checks(blueprint: Blueprint) -> list[dg.AssetChecksDefinition]:
    """One step a release, with every check of the audit that applies to it."""
    return [_checks(blueprint, name) for name in blueprint.release_names]


def _checks(blueprint: Blueprint, name: str) -> dg.AssetChecksDefinition:
    asset = naming.of_release(naming.QUARANTINE, name)
    specs = [
        dg.AssetCheckSpec(check, asset=asset, description=CHECKS[check], blocking=True)
        for check in checks_of(blueprint.release(name))
    ]

    @dg.multi_asset_check(
        name=f"audit_{naming.step_name(name)}", specs=specs, pool=naming.WRITER_POOL
    )
    def audit(
        context: dg.AssetCheckExecutionContext, retention: dg.ResourceParam[Door]
    ) -> Iterator[dg.AssetCheckResult]:
        with safe_errors():
            from assets.expectations.proving import prove  # noqa: PLC0415 - seconds to import

            installation, releases = at_statistics(retention)
            month = _month(context, retention)
            built = find_built(installation, name, month)
            retention.announce("audit", name, 0)
            proved = prove(
                installation,
                releases,
                built,
                retention.now(),
                progress=lambda check: retention.announce(f"audit {check}", name, 1),
            )
            passed = record_audit(installation, releases, built, proved.results, retention.now())
            context.log.info("%s %s: audit %s", name, month, "passed" if passed else "not passed")
            if not passed and all(result.passed for result in proved.results):
                raise RetentionError(
                    f"{name} of {month}: the audit is not on record: the files in quarantine are"
                    " not those that were built; build it again"
                )
            results = [_result(asset, result, proved.page) for result in proved.results]
        yield from results

    return audit


def _month(context: dg.AssetCheckExecutionContext, door: Door) -> str:
    """The run's partition; checks that are run by themselves have none."""
    own = context.op_execution_context
    return str(own.partition_key) if own.has_partition_key else door.day().strftime("%Y-%m")


def _result(asset: dg.AssetKey, result: CheckResult, page: Path) -> dg.AssetCheckResult:
    found: metadata.Metadata = {
        "findings": len(result.findings),
        **{name.replace(".", "_"): value for name, value in result.figures.items()},
        "data_docs": dg.MetadataValue.path(str(page)),
    }
    if result.findings:
        lines = [{"finding": _said(finding)} for finding in result.findings[:_SHOWN_FINDINGS]]
        found["what_was_found"] = metadata.table(lines, ["finding"])
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=result.check,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_why(result),
        metadata=found,
    )


def _why(result: CheckResult) -> str | None:
    if result.passed:
        return None
    first = _said(result.findings[0]) if result.findings else "no reason was given"
    more = len(result.findings) - 1
    return first + (f" (and {more} more)" if more > 0 else "")


def _said(finding: Finding) -> str:
    """A finding without the name of the check, which stands beside it."""
    figures = ", ".join(
        f"{name.replace('_', ' ')}: {value}" for name, value in finding.figures.items()
    )
    return finding.problem + (f" ({figures})" if figures else "")
