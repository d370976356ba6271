"""The daily job on a demonstration: what it does, shows, repeats, and never says."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from dagster import DagsterEventType

from pipelines.launch import LaunchResult
from retention.execution.run import begin, new_run_id, run_all
from retention.installation import opened
from retention.planning.plan import Transition
from tests.dagster_support import AS_OF, Demo, rows_of

CANARY_EXPIRED = 990_001
CANARY_ARCHIVED = 990_002
CANARY_ACTIVE = 990_003
CANARIES = {
    CANARY_EXPIRED: "Zoltanexpiree",
    CANARY_ARCHIVED: "Zoltanarchivee",
    CANARY_ACTIVE: "Zoltanactive",
}
PHONE, IBAN, ADDRESS, AGENT = (
    "+33799887766",
    "FR7699998888777766665555444",
    "203.0.113.199",
    "Canarybrowser",
)
TEXT = "canary wrote a private remark"
SECRETS = [*CANARIES.values(), "canary.mail.example", PHONE, IBAN, ADDRESS, AGENT, TEXT]


def plant(demo: Demo) -> None:
    """Persons nobody else is like: one expired, one due for the archive, one active; all with
    bank details, invoices, contacts, prospecting and connections."""
    for key, name in CANARIES.items():
        last = {CANARY_EXPIRED: 2012, CANARY_ARCHIVED: 2022, CANARY_ACTIVE: 2026}[key]
        mail = f"{name}@canary.mail.example"
        demo.sql(
            "crm.sqlite",
            "INSERT INTO customers (customer_id, last_name, first_name, email, phone, street,"
            " birth_date, company, segment, prospecting_opt_in, collected_at, comment) VALUES"
            f" ({key}, '{name}', '{name}', '{mail}', '{PHONE}', '1 {name} street', '1970-01-01',"
            f" '{name}', 'gold', 0, '{last}-01-15 10:00:00', '{TEXT}')",
            f"INSERT INTO orders VALUES ({key}, {key}, '{last}-02-01 10:00:00', 12.5, 'paid')",
            f"INSERT INTO invoices VALUES ({key}, {key}, '{name}-1', '{last}-02-01', 12.5, 2.5,"
            f" '{name}', '1 {name} street')",
            f"INSERT INTO contacts VALUES ({key}, {key}, '{last}-02-02 10:00:00', 'mail', '{TEXT}')",
            f"INSERT INTO bank_details VALUES ({key}, {key}, '{IBAN}', 'CANAFRPP', '{name}')",
        )
        demo.sql(
            "marketing.sqlite",
            "INSERT INTO prospects (prospect_id, last_name, first_name, email, phone, source,"
            f" collected_at) VALUES ({key}, '{name}', '{name}', '{mail}', '{PHONE}', 'fair',"
            f" '{last}-01-15 10:00:00')",
        )
        demo.sql(
            "web.sqlite",
            "INSERT INTO accounts (account_id, email, display_name, password_hash, created_at,"
            f" last_login_at) VALUES ({key}, 'x{key}@canary.mail.example', '{name}', '{name}',"
            f" '{last}-01-15T10:00:00+00:00', '{last}-02-01T10:00:00+00:00')",
            "INSERT INTO connections (connection_id, account_id, ip, user_agent, path,"
            f" connected_at) VALUES ({key}, {key}, '{ADDRESS}', '{AGENT}', '/',"
            f" '{last}-02-01T10:00:00+00:00')",
        )


class Ran:
    """A demonstration, run once, with all that was logged and announced meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.demo = Demo(folder, people=150)
        plant(self.demo)
        self.copy = folder.with_name("copy")
        shutil.copytree(folder, self.copy)
        self.before = self.demo.rows()
        self.events: list[tuple[str, str, int]] = []
        self.records: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.records.append(record.getMessage())  # type: ignore[method-assign]
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)  # an earlier test may have left it at any other
        try:
            self.result = self.demo.run(on_event=lambda *event: self.events.append(event))
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
        self.after = self.demo.rows()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("ran") / "demo")


