"""Whether the catalogue fits the policy: what one names, the other must know.

Nothing here asks a database; that is ``drift``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from retention.catalogue.coherence_columns import column_problems, column_warnings
from retention.catalogue.declarations import EventSource
from retention.catalogue.findings import Finding
from retention.catalogue.model import Catalogue, Role, Table, TableName
from retention.catalogue.taxonomy import is_rooted
from retention.errors import ConfigurationError
from retention.policy.calendar import Period
from retention.policy.rights import is_prospecting
from retention.policy.table import Policy, Purpose


def coherent(catalogue: Catalogue, policy: Policy, path: Path) -> list[Finding]:
    """Check the catalogue read from ``path`` against every version of the policy.

    Returns what is allowed yet worth knowing, such as data for which the policy names no
    duration, so that the rows that hold them go to review.

    Raises:
        ConfigurationError: with every fault, as ``path: place: problem``.
    """
    problems = list(dict.fromkeys(_problems(catalogue, policy)))
    if problems:
        raise ConfigurationError([f"{path}: {place}: {problem}" for place, problem in problems])
    return [
        *_event_warnings(catalogue, policy),
        *_objection_warnings(catalogue, policy),
        *column_warnings(catalogue, policy),
    ]


Problem = tuple[str, str]


@dataclass(frozen=True)
class _Sourced:
    """An event source, and the table that declares it: the reader's own or an owner's."""

    table: TableName
    source: EventSource


def _problems(catalogue: Catalogue, policy: Policy) -> Iterator[Problem]:
    for custom in policy.custom_categories:
        if not is_rooted(custom):
            yield f"policy '{policy.policy}'", f"category '{custom}' lies below no known category"
    for name, table in catalogue.tables():
        yield from _event_problems(name, table, policy)
        if table.role is not Role.dependant:
            yield from _purpose_problems(catalogue, policy, name, table)
        yield from column_problems(catalogue, policy, name, table)


def place_of(name: TableName, *parts: str) -> str:
    """The dotted place of a table, or of a part of it, in the catalogue's document."""
    system, _, table = name.partition(".")
    return ".".join(("systems", system, "tables", table, *parts))


def _event_problems(name: TableName, table: Table, policy: Policy) -> Iterator[Problem]:
    for kind, sources in table.events.items():
        place = place_of(name, "events", kind)
        event = policy.events.get(kind)
        if event is None:
            yield place, f"no such event in policy '{policy.policy}'"
            continue
        for source in sources:
            if event.interval and source.column is not None:
                yield place, "the event is an interval; give 'start' and 'end'"
            if not event.interval and source.column is None:
                yield place, "the event is a single day; give 'column'"


def _purpose_problems(
    catalogue: Catalogue, policy: Policy, name: TableName, table: Table
) -> Iterator[Problem]:
    for version in policy.versions:
        for purpose_name in table.purposes:
            place = place_of(name, "purposes", purpose_name)
            purpose = version.purposes.get(purpose_name)
            if purpose is None:
                since = f" as of {version.effective_from}" if len(policy.versions) > 1 else ""
                yield place, f"no such purpose in policy '{policy.policy}'{since}"
            elif purpose.anonymous_only:
                yield place, "the purpose may hold anonymous output only"
            else:
                yield from _clock_problems(catalogue, name, purpose)
        if table.role is Role.evidence:
            yield from _outliving_problems(catalogue, version.purposes, name, table)


def _clock_problems(catalogue: Catalogue, name: TableName, purpose: Purpose) -> Iterator[Problem]:
    """A clock needs a source, and remote evidence may only prolong."""
    place = place_of(name, "purposes", purpose.id)
    sourced = {kind: list(sources_of(catalogue, name, kind)) for kind in sorted(purpose.kinds)}
    if not any(sourced[kind] for kind in purpose.starting_kinds):
        kinds = ", ".join(sorted(purpose.starting_kinds))
        yield (
            place,
            f"none of the events that start it has a source ({kinds}): all rows would go to review",
        )
    ending = purpose.active.ended_by if purpose.active else ()
    for kind, found in sourced.items():
        for item in found:
            how = _partial(catalogue, item)
            if how is None:
                continue
            where = place_of(item.table, "events", kind)
            if kind in ending:
                yield (
                    where,
                    f"it ends purpose '{purpose.id}' and cannot come {how}, which may only prolong",
                )
            elif not purpose.only_prolonged_by_evidence:
                yield (
                    where,
                    f"purpose '{purpose.id}' counts from a first event, and evidence {how} could shorten it",
                )


