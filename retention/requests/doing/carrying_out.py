"""Carrying a verified request out, by the executor of the daily run.

Plan, execute, look again: what was planned is asked for once more and must be gone, a re-scan by
value must find nothing that the outcomes do not explain. Only then is the request answered.
A failure stays visible in the request until a person has it tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import ApprovalNeeded, LeaseHeld, RetentionError
from retention.execution.erasing import erase_archived
from retention.execution.run import (
    STAGES,
    Planner,
    begin,
    do_stage,
    end,
    new_run_id,
    tables_to_do,
    unfit,
)
from retention.execution.work import Work
from retention.installation import Installation
from retention.planning.plan import Plan
from retention.requests.answering.telling import told
from retention.requests.book import casebook
from retention.requests.copies import access, package
from retention.requests.doing import rectifying
from retention.requests.doing.about import Known, aim_for, asked_of, known_of
from retention.requests.doing.afterwards import look_again, tell_others
from retention.requests.doing.persons import read_person
from retention.requests.doing.planning import RequestPlan, plan_request
from retention.requests.model import (
    Kind,
    Outcome,
    OutcomeLine,
    Request,
    RequestError,
    RequestId,
    State,
    held_for,
)
from retention.requests.proving import proof
from retention.settings import Mode

BY = "orchestrator"
"""Who carries requests out, in the record of their changes."""

_NEXT = {
    State.received: ": 'retention request verify' says that the person is who they say they are",
    State.planned: ": 'retention request retry' takes up one whose run broke off",
    State.executing: ": 'retention request retry' takes up one whose run broke off",
}
"""What to do with a request that cannot be carried out as it is."""

_COPIES = (Kind.access, Kind.portability)

Clock = Callable[[], datetime]


def foresee(installation: Installation, request_id: str, as_of: date) -> RequestPlan | None:
    """What carrying a request out would do; ``None`` for one that only makes a copy.

    Reads sources and archive, touches nothing.

    Raises:
        RequestError: there is no such request. SourceError: a system is out of reach.
    """
    request = casebook.get(installation, request_id)
    if request.kind in _COPIES:
        return None
    known = known_of(installation, request.request_id)
    aim = aim_for(installation, request, known, as_of)
    return plan_request(
        installation, request, known.persons, known.tokens, aim, unfit(installation)
    )


def carry_out(
    installation: Installation,
    request_id: str,
    *,
    as_of: date,
    today: date,
    clock: Clock,
    run_id: str | None = None,
    progress: Callable[[str, str, int], None] = lambda _stage, _table, _rows: None,
) -> Request:
    """Carry a verified request out, to its answer.

    Raises:
        RequestError: it is not verified, or something of the person is left that the outcomes do
            not explain. LeaseHeld: another run is at work; the request is as it was.
            RetentionError: it failed; the reason is kept with the request, which stays open.
    """
    request = casebook.get(installation, request_id)
    if request.state is not State.verified:
        raise RequestError(
            f"request {request.request_id[:12]} is {request.state}; only a verified one can be "
            f"carried out{_NEXT.get(request.state, '')}"
        )
    if installation.settings.mode is Mode.observe:
        raise RequestError("'mode: observe' touches nothing: no request can be carried out")
    casebook.reconcile(installation, clock())
    run = run_id or new_run_id()
    with _failures_kept(installation, request.request_id, clock):
        if request.kind in _COPIES:
            return _copy(installation, request, as_of, clock, run)
        return _change(installation, request, as_of, today, clock, run, progress)


@contextmanager
def _failures_kept(installation: Installation, request_id: RequestId, clock: Clock) -> Any:
    """Whatever goes wrong is written down with the request; only a busy lease is no failure."""
    try:
        yield
    except LeaseHeld:
        raise
    except RetentionError as error:
        casebook.fail(installation, request_id, str(error), clock())
        raise
    except Exception as error:
        # Its text may quote a row: only its kind is kept.
        casebook.fail(installation, request_id, f"unexpected {type(error).__name__}", clock())
        raise


# --- copies ----------------------------------------------------------------------------


def _copy(
    installation: Installation, request: Request, as_of: date, clock: Clock, run: str
) -> Request:
    """Access and portability: gather, and put a sealed package by."""
    known, number = known_of(installation, request.request_id), request.request_id
    casebook.move(installation, number, State.planned, by=BY, now=clock(), run_id=run)
    casebook.move(installation, number, State.executing, by=BY, now=clock(), run_id=run)
    gathered = access.gather(installation, known.persons, known.tokens, as_of)
    shown = gathered.portable() if request.kind is Kind.portability else gathered
    if shown.tables:
        package.make(installation, request, gathered, as_of=as_of, now=clock())
    lines = [OutcomeLine(str(name), "", Outcome.copied, rows) for name, rows in shown.rows.items()]
    # Who is known, yet supplied nothing that is portable, is not told that nobody is known.
    nothing_portable = [OutcomeLine(str(name), "", Outcome.copied, 0) for name in gathered.rows]
    casebook.put_outcomes(installation, number, lines or nothing_portable or [_nothing()])
    return casebook.answer(installation, number, by=BY, now=clock(), as_of=as_of)


def _nothing() -> OutcomeLine:
    return OutcomeLine("", "", Outcome.nothing, 0)


# --- changes ---------------------------------------------------------------------------


def _change(
    installation: Installation,
    request: Request,
    as_of: date,
    today: date,
    clock: Clock,
    run: str,
    progress: Callable[[str, str, int], None],
) -> Request:
    number, known = request.request_id, known_of(installation, request.request_id)
    made: list[RequestPlan] = []

    def planner(stopped: dict[TableName, str]) -> Plan:
        # Under the lease: of two processes with one request, only one gets here.
        proof.remember(
            installation, number, request.kind, asked_of(request), known.persons, known.tokens
        )
        if request.kind is Kind.restriction and known.tokens:
            _restrict(installation, request, known, clock())
        aim = aim_for(installation, request, known, as_of)
        planned = plan_request(installation, request, known.persons, known.tokens, aim, stopped)
        made.append(planned)
        return planned.plan

    work = _begin(installation, request, known, as_of, today, clock, run, planner)
    work.progress = progress
    planned = made[0]
    try:
        casebook.move(installation, number, State.planned, by=BY, now=clock(), run_id=run)
        lines = told(
            casebook.outcomes(installation, number),
            [*planned.outcomes, *_beside(work, request, known)],
        )
        casebook.put_outcomes(installation, number, lines)
        casebook.move(installation, number, State.executing, by=BY, now=clock(), run_id=run)
        _execute(work, request, known)
    except RetentionError as error:
        end(work, str(error), status="failed")
        raise
    stopped = end(work)
    if reasons := [reason for name, reason in stopped.items() if name in planned.plan.stopped
                   or any(item.table == name for item in planned.plan.items)]:  # fmt: skip
        raise RequestError(f"a part could not be touched: {reasons[0]}")
    lines = look_again(installation, request, known, lines, as_of)
    tell_others(installation, request, lines, planned, as_of, clock())
    if traces := proof.prove(installation, [number])[number]:
        raise RequestError(
            "a search by value finds more of the person than the outcomes explain: "
            f"{proof.said(traces)}; see to it, then 'retention request retry'"
        )
    return casebook.answer(installation, number, by=BY, now=clock(), as_of=as_of)


def _begin(
    installation: Installation,
    request: Request,
    known: Known,
    as_of: date,
    today: date,
    clock: Clock,
    run: str,
    planner: Planner,
) -> Work:
    aim = aim_for(installation, request, known, as_of)
    try:
        return begin(
            installation, as_of, today=today, clock=clock, run_id=run, aim=aim, planner=planner
        )
    except ApprovalNeeded as needed:
        raise ApprovalNeeded(f"request {request.request_id[:8]}: {needed}") from None


def _execute(work: Work, request: Request, known: Known) -> None:
    """The stages of the daily run, on one person's rows; then the archive."""
    for name in tables_to_do(work):
        for stage in STAGES:
            do_stage(work, stage, name)
    if request.kind is Kind.erasure:
        erase_archived(work, known.tokens)
        # A copy is evidence of nothing: it goes, also where a hold keeps what it is a copy of.
        package.destroy_of(work.installation, known.tokens, work.clock())


def _restrict(installation: Installation, request: Request, known: Known, now: datetime) -> None:
    """From now on nothing of theirs transitions: also what is in the archive already."""
    reason = held_for(request.request_id)
    if any(hold.reason == reason for hold in holds.holds(installation)):
        return
    chosen = [s for s in casebook.subjects(installation, request.request_id) if s.chosen]
    # Of whom only the archive knows, there is no key: the first then stands for itself alone.
    first, *more = known.persons or [(chosen[0].table, ())]
    holds.place(
        installation, first, kind="restriction", reason=reason, by=BY, now=now, more=more,
        tokens=[(subject.table, subject.token) for subject in chosen],
    )  # fmt: skip


def _beside(work: Work, request: Request, known: Known) -> list[OutcomeLine]:
    """What the plan does not say: evidence left as issued, and that nobody is known."""
    if not known.tokens:
        return [_nothing()]
    if request.kind is not Kind.rectification:
        return []
    tables = list(read_person(work.installation, known.persons, work.as_of))
    left = rectifying.evidence_left(tables, asked_of(request).corrections)
    return [OutcomeLine(name, "", Outcome.kept, rows, None, "evidence") for name, rows in left]
