"""Rectification wherever a value is held: columns of every system, the archive, quoting texts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention.execution import correcting
from retention.installation import Installation
from retention.requests.answering.letters import letter
from retention.requests.book import casebook
from retention.requests.copies import access
from retention.requests.doing import opposition
from retention.requests.doing.fitting import refuse_broken_links
from retention.requests.doing.lifting import take_up
from retention.requests.doing.right_values import FIRST, LAST, PHONE, RightValues
from retention.requests.finding import identity
from retention.requests.model import Asked, Kind, Request, RequestError, State
from retention.stores import archive, control
from tests.engine.asking import account, ask, customer, done, lifted, said
from tests.engine.lives import (
    ACTIVE,
    ANNA,
    ARCHIVE,
    AS_OF,
    BARE,
    BY_LOGIN,
    IN_FORCE,
    LONG_GONE,
    OUTLIVED,
)
from tests.engine.small import LONG_AFTER, START, Small, clock
from tests.engine.stored import fetch, ledger_rows, state_of_stores
from tests.engine.test_requests_changes import opposing
from tests.engine.test_requests_crash import (
    EVERY,
    carried_out,
    installed,
    stop_everywhere,
)
from tests.engine.test_requests_together import again, released, under_hold

EMAIL, NAME, LOGIN = "user.contact.email", "user.name", "user.account.username"
OLD = f"person{ARCHIVE}@example.org"
NEW = "right@example.org"


def rectify(
    installation: Installation,
    persons: list[Any],
    corrections: Mapping[str, str],
    *,
    archived: tuple[Any, ...] = (),
    later: int = 1,
) -> Request:
    request = ask(
        installation, Kind.rectification, persons, archived=archived, corrections=corrections
    )
    return done(installation, request, later=later)


def _part(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    return sorted(repr([row[name] for name in names]) for row in rows)


def in_order(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=repr)


def records_of(small: Small, number: int) -> list[dict[str, Any]]:
    return [item for item in small.archived() if item["values"].get("customer_id") == number]


def found_by(installation: Installation, email: str) -> set[str]:
    return {match.token for match in identity.resolve(installation, Asked(email=email))}


# --- the archive -----------------------------------------------------------------------


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


# --- names -----------------------------------------------------------------------------


def with_columns(small: Small, **kinds: str) -> Small:
    """Accounts with further columns: a name and its type, each a user name."""
    accounts = small.catalogue["systems"]["web"]["tables"]["accounts"]
    for name, kind in kinds.items():
        with small.source("web") as connection:
            place = "web.accounts" if small.server else "accounts"
            connection.execute(sa.text(f"ALTER TABLE {place} ADD COLUMN {name} {kind}"))
        accounts["columns"][name] = {"category": LOGIN, "identifies": True}
    small.write_documents()
    return small


def put(small: Small, number: int, **values: Any) -> None:
    place = "web.accounts" if small.server else "accounts"
    for name, value in values.items():
        with small.source("web") as connection:
            statement = sa.text(f"UPDATE {place} SET {name} = :value WHERE account_id = :key")
            connection.execute(statement, {"value": value, "key": number})


def shown(small: Small, number: int, *names: str) -> tuple[Any, ...]:
    place = "web.accounts" if small.server else "accounts"
    with small.source("web") as connection:
        statement = sa.text(f"SELECT {', '.join(names)} FROM {place} WHERE account_id = :key")
        return tuple(connection.execute(statement, {"key": number}).one())


def test_a_display_name_follows_and_what_one_signs_in_with_does_not(either: Small) -> None:
    with_columns(either, shown="TEXT", login="TEXT", handle="TEXT")
    with either.source("web") as connection:
        place = "web.accounts" if either.server else "accounts"
        connection.execute(sa.text(f"CREATE UNIQUE INDEX one_login ON {place} (handle)"))
    either.update("crm.customers", {"customer_id": BY_LOGIN}, name="Anna Weber")
    put(either, ANNA, shown="Mme Anna WEBER", login="anna.weber", handle="Anna Weber")
    put(either, LONG_GONE, shown="Anna Weber", login="a.weber")
    with either.opened() as installation:
        request = rectify(installation, [customer(BY_LOGIN), account(ANNA)], {NAME: "Anna Richter"})
        outcomes = said(installation, request)
    assert shown(either, ANNA, "shown", "login", "handle") == (
        "Mme Anna Richter", "anna.weber", "Anna Weber",
    )  # fmt: skip
    assert outcomes["web.accounts", "", "kept"] == (1, None, "identifier")
    assert shown(either, LONG_GONE, "shown", "login") == ("Anna Weber", "a.weber")


def right(asked: dict[str, str], *pairs: tuple[str, str]) -> RightValues:
    values = [[LAST, family] for family, _ in pairs] + [[FIRST, first] for _, first in pairs]
    return RightValues.of(asked, {"values": values, "names": [list(pair) for pair in pairs]})


@pytest.mark.parametrize(
    ("stands", "wanted"),
    [
        ("Marie Martin", "Marie Delmas"),
        ("MARTIN Marie", "Delmas Marie"),
        ("Mme. Marie MARTIN", "Mme. Marie Delmas"),
        ("Monsieur Martin Marie", "Monsieur Delmas Marie"),
        ("Marie Martin et fils", None),
        ("Marie-Louise Martin", None),
        ("Martin", None),
        ("Marie Delmas", None),
        (None, None),
    ],
)
def test_a_whole_name_is_put_right_in_its_order_and_only_where_it_stands_alone(
    stands: str | None, wanted: str | None
) -> None:
    known = right({LAST: "Delmas"}, ("Martin", "Marie"))
    assert known.wanted(NAME, stands, own=False) == wanted
    assert known.wanted(NAME, stands, own=True) == wanted
    assert known.wanted(LOGIN, stands, own=True) == wanted
    assert known.wanted(LOGIN, stands, own=True, username=False) is None


@pytest.mark.parametrize("login", ["marie.martin", "marie_martin", "mariemartin", "Martin-Marie"])
def test_what_can_be_a_login_is_never_put_right_by_itself(login: str) -> None:
    known = right({LAST: "Delmas"}, ("Martin", "Marie"))
    assert known.wanted(LOGIN, login, own=True) is None
    asked = right({LOGIN: "marie.delmas"}, ("Martin", "Marie"))
    assert asked.wanted(LOGIN, login, own=True) == "marie.delmas"


def test_a_half_of_a_name_in_others_rows_is_put_right_only_where_it_is_theirs() -> None:
    known = right({LAST: "Delmas"}, ("Martin", "Marie"))
    assert known.wanted(LAST, "MARTIN", own=False) == "Delmas"
    assert known.wanted(LAST, "Durand", own=False) is None
    assert known.wanted(LAST, None, own=False) is None
    assert known.wanted(LAST, None, own=True) == "Delmas"
    assert known.wanted(FIRST, "Marie", own=True) is None


# --- what quotes it --------------------------------------------------------------------


def test_a_text_that_quotes_the_old_value_stays_and_is_told(either: Small) -> None:
    old = f"person{ACTIVE}@example.org"
    text = f"asked to be written to at {old}"
    either.update("crm.notes", {"note_id": 1}, body=text)
    with either.opened() as installation:
        request = rectify(installation, [customer(ACTIVE)], {EMAIL: NEW})
        assert request.state is State.answered
        assert said(installation, request)["crm.notes", "", "kept"] == (1, None, "quoted")
        lines = casebook.outcomes(installation, request.request_id)
        written = [
            letter(request, lines, installation, lang=lang, as_of=AS_OF) for lang in ("en", "fr")
        ]
    assert "quotes the former value" in written[0]
    assert "cite l'ancienne valeur" in written[1]
    assert old not in "".join(written)
    assert next(row["body"] for row in either.rows("crm.notes") if row["note_id"] == 1) == text


def test_a_table_that_nobody_governs_keeps_the_request_open_until_it_is_seen_to(
    either: Small,
) -> None:
    old = f"person{ACTIVE}@example.org"
    place = "crm.mailing" if either.server else "mailing"
    either.catalogue["systems"]["crm"]["out_of_scope"] = {"mailing": "somebody's list"}
    either.write_documents()
    with either.source("crm") as connection:
        connection.execute(sa.text(f"CREATE TABLE {place} (who TEXT)"))
        connection.execute(sa.text(f"INSERT INTO {place} VALUES ('{old}')"))
    with either.opened() as installation:
        request = ask(
            installation, Kind.rectification, [customer(ACTIVE)], corrections={EMAIL: NEW}
        )
        with pytest.raises(RequestError) as caught:
            done(installation, request)
        assert "crm.mailing" in str(caught.value)
        assert old not in str(caught.value)
        assert casebook.get(installation, request.request_id).state is State.executing
        with either.source("crm") as connection:
            connection.execute(sa.text(f"UPDATE {place} SET who = '{NEW}'"))
        casebook.retry(installation, request.request_id, by="dpo", reason="done", now=START)
        request = again(installation, request, 3)
        assert request.state is State.answered
        assert said(installation, request)["crm.customers", "", "corrected"][0] == 1


def test_a_column_that_the_old_value_came_back_to_keeps_the_request_open(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks again goes by the catalogue; the search by value goes by what is there."""
    old = f"person{ACTIVE}@example.org"
    monkeypatch.setattr(
        "retention.requests.doing.attempting.tell_others",
        lambda *_: small.update("crm.customers", {"customer_id": ACTIVE}, email=old),
    )
    with (
        small.opened() as installation,
        pytest.raises(RequestError, match=r"crm\.customers\.email"),
    ):
        rectify(installation, [customer(ACTIVE)], {EMAIL: NEW})


