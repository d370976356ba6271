"""Write, audit, publish: only bytes that an audit has passed come out, all of them or none."""

from __future__ import annotations

import json
import stat
from datetime import date

import pytest
import sqlalchemy as sa

from retention import ledger
from retention.errors import ConfigurationError, LeaseHeld, RetentionError, SourceError
from retention.execution.run import acquire_lease
from retention.installation import Installation
from retention.releases import records as store
from retention.releases.auditing import Auditor, audit, checks_of, record_audit, run_check
from retention.releases.built import Built, Status
from retention.releases.errors import EmptyRelease, NotAudited
from retention.releases.publishing import published
from retention.releases.verifying import verify
from retention.stores import control
from retention.stores.open import Stores
from tests.publishing_support import (
    AUDIENCE,
    built_once,
    entries,
    installation,
    other_bytes,
    statistics,
)
from tests.releases_support import AS_OF, Statistics, clock_on

NEXT = date(2026, 12, 24)


def test_a_release_that_passed_is_found_by_readers(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    statistics.audited(installation, built)
    out = statistics.publish(installation, built)
    assert out.folder == statistics.folder / "statistics" / AUDIENCE / "2026-11"
    names = sorted(path.name for path in out.folder.iterdir())
    assert names == ["connections.parquet", "dictionary.json", "manifest.json"]
    manifest = json.loads((out.folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["digest"], manifest["revision"], manifest["as_of"]) == (
        built.digest, 1, "2026-11-24",
    )  # fmt: skip
    assert set(manifest["audit"]["checks"]) <= set(
        checks_of(statistics.releases(installation).releases[AUDIENCE])
    )
    assert entries(installation) == [(built.digest, 1)]
    assert (
        ledger.verify(installation.stores.control, statistics.folder / "ledger.head").problem
        is None
    )
    assert verify(installation, statistics.releases(installation)) == []


def test_quarantine_is_for_its_owner_and_what_is_published_for_all(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    statistics.audited(installation, built)
    out = statistics.publish(installation, built)
    for path in (built.folder, *built.folder.parents[:2]):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    assert {stat.S_IMODE(path.stat().st_mode) for path in built.folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.folder.iterdir()} == {0o644}


def test_the_dictionary_explains_every_column_in_two_languages(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    dictionary = json.loads((built.folder / "dictionary.json").read_text(encoding="utf-8"))
    columns = dictionary["files"]["connections.parquet"]["columns"]
    assert [column["name"] for column in columns] == ["month", "device", "rows"]
    assert all(column["label"] and column["label_fr"] for column in columns)
    assert "mobile" in columns[1]["vocabulary"]


def test_the_same_data_give_the_same_bytes_and_nothing_is_published_twice(
    statistics: Statistics, installation: Installation
) -> None:
    first = statistics.release(installation, AUDIENCE, AS_OF)
    again = statistics.build(installation, AUDIENCE, date(2026, 11, 25))
    assert again.digest == first.digest
    statistics.audited(installation, again)
    assert statistics.publish(installation, again) == first
    assert entries(installation) == [(first.digest, 1)]


def test_other_bytes_of_the_same_month_are_a_revision(
    statistics: Statistics, installation: Installation
) -> None:
    first = statistics.release(installation, AUDIENCE, AS_OF)
    other_bytes(statistics)
    second = statistics.release(installation, AUDIENCE, AS_OF)
    assert (second.revision, second.folder) == (2, first.folder)
    assert published(installation) == [second]
    states = {r.digest: r.status for r in store.records(installation)}
    assert states == {first.digest: Status.withdrawn, second.digest: Status.published}
    assert entries(installation) == [(first.digest, 1), (second.digest, 2)]
    assert verify(installation, statistics.releases(installation)) == []


def test_without_an_audit_nothing_is_published(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    with pytest.raises(NotAudited, match="no audit that passed is on record"):
        statistics.publish(installation, built)
    assert published(installation) == []


def test_an_audit_that_lacks_a_check_or_failed_one_does_not_count(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    releases = statistics.releases(installation)
    results = audit(installation, releases, built).results
    for some in (
        results[1:],
        (),
        (*results[1:], run_check(Auditor(installation, releases, built), "none")),
    ):
        assert not record_audit(installation, releases, built, some, clock_on(AS_OF)())
        with pytest.raises(NotAudited):
            statistics.publish(installation, built)
    assert record_audit(installation, releases, built, results, clock_on(AS_OF)())
    assert statistics.publish(installation, built).revision == 1


@pytest.mark.parametrize("name", ["connections.parquet", "dictionary.json", "manifest.json"])
def test_bytes_changed_after_their_audit_are_not_published(
    name: str, statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    statistics.audited(installation, built)
    path = built.folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(NotAudited):
        statistics.publish(installation, built)
    assert published(installation) == []


def test_a_failed_audit_leaves_the_last_good_release(
    statistics: Statistics, installation: Installation
) -> None:
    good = statistics.release(installation, AUDIENCE, AS_OF)
    other_bytes(statistics)
    statistics.declare(
        lambda document: document["releases"][AUDIENCE].update(utility={"min_cells": 10_000})
    )
    bad = statistics.build(installation, AUDIENCE, AS_OF)
    statistics.audited(installation, bad, passed=False)
    with pytest.raises(NotAudited):
        statistics.publish(installation, bad)
    assert published(installation) == [good]
    assert verify(installation, statistics.releases(installation)) == []


def test_a_check_that_errors_has_failed_and_says_no_value(
    statistics: Statistics, installation: Installation
) -> None:
    built = statistics.build(installation, AUDIENCE, AS_OF)
    statistics.execute("crm", "ALTER TABLE customers RENAME TO gone")
    installation.sources.dispose()
    result = run_check(
        Auditor(installation, statistics.releases(installation), built), "no_source_value"
    )
    assert not result.passed
    assert "the check failed" in result.findings[0].problem


def test_an_empty_release_is_refused(statistics: Statistics, installation: Installation) -> None:
    good = statistics.release(installation, AUDIENCE, AS_OF)
    statistics.declare(
        lambda document: document["releases"].update(
            prospects={
                "label": "Prospects",
                "microdata": {
                    "rows": {
                        "label": "Rows",
                        "table": "marketing.prospects",
                        "quasi_identifiers": [{"name": "source", "column": "source"}],
                        "models": {"k": 5},
                    }
                },
            }
        )
    )
    for table in ("active_responses", "email_opens", "opt_ins", "prospects"):
        statistics.execute("marketing", f"DELETE FROM {table}")
    with pytest.raises(EmptyRelease, match="no active row"):
        statistics.build(installation, "prospects", AS_OF)
    assert published(installation) == [good]


def test_a_month_whose_day_has_gone_cannot_be_built(
    statistics: Statistics, installation: Installation
) -> None:
    statistics.run_day(installation, date(2026, 12, 1))
    with pytest.raises(ConfigurationError, match="cannot be built any more"):
        statistics.build(installation, AUDIENCE, date(2026, 11, 30))


def test_a_cube_declared_otherwise_needs_another_name(
    statistics: Statistics, installation: Installation
) -> None:
    statistics.release(installation, AUDIENCE, AS_OF)
    statistics.declare(
        lambda document: document["releases"][AUDIENCE]["cubes"]["connections"].update(margins=[])
    )
    with pytest.raises(ConfigurationError, match="give the changed one another name"):
        statistics.build(installation, AUDIENCE, NEXT)


def test_rows_that_may_be_moving_are_not_counted(
    statistics: Statistics, installation: Installation
) -> None:
    with (
        acquire_lease(installation, "another", clock_on(AS_OF)),
        pytest.raises(LeaseHeld),
    ):
        statistics.build(installation, AUDIENCE, AS_OF)
    with installation.stores.control.begin() as connection:
        connection.execute(control.chunks.update().values(state="intended"))
    with pytest.raises(SourceError, match="unfinished work"):
        statistics.build(installation, AUDIENCE, AS_OF)


def test_a_table_that_drifted_feeds_no_release(
    statistics: Statistics, installation: Installation
) -> None:
    statistics.execute("web", "ALTER TABLE connections ADD COLUMN surprise TEXT")
    with pytest.raises(SourceError, match=r"cannot be made of web\.connections"):
        statistics.build(installation, AUDIENCE, AS_OF)


def test_the_archive_is_never_opened(statistics: Statistics) -> None:
    def closed(*_: object) -> None:
        raise AssertionError("a statistics step has opened a store that is none of its business")

    with statistics.opened() as installation:
        shut = {}
        for name in ("archive", "vault", "keys"):
            engine = getattr(installation.stores, name)
            sa.event.listen(engine, "do_connect", closed)
            engine.dispose()
            shut[name] = engine
        assert isinstance(installation.stores, Stores)
        out = statistics.release(installation, AUDIENCE, AS_OF)
        assert verify(installation, statistics.releases(installation)) == []
        with pytest.raises(AssertionError):
            shut["archive"].connect()
    assert out.revision == 1


def test_nothing_written_names_a_person(statistics: Statistics, installation: Installation) -> None:
    out = statistics.release(installation, AUDIENCE, AS_OF)
    people = statistics.table("crm.customers")
    accounts = statistics.table("web.accounts")
    names = {str(value) for name in ("last_name", "email", "phone") for value in people[name]}
    names |= {str(value) for name in ("email", "display_name") for value in accounts[name]}
    names |= {str(value) for value in statistics.before["web.connections"].ip}
    canaries = {name.encode() for name in names if len(name) > 4 and name != "None"}
    assert len(canaries) > 50
    written = b"".join(
        path.read_bytes()
        for folder in (out.folder, statistics.folder / "quarantine")
        for path in folder.rglob("*")
        if path.is_file()
    )
    with installation.stores.control.connect() as connection:
        for table in (control.releases, control.privacy_budget, control.ledger):
            rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            written += repr(rows).encode()
    assert not [name for name in canaries if name in written]


def test_errors_of_a_release_are_one_line_each(
    statistics: Statistics, installation: Installation
) -> None:
    with pytest.raises(ConfigurationError, match="there is no release 'none'"):
        statistics.build(installation, "none", AS_OF)
    absent = Built("none", "2026-11", AS_OF, "0" * 64, statistics.folder / "none", ())
    with pytest.raises(RetentionError):
        statistics.publish(installation, absent)
