"""Thresholded cubes over the months: what one release after the other tells of few people."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retention import holds
from retention.errors import RetentionError
from retention.installation import Installation
from retention.releases import cubes
from retention.releases.auditing import Auditor, run_check
from retention.releases.built import Built, Published
from retention.releases.errors import EmptyRelease
from retention.releases.files import SUFFIX, parquet_bytes, read_parquet
from retention.releases.microdata import few_differ
from tests.releases_support import AS_OF, Statistics, clock_on, make_statistics

CUSTOMERS = "customer_statistics"
THRESHOLD = 4
NEXT = date(2026, 12, 24)
LATER = date(2028, 3, 1)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Statistics:
    made = make_statistics(tmp_path_factory.mktemp("thresholds") / "demo", 150)
    made.settings(lambda settings: settings.update(max_review_share=1, caps={"share": 1}))

    def lower(document: dict[str, Any]) -> None:
        release = document["releases"][CUSTOMERS]
        release["utility"] = {"max_suppressed": 1, "min_cells": 2}
        del release["cubes"]["customers_by_region"]
        for cube in release["cubes"].values():
            cube["protection"]["threshold"] = THRESHOLD

    made.declare(lower)
    with made.opened() as installation:
        made.run_day(installation, AS_OF)
    return made


def cells(release: Built | Published, name: str) -> pd.DataFrame:
    return read_parquet(release.folder / f"{name}{SUFFIX}")


def test_a_cube_of_more_cells_than_allowed_is_refused_before_anything_is_hidden(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "demo")

    def smaller(document: dict[str, Any]) -> None:
        document["releases"][CUSTOMERS]["cubes"]["turnover"]["protection"]["largest"] = 2

    statistics.declare(smaller)
    with statistics.opened() as installation, pytest.raises(RetentionError) as caught:
        statistics.build(installation, CUSTOMERS, AS_OF)
    assert "a cube of crm.orders has" in str(caught.value)
    assert "more than 2 ('largest')" in str(caught.value)


def test_months_later_no_cell_has_changed_by_a_few_people(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "demo")
    names = ("customers_by_year", "turnover")
    told: list[dict[str, pd.DataFrame]] = []
    with statistics.opened() as installation:
        for day, new in ((AS_OF, 0), (NEXT, 9), (LATER, 2)):
            if day != AS_OF:
                statistics.run_day(installation, day)
            join(statistics, day, new)
            built = statistics.build(installation, CUSTOMERS, day)
            if day == LATER:
                statistics.audited(installation, built)
            else:
                statistics.waved_through(installation, built)
            out = statistics.publish(installation, built)
            told.append({name: cells(out, name) for name in names})
    changed = 0
    for place, before in enumerate(told):
        for after in told[place + 1 :]:
            for name in names:
                changed += few_have_not_changed(before[name], after[name])
    assert changed
    for release in told:
        for frame in release.values():
            hidden = frame[frame.status == "suppressed"]
            assert len(hidden)
            numbers = frame.columns.intersection(["subjects", "rows", "amount"])
            assert hidden[numbers].isna().all(axis=None)
            assert frame[frame.status == "published"].subjects.min() >= THRESHOLD


def join(statistics: Statistics, day: date, number: int) -> None:
    """So many people turn out to be customers since 2020."""
    one = int(statistics.table("crm.customers").customer_id.max())
    for more in range(1, number + 1):
        statistics.execute(
            "crm",
            "INSERT INTO customers (customer_id, civility, last_name, first_name, email, postcode, "
            "prospecting_opt_in, collected_at) VALUES (?, 'Mme', 'New', 'One', NULL, '34000', 0, ?)",
            one + more,
            "2020-05-05T09:00:00",
        )
        statistics.execute(
            "crm",
            "INSERT INTO contracts (contract_id, customer_id, offer, started_on, ended_on) "
            "VALUES (?, ?, 'site', ?, NULL)",
            100_000 + one + more, one + more, f"{day}",
        )  # fmt: skip


def few_have_not_changed(before: pd.DataFrame, after: pd.DataFrame) -> int:
    """How many cells published in both have changed; none by fewer than the threshold."""
    keys = [name for name in before.columns if before[name].dtype == "str" and name != "status"]
    both = before.merge(after, on=keys, suffixes=("_before", "_after"))
    both = both[(both.status_before == "published") & (both.status_after == "published")]
    by = (both.subjects_after - both.subjects_before).abs()
    same = both.rows_after == both.rows_before
    assert not ((by > 0) & (by < THRESHOLD)).any()
    assert ((by > 0) | same).all()
    return int((by > 0).sum())


def test_a_revision_of_the_same_month_is_compared_with_what_it_replaces(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "demo")
    with statistics.opened() as installation:
        first = statistics.release(installation, CUSTOMERS, AS_OF)
        one = statistics.table("crm.customers").query("civility == 'Mme'").customer_id.iloc[0]
        statistics.execute(
            "crm", "UPDATE customers SET civility = 'M.' WHERE customer_id = ?", int(one)
        )
        again = statistics.build(installation, CUSTOMERS, AS_OF)
        # one person more or less is not shown: the same cells, so the same bytes
        assert again.digest == first.digest
        keys = ["collected", "civility"]
        alone = cells(again, "customers_by_year").set_index(keys)
        assert alone.subjects.equals(cells(first, "customers_by_year").set_index(keys).subjects)


def planted(statistics: Statistics, installation: Installation, frame: pd.DataFrame) -> Auditor:
    """An auditor of a build of which one file was replaced."""
    built = statistics.build(installation, CUSTOMERS, AS_OF)
    (built.folder / f"customers_by_year{SUFFIX}").write_bytes(parquet_bytes(frame, {}))
    return Auditor(installation, statistics.releases(installation), built)


def test_the_audit_reads_the_bytes_and_finds_a_small_cell_and_a_complement(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "demo")
    with statistics.opened() as installation:
        built = statistics.build(installation, CUSTOMERS, AS_OF)
        clean = cells(built, "customers_by_year")
        hidden = clean.index[clean.status == "suppressed"]

        small = clean.copy()
        small.loc[hidden[0], ["subjects", "rows", "status"]] = [1, 1, "published"]
        auditor = planted(statistics, installation, small)
        assert not run_check(auditor, "no_small_cell").passed
        assert not run_check(auditor, "schema_is_as_declared").passed  # other bytes than built

        auditor = planted(statistics, installation, clean)
        for name in ("no_small_cell", "no_recoverable_cell", "order_is_canonical"):
            assert run_check(auditor, name).passed, name

        shuffled = clean.sample(frac=1, random_state=1).reset_index(drop=True)
        auditor = planted(statistics, installation, shuffled)
        assert not run_check(auditor, "order_is_canonical").passed


def test_too_much_suppressed_is_no_release(pristine: Statistics, tmp_path: Path) -> None:
    statistics = pristine.copied(tmp_path / "demo")

    def demanding(document: dict[str, Any]) -> None:
        for cube in document["releases"][CUSTOMERS]["cubes"].values():
            cube["protection"]["threshold"] = 1_000

    statistics.declare(demanding)
    with (
        statistics.opened() as installation,
        pytest.raises(EmptyRelease, match="nothing of 'customers_by_year' could be published"),
    ):
        statistics.build(installation, CUSTOMERS, AS_OF)


def test_who_is_held_is_in_no_release(pristine: Statistics, tmp_path: Path) -> None:
    statistics = pristine.copied(tmp_path / "demo")
    with statistics.opened() as installation:
        cube = statistics.releases(installation).releases[CUSTOMERS].cubes["customers_by_year"]

        def total() -> tuple[int, int]:
            making = statistics.making(installation, CUSTOMERS, AS_OF)
            made = cubes.exact(making, cube)
            whole = made[(made.collected == "(all)") & (made.civility == "(all)")]
            return int(whole.subjects.iloc[0]), making.left_out["crm.customers"]["held"]

        before, none = total()
        key = str(statistics.table("crm.customers").customer_id.iloc[0])
        holds.add(
            installation, "crm.customers", [key], kind="legal_hold", reason="r", by="b",
            now=clock_on(AS_OF)(),
        )  # fmt: skip
        assert total() == (before - 1, 1)
        assert none == 0


def test_rows_of_which_a_few_have_changed_are_repeated(
    pristine: Statistics, tmp_path: Path
) -> None:
    statistics = pristine.copied(tmp_path / "demo")

    def rows_only(document: dict[str, Any]) -> None:
        release = document["releases"]["prospect_statistics"]
        del release["cubes"]
        rows = release["microdata"]["prospects"]
        rows["quasi_identifiers"] = [{"name": "source", "column": "source"}]
        del rows["sensitive"]
        rows["models"] = {"k": 8}

    statistics.declare(rows_only)
    with statistics.opened() as installation:
        first = statistics.release(installation, "prospect_statistics", AS_OF)
        shown = cells(first, "prospects")
        prospects = statistics.table("marketing.prospects").sort_values("collected_at")
        newest = prospects[prospects.collected_at.str.startswith("2026-")].prospect_id[-2:]
        for table in ("active_responses", "email_opens", "opt_ins", "prospects"):
            for key in newest:
                statement = f"DELETE FROM {table} WHERE prospect_id = ?"
                statistics.execute("marketing", statement, int(key))
        again = statistics.build(installation, "prospect_statistics", AS_OF)
        assert again.digest == first.digest
        assert cells(again, "prospects").equals(shown)
        statistics.audited(installation, again)
        later = statistics.build(installation, "prospect_statistics", date(2026, 12, 1))
        assert cells(later, "prospects").equals(shown)
        statistics.audited(installation, later)


def test_a_few_rows_more_or_less_are_told_from_none_and_from_many() -> None:
    rows = pd.DataFrame({"a": ["x"] * 10 + ["y"] * 10})
    assert not few_differ(rows, rows, 5)
    assert few_differ(rows, rows.iloc[1:], 5)
    assert few_differ(rows.iloc[1:], rows, 5)
    assert not few_differ(rows.iloc[5:], rows, 5)
    other = pd.DataFrame({"a": ["x"] * 9 + ["y"] * 11})
    assert few_differ(other, rows, 5)  # one went from one class to another
