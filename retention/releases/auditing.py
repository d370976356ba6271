"""The audit: named checks that attack a release's bytes in quarantine.

A check reads the files on disk, never what the build had in memory. One that errors has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from anonymizers.audits.findings import Finding
from retention.errors import RetentionError
from retention.installation import Installation
from retention.releases import records as store
from retention.releases.auditor import Auditor
from retention.releases.built import MANIFEST, Built, Figure, Status
from retention.releases.files import digest_of, read_folder, sha256
from retention.releases.model import DifferentialPrivacy, Release, Releases, Threshold
from retention.stores.open import writing

__all__ = [
    "CHECKS",
    "AuditReport",
    "Auditor",
    "CheckResult",
    "audit",
    "checks_of",
    "record_audit",
    "run_check",
]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. Neither findings nor figures hold a value of a person."""

    check: str
    passed: bool
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditReport:
    """Every check of one build."""

    release: str
    month: str
    digest: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        return bool(self.results) and all(result.passed for result in self.results)


CHECKS: dict[str, str] = {
    "schema_is_as_declared": "The files hold the declared columns, in order, and nothing else.",
    "no_direct_identifier": "No column that identifies, no text that looks like an identifier.",
    "no_source_value": "No value of an identifying column of the sources is anywhere in it.",
    "privacy_model_holds": "k, l and t, counted by subject, recomputed from the bytes.",
    "no_small_cell": "No published cell counts fewer subjects than the threshold.",
    "no_recoverable_cell": "No suppressed cell can be computed, or bounded closely, from others.",
    "no_differencing": "No difference to an earlier release isolates fewer than the threshold.",
    "order_is_canonical": "The order of rows is that of their values.",
    "bytes_are_plain": "The files carry no metadata beyond the schema.",
    "utility_is_sufficient": "Not more is suppressed than the utility floor allows.",
    "budget_is_kept": "The privacy budget spent is on record and within the year's.",
    "cannot_single_out": "Singling out succeeds no better than against the control group.",
    "cannot_link": "Linkage succeeds no better than against the control group.",
    "cannot_infer": "Inference succeeds no better than against the control group.",
}
"""Every check by name, and what passing means."""

_OF_CELLS = ("no_small_cell", "no_recoverable_cell")
_OF_NOISE = ("budget_is_kept",)
_OF_ROWS = ("privacy_model_holds",)
_OF_PERSONS = ("cannot_single_out", "cannot_link", "cannot_infer")

NEEDS_SOURCES = ("no_source_value", "cannot_single_out", "cannot_link", "cannot_infer")
"""Checks that read the source systems."""


def checks_of(release: Release) -> tuple[str, ...]:
    """The names of the checks that apply to a release of its shape, in order."""
    protections = [cube.protection for cube in release.cubes.values()]
    left_out: set[str] = set()
    if not any(isinstance(item, Threshold) for item in protections):
        left_out |= set(_OF_CELLS)
    if not any(isinstance(item, DifferentialPrivacy) for item in protections):
        left_out |= set(_OF_NOISE)
    if not release.microdata:
        left_out |= set(_OF_ROWS)
        if not any(isinstance(item, Threshold) for item in protections):
            left_out |= set(_OF_PERSONS)  # noise is what protects from them
    return tuple(name for name in CHECKS if name not in left_out)


def run_check(auditor: Auditor, name: str) -> CheckResult:
    """Run one check. It never raises: an error inside it is a failed check.

    The finding of an error names its type only.
    """
    try:
        findings, figures = _functions()[name](auditor)
    except Exception as error:  # noqa: BLE001 - whatever it is, the release has not been proven
        safe = str(error) if isinstance(error, RetentionError) else type(error).__name__
        return CheckResult(
            name, passed=False, findings=(Finding(name, f"the check failed: {safe}"),)
        )
    return CheckResult(name, not findings, tuple(findings), figures)


def _functions() -> Mapping[str, Callable[[Auditor], tuple[list[Finding], dict[str, Figure]]]]:
    # The command line lists checks without needing what they compute with.
    from retention.releases import (  # noqa: PLC0415
        checks_attacks,
        checks_cubes,
        checks_microdata,
        checks_plain,
    )

    return {
        name: getattr(module, name)
        for module in (checks_plain, checks_cubes, checks_microdata, checks_attacks)
        for name in CHECKS
        if hasattr(module, name)
    }


def audit(
    installation: Installation,
    releases: Releases,
    built: Built,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> AuditReport:
    """Every check that applies to ``built``."""
    auditor = Auditor(installation, releases, built)

    def results() -> Iterator[CheckResult]:
        for name in checks_of(auditor.release):
            progress(name)
            yield run_check(auditor, name)

    return AuditReport(built.release, built.month, built.digest, tuple(results()))


def record_audit(
    installation: Installation,
    releases: Releases,
    built: Built,
    results: tuple[CheckResult, ...],
    now: datetime,
) -> bool:
    """Put the outcome on record in the control store, for exactly these bytes.

    Passed only if every check of ``checks_of`` is among ``results`` and passed, and the bytes
    on disk still have ``built.digest``. Returns whether it counts as passed.
    """
    files = read_folder(built.folder)
    record = store.find(installation, built.release, built.month, built.digest)
    if record is None:
        return False
    manifest = store.manifest_digests(installation, record)[0]
    same = digest_of(files) == built.digest and sha256(files.get(MANIFEST, b"")) == manifest
    outcome = {result.check: result.passed for result in results}
    wanted = checks_of(releases.releases[built.release])
    passed = same and all(outcome.values()) and set(wanted) <= set(outcome)
    figures = dict(record.figures) | {
        f"{result.check}.{name}": value
        for result in results
        for name, value in result.figures.items()
    }
    values: dict[str, object] = {"passed": passed}
    if record.status is not Status.published:
        # What readers have already says when it passed, and with which figures: that stays.
        values |= {"status": Status.audited, "audited_at": now, "figures": figures}
    with writing(installation.stores.control) as connection:
        store.change(connection, built.release, built.month, built.digest, **values)
    return passed
