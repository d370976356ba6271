"""The benchmark's way from CSV to CSV gives the release that the library gives."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import DistinctDiversity, KAnonymity
from benchmarks import anonymizers, anonymizers_csv
from benchmarks.anonymizers_bootstrap import bootstrap
from tests import recoding_support as naive

HEADER = ["place", 'a "note"', "sex", "illness", "age"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in naive.QUASI:
        with (tmp_path / f"some_hierarchy_{name}.csv").open("w", newline="") as file:
            csv.writer(file, delimiter=";").writerows([*row, "*"] for row in naive.ROWS[name])
    with (tmp_path / "people.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        for number in range(60):
            place = ["Paris", "Melun", "Lyon", "Bron", ""][number % 5]
            note = ["plain", "é; two\nlines", 'a "quote"', ""][number % 4]
            sick = ["flu", "cold", "hiv"][number % 3]
            writer.writerow([place, note, "fm"[number % 2], sick, str(number % 6)])
        writer.writerow(["Brest", "the only one", "f", "flu", "0"])
    return tmp_path


def main(folder: Path, *options: str) -> None:
    command = ["anonymizers", "--adult", str(folder / "people.csv")]
    command += ["--hierarchies", str(folder), "--quasi-identifiers", *naive.QUASI]
    command += ["--sensitive", "illness", "--out", str(folder / "release.csv")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*command, "--json", str(folder / "figures.json"), *options])
        anonymizers.main()


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep=";", dtype="str", keep_default_na=False)


def test_the_release_is_that_of_the_library(folder: Path) -> None:
    main(folder, "--k", "4", "--l", "2", "--l-kind", "distinct")

    frame = read(folder / "people.csv")
    frame["place"] = frame["place"].replace("", None)
    recoding = LocalRecoding(
        [naive.TREES[name] for name in naive.QUASI],
        [KAnonymity(4), DistinctDiversity("illness", 2)],
    )
    expected = recoding.fit_transform(frame).astype("str")
    pd.testing.assert_frame_equal(read(folder / "release.csv"), expected)
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["report"]["ncp"] == pytest.approx(recoding.report_.ncp)
    assert figures["release"]["mean loss of the cells released"] == pytest.approx(
        recoding.report_.ncp
    )
    assert figures["release"]["k"] == recoding.report_.smallest_class
    assert figures["release"]["sensitive"]["illness"]["distinct"] >= 2


def test_suppressed_rows_are_not_in_the_file(folder: Path) -> None:
    main(folder, "--k", "2", "--global", "--max-suppressed", "0.1")

    assert len(read(folder / "release.csv")) == 60
    assert "the only one" not in (folder / "release.csv").read_text(encoding="utf-8")


def test_a_bootstrap_is_the_same_each_time(folder: Path) -> None:
    for name in ("one.csv", "two.csv"):
        bootstrap(folder / "people.csv", 500, folder / name)

    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()
    drawn = read(folder / "one.csv")
    assert len(drawn) == 500
    for name in HEADER:
        assert set(drawn[name]) <= set(read(folder / "people.csv")[name])


def test_faults_are_told_in_one_line(folder: Path) -> None:
    for options, fault in (
        (["--k", "0"], "error: k must be a whole number of at least 1"),
        (["--k", "100"], "error: k = 100 cannot be met: the number of subjects is 61"),
        (["--quasi-identifiers", "zip"], f"error: {folder} has no hierarchy of zip"),
        (["--sensitive", "pay", "--l", "2"], f"error: {folder / 'people.csv'} has no column pay"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(folder, *options)
        assert str(stopped.value) == fault


def test_blocks_of_a_file_are_numbered_alike(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = anonymizers_csv.frame_of(folder / "people.csv", ";")

    monkeypatch.setattr(anonymizers_csv, "BLOCK", 256)

    pd.testing.assert_frame_equal(anonymizers_csv.frame_of(folder / "people.csv", ";"), whole)
