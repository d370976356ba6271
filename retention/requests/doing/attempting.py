"""One attempt at one request: planned, executed, looked at again; a copy is answered too.

What was changed is proved afterwards, in one search for all requests of a run
(``carrying_out``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from retention import holds
from retention.catalogue.drift_rights import cannot_put_back
from retention.catalogue.model import TableName
from retention.errors import ApprovalNeeded, RetentionError
from retention.execution.correcting import correct_archived
from retention.execution.erasing import erase_archived
from retention.execution.run import (
    STAGES,
    Planner,
    begin,
    do_stage,
    end,
    tables_to_do,
)
from retention.execution.work import Stopped, Work
from retention.installation import Installation
from retention.lease import Lease
from retention.planning.plan import Plan
from retention.requests.answering.telling import told
from retention.requests.book import casebook
from retention.requests.copies import access, package
from retention.requests.doing.about import (
    Known,
    aim_for,
    asked_of,
    known_of,
    rectification_of,
)
from retention.requests.doing.afterwards import look_again, tell_others
from retention.requests.doing.aims import PersonAim
from retention.requests.doing.late import take_in
from retention.requests.doing.planning import RequestPlan, plan_request
from retention.requests.doing.rectifying import left_in_archive
from retention.requests.doing.trying_out import refuse_refused, refuse_unending
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
from retention.requests.proving import proof, returning

BY = "orchestrator"
"""Who carries requests out, in the record of their changes."""

COPIES = (Kind.access, Kind.portability)

Clock = Callable[[], datetime]

_NAMED_BY = 12


@dataclass(frozen=True)
class Batch:
    """What the attempts of one run share."""

    installation: Installation
    as_of: date
    today: date
    clock: Clock
    run_id: str
    lease: Lease
    """Held for all of them; whoever acquired it gives it back."""
    progress: Callable[[str, str, int], None]
    """Told the stage, the table and the rows of each chunk."""
    stop_asked: Callable[[], bool]


def own_run(run_id: str, request_id: RequestId) -> str:
    """The run of one request in journal and ledger, as a part of the run that carries it out."""
    return f"{run_id}/{request_id[:_NAMED_BY]}"


def copy(batch: Batch, request: Request) -> Request:
    """Access and portability: gather, put a sealed package by, answer."""
    installation, number = batch.installation, request.request_id
    take_in(installation, request, batch.clock())
    known = known_of(installation, number)
    _move(batch, number, State.planned)
    _move(batch, number, State.executing)
    gathered = access.gather(installation, known.persons, known.tokens, batch.as_of)
    shown = gathered.portable() if request.kind is Kind.portability else gathered
    if shown.tables:
        package.make(installation, request, gathered, as_of=batch.as_of, now=batch.clock())
    lines = [OutcomeLine(str(name), "", Outcome.copied, rows) for name, rows in shown.rows.items()]
    # Who is known, yet supplied nothing that is portable, is not told that nobody is known.
    nothing_portable = [OutcomeLine(str(name), "", Outcome.copied, 0) for name in gathered.rows]
    casebook.put_outcomes(installation, number, lines or nothing_portable or [_nothing()])
    return casebook.answer(installation, number, by=BY, now=batch.clock(), as_of=batch.as_of)


def _nothing() -> OutcomeLine:
    return OutcomeLine("", "", Outcome.nothing, 0)


def _move(batch: Batch, number: RequestId, to: State) -> None:
    casebook.move(batch.installation, number, to, by=BY, now=batch.clock(), run_id=batch.run_id)


def change(batch: Batch, request: Request) -> None:
    """Plan and execute; then nothing that was planned may be left to do.

    Raises:
        RequestError: something is. Stopped: a person asked for it, between two chunks.
            LeaseHeld: another run has taken the lease. RetentionError: it failed otherwise.
    """
    installation, number = batch.installation, request.request_id
    take_in(installation, request, batch.clock())
    known, made = known_of(installation, number), []

    def planner(stopped: dict[TableName, str]) -> Plan:
        # Under the lease: of two processes with one request, only one gets here.
        proof.remember(
            installation, number, request.kind, asked_of(request), known.persons, known.tokens
        )
        returning.remember(installation, number, request.kind, known.persons)
        if request.kind is Kind.restriction and not known.nobody:
            _restrict(installation, request, known, batch.clock())
        aim = aim_for(installation, request, known, batch.as_of)
        planned = plan_request(installation, request, known.persons, known.tokens, aim, stopped)
        refuse_refused(installation, aim.corrections)
        refuse_unending(installation, aim, stopped)
        made.append(planned)
        return planned.plan

    work = _begin(batch, request, known, planner)
    planned: RequestPlan = made[0]
    try:
        _move(batch, number, State.planned)
        before = casebook.outcomes(installation, number)
        present = [*planned.outcomes, *_beside(work, request, known)]
        lines = told(before, present, _unseen(installation, before))
        casebook.put_outcomes(installation, number, lines)
        _move(batch, number, State.executing)
        _execute(work, request, known)
    except RetentionError as error:
        end(work, str(error), status="stopped" if isinstance(error, Stopped) else "failed")
        raise
    stopped = end(work)
    if reasons := [reason for name, reason in stopped.items() if name in planned.plan.stopped
                   or any(item.table == name for item in planned.plan.items)]:  # fmt: skip
        raise RequestError(f"a part could not be touched: {reasons[0]}")
    lines = look_again(installation, request, known, lines, batch.as_of)
    tell_others(installation, request, lines, planned, batch.as_of, batch.clock())


def _begin(batch: Batch, request: Request, known: Known, planner: Planner) -> Work:
    aim = aim_for(batch.installation, request, known, batch.as_of)
    try:
        work = begin(
            batch.installation, batch.as_of, today=batch.today, clock=batch.clock,
            run_id=own_run(batch.run_id, request.request_id), aim=aim, planner=planner,
            lease=batch.lease,
        )  # fmt: skip
    except ApprovalNeeded as needed:
        raise ApprovalNeeded(f"request {request.request_id[:8]}: {needed}") from None
    work.progress, work.stop_asked = batch.progress, batch.stop_asked
    return work


def _execute(work: Work, request: Request, known: Known) -> None:
    """The stages of the daily run, on one person's rows; then the archive."""
    for name in tables_to_do(work):
        for stage in STAGES:
            do_stage(work, stage, name)
    if isinstance(work.aim, PersonAim) and work.aim.opposed is not None:
        erase_archived(work, known.tokens, opposed=work.aim.opposed)
    if request.kind is Kind.erasure:
        erase_archived(work, known.tokens)
        # A copy is evidence of nothing: it goes, also where a hold keeps what it is a copy of.
        chosen = casebook.tokens(work.installation, request.request_id)
        package.destroy_of(work.installation, chosen, work.clock())
    if request.kind is Kind.rectification:
        left = left_in_archive(
            work.installation, request.request_id, known.persons, known.tokens,
            asked_of(request), work.as_of,
        )  # fmt: skip
        correct_archived(work, left)


