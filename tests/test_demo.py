"""The demonstration: its databases, its catalogue, and what its truth says."""

from __future__ import annotations

import base64
import json
import stat
from collections import Counter, defaultdict
from datetime import date, datetime

import pytest
import sqlalchemy as sa

from demo.dirt import DIRT
from demo.lives import When
from demo.rows import stored
from demo.script import ARCHETYPES
from demo.tables import SYSTEMS
from demo.truth import truth
from demo.write import DemoSummary, write_demo
from retention.catalogue.model import read_catalogue
from retention.catalogue.normalise import normalise
from retention.settings import read_settings

AS_OF = date(2026, 11, 24)
PEOPLE = 6_000
"""Enough for every archetype, dirty ones included, to occur."""

LATER = (AS_OF, date(2027, 6, 12), date(2029, 11, 24))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    return write_demo(tmp_path_factory.mktemp("demo"), people=PEOPLE, as_of=AS_OF)


@pytest.fixture(scope="module")
def rows(made):
    return _rows_of({name: f"sqlite:///{made.directory / name}.sqlite" for name in SYSTEMS})


@pytest.fixture(scope="module")
def lives(made):
    text = (made.directory / "lives.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def truths(made):
    return {day: _by_record(truth(made.directory, day)) for day in LATER}


def _rows_of(urls):
    found = {}
    for name, url in urls.items():
        engine = sa.create_engine(url)
        reflected = sa.MetaData()
        reflected.reflect(engine)
        with engine.connect() as connection:
            for table in SYSTEMS[name].tables:
                result = connection.execute(sa.select(reflected.tables[table]))
                found[f"{name}.{table}"] = [dict(row) for row in result.mappings()]
        engine.dispose()
    return found


def _by_record(records):
    found = {}
    for record in records:
        name = (record["table"], *record["key"])
        assert name not in found, f"{name} twice"
        found[name] = record
    return found


def _main_record(life):
    """The record of which a life's ``intended`` phase speaks."""
    for kind, table in (
        ("customers", "crm.customers"),
        ("accounts", "web.accounts"),
        ("prospects", "marketing.prospects"),
        ("connections", "web.connections"),
        ("trackers", "web.trackers"),
    ):
        if life[kind]:
            return table, life[kind][0]["key"]
    raise AssertionError(life["archetype"])


# --- the databases -----------------------------------------------------------------------


def test_the_same_arguments_write_the_same_demonstration_but_for_the_key(tmp_path):
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for directory, seed in ((first, 1), (second, 1), (other, 2)):
        write_demo(directory, people=300, as_of=AS_OF, seed=seed)
    urls = [
        {name: f"sqlite:///{directory / name}.sqlite" for name in SYSTEMS}
        for directory in (first, second, other)
    ]
    same, again, different = (_rows_of(url) for url in urls)
    assert same == again
    assert same["crm.customers"] != different["crm.customers"]
    for name in ("lives.jsonl", "truth.jsonl", "catalogue.yaml", "retention.yaml"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / "master.key").read_bytes() != (second / "master.key").read_bytes()


def test_a_life_is_written_for_each_person_and_every_row_is_counted(made, rows, lives):
    assert len(lives) == PEOPLE == sum(made.archetypes.values())
    assert {name: len(found) for name, found in rows.items()} == dict(made.rows)
    assert min(made.rows.values()) > 0


def test_every_archetype_occurs(made):
    expected = {kind.__name__ for kind, _ in ARCHETYPES}
    expected |= {kind.__name__ for _, kinds in DIRT for kind in kinds}
    assert set(made.archetypes) == expected


@pytest.mark.parametrize("system", SYSTEMS)
def test_foreign_keys_hold_and_are_indexed(made, system):
    engine = sa.create_engine(f"sqlite:///{made.directory / system}.sqlite")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    inspector = sa.inspect(engine)
    for table in SYSTEMS[system].tables:
        indexed = [index["column_names"][0] for index in inspector.get_indexes(table)]
        for key in inspector.get_foreign_keys(table):
            assert key["constrained_columns"][0] in indexed
            assert key["options"] == {}
    engine.dispose()


def test_the_catalogue_annotates_every_column_of_every_table(made):
    catalogue = read_catalogue(made.directory / "catalogue.yaml")
    assert catalogue.demo
    for name, system in catalogue.systems.items():
        inspector = sa.inspect(sa.create_engine(f"sqlite:///{made.directory / name}.sqlite"))
        assert set(inspector.get_table_names()) == {*system.tables, *system.out_of_scope}
        for table_name, table in system.tables.items():
            present = {column["name"] for column in inspector.get_columns(table_name)}
            assert present == set(table.columns), table_name
            key = inspector.get_pk_constraint(table_name)["constrained_columns"]
            assert tuple(key) == table.key


def test_the_settings_find_the_policy_the_catalogue_and_a_private_key(made):
    settings = read_settings(made.directory / "retention.yaml", {})
    assert settings.path(settings.policy).exists()
    assert settings.path(settings.catalogue).exists()
    key = settings.path(settings.master_key.file)
    assert len(base64.b64decode(key.read_text(encoding="ascii"), validate=False)) == 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_nothing_in_it_can_reach_a_real_person(rows):
    addresses = [row["email"] for row in rows["crm.customers"] + rows["marketing.prospects"]]
    for address in filter(None, addresses):
        domain = normalise(address, "email").partition("@")[2]
        assert domain in {"example.org", "example.com", "example.net"} or domain.endswith(
            ".example"
        )
    fictional = ("199", "261", "353", "465", "536", "639")
    for row in rows["crm.customers"]:
        digits = row["phone"].replace(" ", "").removeprefix("+33").removeprefix("0")
        assert digits.startswith(fictional)


def test_a_mailbox_of_the_script_is_one_address_of_one_life(rows, lives):
    customers = {row["customer_id"]: row["email"] for row in rows["crm.customers"]}
    accounts = {row["account_id"]: row["email"] for row in rows["web.accounts"]}
    seen = defaultdict(set)
    for life in lives:
        for kind, emails in (("customers", customers), ("accounts", accounts)):
            for record in life[kind]:
                address = normalise(emails[record["key"]], "email")
                assert (address is None) == (record["mailbox"] is None)
                if address:
                    seen[address].add((life["number"], record["mailbox"]))
    assert all(len(owners) == 1 for owners in seen.values())
    assert len(seen) == len({owner for owners in seen.values() for owner in owners})


def test_one_address_is_spelled_in_several_ways(rows):
    written = {row["email"] for row in rows["web.accounts"]}
    assert any(address != address.strip() for address in written)
    assert any(address.strip().isupper() for address in written)


# --- the truth ---------------------------------------------------------------------------


def test_the_truth_is_told_of_every_governed_row_exactly_once(made, rows, truths):
    catalogue = read_catalogue(made.directory / "catalogue.yaml")
    expected = {
        (name, *(row[column] for column in table.key))
        for name, table in catalogue.tables()
        for row in rows[name]
    }
    for found in truths.values():
        assert set(found) == expected
    text = (made.directory / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert made.truth_records == len(text) == len(expected)
    assert [json.loads(line) for line in text] == list(truths[AS_OF].values())


def test_every_life_ends_as_its_author_intended(lives, truths):
    wrong = [
        (life["archetype"], life["number"])
        for life in lives
        if life["intended"] and truths[AS_OF][_main_record(life)]["phase"] != life["intended"]
    ]
    assert wrong == []


def test_every_phase_occurs_many_times_in_every_table(truths):
    counts = Counter((name[0], item["phase"]) for name, item in truths[AS_OF].items())
    tables = {name for name, _ in counts}
    for table in tables:
        assert counts[table, "active"] >= 50, table
        assert counts[table, "expired"] >= 20, table
        if table.startswith("crm.") or table == "web.connections":
            assert counts[table, "archive"] >= 50, table
    actions = Counter(item["action"] for item in truths[AS_OF].values())
    assert set(actions) == {"keep", "archive", "pseudonymise", "dispose", "review"}


def test_fewer_than_eight_in_a_thousand_rows_of_a_table_want_review(truths):
    everyone, review = Counter(), Counter()
    for (table, *_), item in truths[AS_OF].items():
        everyone[table] += 1
        review[table] += item["phase"] == "review"
    shares = {table: review[table] / everyone[table] for table in everyone}
    assert max(shares.values()) < 0.008, shares
    assert sum(review.values()) > 20


def test_no_first_run_would_have_to_ask_for_approval(truths):
    """The default caps stop a plan that takes half of a table with clocks of its own."""
    everyone, due = Counter(), Counter()
    for (table, *_), item in truths[AS_OF].items():
        everyone[table] += 1
        due[table] += item["action"] in ("archive", "pseudonymise", "dispose")
    clocked = ("crm.customers", "crm.invoices", "crm.bank_details", "marketing.prospects")
    for table in (*clocked, "web.accounts", "web.connections", "web.trackers"):
        assert due[table] / everyone[table] < 0.5, table


def test_no_evidence_in_review_holds_up_an_owner_that_leaves(lives, truths):
    found = truths[AS_OF]
    for life in lives:
        for customer in life["customers"]:
            phase = found["crm.customers", customer["key"]]["phase"]
            evidence = [("crm.invoices", row["key"]) for row in customer["invoices"]]
            evidence += [("crm.bank_details", key) for key in customer["bank"]]
            if phase in ("archive", "expired"):
                assert not any(found[name]["phase"] == "review" for name in evidence)


def test_unreadable_dates_and_sentinels_are_there_on_sqlite(rows):
    texts = {row["ended_on"] for row in rows["crm.contracts"]}
    assert {"9999-12-31", "1900-01-01", "2023-02-30", None} <= texts
    assert "31/12/2019" in {row["ordered_at"] for row in rows["crm.orders"]}
    assert "n/a" in {row["logged_in_at"] for row in rows["web.logins"]}


# --- instants -----------------------------------------------------------------------------


def test_a_leap_day_in_the_databases_is_kept_through_28_february(made, rows, lives):
    ended = {row["customer_id"]: row["ended_on"] for row in rows["crm.contracts"]}
    keys = [
        life["customers"][0]["key"]
        for life in lives
        if life["archetype"] == "contract_ended_on_a_leap_day"
        and ended[life["customers"][0]["key"]] == "2024-02-29"
    ]
    assert keys
    for as_of, phase in (
        (date(2027, 2, 28), "active"),
        (date(2027, 3, 1), "archive"),
        (date(2029, 2, 28), "archive"),
        (date(2029, 3, 1), "expired"),
    ):
        found = _by_record(truth(made.directory, as_of))
        assert {found["crm.customers", key]["phase"] for key in keys} == {phase}


@pytest.mark.parametrize(
    ("wall", "form", "text"),
    [
        ("2021-05-02 00:30:00", "utc", "2021-05-02T00:30:00+02:00"),
        ("2021-05-02 00:30:01", "utc", "2021-05-01T22:30:01Z"),
        ("2021-01-01 00:30:01", "utc", "2020-12-31T23:30:01Z"),
        ("2021-05-02 00:30:01", "utc_naive", "2021-05-01 22:30:01"),
        ("2021-05-02 00:30:01", "local", "2021-05-02 00:30:01"),
        ("2021-05-02 00:30:01", "date", "2021-05-02"),
    ],
)
def test_a_paris_day_is_stored_as_the_systems_clock_sees_it(wall, form, text):
    when = When(wall[:10], datetime.fromisoformat(wall))
    assert stored(when, form, as_text=True) == text


def test_some_logins_fall_on_another_day_in_utc_than_in_paris(rows, lives):
    utc = {row["login_id"]: row["logged_in_at"] for row in rows["web.logins"]}
    logins = [row for life in lives for account in life["accounts"] for row in account["logins"]]
    apart = [
        row
        for row in logins
        if row["when"] not in (None, "?")
        and utc[row["key"]].endswith("Z")
        and utc[row["key"]][:10] != row["when"]
    ]
    assert len(apart) > 50
