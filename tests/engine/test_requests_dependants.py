"""What is said of dependants: each row once, with the day and the reason of what it follows."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from retention import holds
from retention.errors import RetentionError
from retention.requests.answering import outbox
from retention.requests.book import casebook
from retention.requests.doing.lifting import take_up
from retention.requests.model import Kind, Outcome, State
from tests.engine.asking import account, ask, customer, done, lifted, said
from tests.engine.lives import (
    ACTIVE,
    ARCHIVE,
    BY_LOGIN,
    EARLY_INVOICE,
    IN_FORCE,
    IN_REVIEW,
    OF_ARCHIVE,
)
from tests.engine.small import START, Small, clock


def test_what_goes_with_an_erased_customer_is_said_and_counted(either: Small) -> None:
    before = {name: len(rows) for name, rows in either.everything().items()}
    with either.opened() as installation:
        persons = [customer(ARCHIVE), account(OF_ARCHIVE)]
        outcomes = said(installation, done(installation, ask(installation, Kind.erasure, persons)))
    after = {name: len(rows) for name, rows in either.everything().items()}
    until = date(2032, 12, 31)
    wanted = {"crm.contracts": 1, "crm.orders": 2, "crm.notes": 2, "crm.replies": 2}
    for name, rows in wanted.items():
        assert outcomes[name, "", "deleted"] == (rows, None, None), name
        assert before[name] - after[name] == rows, name
    assert outcomes["crm.lines", "", "archived"] == (2, until, "statute")
    assert either.archived_ids("crm.lines").total() == 2


def test_of_two_records_of_a_person_each_takes_its_own_along(either: Small) -> None:
    with either.opened() as installation:
        persons = [customer(ACTIVE), customer(IN_FORCE)]
        outcomes = said(installation, done(installation, ask(installation, Kind.erasure, persons)))
    assert outcomes["crm.orders", "", "deleted"][0] == 1
    assert outcomes["crm.contracts", "", "kept"] == (1, None, "contract_in_force")
    assert ("crm.orders", "", "kept") not in outcomes


def test_a_hold_is_said_of_the_whole_tree_and_then_what_became_of_it(either: Small) -> None:
    with either.opened() as installation:
        hold = holds.add(
            installation, customer(ACTIVE)[0], [str(ACTIVE)], kind="legal_hold",
            reason="a lawsuit", by="dpo", now=START,
        )  # fmt: skip
        request = done(installation, ask(installation, Kind.erasure, [customer(ACTIVE)]))
        held = said(installation, request)
        for name in ("crm.customers", "crm.orders", "crm.notes", "crm.replies", "crm.lines"):
            assert held[name, "", "held"] == (1, None, "legal_hold"), name
        holds.release(installation, hold.hold_id, reason="over", by="dpo", now=START)
        assert take_up(installation, START) == [request.request_id]
        again = done(installation, casebook.get(installation, request.request_id), later=3)
        outcomes = said(installation, again)
    assert outcomes["crm.orders", "", "deleted"] == (1, None, None)
    assert not [key for key in outcomes if key[2] == "held"]


def test_what_a_person_has_to_decide_on_keeps_its_dependants(either: Small) -> None:
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.erasure, [customer(IN_REVIEW)]))
        outcomes = said(installation, request)
        assert request.state is State.answered
    assert outcomes["crm.orders", "", "review"] == (1, None, "undecidable")


def test_a_restriction_and_its_end_are_said_of_every_row(either: Small) -> None:
    before = either.everything()
    with either.opened() as installation:
        request = done(installation, ask(installation, Kind.restriction, [customer(ARCHIVE)]))
        sealed = said(installation, request)
        wanted = {"crm.orders": 2, "crm.notes": 2, "crm.replies": 2, "crm.lines": 2}
        for name, rows in wanted.items():
            assert sealed[name, "", "restricted"] == (rows, None, None), name
        assert Counter(item["table"] for item in either.archived()) == {
            name: rows for (name, _, _), (rows, _, _) in sealed.items()
        }
        back = said(installation, lifted(installation, request))
    assert {(n, o): rows for (n, _, o), (rows, *_) in back.items()} == {
        (n, "restored"): rows for (n, _, _), (rows, *_) in sealed.items()
    }
    assert either.everything() == before


def test_records_in_the_archive_are_told_once_though_they_have_two_purposes(
    either: Small,
) -> None:
    either.run()
    inside = Counter(item["table"] for item in either.archived())
    with either.opened() as installation:
        request = ask(installation, Kind.erasure, [], archived=[customer(ARCHIVE)])
        outcomes = said(installation, done(installation, request))
    for name, rows in {"crm.orders": 2, "crm.notes": 2, "crm.replies": 2}.items():
        assert outcomes[name, "", "deleted"] == (rows, None, None), name
        assert inside[name] >= rows
        assert (name, "contract", "deleted") not in outcomes
    assert outcomes["crm.lines", "", "archived"][0] == 2


def test_an_attempt_that_broke_off_and_the_next_one_are_one_account(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows went in the first attempt, which then failed: the second one does not find them."""

    def fails(*_: object, **__: object) -> None:
        raise RetentionError("a fault")

    with small.opened() as installation:
        asked = ask(installation, Kind.erasure, [customer(EARLY_INVOICE)])
        with monkeypatch.context() as patched:
            patched.setattr("retention.requests.proving.proof.prove", fails)
            with pytest.raises(RetentionError, match="a fault"):
                done(installation, asked)
        first = said(installation, asked)
        number = asked.request_id
        casebook.retry(installation, number, by="dpo", reason="again", now=clock()())
        again = done(installation, casebook.get(installation, number), later=3)
        assert said(installation, again) == first
        notices = outbox.listed(installation)
    assert first["crm.orders", "", "deleted"] == (1, None, None)
    assert first["crm.notes", "", "deleted"] == (1, None, None)
    assert first["crm.lines", "", "archived"][0] == 1
    assert notices == []  # nobody outside has received any


