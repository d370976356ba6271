"""The planner of requests: the same plan as the daily one's, of one person's rows.

The plan names the request, never the person. Beside it stand the outcomes: by table and
purpose, what becomes of the data, until when, and because of what.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from retention.catalogue.model import TableName
from retention.execution.erasing import RecordVerdict, UnitVerdict, verdicts
from retention.holds import HeldRows, Person, held_rows, subject_token
from retention.installation import Installation
from retention.planning.judge import Judged
from retention.planning.plan import Plan, PlanItem, Transition
from retention.policy.decide import Action, Phase, PurposeDecision
from retention.requests.doing.aims import PersonAim
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
    lines: Counter[_Line] = Counter()
    found = held_rows(installation)
    held = HeldRows(found.keyring, aim.held(found), found.legal)
    mine = {*tokens, *(subject_token(installation.keyring, *person) for person in persons)}
    because = "legal_hold" if found.legal & mine else "restriction"
    touched = _touched(installation, persons)
    reasons = {str(name): reason for name, reason in stopped.items() if name in touched}
    for table in read_person(installation, persons, aim.as_of, held=held, but=stopped):
        for item in aim.decided(table.bound, list(table.judged.values())):
            for name, transition, rows in _transitions(aim, table, item):
                items[name, transition, None if name == table.name else table.name] += rows
            for line in _lines(aim, table, item, because):
                lines[line] += 1
    for name in sorted(reasons):
        if not installation.catalogue.owner_of(TableName(name)):
            lines[_Line(name, "", Outcome.stopped, because="out_of_reach")] += 0
    archived = verdicts(installation, tokens, aim.as_of)
    if aim.kind is Kind.erasure:
        goes = [v for v in archived if not v.untouched and v.subject_token not in held.tokens]
        if goes:
            items["archive", Transition.expire, None] = len(goes)
        lines.update(_archived(archived, held.tokens, because))
    else:
        lines.update(_sealed(installation, aim, archived, held.tokens))
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


@dataclass(frozen=True)
class _Line:
    table: str
    purpose: str
    outcome: Outcome
    until: date | None = None
    because: str | None = None


def _transitions(
    aim: PersonAim, table: PersonTable, item: Judged
) -> Iterator[tuple[str, Transition, int]]:
    action = item.decision.action
    tree = table.trees[item.key]
    if (transition := _TRANSITIONS.get(action)) is not None:
        yield table.name, transition, 1
        if action in (Action.archive, Action.dispose, Action.restrict):
            yield from ((row.name, transition, 1) for row in tree.dependants)
    if aim.writes and action in (Action.keep, Action.review):
        for (name, _), values in aim.written(item, tree).items():
            if values:
                yield name, aim.writes, 1


def _lines(aim: PersonAim, table: PersonTable, item: Judged, held_because: str) -> Iterator[_Line]:
    match item.decision.action:
        case Action.hold:
            yield _Line(table.name, "", Outcome.held, because=held_because)
        case Action.restrict:
            yield _Line(table.name, "", Outcome.restricted)
        case Action.review if aim.kind in (Kind.erasure, Kind.objection):
            for purpose in item.decision.purposes:
                if purpose.phase is Phase.review and _concerned(aim, purpose.purpose):
                    yield _Line(table.name, purpose.purpose, Outcome.review, because="undecidable")
        case _ if aim.kind is Kind.rectification:
            for (name, _), values in aim.written(item, table.trees[item.key]).items():
                if values:
                    yield _Line(name, "", Outcome.corrected)
        case _:
            for purpose in item.decision.purposes:
                yield from _of_purpose(aim, table, item, purpose)


def _concerned(aim: PersonAim, purpose: str) -> bool:
    return aim.kind is Kind.erasure or purpose in aim.prospecting


def _of_purpose(
    aim: PersonAim, table: PersonTable, item: Judged, purpose: PurposeDecision
) -> Iterator[_Line]:
    name = purpose.purpose
    if aim.kind is Kind.objection and name not in aim.prospecting:
        return
    if not purpose.live:
        if aim.kind is Kind.objection and item.decision.action is Action.keep:
            written = aim.written(item, table.trees[item.key])
            if any(written.values()):
                yield _Line(table.name, name, Outcome.corrected, because="other_purpose")
            return
        before = {p.purpose: p.live for p in table.judged[item.key].decision.purposes}
        # Of a row that stays only what was held for the purpose until now is worth a word.
        stays = item.decision.action is Action.keep or aim.kind is Kind.objection
        if item.decision.action is Action.dispose or (stays and before.get(name)):
            yield _Line(table.name, name, Outcome.deleted)
    elif purpose.phase is Phase.archive:
        # A row that another purpose keeps in use goes to the archive only when that ends.
        stays = item.decision.phase is Phase.active
        outcome = Outcome.kept if stays else Outcome.archived
        yield _Line(table.name, name, outcome, purpose.archive_through, because="statute")
    else:
        yield _Line(table.name, name, Outcome.kept, because="contract_in_force")


def _archived(
    archived: Sequence[UnitVerdict], held: Collection[str], because: str
) -> Counter[_Line]:
    """What erasure makes of the archive, record by record.

    A record of which parts expire on several days is in as many units.
    """
    said = {
        (line, record.record_token, record.incarnation)
        for verdict in archived
        for record in verdict.records
        for line in _of_record(record, verdict.subject_token in held, because)
    }
    return Counter(line for line, *_ in said)


def _of_record(record: RecordVerdict, held: bool, because: str) -> Iterator[_Line]:  # noqa: FBT001 - not an option
    if held:
        yield _Line(record.table, "", Outcome.held, because=because)
        return
    kept = set(record.kept_by)
    for purpose in record.purposes:
        if purpose in kept:
            yield _Line(record.table, purpose, Outcome.archived, record.until, "statute")
        elif not kept:  # else the record stays, if for less
            yield _Line(record.table, purpose, Outcome.deleted)


def _sealed(
    installation: Installation,
    aim: PersonAim,
    archived: Sequence[UnitVerdict],
    held: Collection[str],
) -> Counter[_Line]:
    """What is said of the archive where it stays as it is.

    A restriction freezes what lies there. What one has sealed before waits for its end.
    """
    clocked = installation.catalogue.clocked_tables()
    sealed = aim.kind is not Kind.restriction
    # A record of which parts expire on several days is in as many units.
    records = {
        (record.table, record.record_token, record.incarnation)
        for verdict in archived
        for record in verdict.records
        if not sealed or (record.restricted and verdict.subject_token in held)
    }
    line = _Line("", "", Outcome.restricted)
    if sealed:
        line = _Line("", "", Outcome.held, because="restriction")
    return Counter(replace(line, table=table) for table, *_ in records if table in clocked)


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
