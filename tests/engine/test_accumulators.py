"""What accumulators know: rows once, how many persons at least, how much of one at most."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from retention.catalogue.model import TableName
from retention.errors import ConfigurationError, RunFailed
from retention.execution.accumulating import Increment, accumulate
from retention.execution.chunks import IntendedRow, pack, unpack
from retention.execution.counting import redeclared
from retention.planning.plan import Transition
from retention.releases import cubes
from retention.releases.history import departed
from retention.releases.parts import Making, shape_of_cube
from retention.releases.reading import read_releases
from retention.stores import control
from tests.engine.lives import AS_OF, TO_PSEUDONYMISE, connection, customer, invoice, order
from tests.engine.small import Small
from tests.engine.stored import fetch

OLD = date(2020, 3, 1)
YEAR = AS_OF.year - 4


def cells(small: Small, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The cells of an accumulator by their coordinates."""
    with small.reopened() as installation:
        return {
            tuple(json.loads(row["cell"])): row
            for row in fetch(installation.stores.control, control.accumulators)
            if row["name"] == name
        }


def figures(cell: dict[str, Any]) -> tuple[Any, ...]:
    return cell["rows"], cell["persons"], cell["largest_rows"], dict(cell["sums"]), cell["largest"]


def leaving(number: int) -> dict[str, Any]:
    return customer(number, collected_on=OLD)


@pytest.mark.parametrize("chunk_rows", [1, 1_000])
def test_persons_that_leave_with_all_they_own_add_up(tmp_path: Path, chunk_rows: int) -> None:
    """Customers 1 and 2, three orders in one year: two persons, the larger of them 70."""
    small = Small(tmp_path / "s", settings={"chunk_rows": chunk_rows}).write()
    small.fill(
        {
            "crm.customers": [leaving(1), leaving(2)],
            "crm.orders": [order(1, 1, OLD, 40), order(2, 1, OLD, 30), order(3, 2, OLD, 60)],
        }
    )
    small.run(AS_OF)
    assert figures(cells(small, "customers_by_year")["2020",]) == (2, 2, 1, {}, {})
    turnover = cells(small, "turnover")["2020",]
    assert figures(turnover) == (3, 2, 2, {"amount": "130"}, {"amount": "70"})


def test_persons_whose_rows_leave_one_by_one_are_at_least_as_many_as_in_any_chunk(
    tmp_path: Path,
) -> None:
    """Three invoices of two customers: with a row a chunk only one person is sure."""
    invoices = [invoice(1, 1, OLD, 10), invoice(2, 1, OLD, 20), invoice(3, 2, OLD, 40)]
    rows = {"crm.customers": [customer(1), customer(2)], "crm.invoices": invoices}
    rows["crm.contracts"] = [
        {"contract_id": n, "customer_id": n, "started_on": OLD, "ended_on": None} for n in (1, 2)
    ]
    found = []
    for chunk_rows in (1_000, 1):
        small = Small(tmp_path / f"s{chunk_rows}", settings={"chunk_rows": chunk_rows})
        small.write().fill(rows)
        small.update("crm.contracts", {}, ended_on=OLD)
        small.run(AS_OF)
        found.append(figures(cells(small, "invoiced")["2020",]))
    assert found[0] == (3, 2, 2, {"amount": "70"}, {"amount": "40"})
    assert found[1] == (3, 1, 3, {"amount": "70"}, {"amount": "70"})


def test_a_row_that_is_pseudonymised_has_left_and_is_not_counted_again(small: Small) -> None:
    """But one that has nothing to make a pseudonym of is counted when it leaves the table."""
    small.insert(
        "web.connections", connection(77, None, AS_OF - timedelta(days=240)) | {"ip": None}
    )
    small.run(AS_OF)
    counted = cells(small, "traffic")
    assert sum(cell["rows"] for cell in counted.values()) == 2  # one pseudonymised, one disposed of
    assert {77, TO_PSEUDONYMISE} <= small.ids("web.connections")
    small.run(AS_OF + timedelta(days=400))
    assert small.ids("web.connections") == set()
    again = cells(small, "traffic")
    assert sum(cell["rows"] for cell in again.values()) == 4  # the fresh one and 77, by now


def test_an_accumulator_declared_otherwise_stops_its_tree_and_only_that(small: Small) -> None:
    small.run(AS_OF)
    tables = small.catalogue["systems"]["crm"]["tables"]
    tables["orders"]["accumulators"]["turnover"]["by"] = [{"column": "ordered_on", "by": "month"}]
    small.write_documents()
    with small.opened() as installation:
        assert set(redeclared(installation)) == {"crm.orders"}
    small.insert("web.connections", connection(78, None, AS_OF - timedelta(days=240)))
    before = len(small.ids("crm.customers"))
    with pytest.raises(RunFailed, match="accumulator 'turnover' was declared otherwise"):
        small.run(AS_OF + timedelta(days=900))
    assert len(small.ids("crm.customers")) == before
    assert 78 not in small.ids("web.connections")
    orders = tables["orders"]
    orders["accumulators"] = {"turnover_by_month": orders["accumulators"]["turnover"]}
    small.write_documents()
    with small.opened() as installation:
        assert redeclared(installation) == {}


