"""Rectification wherever a value is held: columns of every system, the archive, quoting texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from retention.installation import Installation
from retention.requests.answering.letters import letter
from retention.requests.book import casebook
from retention.requests.doing import opposition
from retention.requests.doing.fitting import refuse_broken_links
from retention.requests.doing.right_values import FIRST, LAST, PHONE, RightValues
from retention.requests.finding import identity
from retention.requests.model import Asked, Kind, Request, RequestError, State
from retention.stores import control
from tests.engine.asking import account, ask, customer, done, said
from tests.engine.lives import (
    ACTIVE,
    ANNA,
    ARCHIVE,
    AS_OF,
    BY_LOGIN,
    IN_FORCE,
    LONG_GONE,
)
from tests.engine.small import START, Small
from tests.engine.stored import fetch
from tests.engine.test_requests_changes import opposing
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


# --- crashes ---------------------------------------------------------------------------
