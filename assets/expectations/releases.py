"""The project's own expectations about a release of statistics.

Each is one sentence about the bytes that are to be published, with parameters from the
release's declaration. They are judged on the frame as it is read back from quarantine; what
needs the sources or earlier releases is judged by the engine, and its findings are the frame
(``ExpectAudit...``). Results carry counts and names of the declaration, never a value.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.render import (
    LegacyDiagnosticRendererType,
    LegacyRendererType,
    RenderedStringTemplateContent,
)
from great_expectations.render.renderer.renderer import renderer

from assets.expectations.measuring import Figure, Measured


class ReleaseExpectation(BatchExpectation, ABC):
    """An expectation that is met when its metric counts no fault.

    ``says`` is the sentence, with the expectation's own settings in it as ``$name``.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ()
    success_keys: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[str]

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002 - the base's
        execution_engine: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        measured: Measured = metrics[self.metric_dependencies[0]]
        observed = {"faults": measured.faults, **measured.figures}
        return {"success": measured.faults == 0, "result": {"observed_value": observed}}

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls,
        configuration: Any = None,
        result: Any = None,
        runtime_configuration: Mapping[str, Any] | None = None,
        **_more: Any,
    ) -> list[RenderedStringTemplateContent]:
        held = configuration or result.expectation_config
        settings = {name: shown(held.kwargs.get(name)) for name in cls.success_keys}
        return [_text(cls.says, settings, (runtime_configuration or {}).get("styling"))]

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.OBSERVED_VALUE)
    def _diagnostic_observed_value_renderer(
        cls, result: Any = None, **_more: Any
    ) -> RenderedStringTemplateContent:
        return _text("$observed", {"observed": observed(result)}, {"classes": ["observed"]})

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.STATUS_ICON)
    def _diagnostic_status_icon_renderer(
        cls, result: Any = None, **_more: Any
    ) -> RenderedStringTemplateContent:
        word, look = ("met", "met") if result.success else ("not met", "failed")
        return _text("$status", {"status": word}, {"params": {"status": {"classes": [look]}}})


def observed(result: Any) -> str:
    """The figures of a result in one line: ``smallest class 12 · classes 340``."""
    figures: Mapping[str, Figure] = (result.result or {}).get("observed_value") or {}
    if not figures:
        return "nothing was observed"
    told = {name: value for name, value in figures.items() if name != "faults" or value}
    parts = [f"{name.replace('_', ' ')} {shown(value)}" for name, value in told.items()]
    return " · ".join(parts) or "no fault found"


