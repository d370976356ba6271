"""Rectification of what is archived: corrected where it lies, under holds, and after a crash."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.execution import correcting
from retention.requests.book import casebook
from retention.requests.copies import access
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, RequestError, State
from retention.stores import archive
from tests.engine.asking import ask, customer, done, lifted, said
from tests.engine.lives import (
    ACTIVE,
    ARCHIVE,
    AS_OF,
    BARE,
    OUTLIVED,
)
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import fetch, ledger_rows, state_of_stores
from tests.engine.test_requests_crash import (
    EVERY,
    carried_out,
    installed,
    stop_everywhere,
)
from tests.engine.test_requests_rectification import (
    EMAIL,
    NAME,
    NEW,
    OLD,
    _part,
    found_by,
    in_order,
    records_of,
    rectify,
)
from tests.engine.test_requests_together import again, released, under_hold


def test_who_is_only_in_the_archive_is_corrected_there_and_found_by_the_right_value(
    either: Small,
) -> None:
    either.run()
    before = in_order(either.archived())
    with either.opened() as installation:
        stored = fetch(installation.stores.archive, archive.records)
        units = fetch(installation.stores.archive, archive.units)
        old = found_by(installation, OLD)
        request = rectify(installation, [], {EMAIL: NEW}, archived=(customer(ARCHIVE),))
        assert request.state is State.answered
        outcomes = said(installation, request)
        # An invoice outlives its owner: it carries the owner's values along.
        assert outcomes == {("crm.customers", "", "corrected"): (2, None, None)}
        assert ledger_rows(installation, "rectify", "archive") == 2
        token = casebook.tokens(installation, request.request_id)[0]
        assert token in found_by(installation, NEW)
        assert token in old
        assert token not in found_by(installation, OLD)
        copy = access.gather(installation, [], [token], AS_OF)
        assert NEW in repr(copy)
        assert OLD not in repr(copy)
        unchanged = ("incarnation", "unit_id", "facts", "row_digest", "chunk_id", "settled")
        after = fetch(installation.stores.archive, archive.records)
        assert _part(after, unchanged) == _part(stored, unchanged)
        assert fetch(installation.stores.archive, archive.units) == units
        assert state_of_stores(installation)["ledger problem"] is None
    for item in before:
        if item["values"].get("customer_id") == ARCHIVE:
            names = {"crm.customers": "email", "crm.invoices": "owner.email"}
            if name := names.get(item["table"]):
                assert item["values"][name] == OLD
                item["values"][name] = NEW
    assert in_order(either.archived()) == in_order(before)


def test_a_corrected_archive_expires_as_it_would_have(small: Small) -> None:
    small.run()
    with small.opened() as installation:
        rectify(installation, [], {EMAIL: NEW}, archived=(customer(ARCHIVE),))
    small.run(AS_OF + timedelta(days=366 * 20), start=START + LONG_AFTER)
    assert records_of(small, ARCHIVE) == []
    with small.opened() as installation:
        assert found_by(installation, NEW) == set()


def test_the_second_time_there_is_nothing_to_do(small: Small) -> None:
    small.run()
    with small.opened() as installation:
        for later in (1, 3):
            request = rectify(
                installation, [], {EMAIL: NEW}, archived=(customer(ARCHIVE),), later=later
            )
            assert request.state is State.answered
        assert ledger_rows(installation, "rectify", "archive") == 2
        assert {outcome for *_, outcome in said(installation, request)} <= {"kept"}


def test_an_archived_invoice_stays_as_issued_but_not_whose_it_is(small: Small) -> None:
    small.run()
    with small.opened() as installation:
        request = rectify(installation, [], {NAME: "Person Right"}, archived=(customer(OUTLIVED),))
        outcomes = said(installation, request)
    assert outcomes["crm.invoices", "", "kept"] == (1, None, "evidence")
    assert outcomes["crm.customers", "", "corrected"] == (1, None, None)
    (invoice,) = records_of(small, OUTLIVED)
    assert invoice["values"]["billed_to"] == f"Person {OUTLIVED}"
    assert invoice["values"]["owner.name"] == "Person Right"


def test_of_archived_rows_that_follow_only_what_is_theirs_is_corrected(small: Small) -> None:
    """A note holds an address: the person's own in one, somebody else's in another."""
    notes = small.catalogue["systems"]["crm"]["tables"]["notes"]["columns"]
    notes["body"] = {"category": EMAIL, "identifies": True}
    small.write_documents()
    small.update("crm.notes", {"note_id": 2}, body=OLD.upper())
    small.update("crm.notes", {"note_id": 3}, body="colleague@example.org")
    small.run()
    with small.opened() as installation:
        request = rectify(installation, [], {EMAIL: NEW}, archived=(customer(ARCHIVE),))
        assert said(installation, request)["crm.notes", "", "corrected"][0] == 1
    bodies = {
        item["values"]["note_id"]: item["values"]["body"]
        for item in small.archived()
        if item["table"] == "crm.notes"
    }
    assert (bodies[2], bodies[3]) == (NEW, "colleague@example.org")


def test_an_archived_text_that_quotes_the_old_value_is_told(small: Small) -> None:
    small.update("crm.notes", {"note_id": 2}, body=f"write to {OLD}, please")
    small.run()
    before = [item for item in small.archived() if item["table"] == "crm.notes"]
    with small.opened() as installation:
        request = rectify(installation, [], {EMAIL: NEW}, archived=(customer(ARCHIVE),))
        assert said(installation, request)["crm.notes", "", "kept"] == (1, None, "quoted")
    assert [item for item in small.archived() if item["table"] == "crm.notes"] == before


def test_a_hold_keeps_the_archive_as_it_is_until_it_ends(small: Small) -> None:
    small.run()
    before = small.archived()
    with small.opened() as installation:
        request = ask(
            installation, Kind.rectification, [], archived=(customer(ARCHIVE),),
            corrections={EMAIL: NEW},
        )  # fmt: skip
        hold = under_hold(installation, ARCHIVE)
        done(installation, request)
        assert said(installation, request)["crm.customers", "", "held"][2] == "legal_hold"
        assert small.archived() == before
        released(installation, hold)
        assert take_up(installation, START) == [request.request_id]
        again(installation, request, 3)
        assert said(installation, request)["crm.customers", "", "corrected"][0] == 2
    values = [item["values"] for item in records_of(small, ARCHIVE)]
    assert NEW in repr(values)
    assert OLD not in repr(values)


def test_a_restriction_gives_back_exactly_what_was_there_and_then_it_is_corrected(
    small: Small,
) -> None:
    before = small.everything()
    with small.opened() as installation:
        restriction = done(installation, ask(installation, Kind.restriction, [customer(ACTIVE)]))
        sealed = small.archived()
        request = rectify(installation, [customer(ACTIVE)], {EMAIL: NEW}, later=2)
        assert small.archived() == sealed
        lifted(installation, restriction)
        assert small.everything() == before
        again(installation, request, 7)
    mine = next(row for row in small.rows("crm.customers") if row["customer_id"] == ACTIVE)
    assert mine["email"] == NEW


def test_the_archive_of_others_who_share_the_value_is_left_alone(small: Small) -> None:
    small.update("crm.customers", {"customer_id": OUTLIVED}, email=OLD)
    small.run()
    others = [item for item in small.archived() if item["values"].get("customer_id") != ARCHIVE]
    with small.opened() as installation:
        request = rectify(installation, [], {EMAIL: NEW}, archived=(customer(ARCHIVE),))
        assert request.state is State.answered
    left = [item for item in small.archived() if item["values"].get("customer_id") != ARCHIVE]
    assert left == others


def test_a_second_attempt_still_knows_what_was_wrong(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has corrected the person's own row, and broke off before the archive."""
    small.run()
    small.insert(
        "crm.customers",
        {"customer_id": 77, "name": "Person 3", "email": OLD, "collected_on": date(2026, 1, 1)},
    )
    with small.opened() as installation:
        request = ask(
            installation, Kind.rectification, [customer(77)], archived=(customer(ARCHIVE),),
            corrections={EMAIL: NEW},
        )  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(
                "retention.requests.doing.attempting.correct_archived",
                lambda *_: (_ for _ in ()).throw(RequestError("no power")),
            )
            with pytest.raises(RequestError, match="no power"):
                done(installation, request)
        casebook.retry(installation, request.request_id, by="dpo", reason="on", now=START)
        request = again(installation, request, 3)
        assert request.state is State.answered
        assert said(installation, request)["crm.customers", "", "corrected"][0] == 3
    assert OLD not in repr(records_of(small, ARCHIVE))


