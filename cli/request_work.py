"""``retention request``: what is done with a person's data, looked at, carried out, answered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import request_show as showing
from cli.door import door, today, utc_now
from cli.options import AsOf, By, Config, Json, Lifting, Reason, RequestArgument, ToldOn
from cli.output import prose, say, write_json
from cli.plan import approval
from retention.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import date

    from retention.installation import Installation
    from retention.requests.doing.planning import RequestPlan
    from retention.requests.model import Request

Lang = Annotated[
    Literal["en", "fr"] | None,
    typer.Option("--lang", metavar="en|fr", help="The letter's language; by default both."),
]


def plan(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Preview what a request would do: by table, purpose and outcome. Nothing is touched.

    The plan is kept under its digest: one so large that a person must look at it first can be
    approved ('retention approve').
    """
    from retention.execution.guards import save_plan
    from retention.requests.book import casebook
    from retention.requests.doing import carrying_out

    with door(ctx, config).installation() as installation:
        found = casebook.get(installation, request_id)
        day = as_of or today(installation)
        made = carrying_out.foresee(installation, found.request_id, day)
        subjects = casebook.subjects(installation, found.request_id)
        choices = sum(item.chosen is None for item in subjects) if found.is_open else 0
        known = installation.policy.version_on(day).purposes
        by_interest = [
            name
            for name in (found.asked.purposes if found.is_open and found.asked else ())
            if name in known and known[name].legal_basis == "legitimate_interest"
        ]
        asked = None
        if made is not None:
            save_plan(installation.stores.control, made.plan, utc_now())
            asked = approval(installation, made.plan)
    if as_json:
        plan_document = made and {
            "digest": made.plan.digest,
            "outcomes": list(made.outcomes),
            "stopped": dict(made.plan.stopped),
            "approval": asked,
        }
        write_json({**showing.as_document(found, day), "as_of": day, "plan": plan_document})
        return
    showing.show_request(found, day, "")
    if made is None:
        say("It makes a copy for the person; nothing is changed.")
    else:
        _show_plan(made, day, asked or {}, choices)
        if by_interest:
            prose(
                f"It objects to {', '.join(by_interest)}, by legitimate interest (GDPR art. 21(1)).",
                "  Where there are compelling legitimate grounds that override the person's, or",
                "  legal claims, refuse it:  retention request refuse ID --reason TEXT --by NAME",
            )
    _say_next(found, choices)


def _say_next(request: Request, choices: int) -> None:
    short = request.request_id[: showing.SHORT]
    if choices:
        say(f"First choose about {choices} record(s), which the plan leaves out:")
        say(f"  retention request show {short} --reveal, then retention request choose")
    elif request.state == "received":
        say(f"First verify who asks:  retention request verify {short} --how TEXT --by NAME")
    elif request.is_open:
        say(f"Carry it out with:  retention request process {short}")


def _show_plan(made: RequestPlan, day: date, asked: dict[str, Any], choices: int) -> None:
    if made.outcomes:
        showing.show_outcomes(f"What it would do on {day}", made.outcomes)
    elif choices:
        say("There is nothing to do yet: no record is certain to be that person's.")
    else:
        say("There is nothing to do: no record of that person is known.")
    for name, why in made.plan.stopped.items():
        prose(f"Stopped: {name}", f"  because {why}")
    say(f"Plan {made.plan.digest}")
    for reason in asked["reasons"]:
        prose(f"  {reason}")
    if asked["needed"]:
        say(f"It needs approval:  retention approve {made.plan.digest} --by NAME --reason TEXT")


def document(installation: Installation, request: Request, day: date) -> dict[str, Any]:
    """A request and its outcomes, for machines."""
    from retention.requests.book import casebook

    outcomes = casebook.outcomes(installation, request.request_id)
    return {**showing.as_document(request, day), "outcomes": outcomes}