def _restrict(installation: Installation, request: Request, known: Known, now: datetime) -> None:
    """From now on nothing of theirs transitions: also what is in the archive already."""
    reason = held_for(request.request_id)
    if any(hold.reason == reason for hold in holds.holds(installation)):
        return
    trees = {name for table, _ in known.persons for name in installation.catalogue.tree_of(table)}
    if lacking := cannot_put_back(installation.sources, installation.catalogue, trees):
        raise RequestError(
            f"{', '.join(lacking)}: this account may not put rows back (INSERT), so a restriction "
            "could not be lifted; nothing was changed"
        )
    chosen = [s for s in casebook.subjects(installation, request.request_id) if s.chosen]
    # Of whom only the archive knows, there is no key: the first then stands for itself alone.
    first, *more = known.persons or [(chosen[0].table, ())]
    holds.place(
        installation, first, kind="restriction", reason=reason, by=BY, now=now, more=more,
        tokens=[(subject.table, subject.token) for subject in chosen],
    )  # fmt: skip


def _unseen(installation: Installation, before: Sequence[OutcomeLine]) -> set[str]:
    """Tables whose rows an earlier attempt could not look at."""
    stopped = {line.table for line in before if line.outcome is Outcome.stopped}
    trees = (
        installation.catalogue.tree_of(name)
        for name, _ in installation.catalogue.tables()
        if name in stopped
    )
    return {name for tree in trees for name in tree}


def _beside(work: Work, request: Request, known: Known) -> list[OutcomeLine]:
    """What the plan does not say: evidence left as issued, and that nobody is known."""
    if known.nobody:
        return [_nothing()]
    if request.kind is not Kind.rectification:
        return []
    return [*rectification_of(work.installation, request, known, work.as_of).evidence]