# --- what older releases of this program have written ---------------------------------------


def test_cells_of_an_older_release_are_added_to_and_read(small: Small) -> None:
    """They know of nobody: no person is sure but where a row is one, no largest part is known."""
    with small.reopened() as installation, installation.stores.control.begin() as connection:
        for table, name, sums in (
            ("crm.customers", "customers_by_year", {}),
            ("crm.orders", "turnover", {"amount": "500"}),
        ):
            connection.execute(
                control.accumulators.insert().values(
                    table_name=table, name=name, cell='["2020"]', rows=5, sums=sums
                )
            )
    small.run(AS_OF)
    turnover = cells(small, "turnover")["2020",]
    assert (turnover["rows"], turnover["sums"]) == (8, {"amount": "655"})
    assert (turnover["persons"], turnover["largest_rows"], turnover["largest"]) == (3, None, {})
    path = statistics(small)
    with small.opened() as installation:
        releases = read_releases(path, installation.catalogue)
        orders = releases.releases["small"].cubes["orders"]
        shape = shape_of_cube(installation, orders)
        gone = departed(installation, orders, shape, small.home)
        assert gone is not None
        (cell,) = gone[gone.year == "2020"].to_dict("records")
        assert (cell["rows"], cell["subjects"]) == (8, 3)
        people = releases.releases["small"].cubes["customers"]
        gone = departed(installation, people, shape_of_cube(installation, people), small.home)
        assert gone is not None
        assert (gone.subjects == gone.rows).all()


def test_what_was_written_down_before_a_row_left_can_still_be_read() -> None:
    row = IntendedRow((1,), Transition.dispose, b"leaf", increments=(Increment("t", "n", "[]"),))
    packed = pack(row)
    packed[5] = [["t", "n", "[]", {"a": "1"}]]  # as control_0001 had it
    (increment,) = unpack(packed).increments
    assert increment == Increment("t", "n", "[]", {"a": "1"})
    assert unpack(pack(row)) == row


def test_increments_of_nobody_knows_whom_bound_nothing(small: Small) -> None:
    with small.reopened() as installation, installation.stores.control.begin() as connection:
        unknown = Increment("t", "n", "[]", {"a": "1"})
        accumulate(connection, [unknown, Increment("t", "n", "[]", {"a": "5"}, person=1)])
        row = connection.execute(sa.select(control.accumulators)).one()
    assert (row.rows, row.persons, row.largest_rows, row.largest) == (2, 1, 2, {})


# --- the same cells in releases, on both databases ------------------------------------------


def statistics(small: Small) -> Path:
    path = small.home / "statistics.yaml"
    year = {"rule": {"kind": "date"}, "level": "year"}
    threshold = {"kind": "threshold", "dominance": None}
    path.write_text(
        yaml.safe_dump(
            {
                "statistics": "small",
                "releases": {
                    "small": {
                        "label": "Small",
                        "cubes": {
                            "customers": {
                                "label": "Customers",
                                "table": "crm.customers",
                                "accumulator": "customers_by_year",
                                "dimensions": [{"name": "year", "column": "collected_on", **year}],
                                "protection": threshold,
                            },
                            "orders": {
                                "label": "Orders",
                                "table": "crm.orders",
                                "accumulator": "turnover",
                                "dimensions": [{"name": "year", "column": "ordered_on", **year}],
                                "measures": [{"name": "amount", "column": "amount"}],
                                "margins": [[]],
                                "protection": threshold,
                            },
                        },
                    }
                },
            }
        )
    )
    return path


def test_a_cube_counts_the_same_before_and_after_rows_have_left(server: Small) -> None:
    path = statistics(server)
    every = server.rows("crm.orders")

    def released() -> dict[str, tuple[int, int]]:
        with server.opened() as installation:
            cube = read_releases(path, installation.catalogue).releases["small"].cubes["orders"]
            made = cubes.exact(Making(installation, server.home, "small", "2026-11", AS_OF), cube)
        return {row.year: (int(row.rows), int(row.amount)) for row in made.itertuples()}

    server.run(AS_OF)
    # whose owner is in review (order 8) is neither active nor gone
    kept = [row for row in every if row["order_id"] != 8]
    wanted: dict[str, list[int]] = {}
    for row in kept:
        for label in (str(row["ordered_on"])[:4], "(all)"):
            cell = wanted.setdefault(label, [0, 0])
            cell[0] += 1
            cell[1] += row["amount"]
    assert released() == {label: tuple(cell) for label, cell in wanted.items()}
    assert len(server.rows("crm.orders")) < len(every)


def test_an_accumulator_that_cannot_give_a_cube_is_refused(small: Small) -> None:
    path = statistics(small)
    document = yaml.safe_load(path.read_text())
    document["releases"]["small"]["cubes"]["orders"]["dimensions"][0]["level"] = "month"
    path.write_text(yaml.safe_dump(document))
    with (
        small.opened() as installation,
        pytest.raises(ConfigurationError, match="is not by 'ordered_on' on level 'month'"),
    ):
        read_releases(path, installation.catalogue)
    assert TableName("crm.orders") == "crm.orders"
