"""The outbox: what recipients of a person's data have to be told (GDPR art. 19).

One notice for each recipient that the catalogue names for a table of which a request changed
rows. Somebody sends it and says so; delivery by the program comes later. A notice holds names
of tables and the request's opaque id, nothing of the person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention.catalogue.model import TableName
from retention.holds import Person
from retention.installation import Installation
from retention.requests.answering import purposes
from retention.requests.book import objected, recording
from retention.requests.model import Kind, Request, RequestError, RequestId, State
from retention.stores.cases import outbox, requests
from retention.stores.open import reading, writing

Language = Literal["en", "fr"]

TOLD_OF = frozenset({Kind.rectification, Kind.erasure, Kind.restriction, Kind.objection})
"""The kinds that change data. What goes because of an objection is erased too (art. 17(1)(c))."""

_LIFTED = "lifting"
"""What is stored for the kind of a notice that a restriction has ended."""

_ID_LENGTH = 32
_BEGINNING = re.compile(r"[0-9a-f]{6,32}")


@dataclass(frozen=True)
class Notice:
    """What one recipient has to be told because of one request."""

    notice_id: str
    request_id: RequestId
    recipient: str
    """The recipient's name in the catalogue."""
    kind: Kind
    tables: tuple[TableName, ...]
    created_at: datetime
    sent_at: datetime | None = None
    sent_by: str | None = None
    lifted: bool = False
    """Of a restriction: it has ended."""


def notify(
    installation: Installation,
    request: Request,
    tables: Iterable[TableName],
    now: datetime,
    *,
    lifted: bool = False,
) -> list[str]:
    """Put a notice for each recipient of ``tables`` into the outbox; returns the notices' ids.

    ``tables`` are those of which this attempt changed rows. To be repeated at will: the same
    attempt and tables make no second notice, and do not call back one that was sent. A later
    attempt (a hold was released), or further tables, have to be told anew: the notice is then
    unsent again. ``lifted``: what there is to tell is that a restriction has ended, which
    takes the place of the notice of the restriction itself.
    """
    if request.kind not in TOLD_OF:
        return []
    touched = frozenset(tables)
    made = []
    for recipient, declared in installation.catalogue.recipients.items():
        concerned = {name for name in map(TableName, declared.tables) if name in touched}
        if concerned:
            with writing(installation.stores.cases) as connection:
                what = _LIFTED if lifted else request.kind.value
                made.append(
                    _put(installation, connection, request, recipient, concerned, now, what)
                )
    return made


def _put(
    installation: Installation,
    connection: Connection,
    request: Request,
    recipient: str,
    concerned: set[TableName],
    now: datetime,
    what: str,
) -> str:
    parts: tuple[object, ...] = (request.request_id, recipient, request.attempt)
    parts += (what,) if what == _LIFTED else ()
    notice_id = installation.keyring.token("notice", *parts)[:_ID_LENGTH]
    fresh = {
        "notice_id": notice_id,
        "request_id": request.request_id,
        "recipient": recipient,
        "kind": what,
        "tables": sorted(concerned),
        "created_at": now,
        "sent_at": None,
        "sent_by": None,
    }
    here = (outbox.c.request_id == request.request_id) & (outbox.c.recipient == recipient)
    known = connection.execute(sa.select(outbox).where(here).with_for_update()).first()
    if known is None:
        connection.execute(outbox.insert(), fresh)
        return notice_id
    same_attempt = known.notice_id == notice_id
    if same_attempt and concerned <= set(known.tables):
        return notice_id
    # What was not sent yet is told with the rest; what an earlier attempt sent is told already.
    untold = set(known.tables) if same_attempt or known.sent_at is None else set()
    change = {**fresh, "tables": sorted(untold | concerned)}
    connection.execute(outbox.update().where(here).values(change))
    return notice_id


def listed(
    installation: Installation,
    *,
    unsent_only: bool = False,
    request_id: RequestId | None = None,
) -> list[Notice]:
    """The notices, oldest first."""
    statement = sa.select(outbox).order_by(outbox.c.created_at, outbox.c.notice_id)
    if unsent_only:
        statement = statement.where(outbox.c.sent_at.is_(None))
    if request_id is not None:
        statement = statement.where(outbox.c.request_id == request_id)
    with reading(installation.stores.cases) as connection:
        return [_notice(row) for row in connection.execute(statement)]


