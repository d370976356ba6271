"""``retention explain``: why is this person still here?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from cli.door import door, today
from cli.options import AsOf, Config, Json, KeyArgument, TableArgument
from cli.output import ACTIONS_FR, PHASES_FR, prose, say, show_table, write_json

if TYPE_CHECKING:
    from retention.installation import Installation
    from retention.planning.explain import EventDays, Explanation

DAYS_SHOWN = 4
"""Of the days of one kind; the latest decide, so the earlier ones are only counted."""


def explain(
    ctx: typer.Context,
    *,
    system_table: TableArgument,
    key: KeyArgument,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Explain one record: its facts, each purpose's dates, what happens when, and by which line.

    A dependant is explained by the record it follows. Dates are shown, no other values.
    """
    from retention.catalogue.model import TableName
    from retention.planning.explain import explain as explain_record

    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        found = explain_record(installation, TableName(system_table), key, day)
        if as_json:
            write_json(found)
        else:
            _show(installation, found)


def _show(installation: Installation, found: Explanation) -> None:
    by = f", decided by its owner in {found.decided_by}" if found.decided_by != found.table else ""
    say(f"A record of {found.table} on {found.as_of}{by}")
    phase = f"{found.phase} ({PHASES_FR[found.phase]})"
    action = f"{found.action} ({ACTIONS_FR[found.action]})"
    held = ", under a hold or a restriction" if found.held else ""
    say(f"  phase:  {phase}{held}", f"  action: {action}", f"  so:     {found.then}")
    if found.columns_due:
        prose(f"  columns no purpose needs any more: {', '.join(found.columns_due)}")
    events = installation.policy.events
    rows = [(f"{item.label} / {events[item.kind].label_fr}", _days(item)) for item in found.events]
    show_table("Facts", ["event", "days"], rows or [("none is known", None)])
    purposes = installation.policy.version_on(found.as_of).purposes
    columns = ["purpose", "label / libellé", "phase", "active through", "archive through", "why"]
    lines = [
        (
            line.purpose,
            f"{line.label} / {purposes[line.purpose].label_fr}",
            f"{line.phase} ({PHASES_FR[line.phase]})",
            line.active_through,
            line.archive_through,
            line.reason or None,
        )
        for line in found.purposes
    ]
    if not any(line.reason for line in found.purposes):
        columns, lines = columns[:-1], [line[:-1] for line in lines]
    show_table("Purposes", columns, lines, fixed=("active through", "archive through"))
    say("The policy's lines")
    prose(*_lines(found))


def _days(item: EventDays) -> str:
    if item.unreadable:
        return "a date cannot be read"
    hidden = len(item.days) - DAYS_SHOWN
    shown = item.days if hidden <= 0 else item.days[-DAYS_SHOWN:]
    return (f"({hidden} earlier) " if hidden > 0 else "") + ", ".join(shown)


def _lines(found: Explanation) -> Iterator[str]:
    for line in found.purposes:
        if line.active_rule != "–":
            yield f"  {line.purpose}, active: {line.active_rule}"
        if line.archive_rule != "–":
            yield f"  {line.purpose}, archive: {line.archive_rule}"
