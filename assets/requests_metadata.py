"""What came of a batch of requests, as Dagster shows it: opaque ids, states, counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from assets import metadata
from retention.installation import Installation
from retention.requests.answering import outbox
from retention.requests.book import casebook
from retention.requests.model import BECAUSE, OutcomeLine, Request, State

_REQUESTS = ("request", "kind", "what came of it", "rows", "answer due", "attempt")
"""The narrow page cuts off what stands last."""
_OUTCOMES = ("table", "purpose", "outcome", "rows", "requests", "until", "because")
_SHORT = 12


@dataclass(frozen=True)
class Came:
    """A request of a batch, and what came of it in words that are safe to show."""

    request: Request
    said: str


def batch_metadata(
    installation: Installation, came: Sequence[Came], day: date
) -> metadata.Metadata:
    """A line a request, and what became of the data of those that were answered.

    ``rows`` of a request: by outcome, each row once, though several purposes may speak of it.
    """
    answered = [item.request for item in came if item.request.state is State.answered]
    lines = {item.request_id: casebook.outcomes(installation, item.request_id) for item in answered}
    return {
        "as_of": day.isoformat(),
        "answered": sum(item.said == State.answered for item in came),
        "failed": sum(item.request.failure is not None for item in came),
        "requests": metadata.table(
            [_line(item, lines.get(item.request.request_id, ())) for item in came], _REQUESTS
        ),
        "outcomes": metadata.table(_outcomes(installation, lines.values(), day), _OUTCOMES),
        "recipients_to_be_told": sum(
            outbox.unsent(installation, item.request_id) for item in answered
        ),
    }


def _line(came: Came, lines: Sequence[OutcomeLine]) -> dict[str, str | int]:
    request = came.request
    return {
        "request": request.request_id[:_SHORT],
        "kind": str(request.kind),
        "what came of it": came.said,
        "rows": _rows(lines),
        "answer due": request.due_on.isoformat(),
        "attempt": request.attempt,
    }


def _rows(lines: Sequence[OutcomeLine]) -> str:
    """``12 deleted, 3 archived``: of several purposes' lines about a table the largest counts."""
    by_table: dict[tuple[str, str], int] = {}
    for line in lines:
        place = (line.table, str(line.outcome))
        by_table[place] = max(by_table.get(place, 0), line.rows)
    rows: Counter[str] = Counter()
    for (_, outcome), count in by_table.items():
        rows[outcome] += count
    return ", ".join(f"{count} {outcome}" for outcome, count in rows.items())


def _outcomes(
    installation: Installation, of_each: Iterable[Sequence[OutcomeLine]], day: date
) -> list[dict[str, str | int]]:
    """The lines of all requests together: rows and requests summed where they say the same."""
    known = installation.policy.version_on(day).purposes
    rows: Counter[tuple[str, ...]] = Counter()
    requests: Counter[tuple[str, ...]] = Counter()
    for lines in of_each:
        places = [
            (
                line.table,
                known[line.purpose].label if line.purpose in known else line.purpose,
                str(line.outcome),
                line.until.isoformat() if line.until else "",
                BECAUSE.get(line.because or "", line.because or ""),
            )
            for line in lines
        ]
        for place, line in zip(places, lines, strict=True):
            rows[place] += line.rows
        requests.update(set(places))
    return [
        {
            "table": place[0],
            "purpose": place[1],
            "outcome": place[2],
            "rows": rows[place],
            "requests": requests[place],
            "until": place[3],
            "because": place[4],
        }
        for place in sorted(rows)
    ]
