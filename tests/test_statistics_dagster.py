"""Releases through Dagster: written, attacked, published or not, and what is never said of them."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd
import pytest

from assets import naming
from pipelines.build import build_defs
from pipelines.in_process import execute, instance_of
from pipelines.jobs import DAILY, STATISTICS, run_config
from pipelines.launch import StatisticsResult
from pipelines.resources import RETENTION, retention_resource
from retention.errors import ConfigurationError
from retention.execution.run import acquire_lease
from retention.installation import opened
from retention.releases.auditing import CHECKS
from retention.releases.publishing import published, records
from tests.dagster_support import AS_OF
from tests.statistics_support import DECLARATION, MONTH, StatisticsDemo, now

CANARY = "Zoltancanary"
LABEL = "Canarylabel"
"""A civility that many customers share: an honest label, which a release may show."""
RELEASES = ("customers", "people", "audience")


def plant(demo: StatisticsDemo) -> None:
    """A person nobody is like, and forty customers of a civility of their own."""
    demo.sql(
        "crm.sqlite",
        "INSERT INTO customers (customer_id, last_name, first_name, email, phone, postcode,"
        " civility, prospecting_opt_in, collected_at, comment) VALUES"
        f" (990001, '{CANARY}', '{CANARY}', '{CANARY}@mail.example', '+33799887766', '34170',"
        f" 'M.', 0, '2026-01-15 10:00:00', '{CANARY} wrote this')",
        *(
            "INSERT INTO customers (customer_id, last_name, first_name, postcode, civility,"
            f" prospecting_opt_in, collected_at) VALUES ({990100 + n}, 'Person{n}', 'A', '35000',"
            f" '{LABEL}', 0, '2026-01-15 10:00:00')"
            for n in range(40)
        ),
        *(
            f"INSERT INTO orders VALUES ({key}, {key}, '2026-02-01 10:00:00', 12.5, 'paid')"
            for key in (990001, *range(990100, 990140))
        ),
    )


class Ran:
    """A demonstration, published once."""

    def __init__(self, folder: Path) -> None:
        self.demo = StatisticsDemo(folder, people=300)
        plant(self.demo)
        self.demo.run_the_day()
        self.events: list[tuple[str, str, int]] = []
        self.result: StatisticsResult = self.demo.publish(
            on_event=lambda *event: self.events.append(event)
        )
        self.kept = folder.with_name("kept")
        shutil.copytree(folder, self.kept, symlinks=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("statistics") / "demo")


def bytes_below(folder: Path) -> bytes:
    """What the files hold; of Parquet, which is compressed, its rows."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rows = [pd.read_parquet(path).to_csv() for path in files if path.suffix == ".parquet"]
    return b"\n".join([*(path.read_bytes() for path in files), *(text.encode() for text in rows)])


def checks_of(demo: StatisticsDemo, run_id: str) -> dict[tuple[str, str], bool]:
    found = demo.checks(run_id)
    return {place: evaluation.passed for place, evaluation in found.items()}  # type: ignore[attr-defined]


# --- what is published ---------------------------------------------------------------------


def test_every_release_is_written_attacked_and_published(ran: Ran) -> None:
    result = ran.result
    assert (result.success, result.exit_code, result.failures) == (True, 0, ())
    assert (result.as_of, [item.revision for item in result.published]) == (AS_OF, [1, 1, 1])
    assert {item.release for item in result.published} == set(RELEASES)
    assert set(ran.demo.out("customers")) == {
        "by_region.parquet",
        "turnover.parquet",
        "manifest.json",
        "dictionary.json",
    }
    made = checks_of(ran.demo, result.run_id)
    assert all(made.values())
    assert {asset for asset, _ in made} == {f"quarantine/{name}" for name in RELEASES}
    assert {check for _, check in made} == set(CHECKS)
    assert ("audit cannot_infer", "people", 1) in ran.events


