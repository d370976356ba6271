"""What is said of a person's rows: by table and purpose what becomes of them, and why. Pure.

A row with clocks of its own is told for each of its purposes. Its dependants have none: they go
where it goes, and are told once each, with its day and its reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from retention.catalogue.model import Catalogue, Role
from retention.execution.erasing import RecordVerdict, UnitVerdict
from retention.planning.judge import Judged
from retention.policy.decide import Action, Decision, Phase, PurposeDecision
from retention.requests.doing.aims import PersonAim
from retention.requests.doing.persons import PersonTable
from retention.requests.model import Kind, Outcome


@dataclass(frozen=True)
class Line:
    """An outcome line, still to be counted."""

    table: str
    purpose: str
    outcome: Outcome
    until: date | None = None
    because: str | None = None


def lines_of(aim: PersonAim, table: PersonTable, item: Judged, held_because: str) -> Iterator[Line]:
    """What is said of a row and of each of its dependants. ``item`` is decided on by ``aim``."""
    if aim.kind is Kind.objection and item.frozen:
        held_because = "restriction"  # which is why it cannot even be written down
    yield from _own(aim, table, item, held_because)
    along = _along(aim, item.decision, held_because)
    if along is not None:
        yield from (replace(along, table=row.name) for row in table.trees[item.key].dependants)


def _own(aim: PersonAim, table: PersonTable, item: Judged, held_because: str) -> Iterator[Line]:
    match item.decision.action:
        case Action.hold:
            if any(aim.written(item, table.trees[item.key]).values()):
                for name in sorted(aim.prospecting & set(item.purposes)):
                    yield Line(table.name, name, Outcome.corrected)
            yield Line(table.name, "", Outcome.held, because=held_because)
        case Action.restrict:
            yield Line(table.name, "", Outcome.restricted)
        case Action.review if aim.kind in (Kind.erasure, Kind.objection):
            for purpose in _undecided(aim, item.decision):
                yield Line(table.name, purpose.purpose, Outcome.review, because="undecidable")
        case _ if aim.kind is Kind.rectification:
            for (name, _), values in aim.written(item, table.trees[item.key]).items():
                if values:
                    yield Line(name, "", Outcome.corrected)
        case _:
            for purpose in item.decision.purposes:
                yield from _of_purpose(aim, table, item, purpose)


def _undecided(aim: PersonAim, decision: Decision) -> list[PurposeDecision]:
    """The purposes that the request is about and that nobody but a person can decide on."""
    return [
        item
        for item in decision.purposes
        if item.phase is Phase.review and (aim.kind is Kind.erasure or item.purpose in aim.ended)
    ]


def _along(aim: PersonAim, decision: Decision, held_because: str) -> Line | None:
    """What is said of the dependants of a row on which ``decision`` was made, if anything."""
    if decision.action is Action.hold:
        return Line("", "", Outcome.held, because=held_because)
    if decision.action is Action.restrict:
        return Line("", "", Outcome.restricted)
    if aim.kind not in (Kind.erasure, Kind.objection):
        return None
    match decision.action:
        case Action.dispose:
            return Line("", "", Outcome.deleted)
        case Action.archive:
            return Line("", "", Outcome.archived, *_in_archive(aim, decision))
        case Action.review if _undecided(aim, decision):
            return Line("", "", Outcome.review, because="undecidable")
    if aim.kind is Kind.objection or decision.action is Action.review:
        return None  # nothing that the request is about
    if decision.phase is Phase.active:
        return Line("", "", Outcome.kept, because="contract_in_force")
    return Line("", "", Outcome.kept, *_in_archive(aim, decision))


def _in_archive(aim: PersonAim, decision: Decision) -> tuple[date | None, str]:
    """The last day on which the archive keeps the row for a purpose, and why it does."""
    archived = [item for item in decision.purposes if item.phase is Phase.archive]
    last = max((item.archive_through for item in archived if item.archive_through), default=None)
    longest = {item.purpose for item in archived if item.archive_through == last}
    return last, _archived_because(aim, longest)


def _archived_because(aim: PersonAim, purposes: Collection[str]) -> str:
    """Erasure leaves to the archive what a statute keeps; an objection, what is for another purpose.

    Not every statute obliges to keep data: one that gives time to dispute a payment only makes
    them evidence meanwhile (GDPR art. 17(3)(e), where (b) is about obligations).
    """
    if aim.kind is not Kind.erasure:
        return "other_purpose"
    return "claims" if aim.obliging.isdisjoint(purposes) else "statute"


def _of_purpose(
    aim: PersonAim, table: PersonTable, item: Judged, purpose: PurposeDecision
) -> Iterator[Line]:
    name = purpose.purpose
    if aim.kind is Kind.objection and name not in aim.ended:
        if item.decision.action is Action.archive and purpose.phase is Phase.archive:
            because = _archived_because(aim, [name])
            yield Line(table.name, name, Outcome.archived, purpose.archive_through, because)
        return
    if not purpose.live:
        before = {p.purpose: p.live for p in table.judged[item.key].decision.purposes}
        if aim.kind is Kind.objection and item.decision.action is Action.keep:
            written = aim.written(item, table.trees[item.key])
            if name not in aim.prospecting and before.get(name):
                # Nothing in the row can say so, but it is there for another purpose.
                yield Line(table.name, name, Outcome.kept, because="other_purpose")
            elif name in aim.prospecting and any(written.values()):
                yield Line(table.name, name, Outcome.corrected, because="other_purpose")
            return
        # Of a row that stays only what was held for the purpose until now is worth a word.
        stays = item.decision.action is Action.keep or aim.kind is Kind.objection
        if item.decision.action is Action.dispose or (stays and before.get(name)):
            yield Line(table.name, name, Outcome.deleted)
    elif purpose.phase is Phase.archive:
        # A row that another purpose keeps in use goes to the archive only when that ends.
        stays = item.decision.phase is Phase.active
        outcome = Outcome.kept if stays else Outcome.archived
        because = _archived_because(aim, [name])
        yield Line(table.name, name, outcome, purpose.archive_through, because)
    else:
        yield Line(table.name, name, Outcome.kept, because="contract_in_force")


# --- the archive -----------------------------------------------------------------------

_Record = tuple[str, int]
"""A record's token and incarnation: one whose parts expire on several days is in many units."""


