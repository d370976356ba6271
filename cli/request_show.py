"""How requests are shown. What a person said, and keys, only where ``--reveal`` asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from cli.output import prose, say, show_table

if TYPE_CHECKING:
    from retention.installation import Installation
    from retention.requests.book.casebook import Change, KnownSubject
    from retention.requests.book.sending import Letter
    from retention.requests.model import OutcomeLine, Request

SHORT = 12
"""Characters of an id or a token: enough to name it by."""

LANGS: tuple[Literal["en", "fr"], ...] = ("en", "fr")


def as_document(request: Request, day: date, *, reveal: bool = False) -> dict[str, Any]:
    """A request for machines, with its days left on ``day``."""
    from retention.requests.book import deadlines

    due_on = deadlines.due_now(request, day)
    found = {item.name: getattr(request, item.name) for item in fields(request)}
    asked = found.pop("asked")
    if request.is_open:
        found |= {
            "due_on": due_on,
            "days_left": deadlines.days_left(due_on, day),
            "urgency": deadlines.urgency(due_on, day),
        }
    if reveal:
        found["asked"] = asdict(asked) if asked else None
    return found


def left(request: Request, day: date) -> str:
    """How long there is to answer, in words."""
    found = as_document(request, day)
    if not request.is_open:
        return ""
    days = found["days_left"]
    if days < 0:
        return f"{-days} day(s) LATE"
    return f"{days} day(s)" + ("" if found["urgency"] == "calm" else f", {found['urgency']}")


def remark(request: Request, unsent: int, choices: int, letter: Letter | None = None) -> str:
    """What a request waits for, in words."""
    waits = []
    if choices:
        waits.append(f"{choices} record(s) to choose about")
    if request.paused_on:
        waits.append(f"identity in doubt since {request.paused_on}")
    if request.failure:
        waits.append(f"failed: {request.failure}")
    if unsent:
        waits.append(f"{unsent} notice(s) to send")
    if letter:
        waits.append(letter.waits)
    return "; ".join(waits)


def show_list(rows: Sequence[tuple[Request, str]], day: date) -> None:
    """The list: a line a request, with a remark."""
    shown = [
        (
            item.request_id[:SHORT],
            item.kind,
            item.state,
            item.received_on,
            item.due_on if item.is_open else item.answered_on,
            left(item, day),
            text,
        )
        for item, text in rows
    ]
    columns = ["id", "kind", "state", "received", "due or answered", "left", "waits for"]
    show_table("Requests", columns, shown, fixed=("received", "due or answered"))


def show_request(request: Request, day: date, waits_for: str) -> None:
    """The head of a request."""
    say(f"Request {request.request_id}")
    say(f"  {request.kind}, {request.state}, attempt {request.attempt}; by {request.channel}")
    if request.is_open:
        due = as_document(request, day)["due_on"]
        say(f"  received {request.received_on}, answer due {due}: {left(request, day)}")
    else:
        ended = f"answered {request.answered_on}, " if request.answered_on else ""
        say(f"  received {request.received_on}, {ended}forgotten after {request.forget_on}")
    if request.extended_on:
        say(f"  extended on {request.extended_on}")
    if waits_for:
        prose(f"  waits for: {waits_for}")


def letter_as_document(request: Request, letter: Letter | None) -> dict[str, Any]:
    """Whether the letter has gone out, for machines, and how long it is kept who asked."""
    kept = letter is not None and request.asked is not None
    return {
        "letter_sent": letter.sent if letter else None,
        "who_asked_kept_until": letter.until if letter and kept else None,
    }


def show_letter_sent(request: Request, letter: Letter | None) -> None:
    """Whether the letter has gone out, and how to say that it has."""
    if letter is None:
        return
    if letter.sent:
        say("The letter is marked as sent.")
        return
    if request.asked is None:
        say("The letter is not marked as sent, and who asked is not kept any more.")
    else:
        last = f" until {letter.until}" if letter.until else ""
        say("The letter is not marked as sent.", f"Who asked is kept{last}; --reveal shows it.")
    say(f"Once it has gone:  retention request sent {request.request_id[:SHORT]} --by NAME")


def show_asked(request: Request) -> None:
    """What the person said."""
    if request.asked is None:
        say("What was asked is not kept any more.")
        return
    said: Mapping[str, str] = request.asked.said()
    rows = [*said.items(), *((f"correct {k}", v) for k, v in request.asked.corrections.items())]
    rows += [("objects to", name) for name in request.asked.purposes]
    show_table("What was asked", ["field", "value"], rows)
    if request.asked.message:
        prose(*request.asked.message.splitlines())


def show_subjects(found: Sequence[KnownSubject], *, reveal: bool) -> None:
    """Whose records: by table and what led there."""
    if not found:
        say("No record of that person is known.")
        return
    rows = [
        (
            f"{item.table} {item.token[:SHORT]}",
            {True: "theirs", False: "not theirs", None: "CHOOSE"}[item.chosen],
            item.found_by,
            ", ".join(item.agrees),
            ", ".join(item.contradicts),
            *((" ".join(map(str, item.key)),) if reveal else ()),
        )
        for item in found
    ]
    columns = ["record", "whose", "found by", "agrees", "contradicts"]
    show_table("Records", [*columns, "key"] if reveal else columns, rows)


def show_outcomes(title: str, found: Sequence[OutcomeLine]) -> None:
    """What becomes of the data, table by table and purpose by purpose."""
    from retention.requests.model import BECAUSE

    rows = [
        (
            item.table,
            item.purpose,
            item.outcome,
            item.until,
            BECAUSE.get(item.because or "", item.because or ""),
            item.rows,
        )
        for item in found
    ]
    if not rows:
        say(f"{title}: nothing that the request concerns")
        return
    columns = ["table", "purpose", "outcome", "until", "because", "rows"]
    show_table(title, columns, rows, numbers=1, fixed=("until",))


def show_changes(found: Sequence[Change]) -> None:
    """Everything that happened."""
    rows = [
        (f"{item.at:%Y-%m-%d %H:%M}", item.what, item.state, item.by, item.reason or "")
        for item in found
    ]
    show_table("What happened", ["when (UTC)", "what", "state", "by", "reason"], rows)


def letters(
    installation: Installation,
    request: Request,
    outcomes: Sequence[OutcomeLine],
    day: date,
    lang: str | None,
) -> dict[str, str]:
    """The answer's text by language; none while the request is open."""
    from retention.requests.answering.letters import letter
    from retention.requests.book import sending

    if request.is_open:
        return {}
    told = sending.letter_of(installation, request.request_id)
    written_on = told.written_on if told else request.answered_on or day
    return {
        name: letter(request, outcomes, installation, lang=name, as_of=written_on)
        for name in LANGS
        if lang in (None, name)
    }


def show_letters(found: Mapping[str, str]) -> None:
    """The letters, one after the other."""
    for name, text in found.items():
        say("", f"--- {name} " + "-" * 60, text)
