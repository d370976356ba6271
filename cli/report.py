"""What a run did, read back from the control store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from cli.output import prose, say, show_table

if TYPE_CHECKING:
    from retention.execution.journal import Stage
    from retention.installation import Installation

DONE = ("archived", "pseudonymised", "cleared", "disposed", "expired")
SKIPPED = "skipped_"
ALWAYS_SHOWN = ("skipped_held", "skipped_review")
HEADINGS = {"expired": "expired\nunits", "with_dependants": "left with\ndependants"}
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
    from retention.execution import reporting
    from retention.execution.expiry_stage import ARCHIVE
    from retention.execution.journal import Journal

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


def show_outcome(found: Outcome) -> None:
    """What happened, as tables, and which trees were stopped."""
    title = f"Run of {found.as_of}: {found.status}"
    if found.mode == "observe":
        say(f"{title} (mode observe: nothing was touched)")
    else:
        _show_counts(title, found, (*DONE, "with_dependants", *ALWAYS_SHOWN))
        reasons = {name for counts in found.tables.values() for name in counts if counts[name]}
        left = sorted(
            name for name in reasons if name.startswith(SKIPPED) and name not in ALWAYS_SHOWN
        )
        if left:
            _show_counts("Looked at and left as they are, by reason", found, left)
    by_reason: dict[str, list[str]] = {}
    for name, why in found.stopped.items():
        by_reason.setdefault(why, []).append(name)
    for why, stopped in by_reason.items():
        prose(f"Stopped: {', '.join(stopped)}", f"  because {why}")


def _show_counts(title: str, found: Outcome, names: Sequence[str]) -> None:
    rows = [
        [table, *(counts.get(name, 0) for name in names)] for table, counts in found.tables.items()
    ]
    columns = ["table", *(HEADINGS.get(name) or _heading(name) for name in names)]
    show_table(title, columns, rows, numbers=len(names))


def _heading(name: str) -> str:
    return name.removeprefix(SKIPPED).replace("_", "\n", 1).replace("_", " ")
