"""Tables that are gone, and are declared no longer: what the archive keeps of them obeys requests."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from retention.requests.answering.letters import letter
from retention.requests.book import casebook
from retention.requests.copies import access
from retention.requests.model import Kind, State
from tests.engine.asking import ask, customer, done, match, said
from tests.engine.lives import ARCHIVE, AS_OF
from tests.engine.small import Small


def without_notes(small: Small) -> None:
    """The application keeps no notes any more: the tables are dropped, and declared no longer."""
    declared = small.catalogue["systems"]["crm"]["tables"]
    with small.source("crm") as connection:
        for name in ("replies", "notes"):
            del declared[name]
            connection.execute(sa.text(f"DROP TABLE {name}"))
    declared["customers"]["events"] = {
        kind: source
        for kind, source in declared["customers"]["events"].items()
        if "notes" not in repr(source)
    }
    small.write_documents()


@pytest.mark.parametrize(
    "kind", [Kind.erasure, Kind.rectification, Kind.restriction, Kind.objection]
)
def test_what_the_archive_keeps_of_a_table_that_is_gone_obeys_requests(
    small: Small, kind: Kind
) -> None:
    small.run()
    kept = {item["table"] for item in small.archived()}
    assert "crm.notes" in kept
    without_notes(small)
    persons = [customer(ARCHIVE)]
    with small.opened() as installation:
        tokens = [match(installation, person).token for person in persons]
        found = access.gather(installation, (), tokens, AS_OF)
        assert "crm.notes" in {str(name) for name in found.rows}
        corrections = {"user.contact.email": "right@example.org"}
        request = ask(
            installation, kind, [], archived=persons,
            corrections=corrections if kind is Kind.rectification else None,
        )  # fmt: skip
        request = done(installation, request)
        assert request.state is State.answered
        outcomes = said(installation, request)
        if kind is Kind.erasure:
            assert any(table == "crm.notes" for table, _, _ in outcomes)
            assert "crm.notes" not in {item["table"] for item in small.archived()}
        lines = casebook.outcomes(installation, request.request_id)
        for lang in ("en", "fr"):
            assert letter(request, lines, installation, lang=lang, as_of=AS_OF)