def test_the_published_assets_tell_what_is_in_them(ran: Ran) -> None:
    told = ran.demo.metadata(ran.result.run_id)
    out = told["statistics/customers"]
    assert (out["revision"], out["digest"]) == (1, ran.result.published[1].digest)
    cube = pd.read_parquet(ran.demo.statistics / "customers" / MONTH / "by_region.parquet")
    columns = [column.name for column in out["dagster/column_schema"].columns]
    assert columns == list(cube.columns)
    assert [column.name for column in out["columns_of_turnover"].columns][-1] == "status"
    first = out["some_rows_of_by_region"].records[0].data
    assert first["region"] == cube["region"][0]
    assert out["dagster/row_count"] == len(cube)
    rows = told["statistics/people"]
    figures = [record.data for record in rows["figures"].records]
    (k,) = (line["value"] for line in figures if line["figure"] == "rows k")
    assert int(k) >= 5
    attacks = [record.data for record in rows["attacks"].records]
    assert [(line["attack"], line["on"]) for line in attacks if line["on"] == "rows"] == [
        ("linkability", "rows"),
        ("singling out", "rows"),
    ]
    assert all(line["low"] != "" and line["high"] != "" for line in attacks)
    assert Path(rows["data_docs"]).is_file()


def test_the_manifest_says_that_the_audit_passed(ran: Ran) -> None:
    manifest = json.loads(ran.demo.out("people")["manifest.json"])
    assert manifest["audit"]["checks"]["privacy_model_holds"]["rows_k"] >= 5


def test_the_data_docs_list_every_audit_and_show_nobody(ran: Ran) -> None:
    docs = ran.demo.statistics / naming.DATA_DOCS
    index = (docs / "index.html").read_text(encoding="utf-8")
    assert index.count("passed</span>") == 3
    pages = list(docs.rglob("*.html"))
    assert len(pages) == 4
    shown = bytes_below(docs)
    for secret in (CANARY, CANARY.lower(), LABEL, "Person1", "34170"):
        assert secret.encode() not in shown


def test_again_in_the_same_month_nothing_changes(ran: Ran) -> None:
    names = ("audience", "people")  # no noise is drawn anew, nobody else is held out
    before = {name: ran.demo.out(name) for name in names}
    again = ran.demo.publish(*names)
    assert (again.success, again.failures) == (True, ())
    assert {name: ran.demo.out(name) for name in names} == before
    digests = {item.release: item.digest for item in ran.result.published}
    assert {item.release: item.digest for item in again.published} == {
        name: digests[name] for name in names
    }
    with opened(ran.demo.config, {}) as installation:
        assert {item.revision for item in published(installation)} == {1}


# --- what is not ---------------------------------------------------------------------------


@pytest.fixture
def copy(ran: Ran, tmp_path: Path) -> StatisticsDemo:
    """A demonstration as it was when it had been published once."""
    folder = tmp_path / "demo"
    shutil.copytree(ran.kept, folder, symlinks=True)
    demo = object.__new__(StatisticsDemo)
    demo.folder, demo.config, demo.home = folder, folder / "retention.yaml", folder / "dagster"
    return demo


def test_a_red_check_keeps_the_last_good_release_and_lets_the_others_go_on(
    copy: StatisticsDemo,
) -> None:
    before = copy.out("customers")
    copy.declare(DECLARATION.replace("min_cells: 1}\n  people", "min_cells: 900}\n  people"))
    secret = "Unpublishedlabel"
    copy.sql("crm.sqlite", f"UPDATE customers SET civility = '{secret}' WHERE civility = '{LABEL}'")
    result = copy.publish("customers", "people")
    assert (result.success, result.exit_code) == (False, 1)
    (line,) = result.failures
    assert line.startswith("customers: utility is sufficient: too little is shown (file: by_region")
    assert [item.release for item in result.published] == ["people"]
    assert copy.out("customers") == before
    made = checks_of(copy, result.run_id)
    red = {place for place, passed in made.items() if not passed}
    assert red == {("quarantine/customers", "utility_is_sufficient")}
    # the label stands in the quarantined bytes, and nowhere else that Dagster or a page shows
    assert secret in "".join(
        pd.read_parquet(copy.quarantined("customers") / "by_region.parquet").civility
    )
    assert secret.encode() not in bytes_below(copy.home)
    assert secret.encode() not in bytes_below(copy.statistics / naming.DATA_DOCS)
    skipped = [
        event.step_key for event in copy.events(result.run_id, dg.DagsterEventType.STEP_FAILURE)
    ]  # type: ignore[attr-defined]
    assert skipped == ["audit_customers"]


