"""Proving a release: the engine's checks and Great Expectations' suites on the same bytes.

The engine attacks the bytes with what it knows of sources and earlier releases; the suites
made from the declaration judge the files as they are read back. A check has passed where both
are content. The page of what was found is written either way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd

from anonymizers.audits.findings import Finding
from assets.blueprint import bilingual
from assets.expectations import metrics  # noqa: F401 - registers the metrics
from assets.expectations.batches import batch_of
from assets.expectations.data_docs import write_data_docs
from assets.expectations.measuring import Figure
from assets.expectations.proof import Part, Proof, check_of
from assets.expectations.releases import observed, table_of
from assets.expectations.suites import expectations_of, expectations_of_audit
from retention.installation import Installation
from retention.releases.auditing import CHECKS, Auditor, CheckResult, checks_of, run_check
from retention.releases.built import Built
from retention.releases.files import SUFFIX, read_parquet
from retention.releases.model import CubeDeclaration, Release, Releases


@dataclass(frozen=True)
class Proved:
    """The outcome of every check, and the page that shows it."""

    results: tuple[CheckResult, ...]
    proof: Proof
    page: Path


def prove(
    installation: Installation,
    releases: Releases,
    built: Built,
    at: datetime,
    *,
    progress: Callable[[str], None] = lambda _check: None,
) -> Proved:
    """Make every check that applies to ``built``, and write its page of the Data Docs."""
    settings = installation.settings
    assert settings.statistics is not None, "releases are declared"
    results, proof = judge(installation, releases, built, at, progress=progress)
    page = write_data_docs(settings.path(settings.statistics.folder), proof)
    return Proved(results, proof, page)


def judge(
    installation: Installation,
    releases: Releases,
    built: Built,
    at: datetime,
    *,
    progress: Callable[[str], None] = lambda _check: None,
) -> tuple[tuple[CheckResult, ...], Proof]:
    """As ``prove``, and writes nothing."""
    release = releases.releases[built.release]
    auditor = Auditor(installation, releases, built)
    results = []
    for check in checks_of(release):
        results.append(run_check(auditor, check))
        progress(check)
    parts = [*_parts(auditor, release, built), _of_audit(results)]
    proof = Proof(
        release=built.release,
        title=bilingual(release),
        month=built.month,
        as_of=built.as_of,
        digest=built.digest,
        at=at,
        parts=parts,
    )
    return _together(results, proof), proof


def _parts(auditor: Auditor, release: Release, built: Built) -> list[Part]:
    found = []
    for name, part in release.parts:
        shape = auditor.shape(part) if isinstance(part, CubeDeclaration) else None
        title = f"{part.label or name} ({name}{SUFFIX})"
        expectations = expectations_of(part, _closed(auditor, name), shape)
        found.append(Part(title, _put(_frame(built.folder / f"{name}{SUFFIX}"), expectations)))
    return found


def _closed(auditor: Auditor, name: str) -> Mapping[str, Collection[str]]:
    try:
        return auditor.closed(name)
    except Exception:  # noqa: BLE001 - the file cannot be read: every expectation fails anyway
        return {}


def _frame(path: Path) -> pd.DataFrame:
    """The file as it is read back; of one that cannot be read, nothing is true."""
    try:
        return read_parquet(path)
    except Exception:  # noqa: BLE001 - whatever is wrong with the bytes, every expectation fails
        return pd.DataFrame()


def _put(frame: pd.DataFrame, expectations: Sequence[Any]) -> list[Any]:
    """The results of ``expectations``, in their order; counts only, no sample of values."""
    for place, expectation in enumerate(expectations):
        expectation.meta = {**expectation.meta, "place": place}
    suite = gx.ExpectationSuite(name="release", expectations=list(expectations))
    made = batch_of("release", frame).validate(
        suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 0}
    )
    return sorted(made.results, key=lambda item: item.expectation_config.meta["place"])


def _of_audit(results: Sequence[CheckResult]) -> Part:
    lines: dict[str, list[tuple[str, Figure]]] = {}
    for result in results:
        faults = 0 if result.passed else max(1, len(result.findings))
        told = [("found", str(finding)) for finding in result.findings[:1]]
        lines[result.check] = [("faults", faults), *told, *result.figures.items()]
    checks = [result.check for result in results]
    return Part(
        "Attacked with the sources and earlier releases at hand",
        _put(table_of(lines), expectations_of_audit(checks, CHECKS)),
    )


def _together(results: Sequence[CheckResult], proof: Proof) -> tuple[CheckResult, ...]:
    """The engine's results, with what only the suites have found."""
    red: Mapping[str, list[Finding]] = {result.check: [] for result in results}
    for item in proof:
        check = check_of(item)
        if not item.success and check in red:
            problem = f"{item.expectation_config.type}: not met"
            red[check].append(Finding(check, problem, {"observed": observed(item)}))
    unknown = [check_of(item) for item in proof if check_of(item) not in red and not item.success]
    assert not unknown, "every expectation belongs to a check that was made"
    return tuple(
        replace(result, passed=False, findings=(*result.findings, *red[result.check]))
        if result.passed and red[result.check]
        else result
        for result in results
    )