def bytes_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_run_succeeds_and_tells_what_it_did(ran: Ran) -> None:
    result: LaunchResult = ran.result
    assert (result.success, result.exit_code, result.failures) == (True, 0, ())
    assert result.as_of == AS_OF
    customers = next(table for table in result.tables if table.table == "crm.customers")
    assert customers.archived == customers.archive > 0
    assert customers.disposed == customers.expired > 0
    assert ("delete", "crm.customers", 0) in ran.events
    assert any(stage == "delete" and rows for stage, _, rows in ran.events)


def test_dagster_leaves_the_sources_as_the_engine_by_itself_does(ran: Ran) -> None:
    with opened(ran.copy / "retention.yaml", {}) as installation:
        run_all(
            begin(
                installation,
                AS_OF,
                today=AS_OF,
                clock=lambda: datetime.now(UTC),
                run_id=new_run_id(),
            )
        )
    theirs = rows_of(ran.copy)
    # pseudonyms are keyed, and each installation has keys of its own
    same = [name for name in theirs if name != "web.sqlite:connections" and "stores/" not in name]
    assert len(same) > 15
    assert [name for name in same if theirs[name] != ran.after[name]] == []
    assert ran.before["crm.sqlite:customers"] != ran.after["crm.sqlite:customers"]


def test_every_asset_has_told_what_there_is_to_know(ran: Ran) -> None:
    told = ran.demo.metadata(ran.result.run_id)
    plan = told["plan"]
    assert plan["as_of"] == AS_OF.isoformat()
    assert plan["plan_digest"] == ran.result.plan_digest
    assert plan["to_archive"] > 0 and plan["stopped_tables"] == 0
    source = told["source/crm/customers"]
    assert source["dagster/row_count"] > 0
    columns = {column.name: column for column in source["dagster/column_schema"].columns}
    assert columns["email"].tags == {"category": "user.contact.email", "identifies": "yes"}
    assert columns["email"].type == "VARCHAR(120)"
    classified = told["classified/crm/customers"]
    assert classified["dagster/row_count"] == source["dagster/row_count"]
    purposes = [record.data["purpose"] for record in classified["purpose_by_phase"].records]
    assert purposes[-1] == "together" and len(purposes) == 4
    assert told["archived/crm/customers"]["copies"] > 0
    assert told["pseudonymised/web/connections"]["pseudonymised"] > 0
    deleted = told["deleted/crm/customers"]
    assert deleted["archived"] == classified["archive"]
    assert deleted["disposed"] == classified["expired"]
    assert deleted["by_chunk"].records[0].data["rows"] == deleted["selected"]
    assert told["archive/expired"]["records"] > 0
    assert told["statistics/accumulators"]["rows"] > 0
    assert told["ledger"]["entries_of_this_run"] > 5


def test_every_check_was_made_and_only_dirt_in_the_data_was_found(ran: Ran) -> None:
    checks = ran.demo.checks(ran.result.run_id)
    graph = json.loads((Path(__file__).parent / "data" / "asset_graph.json").read_text())
    declared = {(name, check) for name, asset in graph.items() for check in asset["checks"]}
    daily = {(name, check) for name, check in declared if not name.startswith("quarantine/")}
    assert set(checks) == daily
    red = {place for place, found in checks.items() if not found.passed}
    assert {name for _, name in red} <= {"events_are_readable_and_not_in_the_future"}
    assert all(checks[place].severity.value == "WARN" for place in red)


def test_a_second_run_on_the_same_day_changes_no_row(ran: Ran) -> None:
    again = ran.demo.run()
    assert again.success, again.failures
    assert again.plan_digest == ran.result.plan_digest
    assert sum(table.archived + table.disposed for table in again.tables) == 0
    assert ran.demo.rows() == ran.after
    assert ran.after != ran.before


def test_no_pickle_is_written(ran: Ran) -> None:
    storage = ran.demo.home / "storage"
    files = [path for path in storage.rglob("*") if path.is_file()] if storage.exists() else []
    assert [path for path in files if path.suffix not in (".yaml", ".err", ".out")] == []
    assert b"\x80\x04\x95" not in b"".join(path.read_bytes() for path in files)


