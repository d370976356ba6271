"""What a run did, read back from the control store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from cli.output import prose, say, show_table

if TYPE_CHECKING:
    from retention.execution.journal import Stage
    from retention.installation import Installation

DONE = ("archived", "pseudonymised", "cleared", "disposed", "expired")
SKIPPED = "skipped_"
STAGES: tuple[Stage, ...] = ("move", "pseudonymise", "expire")


@dataclass(frozen=True)
class Outcome:
    """One run. ``tables`` holds, for each table, rows by what became of them.

    A ``skipped_…`` count names its reason; ``with_dependants`` counts the rows that left and
    all that went along with them. ``archive`` is a table too: its units expire.
    """

    run_id: str
    as_of: date
    plan: str
    mode: str
    status: str
    note: str | None
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)


def read_outcome(installation: Installation, run_id: str) -> Outcome | None:
    """What became of a run; ``None`` where it never began."""
    from retention.execution import reporting  # noqa: PLC0415 - slow to import
    from retention.execution.expiry_stage import ARCHIVE  # noqa: PLC0415
    from retention.execution.journal import Journal  # noqa: PLC0415

    engine = installation.stores.control
    run = reporting.find_run(engine, run_id)
    if run is None:
        return None
    tables: dict[str, Counter[str]] = {}
    for name in (*installation.catalogue.clocked_tables(), ARCHIVE):
        tables[name] = Counter()
        for stage in STAGES:
            for chunk in reporting.chunk_reports(engine, run_id, name, stage):
                tables[name].update(chunk.counts)
    for moved in reporting.moved_in_run(engine, run_id):
        if moved.transition in ("archive", "dispose"):
            tables[moved.table]["with_dependants"] += moved.with_dependants
    return Outcome(
        run_id=run_id,
        as_of=run.as_of,
        plan=run.plan_digest,
        mode=run.mode,
        status=run.status,
        note=run.note,
        tables={name: _known(counts) for name, counts in tables.items()},
        stopped=Journal(engine, installation.keyring, run_id).stopped(),
    )


def _known(counts: Counter[str]) -> dict[str, int]:
    shown = {name: counts[name] for name in (*DONE, "with_dependants")}
    skipped = sorted(name for name in counts if name.startswith(SKIPPED))
    return shown | {name: counts[name] for name in skipped}


def show_outcome(report: Outcome) -> None:
    """What happened, as a table, and which trees were stopped."""
    reasons = sorted({n for counts in report.tables.values() for n in counts if SKIPPED in n})
    used = [name for name in reasons if any(c.get(name) for c in report.tables.values())]
    names: list[str] = [*DONE, "with_dependants", *used]
    columns = ["table", *(_heading(name) for name in names)]
    rows: list[list[Any]] = [
        [name, *(counts.get(column, 0) for column in names)]
        for name, counts in report.tables.items()
    ]
    title = f"Run of {report.as_of}: {report.status}"
    if report.mode == "observe":
        say(f"{title} (mode observe: nothing was touched)")
        return
    show_table(title, columns, rows, numbers=len(names))
    by_reason: dict[str, list[str]] = {}
    for name, why in report.stopped.items():
        by_reason.setdefault(why, []).append(name)
    for why, stopped in by_reason.items():
        prose(f"Stopped: {', '.join(stopped)}", f"  because {why}")


def _heading(name: str) -> str:
    if name.startswith(SKIPPED):
        reason = name.removeprefix(SKIPPED).replace("_", " ")
        return reason if reason in ("held", "review") else f"skipped: {reason}"
    return {"with_dependants": "with dependants", "expired": "expired units"}.get(name, name)