def test_of_two_who_share_an_email_only_one_is_corrected(either: Small) -> None:
    old = f"person{ACTIVE}@example.org"
    either.update("crm.customers", {"customer_id": IN_FORCE}, email=old)
    before = either.everything()
    with either.opened() as installation:
        request = rectify(installation, [customer(ACTIVE)], {EMAIL: NEW})
        assert request.state is State.answered
    for row in before["crm.customers"]:
        if row["customer_id"] == ACTIVE:
            row["email"] = NEW
    assert either.everything() == before


def test_another_of_the_same_name_neither_changes_nor_keeps_the_request_open(
    either: Small,
) -> None:
    either.update("crm.customers", {"customer_id": ACTIVE}, name="Marie Martin")
    either.update("crm.customers", {"customer_id": IN_FORCE}, name="Marie Martin")
    either.insert(
        "crm.notes",
        {"note_id": 31, "customer_id": IN_FORCE, "written_on": AS_OF, "body": "Marie Martin rang"},
        {
            "note_id": 32,
            "customer_id": ACTIVE,
            "written_on": AS_OF,
            "body": "Mme Marie MARTIN rang",
        },
    )
    before = either.everything()
    with either.opened() as installation:
        request = rectify(installation, [customer(ACTIVE)], {NAME: "Marie Durand"})
        assert request.state is State.answered
        assert said(installation, request)["crm.notes", "", "kept"] == (1, None, "quoted")
    for row in before["crm.customers"]:
        if row["customer_id"] == ACTIVE:
            row["name"] = "Marie Durand"
    assert either.everything() == before