@pytest.mark.slow
def test_a_correction_of_the_archive_that_is_stopped_at_any_commit(tmp_path: Path) -> None:
    start = installed(tmp_path / "start")
    with start.reopened() as installation:
        request_id = ask(
            installation, Kind.rectification, [customer(BARE)], archived=(customer(ARCHIVE),),
            corrections={NAME: "Right Name", EMAIL: NEW}, now=clock(START - LONG_AFTER),
        ).request_id  # fmt: skip
    wanted = stop_everywhere(start, request_id, carried_out, tmp_path, every=EVERY)
    assert wanted["request"][0] is State.answered
    assert wanted["ledger"]["archive", "rectify", "rows"] == 2
    assert OLD not in repr(wanted["archive"])


def test_the_daily_run_finishes_what_was_begun_in_the_vault_and_enters_it_once(
    either: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next, the vault is never left ahead of the archive."""
    either.run()
    with either.opened() as installation:
        request = ask(
            installation, Kind.rectification, [], archived=(customer(ARCHIVE),),
            corrections={EMAIL: NEW},
        )  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(correcting, "_replace_fingerprints", _no_power)
            with pytest.raises(SystemError):
                done(installation, request)
        assert NEW in repr(records_of(either, ARCHIVE))  # in the vault, and there only
        assert found_by(installation, NEW) == set()
        assert ledger_rows(installation, "rectify", "archive") == 0
    either.run(start=START + LONG_AFTER)
    with either.opened() as installation:
        assert ledger_rows(installation, "rectify", "archive") == 2
        assert len(found_by(installation, NEW)) == 1
        assert OLD not in repr(records_of(either, ARCHIVE))
        casebook.retry(installation, request.request_id, by="dpo", reason="on", now=START)
        request = again(installation, request, 30)
        assert request.state is State.answered
        assert ledger_rows(installation, "rectify", "archive") == 2
        assert said(installation, request)["crm.customers", "", "corrected"][0] == 2


def test_what_was_meant_and_not_begun_is_decided_on_anew(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold that came in between keeps the record as it was."""
    small.run()
    before = small.archived()
    with small.opened() as installation:
        request = ask(
            installation, Kind.rectification, [], archived=(customer(ARCHIVE),),
            corrections={EMAIL: NEW},
        )  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(correcting, "_correct", _no_power)
            with pytest.raises(SystemError):
                done(installation, request)
        under_hold(installation, ARCHIVE)
    small.run(start=START + LONG_AFTER)
    assert small.archived() == before
    with small.opened() as installation:
        assert ledger_rows(installation, "rectify", "archive") == 0
        casebook.retry(installation, request.request_id, by="dpo", reason="on", now=START)
        again(installation, request, 30)
        assert said(installation, request)["crm.customers", "", "held"][0] == 2
    assert small.archived() == before


def _no_power(*_: Any) -> None:
    raise SystemError
