"""The end of a restriction, of holds, of what could not be decided: what waited is taken up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import RetentionError, SourceError
from retention.execution.erasing import verdicts
from retention.execution.putting_back import RestrictedRow
from retention.execution.restoring import restore
from retention.execution.restricted import restricted_rows
from retention.execution.run import begin, end, new_run_id
from retention.installation import Installation
from retention.planning.plan import Plan, PlanItem, Transition
from retention.policy.calendar import day_in
from retention.requests.answering import outbox
from retention.requests.book import casebook, moving, results
from retention.requests.doing.about import aim_for, known_of
from retention.requests.doing.aims import aim_of
from retention.requests.doing.carrying_out import Clock
from retention.requests.doing.planning import plan_request
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
from retention.settings import Mode

_CAN_BE_LIFTED = (State.verified, State.planned, State.executing, State.answered)


def lift(
    installation: Installation,
    request_id: str,
    *,
    by: str,
    reason: str,
    as_of: date,
    today: date,
    clock: Clock,
    keep_rows: bool = False,
) -> Request:
    """End a restriction: exactly what was there goes back to its place, and is active again.

    What another restriction of the same records wants sealed stays sealed. One that was not
    carried out to its end can be lifted too. To be repeated where it failed: what is back is
    back. Where an attempt broke off and cannot be told from its traces, ``keep_rows`` is the
    word of a person: what is under the keys now are the restricted rows, changed since.

    Raises:
        RequestError: it is no restriction that is in force. SourceError: a row cannot go back,
            or a person has to decide; the restriction then stays. LeaseHeld: another run is at
            work.
    """
    request = casebook.get(installation, request_id)
    number = request.request_id
    if request.kind is not Kind.restriction or request.state not in _CAN_BE_LIFTED:
        raise RequestError(f"request {number[:8]} is no restriction that is in force")
    if installation.settings.mode is Mode.observe:
        raise RequestError("'mode: observe' touches nothing: no restriction can be lifted")
    hold = next((h for h in holds.holds(installation) if h.reason == held_for(number)), None)
    tokens = _of_no_other(installation, number)
    rows: dict[TableName, int] = {}

    def planner(stopped: dict[TableName, str]) -> Plan:
        # Not before the run has begun: it repairs first what an attempt that broke off left.
        back = restricted_rows(installation, tokens)
        if hold is None and not back and not _said_to_be(installation, number):
            raise RequestError(f"request {number[:8]}: the restriction has been lifted already")
        rows.update(_rows(installation, number, back, as_of))
        return _plan(installation, request, as_of, rows, stopped)

    aim = aim_of(installation, Kind.restriction, (), as_of)
    work = begin(
        installation, as_of, today=today, clock=clock, run_id=new_run_id(), aim=aim,
        planner=planner,
    )  # fmt: skip
    try:
        restore(work, tokens, keep_rows=keep_rows)
    except RetentionError as error:
        end(work, str(error), status="failed")
        raise
    end(work)
    if hold is not None:
        holds.release(installation, hold.hold_id, reason=reason, by=by, now=clock())
    restored = [OutcomeLine(name, "", Outcome.restored, rows[name]) for name in sorted(rows)]
    outbox.notify(installation, request, set(rows), clock(), lifted=True)
    if keep_rows:
        reason = f"{reason} (what was under the keys was kept as it was)"
    moving.lifted(installation, number, restored, by=by, reason=reason, now=clock())
    take_up(installation, clock(), as_of)
    return casebook.get(installation, number)


def _of_no_other(installation: Installation, number: RequestId) -> list[str]:
    """The tokens of the request's records but those that another restriction is in force for."""
    others: set[str] = set()
    reasons = {hold.reason for hold in holds.holds(installation) if hold.kind == "restriction"}
    for other in casebook.listed(installation):
        mine = other.request_id == number
        if other.kind is Kind.restriction and not mine and held_for(other.request_id) in reasons:
            others.update(casebook.tokens(installation, other.request_id))
    return [token for token in casebook.tokens(installation, number) if token not in others]