def test_another_spelling_of_the_right_value_is_not_hunted(either: Small) -> None:
    either.update("crm.notes", {"note_id": 1}, body=f"PERSON{ACTIVE}@EXAMPLE.ORG")
    with either.opened() as installation:
        request = rectify(installation, [customer(ACTIVE)], {EMAIL: f"Person{ACTIVE}@example.org"})
        assert request.state is State.answered
        assert {outcome for *_, outcome in said(installation, request)} == {"corrected"}


def test_who_objected_under_the_wrong_address_has_objected_under_the_right_one(
    small: Small,
) -> None:
    opposing(small)
    with small.opened() as installation:
        for number, new in ((ACTIVE, NEW), (IN_FORCE, "other@example.org")):
            if number == ACTIVE:
                done(installation, ask(installation, Kind.objection, [customer(number)]))
            rectify(installation, [customer(number)], {EMAIL: new}, later=3)
            assert opposition.is_listed(installation, "email", new, AS_OF) == (number == ACTIVE)


# --- nothing, or all of it -------------------------------------------------------------


def refused(either: Small, persons: list[Any], corrections: Mapping[str, str]) -> str:
    before = either.everything()
    with either.opened() as installation:
        chunks = len(fetch(installation.stores.control, control.chunks))
        request = ask(installation, Kind.rectification, persons, corrections=corrections)
        with pytest.raises(RequestError) as caught:
            done(installation, request)
        assert casebook.get(installation, request.request_id).failure == str(caught.value)
        assert len(fetch(installation.stores.control, control.chunks)) == chunks
    assert either.everything() == before
    assert not any(value in str(caught.value) for value in corrections.values())
    return str(caught.value)


