"""``retention outbox``: what recipients of personal data have to be told (GDPR art. 19)."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.door import door, utc_now
from cli.options import By, Config, Json
from cli.output import say, show_table, write_json
from cli.request_show import SHORT
from retention.errors import ConfigurationError

app = typer.Typer(
    no_args_is_help=True,
    help="Notices to recipients: what has to be told to those who received a person's data.",
)

NOTICE_HELP = "A notice's id, or its beginning, as 'retention outbox list' shows."


@app.command("list")
def list_notices(
    ctx: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="The sent ones too.")] = False,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="Those of one request.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the notices that have not been sent yet, oldest first."""
    from retention.requests.answering import outbox
    from retention.requests.book import casebook

    with door(ctx, config).installation() as installation:
        wanted = casebook.get(installation, request).request_id if request else None
        found = outbox.listed(installation, unsent_only=not everything, request_id=wanted)
        recipients = installation.catalogue.recipients
    if as_json:
        write_json(found)
    elif not found:
        say("no notices" if everything else "no notices to send")
    else:
        rows = [
            (
                item.notice_id[:SHORT],
                recipients[item.recipient].label
                if item.recipient in recipients
                else item.recipient,
                item.request_id[:SHORT],
                f"{item.kind} lifted" if item.lifted else item.kind,
                ", ".join(item.tables),
                f"{item.created_at:%Y-%m-%d}",
                f"sent {item.sent_at:%Y-%m-%d} by {item.sent_by}" if item.sent_at else "to send",
            )
            for item in found
        ]
        columns = ["notice", "recipient", "request", "kind", "tables", "since", "state"]
        show_table("Outbox", columns, rows, fixed=("since", "request", "kind"))
        say("The text:  retention outbox show NOTICE")


@app.command()
def show(
    ctx: typer.Context,
    *,
    notice: Annotated[str, typer.Argument(metavar="NOTICE", help=NOTICE_HELP)],
    lang: Annotated[
        Literal["en", "fr"] | None,
        typer.Option("--lang", metavar="en|fr", help="The notice's language; by default both."),
    ] = None,
    reveal: Annotated[
        bool,
        typer.Option("--reveal", help="With the keys of the person's records: restricted eyes."),
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what to write to a recipient, in English and French."""
    from retention.requests.answering import outbox
    from retention.requests.book import casebook

    with door(ctx, config).installation() as installation:
        found = outbox.get(installation, notice)
        persons = casebook.persons(installation, found.request_id) if reveal else []
        texts = {
            name: outbox.text(installation, found, lang=name, persons=persons)
            for name in ("en", "fr")
            if lang in (None, name)
        }
    if as_json:
        write_json({"notice": found, "texts": texts})
    else:
        for name, text in texts.items():
            say("", f"--- {name} " + "-" * 60, text)


@app.command("mark-sent")
def mark_sent(
    ctx: typer.Context,
    *,
    notice: Annotated[str | None, typer.Argument(metavar="[NOTICE]", help=NOTICE_HELP)] = None,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="ID", help="Every notice of a request instead."),
    ] = None,
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say that a notice was sent. An answered request is closed once its last one is, and its letter."""
    from retention.requests.answering import outbox
    from retention.requests.book import casebook

    if (notice is None) is (request is None):
        raise ConfigurationError("which notice? give NOTICE, or --request ID for all of a request")
    with door(ctx, config).installation() as installation:
        if notice is not None:
            whole = outbox.get(installation, notice).notice_id
            request_id = outbox.mark_sent(installation, whole, by=by, now=utc_now()).request_id
            number = 1
        else:
            request_id = casebook.get(installation, str(request)).request_id
            number = outbox.mark_all_sent(installation, request_id, by=by, now=utc_now())
        closed = casebook.closed(installation, request_id)
    if as_json:
        write_json({"request_id": request_id, "marked": number, "closed": closed})
    else:
        say(f"{number} notice(s) marked as sent; request {request_id[:SHORT]} is "
            + ("closed" if closed else "not closed yet"))  # fmt: skip
