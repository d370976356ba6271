"""Whose records a request is about: what identity resolution found, and what people chose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from retention.catalogue.model import TableName
from retention.encoding import decode, encode
from retention.holds import Person
from retention.installation import Installation
from retention.keys import Keyring
from retention.planning.facts import Key
from retention.requests.book import filing, recording
from retention.requests.finding.holders import Prints, Relation, relation
from retention.requests.model import RequestError, RequestId, State
from retention.stores import cases
from retention.stores.open import reading, writing

if TYPE_CHECKING:
    from retention.requests.finding.identity import Match

CHOOSING = frozenset({State.received, State.verified})
"""Later a plan has been made, for those who were chosen."""

_DIRECT = ("customer_ref", "email", "phone")

_PREFIX = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class KnownSubject:
    """A record that may be the person's. ``key`` is for restricted eyes.

    It is empty where only the archive knows the person, or once it is not needed any more.
    ``chosen`` is none until a person has said whether it is theirs.
    """

    table: TableName
    key: Key
    token: str
    found_by: str
    chosen: bool | None
    agrees: tuple[str, ...]
    contradicts: tuple[str, ...]
    seen: Prints = field(default=frozenset(), repr=False)
    """What the record said of whose it is when it was found, or chosen: fingerprints."""


def put_subjects(
    installation: Installation, request_id: str, matches: Sequence[Match], now: datetime
) -> None:
    """Keep what identity resolution found; exact matches are chosen, the others left open.

    Found again: a choice stands, unless a field contradicts that did not before, or the record
    says nothing any more of what it said. What is not found any more and was not chosen is
    dropped; what was chosen for a value that is not its own any more waits for a person.

    Raises:
        RequestError: there is no such request, or it is not open.
    """
    with writing(installation.stores.cases) as connection:
        request = filing.read_open(installation, connection, request_id)
        known = {(s.table, s.token): s for s in _read(installation, connection, request.request_id)}
        wanted = {(match.table, match.token): match for match in matches}
        changed = False
        for place, subject in known.items():
            if place not in wanted and subject.chosen is None:
                _drop(connection, request.request_id, subject)
                changed = True
            elif place not in wanted and _lost(request.state, subject):
                _store(
                    installation.keyring, connection, request.request_id,
                    replace(subject, chosen=None),
                )  # fmt: skip
                changed = True
        for place, match in wanted.items():
            found = _found(match, known.get(place))
            if found != known.get(place):
                _store(installation.keyring, connection, request.request_id, found)
                changed = True
        if changed:
            recording.record(
                connection, request.request_id, "searched", request.state,
                by="orchestrator", reason=None, now=now,
            )  # fmt: skip
    recording.enter(installation, request.request_id, now)


def add_rows(
    installation: Installation, request_id: str, matches: Sequence[Match], now: datetime
) -> None:
    """Records that were written since, beside what is known: the person's. Repeatable.

    Raises:
        RequestError: there is no such request, or it is not open.
    """
    with writing(installation.stores.cases) as connection:
        request = filing.read_open(installation, connection, request_id)
        known = {(s.table, s.token) for s in _read(installation, connection, request.request_id)}
        new = [match for match in matches if (match.table, match.token) not in known]
        for match in new:
            subject = _found(match, None)
            _store(installation.keyring, connection, request.request_id, subject)
        if new:
            recording.record(
                connection, request.request_id, "searched", request.state,
                by="orchestrator", reason=None, now=now,
            )  # fmt: skip
    recording.enter(installation, request.request_id, now)


def choose(
    installation: Installation,
    request_id: str,
    table: str,
    token_prefix: str,
    *,
    yes: bool,
    by: str,
    now: datetime,
) -> KnownSubject:
    """A person says whether a record is the asking person's.

    ``token_prefix``: the first six characters of the subject's token, or more.

    Raises:
        RequestError: there is no such request or record, several records begin so, or the
            request is beyond the state in which one chooses.
    """
    with writing(installation.stores.cases) as connection:
        request = filing.read_open(installation, connection, request_id)
        if request.state not in CHOOSING:
            raise RequestError(
                f"request '{request.request_id}' is {request.state}: whose records it is about "
                "is chosen before it is planned; 'retention request retry' takes it back"
            )
        subject = _named(_read(installation, connection, request.request_id), table, token_prefix)
        connection.execute(
            cases.request_subjects.update()
            .where(*_place(request.request_id, subject.table, subject.token))
            .values(chosen=yes)
        )
        recording.record(
            connection,
            request.request_id,
            "chosen" if yes else "not chosen",
            request.state,
            by=by,
            reason=f"{subject.table} {subject.token[:12]}",
            now=now,
        )
    recording.enter(installation, request.request_id, now)
    return next(
        item
        for item in subjects(installation, request.request_id)
        if (item.table, item.token) == (subject.table, subject.token)
    )


def put_seen(
    installation: Installation, request_id: str, subject: KnownSubject, seen: Prints
) -> None:
    """What a record says of whose it is now that a person has said that it is theirs.

    Raises:
        RequestError: there is no such request, or it is not open.
    """
    with writing(installation.stores.cases) as connection:
        request = filing.read_open(installation, connection, request_id)
        _store(installation.keyring, connection, request.request_id, replace(subject, seen=seen))


def subjects(installation: Installation, request_id: str) -> list[KnownSubject]:
    """The records that may be the person's, by table and token.

    Raises:
        RequestError: there is no such request.
    """
    with reading(installation.stores.cases) as connection:
        request = filing.read(installation, connection, request_id)
        return list(_read(installation, connection, request.request_id))


def persons(installation: Installation, request_id: str) -> list[Person]:
    """The chosen records that have a key: those in a source system, or known from one.

    Raises:
        RequestError: there is no such request.
    """
    found = subjects(installation, request_id)
    return [(item.table, item.key) for item in found if item.chosen and item.key]


def tokens(installation: Installation, request_id: str) -> list[str]:
    """The tokens of all chosen records, those that only the archive knows included.

    Raises:
        RequestError: there is no such request.
    """
    return sorted({item.token for item in subjects(installation, request_id) if item.chosen})


def open_choices(connection: Connection, request_id: RequestId) -> int:
    """How many records a person has yet to choose about."""
    at = cases.request_subjects.c
    statement = (
        sa.select(sa.func.count())
        .select_from(cases.request_subjects)
        .where(at.request_id == request_id, at.chosen.is_(None))
    )
    return int(connection.execute(statement).scalar_one())


def _found(match: Match, known: KnownSubject | None) -> KnownSubject:
    chosen: bool | None = True if match.exact else None
    if known is not None and known.chosen is not None:
        new = bool(set(match.contradicts) - set(known.contradicts))
        new |= relation(known.seen, match.seen) is not Relation.same
        chosen = None if known.chosen and new else known.chosen
    # A record that has left for the archive since is found there without its key.
    key = tuple(match.key) or (known.key if known else ())
    return KnownSubject(
        table=TableName(match.table),
        key=key,
        token=match.token,
        found_by=match.found_by,
        chosen=chosen,
        agrees=tuple(match.agrees),
        contradicts=tuple(match.contradicts),
        seen=match.seen or (known.seen if known else frozenset()),
    )


def _lost(state: State, subject: KnownSubject) -> bool:
    """Whether a record was chosen for a value that it has no more, before anything was done."""
    return bool(
        state is State.received and subject.chosen and subject.key and subject.found_by in _DIRECT
    )


def _named(found: Sequence[KnownSubject], table: str, token_prefix: str) -> KnownSubject:
    if not _PREFIX.fullmatch(token_prefix):
        raise RequestError("a record is named by the first six characters of its token, or more")
    fitting = [s for s in found if s.table == table and s.token.startswith(token_prefix)]
    if len(fitting) != 1:
        many = "several records" if fitting else "no record"
        raise RequestError(
            f"the request has {many} of that table whose token begins with '{token_prefix}'"
        )
    return fitting[0]


def _place(request_id: RequestId, table: str, token: str) -> tuple[sa.ColumnElement[bool], ...]:
    at = cases.request_subjects.c
    return (at.request_id == request_id, at.table_name == table, at.subject_token == token)


def _drop(connection: Connection, request_id: RequestId, subject: KnownSubject) -> None:
    where = _place(request_id, subject.table, subject.token)
    connection.execute(cases.request_subjects.delete().where(*where))


def _store(
    keyring: Keyring, connection: Connection, request_id: RequestId, subject: KnownSubject
) -> None:
    _drop(connection, request_id, subject)
    context = f"subject:{request_id}:{subject.token}"
    row = {
        "request_id": request_id,
        "table_name": str(subject.table),
        "subject_token": subject.token,
        "sealed_key": keyring.seal(context, encode(_sealed(subject))),
        "found_by": subject.found_by,
        "chosen": subject.chosen,
        "agrees": list(subject.agrees),
        "contradicts": list(subject.contradicts),
    }
    connection.execute(cases.request_subjects.insert(), row)


def _sealed(subject: KnownSubject) -> list[Any]:
    """The key; after it, in a list, what was seen: earlier entries have none."""
    return [list(subject.key), [list(item) for item in sorted(subject.seen)]]


def _unsealed(found: list[Any]) -> tuple[Key, Prints]:
    if len(found) == 2 and all(isinstance(part, list) for part in found):
        return tuple(found[0]), frozenset((name, item) for name, item in found[1])
    return tuple(found), frozenset()


def _read(
    installation: Installation, connection: Connection, request_id: RequestId
) -> Sequence[KnownSubject]:
    table = cases.request_subjects
    statement = (
        sa.select(table)
        .where(table.c.request_id == request_id)
        .order_by(table.c.table_name, table.c.subject_token)
    )
    return [_subject(installation.keyring, row) for row in connection.execute(statement)]


def _subject(keyring: Keyring, row: Row[Any]) -> KnownSubject:
    key: Key = ()
    seen: Prints = frozenset()
    if row.sealed_key:
        context = f"subject:{row.request_id}:{row.subject_token}"
        key, seen = _unsealed(decode(keyring.unseal(context, row.sealed_key)))
    return KnownSubject(
        table=TableName(row.table_name),
        key=key,
        token=row.subject_token,
        found_by=row.found_by,
        chosen=row.chosen,
        agrees=tuple(row.agrees),
        contradicts=tuple(row.contradicts),
        seen=seen,
    )