def get(installation: Installation, notice_id: str) -> Notice:
    """A notice, by its id or a beginning of it that no other has.

    Raises:
        RequestError: there is none, or there are several.
    """
    if not _BEGINNING.fullmatch(notice_id):
        # Not repeated: whoever mistakes the argument may have written a name here.
        raise RequestError("a notice is named by its id, as 'retention outbox list' shows it")
    here = outbox.c.notice_id.startswith(notice_id)
    with reading(installation.stores.cases) as connection:
        rows = connection.execute(sa.select(outbox).where(here).limit(2)).all()
    if not rows:
        raise RequestError(f"there is no notice '{notice_id}'; see 'retention outbox list'")
    if len(rows) > 1:
        raise RequestError(f"there are several notices '{notice_id}…'; write more of its id")
    return _notice(rows[0])


def mark_sent(installation: Installation, notice_id: str, *, by: str, now: datetime) -> Notice:
    """Say that a notice was sent: a change of its request, in the ledger like every other.

    Raises:
        RequestError: there is no such notice, or it was sent already.
    """
    here = outbox.c.notice_id == notice_id
    change = outbox.update().where(here, outbox.c.sent_at.is_(None))
    with writing(installation.stores.cases) as connection:
        done = connection.execute(change.values(sent_at=now, sent_by=by)).rowcount
        row = connection.execute(sa.select(outbox).where(here)).first()
        if row is None:
            raise RequestError(f"there is no notice '{notice_id}'; see 'retention outbox list'")
        if not done:
            raise RequestError(f"notice '{notice_id}' was marked as sent already")
        notice = _notice(row)
        _record(connection, notice.request_id, [notice.recipient], by, now)
    recording.enter(installation, notice.request_id, now)
    return notice


def mark_all_sent(
    installation: Installation, request_id: RequestId, *, by: str, now: datetime
) -> int:
    """Say that every notice of a request was sent; returns how many were not yet."""
    at = outbox.c
    waiting = (at.request_id == request_id) & at.sent_at.is_(None)
    with writing(installation.stores.cases) as connection:
        unsent_yet = sa.select(at.notice_id, at.recipient).where(waiting).with_for_update()
        rows = connection.execute(unsent_yet.order_by(at.recipient)).all()
        named = at.notice_id.in_([row.notice_id for row in rows])
        connection.execute(outbox.update().where(named).values(sent_at=now, sent_by=by))
        if rows:
            _record(connection, request_id, [row.recipient for row in rows], by, now)
    recording.enter(installation, request_id, now)
    return len(rows)


def _record(
    connection: Connection, request_id: RequestId, told: Sequence[str], by: str, now: datetime
) -> None:
    """Write down, in the same transaction, which recipients were told."""
    at = requests.c
    state = sa.select(at.state).where(at.request_id == request_id).with_for_update()
    found = connection.execute(state).scalar()
    if found is not None:
        recording.record(
            connection, request_id, "recipients told", State(found), by=by,
            reason=", ".join(told), now=now,
        )  # fmt: skip


def unsent(installation: Installation, request_id: RequestId) -> int:
    """How many recipients have still to be told: the request is not closed before that is 0."""
    waiting = (outbox.c.request_id == request_id) & outbox.c.sent_at.is_(None)
    with reading(installation.stores.cases) as connection:
        count = sa.select(sa.func.count()).select_from(outbox).where(waiting)
        return int(connection.execute(count).scalar_one())


def _notice(row: Any) -> Notice:
    return Notice(
        row.notice_id,
        RequestId(row.request_id),
        row.recipient,
        Kind.restriction if row.kind == _LIFTED else Kind(row.kind),
        tuple(TableName(name) for name in row.tables),
        row.created_at,
        row.sent_at,
        row.sent_by,
        row.kind == _LIFTED,
    )


