"""The demonstration's requests: one of each kind is answered, and the doubtful one waits."""

from __future__ import annotations

import io
import json
import shutil
import stat
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from demo.people import Population
from demo.requests import documents
from demo.script import write_lives
from demo.write import write_demo
from retention.installation import opened
from retention.requests.copies import package
from retention.requests.model import Kind
from retention.requests.taking_in.intake import read_request
from tests.cli_support import AS_OF, DAY, Demo, call

PEOPLE = 300
DOUBTFUL = "8-in-doubt.json"
TABLES = ("crm.customers", "marketing.prospects", "web.accounts")

Documents = dict[str, dict[str, Any]]


def asked(people: int = PEOPLE, seed: int = 1, as_of: date = AS_OF) -> Documents:
    lives = list(write_lives(people, as_of, seed))
    return dict(documents(lives, Population(seed), as_of, seed))


# --- who asks for what -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("as_of", [AS_OF, date(2028, 2, 29), date(2031, 7, 1)])
def test_there_is_a_request_of_each_kind_and_nobody_asks_twice(seed: int, as_of: date) -> None:
    found = asked(PEOPLE, seed, as_of)
    assert len(found) == 8
    assert {document["kind"] for document in found.values()} == set(Kind)
    assert len({document["email"].casefold() for document in found.values()}) == len(found)


def test_the_same_seed_gives_the_same_requests() -> None:
    assert asked() == asked()
    assert asked(seed=2) != asked()


@pytest.mark.parametrize("people", [1, 2, 20])
def test_few_people_make_fewer_requests(people: int) -> None:
    assert len(asked(people)) <= min(people, 8)


def test_every_request_can_be_read_and_reaches_nobody() -> None:
    for document in asked().values():
        new = read_request(document, "FR", today=AS_OF)
        assert new.verified is not None
        assert new.asked.email is not None
        domain = new.asked.email.rpartition("@")[2]
        assert domain.split(".")[-1] == "example" or domain.startswith("example.")


