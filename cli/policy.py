"""``retention policy``: the policy table as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.decide import policy_file
from cli.door import door, utc_now
from cli.options import AsOf, Config, Json
from cli.output import prose, say, show_table, write_json

if TYPE_CHECKING:
    from retention.policy.table import Policy, Purpose, Rule, Term

app = typer.Typer(no_args_is_help=True, help="The policy table: how long, why, and by which line.")


@app.command()
def show(
    ctx: typer.Context,
    *,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The policy table; by default the installation's, else CALLIMEDIA's own.",
        ),
    ] = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show durations, clocks, basis and citations, and what the DPO still has to confirm."""
    from retention.policy.calendar import zone
    from retention.policy.table import read_policy

    read = read_policy(policy_file(door(ctx, config), policy))
    day = as_of or utc_now().astimezone(zone(read.time_zone)).date()
    version = read.version_on(day)
    if as_json:
        write_json(
            {
                "policy": read.policy,
                "controller": read.controller,
                "source": read.source,
                "time_zone": read.time_zone,
                "financial_year_end": read.financial_year_end,
                "digest": read.digest(day),
                **version.model_dump(mode="json"),
                "uncovered": {k: v.model_dump(mode="json") for k, v in read.uncovered.items()},
                "requests": read.requests.model_dump(mode="json"),
                "to_confirm": dict(_to_confirm(read, version.purposes)),
            }
        )
        return
    say(f"{read.policy}: {read.source}", f"{read.controller}")
    say(f"in force from {version.effective_from}, time zone {read.time_zone}")
    _show(read, version.purposes)


def _show(read: Policy, purposes: dict[str, Purpose]) -> None:
    rows: list[tuple[object, ...]] = []
    for name, purpose in purposes.items():
        labels = f"{purpose.label} / {purpose.label_fr}"
        if purpose.anonymous_only:
            rows.append((name, labels, "–", "no limit", "anonymous output only", "notice"))
        for phase, rule in (("active", purpose.active), ("archive", purpose.archive)):
            if rule is not None:
                new = not rows or rows[-1][0] != name
                rows.append(
                    (name, labels if new else "", phase, rule.lasts, _clock(rule), rule.basis)
                )
    shown = [
        ("" if i and rows[i - 1][0] == row[0] else row[0], *row[1:]) for i, row in enumerate(rows)
    ]
    columns = ["purpose", "label / libellé", "phase", "lasts", "counted from", "basis"]
    show_table("Durations", columns, shown, fixed=("phase", "lasts"))
    kept = [(label, term.lasts, term.basis) for _, label, term in _request_terms(read)]
    columns = ["what requests leave behind", "lasts", "basis"]
    show_table("Data subjects' requests", columns, kept, fixed=("lasts",))
    say("Citations")
    prose(*_citations(purposes))
    prose(*(f"  {place}: {term.citation}" for place, _, term in _request_terms(read)))
    if read.uncovered:
        say("", "Data for which the policy has no duration: rows that hold them go to review")
        prose(
            *(
                f"  {item.label} / {item.label_fr}: {item.citation}"
                for item in read.uncovered.values()
            )
        )
    confirm = list(_to_confirm(read, purposes))
    if confirm:
        say("", "Still to be confirmed")
        prose(*(f"  {place}: {what}" for place, what in confirm))


def _clock(rule: Rule) -> str:
    if rule.from_first:
        text = f"first {rule.from_first}"
        text += f" on or after the latest {rule.since_latest}" if rule.since_latest else ""
    else:
        text = ("latest " if len(rule.from_latest) > 1 else "") + ", ".join(rule.from_latest)
    if getattr(rule, "counted_from", "event") == "end_of_financial_year":
        text += "; from the close of its financial year"
    if getattr(rule, "ended_by", ()):
        text += f"; ended by {', '.join(rule.ended_by)}"  # type: ignore[attr-defined]
    if getattr(rule, "in_place", False):
        text += "; pseudonymised in place"
    return text


def _citations(purposes: dict[str, Purpose]) -> Iterator[str]:
    for name, purpose in purposes.items():
        if purpose.anonymous_only:
            yield f"  {name}: {purpose.anonymous_only}"
        for phase, rule in (("active", purpose.active), ("archive", purpose.archive)):
            if rule is not None:
                yield f"  {name}, {phase}: {rule.citation}"


def _request_terms(policy: Policy) -> Iterator[tuple[str, str, Term]]:
    """Each term's place, what it is about in both languages, and the term."""
    terms = policy.requests
    yield "requests, files", "files of requests / dossiers des demandes", terms.files
    yield "requests, opposition", "opposition list / liste d'opposition", terms.opposition
    yield "requests, packages", "copies for the person / copies remises", terms.packages


def _to_confirm(policy: Policy, purposes: dict[str, Purpose]) -> Iterator[tuple[str, str]]:
    for name, purpose in purposes.items():
        for phase, rule in (("active", purpose.active), ("archive", purpose.archive)):
            if rule is not None and rule.confirm:
                yield f"{name}, {phase}", rule.confirm
    for place, _, term in _request_terms(policy):
        if term.confirm:
            yield place, term.confirm