def materialise(demo: StatisticsDemo, *keys: dg.AssetKey, month: str = MONTH) -> list[str]:
    """Launch single assets of the statistics job, as a person does in Dagster's pages."""
    door = retention_resource(demo.config, {})
    defs = build_defs(demo.config, {RETENTION: door}, environment={})
    with (
        instance_of(demo.config, {}) as instance,
        dg.partition_loading_context(effective_dt=datetime(2026, 11, 24, 12, tzinfo=UTC)),
    ):
        outcome = execute(
            defs.resolve_job_def(STATISTICS),
            instance,
            run_config=run_config(AS_OF),
            tags={},
            partition_key=month,
            asset_selection=list(keys),
        )
    return [
        event.step_failure_data.user_failure_data.description
        for event in outcome.all_events
        if event.event_type is dg.DagsterEventType.STEP_FAILURE
    ]


def test_bytes_that_were_altered_after_the_audit_are_not_published(copy: StatisticsDemo) -> None:
    copy.sql("crm.sqlite", f"DELETE FROM customers WHERE civility = '{LABEL}'")
    before = copy.out("customers")
    assert materialise(copy, naming.of_release(naming.QUARANTINE, "customers")) == []
    path = copy.quarantined("customers") / "by_region.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    (line,) = materialise(copy, naming.of_release(naming.PUBLISHED, "customers"))
    assert "the files in quarantine were changed" in line
    assert copy.out("customers") == before


def test_a_month_that_is_over_cannot_be_made_any_more(copy: StatisticsDemo) -> None:
    (line,) = materialise(copy, naming.of_release(naming.QUARANTINE, "people"), month="2026-10")
    assert line.startswith("the release of 2026-10 cannot be built on 2026-11-24")
    assert "Launch 2026-11 instead" in line


def test_while_another_run_is_at_work_nothing_is_built(copy: StatisticsDemo) -> None:
    with opened(copy.config, {}) as installation, acquire_lease(installation, "somebody", now):
        result = copy.publish("people")
    assert (result.success, result.exit_code, result.published) == (False, 6, ())
    assert "another run is at work" in result.failures[0]


def test_a_release_that_nobody_declared_is_refused(copy: StatisticsDemo) -> None:
    with pytest.raises(
        ConfigurationError, match="there is no release 'nothing'; declared are cust"
    ):
        copy.publish("nothing")
    text = copy.config.read_text(encoding="utf-8")
    copy.config.write_text(text.partition("statistics:")[0], encoding="utf-8")
    with pytest.raises(ConfigurationError, match="the settings name no 'statistics'"):
        copy.publish()


# --- definitions ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def defs(ran: Ran) -> dg.Definitions:
    return build_defs(ran.kept / "retention.yaml", environment={})


def test_the_daily_job_leaves_releases_alone_and_the_monthly_job_has_nothing_else(
    defs: dg.Definitions,
) -> None:
    daily = defs.resolve_job_def(DAILY).asset_layer.selected_asset_keys
    monthly = defs.resolve_job_def(STATISTICS).asset_layer.selected_asset_keys
    stages = (naming.QUARANTINE, naming.PUBLISHED)
    assert monthly == {naming.of_release(stage, name) for stage in stages for name in RELEASES}
    assert not daily & monthly
    assert defs.resolve_job_def(STATISTICS).executor_def is dg.in_process_executor