def archived_lines(
    catalogue: Catalogue,
    aim: PersonAim,
    archived: Sequence[UnitVerdict],
    held: Collection[str],
    because: str,
) -> Counter[Line]:
    """What erasure makes of the archive, record by record; or an objection, of what it is about."""
    said: set[tuple[Line, _Record]] = set()
    along: dict[tuple[str, _Record], set[Line]] = defaultdict(set)
    for verdict in archived:
        for record in verdict.records:
            if aim.opposed is not None and aim.opposed.isdisjoint(record.purposes):
                continue
            place = (record.record_token, record.incarnation)
            for line in _of_record(aim, record, verdict.subject_token in held, because):
                if _is_dependant(catalogue, record.table):
                    along[record.table, place].add(replace(line, purpose=""))
                else:
                    said.add((line, place))
    said |= {(_longest(lines), place) for (_, place), lines in along.items()}
    return Counter(line for line, _ in said)


def _longest(lines: Iterable[Line]) -> Line:
    """Of what becomes of a record's parts: that which stays, and of this the one that stays longest."""
    return max(
        lines, key=lambda line: (line.outcome is not Outcome.deleted, line.until or date.min)
    )


def _is_dependant(catalogue: Catalogue, name: str) -> bool:
    try:
        return catalogue.table(name).role is Role.dependant
    except KeyError:  # the catalogue has lost it
        return False


def _of_record(
    aim: PersonAim,
    record: RecordVerdict,
    held: bool,  # noqa: FBT001 - not an option
    because: str,
) -> Iterator[Line]:
    if held:
        yield Line(record.table, "", Outcome.held, because=because)
        return
    kept = set(record.kept_by)
    for purpose in record.purposes:
        if purpose in kept:
            until, why = record.until_for(purpose), _archived_because(aim, [purpose])
            yield Line(record.table, purpose, Outcome.archived, until, why)
        elif not kept:  # else the record stays, if for less
            yield Line(record.table, purpose, Outcome.deleted)


def sealed_lines(
    aim: PersonAim, archived: Sequence[UnitVerdict], held: Collection[str]
) -> Counter[Line]:
    """What is said of the archive where it stays as it is.

    A restriction freezes what lies there. What one has sealed before waits for its end.
    """
    sealed = aim.kind is not Kind.restriction
    records = {
        (record.table, record.record_token, record.incarnation)
        for verdict in archived
        for record in verdict.records
        if not sealed or (record.restricted and verdict.subject_token in held)
    }
    line = Line("", "", Outcome.restricted)
    if sealed:
        line = Line("", "", Outcome.held, because="restriction")
    return Counter(replace(line, table=table) for table, *_ in records)


def rectified_lines(aim: PersonAim, held: Collection[str], because: str) -> Counter[Line]:
    """What a rectification makes of the archive: a record under a hold waits for its end."""
    return Counter(
        Line(item.table, "", Outcome.held, because=because)
        if item.subject_token in held
        else Line(item.table, "", Outcome.corrected)
        for item in aim.archived
    )
