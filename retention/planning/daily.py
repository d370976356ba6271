"""The daily planner: the policy applied to every table, counted, nothing touched."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql import ColumnElement

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.catalogue.sources import source_errors
from retention.errors import SourceError
from retention.holds import HeldRows, held_rows
from retention.installation import Installation
from retention.planning import clearing
from retention.planning.facts import Key, key_in
from retention.planning.judge import Candidates, candidates, judge
from retention.planning.memory import remembered
from retention.planning.orphans import count_orphans
from retention.planning.pages import pages, read_page
from retention.planning.plan import Plan, PlanItem, TableCounts, Transition
from retention.policy.decide import Action, Phase
from retention.policy.predicates import PHASE_NUMBER, PHASE_OF_NUMBER
from retention.stores import archive as archive_store
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches

Progress = Callable[[str], None]

_TRANSITION_OF_ACTION = {
    Action.archive: Transition.archive,
    Action.dispose: Transition.dispose,
    Action.pseudonymise: Transition.pseudonymise,
    Action.review: Transition.review,
}


def make_plan(
    installation: Installation,
    as_of: date,
    *,
    stopped: dict[TableName, str] | None = None,
    progress: Progress = lambda _: None,
) -> Plan:
    """The plan for ``as_of``. Reads the sources and the archive; touches nothing.

    ``stopped`` are tables that ``check`` found unfit, with the reason: they are left out.
    A table that cannot be read is stopped too, and named in the plan.
    """
    reasons: dict[str, str] = {str(name): reason for name, reason in (stopped or {}).items()}
    tables: list[TableCounts] = []
    items: list[PlanItem] = []
    predicates: dict[str, str] = {}
    binder = installation.binder(as_of)
    held = held_rows(installation)
    for name in installation.catalogue.clocked_tables():
        if name in reasons:
            continue
        progress(name)
        try:
            with source_errors(name.partition(".")[0]):
                bound = binder.bind(name)
                found = candidates(bound, as_of, installation.sources)
                counts, more = count_table(installation, found, held)
        except SourceError as error:
            reasons[name] = str(error)
            continue
        predicates[name] = predicate_digest(found)
        tables.append(counts)
        items += more
    items += expiring(installation.stores.archive, as_of, held)
    return Plan(
        as_of=as_of,
        policy=installation.policy.policy,
        policy_digest=installation.policy.digest(as_of),
        catalogue_digest=installation.catalogue_digest(),
        predicates=predicates,
        tables=tuple(tables),
        items=tuple(item for item in items if item.rows),
        stopped=reasons,
    )


def predicate_digest(found: Candidates) -> str:
    """A SHA-256 over the compiled condition and its constants, in hex."""
    compiled = found.condition.compile()
    constants = sorted((name, repr(value)) for name, value in compiled.params.items())
    text = f"{compiled}\n{constants}"
    return hashlib.sha256(text.encode()).hexdigest()


def count_table(
    installation: Installation, found: Candidates, held: HeldRows
) -> tuple[TableCounts, list[PlanItem]]:
    """How a table's rows stand, and what is to be done with them; nothing is touched."""
    bound = found.bound
    with installation.sources.engine(bound.system).connect() as connection:
        counts = count_in_source(connection, found)
        clear = clearing.count(connection, found)
        ownerless = list(count_orphans(connection, bound))
        if bound.partial or held:
            judged, actions = _count_by_judging(installation, connection, found, held)
            counts = _corrected(counts, judged) if bound.partial else counts
        else:
            actions = _actions_by_count(connection, found)
    items = [PlanItem(table=bound.name, transition=Transition.clear, rows=clear)]
    items += [
        PlanItem(table=follower.name, transition=Transition.review, rows=rows)
        for follower, rows in ownerless
    ]
    items += [
        PlanItem(table=table, transition=transition, rows=rows, follows=follows)
        for (table, transition, follows), rows in sorted(
            actions.items(), key=lambda item: (item[0][0] != bound.name, str(item[0]))
        )
    ]
    return counts, items


def count_in_source(connection: Connection, found: Candidates) -> TableCounts:
    """One scan: the joint phase, and each purpose's."""
    purpose_phases = [phase.label(f"p_{name}") for name, phase in found.phases.items()]
    # the evidence of an owned table can be all its owner's: no column would name the table
    inner = (
        sa.select(found.phase.label("joint"), *purpose_phases)
        .select_from(found.bound.sql)
        .subquery()
    )
    grouped = sa.select(*inner.c, sa.func.count().label("n")).group_by(*inner.c)
    phases: Counter[str] = Counter()
    purposes: dict[str, Counter[str]] = {name: Counter() for name in found.phases}
    for row in connection.execute(grouped).mappings():
        phases[PHASE_OF_NUMBER[row["joint"]]] += row["n"]
        for name in found.phases:
            purposes[name][PHASE_OF_NUMBER[row[f"p_{name}"]]] += row["n"]
    return TableCounts(
        table=found.bound.name,
        rows=phases.total(),
        phases={phase: phases[phase] for phase in Phase},
        purposes={
            name: {phase: counted[phase] for phase in Phase} for name, counted in purposes.items()
        },
    )


