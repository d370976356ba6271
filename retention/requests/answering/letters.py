"""The text of an answer, in English or French: what became of the data, table by table, and why.

Names of tables and purposes, counts and days only. The one exception is a refusal's reason,
which a person wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import sqlalchemy as sa

from retention.catalogue.model import TableName
from retention.installation import Installation
from retention.requests.answering import letter_texts as texts
from retention.requests.answering import purposes, wording
from retention.requests.answering.outbox import TOLD_OF
from retention.requests.answering.wording import Lang
from retention.requests.book import objected
from retention.requests.copies.package import packages_of
from retention.requests.doing.opposition import ends_by_objection
from retention.requests.model import Kind, Outcome, OutcomeLine, Request, RequestError, State
from retention.stores import cases
from retention.stores.open import reading

_ORDER = (
    Outcome.copied,
    Outcome.deleted,
    Outcome.corrected,
    Outcome.restricted,
    Outcome.restored,
    Outcome.archived,
    Outcome.kept,
    Outcome.held,
    Outcome.review,
    Outcome.stopped,
)

_TAKEN_UP_LATER = frozenset({Outcome.held, Outcome.review, Outcome.stopped})

_OPPOSED = frozenset({Kind.objection, Kind.erasure})
"""After which a person is recognised, so that an import does not bring them back."""

_FOLLOWING = frozenset({Kind.objection, Kind.erasure, Kind.restriction})
"""Under which dependants go or stay with what they belong to; else each row is dealt with itself."""

_TOLD = frozenset({Outcome.deleted, Outcome.archived, Outcome.corrected, Outcome.restricted})
"""What recipients are told of (GDPR art. 19)."""


def letter(
    request: Request,
    outcomes: Sequence[OutcomeLine],
    installation: Installation,
    *,
    lang: Lang,
    as_of: date,
) -> str:
    """The answer to ``request`` as plain text, dated ``as_of``; every kind and outcome has words.

    Raises:
        RequestError: nothing came of the request yet, or an outcome gives a reason that has no
            words; or the request is refused without a reason.
    """
    if request.state is State.refused:
        body = [_refusal(request, installation, lang)]
    else:
        body = [*_answer(request, outcomes, installation, lang)]
    return framed(request, body, installation, lang=lang, as_of=as_of)


def framed(
    request: Request, body: Sequence[str], installation: Installation, *, lang: Lang, as_of: date
) -> str:
    """``body`` between what every letter to the person begins and ends with."""
    paragraphs = [
        installation.policy.controller,
        wording.written(as_of, lang),
        _subject(request, installation, lang),
        texts.GREETING[lang],
        *body,
        texts.HUMAN[lang].format(controller=installation.policy.controller),
        wording.CNIL[lang],
        texts.CLOSING[lang].format(name=installation.policy.controller.partition(",")[0]),
    ]
    text = "\n\n".join(paragraphs) + "\n"
    return wording.spaced(text) if lang == "fr" else text


def _subject(request: Request, installation: Installation, lang: Lang) -> str:
    named = purposes.quoted(installation, objected.named(installation, request), lang)
    about = texts.OBJECTION[lang].format(purposes=named) if named else None
    return texts.SUBJECT[lang].format(
        kind=about or wording.KIND[lang][request.kind],
        received=wording.written(request.received_on, lang),
        reference=request.request_id,
    )


def _answer(
    request: Request, outcomes: Sequence[OutcomeLine], installation: Installation, lang: Lang
) -> Iterator[str]:
    if not outcomes and request.state is not State.answered:
        raise RequestError(
            f"request {request.request_id}: nothing came of it yet; carry it out before answering"
        )
    lines = [line for line in outcomes if line.rows and line.outcome is not Outcome.nothing]
    if lines:
        yield texts.OPENING[lang][request.kind]
        yield from _sections(request.kind, lines, installation, lang)
    elif any(line.outcome is Outcome.nothing for line in outcomes):
        yield texts.NOBODY[lang]
    else:
        yield texts.UNTOUCHED[lang]
    if any(line.outcome in _TAKEN_UP_LATER for line in lines):
        yield texts.LATER[lang]
    if any(line.outcome is Outcome.restricted for line in lines):
        yield texts.UNTIL_LIFTED[lang]
    yield from _package(request, installation, lang)
    yield from _left_behind(request, installation, lang)
    yield from _recipients(request.kind, lines, installation, lang)


def _sections(
    kind: Kind, lines: Sequence[OutcomeLine], installation: Installation, lang: Lang
) -> Iterator[str]:
    """One paragraph for each outcome, with a line for each table and purpose.

    What has no purpose of its own, since it follows what it belongs to, is named after it.
    """
    labels = purposes.labels(installation, lang)
    for outcome in _ORDER:
        places: dict[str, int] = {}  # of tables in the list: dependants with what they follow
        items: list[tuple[int, date, str]] = []
        along: dict[tuple[str, date | None, str | None], list[OutcomeLine]] = {}
        for line in lines:
            if line.outcome is not outcome:
                continue
            owner = _followed(kind, line, installation)
            place = places.setdefault(owner or line.table, len(places))
            if owner is None:
                text = _item(line, installation, labels, lang) + _tail(line, lang)
                items.append((place, line.until or date.max, text))
            else:
                along.setdefault((owner, line.until, line.because), []).append(line)
        for (owner, until, _), group in along.items():
            text = _together(owner, group, installation, lang) + _tail(group[0], lang)
            items.append((places[owner], until or date.max, text))
        if items:
            listed = [f"- {text}" for *_, text in sorted(items, key=lambda item: item[:2])]
            yield "\n".join([wording.outcome(kind, outcome, lang), *listed])


def _followed(kind: Kind, line: OutcomeLine, installation: Installation) -> str | None:
    """The table that the rows of a line follow; ``None`` where they were dealt with by themselves."""
    if kind not in _FOLLOWING or line.purpose:
        return None
    try:
        clock = installation.catalogue.clock_of(TableName(line.table))
    except KeyError:
        return None
    return None if clock == line.table else clock


def _together(
    owner: str, group: Sequence[OutcomeLine], installation: Installation, lang: Lang
) -> str:
    items = [
        f"{table_label(installation, line.table, lang)} ({wording.records(line.rows, lang)})"
        for line in group
    ]
    table = table_label(installation, owner, lang)
    return texts.ALONG[lang].format(table=table, items=", ".join(items))


def _item(
    line: OutcomeLine, installation: Installation, labels: Mapping[str, str], lang: Lang
) -> str:
    what = table_label(installation, line.table, lang)
    if line.purpose:
        purpose = labels.get(line.purpose, line.purpose)
        what = texts.PURPOSE[lang].format(table=what, purpose=purpose)
    colon = " : " if lang == "fr" else ": "
    return f"{what}{colon}{wording.records(line.rows, lang)}"


def _tail(line: OutcomeLine, lang: Lang) -> str:
    """Until when, and why."""
    text = ""
    if line.until:
        text += texts.UNTIL[lang].format(day=wording.written(line.until, lang))
    if line.because:
        reason = wording.BECAUSE[lang].get(line.because)
        if reason is None:
            raise RequestError(
                f"{line.table}: an outcome's reason '{line.because}' has no words for a letter"
            )
        changed = line.outcome is Outcome.corrected
        because = texts.STAYS_BECAUSE if changed else texts.BECAUSE
        text += because[lang].format(reason=reason)
    return text


def table_label(installation: Installation, name: str, lang: Lang) -> str:
    """What a table is called where the person reads; its name where the catalogue lost it."""
    try:
        table = installation.catalogue.table(name)
    except KeyError:
        return name
    return (table.label_fr or table.label) if lang == "fr" else table.label


def _may_be_solicited(installation: Installation, request: Request) -> bool:
    """Whether it is an objection to nothing that anybody is contacted for."""
    named = objected.named(installation, request)
    return bool(named) and not any(
        name in version.purposes and ends_by_objection(version.purposes[name])
        for version in installation.policy.versions
        for name in named
    )


def _left_behind(request: Request, installation: Installation, lang: Lang) -> Iterator[str]:
    """What requests themselves leave with the company."""
    kind = request.kind
    terms = installation.policy.requests
    opposition = wording.duration(terms.opposition.lasts, lang)
    if kind in _OPPOSED and not _may_be_solicited(installation, request):
        yield texts.OPPOSITION[lang].format(lasts=opposition)
    if kind is Kind.access:
        files = wording.duration(terms.files.lasts, lang)
        yield texts.ALSO_HELD[lang].format(files=files, opposition=opposition)


def _package(request: Request, installation: Installation, lang: Lang) -> Iterator[str]:
    packages = [item for item in packages_of(installation, request.request_id) if item.open]
    if packages and request.kind in texts.PACKAGE[lang]:
        day = wording.written(packages[-1].expires_on, lang)
        yield texts.PACKAGE[lang][request.kind].format(day=day)


def _recipients(
    kind: Kind, lines: Sequence[OutcomeLine], installation: Installation, lang: Lang
) -> Iterator[str]:
    """Who else is told, where the request is one that recipients are told of."""
    if kind not in TOLD_OF:
        return
    changed = _TOLD | ({Outcome.kept} if kind is Kind.objection else set())
    touched = {line.table for line in lines if line.outcome in changed}
    told = [
        (item.label_fr or item.label) if lang == "fr" else item.label
        for item in installation.catalogue.recipients.values()
        if touched & set(item.tables)
    ]
    if told:
        # A name may have a comma of its own.
        yield texts.RECIPIENTS[lang].format(names=(" ; " if lang == "fr" else "; ").join(told))


def _refusal(request: Request, installation: Installation, lang: Lang) -> str:
    reason = _reason(installation, request)
    if not reason:
        raise RequestError(
            f"request {request.request_id}: it is refused without a reason, which a letter needs"
        )
    return texts.REFUSED[lang].format(reason=reason)


def _reason(installation: Installation, request: Request) -> str | None:
    changes = cases.request_changes
    statement = (
        sa.select(changes.c.reason)
        .where(
            changes.c.request_id == request.request_id,
            changes.c.state == State.refused,
            changes.c.reason.is_not(None),
        )
        .order_by(changes.c.sequence)
    )
    kept = sa.select(cases.requests.c.reason).where(
        cases.requests.c.request_id == request.request_id
    )
    with reading(installation.stores.cases) as connection:
        said = connection.execute(statement).scalars().first()
        return said or connection.execute(kept).scalars().first()