@pytest.mark.parametrize("broke_off", [False, True])
def test_who_received_only_what_went_along_is_told(
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
    broke_off: bool,  # noqa: FBT001 - a case
) -> None:
    def recipient(table: str) -> dict[str, str]:
        return {"label": table, "contact": "privacy@example.org", "tables": table}

    small.catalogue["recipients"] = {
        "carrier": recipient("crm.orders"),
        "lawyer": recipient("crm.contracts"),  # of this customer there is none
    }
    small.write_documents()

    def fails(*_: object, **__: object) -> None:
        raise RetentionError("a fault")

    with small.opened() as installation:
        asked = ask(installation, Kind.erasure, [customer(ACTIVE)])
        if broke_off:
            with monkeypatch.context() as patched:
                patched.setattr("retention.requests.doing.attempting.look_again", fails)
                with pytest.raises(RetentionError, match="a fault"):
                    done(installation, asked)
            assert outbox.listed(installation) == []
            number = asked.request_id
            casebook.retry(installation, number, by="dpo", reason="again", now=clock()())
            asked = casebook.get(installation, number)
        done(installation, asked, later=3)
        assert {(n.recipient, n.tables) for n in outbox.listed(installation)} == {
            ("carrier", ("crm.orders",))
        }


def test_an_objection_says_nothing_of_what_stays_for_another_purpose(either: Small) -> None:
    either.catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    either.write_documents()
    either.update(
        "crm.customers", {"customer_id": BY_LOGIN}, opted="yes", collected_on=date(2026, 5, 5)
    )
    with either.opened() as installation:
        request = done(
            installation,
            ask(installation, Kind.objection, [customer(BY_LOGIN)], email="anna@example.org"),
        )
        assert set(said(installation, request)) == {("crm.customers", "prospecting", "corrected")}


def test_an_objection_that_sends_a_customer_to_the_archive_says_so(either: Small) -> None:
    """Only the consent kept the record in use: what else it is held for is in its archive phase."""
    either.catalogue["systems"]["crm"]["tables"]["customers"]["on_objection"] = {"opted": "no"}
    either.write_documents()
    either.update(
        "crm.customers", {"customer_id": ARCHIVE}, opted="yes", collected_on=date(2026, 5, 5)
    )
    with either.opened() as installation:
        request = done(
            installation,
            ask(installation, Kind.objection, [customer(ARCHIVE)], email="person3@example.org"),
        )
        assert request.state is State.answered
        outcomes = said(installation, request)
    until = date(2027, 5, 10)
    assert outcomes["crm.customers", "prospecting", "deleted"][0] == 1
    assert outcomes["crm.customers", "contract", "archived"] == (1, until, "other_purpose")
    assert outcomes["crm.orders", "", "archived"] == (2, until, "other_purpose")
    assert ARCHIVE not in either.ids("crm.customers")
    assert either.archived_ids("crm.orders") == Counter({2: 1, 3: 1})
    assert Outcome.held not in {outcome for *_, outcome in outcomes}
