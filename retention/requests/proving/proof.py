"""The proof that a request was carried out: what is kept for it before, and the search after.

Of an erasure only. One pass over every system serves any number of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retention.holds import Person
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.model import Asked, Kind, RequestId
from retention.requests.proving.rescan import Case, Trace, gather_sought, rescan_many

Progress = Callable[[str], None]


def remember(
    installation: Installation,
    request_id: RequestId,
    kind: Kind,
    asked: Asked,
    persons: Sequence[Person],
    tokens: Sequence[str],
) -> None:
    """Keep, sealed, what the person can be recognised by: before anything is touched, and once.

    Raises:
        SourceError: a system cannot be reached. StoreError: the archive cannot be unsealed.
    """
    by_value = kind in (Kind.erasure, Kind.objection)
    if by_value and casebook.sought(installation, request_id) is None:
        casebook.keep_sought(
            installation, request_id, gather_sought(installation, persons, tokens, asked)
        )


def prove(
    installation: Installation,
    request_ids: Sequence[RequestId],
    progress: Progress = lambda _: None,
) -> dict[RequestId, list[Trace]]:
    """What is left of the persons that the outcomes of their requests do not explain.

    Every request is in the answer, with nothing where all is as it was told. ``progress`` is told
    the name of each table before it is read.

    Raises:
        SourceError: a system cannot be reached or read, so nothing would be proved.
        StoreError: nor can a store, or the file of a release.
    """
    found: dict[RequestId, list[Trace]] = {number: [] for number in request_ids}
    cases = {number: case for number in request_ids if (case := _case(installation, number))}
    if not cases:
        return found
    for number, traces in zip(
        cases, rescan_many(installation, list(cases.values()), progress), strict=True
    ):
        found[number] = [trace for trace in traces if not trace.explained]
    return found


def _case(installation: Installation, number: RequestId) -> Case | None:
    sought = casebook.sought(installation, number)
    if casebook.get(installation, number).kind is not Kind.erasure or sought is None:
        return None
    return Case(
        sought,
        casebook.outcomes(installation, number),
        casebook.tokens(installation, number),
        not_theirs=[
            subject.token
            for subject in casebook.subjects(installation, number)
            if subject.chosen is False
        ],
    )


def said(traces: Sequence[Trace]) -> str:
    """Where something was found, and of which kind; never what."""
    return ", ".join(sorted({f"{trace.place} ({trace.what})" for trace in traces}))