def test_every_check_of_a_release_blocks(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    keys = [key for key in graph.asset_check_keys if key.asset_key.path[0] == naming.QUARANTINE]
    assert len(keys) > 25
    assert all(graph.get(key).blocking for key in keys)


def test_a_release_waits_for_the_tables_that_feed_it(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    parents = graph.get(naming.of_release(naming.QUARANTINE, "customers")).parent_keys
    assert {key.to_user_string() for key in parents} == {
        "statistics/accumulators",
        "classified/crm/customers",
        "deleted/crm/customers",
    }


def test_months_are_those_of_the_policys_zone_the_current_one_included(
    defs: dg.Definitions,
) -> None:
    months = (
        defs.resolve_asset_graph().get(naming.of_release(naming.PUBLISHED, "people")).partitions_def
    )
    assert isinstance(months, dg.TimeWindowPartitionsDefinition)
    assert (months.timezone, months.fmt) == ("Europe/Paris", "%Y-%m")
    # 23:30 UTC on the last of a month is the next month in Paris
    with dg.partition_loading_context(effective_dt=datetime(2026, 11, 30, 23, 30, tzinfo=UTC)):
        keys = months.get_partition_keys()
    assert (keys[0], keys[-1]) == ("2023-11", "2026-12")


def test_the_schedule_asks_for_the_month_it_was_due_for(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("every_month")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 5 1 * *", "Europe/Paris")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    tick = datetime(2026, 12, 1, 5, 0, tzinfo=ZoneInfo("Europe/Paris"))
    with dg.build_schedule_context(
        scheduled_execution_time=tick, repository_def=defs.get_repository_def()
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert (request.partition_key, request.run_key) == ("2026-12", "2026-12")
    assert request.run_config == run_config(date(2026, 12, 1))


@pytest.mark.parametrize(
    ("name", "why"),
    [("accumulators", "the name is taken"), ("data_docs", "the folder of that name holds other")],
)
def test_a_release_cannot_take_a_name_that_is_taken(
    copy: StatisticsDemo, name: str, why: str
) -> None:
    copy.declare(DECLARATION.replace("  people:", f"  {name}:"))
    with pytest.raises(ConfigurationError, match=f"releases.{name}: {why}"):
        build_defs(copy.config, environment={})


def test_an_installation_without_statistics_has_no_monthly_job(copy: StatisticsDemo) -> None:
    text = copy.config.read_text(encoding="utf-8")
    copy.config.write_text(text.partition("statistics:")[0], encoding="utf-8")
    names = {job.name for job in build_defs(copy.config, environment={}).resolve_all_job_defs()}
    assert DAILY in names
    assert STATISTICS not in names


# --- what is never said --------------------------------------------------------------------


def test_no_canary_is_in_any_byte_that_is_kept_in_the_clear(ran: Ran) -> None:
    kept = {
        "Dagster": bytes_below(ran.kept / "dagster"),
        "the stores": bytes_below(ran.kept / "stores"),
        "the statistics": bytes_below(ran.kept / "statistics"),
        "the quarantine": bytes_below(ran.kept / "quarantine"),
        "what the caller is told": repr((ran.result, ran.events)).encode(),
    }
    assert len(kept["Dagster"]) > 100_000
    assert LABEL.encode() in kept["Dagster"]  # a published label is shown: the search finds things
    for place, content in kept.items():
        for secret in (CANARY, CANARY.lower(), "Person39", "+33799887766"):
            for form in (secret.encode(), secret.encode("utf-16-le")):
                assert form not in content, (place, secret)


def test_no_pickle_is_written(ran: Ran) -> None:
    storage = ran.kept / "dagster" / "storage"
    files = [path for path in storage.rglob("*") if path.is_file()] if storage.exists() else []
    assert [path for path in files if path.suffix not in (".yaml", ".err", ".out")] == []


def test_the_quarantine_is_for_nobody_else(ran: Ran) -> None:
    folder = ran.demo.quarantined("people")
    assert folder.stat().st_mode & 0o077 == 0
    with opened(ran.demo.config, {}) as installation:
        assert all(record.passed for record in records(installation))
