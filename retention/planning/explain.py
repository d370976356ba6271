"""Why is this person still here? Everything the decision on one record rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from retention.catalogue.model import Role, TableName
from retention.catalogue.sources import given_key, source_errors
from retention.errors import ConfigurationError
from retention.holds import held_rows
from retention.installation import Installation
from retention.planning import clearing
from retention.planning.facts import key_is
from retention.planning.judge import Judged, judge
from retention.planning.memory import remembered
from retention.planning.pages import read_rows
from retention.policy.decide import Action, Contract
from retention.policy.table import Rule


@dataclass(frozen=True)
class EventDays:
    """The days known of one kind of event; contracts as ``start → end``."""

    kind: str
    label: str
    days: tuple[str, ...]
    unreadable: bool


@dataclass(frozen=True)
class PurposeLine:
    """What one line of the policy says of the record."""

    purpose: str
    label: str
    phase: str
    active_through: str
    archive_through: str
    reason: str
    active_rule: str
    archive_rule: str


@dataclass(frozen=True)
class Explanation:
    """The answer on one screen. It holds dates, not the record's values."""

    table: TableName
    decided_by: TableName
    as_of: date
    phase: str
    action: str
    changes_on: date | None
    then: str
    held: bool
    events: tuple[EventDays, ...]
    purposes: tuple[PurposeLine, ...]
    live_purposes: tuple[str, ...]
    columns_due: tuple[str, ...]


def explain(
    installation: Installation, table: TableName, key: Sequence[str], as_of: date
) -> Explanation:
    """Explain the decision on the record of ``table`` with ``key`` (text will do).

    A dependant is explained by the owner it follows.

    Raises:
        ConfigurationError: no such table or no such record. SourceError: out of reach.
    """
    if table not in dict(installation.catalogue.tables()):
        raise ConfigurationError(f"there is no governed table '{table}'")
    judged, clock, held = _judge_one(installation, table, key, as_of)
    bound = installation.binder(as_of).bind(clock)
    purposes = bound.all_purposes
    lines = tuple(
        PurposeLine(
            purpose=item.purpose,
            label=purposes[item.purpose].label,
            phase=item.phase,
            active_through=_end(item.active_through, open_ended=item.open_ended),
            archive_through=_end(item.archive_through, open_ended=False),
            reason=str(item.reason or ""),
            active_rule=_rule(purposes[item.purpose].active),
            archive_rule=_rule(purposes[item.purpose].archive),
        )
        for item in judged.decision.purposes
    )
    return Explanation(
        table=table,
        decided_by=clock,
        as_of=as_of,
        phase=judged.decision.phase,
        action=judged.decision.action,
        changes_on=judged.decision.changes_on,
        then=_then(judged),
        held=held,
        events=tuple(_events(installation, judged)),
        purposes=lines,
        live_purposes=judged.decision.live_purposes,
        columns_due=tuple(sorted(clearing.due(judged, bound))),
    )


def _judge_one(
    installation: Installation, table: TableName, key: Sequence[str], as_of: date
) -> tuple[Judged, TableName, bool]:
    catalogue = installation.catalogue
    system = table.partition(".")[0]
    values: Sequence[object] = key
    with source_errors(system), installation.sources.engine(system).connect() as connection:
        while True:
            declared = catalogue.table(table)
            sql = installation.sources.table(table)
            if len(values) != len(declared.key):
                raise ConfigurationError(
                    f"{table} has a key of {len(declared.key)} column(s); {len(values)} given"
                )
            columns = [sql.c[name] for name in declared.key]
            match = key_is(columns, values)
            if declared.role is not Role.dependant:
                break
            with given_key(table):
                statement = sa.select(*sql.columns).where(match)
                found = connection.execute(statement).mappings().first()
            owner = catalogue.owner_of(table)
            if found is None or declared.owner is None or owner is None:
                raise ConfigurationError(f"{table}: there is no record with that key")
            values = [found[name] for name in declared.owner.via]
            table = owner
        bound = installation.binder(as_of).bind(table)
        with given_key(table):
            rows = read_rows(connection, bound, match)
        if not rows:
            raise ConfigurationError(f"{table}: there is no record with that key")
        held = held_rows(installation).keys(connection, bound, rows)
        memory = remembered(installation, connection, bound, rows)
        judged = judge(connection, bound, rows, as_of, installation.sources, held, memory)
    return judged[0], table, bool(held)


def _end(day: date | None, *, open_ended: bool) -> str:
    if open_ended:
        return "in force"
    if day == date.max:
        return "not counted yet"
    return day.isoformat() if day else "–"


def _rule(rule: Rule | None) -> str:
    if rule is None:
        return "–"
    events = ", ".join(rule.from_latest) or f"first {rule.from_first} since {rule.since_latest}"
    return f"{rule.lasts} from {events} [{rule.basis}] {rule.citation}"


def _events(installation: Installation, judged: Judged) -> list[EventDays]:
    facts = judged.facts
    kinds = sorted({*facts.days, *facts.contracts, *facts.unreadable})
    return [
        EventDays(
            kind=kind,
            label=installation.policy.events[kind].label,
            days=tuple(
                [day.isoformat() for day in sorted(facts.days.get(kind, ()))]
                + [_contract(item) for item in facts.contracts.get(kind, ())]
            ),
            unreadable=kind in facts.unreadable,
        )
        for kind in kinds
    ]


def _contract(contract: Contract) -> str:
    return f"{contract.start or '?'} → {contract.end or 'in force'}"


def _then(judged: Judged) -> str:
    """What will happen, in words."""
    decision = judged.decision
    match decision.action:
        case Action.hold:
            return "nothing: it is held, and stays until the hold or restriction is lifted"
        case Action.review:
            return "nothing until a person has decided: see the review queue"
        case Action.archive:
            return "the next run moves it to the archive"
        case Action.pseudonymise:
            return "the next run pseudonymises it where it lies"
        case Action.dispose:
            return "the next run deletes it"
    if decision.changes_on is None:
        return "it stays: no change is foreseen"
    return f"it stays until {decision.changes_on}, when its phase changes"
