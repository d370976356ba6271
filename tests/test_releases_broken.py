"""Publishing that was killed, and bytes that were changed: repaired, or noticed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retention.errors import ConfigurationError
from retention.installation import Installation
from retention.releases import publishing, quarantine, settling
from retention.releases.building import find_built
from retention.releases.publishing import published
from retention.releases.verifying import verify
from retention.stores import control
from tests.publishing_support import (
    AUDIENCE,
    built_once,
    entries,
    installation,
    other_bytes,
    statistics,
)
from tests.releases_support import AS_OF, Statistics


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
