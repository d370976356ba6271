"""Audits of a release's shape, texts and files: each leak is found, a clean release has none."""

from __future__ import annotations

import hashlib
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizers.audits import leaks
from anonymizers.audits.findings import Finding
from anonymizers.frame_pseudonyms import FrameKey, frame_pseudonym
from anonymizers.pseudonyms import TOKEN_PREFIX, pseudonym
from retention.releases.files import parquet_bytes

KEY = bytes(range(32))
SECRET = "Jeanne.Martin@example.org"
CLOSED = {"region": ("Bretagne", "Corse", "(all)"), "status": ("published", "suppressed")}
DECLARED = ["region", "month", "rows", "spent", "status"]
UNITS = {"rows": Decimal(1), "spent": Decimal("0.5")}


def clean() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "region": ["(all)", "Bretagne", "Bretagne", "Corse", "Corse"],
            "month": ["2024-01", "2024-01", "2024-02", "2024-01", "2024-02"],
            "rows": pd.array([60, 21, 13, 26, pd.NA], dtype="Int64"),
            "spent": [Decimal("100.5"), Decimal(40), Decimal("20.0"), Decimal(61), None],
            "status": ["published"] * 4 + ["suppressed"],
        }
    )
    return frame.astype({"region": "str", "month": "str", "status": "str"})


def audited(frame: pd.DataFrame) -> list[Finding]:
    kinds = {"region": "text", "month": "text", "rows": "integer", "spent": "number"}
    return [
        *leaks.undeclared_columns(frame, DECLARED),
        *leaks.column_types(frame, kinds),
        *leaks.index(frame),
        *leaks.vocabulary(frame, CLOSED),
        *leaks.identifier_patterns(frame, CLOSED),
        *leaks.pseudonyms(frame, CLOSED, {"own": KEY}),
        *leaks.formulas(frame, CLOSED),
        *leaks.serial_numbers(frame),
        *leaks.row_order(frame, ["region", "month"]),
        *leaks.precision(frame, UNITS),
    ]


def test_a_clean_release_has_no_finding() -> None:
    assert audited(clean()) == []
    assert audited(clean().iloc[:0]) == []


def with_month(value: object) -> pd.DataFrame:
    """The clean release with the last open label replaced."""
    frame = clean().astype({"month": object})
    frame.loc[4, "month"] = value
    return frame


def digest(name: str) -> str:
    return hashlib.new(name, SECRET.encode()).hexdigest()


