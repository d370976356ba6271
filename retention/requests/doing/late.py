"""Rows that were written into logs after a person's records had been looked for.

A log grows while a request waits, and while it is carried out. What a link says is the person's
is theirs too, and would be in the way of the proof that nothing of them is left.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.holds import subject_token
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.about import known_of
from retention.requests.finding.identity import logged
from retention.requests.finding.linking import log_links
from retention.requests.model import Kind, Request


def take_in(installation: Installation, request: Request, now: datetime) -> None:
    """Before an attempt: add the rows of logs that links lead to from the chosen records.

    From records that an earlier attempt has taken out: by their keys, and by what was sealed of
    them before. Nobody else is added.

    Raises:
        SourceError: a system cannot be reached. RequestError: whose a record is cannot be told
            any more, or the rows are far too many.
    """
    number = request.request_id
    if request.asked is None or not log_links(installation):
        return
    known = known_of(installation, number)
    if known.nobody:
        return
    with_key = {item.token for item in casebook.subjects(installation, number) if item.key}
    tokens = {subject_token(installation.keyring, *person) for person in known.persons}
    tokens |= set(known.tokens) - with_key
    before: dict[tuple[TableName, str], set[object]] = defaultdict(set)
    for _, value, place in (casebook.sought(installation, number) or {}).get("values", ()):
        table, _, column = place.removeprefix("archive:").rpartition(".")
        before[TableName(table), column].add(value)
    try:
        found = logged(installation, request.asked, known.persons, tokens, before)
    except SourceError:
        if request.kind is Kind.restriction:  # what is within reach is to be restricted now
            return
        raise
    if found:
        casebook.add_rows(installation, number, found, now)