def test_what_is_another_persons_already_is_written_nowhere(either: Small) -> None:
    with either.source("web") as connection:
        place = "web.accounts" if either.server else "accounts"
        connection.execute(sa.text(f"CREATE UNIQUE INDEX one_each ON {place} (email)"))
    said = refused(either, [customer(BY_LOGIN), account(ANNA)], {EMAIL: "long.gone@example.org"})
    assert said.startswith("web.accounts.email: another record")


@pytest.mark.postgres
def test_what_one_system_has_no_room_for_is_written_nowhere(server: Small) -> None:
    with_columns(server, narrow="VARCHAR(16)", other="TEXT")
    put(server, ANNA, narrow="anna@example.org")
    columns = server.catalogue["systems"]["web"]["tables"]["accounts"]["columns"]
    columns["narrow"]["category"] = EMAIL
    server.write_documents()
    said = refused(server, [customer(BY_LOGIN), account(ANNA)], {EMAIL: NEW})
    assert said == "web.accounts.narrow: the corrected value is longer than 16"


def test_of_two_addresses_only_the_one_that_the_request_names_is_corrected(
    either: Small,
) -> None:
    """The other one may well be right; nobody named: a person has to say."""
    with_columns(either, second="VARCHAR(80)")
    columns = either.catalogue["systems"]["web"]["tables"]["accounts"]["columns"]
    columns["second"]["category"] = EMAIL
    either.write_documents()
    put(either, LONG_GONE, second="work@example.org")
    failure = refused(either, [account(LONG_GONE)], {EMAIL: NEW})
    assert failure.startswith("web.accounts: email, second hold different values")
    with either.opened() as installation:
        request = ask(
            installation, Kind.rectification, [account(LONG_GONE)], corrections={EMAIL: NEW},
            email="Long.Gone@Example.org",
        )  # fmt: skip
        assert done(installation, request).state is State.answered
        assert shown(either, LONG_GONE, "email", "second") == (NEW, "work@example.org")
        request = ask(
            installation, Kind.rectification, [account(LONG_GONE)], corrections={EMAIL: NEW},
            email="Long.Gone@Example.org",
        )  # fmt: skip
        assert done(installation, request, later=3).state is State.answered
    assert shown(either, LONG_GONE, "email", "second") == (NEW, "work@example.org")


def test_another_spelling_of_a_phone_number_is_the_same_one() -> None:
    old = {"values": [[PHONE, "+33612345678"]], "names": []}
    known = RightValues.of({PHONE: "+33699999999"}, old)
    assert known.wanted(PHONE, "06 12 34 56 78", own=False) == "+33699999999"
    assert known.wanted(PHONE, "06 12 34 56 79", own=False) is None


def test_a_link_is_not_broken_by_a_hold_on_one_of_its_ends(small: Small) -> None:
    before = small.everything()
    with small.opened() as installation:
        request = ask(
            installation, Kind.rectification, [customer(BY_LOGIN), account(ANNA)],
            corrections={EMAIL: NEW},
        )  # fmt: skip
        small.update("web.accounts", {"account_id": ANNA}, email="elsewhere@example.org")
        hold = under_hold(installation, BY_LOGIN)
        small.update("web.accounts", {"account_id": ANNA}, email="anna@example.ORG")
        with pytest.raises(RequestError, match="tie two systems together"):
            done(installation, request)
        assert small.everything() == before
        released(installation, hold)
        request = again(installation, request, 3)
        assert request.state is State.answered
    emails = {row["account_id"]: row["email"] for row in small.rows("web.accounts")}
    assert emails[ANNA] == NEW


def test_two_ends_of_a_link_change_together_or_not_at_all(small: Small) -> None:
    near, far = (customer(BY_LOGIN), account(ANNA))
    present = {near: {"email": " Anna@Example.org"}, far: {"email": "anna@example.ORG"}}
    one, both = {near: {"email": NEW}}, {near: {"email": NEW}, far: {"email": NEW.upper()}}
    with small.opened() as installation:
        catalogue = installation.catalogue
        refuse_broken_links(catalogue, present, both, ())
        refuse_broken_links(catalogue, {**present, far: {"email": "a@b.fr"}}, one, ())
        refuse_broken_links(catalogue, {**present, far: {"email": None}}, one, ())
        for changes, held in ((one, ()), (both, (near,)), (both, (far,))):
            with pytest.raises(RequestError, match=r"crm\.customers\.email and web\.accounts"):
                refuse_broken_links(catalogue, present, changes, held)


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


# --- crashes ---------------------------------------------------------------------------


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