def _partial(catalogue: Catalogue, item: _Sourced) -> str | None:
    """How it comes that not all of an event's days are at hand: then they may only prolong."""
    if item.source.link is not None:
        return "through a link"
    if item.source.table is not None:
        system = item.table.partition(".")[0]
        if catalogue.table(f"{system}.{item.source.table}").role is Role.evidence:
            return "from rows that can leave before their owner"
    return None


def sources_of(catalogue: Catalogue, name: TableName, kind: str) -> Iterator[_Sourced]:
    """Where ``name``'s rows find an event: their own declarations, else their owner's."""
    at: TableName | None = name
    while at is not None:
        declared = catalogue.table(at).events.get(kind)
        if declared is not None:
            yield from (_Sourced(at, source) for source in declared)
            return
        at = catalogue.owner_of(at)


def _outliving_problems(
    catalogue: Catalogue, purposes: Mapping[str, Purpose], name: TableName, table: Table
) -> Iterator[Problem]:
    """Evidence must not stay active when its owner's row has to go."""
    owner = catalogue.owner_of(name)
    assert owner is not None
    clock = catalogue.clock_of(owner)
    owners = [purposes[item] for item in catalogue.table(clock).purposes if item in purposes]
    for purpose_name in table.purposes:
        purpose = purposes.get(purpose_name)
        if purpose is None or purpose.active is None:
            continue
        if purpose.id not in {item.id for item in owners} and not any(
            _stays_at_least(item, purpose) for item in owners
        ):
            problem = (
                f"keeps rows active although {clock}, which owns them, may have to leave; "
                f"give {clock} this purpose, or one at least as long from the same events"
            )
            yield place_of(name, "purposes", purpose_name), problem


def _stays_at_least(owner: Purpose, evidence: Purpose) -> bool:
    """Whether the owner's active phase lasts whenever the evidence's does."""
    theirs, ours = owner.active, evidence.active
    if theirs is None or ours is None or theirs.from_first or theirs.ended_by:
        return False
    return ours.kinds <= theirs.kinds and _not_longer(ours.lasts, theirs.lasts)


def _not_longer(one: Period, other: Period) -> bool:
    if one.months <= other.months and one.days <= other.days:
        return True
    return one.months * 31 + one.days <= other.months * 28 + other.days


def _event_warnings(catalogue: Catalogue, policy: Policy) -> Iterator[Finding]:
    """An active phase that nothing can start ends at once: perhaps meant, perhaps forgotten."""
    for name, table in catalogue.tables():
        for purpose_name in table.purposes:
            rules = [version.purposes[purpose_name].active for version in policy.versions]
            for active in filter(None, rules):
                if not any(list(sources_of(catalogue, name, kind)) for kind in active.kinds):
                    problem = f"purpose '{purpose_name}': no event that starts its active phase has a source"
                    yield Finding(name, problem, "warning", name)
                    break


def _objection_warnings(catalogue: Catalogue, policy: Policy) -> Iterator[Finding]:
    """Where other purposes keep the row, something in it has to say that its owner objected."""
    for name, table in catalogue.tables():
        if table.role is not Role.subject or table.on_objection:
            continue
        ended = sorted(
            {
                purpose
                for version in policy.versions
                for purpose in table.purposes
                if is_prospecting(version.purposes[purpose])
            }
        )
        if ended and set(ended) < set(table.purposes):
            problem = (
                f"held for purpose '{ended[0]}' beside others, and 'on_objection' does not say what"
                " an objection writes: one of its persons could not be carried out"
            )
            yield Finding(name, problem, "warning", name)
