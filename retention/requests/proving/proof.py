"""The proof that a request was carried out: what is kept for it before, and the search after.

Of an erasure, an objection and a rectification. One pass over every system serves any number of
requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from retention.holds import Person
from retention.installation import Installation
from retention.policy.rights import ended_by_objection
from retention.requests.book import casebook, objected
from retention.requests.doing import theirs
from retention.requests.model import Asked, Kind, RequestId
from retention.requests.proving import corrections
from retention.requests.proving.archived import places_of
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

    And what the archive has under their keys, but not under ``tokens``: it is a former holder's.
    A key that is somebody else's by now is not looked for.

    Raises:
        SourceError: a system cannot be reached. StoreError: the archive cannot be unsealed.
    """
    if kind is Kind.rectification:
        corrections.remember(installation, request_id, asked, persons, tokens)
    by_value = kind in (Kind.erasure, Kind.objection)
    if by_value and casebook.sought(installation, request_id) is None:
        sought = gather_sought(installation, persons, tokens, asked)
        others = set(casebook.tokens(installation, request_id)) - set(tokens)
        given_again = set(theirs.given_again(installation, sought["keys"], persons))
        sought["keys"] = [item for item in sought["keys"] if _place(item) not in given_again]
        sought["former"] = [list(place) for place in places_of(installation, others)]
        casebook.keep_sought(installation, request_id, sought)


def _place(item: Sequence[Any]) -> tuple[str, tuple[str, ...]]:
    return str(item[0]), tuple(item[1])


def prove(
    installation: Installation,
    request_ids: Sequence[RequestId],
    progress: Progress = lambda _: None,
    *,
    as_of: date,
) -> dict[RequestId, list[Trace]]:
    """What is left of the persons that the outcomes of their requests do not explain.

    Every request is in the answer, with nothing where all is as it was told. ``progress`` is told
    the name of each table before it is read; ``as_of`` is the day of the run.

    Raises:
        SourceError: a system cannot be reached or read, so nothing would be proved.
        StoreError: nor can a store, or the file of a release.
    """
    found: dict[RequestId, list[Trace]] = {number: [] for number in request_ids}
    cases = {number: case for number in request_ids if (case := _case(installation, number, as_of))}
    if not cases:
        return found
    for number, traces in zip(
        cases, rescan_many(installation, list(cases.values()), progress), strict=True
    ):
        seen = casebook.not_theirs(installation, number)
        found[number] = [
            trace
            for trace in traces
            if not (trace.explained or (trace.may_be_anothers and trace.place in seen))
        ]
        if cases[number].corrected is not None and not found[number]:
            corrections.tell(installation, number, cases[number], traces)
    return found


def _case(installation: Installation, number: RequestId, as_of: date) -> Case | None:
    request = casebook.get(installation, number)
    kind = request.kind
    if kind is Kind.rectification:
        return corrections.case_of(installation, number)
    sought = casebook.sought(installation, number)
    if kind not in (Kind.erasure, Kind.objection) or sought is None:
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
        opposed_on=as_of if kind is Kind.objection else None,
        ended=ended_by_objection(
            installation.policy.version_on(as_of).purposes, objected.named(installation, request)
        ),
    )


def said(traces: Sequence[Trace]) -> str:
    """Where something was found, and of which kind; never what."""
    return ", ".join(sorted({f"{trace.place} ({trace.what})" for trace in traces}))