def _said_to_be(installation: Installation, number: RequestId) -> bool:
    """Whether the outcomes say that something is restricted: nobody wrote its end down yet."""
    lines = casebook.outcomes(installation, number)
    return any(line.outcome is Outcome.restricted for line in lines)


def _rows(
    installation: Installation, number: RequestId, back: Sequence[RestrictedRow], as_of: date
) -> dict[TableName, int]:
    """How many rows of each table go back, those that an attempt that broke off put back too."""
    rows = Counter(row.table for row in back)
    archived = {
        (record.table, record.record_token, record.incarnation)
        for verdict in verdicts(installation, casebook.tokens(installation, number), as_of)
        for record in verdict.records
    }
    goes = {(str(row.table), row.record_token, row.incarnation) for row in back}
    stays = Counter(table for table, *_ in archived - goes)
    for line in casebook.outcomes(installation, number):
        if line.outcome is Outcome.restricted:
            name = TableName(line.table)
            rows[name] = max(rows[name], line.rows - stays[name])
    return {name: count for name, count in sorted(rows.items()) if count}


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


def take_up(
    installation: Installation,
    now: datetime,
    as_of: date | None = None,
    *,
    undecided: bool = True,
) -> list[RequestId]:
    """Answered requests of which something waited that can be done now: verified again.

    What a hold had stopped is taken up once nothing holds the person any more; what could not
    be decided, once the plan for ``as_of`` (by default the day of ``now``) can decide more of
    it: a date was mended. That is planned anew for each, and not asked unless ``undecided``. Called
    when a hold is released or a restriction lifted, and before
    whatever looks for requests to carry out. Repeatable: what still waits stays answered.
    """
    candidates = results.ever(installation, Outcome.held)
    if undecided:
        candidates |= results.ever(installation, Outcome.review)
    if not candidates:
        return []
    day = as_of or day_in(now, installation.zone)
    held = holds.held_rows(installation)
    found = []
    for request in casebook.listed(installation, states=(State.answered,)):
        number = request.request_id
        if number not in candidates:
            continue
        reason = _why_taken_up(installation, request, held, day if undecided else None)
        if reason is not None:
            casebook.move(
                installation, number, State.verified, by="orchestrator", reason=reason, now=now
            )
            found.append(number)
    return found


def _why_taken_up(
    installation: Installation, request: Request, held: holds.HeldRows, as_of: date | None
) -> str | None:
    lines = casebook.outcomes(installation, request.request_id)
    outcomes = {line.outcome for line in lines}
    if outcomes.isdisjoint((Outcome.held, Outcome.review)):
        return None
    # Nothing is stopped by the restriction that it asks for itself.
    stopping = held.legal if request.kind is Kind.restriction else held.tokens
    if not stopping.isdisjoint(casebook.tokens(installation, request.request_id)):
        return None
    if Outcome.held in outcomes:
        return "what held the data back has ended"
    if as_of is not None and _can_be_decided(installation, request, lines, as_of):
        return "what could not be decided can be decided now"
    return None


def _can_be_decided(
    installation: Installation, request: Request, told: Sequence[OutcomeLine], as_of: date
) -> bool:
    """Whether fewer rows are in review than the person was told of, by table and purpose.

    The plan is made as the next attempt would make it. What cannot be looked at now waits.
    """
    number = request.request_id
    try:
        known = known_of(installation, number)
        aim = aim_for(installation, request, known, as_of)
        plan = plan_request(installation, request, known.persons, known.tokens, aim, {})
    except (SourceError, RequestError):
        return False
    before, now = _in_review(told), _in_review(plan.outcomes)
    return any(now[place] < rows for place, rows in before.items())


def _in_review(lines: Iterable[OutcomeLine]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if line.outcome is Outcome.review:
            found[line.table, line.purpose] += line.rows
    return found
