"""``retention request``: data subjects' requests, from intake to answer.

What people decide about one is in ``cli.request_decide``, what is done with the data in
``cli.request_process`` and ``cli.request_work``, how it is shown in ``cli.request_show``.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import request_decide, request_process, request_returned, request_work
from cli import request_show as showing
from cli.door import door, today, utc_now
from cli.failure import warn
from cli.options import AsOf, By, Config, Json, RequestArgument, read_day
from cli.output import say, show_table, write_json
from retention.errors import ConfigurationError

if TYPE_CHECKING:
    from retention.installation import Installation
    from retention.requests.book.sending import Letter
    from retention.requests.model import Request
    from retention.requests.taking_in.intake import NewRequest

app = typer.Typer(
    no_args_is_help=True,
    help="Data subjects' requests: access, portability, objection, rectification, erasure, "
    "restriction.",
)

REJECTED = 8
"""The exit code where a request is not taken in; as ``RequestError.exit_code``."""

KindName = Literal["access", "portability", "objection", "rectification", "erasure", "restriction"]


def _said(option: str, what: str) -> Any:
    return typer.Option(option, metavar="TEXT", help=f"Who asks: {what}.")


@app.command()
def add(
    ctx: typer.Context,
    *,
    by: By,
    kind: Annotated[
        KindName | None,
        typer.Option("--kind", metavar="KIND", help="What is asked for, one of the six kinds."),
    ] = None,
    family_name: Annotated[str | None, _said("--family-name", "the family name")] = None,
    first_name: Annotated[str | None, _said("--first-name", "the first name")] = None,
    email: Annotated[str | None, _said("--email", "an e-mail address")] = None,
    phone: Annotated[str | None, _said("--phone", "a phone number")] = None,
    address: Annotated[str | None, _said("--address", "the postal address")] = None,
    customer_ref: Annotated[str | None, _said("--customer-ref", "the customer number")] = None,
    message: Annotated[
        str | None, typer.Option("--message", metavar="TEXT", help="The person's own words.")
    ] = None,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            "--correct",
            metavar="CATEGORY=VALUE",
            help="For a rectification: a category of data, as user.contact.email, and what is "
            "right. May be given several times.",
        ),
    ] = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option(
            "--purpose",
            metavar="ID",
            help="For an objection: a purpose of the policy that rests on consent or on a "
            "legitimate interest; by default prospecting. May be given several times.",
        ),
    ] = None,
    received_on: Annotated[
        date | None,
        typer.Option(
            "--received-on",
            metavar="DATE",
            parser=read_day,
            help="The day the request reached the company (YYYY-MM-DD); by default today.",
        ),
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option(
            "--from-file",
            metavar="FILE",
            help="Read the request from a JSON file instead ('-': standard input). Nothing of it "
            "then stands in the shell's history.",
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a request in: its clock starts, and the person's records are looked for.

    It needs an e-mail address, a phone number or a customer number; or else family name,
    first name and address. Nothing is done with the data before it is verified. A request
    that cannot be read with certainty is rejected, with every fault (exit code 8).
    """
    said = {
        "kind": kind, "family_name": family_name, "first_name": first_name, "email": email,
        "phone": phone, "address": address, "customer_ref": customer_ref, "message": message,
        "received_on": received_on.isoformat() if received_on else None,
        "corrections": _corrections(correct) if correct else None,
        "purposes": purpose or None,
    }  # fmt: skip
    from retention.requests.taking_in.receiving import receive

    with door(ctx, config).installation() as installation:
        day, now = today(installation), utc_now()
        new = _read(installation, said, from_file, day)
        made = receive(installation, new, channel="command line", by=by, now=now)
        _show_received(installation, made, day, as_json=as_json)