def shown(value: Any) -> str:
    """A setting or figure as a reader sees it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name} to {shown(unit)}" for name, unit in value.items()) or "none"
    return ", ".join(map(shown, value)) or "none"


def _text(
    template: str, params: Mapping[str, Any], styling: Any = None
) -> RenderedStringTemplateContent:
    content: dict[str, Any] = {"template": template, "params": dict(params)}
    if styling:
        content["styling"] = styling
    return RenderedStringTemplateContent(
        content_block_type="string_template", string_template=content
    )


# --- what every release is held to ---------------------------------------------------------


class ExpectReleaseColumnsToBeDeclared(ReleaseExpectation):
    """No column that nobody declared, and no index."""

    columns: list[str]
    metric_dependencies = ("release.undeclared_columns",)
    success_keys = ("columns",)

    says = "The columns are those of the declaration and no others: $columns"


class ExpectReleaseTextsToHoldNoIdentifier(ReleaseExpectation):
    """No e-mail, phone, IBAN, NIR, SIRET, card, address or other identifier, by its pattern."""

    closed: dict[str, list[str]]
    """Columns whose labels are all declared, and these labels."""
    metric_dependencies = ("release.identifier_patterns",)
    success_keys = ("closed",)

    says = "No value looks like an identifier of a person (e-mail, phone, IBAN, NIR, IP …)"


class ExpectReleaseLabelsToBeDeclared(ReleaseExpectation):
    """In a column of a closed vocabulary stands nothing else."""

    closed: dict[str, list[str]]
    metric_dependencies = ("release.vocabulary",)
    success_keys = ("closed",)

    says = "Every label belongs to its column's declared vocabulary"


class ExpectReleaseTextsToBePlain(ReleaseExpectation):
    """Labels hold nothing that is not seen, and start no formula in a spreadsheet."""

    closed: dict[str, list[str]]
    metric_dependencies = ("release.plain_texts",)
    success_keys = ("closed",)

    says = "No label hides characters, or would be a formula in a spreadsheet"


class ExpectReleaseRowsInCanonicalOrder(ReleaseExpectation):
    """The order of the rows follows from their values, and tells nothing more."""

    order: list[str]
    metric_dependencies = ("release.row_order",)
    success_keys = ("order",)

    says = "Rows are sorted by $order, so that their order tells nothing"


class ExpectReleaseMeasuresNoFinerThanDeclared(ReleaseExpectation):
    """Sums are multiples of the declared rounding."""

    units: dict[str, str]
    """By measure: the unit, as decimal text."""
    metric_dependencies = ("release.precision",)
    success_keys = ("units",)

    says = "Numbers are no finer than declared: $units"


# --- cubes ---------------------------------------------------------------------------------


class ExpectNoSmallCell(ReleaseExpectation):
    """Every published cell counts enough subjects."""

    dimensions: list[str]
    threshold: int
    metric_dependencies = ("release.small_cells",)
    success_keys = ("dimensions", "threshold")

    says = "Every published cell over $dimensions counts at least $threshold subjects"


class ExpectNoRecoverableCell(ReleaseExpectation):
    """No suppressed cell follows from the published ones (complementary disclosure)."""

    dimensions: list[str]
    units: dict[str, str]
    """By measure: of what its sums are multiples, as decimal text."""
    margins: list[list[str]]
    one_row_each: bool
    threshold: int
    metric_dependencies = ("release.recoverable_cells",)
    success_keys = ("dimensions", "units", "margins", "one_row_each", "threshold")

    says = (
        "No suppressed cell can be computed from the published ones, nor bounded closely"
        " (threshold $threshold)"
    )


# --- microdata -----------------------------------------------------------------------------


class ExpectClassesToHoldKSubjects(ReleaseExpectation):
    """k-anonymity (Samarati and Sweeney 1998): every equivalence class holds k subjects."""

    quasi_identifiers: list[str]
    k: int
    metric_dependencies = ("release.smallest_class",)
    success_keys = ("quasi_identifiers", "k")

    says = "At least $k people share each combination of $quasi_identifiers (k-anonymity)"


class ExpectSensitiveValuesToBeDiverse(ReleaseExpectation):
    """ℓ-diversity (Machanavajjhala et al. 2007): distinct, entropy or recursive."""

    quasi_identifiers: list[str]
    column: str
    kind: str
    diversity: float
    c: float
    metric_dependencies = ("release.diversity",)
    success_keys = ("quasi_identifiers", "column", "kind", "diversity", "c")

    says = "Among people alike, $column takes at least $diversity values ($kind ℓ-diversity)"


class ExpectSensitiveValuesToBeClose(ReleaseExpectation):
    """t-closeness (Li, Li and Venkatasubramanian 2007)."""

    quasi_identifiers: list[str]
    column: str
    t: float
    distance: str
    metric_dependencies = ("release.closeness",)
    success_keys = ("quasi_identifiers", "column", "t", "distance")

    says = (
        "Among people alike, $column is spread as in the whole release, within $t"
        " (t-closeness, $distance distance)"
    )


# --- what the engine's audit has found ------------------------------------------------------


class AuditExpectation(ReleaseExpectation, ABC):
    """The frame has a line for each figure of each check: ``check``, ``figure``, ``value``."""

    check: str
    metric_dependencies = ("release.audit",)
    success_keys = ("check",)


class ExpectAuditToFindNothing(AuditExpectation):
    """The named check of the engine ran on these very bytes, and found no fault."""

    about: str
    success_keys = ("check", "about")
    says = "$about"


class ExpectNoSourceValue(AuditExpectation):
    """No value of an identifying column of the sources is anywhere in the release."""

    says = "No value of an identifying column of the sources is anywhere in the release"


class ExpectNoDifferencingDisclosure(AuditExpectation):
    """Subtracting an earlier release from this one isolates nobody."""

    says = "No difference between this release and an earlier one isolates a few people"


class ExpectBytesToBePlain(AuditExpectation):
    """The files hold nothing beside the declared columns."""

    says = "The files carry no index, no path and no other metadata beside their schema"


class ExpectEnoughUtility(AuditExpectation):
    """Not more is suppressed than the declaration's utility floor allows."""

    says = "Not more is suppressed than the utility floor of the declaration allows"


class ExpectPrivacyBudgetToBeKept(AuditExpectation):
    """Differential privacy: what this release spends is on record and within the year's budget."""

    says = "The privacy budget spent is on record, and within the year's"


class AttackExpectation(AuditExpectation, ABC):
    """WP29 Opinion 05/2014: an attack does no better than on people who are not in the release."""


class ExpectNoSinglingOut(AttackExpectation):
    """Nobody can be isolated in the release."""

    says = "Nobody is singled out more often than people who are not in the release"


class ExpectNoLinkability(AttackExpectation):
    """Two records of one person cannot be put together by the release."""

    says = "What is known of a person is linked no more often than for people not in it"


class ExpectNoInference(AttackExpectation):
    """The release does not tell a person's attribute."""

    says = "An attribute is guessed no more often than for people who are not in the release"


def table_of(figures: Mapping[str, Sequence[tuple[str, Figure]]]) -> Any:
    """The frame that audit expectations are put to, of each check's figures."""
    import pandas as pd  # noqa: PLC0415 - comes with Great Expectations

    lines = [(check, name, value) for check, found in figures.items() for name, value in found]
    return pd.DataFrame(lines, columns=["check", "figure", "value"], dtype=object)