def test_no_canary_is_in_any_byte_that_the_orchestrator_keeps_in_the_clear(ran: Ran) -> None:
    found = ran.demo.one(
        "crm.sqlite", f"SELECT count(*) FROM customers WHERE customer_id = {CANARY_ACTIVE}"
    )
    assert found == 1  # the canaries were there to be found
    gone = ran.demo.one(
        "crm.sqlite",
        f"SELECT count(*) FROM customers WHERE customer_id IN ({CANARY_EXPIRED}, {CANARY_ARCHIVED})",
    )
    assert gone == 0  # and they were worked on
    kept = {
        "Dagster": bytes_below(ran.demo.home),
        "the stores": bytes_below(ran.demo.folder / "stores"),
        "the ledger's head": (ran.demo.folder / "ledger.head").read_bytes(),
        "logs": "\n".join(ran.records).encode(),
        "what the caller is told": repr((ran.result, ran.events)).encode(),
    }
    assert len(kept["Dagster"]) > 100_000 and ran.records
    for place, content in kept.items():
        for secret in SECRETS:
            for form in (secret, secret.lower(), secret.upper()):
                assert form.encode() not in content, (place, secret)
                assert form.encode("utf-16-le") not in content, (place, secret)


def test_a_table_with_a_column_nobody_annotated_stops_alone(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", people=60)
    demo.sql("marketing.sqlite", "ALTER TABLE opt_ins ADD COLUMN nickname TEXT")
    before = demo.rows()
    result = demo.run()
    assert (result.success, result.exit_code) == (False, 7)
    (failure,) = result.failures
    assert failure.startswith("1 owner tree(s) were stopped, the others went on")
    assert "marketing.opt_ins.nickname" in failure
    after = demo.rows()
    changed = {name for name in after if after[name] != before.get(name)}
    assert not any(name.startswith("marketing") for name in changed)
    assert {"crm.sqlite:customers", "web.sqlite:accounts"} <= changed
    checks = demo.checks(result.run_id)
    stopped = checks["deleted/marketing/prospects", "rows_are_conserved"]
    assert not stopped.passed and stopped.severity.value == "ERROR"
    assert "nickname" in stopped.description
    assert checks["deleted/crm/customers", "rows_are_conserved"].passed
    schema = checks["source/marketing/opt_ins", "schema_is_as_annotated"]
    assert not schema.passed and schema.severity.value == "ERROR"
    assert checks["ledger", "ledger_chain_holds"].passed
    told = demo.metadata(result.run_id)
    assert "nickname" in told["archived/marketing/prospects"]["stopped"]
    assert told["ledger"]["entries_of_this_run"] > 3
    failed = demo.events(result.run_id, DagsterEventType.STEP_FAILURE)
    assert [event.step_key for event in failed] == ["ledger"]  # type: ignore[attr-defined]


def test_a_system_out_of_reach_stops_its_own_trees_only(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", people=60)
    (demo.folder / "marketing.sqlite").rename(demo.folder / "elsewhere.sqlite")
    result = demo.run()
    assert (result.success, result.exit_code) == (False, 7)
    by_name = {table.table: table for table in result.tables}
    assert by_name["marketing.prospects"].stopped
    assert by_name["web.accounts"].disposed > 0
    told = demo.metadata(result.run_id)
    assert "there is no database" in told["source/marketing/prospects"]["not_read"]
    (demo.folder / "elsewhere.sqlite").rename(demo.folder / "marketing.sqlite")
    mended = demo.run()
    assert mended.success, mended.failures
    assert {table.table: table.disposed for table in mended.tables}["marketing.prospects"] > 0


def test_the_plan_of_another_day_has_other_counts(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", people=30)
    early = demo.run(date(2024, 1, 31))
    late = demo.run(AS_OF)
    assert early.as_of == date(2024, 1, 31) and late.as_of == AS_OF
    assert early.plan_digest != late.plan_digest
    moved = demo.one(
        "stores/control.sqlite",
        "SELECT count(*) FROM control_transitions WHERE transition = "
        f"'{Transition.dispose}' AND done",
    )
    assert moved > 0  # type: ignore[operator]
