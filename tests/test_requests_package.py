"""Packages: sealed under a key of their own, readable by a person and a program, harmless to both."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from retention import holds
from retention.catalogue.model import TableName
from retention.errors import StoreError
from retention.holds import subject_token
from retention.installation import Installation
from retention.requests.copies import package
from retention.requests.copies.access import Gathered, gather
from retention.requests.model import Kind, RequestError, RequestId
from retention.stores import cases
from retention.stores.open import reading, writing
from tests.engine import lives
from tests.engine.lives import AS_OF
from tests.requests_support import REQUEST_ID, request_of, small

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CUSTOMERS = TableName("crm.customers")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with small(tmp_path).fill().opened() as opened:
        yield opened


def data_of(installation: Installation, number: int = lives.ACTIVE) -> Gathered:
    token = subject_token(installation.keyring, CUSTOMERS, (number,))
    return gather(installation, [(CUSTOMERS, (number,))], [token], AS_OF)


def made(installation: Installation, kind: Kind = Kind.access, number: int = lives.ACTIVE) -> str:
    found = data_of(installation, number)
    return package.make(installation, request_of(kind), found, as_of=AS_OF, now=NOW)


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def files(installation: Installation, kind: Kind = Kind.access) -> dict[str, bytes]:
    return unzipped(package.open_package(installation, made(installation, kind)))


# --- sealed, opened, gone ---------------------------------------------------------------


def test_what_is_stored_shows_nothing_and_opens_with_its_own_key(installation):
    package_id = made(installation)
    with reading(installation.stores.cases) as connection:
        row = connection.execute(sa.select(cases.packages)).one()
    assert row.package_id == package_id
    assert not any(word in row.sealed for word in (b"Person", b"PK\x03\x04", b"data.json"))
    assert (
        b"person1@example.org"
        in unzipped(package.open_package(installation, package_id))["data.json"]
    )


def test_it_expires_after_thirty_days(installation):
    made(installation)
    (found,) = package.packages_of(installation, REQUEST_ID)
    assert (found.made_on, found.expires_on, found.open) == (AS_OF, date(2026, 12, 24), True)


def test_destroying_its_key_destroys_it_and_nothing_else(installation):
    first = made(installation)
    other = request_of(Kind.access, request_id=RequestId("f" * 32))
    second = package.make(installation, other, data_of(installation), as_of=AS_OF, now=NOW)
    (found,) = package.packages_of(installation, REQUEST_ID)
    assert installation.keyring.destroy_units([found.unit_id], NOW) == 1
    with pytest.raises(RequestError, match=f"{first} has expired"):
        package.open_package(installation, first)
    assert [item.open for item in package.packages_of(installation, REQUEST_ID)] == [False]
    assert package.open_package(installation, second)


def test_an_emptied_package_has_expired(installation):
    package_id = made(installation)
    with writing(installation.stores.cases) as connection:
        connection.execute(cases.packages.update().values(sealed=None))
    with pytest.raises(RequestError, match="has expired"):
        package.open_package(installation, package_id)
    assert [item.open for item in package.packages_of(installation, REQUEST_ID)] == [False]


def test_an_unknown_package_is_refused(installation):
    with pytest.raises(RequestError, match="there is no package 'nonsense'"):
        package.open_package(installation, "nonsense")
    assert package.packages_of(installation, REQUEST_ID) == []


def test_a_package_that_was_changed_or_moved_does_not_open(installation):
    first = made(installation)
    again = request_of(Kind.access, attempt=1)
    second = package.make(installation, again, data_of(installation), as_of=AS_OF, now=NOW)
    with writing(installation.stores.cases) as connection:
        rows = {row.package_id: row for row in connection.execute(sa.select(cases.packages))}
        for package_id, row in rows.items():
            other = rows[first if package_id == second else second]
            moved = cases.packages.update().where(cases.packages.c.package_id == package_id)
            assert other.package_id != row.package_id
            connection.execute(moved.values(sealed=other.sealed, unit_id=other.unit_id))
    for package_id in (first, second):
        with pytest.raises(StoreError, match="cannot be unsealed"):
            package.open_package(installation, package_id)


def test_made_again_after_a_crash_it_replaces_itself(installation):
    first = made(installation)
    content = package.open_package(installation, first)
    assert made(installation) == first
    assert package.open_package(installation, first) == content
    assert len(package.packages_of(installation, REQUEST_ID)) == 1


def test_another_attempt_or_day_makes_another_package(installation):
    found = data_of(installation)
    later = date(2026, 11, 25)
    ids = [
        made(installation),
        package.make(installation, request_of(Kind.access), found, as_of=later, now=NOW),
        package.make(installation, request_of(Kind.access, attempt=1), found, as_of=AS_OF, now=NOW),
    ]
    assert len(set(ids)) == 3
    assert {item.package_id for item in package.packages_of(installation, REQUEST_ID)} == set(ids)


def test_the_same_data_give_the_same_bytes(installation):
    one = package.open_package(installation, made(installation))
    other = package.open_package(installation, made(installation))
    assert one == other
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


# --- what is in it ----------------------------------------------------------------------


def test_an_access_package_has_a_page_a_file_and_a_table_of_each_kind(installation):
    assert sorted(files(installation)) == [
        "README.txt", "data.json", "index.html",
        "tables/crm.customers.csv", "tables/crm.invoices.csv", "tables/crm.lines.csv",
        "tables/crm.notes.csv", "tables/crm.orders.csv", "tables/crm.replies.csv",
    ]  # fmt: skip


def test_the_file_for_programs_says_everything_article_15_asks_for(installation):
    document = json.loads(files(installation)["data.json"])
    assert document["schema"] == "retention-package/1"
    assert document["request"] == {
        "reference": REQUEST_ID,
        "kind": "access",
        "received_on": "2026-11-01",
    }
    assert document["purposes"]["accounting"]["legal_basis"] == "legal_obligation"
    assert set(document["purposes"]) == {"contract", "customer_relations", "accounting"}
    assert set(document["recipients"]) == {"printer"}
    customers = document["tables"][0]
    assert customers["label"] == {"en": "Customers", "fr": "Clients"}
    assert customers["origin"] == {"en": "you <yourself>", "fr": "vous-même"}
    assert customers["categories"]["email"] == "user.contact.email"
    (record,) = customers["records"]
    assert record["goes_on"] == "2031-10-02"
    assert record["values"]["name"] == "Person 1"
    assert {"purpose": "contract", "phase": "active", "until": "2031-10-01"} in record["held_for"]


def test_a_portability_package_has_only_what_the_person_supplied(installation):
    found = files(installation, Kind.portability)
    assert "index.html" not in found
    assert sorted(name for name in found if name.endswith(".csv")) == [
        "tables/crm.customers.csv", "tables/crm.invoices.csv", "tables/crm.notes.csv",
    ]  # fmt: skip
    assert found["tables/crm.customers.csv"] == b"name,email\r\nPerson 1,person1@example.org\r\n"
    document = json.loads(found["data.json"])
    assert document["tables"][0]["records"] == [
        {"values": {"name": "Person 1", "email": "person1@example.org"}}
    ]
    assert b"goes_on" not in b"".join(found.values())
    assert b"customer_id" not in b"".join(found.values())


def test_a_secret_is_named_in_every_form_and_shown_in_none(installation):
    persons = [(TableName("web.accounts"), (lives.LONG_GONE,))]
    found = gather(installation, persons, [], AS_OF)
    content = package.files(installation, request_of(Kind.access), found)
    everything = b"".join(
        body for name, body in content.items() if "logins" not in name and name != "README.txt"
    )
    document = json.loads(content["data.json"])
    accounts = next(item for item in document["tables"] if item["table"] == "web.accounts")
    assert accounts["records"][0]["withheld"] == {"last_login_on": "secret"}
    assert "last_login_on" not in accounts["records"][0]["values"]
    assert b"a secret that serves to check a login" in content["index.html"]
    assert content["tables/web.accounts.csv"].endswith(b",last_login_on\r\n")
    assert everything.count(b"last_login_on") == 3


def test_nothing_of_another_person_is_in_any_file(installation):
    for number in (lives.ACTIVE, lives.ARCHIVE, lives.EARLY_INVOICE):
        content = package.files(
            installation, request_of(Kind.access), data_of(installation, number)
        )
        everything = b"".join(content.values()).decode().casefold()
        assert f"person{number}@example.org" in everything
        others = {f"person{other}@" for other in range(1, 12)} - {f"person{number}@"}
        assert not [name for name in others if name in everything]


def test_after_a_run_the_archive_is_in_the_package(tmp_path):
    lived = small(tmp_path / "run").fill()
    lived.run()
    with lived.opened() as installation:
        content = package.files(
            installation, request_of(Kind.access), data_of(installation, lives.ARCHIVE)
        )
    document = json.loads(content["data.json"])
    invoices = next(item for item in document["tables"] if item["table"] == "crm.invoices")
    assert invoices["records"][0]["place"] == "archive"
    assert invoices["categories"]["owner.email"] == "user.contact.email"
    assert "dans les archives à accès restreint" in content["index.html"].decode()


def test_nobody_known_makes_a_package_that_says_so(installation):
    request = request_of(Kind.access)
    content = package.files(installation, request, Gathered(AS_OF, ()))
    assert "Nous ne détenons aucune donnée vous concernant" in content["index.html"].decode()
    assert json.loads(content["data.json"])["tables"] == []


def test_the_note_beside_it_is_in_both_languages(installation):
    text = files(installation)["README.txt"].decode()
    assert "24 novembre 2026" in text
    assert "24 November 2026" in text
    assert "index.html" in text
    assert "index.html" not in files(installation, Kind.portability)["README.txt"].decode()


def test_a_held_person_is_told_why_there_is_no_day(installation):
    holds.add(
        installation, CUSTOMERS, [str(lives.ACTIVE)],
        kind="restriction", reason="r", by="b", now=NOW,
    )  # fmt: skip
    page = files(installation)["index.html"].decode()
    assert "pas encore de date" in page
    assert "their use is restricted" in page


def test_sqlite_and_postgresql_give_the_same_bytes(tmp_path, postgres_url):
    contents = []
    for lived in (small(tmp_path / "file"), small(tmp_path / "server", postgres_url)):
        lived.fill().run()
        with lived.opened() as installation:
            persons = [(CUSTOMERS, (lives.ACTIVE,)), (CUSTOMERS, (lives.ARCHIVE,))]
            package_id = package.make(
                installation,
                request_of(Kind.access),
                gather(
                    installation,
                    persons,
                    [subject_token(installation.keyring, *person) for person in persons],
                    AS_OF,
                ),
                as_of=AS_OF,
                now=NOW,
            )
            contents.append(package.open_package(installation, package_id))
    assert unzipped(contents[0])["data.json"].count(b'"place": "archive"') > 5
    assert contents[0] == contents[1]
