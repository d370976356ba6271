"""Write, audit, publish: only bytes that an audit has passed come out, all of them or none."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retention import ledger
from retention.errors import ConfigurationError, LeaseHeld, RetentionError, SourceError
from retention.execution.run import acquire_lease
from retention.installation import Installation
from retention.releases import publishing, quarantine, settling
from retention.releases import records as store
from retention.releases.auditing import Auditor, audit, checks_of, record_audit, run_check
from retention.releases.building import find_built
from retention.releases.built import Built, Status
from retention.releases.errors import EmptyRelease, NotAudited
from retention.releases.publishing import published
from retention.releases.verifying import verify
from retention.stores import control
from retention.stores.open import Stores
from tests.releases_support import AS_OF, Statistics, clock_on, make_statistics

AUDIENCE = "connection_statistics"
NEXT = date(2026, 12, 24)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Statistics:
    """A small demonstration after its first day, nothing published; each test has a copy."""
    made = make_statistics(tmp_path_factory.mktemp("publishing") / "demo", 60)
    made.settings(lambda settings: settings.update(max_review_share=1, caps={"share": 1}))

    def only_audience(document: dict[str, Any]) -> None:
        for name in [name for name in document["releases"] if name != AUDIENCE]:
            del document["releases"][name]
        cube = document["releases"][AUDIENCE]["cubes"]["connections"]
        cube["protection"]["reach"] = 1  # each period takes time to draw

    made.declare(only_audience)
    with made.opened() as installation:
        made.run_day(installation, AS_OF)
    return made


@pytest.fixture
def statistics(built_once: Statistics, tmp_path: Path) -> Statistics:
    return built_once.copied(tmp_path / "demo")


@pytest.fixture
def installation(statistics: Statistics) -> Iterator[Installation]:
    with statistics.opened() as installation:
        yield installation


def entries(installation: Installation) -> list[tuple[str, int]]:
    """The publications in the ledger: digest and revision."""
    at = control.ledger.c
    statement = sa.select(at.merkle_root, at.counts).where(at.transition == settling.PUBLISH)
    with installation.stores.control.connect() as connection:
        return [(row[0], row[1]["revision"]) for row in connection.execute(statement)]


def other_bytes(statistics: Statistics) -> None:
    """The next build of the same data has other bytes: its dictionary says more."""
    statistics.declare(
        lambda document: document["releases"][AUDIENCE]["cubes"]["connections"].update(
            description="said otherwise"
        )
    )


# --- what comes out ---------------------------------------------------------------------------


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


# --- what does not ----------------------------------------------------------------------------


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


# --- crashes ----------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is dead."""


STEPS: tuple[tuple[Any, str], ...] = (
    (publishing, "_announce"),
    (publishing, "_write"),
    (publishing, "put_in_place"),
    (publishing, "finish"),
    (settling.ledger, "append"),
    (settling.ledger, "export_head"),
    (settling, "clear_versions"),
)


