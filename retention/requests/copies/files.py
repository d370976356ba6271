"""The files of a package, as bytes: JSON for programs, CSV for tables, a page and a note to read.

Pure: the same data give the same bytes, the ZIP's own dates included.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from retention.catalogue.model import Catalogue, TableName
from retention.policy.table import Policy, Purpose
from retention.requests.answering.wording import LANGS
from retention.requests.copies.access import Gathered
from retention.requests.copies.records import GatheredTable, Record
from retention.requests.copies.terms import kept
from retention.requests.model import Kind, Request

SCHEMA = "retention-package/1"
"""The form of ``data.json``; the number grows when a program that reads it must change."""

_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o600 << 16
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # the full-width ones work in Japanese spreadsheets
_NUMBER = re.compile(r"[+-]?\d[\d ]*([.,]\d+)?")
_ABOUT_A_RECORD = ("place", "phase", "held_for", "goes_on", "because", "withheld")


@dataclass(frozen=True)
class About:
    """What surrounds the data: the request, and the documents that explain them."""

    request: Request
    catalogue: Catalogue
    policy: Policy
    gathered: Gathered

    @property
    def made_on(self) -> date:
        return self.gathered.as_of

    @property
    def portability(self) -> bool:
        return self.request.kind is Kind.portability

    def purposes(self) -> dict[str, Purpose]:
        """The purposes that occur, by name, in the policy's order."""
        used = {
            item.purpose
            for table in self.gathered.tables
            for record in table.records
            for item in record.held_for
        }
        every = {
            **{name: item for version in self.policy.versions for name, item in version.purposes.items()},
            **self.policy.version_on(self.made_on).purposes,
        }  # fmt: skip
        return {name: purpose for name, purpose in every.items() if name in used}


def data_json(about: About) -> bytes:
    """``data.json``; ``SCHEMA_TEXT`` says what is in it."""
    document = {
        "schema": SCHEMA,
        "controller": about.policy.controller,
        "request": {
            "reference": about.request.request_id,
            "kind": about.request.kind.value,
            "received_on": about.request.received_on.isoformat(),
        },
        "made_on": about.made_on.isoformat(),
        "purposes": {
            name: {
                "label": {"en": purpose.label, "fr": purpose.label_fr},
                "legal_basis": purpose.legal_basis,
                "kept": {lang: kept(purpose, about.policy, lang) for lang in LANGS},
            }
            for name, purpose in about.purposes().items()
        },
        "recipients": {
            name: {
                "label": {"en": item.label, "fr": item.label_fr or item.label},
                "contact": item.contact,
                "outside_eu": {
                    "en": item.outside_eu,
                    "fr": item.outside_eu_fr or item.outside_eu,
                }
                if item.outside_eu
                else None,
            }
            for name, item in about.catalogue.recipients.items()
            if any(name in table.recipients for table in about.gathered.tables)
        },
        "tables": [_table(about, table) for table in about.gathered.tables],
    }
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    # A lone surrogate of an odd source is written as JSON's own escape.
    return (text + "\n").encode("utf-8", "backslashreplace")


def _table(about: About, table: GatheredTable) -> dict[str, Any]:
    declared = table_of(about.catalogue, table.name)
    return {
        "table": table.name,
        "label": {
            "en": declared.label if declared else table.name,
            "fr": (declared.label_fr or declared.label) if declared else table.name,
        },
        "origin": {
            "en": declared.origin if declared else "",
            "fr": (declared.origin_fr or declared.origin) if declared else "",
        },
        "recipients": list(table.recipients),
        "categories": {
            name: category(about.catalogue, table.name, name) for name in columns(table)
        },
        "records": [_record(record, values_only=about.portability) for record in table.records],
    }


def _record(record: Record, *, values_only: bool) -> dict[str, Any]:
    values = {name: _plain(value) for name, value in record.values.items()}
    if values_only:
        return {"values": values}
    return {
        "place": record.place,
        "phase": str(record.phase),
        "held_for": [
            {
                "purpose": item.purpose,
                "phase": str(item.phase),
                "until": item.until.isoformat() if item.until else None,
            }
            for item in record.held_for
        ],
        "goes_on": record.goes_on.isoformat() if record.goes_on else None,
        "because": record.because,
        "columns_that_go_earlier": {
            name: day.isoformat() for name, day in sorted(record.earlier.items())
        },
        "withheld": {name: str(why) for name, why in sorted(record.withheld.items())},
        "values": values,
    }


def _plain(value: Any) -> Any:
    """A database value as JSON has it: exact numbers and dates as text, bytes as base64."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON knows no infinity
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def table_csv(table: GatheredTable, *, values_only: bool) -> bytes:
    """One table as RFC 4180 has it, in UTF-8; nothing in it is a formula to a spreadsheet."""
    names = columns(table)
    about = () if values_only else _ABOUT_A_RECORD
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in names] + [f"record.{name}" for name in about])
    for record in table.records:
        row = [_cell(_plain(record.values.get(name))) for name in names]
        writer.writerow(row + [_cell(item) for item in _about(record) if about])
    return out.getvalue().encode("utf-8", "replace")


def _about(record: Record) -> Iterator[str]:
    yield record.place
    yield str(record.phase)
    yield "; ".join(
        f"{item.purpose} until {item.until.isoformat() if item.until else '?'}"
        for item in record.held_for
    )
    yield record.goes_on.isoformat() if record.goes_on else ""
    yield record.because or ""
    yield "; ".join(sorted(record.withheld))


def _cell(value: Any) -> str:
    """A cell. What a spreadsheet would compute is marked as text by an apostrophe before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return (
            json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        )
    text = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.lstrip(" \N{NO-BREAK SPACE}").startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def columns(table: GatheredTable) -> list[str]:
    """Every column that some record shows, in the order in which they come."""
    return list(dict.fromkeys(name for record in table.records for name in record.values))


def table_of(catalogue: Catalogue, name: TableName) -> Any:
    """The table's declaration; ``None`` where the catalogue has lost it."""
    try:
        return catalogue.table(name)
    except KeyError:
        return None


def category(catalogue: Catalogue, table: TableName, column: str) -> str:
    """The data category of a column, or of the owner's column that it carries along."""
    declared = table_of(catalogue, table)
    if column.startswith("owner."):
        owner = catalogue.owner_of(table) if declared else None
        declared, column = (table_of(catalogue, owner) if owner else None), column[6:]
    found = declared.columns.get(column) if declared else None
    return str(found.category) if found else "user"


def file_names(tables: Sequence[GatheredTable]) -> dict[TableName, str]:
    """A safe and unique file name for each table."""
    names: dict[TableName, str] = {}
    for table in tables:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", table.name).lstrip(".") or "table"
        name, number = base, 1
        while f"tables/{name}.csv".lower() in {item.lower() for item in names.values()}:
            number += 1
            name = f"{base}-{number}"
        names[table.name] = f"tables/{name}.csv"
    return names


def zipped(files: Mapping[str, bytes]) -> bytes:
    """``files`` as a ZIP whose bytes depend on nothing else."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH_OF_ZIP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _READABLE
            info.create_system = 3  # else it depends on the machine
            archive.writestr(info, files[name])
    return out.getvalue()
