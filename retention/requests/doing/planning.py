"""The planner of requests: the same plan as the daily one's, of one person's rows.

The plan names the request, never the person. Beside it stand the outcomes: by table and
purpose, what becomes of the data, until when, and because of what.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from retention.catalogue.model import TableName
from retention.execution.erasing import verdicts
from retention.holds import Person, held_rows, subject_token
from retention.installation import Installation
from retention.planning.judge import Judged
from retention.planning.plan import Plan, PlanItem, Transition
from retention.policy.decide import Action
from retention.requests.doing.aims import PersonAim
from retention.requests.doing.outcomes import (
    Line,
    archived_lines,
    lines_of,
    rectified_lines,
    sealed_lines,
)
from retention.requests.doing.persons import PersonTable, read_person
from retention.requests.model import Kind, Outcome, OutcomeLine, Request

_TRANSITIONS = {
    Action.archive: Transition.archive,
    Action.pseudonymise: Transition.pseudonymise,
    Action.dispose: Transition.dispose,
    Action.review: Transition.review,
    Action.hold: Transition.hold,
    Action.restrict: Transition.restrict,
}


@dataclass(frozen=True)
class RequestPlan:
    """A plan, and what the person will be told of it."""

    plan: Plan
    outcomes: tuple[OutcomeLine, ...]

    @property
    def left(self) -> tuple[PlanItem, ...]:
        """What there is to do: nothing once the request is carried out."""
        waits = (Transition.hold, Transition.review)
        return tuple(item for item in self.plan.items if item.transition not in waits)


def plan_request(
    installation: Installation,
    request: Request,
    persons: Sequence[Person],
    tokens: Sequence[str],
    aim: PersonAim,
    stopped: Mapping[TableName, str],
) -> RequestPlan:
    """What carrying ``request`` out would do. Reads sources and archive; touches nothing.

    ``stopped`` are tables that must not be touched, with the reason. Rows of theirs are not
    looked at; the request stays open because of them where they belong to the person's trees.
    """
    items: Counter[tuple[str, Transition, str | None]] = Counter()
    lines: Counter[Line] = Counter()
    found = held_rows(installation)
    held = replace(found, tokens=aim.held(found))
    mine = {*tokens, *(subject_token(installation.keyring, *person) for person in persons)}
    because = "legal_hold" if found.legal & mine else "restriction"
    touched = _touched(installation, persons)
    reasons = {str(name): reason for name, reason in stopped.items() if name in touched}
    for table in read_person(installation, persons, aim.as_of, held=held, but=stopped):
        for item in aim.decided(table.bound, list(table.judged.values())):
            for name, transition, rows in _transitions(aim, table, item):
                items[name, transition, None if name == table.name else table.name] += rows
            for line in lines_of(aim, table, item, because):
                lines[line] += 1
    for name in sorted(reasons):
        if not installation.catalogue.owner_of(TableName(name)):
            lines[Line(name, "", Outcome.stopped, because="out_of_reach")] += 0
    archived = verdicts(installation, tokens, aim.as_of, opposed=aim.opposed)
    if aim.kind in (Kind.erasure, Kind.objection):
        goes = [v for v in archived if not v.untouched and v.subject_token not in held.tokens]
        if goes:
            items["archive", Transition.expire, None] = len(goes)
        lines.update(archived_lines(installation.catalogue, aim, archived, held.tokens, because))
    if aim.kind is not Kind.erasure:
        lines.update(sealed_lines(aim, archived, held.tokens))
    due = [item for item in aim.archived if item.subject_token not in held.tokens]
    if due:
        items["archive", Transition.rectify, None] = len(due)
    lines.update(rectified_lines(aim, held.tokens, because))
    return RequestPlan(
        _plan(installation, request, aim.as_of, items, reasons),
        tuple(
            OutcomeLine(line.table, line.purpose, line.outcome, rows, line.until, line.because)
            for line, rows in sorted(lines.items(), key=lambda pair: str(pair[0]))
        ),
    )


def _touched(installation: Installation, persons: Sequence[Person]) -> set[TableName]:
    """Tables that can hold rows of theirs: their owner trees, and what refers to these."""
    catalogue = installation.catalogue
    trees = {name for table, _ in persons for name in catalogue.tree_of(table)}
    referring = {
        name
        for name, table in catalogue.tables()
        for pointer in table.references
        if TableName(f"{name.partition('.')[0]}.{pointer.table}") in trees
    }
    return trees | referring


def _transitions(
    aim: PersonAim, table: PersonTable, item: Judged
) -> Iterator[tuple[str, Transition, int]]:
    action = item.decision.action
    tree = table.trees[item.key]
    if (transition := _TRANSITIONS.get(action)) is not None:
        yield table.name, transition, 1
        if action in (Action.archive, Action.dispose, Action.restrict):
            yield from ((row.name, transition, 1) for row in tree.dependants)
    if aim.writes and action in (Action.keep, Action.review, Action.hold):
        for (name, _), values in aim.written(item, tree).items():
            if values:
                yield name, aim.writes, 1


def _plan(
    installation: Installation,
    request: Request,
    as_of: date,
    items: Mapping[tuple[str, Transition, str | None], int],
    stopped: Mapping[str, str],
) -> Plan:
    text = f"{request.request_id}:{request.kind}"
    return Plan(
        as_of=as_of,
        request=request.request_id,
        policy=installation.policy.policy,
        policy_digest=installation.policy.digest(as_of),
        catalogue_digest=installation.catalogue_digest(),
        predicates={"request": hashlib.sha256(text.encode()).hexdigest()},
        tables=(),
        items=tuple(
            PlanItem(table=table, transition=transition, rows=rows, follows=follows)
            for (table, transition, follows), rows in sorted(items.items(), key=str)
        ),
        stopped=dict(stopped),
    )