@pytest.fixture(scope="module")
def about_to_be_revised(
    built_once: Statistics, tmp_path_factory: pytest.TempPathFactory
) -> Statistics:
    """A release is out; another of the same month waits, its audit passed."""
    made = built_once.copied(tmp_path_factory.mktemp("revised") / "demo")
    with made.opened() as installation:
        made.release(installation, AUDIENCE, AS_OF)
        other_bytes(made)
        made.waved_through(installation, made.build(installation, AUDIENCE, AS_OF))
    return made


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_crash_leaves_a_whole_release_and_is_repaired_by_publishing_again(
    module: Any,
    step: str,
    moment: str,
    about_to_be_revised: Statistics,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statistics = about_to_be_revised.copied(tmp_path / "demo")
    real: Callable[..., Any] = getattr(module, step)
    calls = iter(range(1))  # versions are cleared at the beginning, too

    def dying(*arguments: Any, **more: Any) -> Any:
        last = step != "clear_versions" or next(calls, None) is None
        if not last or moment == "after":
            real(*arguments, **more)
        if last:
            raise Crash

    with statistics.opened() as installation:
        (first,) = published(installation)
        built = find_built(installation, AUDIENCE, "2026-11")
        old, new = plain(first.folder), plain(built.folder)
        with monkeypatch.context() as patch:
            patch.setattr(module, step, dying)
            with pytest.raises(Crash):
                statistics.publish(installation, built)
        assert plain(first.folder) in (old, new)

        out = statistics.publish(installation, built)
        assert plain(out.folder) == new != old
        assert (out.digest, out.revision) == (built.digest, 2)
        assert entries(installation) == [(first.digest, 1), (built.digest, 2)]
        versions = list((out.folder.parent / ".versions").iterdir())
        assert len(versions) == 1
        assert verify(installation, statistics.releases(installation)) == []


def plain(folder: Path) -> dict[str, bytes]:
    """The files but the manifest, which says in which revision they are out."""
    names = ("connections.parquet", "dictionary.json")
    return {name: (folder / name).read_bytes() for name in names}


def test_a_crash_in_the_midst_of_building_leaves_no_half_release(
    statistics: Statistics, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(quarantine.store, "insert", dying)
        with pytest.raises(Crash):
            statistics.build(installation, AUDIENCE, AS_OF)
    with pytest.raises(ConfigurationError, match="is not in quarantine"):
        find_built(installation, AUDIENCE, "2026-11")
    built = statistics.build(installation, AUDIENCE, AS_OF)
    assert find_built(installation, AUDIENCE, "2026-11") == built


# --- verification -----------------------------------------------------------------------------


def test_verify_notices_any_changed_byte(
    statistics: Statistics, installation: Installation
) -> None:
    out = statistics.release(installation, AUDIENCE, AS_OF)
    releases = statistics.releases(installation)
    for path in sorted(out.folder.iterdir()):
        whole = path.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert verify(installation, releases), (path.name, at)
        path.write_bytes(whole)
    assert verify(installation, releases) == []


def _remove(out: Path) -> None:
    (out / "dictionary.json").unlink()


def _add(out: Path) -> None:
    (out / "more.txt").write_text("more")


def _month(out: Path) -> None:
    shutil.copytree(out, out.with_name("2026-10"))


def _release(out: Path) -> None:
    shutil.copytree(out, out.parent.with_name("another_release") / "2026-11")


def _link(out: Path) -> None:
    out.unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_remove, r"dictionary\.json is missing"),
        (_add, r"more\.txt does not belong"),
        (_month, r"2026-10 was never published"),
        (_release, r"another_release was never published"),
        (_link, "do not find it"),
    ],
)
def test_verify_notices_what_is_missing_or_strange(
    change: Callable[[Path], None],
    said: str,
    statistics: Statistics,
    installation: Installation,
) -> None:
    out = statistics.release(installation, AUDIENCE, AS_OF)
    change(out.folder)
    found = [str(finding) for finding in verify(installation, statistics.releases(installation))]
    assert any(re.search(said, text) for text in found), found


def test_verify_wants_an_entry_of_the_ledger(
    statistics: Statistics, installation: Installation
) -> None:
    statistics.release(installation, AUDIENCE, AS_OF)
    with installation.stores.control.begin() as connection:
        connection.execute(
            control.ledger.delete().where(control.ledger.c.transition == settling.PUBLISH)
        )
    found = verify(installation, statistics.releases(installation))
    assert [finding.problem for finding in found] == ["the ledger has no entry for it"]


def test_publishing_again_mends_what_was_changed(
    statistics: Statistics, installation: Installation
) -> None:
    out = statistics.release(installation, AUDIENCE, AS_OF)
    before = {path.name: path.read_bytes() for path in out.folder.iterdir()}
    (out.folder / "connections.parquet").write_bytes(b"nothing")
    built = find_built(installation, AUDIENCE, "2026-11")
    statistics.publish(installation, built)
    assert {path.name: path.read_bytes() for path in out.folder.iterdir()} == before


# --- nothing personal -------------------------------------------------------------------------


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