def test_request_files_are_for_the_owner_and_only_where_wanted(tmp_path: Path) -> None:
    made = write_demo(tmp_path / "a", people=PEOPLE, as_of=AS_OF, requests=True)
    files = sorted((tmp_path / "a" / "inbox").iterdir())
    assert [path.name for path in files] == sorted(asked())
    assert made.requests == len(files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    write_demo(tmp_path / "b", people=PEOPLE, as_of=AS_OF)
    assert not (tmp_path / "b" / "inbox").exists()
    assert "inbox_may_verify" not in (tmp_path / "b" / "retention.yaml").read_text()


def test_an_overwritten_demonstration_leaves_no_request_of_the_older_one(tmp_path: Path) -> None:
    write_demo(tmp_path, people=PEOPLE, as_of=AS_OF, requests=True)
    (tmp_path / "inbox" / "done").mkdir()
    (tmp_path / "inbox" / "done" / "0.json").write_text("{}")
    write_demo(tmp_path, people=PEOPLE, as_of=AS_OF, seed=2, overwrite=True, requests=True)
    assert sorted(p.name for p in (tmp_path / "inbox").iterdir()) == sorted(asked(seed=2))


# --- what comes of them ------------------------------------------------------------------


class Answered:
    """The demonstration after ``make demo``: by file, the request and what it asked."""

    def __init__(self, folder: Path) -> None:
        assert call("demo", str(folder), "--people", str(PEOPLE), "--as-of", DAY).code == 0
        self.demo = Demo(folder)
        self.asked: Documents = {
            path.name: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((folder / "inbox").glob("*.json"))
        }
        self.done("run", "--as-of", DAY)
        shutil.copytree(folder, folder.parent / "before")
        self.before = Demo(folder.parent / "before")
        self.taken = self.done("request", "take-in", "--json").json
        self.done("request", "process", "--all", "--as-of", DAY)
        self.ids = {item["file"]: item["request_id"] for item in self.taken}

    def done(self, *arguments: str) -> Any:
        answer = self.demo.run(*arguments)
        assert answer.code == 0, answer.err
        return answer

    def show(self, file: str) -> Any:
        return self.done("request", "show", self.ids[file], "--json").json

    def outcomes(self, file: str) -> set[tuple[str, str, str]]:
        return {(i["table"], i["purpose"], i["outcome"]) for i in self.show(file)["outcomes"]}

    def rows(self, demo: Demo, table: str, email: str, columns: str = "*") -> list[Any]:
        system, name = table.split(".")
        where = f"SELECT {columns} FROM {name} WHERE lower(trim(email)) = ?"
        return demo.sql(system, where, email.casefold())

    def key(self, file: str) -> int:
        (row,) = self.rows(self.before, "crm.customers", self.asked[file]["email"], "customer_id")
        return int(row[0])

    def packages(self, file: str) -> Iterator[zipfile.ZipFile]:
        with opened(self.demo.config, {}) as installation:
            for item in package.packages_of(installation, self.ids[file]):  # type: ignore[arg-type]
                data = package.open_package(installation, item.package_id)
                yield zipfile.ZipFile(io.BytesIO(data))


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    return Answered(tmp_path_factory.mktemp("demo_requests") / "demo")


def test_one_of_each_kind_is_answered_and_the_doubtful_one_waits(answered: Answered) -> None:
    found = {file: answered.show(file) for file in answered.asked}
    states = {file: item["state"] for file, item in found.items()}
    assert states.pop(DOUBTFUL) == "received"
    assert set(states.values()) == {"answered"}
    assert {found[file]["kind"] for file in states} == set(Kind)
    assert all(found[file]["outcomes"] for file in states)
    assert all(set(found[file]["letters"]) == {"en", "fr"} for file in states)


def test_whoever_writes_under_another_first_name_is_not_believed(answered: Answered) -> None:
    found = answered.show(DOUBTFUL)
    assert found["records"]
    assert {item["chosen"] for item in found["records"]} == {None}
    assert any("first_name" in item["contradicts"] for item in found["records"])
    email = answered.asked[DOUBTFUL]["email"]
    for table in TABLES:
        now, before = (answered.rows(d, table, email) for d in (answered.demo, answered.before))
        assert now == before
    refused = answered.demo.run("request", "process", found["request_id"])
    assert refused.code == 8


def test_access_gives_a_copy_from_every_system(answered: Answered) -> None:
    (archive,) = answered.packages("1-access.json")
    systems = {
        item["table"].partition(".")[0] for item in answered.show("1-access.json")["outcomes"]
    }
    assert systems == {"crm", "marketing", "web"}
    said = archive.read("data.json").decode().casefold()
    assert answered.asked["1-access.json"]["email"].casefold() in said
    assert {"index.html", "tables/crm.customers.csv"} <= set(archive.namelist())


def test_portability_leaves_out_what_the_person_did_not_supply(answered: Answered) -> None:
    (archive,) = answered.packages("2-portability.json")
    said = archive.read("data.json").decode()
    assert answered.asked["2-portability.json"]["family_name"] in said
    assert "segment" not in archive.read("tables/crm.customers.csv").decode()


def test_an_objection_ends_prospecting_and_leaves_the_customer(answered: Answered) -> None:
    file = "3-objection.json"
    email = answered.asked[file]["email"]
    assert answered.rows(answered.before, "marketing.prospects", email)
    assert not answered.rows(answered.demo, "marketing.prospects", email)
    ((opted_in,),) = answered.rows(answered.demo, "crm.customers", email, "prospecting_opt_in")
    assert opted_in == 0
    assert ("marketing.prospects", "prospecting", "deleted") in answered.outcomes(file)


def test_a_rectification_reaches_every_table_but_the_invoices(answered: Answered) -> None:
    file = "4-rectification.json"
    document, key = answered.asked[file], answered.key("4-rectification.json")
    right = document["corrections"]
    for table in TABLES:
        before = answered.rows(answered.before, table, document["email"])
        after = answered.rows(answered.demo, table, right["user.contact.email"])
        assert len(before) == len(after)
        assert not answered.rows(answered.demo, table, document["email"])
    name = right["user.name.last"]
    ((last,),) = answered.demo.sql(
        "crm", "SELECT last_name FROM customers WHERE customer_id = ?", key
    )
    holders = answered.demo.sql("crm", "SELECT holder FROM bank_details WHERE customer_id = ?", key)
    assert last == name
    assert holders and all(name.casefold() in holder.casefold() for (holder,) in holders)
    invoices = "SELECT * FROM invoices WHERE customer_id = ? ORDER BY invoice_id"
    assert answered.demo.sql("crm", invoices, key) == answered.before.sql("crm", invoices, key)
    assert ("crm.invoices", "", "kept") in answered.outcomes(file)


def test_an_erasure_archives_the_invoices_and_deletes_the_rest(answered: Answered) -> None:
    file, key = "5-erasure.json", answered.key("5-erasure.json")
    for name in ("customers", "contracts", "orders", "invoices", "tickets", "bank_details"):
        count = f"SELECT count(*) FROM {name} WHERE customer_id = ?"
        assert answered.demo.sql("crm", count, key) == [(0,)], name
    assert not answered.rows(answered.demo, "web.accounts", answered.asked[file]["email"])
    outcomes = answered.show(file)["outcomes"]
    invoices = [item for item in outcomes if item["purpose"] == "accounting"]
    assert invoices
    for item in invoices:
        assert (item["outcome"], item["because"]) == ("archived", "statute")
        assert item["until"].endswith("-12-31")
    # The payer may dispute a payment for thirteen months: nobody is obliged to keep it.
    paid = [item for item in outcomes if item["purpose"] == "payment"]
    assert {(item["outcome"], item["because"]) for item in paid} == {("archived", "claims")}
    kept = answered.before.sql("crm", "SELECT count(*) FROM invoices WHERE customer_id = ?", key)
    assert sum(item["rows"] for item in invoices) == kept[0][0] > 0
    assert ("crm.customers", "contract", "deleted") in answered.outcomes(file)


def test_a_prospect_to_whom_nothing_is_owed_is_gone(answered: Answered) -> None:
    file = "6-erasure-of-a-prospect.json"
    email = answered.asked[file]["email"]
    assert answered.rows(answered.before, "marketing.prospects", email)
    assert not answered.rows(answered.demo, "marketing.prospects", email)
    outcomes = answered.outcomes(file)
    assert ("marketing.prospects", "prospecting", "deleted") in outcomes
    others = {item for item in outcomes if item[0] != "marketing.prospects"}
    assert {(table.partition(".")[0], *rest) for table, *rest in others} == {
        ("marketing", "", "deleted")
    }


def test_a_restriction_takes_the_rows_out_and_lifting_puts_them_back(
    answered: Answered, tmp_path: Path
) -> None:
    file, key = "7-restriction.json", answered.key("7-restriction.json")
    shutil.copytree(answered.demo.folder, tmp_path / "demo")
    copy = Demo(tmp_path / "demo")
    names = ("customers", "contracts", "orders", "invoices", "tickets", "contacts", "bank_details")

    def all_rows(demo: Demo) -> dict[str, list[Any]]:
        text = "SELECT * FROM {} WHERE customer_id = ? ORDER BY 1"
        return {name: demo.sql("crm", text.format(name), key) for name in names}

    assert not any(all_rows(copy).values())
    by = ("--by", "A. Martin, DPO", "--reason", "decided", "--as-of", DAY)
    assert copy.run("request", "lift", answered.ids[file], "--told-on", DAY, *by).code == 0
    assert all_rows(copy) == all_rows(answered.before)
    email = answered.asked[file]["email"]
    for table in TABLES:
        assert answered.rows(copy, table, email) == answered.rows(answered.before, table, email)


def test_no_person_is_left_in_the_inbox(answered: Answered) -> None:
    inbox = answered.demo.folder / "inbox"
    left = b"".join(path.read_bytes() for path in inbox.rglob("*") if path.is_file()).lower()
    assert not list(inbox.glob("*.json"))
    for document in answered.asked.values():
        assert document["email"].lower().encode() not in left


def test_person_and_recipients_wait_to_be_told_and_then_a_request_is_closed(
    answered: Answered, tmp_path: Path
) -> None:
    shutil.copytree(answered.demo.folder, tmp_path / "demo")
    copy, number = Demo(tmp_path / "demo"), answered.ids["5-erasure.json"]
    waiting = copy.run("outbox", "list", "--request", number, "--json").json
    assert {item["recipient"] for item in waiting} >= {"mailing_house"}
    answer = copy.run("request", "answer", number, "--reveal").out
    assert answered.asked["5-erasure.json"]["email"] in answer
    assert copy.run("request", "sent", number, "--by", "A. Martin").code == 0
    sent = copy.run("outbox", "mark-sent", "--request", number, "--by", "A. Martin", "--json").json
    assert sent == {"request_id": number, "marked": len(waiting), "closed": True}


def test_making_the_demonstration_again_repeats_nothing(answered: Answered) -> None:
    def state() -> tuple[Any, ...]:
        listed = answered.done("request", "list", "--all", "--json").json
        shown = [answered.show(file)["changes"] for file in sorted(answered.ids)]
        return answered.demo.rows(), listed, shown

    before = state()
    answered.done("run", "--as-of", DAY)
    assert answered.done("request", "take-in", "--json").json == []
    assert (
        answered.done("request", "process", "--all", "--as-of", DAY).out == "no verified requests\n"
    )
    assert state() == before