def _corrections(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if not all(sign for _, sign, _ in pairs):
        raise ConfigurationError("--correct is written CATEGORY=VALUE, as user.name.last=Martin")
    if len({category for category, _, _ in pairs}) < len(pairs):
        raise ConfigurationError("--correct: a category is given twice")
    return {category.strip(): value for category, _, value in pairs}


def _read(
    installation: Installation, said: dict[str, Any], from_file: str | None, day: date
) -> NewRequest:
    from retention.requests.taking_in.intake import Rejected, read_document, read_request

    document: object = said
    try:
        if from_file is not None:
            if any(value is not None for value in said.values()):
                raise ConfigurationError("give --from-file alone, without what the file says")
            document = read_document(_bytes(from_file))
        region = installation.settings.requests.region
        custom = installation.policy.custom_categories
        purposes = installation.policy.version_on(day).purposes
        return read_request(document, region, today=day, custom=custom, purposes=purposes)
    except Rejected as error:
        for reason in error.reasons:
            warn(f"not taken in: {reason}")
        raise typer.Exit(REJECTED) from None


def _bytes(name: str) -> bytes:
    from retention.requests.taking_in.inbox_files import LARGEST

    try:
        if name == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise ConfigurationError(f"{name}: it is larger than {LARGEST:,} bytes")
    return data


def _show_received(installation: Installation, made: Request, day: date, *, as_json: bool) -> None:
    from retention.requests.book import casebook

    chosen = Counter(item.chosen for item in casebook.subjects(installation, made.request_id))
    if as_json:
        records = {"certain": chosen[True], "in_doubt": chosen[None]}
        write_json({**showing.as_document(made, day), "records": records})
        return
    showing.show_request(made, day, "")
    say(f"  records found: {chosen[True]} certain, {chosen[None]} in doubt")
    short = made.request_id[: showing.SHORT]
    if chosen[None]:
        say(f"Next:  retention request show {short} --reveal, then retention request choose")
    elif made.state == "received":
        say(f"Next:  retention request verify {short} --how TEXT --by NAME")


@app.command("take-in")
def take_in(ctx: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Take in the request files of the inbox folder; Dagster's sensor does it by itself.

    A file becomes a request, or is moved to 'rejected/' with its reasons beside it (exit
    code 8). For restricted eyes: file names are shown.
    """
    from retention.requests.taking_in import inbox

    with door(ctx, config).installation() as installation:
        taken = inbox.take_in(installation, utc_now())
        folder = inbox.inbox_of(installation)
    if as_json:
        write_json(taken)
    elif not taken:
        say(f"nothing to take in: {folder}")
    else:
        rows = [
            (item.file, (item.request_id or "rejected")[: showing.SHORT], "; ".join(item.reasons))
            for item in taken
        ]
        show_table("Inbox", ["file", "request", "remarks"], rows)
    rejected = sum(item.request_id is None for item in taken)
    if rejected:
        warn(f"{rejected} file(s) rejected; they and the reasons are in {folder / 'rejected'}")
        raise typer.Exit(REJECTED)


@app.command("list")
def list_requests(
    ctx: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those too in which nothing is left to do.")
    ] = False,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the requests in which something is left to do, the most urgent first.

    These are the open ones, and those that are over while a recipient has not been told yet or
    the letter is not marked as sent. A request is 'soon' due from ten days before its last day,
    'urgent' from three, then LATE.
    """
    from retention.requests.answering import outbox
    from retention.requests.book import casebook, sending
    from retention.requests.doing.broken_off import note_broken_off

    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        note_broken_off(installation, utc_now)
        unsent = Counter(item.request_id for item in outbox.listed(installation, unsent_only=True))
        letters = sending.unsent(installation)
        found = [
            item
            for item in casebook.listed(installation)
            if everything or item.is_open or unsent[item.request_id] or item.request_id in letters
        ]
        waits = [
            _waits_for(installation, item, unsent[item.request_id], letters.get(item.request_id))
            for item in found
        ]
    if as_json:
        pairs = zip(found, waits, strict=True)
        write_json([{**showing.as_document(item, day), "waits_for": text} for item, text in pairs])
    elif not found:
        say("no requests" if everything else "no requests in which anything is left to do")
    else:
        showing.show_list(list(zip(found, waits, strict=True)), day)
        say("See one with:  retention request show ID")


def _waits_for(
    installation: Installation, request: Request, unsent: int, letter: Letter | None
) -> str:
    from retention.requests.book import casebook

    choices = 0
    if request.is_open:
        subjects = casebook.subjects(installation, request.request_id)
        choices = sum(item.chosen is None for item in subjects)
    return showing.remark(request, unsent, choices, letter)


@app.command()
def show(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    reveal: Annotated[
        bool,
        typer.Option("--reveal", help="Also who asks, and the keys of records: restricted eyes."),
    ] = False,
    lang: request_work.Lang = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a request: its state and days left, the records, outcomes, history, and the letter."""
    from retention.requests.answering import outbox
    from retention.requests.book import casebook, sending
    from retention.requests.doing.broken_off import note_broken_off

    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        note_broken_off(installation, utc_now)
        found = casebook.get(installation, request_id)
        subjects = casebook.subjects(installation, found.request_id)
        outcomes = casebook.outcomes(installation, found.request_id)
        changes = casebook.changes(installation, found.request_id)
        letters = showing.letters(installation, found, outcomes, day, lang)
        unsent = outbox.unsent(installation, found.request_id)
        letter = sending.letter_of(installation, found.request_id)
        to_send = letter if letter and found.asked and not letter.sent else None
        waits_for = _waits_for(installation, found, unsent, to_send)
    if as_json:
        write_json(
            {
                **showing.as_document(found, day, reveal=reveal),
                "waits_for": waits_for,
                **showing.letter_as_document(found, letter),
                "records": [
                    {**vars(item), "key": item.key if reveal else None} for item in subjects
                ],
                "outcomes": outcomes,
                "changes": changes,
                "letters": letters,
            }
        )
        return
    showing.show_request(found, day, waits_for)
    if reveal:
        showing.show_asked(found)
    showing.show_subjects(subjects, reveal=reveal)
    if outcomes:
        showing.show_outcomes("Outcomes", outcomes)
    showing.show_changes(changes)
    showing.show_letters(letters)
    showing.show_letter_sent(found, letter)


for command in (
    request_decide.verify,
    request_decide.choose,
    request_decide.doubt,
    request_decide.refuse,
    request_decide.extend,
    request_work.plan,
    request_process.process,
    request_work.answer,
    request_decide.sent,
    request_work.package,
    request_work.inform,
    request_work.lift,
    request_decide.retry,
    request_returned.returned,
):
    app.command()(command)
