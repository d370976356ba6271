"""``retention opposition``: the list of those who objected to prospecting."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.door import door, today, utc_now
from cli.options import AsOf, By, Config, Json
from cli.output import say, write_json
from retention.errors import ConfigurationError

app = typer.Typer(
    no_args_is_help=True,
    help="The opposition list: fingerprints of e-mail and phone of those who objected.",
)

Email = Annotated[str | None, typer.Option("--email", help="An e-mail address.")]
Phone = Annotated[str | None, typer.Option("--phone", help="A phone number.")]


@app.command()
def check(
    ctx: typer.Context,
    *,
    email: Email = None,
    phone: Phone = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say whether an e-mail or phone is on the list: exit code 1 if it is.

    Ask before somebody is contacted or imported. Spelling is no matter.
    """
    from retention.requests.doing import opposition

    given = _given(email, phone)
    with door(ctx, config).installation() as installation:
        day = as_of or today(installation)
        listed = {
            field: opposition.is_listed(installation, field, value, day) for field, value in given
        }
    if as_json:
        write_json(listed)
    else:
        for field, yes in listed.items():
            say(f"{field}: " + ("on the list: do not contact" if yes else "not on the list"))
    if any(listed.values()):
        raise typer.Exit(1)


@app.command()
def remove(
    ctx: typer.Context,
    *,
    email: Email = None,
    phone: Phone = None,
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help="When and how the person consented anew."),
    ],
    by: By,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take somebody off the list who has consented anew since.

    The reason is kept as long as an entry of the list; the ledger has the change without either
    value. Without this, whoever objected once counts as brought back by an import.
    """
    from retention.requests.doing import renewed

    given = _given(email, phone)
    with door(ctx, config).installation() as installation:
        gone = renewed.remove(installation, given, reason=reason, by=by, now=utc_now())
    if as_json:
        write_json({"removed": gone})
    else:
        say(f"{gone} entry(s) taken off the opposition list")


def _given(email: str | None, phone: str | None) -> list[tuple[str, str]]:
    given = [(field, text) for field, text in (("email", email), ("phone", phone)) if text]
    if not given:
        raise ConfigurationError("whom? give --email, --phone or both")
    return given