LEAKS: dict[str, tuple[pd.DataFrame, set[str]]] = {
    "a column that was not declared": (clean().assign(name="x"), {"undeclared_columns"}),
    "a column that is missing": (clean().drop(columns="spent"), {"undeclared_columns"}),
    "a column twice": (
        pd.concat([clean(), clean()[["region"]]], axis=1)[
            ["region", "month", "rows", "spent", "status"]
        ],
        {"undeclared_columns"},
    ),
    "columns in another order": (clean()[DECLARED[::-1]], {"undeclared_columns"}),
    "a text in a column of numbers": (
        clean().astype({"rows": object}).replace({"rows": {21: "many"}}),
        {"column_types", "precision"},
    ),
    "the index of the source": (clean().set_index(pd.Index([7, 3, 9, 4, 1])), {"index"}),
    "rows taken out of a longer frame": (clean().set_index(pd.RangeIndex(2, 7)), {"index"}),
    "the name of an index": (clean().rename_axis("Martin"), {"index"}),
    "a category that no row has": (
        clean().astype(
            {"month": pd.CategoricalDtype(["2024-01", "2024-02", "Jeanne Martin"])}
        ),
        {"index"},
    ),
    "a label of nobody's vocabulary": (
        clean().replace({"region": {"Corse": "Lourmarin"}}), {"vocabulary"},
    ),
    "an e-mail address": (with_month(f"2024-02, {SECRET}"), {"identifier_patterns"}),
    "a phone number": (with_month("2024-02 06 12 34 56 78"), {"identifier_patterns"}),
    "an IBAN": (with_month("FR76 3000 6000 0112 3456 7890 189"), {"identifier_patterns"}),
    "phone numbers as numbers": (
        clean().assign(rows=[33612345678, 33612345679, 33612345680, 33612345681, 33612345682]),
        {"identifier_patterns"},
    ),
    "a pseudonym of a leaked key": (
        with_month(f"2024-02 {pseudonym(KEY, 'a', SECRET)}"), {"pseudonyms"},
    ),
    "a pseudonym without its prefix": (
        with_month(pseudonym(KEY, "a", SECRET).removeprefix(TOKEN_PREFIX).upper()), {"pseudonyms"},
    ),
    "a pseudonym of another key": (
        with_month(pseudonym(KEY[::-1], "a", SECRET)), {"pseudonyms"},
    ),
    "a pseudonym of a column": (
        with_month(frame_pseudonym(SECRET, FrameKey(3, KEY), "a")), {"pseudonyms"},
    ),
    "a UUID": (
        with_month(str(uuid.UUID(int=0xA5B4C3D2E1F0A5B4C3D2E1F0A5B4C3D2))), {"pseudonyms"},
    ),
    "a digest": (with_month(digest("sha256")), {"pseudonyms"}),
    "a formula": (with_month("=HYPERLINK(A1)"), {"formulas"}),
    "a formula behind a blank": (with_month(" @SUM(A1)"), {"formulas"}),
    "an order of insertion": (
        clean().iloc[[0, 2, 1, 3, 4]].reset_index(drop=True), {"row_order"},
    ),
    "a sum finer than declared": (
        clean().assign(spent=[100.5, 40.0, 20.0, 61.0001234, None]), {"precision"},
    ),
    "a count that is not whole": (
        clean().assign(rows=[60.0, 21.0, 13.00007, 26.0, 5.0]), {"precision", "column_types"},
    ),
    "an infinity": (clean().assign(spent=[np.inf, 1.0, 1.0, 1.0, 1.0]), {"precision"}),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(leak: str) -> None:
    frame, expected = LEAKS[leak]
    found = audited(frame)
    assert {finding.check.removeprefix("leaks.") for finding in found} >= expected
    for finding in found:
        assert "artin" not in str(finding) and "example" not in str(finding)


def test_attributes_of_a_frame_are_found() -> None:
    frame = clean()
    frame.attrs["source"] = "customers of Jeanne Martin"
    assert [finding.check for finding in leaks.index(frame)] == ["leaks.index"]


def test_a_key_that_makes_a_pseudonym_again_is_named() -> None:
    token = with_month(pseudonym(KEY, "a", SECRET))
    keys = {"own": KEY, "other": KEY[::-1]}
    problems = [finding.figures.get("key") for finding in leaks.pseudonyms(token, {}, keys)]
    assert problems.count("own") == 1
    assert "other" not in problems


def test_a_declared_label_is_no_identifier_whatever_it_looks_like() -> None:
    label = "06 12 34 56 78"
    frame = with_month(label)
    assert leaks.identifier_patterns(frame, {"month": [label]}) == []
    assert leaks.identifier_patterns(frame, {"region": [label]}) != []


def test_numbers_that_have_a_checksum_by_chance_are_no_identifiers() -> None:
    sums = pd.DataFrame({"spent": np.arange(300_000_000, 300_000_000 + 137 * 60, 137)})
    assert leaks.identifier_patterns(sums, {}) == []


def test_signed_numbers_are_no_formulas_and_headers_may_be() -> None:
    assert leaks.formulas(pd.DataFrame({"band": ["-5", "+3.2", "-0,5", "10-20"]})) == []
    assert leaks.formulas(pd.DataFrame({"=cmd()": [1]}))
    assert leaks.formulas(pd.DataFrame({"band": ["-5 to -1"]}), {"band": ["-5 to -1"]}) == []


def test_numbers_of_rows_are_found_however_shuffled() -> None:
    numbers = np.random.default_rng(0).permutation(np.arange(5_001, 5_101))
    for values in (numbers, numbers.astype(float), numbers.astype(str)):
        (finding,) = leaks.serial_numbers(pd.DataFrame({"a": 1, "b": values}))
        assert finding.figures["column"] == "b"
    spread = pd.DataFrame({"rows": np.random.default_rng(0).integers(10, 5_000, 100)})
    assert leaks.serial_numbers(spread) == []
    assert leaks.serial_numbers(pd.DataFrame({"a": np.arange(10)})) == []
    years = pd.DataFrame({"year": [str(year) for year in range(2000, 2025)], "rows": 12})
    assert leaks.serial_numbers(years) == []
    assert leaks.serial_numbers(years.drop(columns="rows"))
    assert leaks.serial_numbers(years.assign(rows=np.arange(700, 725)))


VALUES = st.sampled_from(["a", "b", "é", "Z", None])


@settings(max_examples=100)
@given(st.lists(st.tuples(VALUES, st.integers(0, 2)), max_size=8))
def test_order_is_what_sorting_makes(rows: list[tuple[str | None, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["label", "rows"])
    in_order = sorted(rows, key=lambda row: (row[0] is None, row[0] or "", row[1]))
    assert (leaks.row_order(frame, ["label"]) == []) == (rows == in_order)
    arranged = pd.DataFrame(in_order, columns=["label", "rows"])
    assert leaks.row_order(arranged, ["label"]) == []


@given(st.integers(-(10**30), 10**30), st.sampled_from(["1", "10", "0.01", "2.5", "1E+2"]))
def test_precision_knows_whole_multiples(times: int, unit: str) -> None:
    step = Decimal(unit)
    exact = Decimal(times) * step if abs(times) < 10**20 else Decimal(times // 10**12) * step
    frame = pd.DataFrame({"m": [exact]}, dtype=object)
    assert leaks.precision(frame, {"m": step}) == []
    finer = pd.DataFrame({"m": [exact + step / 8]}, dtype=object)
    assert leaks.precision(finer, {"m": step})


def test_precision_reads_floats_as_they_are_written() -> None:
    frame = pd.DataFrame({"m": [0.1, 0.2, 0.3, 1e15, 123456.7]})
    assert leaks.precision(frame, {"m": Decimal("0.1")}) == []
    assert leaks.precision(frame + 1e-9, {"m": Decimal("0.1")})


# Files.


def clean_file(folder: Path) -> Path:
    path = folder / "cells.parquet"
    path.write_bytes(parquet_bytes(clean(), {"spent": 1}))
    return path


def test_a_clean_file_has_no_finding(tmp_path: Path) -> None:
    assert leaks.parquet_metadata(clean_file(tmp_path), DECLARED) == []


def table() -> pa.Table:
    return pa.table({"region": ["Bretagne", "Corse"], "rows": [21, 13]})


def described(**metadata: dict[str, str]) -> pa.Table:
    fields = [field.with_metadata(metadata.get(field.name)) for field in table().schema]
    return table().cast(pa.schema(fields, metadata=metadata.get("file")))


def hidden_entry() -> pa.Table:
    labels = pa.DictionaryArray.from_arrays(
        pa.array([0, 1], pa.int32()), pa.array(["Bretagne", "Corse", "Jeanne Martin"])
    )
    return pa.table({"region": labels, "rows": [21, 13]})


FILES = {
    "metadata of pandas": pa.Table.from_pandas(table().to_pandas()),
    "a metadata entry": described(file={"source": "/srv/customers.db"}),
    "a path in a field": described(region={"comment": "/home/martin/customers.csv"}),
    "an undeclared column": table().append_column("name", [["Jeanne", "Martin"]]),
    "columns in another order": table().select(["rows", "region"]),
    "a hidden dictionary entry": hidden_entry(),
}


@pytest.mark.parametrize("leak", FILES)
def test_a_leak_in_a_file_is_found(leak: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.parquet"
    pq.write_table(FILES[leak], path)
    found = leaks.parquet_metadata(path, ["region", "rows"])
    assert found
    assert all("artin" not in str(finding) for finding in found)


def test_a_plain_file_of_another_program_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "cells.parquet"
    pq.write_table(table(), path)
    assert leaks.parquet_metadata(path, ["region", "rows"]) == []


def test_bytes_between_the_columns_and_the_footer_are_found(tmp_path: Path) -> None:
    path = clean_file(tmp_path)
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    path.write_bytes(data[:-footer] + SECRET.encode() + data[-footer:])
    (finding,) = leaks.parquet_metadata(path, DECLARED)
    assert finding.figures == {"bytes": len(SECRET)}


@pytest.mark.parametrize("data", [b"", b"PAR1", b"region;rows\n", b"PAR1" * 40])
def test_a_file_that_cannot_be_read_is_a_finding(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cells.parquet"
    path.write_bytes(data)
    assert leaks.parquet_metadata(path, DECLARED)
    assert leaks.parquet_metadata(tmp_path / "none.parquet", DECLARED)
