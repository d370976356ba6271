"""Great Expectations, on one line of counts.

The counts come from the source's own database, by the engine's own predicates; no row of a
person is in the frame, so none can be in a result. Great Expectations takes seconds to
import, so it is imported where it is used.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg


@dataclass(frozen=True)
class Zero:
    """The column's count is zero."""

    column: str

    @property
    def says(self) -> str:
        return f"{self.column} = 0"


@dataclass(frozen=True)
class Equal:
    """Two columns hold the same count."""

    column: str
    other: str

    @property
    def says(self) -> str:
        return f"{self.column} = {self.other}"


Expected = Zero | Equal


def failed(frame: Mapping[str, int], expected: Sequence[Expected]) -> list[Expected]:
    """The expectations that the one line ``frame`` does not meet."""
    import great_expectations as gx  # noqa: PLC0415 - seconds to import
    import pandas as pd  # noqa: PLC0415 - comes with it

    assert expected, "a check without an expectation cannot fail"
    suite = gx.ExpectationSuite(
        name="counts", expectations=[_expectation(gx, item) for item in expected]
    )
    batch = _batches().get_batch({"dataframe": pd.DataFrame([dict(frame)])})
    result = batch.validate(suite, result_format="BOOLEAN_ONLY")
    outcomes = {
        (outcome.expectation_config.kwargs.get("column")
         or outcome.expectation_config.kwargs["column_A"]): bool(outcome.success)
        for outcome in result.results
    }  # fmt: skip
    return [item for item in expected if not outcomes[item.column]]


def judged(
    check: str,
    frame: Mapping[str, int],
    expected: Sequence[Expected],
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    **more: Any,
) -> dg.AssetCheckResult:
    """The check's result, with the counts as metadata and what failed as its description."""
    faults = failed(frame, expected)
    return dg.AssetCheckResult(
        check_name=check,
        passed=not faults,
        severity=severity,
        description="; ".join(f"expected {fault.says}" for fault in faults) or None,
        metadata={**{name: int(number) for name, number in frame.items()}, **more},
    )


def _expectation(gx: Any, item: Expected) -> Any:
    if isinstance(item, Equal):
        return gx.expectations.ExpectColumnPairValuesToBeEqual(
            column_A=item.column, column_B=item.other
        )
    return gx.expectations.ExpectColumnValuesToBeBetween(
        column=item.column, min_value=0, max_value=0
    )


@cache
def _batches() -> Any:
    """An ephemeral context: nothing is written, sent or shown by it."""
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars={"globally": False, "metric_calculations": False},
            analytics_enabled=False,
        ),
    )
    asset = context.data_sources.add_pandas("counts").add_dataframe_asset("counts")
    return asset.add_batch_definition_whole_dataframe("counts")
