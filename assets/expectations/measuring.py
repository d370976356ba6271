"""What is measured on a release's frame, as Great Expectations' metrics.

Each metric is a function of a frame and of the declaration's own words. It answers with
counts, and a fault inside it becomes a count too: Great Expectations would put the text of an
exception, which may quote a row, into its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

if TYPE_CHECKING:
    from anonymizers.audits.findings import Finding

Figure = int | float | str

COULD_NOT_BE_MADE = "could not be measured"


@dataclass(frozen=True)
class Measured:
    """How many faults there are, and the figures a reader may see."""

    faults: int
    figures: Mapping[str, Figure] = field(default_factory=dict)


def metric(
    name: str, *settings: str
) -> Callable[[Callable[..., Measured]], Callable[..., Measured]]:
    """Register a function of a frame, and of ``settings`` by name, as the metric ``name``."""

    def register(measure: Callable[..., Measured]) -> Callable[..., Measured]:
        def compute(
            cls: type,  # noqa: ARG001 - Great Expectations names what it hands over
            execution_engine: Any,
            metric_domain_kwargs: Mapping[str, Any],
            metric_value_kwargs: Mapping[str, Any],
            **more: Any,  # noqa: ARG001
        ) -> Measured:
            try:
                frame, _, _ = execution_engine.get_compute_domain(
                    metric_domain_kwargs, domain_type="table"
                )
                return measure(frame, **{key: metric_value_kwargs[key] for key in settings})
            except Exception as error:  # noqa: BLE001 - whatever it is, its text must not be shown
                return Measured(1, {COULD_NOT_BE_MADE: type(error).__name__})

        body = {
            "metric_name": name,
            "value_keys": settings,
            "_pandas": metric_value(engine=PandasExecutionEngine)(compute),
        }
        type(f"Metric_{measure.__name__}", (TableMetricProvider,), body)
        return measure

    return register


def told(findings: Sequence[Finding], figures: Mapping[str, Figure] | None = None) -> Measured:
    """Findings as a measurement: their number, and what the first one says."""
    more: dict[str, Figure] = dict(figures or {})
    if findings:
        more["found"] = str(findings[0])
    return Measured(len(findings), more)
