"""Honest releases, ways to alter their bytes, and the leaks that tests put into them."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anonymizers.pseudonyms import pseudonym as made_pseudonym
from assets.expectations.proving import judge
from retention.installation import Installation
from retention.releases.built import Built
from retention.releases.files import digest_of, read_folder, read_parquet
from retention.releases.model import Releases
from tests.statistics_support import StatisticsDemo, now

Frame = pd.DataFrame
NIR, IBAN, PHONE = "1 85 12 75 108 112 72", "FR76 3000 6000 0112 3456 7890 189", "06 12 34 56 78"


@dataclass
class Bench:
    """Honest releases, opened, and a way to alter them."""

    demo: StatisticsDemo
    installation: Installation
    releases: Releases
    built: dict[str, Built] = field(default_factory=dict)

    def frame(self, release: str, part: str) -> Frame:
        return read_parquet(self.built[release].folder / f"{part}.parquet")

    def red(self, built: Built) -> set[str]:
        """The checks that the whole audit of ``built`` turns red."""
        results, proof = judge(self.installation, self.releases, built, now())
        red = {result.check for result in results if not result.passed}
        assert set(proof.red) <= red
        return red

    def someone(self, database: str, query: str) -> str:
        return str(self.demo.one(f"{database}.sqlite", query))


def altered(bench: Bench, folder: Path, release: str, change: Callable[[Path], None]) -> Built:
    """A copy of a release whose files ``change`` has altered, with the digest they have now."""
    honest = bench.built[release]
    there = folder / release
    shutil.copytree(honest.folder, there)
    change(there)
    files = read_folder(there)
    tables = tuple(name for name in files if name.endswith(".parquet"))
    return replace(honest, folder=there, digest=digest_of(files), files=tables)


def write(path: Path, frame: Frame, metadata: dict[str, str] | None = None) -> None:
    """Columns of ``frame`` as the program writes them, and ``metadata`` if there is any."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    with pq.ParquetWriter(path, table.schema, write_statistics=False, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata or {})


def sorted_again(frame: Frame) -> Frame:
    texts = [name for name in frame if pd.api.types.is_string_dtype(frame[name])]
    dimensions = [name for name in texts if name != "status"]
    return frame.sort_values(dimensions, kind="stable", ignore_index=True)


Change = Callable[[Bench, Frame], Frame]


def labelled(column: str, label: str | Callable[[Bench], str]) -> Change:
    """One row says ``label`` in ``column``."""

    def change(bench: Bench, frame: Frame) -> Frame:
        text = label if isinstance(label, str) else label(bench)
        row = frame.index[frame[column] != "(all)"][3]
        frame.loc[row, column] = text
        return sorted_again(frame)

    return change


def email(bench: Bench) -> str:
    return bench.someone("crm", "SELECT email FROM customers WHERE email LIKE '%@%' LIMIT 1")


def name(bench: Bench) -> str:
    return bench.someone(
        "crm", "SELECT first_name || ' ' || last_name FROM customers WHERE length(last_name) > 4"
    )


def account(bench: Bench) -> str:
    return bench.someone("web", "SELECT account_id FROM accounts LIMIT 1")


def pseudonym(bench: Bench) -> str:
    """What the program itself writes for an address in place; its key is at hand."""
    return made_pseudonym(
        bench.installation.keyring.pseudonym_key, "web.connections.ip", "203.0.113.7"
    )


def published(frame: Frame) -> Any:
    return frame.index[frame["status"] == "published"]


def small_cell(_: Bench, frame: Frame) -> Frame:
    frame.loc[published(frame)[0], "subjects"] = 3
    return frame


def hidden_number(_: Bench, frame: Frame) -> Frame:
    hidden = frame.index[frame["status"] == "suppressed"][0]
    frame.loc[hidden, ["subjects", "rows"]] = 2
    return frame


def one_person_more(_: Bench, frame: Frame) -> Frame:
    inner = frame[(frame["region"] != "(all)") & (frame["status"] == "published")].index
    row = frame.loc[inner, "subjects"].idxmax()
    frame.loc[row, ["subjects", "rows"]] += 1
    return frame


def complement(_: Bench, frame: Frame) -> Frame:
    """All hidden cells of a line but one are shown, with what is left of the line's total."""
    dimensions = ["region", "civility"]
    lines = frame[(frame[dimensions] != "(all)").all(axis=1)]
    hidden = lines[lines["status"] == "suppressed"].groupby("region").size()
    totals = frame[(frame["civility"] == "(all)") & (frame["status"] == "published")]
    line = next(region for region in totals["region"] if hidden.get(region, 0) > 1)
    mine = lines.index[(lines["region"] == line) & (lines["status"] == "suppressed")]
    for row in mine[1:]:
        frame.loc[row, ["subjects", "rows"]] = 20
        frame.loc[row, "status"] = "published"
    shown = lines.index[
        (lines["region"] == line) & (frame.loc[lines.index, "status"] == "published")
    ]
    total = totals.index[totals["region"] == line][0]
    for column in ("subjects", "rows"):
        frame.loc[total, column] = frame.loc[shown, column].sum() + 3
    return frame