_WHAT: dict[Language, dict[Kind, str]] = {
    "en": {
        Kind.erasure: "A person has had data about them erased (GDPR, article 17). Please erase"
        " what you received of these records, and any copy of or link to it.",
        Kind.objection: "A person objects to prospecting (GDPR, article 21). Please stop"
        " contacting them for that purpose, and erase what you hold for it alone.",
        Kind.rectification: "A person has had data about them corrected (GDPR, article 16)."
        " Please correct what you received of these records; ask us for the right values.",
        Kind.restriction: "A person has had the use of data about them restricted (GDPR,"
        " article 18). Please do not use, change or delete what you received of these records"
        " until we tell you that the restriction is lifted.",
    },
    "fr": {
        Kind.erasure: "Une personne a obtenu l’effacement de données la concernant (RGPD,"
        " article 17). Veuillez effacer ce que vous avez reçu de ces enregistrements, ainsi que"
        " toute copie ou tout lien vers ces données.",
        Kind.objection: "Une personne s’oppose à la prospection (RGPD, article 21). Veuillez"
        " cesser de la contacter à cette fin et effacer ce que vous ne conservez que dans ce but.",
        Kind.rectification: "Une personne a obtenu la rectification de données la concernant"
        " (RGPD, article 16). Veuillez corriger ce que vous avez reçu de ces enregistrements ;"
        " demandez-nous les valeurs exactes.",
        Kind.restriction: "Une personne a obtenu la limitation du traitement de données la"
        " concernant (RGPD, article 18). Veuillez ne pas utiliser, modifier ni supprimer ce que"
        " vous avez reçu de ces enregistrements jusqu’à ce que nous vous informions de la levée"
        " de la limitation.",
    },
}
_WHAT_NAMED: dict[Language, str] = {
    "en": "A person objects to the use of data about them for {purposes} (GDPR, article 21), or"
    " withdraws their consent to it (article 7). Please stop using them for that, and erase what"
    " you hold for it alone.",
    "fr": "Une personne s’oppose à l’utilisation de données la concernant pour {purposes} (RGPD,"
    " article 21), ou retire son consentement (article 7). Veuillez cesser de les utiliser à cette"
    " fin et effacer ce que vous ne conservez que dans ce but.",
}
_WHAT_LIFTED: dict[Language, str] = {
    "en": "The restriction of the use of data about a person (GDPR, article 18) has been lifted."
    " You may use again what you received of these records, for what you received it.",
    "fr": "La limitation du traitement de données concernant une personne (RGPD, article 18) a"
    " été levée. Vous pouvez de nouveau utiliser ce que vous avez reçu de ces enregistrements,"
    " aux fins pour lesquelles vous l’avez reçu.",
}
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "to": "To",
        "reference": "Our reference",
        "tables": "Records concerned",
        "key": "number",
        "none": "Which records they are, we tell you by the way agreed for confidential data.",
        "end": "Please confirm in writing once this is done (GDPR, article 19).",
        "from": "From",
    },
    "fr": {
        "to": "À",
        "reference": "Notre référence",
        "tables": "Enregistrements concernés",
        "key": "numéro",
        "none": "Nous vous indiquons de quels enregistrements il s’agit par la voie convenue pour"
        " les données confidentielles.",
        "end": "Merci de nous confirmer par écrit que cela est fait (RGPD, article 19).",
        "from": "De la part de",
    },
}


def text(
    installation: Installation,
    notice: Notice,
    *,
    lang: Language,
    persons: Sequence[Person] = (),
) -> str:
    """What to write to the recipient.

    Without ``persons`` nothing in it is about anybody. With them the keys of their records
    stand in it: for restricted output only.

    Raises:
        RequestError: the catalogue names that recipient no more.
    """
    recipient = installation.catalogue.recipients.get(notice.recipient)
    if recipient is None:
        raise RequestError(
            f"notice '{notice.notice_id}': the catalogue names no recipient"
            f" '{notice.recipient}' any more; put it back, or mark the notice as sent"
        )
    words = _WORDS[lang]
    label = (recipient.label_fr or recipient.label) if lang == "fr" else recipient.label
    colon = " :" if lang == "fr" else ":"
    lines = [
        f"{words['to']}{colon} {label} ({recipient.contact})",
        f"{words['from']}{colon} {installation.policy.controller}",
        f"{words['reference']}{colon} {notice.notice_id}",
        "",
        _what(installation, notice, lang),
        "",
        f"{words['tables']}{colon}",
        *(f"- {item}" for item in _records(installation, notice, lang, persons)),
        "",
        *(() if persons else (words["none"], "")),
        words["end"],
    ]
    return "\n".join(lines) + "\n"


def _what(installation: Installation, notice: Notice, lang: Language) -> str:
    if notice.lifted:
        return _WHAT_LIFTED[lang]
    if notice.kind is Kind.objection:
        named = objected.in_history(installation, notice.request_id)
        if named:
            return _WHAT_NAMED[lang].format(purposes=purposes.quoted(installation, named, lang))
    return _WHAT[lang][notice.kind]


def _records(
    installation: Installation, notice: Notice, lang: Language, persons: Sequence[Person]
) -> Iterator[str]:
    for name in notice.tables:
        try:
            table = installation.catalogue.table(name)
        except KeyError:  # the catalogue has changed since
            yield name
            continue
        label = (table.label_fr or table.label) if lang == "fr" else table.label
        keys = [", ".join(map(str, key)) for owner, key in persons if owner == name]
        yield f"{label}, {_WORDS[lang]['key']} {'; '.join(keys)}" if keys else label
