"""The search for persons in every byte finds what is there, wherever and however it is written."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
import zlib
from contextlib import closing
from pathlib import Path

import dagster as dg
import pandas as pd

from demo.write import write_demo
from pipelines.in_process import prepare_home
from retention.installation import open_installation
from tests.dagster_support import AS_OF
from tests.traces_support import Sought, forms_of, hits_below

PLANTED = [("email", "Jérôme.Planté@Planted.example"), ("phone", "06 39 98 47 11"),
           ("iban", "FR7699001562472366004965888"), ("name", "Élodie\tPlantevigne"),
           ("address", "17, rue de l'Église"), ("customer_id", "8675309")]  # fmt: skip


def _plants(folder: Path) -> dict[str, bytes]:
    """By place, what is put there: each kind of place, each in another spelling."""
    return {
        "dagster/storage/a-run/compute_logs/step.err": "jérôme.planté@planted.example".encode(),
        "dagster/storage/utf16.log": "ÉLODIE PLANTEVIGNE".encode("utf-16-le"),
        "dagster/other.json": b'{"name": "PLANTEVIGNE", "phone": "+33 6 39 98 47 11"}',
        "ledger.head": b"0033639984711",
        "statistics/2026-11/a.csv": "month,name\n11,Plantevigne Élodie\n".encode("latin-1"),
        "quarantine/a.txt.gz": gzip.compress(b"FR76 9900 1562 4723 6600 4965 888"),
        "reports/report.txt": "17, RUE DE L'ÉGLISE".encode(),
        "reports/report.bin": zlib.compress(json.dumps({"a": "17, rue de l'Église"}).encode()),
        "log.jsonl": b'{"customer_id": 8675309}',
    }


def test_whatever_is_planted_is_found_in_each_kind_of_place(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    write_demo(folder, people=1, as_of=AS_OF)
    open_installation(folder / "retention.yaml", {}).close()
    prepare_home(folder / "dagster")
    sought = Sought(forms_of(PLANTED))
    assert hits_below(folder, sought) == set()
    for place, data in _plants(folder).items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(b"before " + data if place.endswith(".log") else data)
    frame = pd.DataFrame({"who": ["Plantevigne Élodie"]})
    frame.to_parquet(folder / "quarantine" / "part.parquet", compression="gzip")
    expected = {*_plants(folder), "quarantine/part.parquet"}
    with zipfile.ZipFile(folder / "package.zip", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("inner.json", "x" * 500 + "+33639984711")
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        tag = {"who": "plantevigne, élodie"}
        run = instance.create_run_for_job(_nothing, tags=tag)
        instance.report_engine_event("0639984711 rang", run)
    with closing(sqlite3.connect(folder / "stores" / "control.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE extra (a BLOB, b TEXT)")
        packed = zlib.compress(b"x" * 5_000 + b"Jerome " + PLANTED[0][1].encode())
        connection.execute("INSERT INTO extra VALUES (?, ?)", (packed, "."))
    with closing(sqlite3.connect(folder / "crm.sqlite")) as connection, connection:
        connection.execute("UPDATE customers SET comment = 'Élodie', phone = '06.39.98.47.11'")
    expected |= {
        "package.zip", "dagster/history/runs.db", f"dagster/history/runs/{run.run_id}.db",
        "stores/control.sqlite", "crm.sqlite",
    }  # fmt: skip
    found = {place.removesuffix(" (inside)") for place, _ in hits_below(folder, sought)}
    assert found == expected
    assert {value for _, value in hits_below(folder, sought)} == set(PLANTED)


@dg.job
def _nothing() -> None:
    """A job that runs are made of."""


def test_a_number_within_another_is_not_that_number() -> None:
    sought = Sought(forms_of([("phone", "0639984711"), ("customer_id", "8675309")]))
    assert not sought.found_in(b"ab0639984711fe, 06399847112, customer_id=86753091")
    assert sought.found_in(b"(0639984711), customer_id=8675309.") == {
        ("phone", "0639984711"),
        ("customer_id", "8675309"),
    }