def margin_that_does_not_add_up(_: Bench, frame: Frame) -> Frame:
    total = frame.index[(frame["region"] == "(all)") & (frame["civility"] == "(all)")]
    frame.loc[total, ["subjects", "rows"]] += 50
    return frame


def shuffled(_: Bench, frame: Frame) -> Frame:
    return frame.sample(frac=1, random_state=1).reset_index(drop=True)


def extra(column: str, values: Callable[[Bench, Frame], list[Any]]) -> Change:
    def change(bench: Bench, frame: Frame) -> Frame:
        return frame.assign(**{column: values(bench, frame)})

    return change


def ids(bench: Bench, frame: Frame) -> list[Any]:
    return list(range(1, len(frame) + 1))


def finer(_: Bench, frame: Frame) -> Frame:
    """Turnover to the cent, where it is declared to the ten."""
    known = frame["amount"].notna()
    amounts = frame["amount"].astype("Float64")
    return frame.assign(amount=amounts.where(~known, amounts + 4.37))


def id_in_a_float(bench: Bench, frame: Frame) -> Frame:
    """Behind the point of each sum stands the key of a customer."""
    amounts = frame["amount"].astype("Float64")
    return frame.assign(amount=amounts + pd.Series(range(1, len(frame) + 1)) / 1e6)


def fractional_count(_: Bench, frame: Frame) -> Frame:
    return frame.assign(rows=frame["rows"].astype("Float64") + 0.0001)


def unique_row(_: Bench, frame: Frame) -> Frame:
    row = frame.iloc[[0]].assign(collected="2019", consented="2020-Q3")
    return sorted_again(pd.concat([frame, row], ignore_index=True))


def of_one_class(frame: Frame) -> Any:
    quasi = ["collected", "consented"]
    sizes = frame.groupby(quasi, dropna=False).size()
    label = sizes.idxmin()
    return frame.index[(frame[quasi] == list(label)).all(axis=1)]


def homogeneous(_: Bench, frame: Frame) -> Frame:
    rows = of_one_class(frame)
    frame.loc[rows, "source"] = frame.loc[rows[0], "source"]
    return sorted_again(frame)


def skewed(_: Bench, frame: Frame) -> Frame:
    """One class has two rare sources alone: diverse enough, and far from the whole."""
    rare = frame["source"].value_counts().index[-2:]
    rows = of_one_class(frame)
    frame.loc[rows, "source"] = [rare[place % 2] for place in range(len(rows))]
    return sorted_again(frame)


def duplicated(_: Bench, frame: Frame) -> Frame:
    """A class has lost a person, and another one of it stands there twice."""
    rows = of_one_class(frame)
    return sorted_again(pd.concat([frame.drop(rows[0]), frame.loc[[rows[1]]]], ignore_index=True))


def inflated(_: Bench, frame: Frame) -> Frame:
    """Everybody is in it four times: no class is small any more."""
    return sorted_again(pd.concat([frame] * 4, ignore_index=True))


def verbatim(bench: Bench, frame: Frame) -> Frame:
    rows = bench.demo.table(
        "marketing.sqlite", "SELECT collected_at, consent_at, source FROM prospects"
    )
    copy = Frame(rows, columns=list(frame.columns)).fillna("(missing)").astype("str")
    return sorted_again(copy)


def one_raw_date(bench: Bench, frame: Frame) -> Frame:
    return labelled("collected", "2026-03-05T10:24:11")(bench, frame)


def empty(_: Bench, frame: Frame) -> Frame:
    return frame.iloc[:0]


def came_or_went(_: Bench, frame: Frame) -> Frame:
    return sorted_again(frame.drop(frame.index[0]))


def noise_drawn_again(_: Bench, frame: Frame) -> Frame:
    inner = frame["device"] != "(all)"
    return frame.assign(rows=frame["rows"].where(~inner, frame["rows"] + 2))


def period_without_a_record(_: Bench, frame: Frame) -> Frame:
    months = sorted(set(frame["month"]))
    return sorted_again(frame.assign(month=frame["month"].replace(months[0], "2020-01")))


def only_cells_with_people(_: Bench, frame: Frame) -> Frame:
    """An empty cell left out says that nobody was in it: noise protects only if it is there."""
    return frame.drop(frame.index[frame["device"] != "(all)"][0]).reset_index(drop=True)