_ActionKey = tuple[str, Transition, str | None]


def _actions_by_count(connection: Connection, found: Candidates) -> Counter[_ActionKey]:
    """Exact where all evidence is local: what SQL says of each row is what ``decide`` says."""
    bound = found.bound
    actions: Counter[_ActionKey] = Counter()
    number = {phase: found.phase == PHASE_NUMBER[phase] for phase in Phase}
    in_place = found.stays_in_place
    tests = {
        Transition.archive: sa.and_(number[Phase.archive], sa.not_(in_place)),
        Transition.pseudonymise: sa.and_(in_place, sa.not_(found.done)),
        Transition.dispose: number[Phase.expired],
        Transition.review: number[Phase.review],
    }
    for transition, test in tests.items():
        actions[bound.name, transition, None] = _scalar(
            connection, sa.select(sa.func.count()).select_from(bound.sql).where(test)
        )
        if transition in (Transition.archive, Transition.dispose):
            for table, rows in _followers_by_count(connection, bound, test):
                actions[table, transition, bound.name] = rows
    return actions


def _followers_by_count(
    connection: Connection, bound: BoundTable, test: ColumnElement[bool]
) -> Iterator[tuple[str, int]]:
    chains: dict[TableName, sa.Select[Any]] = {bound.name: sa.select(*bound.key).where(test)}
    for follower in bound.followers:
        parents = chains[follower.parent].subquery()
        on = sa.and_(*(one == other for one, other in zip(follower.via, parents.c, strict=True)))
        chains[follower.name] = sa.select(*follower.key).select_from(follower.sql.join(parents, on))
        counted = sa.select(sa.func.count()).select_from(chains[follower.name].subquery())
        yield follower.name, _scalar(connection, counted)


def _scalar(connection: Connection, statement: sa.Select[Any]) -> int:
    return int(connection.execute(statement).scalar_one())


def _count_by_judging(
    installation: Installation, connection: Connection, found: Candidates, held: HeldRows
) -> tuple[dict[Phase, int], Counter[_ActionKey]]:
    """Page through the candidates and decide on each with its remote evidence."""
    bound = found.bound
    actions: Counter[_ActionKey] = Counter()
    phases: Counter[Phase] = Counter()
    condition = sa.or_(found.condition, found.to_pseudonymise)
    for bounds in pages(connection, bound, condition, installation.settings.chunk_rows):
        rows = read_page(connection, bound, condition, bounds)
        under_hold = held.keys(connection, bound, rows)
        leaving: dict[Transition, list[Key]] = defaultdict(list)
        memory = remembered(installation, connection, bound, rows)
        for item in judge(
            connection, bound, rows, found.as_of, installation.sources, under_hold, memory
        ):
            phases[item.decision.phase] += 1
            transition = _TRANSITION_OF_ACTION.get(item.decision.action)
            if item.decision.action is Action.hold and item.decision.phase is not Phase.active:
                transition = Transition.hold
            if transition:
                actions[bound.name, transition, None] += 1
                leaving[transition].append(item.key)
        for transition in (Transition.archive, Transition.dispose):
            for table, number in count_followers(connection, bound, leaving[transition]):
                actions[table, transition, bound.name] += number
    return dict(phases), actions


def count_followers(
    connection: Connection, bound: BoundTable, keys: Sequence[Key]
) -> Iterator[tuple[str, int]]:
    """How many rows of each dependant go with the rows ``keys`` of ``bound``."""
    parents: dict[TableName, list[Key]] = {bound.name: list(keys)}
    for follower in bound.followers:
        own: list[Key] = []
        for batch in batches(parents[follower.parent], BATCH):
            statement = sa.select(*follower.key).where(key_in(follower.via, batch))
            own += [tuple(row) for row in connection.execute(statement)]
        parents[follower.name] = own
        yield follower.name, len(own)


def _corrected(counts: TableCounts, judged: dict[Phase, int]) -> TableCounts:
    """Joint phases with remote evidence: candidates as judged, all other rows active."""
    phases = {str(phase): judged.get(phase, 0) for phase in Phase}
    phases[Phase.active] += counts.rows - sum(judged.values())
    return counts.model_copy(update={"phases": phases})


def expiring(archive: Engine, as_of: date, held: HeldRows) -> list[PlanItem]:
    """Archived units whose last day is past; those under a hold stay."""
    units = archive_store.units
    due = sa.select(units.c.subject_token).where(
        units.c.expires_on <= as_of, units.c.destroyed_on.is_(None)
    )
    with reading(archive) as connection:
        tokens = [row[0] for row in connection.execute(due)]
    stay = sum(token in held.tokens for token in tokens)
    return [
        PlanItem(table="archive", transition=Transition.expire, rows=len(tokens) - stay),
        PlanItem(table="archive", transition=Transition.hold, rows=stay),
    ]