def answer(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Also who asks, to write to: restricted eyes.")
    ] = False,
    lang: Lang = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the letter that answers a request, or says why it is refused, to be sent.

    'retention request process' answers a request once nothing of the person is left that the
    outcomes do not explain; before that there is no letter (exit code 8). Once it has gone, say
    so: 'retention request sent'.
    """
    from retention.requests.answering import outbox
    from retention.requests.book import casebook, sending
    from retention.requests.model import RequestError

    with door(ctx, config).installation() as installation:
        found = casebook.get(installation, request_id)
        day = as_of or today(installation)
        if found.is_open:
            short = found.request_id[: showing.SHORT]
            raise RequestError(
                f"request {short} is {found.state}: there is no answer before it is carried out "
                f"('retention request process {short}')"
            )
        outcomes = casebook.outcomes(installation, found.request_id)
        letters = showing.letters(installation, found, outcomes, day, lang)
        unsent = outbox.unsent(installation, found.request_id)
        letter = sending.letter_of(installation, found.request_id)
    if as_json:
        shown = showing.as_document(found, day, reveal=reveal)
        shown |= showing.letter_as_document(found, letter)
        write_json({**shown, "letters": letters, "unsent_notices": unsent})
        return
    if reveal:
        showing.show_asked(found)
    showing.show_letters(letters)
    showing.show_letter_sent(found, letter)
    if unsent:
        prose(f"{unsent} recipient(s) have yet to be told:  retention outbox list")


def package(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", help="Write the newest package, a ZIP, to a new file."
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the packages made for a request of access or portability, or write the newest out.

    The file holds everything about a person, readable for its owner only: hand it over by a
    way that is safe, then delete it. The package itself cannot be opened any more after its
    last day.
    """
    from retention.requests.book import casebook
    from retention.requests.copies import package as packages

    with door(ctx, config).installation() as installation:
        request = casebook.get(installation, request_id)
        found = packages.packages_of(installation, request.request_id)
        if to is not None:
            usable = [item for item in found if item.open]
            if not usable:
                raise ConfigurationError("there is no package of that request that can be opened")
            _write(to, packages.open_package(installation, usable[-1].package_id))
    if as_json:
        write_json({"packages": found, "written_to": to})
    elif to is not None:
        say(f"written: {to}")
    elif not found:
        say("no packages")
    else:
        for item in found:
            state = f"open until {item.expires_on}" if item.open else f"expired {item.expires_on}"
            say(f"{item.package_id}  made {item.made_on}, {state}")


def _write(path: Path, data: bytes) -> None:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from None


def inform(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    lifting: Lifting = None,
    lang: Lang = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the letter that tells the person of an extension, a doubt, or a lifting to come.

    Of a request that was extended: that it takes longer and why, to be sent within the first
    month (art. 12(3)). Of one in doubt: what would show who asks (art. 12(6)). With --lifting:
    that a restriction will end, to be sent before it does (art. 18(3)).
    """
    from retention.requests.answering import interim
    from retention.requests.book import casebook

    with door(ctx, config).installation() as installation:
        found = casebook.get(installation, request_id)
        day = as_of or today(installation)
        letters = {
            name: interim.before_the_answer(found, installation, lang=name, as_of=day)
            if lifting is None
            else interim.before_lifting(found, installation, reason=lifting, lang=name, as_of=day)
            for name in showing.LANGS
            if lang in (None, name)
        }
    if as_json:
        write_json({**showing.as_document(found, day), "letters": letters})
    else:
        showing.show_letters(letters)


def lift(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    told_on: ToldOn,
    reason: Reason,
    by: By,
    keep_rows: Annotated[
        bool,
        typer.Option(
            "--keep-rows",
            help="An attempt broke off, and you have looked: the rows that are under the keys now "
            "are the person's, changed since. They stay as they are; the sealed copies go.",
        ),
    ] = False,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Lift the restriction of a request: exactly what was there comes back.

    The person has to be told before (art. 18(3)): 'retention request inform --lifting TEXT'.
    """
    from retention.requests.book import casebook
    from retention.requests.doing.lifting import lift as lift_restriction

    with door(ctx, config).installation() as installation:
        day = today(installation)
        if told_on > max(day, as_of or day):
            raise ConfigurationError(
                "--told-on is in the future: the person is told before the restriction is lifted"
            )
        lifted = lift_restriction(
            installation,
            request_id,
            by=by,
            reason=f"{reason} (the person was told on {told_on})",
            as_of=as_of or day,
            today=day,
            clock=utc_now,
            keep_rows=keep_rows,
        )
        outcomes = casebook.outcomes(installation, lifted.request_id)
        if as_json:
            write_json(document(installation, lifted, day))
            return
        showing.show_request(lifted, day, "")
        showing.show_outcomes("Outcomes", outcomes)
        if not lifted.is_open:
            say(f"The letter:  retention request answer {lifted.request_id[: showing.SHORT]}")
