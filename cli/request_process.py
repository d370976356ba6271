"""``retention request process``: verified requests are carried out, one or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import request_show as showing
from cli.door import door, today, utc_now
from cli.failure import warn
from cli.options import AsOf, Config, Json
from cli.output import progress, say, write_json
from cli.request_work import document
from cli.stopping import stoppable
from retention.errors import ConfigurationError, RetentionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from retention.installation import Installation
    from retention.requests.doing.carrying_out import Fate
    from retention.requests.model import Request


def process(
    ctx: typer.Context,
    *,
    request_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A verified request; or --all of them.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every verified request, the most urgent first.")
    ] = False,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Carry out a verified request, by the executor of the daily run, to its answer.

    'retention request plan' shows what it would do. Then the systems are searched by value:
    what is found and not explained by the outcomes keeps the request open.

    Several are searched for together. Where one fails the others go on; the exit code is the
    first failure's. A failed request stays visible and is taken up by 'retention request
    retry'. Interrupted (Ctrl-C or SIGTERM), it stops between two chunks: what is in hand counts
    as failed, what has not been begun waits.
    """
    from retention.requests.book import casebook
    from retention.requests.doing.broken_off import note_broken_off

    if (request_id is None) is not everything:
        raise ConfigurationError("which request? give its ID, or --all")
    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        note_broken_off(installation, utc_now)
        if request_id is not None:
            todo = [casebook.get(installation, request_id)]
        else:
            todo = _waiting(installation, day)
        done, failures = _carried_out(installation, todo, day)
        if as_json:
            write_json([document(installation, item, day) for item in done])
        elif not todo:
            say("no verified requests")
        else:
            for item in done:
                showing.show_request(item, day, showing.remark(item, 0, 0))
                lines = casebook.outcomes(installation, item.request_id)
                showing.show_outcomes("Outcomes", lines)
                say(f"The letter:  retention request answer {item.request_id[: showing.SHORT]}")
    if failures:
        raise typer.Exit(failures[0])


def _waiting(installation: Installation, day: date) -> list[Request]:
    """All that are verified, the most urgent first, but those that a person must retry."""
    from retention.requests.book import casebook
    from retention.requests.doing.lifting import take_up
    from retention.requests.model import State

    take_up(installation, utc_now(), day)
    verified = casebook.listed(installation, states={State.verified})
    return [request for request in verified if request.failure is None]


def _carried_out(
    installation: Installation, todo: list[Request], day: date
) -> tuple[list[Request], list[int]]:
    """Those that were answered, and the exit codes of the others; in batches."""
    from retention.requests.doing.carrying_out import Watch, carry_out_many

    done: list[Request] = []
    failures: list[int] = []
    most = installation.settings.requests.max_per_run
    with progress("requests", len(todo)) as advance, stoppable() as stop_asked:
        watch = Watch(
            begins=lambda request: advance(request.request_id[: showing.SHORT]),
            searches=lambda place: advance(f"search by value: {place}", 0),
            stop_asked=stop_asked,
        )
        for start in range(0, len(todo), most):
            fates = carry_out_many(
                installation,
                [request.request_id for request in todo[start : start + most]],
                as_of=day,
                today=today(installation),
                clock=utc_now,
                watch=watch,
            )
            done += [fate.request for fate in fates if fate.error is None]
            failures += _failures(fates, waiting=len(todo) - start - len(fates))
            if any(fate.left for fate in fates):
                break
    return done, failures


def _failures(fates: Sequence[Fate], waiting: int) -> list[int]:
    """Say which requests failed and which were not come to; returns exit codes."""
    from retention.unexpected import EXIT_CODE, unexpected_text

    codes = []
    left = [fate.error for fate in fates if fate.left]
    for fate in fates:
        if fate.error is None or fate.left:
            continue
        if isinstance(fate.error, RetentionError):
            text, code = str(fate.error), fate.error.exit_code
        else:
            text, code = unexpected_text(fate.error), EXIT_CODE
        short = fate.request.request_id[: showing.SHORT]
        warn(text if text.startswith("request ") else f"request {short}: {text}")
        codes.append(code)
    if left:
        warn(f"{len(left) + waiting} request(s) stay as they were: {left[0]}")
        codes.append(getattr(left[0], "exit_code", EXIT_CODE))
    return codes