LEAKS: dict[str, tuple[str, str, Change, str]] = {
    # name: release, file, change, the check that must be red
    "a small cell": ("customers", "by_region", small_cell, "no_small_cell"),
    "a hidden cell that has its numbers": (
        "customers", "by_region", hidden_number, "no_small_cell"),
    "a cell that others give away": ("customers", "by_region", complement, "no_recoverable_cell"),
    "a total that does not add up": (
        "customers", "by_region", margin_that_does_not_add_up, "no_recoverable_cell"),
    "one person more than last time": (
        "customers", "by_region", one_person_more, "no_differencing"),
    "an e-mail in a label": ("people", "rows", labelled("source", email), "no_direct_identifier"),
    "a made-up e-mail in a label": (
        "customers", "by_region", labelled("civility", "jean@mail.example"),
        "no_direct_identifier"),
    "a phone number in a label": (
        "customers", "by_region", labelled("civility", f"Mme {PHONE}"), "no_direct_identifier"),
    "a NIR in a label": ("people", "rows", labelled("source", NIR), "no_direct_identifier"),
    "an IBAN in a label": ("people", "rows", labelled("source", IBAN), "no_direct_identifier"),
    "an IP address in a label": (
        "people", "rows", labelled("source", "203.0.113.77"), "no_direct_identifier"),
    "the name of a person as a category": (
        "customers", "by_region", labelled("civility", name), "no_source_value"),
    "a name between other words": (
        "people", "rows", labelled("source", lambda b: f"fair, {name(b)}, Lyon"),
        "no_source_value"),
    "the key of an account": ("people", "rows", labelled("source", account), "no_source_value"),
    "the key of an account in base64": (
        "people", "rows",
        labelled("source", lambda b: base64.b64encode(account(b).encode()).decode()),
        "no_source_value"),
    "the hash of an e-mail": (
        "people", "rows",
        labelled("source", lambda b: hashlib.sha256(email(b).encode()).hexdigest()),
        "no_source_value"),
    "an e-mail in hexadecimal": (
        "people", "rows", labelled("source", lambda b: email(b).encode().hex()),
        "no_source_value"),
    "a pseudonym whose key is known": (
        "people", "rows", labelled("source", pseudonym), "no_direct_identifier"),
    "a postcode in place of a region": (
        "customers", "by_region", labelled("region", "34170"), "schema_is_as_declared"),
    "a day in place of a year": (
        "customers", "turnover", labelled("ordered", "2024-03-05"), "schema_is_as_declared"),
    "a user agent in place of a device": (
        "audience", "by_month", labelled("device", "Mozilla/5.0 (X11; Linux x86_64)"),
        "schema_is_as_declared"),
    "a formula for a spreadsheet": (
        "people", "rows", labelled("source", "=1+cmd|' /C calc'!A0"), "schema_is_as_declared"),
    "bits between the letters of a label": (
        "people", "rows", labelled("source", "fa\u200bi\u200br"), "schema_is_as_declared"),
    "a column too many": ("people", "rows", extra("n", ids), "schema_is_as_declared"),
    "a column of row numbers among the counts": (
        "customers", "by_region", extra("weight", ids), "schema_is_as_declared"),
    "rows in the order of insertion": ("people", "rows", shuffled, "order_is_canonical"),
    "cells in another order": ("customers", "by_region", shuffled, "order_is_canonical"),
    "sums finer than declared": ("customers", "turnover", finer, "schema_is_as_declared"),
    "a key behind the point of a sum": (
        "customers", "turnover", id_in_a_float, "schema_is_as_declared"),
    "counts with a fraction": (
        "customers", "by_region", fractional_count, "schema_is_as_declared"),
    "a unique row": ("people", "rows", unique_row, "privacy_model_holds"),
    "a class of one value": ("people", "rows", homogeneous, "privacy_model_holds"),
    "a class far from the whole": ("people", "rows", skewed, "privacy_model_holds"),
    "one person twice in a class": ("people", "rows", duplicated, "no_differencing"),
    "everybody four times": ("people", "rows", inflated, "cannot_single_out"),
    "a copy of the table": ("people", "rows", verbatim, "privacy_model_holds"),
    "the exact moment of one person": (
        "people", "rows", one_raw_date, "schema_is_as_declared"),
    "one person left since last time": ("people", "rows", came_or_went, "no_differencing"),
    "an empty file": ("people", "rows", empty, "utility_is_sufficient"),
    "noise drawn a second time": ("audience", "by_month", noise_drawn_again, "no_differencing"),
    "noise without a record": (
        "audience", "by_month", period_without_a_record, "budget_is_kept"),
    "only the cells with people in them": (
        "audience", "by_month", only_cells_with_people, "schema_is_as_declared"),
}  # fmt: skip
