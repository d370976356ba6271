"""Checks of microdata: the privacy models, measured on the bytes."""

from __future__ import annotations

from collections.abc import Iterator

from anonymizers.audits.findings import Finding
from anonymizers.recoding.risk import SensitiveFigures, measure
from retention.releases.auditor import Auditor
from retention.releases.built import Figure
from retention.releases.checks_plain import Outcome
from retention.releases.model import PrivacyModels

_EXACT = 1e-9


def privacy_model_holds(auditor: Auditor) -> Outcome:
    """k, l and t of the bytes on disk. Each row is a person: the tables have one row each."""
    check = "privacy_model_holds"
    found: list[Finding] = []
    figures: dict[str, Figure] = {}
    for name, part in auditor.microdata:
        quasi = [item.name for item in part.quasi_identifiers]
        sensitive = [item.name for item in part.sensitive]
        hierarchies = None
        if part.models.distance != "equal" and part.models.t is not None:
            known = auditor.originals[name].hierarchies
            hierarchies = [known[column] for column in sensitive]
        sizes = (int(part.models.l),) if part.models.l is not None else (2,)
        measured = measure(
            auditor.frames[name], quasi, sensitive, hierarchies=hierarchies, recursive=sizes
        )
        figures |= {f"{name}_k": measured.k, f"{name}_classes": measured.classes}
        if measured.k < part.models.k:
            found.append(
                Finding(check, "a class is smaller than k", {"file": name, "k": measured.k})
            )
        for column, worst in measured.sensitive.items():
            figures[f"{name}_{column}_effective_l"] = round(worst.entropy, 4)
            figures |= {
                f"{name}_{column}_t_{kind}": round(distance, 4)
                for kind, distance in worst.closeness.items()
            }
            found += _of_sensitive(check, name, column, part.models, worst)
    return found, figures


def _of_sensitive(
    check: str, name: str, column: str, models: PrivacyModels, worst: SensitiveFigures
) -> Iterator[Finding]:
    place: dict[str, Figure] = {"file": name, "column": column}
    if models.l is not None:
        reached = {
            "entropy": worst.entropy >= models.l * (1 - _EXACT),
            "distinct": worst.distinct >= int(models.l),
            "recursive": worst.recursive.get(int(models.l), float("inf")) < models.c,
        }[models.l_kind]
        if not reached:
            yield Finding(check, f"a class is less than l-diverse ({models.l_kind})", place)
    if models.t is not None and worst.closeness[models.distance] > models.t + _EXACT:
        yield Finding(check, "a class is farther than t from the whole", place)
