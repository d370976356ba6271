"""Counts as Dagster's metadata: numbers that its pages plot over time, and small tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from retention.execution.reporting import ChunkReport
from retention.planning.plan import Plan, TableCounts
from retention.policy.decide import Phase
from retention.policy.table import Policy

Metadata = dict[str, Any]

_SHOWN_CHUNKS = 50
_ATTACKS = {
    "cannot_single_out": "singling out",
    "cannot_link": "linkability",
    "cannot_infer": "inference",
}
_OF_ATTACK = ("attempts", "success", "control", "risk", "low", "high")
"""Of the risk, ``low`` and ``high`` are the ends of the 95 % interval."""
PHASES = tuple(str(phase) for phase in (Phase.active, Phase.review, Phase.archive, Phase.expired))

_NOT_HELD = "expired or not held"
_SHOWN_PHASES = (*PHASES[:-1], _NOT_HELD)


def table(rows: Sequence[Mapping[str, str | int | float]], columns: Iterable[str]) -> Any:
    """A small table. Columns hold numbers where their first cell does."""
    first = rows[0] if rows else {}
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(name, "string" if isinstance(first.get(name, ""), str) else "int")
            for name in columns
        ]
    )
    records = [dg.TableRecord(dict(row)) for row in rows]
    return dg.MetadataValue.table(records=records, schema=schema)


def numbers(counts: Mapping[str, int]) -> Metadata:
    """Each count under its own name."""
    return {name: dg.MetadataValue.int(int(number)) for name, number in counts.items()}


def figures(found: Mapping[str, str | int | float]) -> Metadata:
    """The figures of a release's audit, by ``check.figure``: attacks in a table of their own."""
    lines = []
    attacks: dict[tuple[str, str], dict[str, str]] = {}
    for name, value in sorted(found.items()):
        of, _, figure = name.partition(".")
        target, _, what = figure.rpartition("_")
        if of in _ATTACKS and what in _OF_ATTACK:
            attacks.setdefault((of, target), {})[what] = _number(value)
        else:
            lines.append({"check": _plain(of), "figure": _plain(figure), "value": _number(value)})
    made: Metadata = {}
    if attacks:
        rows = [
            {"attack": _ATTACKS[of], "on": _plain(target)}
            | {what: mine.get(what, "") for what in _OF_ATTACK}
            for (of, target), mine in attacks.items()
        ]
        made["attacks"] = table(rows, rows[0])
    if lines:
        made["figures"] = table(lines, lines[0])
    return made


def chunks(reports: Sequence[ChunkReport]) -> Metadata:
    """How many rows and seconds each chunk took; the last ones where there are many."""
    seconds = sum(report.seconds for report in reports)
    rows = sum(report.counts.get("selected", 0) for report in reports)
    found: Metadata = {"chunks": len(reports), "seconds": round(seconds, 3)}
    if rows and seconds:
        found["rows_per_second"] = round(rows / seconds, 1)
    if reports:
        lines = [
            {
                "chunk": report.sequence,
                "state": report.state,
                "rows": report.counts.get("selected", 0),
                "skipped": sum(n for name, n in report.counts.items() if _is_skip(name)),
                "seconds": round(report.seconds, 3),
            }
            for report in reports[-_SHOWN_CHUNKS:]
        ]
        found["by_chunk"] = table(lines, lines[0])
    return found


def skipped(counts: Mapping[str, int]) -> Metadata:
    """Rows that stayed, by reason."""
    reasons = {name: n for name, n in counts.items() if _is_skip(name) and n}
    if not reasons:
        return {}
    lines = [{"reason": _plain(name.removeprefix("skipped_")), "rows": n}
             for name, n in sorted(reasons.items())]  # fmt: skip
    return {"skipped": sum(reasons.values()), "skipped_by_reason": table(lines, lines[0])}


def phases(counts: TableCounts, policy: Policy, purposes: Iterable[str]) -> Metadata:
    """How a table's rows stand: by phase, and each purpose's rows by phase."""
    known = policy.versions[-1].purposes
    lines = [
        {
            "purpose": known[name].label if name in known else name,
            **_by_phase(counts.purposes[name]),
        }
        for name in purposes
        if name in counts.purposes
    ]
    lines.append({"purpose": "together", **_by_phase(counts.phases)})
    return {
        "dagster/row_count": counts.rows,
        **{phase: counts.phases.get(phase, 0) for phase in PHASES},
        "purpose_by_phase": table(lines, ["purpose", *_SHOWN_PHASES]),
    }


def _by_phase(counts: Mapping[str, int]) -> dict[str, int]:
    """A row that is not held for a purpose counts as expired for it."""
    return {name: counts.get(p, 0) for name, p in zip(_SHOWN_PHASES, PHASES, strict=True)}


def plan_by_table(plan: Plan) -> Any:
    """Phases of every planned table, one line each."""
    lines = [
        {
            "table": counts.table,
            "rows": counts.rows,
            **{phase: counts.phases.get(phase, 0) for phase in PHASES},
        }
        for counts in plan.tables
    ]
    return table(lines, ["table", "rows", *PHASES])


def plan_by_transition(plan: Plan, tables: Iterable[str] | None = None) -> Any:
    """What is to be done, one line for each table and transition."""
    wanted = None if tables is None else set(tables)
    lines = [
        {
            "table": item.table,
            "transition": str(item.transition),
            "rows": item.rows,
            "goes with": item.follows or "",
        }
        for item in plan.items
        if wanted is None or item.table in wanted or item.follows in wanted
    ]
    return table(lines, ["table", "transition", "rows", "goes with"])


def plan_by_purpose(plan: Plan, policy: Policy) -> Any:
    """Rows held for each purpose by phase, over all tables."""
    known = policy.version_on(plan.as_of).purposes
    lines = []
    for name, purpose in known.items():
        held = [counts.purposes[name] for counts in plan.tables if name in counts.purposes]
        if held:
            sums = {phase: sum(item.get(phase, 0) for item in held) for phase in PHASES}
            lines.append({"purpose": purpose.label, **_by_phase(sums)})
    return table(lines, ["purpose", *_SHOWN_PHASES])


def stopped(reasons: Mapping[str, str]) -> Any:
    """The stopped tables and why; the reasons name schemas, never rows."""
    lines = [{"table": name, "reason": reason} for name, reason in sorted(reasons.items())]
    return table(lines, ["table", "reason"])


def _number(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _is_skip(name: str) -> bool:
    return name.startswith("skipped_")


def _plain(name: str) -> str:
    return name.replace("_", " ")
