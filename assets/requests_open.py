"""The requests in which something is left to do: how many days are left, what each waits for.

Shown by the daily run, and by a sensor as soon as anything changes. Opaque ids, kinds, states
and days only: whose requests they are is asked with ``retention request show``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from assets import metadata, naming
from assets.door import Door, safe_errors
from retention.installation import Installation
from retention.requests.book.deadlines import SOON_DAYS, URGENT_DAYS
from retention.requests.book.overview import Line, Overview, overview

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

_ABOUT = {
    naming.ANSWERED_IN_TIME: (
        f"No open request is late. A warning from {SOON_DAYS} days before the last day, which "
        f"tells those apart of which {URGENT_DAYS} days are left; an error once the day has passed "
        "(GDPR, art. 12(3))."
    ),
    naming.NONE_HAS_FAILED: (
        "No request stands still because carrying it out has failed. It is not tried again by "
        "itself: see to the cause, then 'retention request retry'."
    ),
    naming.RECIPIENTS_ARE_TOLD: (
        "Whoever received the data of an answered request was told (GDPR, art. 19). A warning "
        "while a notice waits ('retention outbox list'), an error once the answer was due."
    ),
    naming.LETTERS_ARE_SENT: (
        "Of every answered or refused request the letter is marked as sent ('retention request "
        "sent'). A warning while one is not, an error once the answer was due (GDPR, art. 12(3)). "
        "Who asked is forgotten when it is marked, or as long afterwards as a package is kept."
    ),
}
_COLUMNS = ("request", "days left", "waits for", "kind", "state", "due", "received")
"""The narrow page cuts off what stands last."""

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


def open_requests_assets() -> list[dg.AssetsDefinition]:
    """``requests/open``."""

    @dg.asset(
        key=naming.OPEN_REQUESTS,
        group_name=naming.REQUESTS,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "Requests of data subjects that are open, or of which a recipient has not been told or "
            "the letter is not marked as sent, the most urgent first, by opaque id. 'retention "
            "request show ID' says more, to restricted eyes. (Demandes en cours.)"
        ),
        check_specs=[
            dg.AssetCheckSpec(name, asset=naming.OPEN_REQUESTS, description=about)
            for name, about in _ABOUT.items()
        ],
    )
    def open_requests(retention: dg.ResourceParam[Door]) -> dg.MaterializeResult:
        with safe_errors():
            retention.announce("requests", "", 0)
            found = overview(retention.installation(), retention.day())
            return dg.MaterializeResult(metadata=_shown(found), check_results=_checks(found))

    return [open_requests]


@dataclass(frozen=True)
class Look:
    """The requests as they stand, for a sensor that reports them without a run."""

    digest: str
    """Equal where there is nothing new to report."""
    said: str
    """In one line."""
    events: Sequence[Event]


def look(installation: Installation, day: date) -> Look:
    """What ``requests/open`` would say on ``day``.

    Raises:
        StoreError: the cases store cannot be read.
    """
    found = overview(installation, day)
    shown = dg.AssetMaterialization(naming.OPEN_REQUESTS, metadata=_shown(found))
    checks = [
        dg.AssetCheckEvaluation(
            asset_key=naming.OPEN_REQUESTS,
            check_name=str(check.check_name),
            passed=check.passed,
            severity=check.severity,
            description=check.description,
            metadata=check.metadata,
        )
        for check in _checks(found)
    ]
    return Look(found.digest(), _in_time_said(found), [shown, *checks])


def _shown(found: Overview) -> metadata.Metadata:
    lines = [_row(line) for line in found.lines]
    return {
        "as_of": found.as_of.isoformat(),
        "requests": metadata.table(lines, _COLUMNS),
        "open": len(found.open),
        "late": len(found.among("late")),
        "due_in_3_days": len(found.among("urgent")),
        "due_in_10_days": len(found.among("urgent", "soon")),
        "in_doubt": found.where(lambda request: request.paused_on),
        "failed": found.where(lambda request: request.failure),
        "recipients_not_told": len(found.untold),
        "letters_not_sent": len(found.to_send),
    }


def _row(line: Line) -> dict[str, str | int]:
    request = line.request
    cells: list[str | int] = [
        line.name,
        line.days_left,
        line.waits_for,
        str(request.kind),
        str(request.state),
        _unbroken(line.due_on),
        _unbroken(request.received_on),
    ]
    return dict(zip(_COLUMNS, cells, strict=True))


def _unbroken(day: date) -> str:
    """A date that no narrow column breaks in two."""
    return day.isoformat().replace("-", "\u2011")


def _checks(found: Overview) -> list[dg.AssetCheckResult]:
    late, near = found.among("late"), found.among("urgent", "soon")
    failed = [line for line in found.open if line.request.failure]
    overdue = [line for line in found.untold if line.urgency == "late"]
    # Of a lifting the person was told before; its letter is due on no day.
    unwritten = [line for line in found.to_send if line.urgency == "late" and not line.lifted]
    return [
        _check(
            naming.ANSWERED_IN_TIME,
            [*late, *near],
            _ERROR if late else _WARN,
            _in_time_said(found),
        ),
        _check(
            naming.NONE_HAS_FAILED,
            failed,
            _ERROR,
            "; ".join(f"{line.name}: {line.request.failure}" for line in failed),
        ),
        _check(
            naming.RECIPIENTS_ARE_TOLD,
            found.untold,
            _ERROR if overdue else _WARN,
            "; ".join(f"{line.name}: {line.unsent} notice(s) to send" for line in found.untold),
        ),
        _check(
            naming.LETTERS_ARE_SENT,
            found.to_send,
            _ERROR if unwritten else _WARN,
            "; ".join(f"{line.name}: {line.letter.waits}" for line in found.to_send if line.letter),
        ),
    ]


def _check(
    name: str, faults: Sequence[Line], severity: dg.AssetCheckSeverity, why: str
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=naming.OPEN_REQUESTS,
        check_name=name,
        passed=not faults,
        severity=severity,
        description=why if faults else None,
        metadata={"requests": len(faults)},
    )


def _in_time_said(found: Overview) -> str:
    """``2 open; 1 late (0123456789ab, 4 days); …``: the urgent ones by name."""
    parts = [f"{len(found.open)} open"]
    for urgency, words in (
        ("late", "LATE"),
        ("urgent", f"due within {URGENT_DAYS} days"),
        ("soon", f"due within {SOON_DAYS} days"),
    ):
        lines = [line for line in found.open if line.urgency == urgency]
        if lines:
            named = ", ".join(f"{line.name} on {line.due_on}" for line in lines)
            parts.append(f"{len(lines)} {words}: {named}")
    return "; ".join(parts)
