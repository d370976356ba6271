"""Great Expectations, on one line of counts for all checks of a step.

The counts come from the source's own database, by the engine's own predicates; no row of a
person is in the frame, so none can be in a result. Great Expectations takes seconds to
import, so it is imported where it is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.expectations.batches import batch_of


@dataclass(frozen=True)
class Zero:
    """The count is zero."""

    count: str

    def __str__(self) -> str:
        return f"expected {self.count.replace('_', ' ')} = 0"


@dataclass(frozen=True)
class Equal:
    """Two counts are the same."""

    count: str
    other: str

    def __str__(self) -> str:
        return f"expected {self.count.replace('_', ' ')} = {self.other.replace('_', ' ')}"


Expected = Zero | Equal


@dataclass(frozen=True)
class Check:
    """A check: named counts, and what is expected of them."""

    asset: dg.AssetKey
    name: str
    counts: Mapping[str, int]
    expected: Sequence[Expected]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    why: str | None = None
    """What to say where it fails, in place of the expectation."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further metadata."""


def evaluate(checks: Sequence[Check]) -> list[dg.AssetCheckResult]:
    """Put all checks to Great Expectations at once, and tell how each came out."""
    if not checks:
        return []
    met = _met(checks)
    results = []
    for number, check in enumerate(checks):
        faults = [item for item in check.expected if not met[number, item]]
        results.append(
            dg.AssetCheckResult(
                asset_key=check.asset,
                check_name=check.name,
                passed=not faults,
                severity=check.severity,
                description=(check.why or "; ".join(map(str, faults))) if faults else None,
                metadata={**{name: int(n) for name, n in check.counts.items()}, **check.more},
            )
        )
    return results


def red(name: str, asset: dg.AssetKey, why: str) -> dg.AssetCheckResult:
    """A check that could not be made, which counts as failed."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=why,
    )


def _met(checks: Sequence[Check]) -> dict[tuple[int, Expected], bool]:
    """Whether each expectation is met, by the number of its check."""
    import great_expectations as gx  # noqa: PLC0415 - seconds to import
    import pandas as pd  # noqa: PLC0415 - comes with it

    places = [(number, item) for number, check in enumerate(checks) for item in check.expected]
    expectations = [
        _expectation(gx, f"{number}.", item, {"place": place})
        for place, (number, item) in enumerate(places)
    ]
    suite = gx.ExpectationSuite(name="counts", expectations=expectations)
    line = {
        f"{number}.{name}": count
        for number, check in enumerate(checks)
        for name, count in check.counts.items()
    }
    batch = batch_of("counts", pd.DataFrame([line]))
    result = batch.validate(suite, result_format="BOOLEAN_ONLY")
    found = {item.expectation_config.meta["place"]: bool(item.success) for item in result.results}
    return {key: found[place] for place, key in enumerate(places)}


def _expectation(gx: Any, prefix: str, item: Expected, meta: Mapping[str, int]) -> Any:
    if isinstance(item, Equal):
        return gx.expectations.ExpectColumnPairValuesToBeEqual(
            column_A=prefix + item.count, column_B=prefix + item.other, meta=dict(meta)
        )
    return gx.expectations.ExpectColumnValuesToBeBetween(
        column=prefix + item.count, min_value=0, max_value=0, meta=dict(meta)
    )
