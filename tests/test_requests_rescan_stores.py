"""The re-scan of the orchestrator's own stores and files: archive, vault, packages, releases."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from retention.holds import subject_token
from retention.installation import Installation
from retention.releases.files import parquet_bytes
from retention.requests.model import Outcome, OutcomeLine
from retention.requests.proving.rescan import gather_sought, rescan
from retention.stores import archive, cases, vault
from tests.engine import lives
from tests.engine.lives import ARCHIVE, AS_OF
from tests.engine.small import Small

PERSONS = [("crm.customers", (ARCHIVE,)), ("web.accounts", (lives.OF_ARCHIVE,))]
SHARED = "person3@example.org"
LINES = [
    OutcomeLine("crm.customers", "contract", Outcome.archived, 1, date(2028, 1, 1), "statute"),
    OutcomeLine("crm.invoices", "accounting", Outcome.archived, 1, date(2033, 1, 1), "statute"),
]


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path / "small").write().fill()


def tokens_of(installation: Installation) -> list[str]:
    return [subject_token(installation.keyring, *person) for person in PERSONS]


def unexplained(installation, sought, *lines, **more):
    traces = rescan(installation, sought, lines, tokens_of(installation), **more)
    return {(trace.place, trace.what) for trace in traces if not trace.explained}


@pytest.fixture
def archived(small: Small) -> Small:
    """Customer ARCHIVE is in the archive, its account deleted; nothing else is left of them."""
    small.update("crm.customers", {"customer_id": ARCHIVE}, name="Marie Martin")
    small.update("crm.invoices", {"customer_id": ARCHIVE}, billed_to="Marie Martin")
    for number in (2, 3):
        small.update("crm.notes", {"note_id": number}, body="a note")
    small.run()
    small.delete("web.connections", account_id=lives.OF_ARCHIVE)
    small.delete("web.accounts", account_id=lives.OF_ARCHIVE)
    return small


def test_what_is_archived_is_sought_by_its_unsealed_values(archived):
    with archived.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        values = {(field, value) for field, value, _ in sought["values"]}
        assert {("email", "person3@example.org"), ("full_name", "Marie Martin")} <= values
        assert ["crm.customers", [str(ARCHIVE)]] in sought["keys"]
        assert {name for name, _ in sought["records"]} >= {"crm.customers", "crm.invoices"}


def test_the_archive_is_explained_by_the_outcome_alone(archived):
    with archived.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        assert unexplained(installation, sought, *LINES) == set()
        assert {
            ("archive:crm.customers", "record"),
            ("archive:crm.customers", "email"),
            ("archive:crm.invoices", "record"),
            ("archive:crm.notes", "record"),
        } <= unexplained(installation, sought)
        # each table's outcome speaks for that table, and for what follows it
        assert ("archive:crm.invoices", "record") in unexplained(installation, sought, LINES[0])
        assert ("archive:crm.notes", "record") not in unexplained(installation, sought, LINES[0])
        gone = [OutcomeLine(line.table, "", Outcome.deleted, 1) for line in LINES]
        assert ("archive:crm.customers", "email") in unexplained(installation, sought, *gone)


def test_nothing_is_found_once_the_archive_is_empty(archived):
    with archived.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        at = tokens_of(installation)
        with installation.stores.archive.begin() as connection:
            records = archive.records.select().where(archive.records.c.subject_token.in_(at))
            units = {row.unit_id for row in connection.execute(records)}
            for table in (archive.records, archive.fingerprints):
                connection.execute(table.delete().where(table.c.unit_id.in_(units)))
            connection.execute(archive.evidence.delete())
        assert unexplained(installation, sought) == {("vault", "identity")}
        with installation.stores.vault.begin() as connection:
            gone = vault.records.c.unit_id.in_(units)
            connection.execute(vault.records.delete().where(gone))
        assert rescan(installation, sought, [], at) == []


def test_a_fingerprint_whose_record_is_gone_is_found(archived):
    with archived.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        at = tokens_of(installation)
        with installation.stores.archive.begin() as connection:
            gone = archive.records.c.subject_token.in_(at)
            connection.execute(archive.records.delete().where(gone))
        assert ("archive", "email") in unexplained(installation, sought, *LINES)


def test_another_person_of_the_archive_with_the_same_address_is_told_apart(small):
    other = lives.OUTLIVED
    small.update("crm.customers", {"customer_id": ARCHIVE}, name="Marie Martin")
    small.update("crm.customers", {"customer_id": other}, name="Paul Martin", email=SHARED)
    small.run()
    with small.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        traces = rescan(installation, sought, LINES, tokens_of(installation))
        whys = {t.why for t in traces if (t.place, t.what) == ("archive:crm.invoices", "email")}
        assert "the record is another person's, who shares the value" in whys
        assert ("archive:crm.invoices", "email") not in unexplained(installation, sought, *LINES)


def test_a_further_record_of_the_archive_is_not_explained_away(small):
    other = lives.OUTLIVED
    for number in (ARCHIVE, other):
        small.update("crm.customers", {"customer_id": number}, name="Marie Martin", email=SHARED)
    small.run()
    with small.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        assert ("archive:crm.invoices", "email") in unexplained(installation, sought, *LINES)
        token = subject_token(installation.keyring, "crm.customers", (other,))
        told = unexplained(installation, sought, *LINES, not_theirs=[token])
        assert ("archive:crm.invoices", "email") not in told


def test_a_copy_made_for_the_person_is_found_until_it_is_destroyed(archived):
    with archived.reopened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        with installation.stores.cases.begin() as connection:
            for number, token in enumerate((tokens_of(installation)[0], "f" * 64)):
                of = {"request_id": f"r{number}", "subject_token": token}
                connection.execute(
                    cases.request_subjects.insert(),
                    {
                        **of, "table_name": "crm.customers", "sealed_key": b"", "found_by": "email",
                        "chosen": True, "agrees": [], "contradicts": [],
                    },
                )  # fmt: skip
                connection.execute(
                    cases.packages.insert(),
                    {
                        "package_id": f"p{number}", "request_id": f"r{number}", "unit_id": "u",
                        "sealed": b"x", "made_on": AS_OF, "expires_on": AS_OF,
                    },
                )  # fmt: skip
        assert unexplained(installation, sought, *LINES) == {("package", "copy")}
        with installation.stores.cases.begin() as connection:
            gone = cases.packages.c.package_id == "p0"
            connection.execute(cases.packages.update().where(gone).values(sealed=None))
        assert unexplained(installation, sought, *LINES) == set()


def files(home: Path) -> dict[str, bytes]:
    frame = pd.DataFrame({"region": ["x", "Marie MARTIN"], "rows": [1, 2]})
    return {
        "statistics/r/.versions/a/cube.parquet": parquet_bytes(frame, {}),
        "quarantine/r/2026-11/x/rows.csv": b'a,b\r\n1,"PERSON3@example.org"\r\n',
        "quarantine/r/2026-11/x/dictionary.json": b'{"a": "person3\\u0040example.org"}\n',
        "statistics/data_docs/index.html": b"<td>person3&#64;example.org</td>",
    }


def test_released_and_quarantined_files_are_read(archived):
    archived.change_settings(statistics={"declaration": "statistics.yaml"})
    with archived.opened() as installation:
        sought = gather_sought(installation, [], tokens_of(installation))
        assert unexplained(installation, sought, *LINES) == set()
        for name, content in files(archived.home).items():
            path = archived.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            clean = path.with_name(f"clean{path.suffix}")
            clean.write_bytes(b"" if path.suffix != ".parquet" else content_of_nobody())
        (archived.home / "statistics/r/2026-11").symlink_to(".versions/a")
        assert unexplained(installation, sought, *LINES) == {
            ("release:statistics/r/.versions/a/cube.parquet", "name"),
            ("release:quarantine/r/2026-11/x/rows.csv", "email"),
            ("release:quarantine/r/2026-11/x/dictionary.json", "email"),
            ("release:statistics/data_docs/index.html", "email"),
        }


def content_of_nobody() -> bytes:
    return parquet_bytes(pd.DataFrame({"region": ["x"], "rows": [2]}), {})
