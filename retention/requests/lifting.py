"""The end of a restriction, and of holds: what they had stopped is taken up."""

from __future__ import annotations

from datetime import date, datetime

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import RetentionError
from retention.execution.restoring import restore, restricted_rows
from retention.execution.run import begin, end, new_run_id
from retention.installation import Installation
from retention.planning.plan import Plan, PlanItem, Transition
from retention.requests import casebook, moving
from retention.requests.aims import aim_of
from retention.requests.carrying_out import Clock, restriction_reason
from retention.requests.model import (
    Kind,
    Outcome,
    OutcomeLine,
    Request,
    RequestError,
    RequestId,
    State,
)


def lift(
    installation: Installation,
    request_id: str,
    *,
    by: str,
    reason: str,
    as_of: date,
    today: date,
    clock: Clock,
) -> Request:
    """End a restriction: exactly what was there goes back to its place, and is active again.

    To be repeated where it failed: what is back is back.

    Raises:
        RequestError: it is no restriction that is in force. SourceError: a row cannot go back;
            the restriction then stays. LeaseHeld: another run is at work.
    """
    request = casebook.get(installation, request_id)
    number = request.request_id
    if request.kind is not Kind.restriction or request.state is not State.answered:
        raise RequestError(f"request {number[:8]} is no restriction that is in force")
    hold = next(
        (h for h in holds.holds(installation) if h.reason == restriction_reason(number)), None
    )
    tokens = casebook.tokens(installation, number)
    back = restricted_rows(installation, tokens)
    if hold is None and not back:
        raise RequestError(f"request {number[:8]}: the restriction has been lifted already")
    rows: dict[TableName, int] = {}
    for row in back:
        rows[row.table] = rows.get(row.table, 0) + 1
    aim = aim_of(installation, Kind.restriction, (), as_of)
    work = begin(
        installation, as_of, today=today, clock=clock, run_id=new_run_id(), aim=aim,
        planner=lambda stopped: _plan(installation, request, as_of, rows, stopped),
    )  # fmt: skip
    try:
        restore(work, tokens)
    except RetentionError as error:
        end(work, str(error), status="failed")
        raise
    end(work)
    if hold is not None:
        holds.release(installation, hold.hold_id, reason=reason, by=by, now=clock())
    restored = [OutcomeLine(str(n), "", Outcome.restored, count) for n, count in rows.items()]
    moving.lifted(installation, number, restored, by=by, reason=reason, now=clock())
    take_up(installation, clock())
    return casebook.get(installation, number)


def refuse_if_asked_for(installation: Installation, hold_id: str) -> None:
    """A restriction that holds rows in the archive may not just be released.

    Raises:
        RequestError: it is one; 'retention request lift' ends it.
    """
    for hold in holds.holds(installation):
        asked, _, number = hold.reason.partition(" ")
        if hold.hold_id == hold_id and hold.kind == "restriction" and asked == "request":
            raise RequestError(
                f"hold {hold_id} keeps rows in the archive that a person's request took out of "
                f"use: 'retention request lift {number}' puts them back"
            )


def _plan(
    installation: Installation,
    request: Request,
    as_of: date,
    rows: dict[TableName, int],
    stopped: dict[TableName, str],
) -> Plan:
    return Plan(
        as_of=as_of,
        request=request.request_id,
        policy=installation.policy.policy,
        policy_digest=installation.policy.digest(as_of),
        catalogue_digest=installation.catalogue_digest(),
        predicates={"lift": request.request_id},
        tables=(),
        items=tuple(
            PlanItem(table=name, transition=Transition.restore, rows=count)
            for name, count in sorted(rows.items())
        ),
        stopped={str(name): reason for name, reason in stopped.items() if name in rows},
    )


def take_up(installation: Installation, now: datetime) -> list[RequestId]:
    """Requests that a hold had stopped in part, and that nothing holds any more: verified again.

    Called when a hold is released or a restriction lifted, and by the sensor that looks for
    what there is to do. Repeatable.
    """
    held = holds.held_rows(installation).tokens
    found = []
    for request in casebook.listed(installation, states=(State.answered,)):
        number = request.request_id
        lines = casebook.outcomes(installation, number)
        if not any(line.outcome is Outcome.held for line in lines):
            continue
        if held.isdisjoint(casebook.tokens(installation, number)):
            casebook.move(
                installation, number, State.verified, by="orchestrator",
                reason="what held the data back has ended", now=now,
            )  # fmt: skip
            found.append(number)
    return found
