"""Of which tables recipients have to be told once a request is carried out (GDPR art. 19)."""

from __future__ import annotations

from collections.abc import Sequence

from retention.catalogue.model import TableName
from retention.installation import Installation
from retention.requests.answering.telling import FINAL
from retention.requests.book import casebook
from retention.requests.doing.planning import RequestPlan
from retention.requests.model import Kind, Outcome, OutcomeLine, Request

_STARTS = ("taken up", "retried", "put back")
"""The changes by which another attempt begins."""


def untold(
    installation: Installation, request: Request, lines: Sequence[OutcomeLine], new: RequestPlan
) -> set[TableName]:
    """The tables of which rows were changed, dependants included, since recipients were told.

    ``lines`` are the outcomes of all attempts, ``new`` is what this one planned. A request that
    was answered before has told all it had to; an attempt that broke off may not have. Rows that
    stay after an objection are changed too: they may not be used for its purposes any more.
    """
    changes = casebook.changes(installation, request.request_id)
    starts = [change.what for change in changes if change.what in _STARTS]
    broke_off = bool(starts) and starts[-1] != "taken up"
    said = new.outcomes if starts and not broke_off else lines
    changed = FINAL | ({Outcome.kept} if request.kind is Kind.objection else set())
    return {TableName(i.table) for i in said if i.outcome in changed and i.rows and i.table}
