"""``retention request``: what people decide about a request, before and after it is worked on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli import request_show as showing
from cli.door import door, today, utc_now
from cli.failure import warn
from cli.options import By, Config, Json, Reason, RequestArgument, ToldReason, read_day
from cli.output import say, write_json
from retention.errors import ConfigurationError

if TYPE_CHECKING:
    from retention.installation import Installation
    from retention.requests.model import Request


def verify(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    how: Annotated[
        str, typer.Option("--how", metavar="TEXT", help="How you made sure; kept on record.")
    ],
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say that the person is who they say. The systems are looked through once more before.

    Every record in doubt has to be chosen about first ('retention request choose').
    """
    from retention.requests.taking_in import receiving

    with door(ctx, config).installation() as installation:
        done = receiving.verify(installation, request_id, by=by, how=how, now=utc_now())
        _say_state(installation, done, as_json=as_json)
    if not as_json:
        say(f"Next:  retention request plan {done.request_id[: showing.SHORT]}")


def choose(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    table: Annotated[
        str, typer.Argument(metavar="SYSTEM.TABLE", help="The record's table, as 'show' lists it.")
    ],
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="The record's token, or its beginning.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes/--no", help="Whether the record is the asking person's.")
    ],
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say whether a record is the asking person's. Nothing is done on a likeness alone."""
    from retention.requests.taking_in import receiving

    with door(ctx, config).installation() as installation:
        chosen = receiving.choose(
            installation, request_id, table, token, yes=yes, by=by, now=utc_now()
        )
    if as_json:
        write_json({"table": chosen.table, "token": chosen.token, "chosen": yes})
    else:
        say(f"{chosen.table} {chosen.token[: showing.SHORT]}: {'theirs' if yes else 'not theirs'}")


def doubt(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    reason: Reason,
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Doubt who asks: the clock stands still until the identity is verified (art. 12(6))."""
    _change("doubt", ctx, config, request_id, reason=reason, by=by, as_json=as_json)


def refuse(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    reason: ToldReason,
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Refuse a request. The person is told why, and where to complain (art. 12(4))."""
    _change("refuse", ctx, config, request_id, reason=reason, by=by, as_json=as_json)


def extend(
    ctx: typer.Context,
    *,
    request_id: RequestArgument,
    reason: ToldReason,
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take two more months for the answer, once, before it is due; the person is told why."""
    _change("extend", ctx, config, request_id, reason=reason, by=by, as_json=as_json)


def sent(
    ctx: typer.Context,
    *,
    request_id: Annotated[
        list[str],
        typer.Argument(metavar="ID", help="The request, or several; an id's beginning is enough."),
    ],
    by: By,
    on: Annotated[
        date | None,
        typer.Option(
            "--on",
            metavar="DATE",
            parser=read_day,
            help="The day on which it went (YYYY-MM-DD); by default today.",
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say that the letter of an answer, a refusal or a lifting has gone to the person.

    Who asked is forgotten then, unless something of the request waits or is restricted. Where
    nobody says so it is forgotten as long afterwards as a package is kept. Of several requests
    those that cannot be marked are named (exit code 8), the others are.
    """
    from retention.requests.book import casebook
    from retention.requests.model import RequestError

    done, failed = [], None
    with door(ctx, config).installation() as installation:
        day = today(installation)
        for number in request_id:
            try:
                done.append(casebook.sent(installation, number, by=by, on=on, now=utc_now()))
            except RequestError as error:
                warn(str(error))
                failed = error.exit_code
    if as_json:
        write_json([showing.as_document(item, day) for item in done])
    else:
        for item in done:
            kept = "still needed, and kept" if item.asked else "forgotten"
            say(f"{item.request_id[: showing.SHORT]}: marked as sent; who asked is {kept}")
    if failed is not None:
        raise typer.Exit(failed)


def retry(
    ctx: typer.Context,
    *,
    request_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A request that failed; or --all of them.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every open request that has failed.")
    ] = False,
    not_theirs: Annotated[
        list[str] | None,
        typer.Option(
            "--not-theirs",
            metavar="PLACE",
            help="A place that the failure names, where you have seen another person's data.",
        ),
    ] = None,
    reason: Reason,
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take up a request that has failed, once its cause is mended: it is verified again.

    One cause (a system out of reach) may have failed a whole batch: --all takes them all up. What
    the search has found of a namesake (a composer, say) is --not-theirs: it is kept in the request
    who said so, and why.
    """
    from retention.requests.book import casebook
    from retention.requests.doing.broken_off import note_broken_off
    from retention.requests.model import OPEN

    if (request_id is None) is not everything:
        raise ConfigurationError("which request? give its ID, or --all that failed")
    if request_id is None and not_theirs:
        raise ConfigurationError("--not-theirs is said of one request: give its ID")
    if request_id is not None:
        with door(ctx, config).installation() as installation:
            taken_up = casebook.retry(
                installation, request_id, by=by, reason=reason, now=utc_now(),
                not_theirs=not_theirs or (),
            )  # fmt: skip
            _say_state(installation, taken_up, as_json=as_json)
        return
    with door(ctx, config).installation() as installation:
        note_broken_off(installation, utc_now)
        failed = [item for item in casebook.listed(installation, states=OPEN) if item.failure]
        done = [
            casebook.retry(installation, item.request_id, by=by, reason=reason, now=utc_now())
            for item in failed
        ]
        day = today(installation)
    if as_json:
        write_json([showing.as_document(item, day) for item in done])
    else:
        say(f"{len(done)} request(s) taken up again")


_LETTERS = {"doubt": "inform", "extend": "inform", "refuse": "answer"}
"""Which command writes the letter that a decision wants."""


def _change(
    what: Literal["doubt", "refuse", "extend"],
    ctx: typer.Context,
    config: Path | None,
    request_id: str,
    *,
    reason: str,
    by: str,
    as_json: bool,
) -> None:
    """A change of a request that a person decides on, for a reason."""
    from retention.requests.book import casebook

    change = {
        "doubt": casebook.doubt,
        "refuse": casebook.refuse,
        "extend": casebook.extend,
    }[what]
    with door(ctx, config).installation() as installation:
        done = change(installation, request_id, by=by, reason=reason, now=utc_now())
        _say_state(installation, done, as_json=as_json)
    if not as_json and what in _LETTERS:
        say(
            f"Tell the person:  retention request {_LETTERS[what]} {done.request_id[: showing.SHORT]}"
        )


def _say_state(installation: Installation, request: Request, *, as_json: bool) -> None:
    """How a request stands after a change."""
    day = today(installation)
    if as_json:
        write_json(showing.as_document(request, day))
    else:
        showing.show_request(request, day, showing.remark(request, 0, 0))
