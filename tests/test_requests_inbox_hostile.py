"""The inbox against odd names, links, floods of nonsense, and crashes at every step."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.errors import ConfigurationError, SourceError, StoreError
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.finding import identity
from retention.requests.finding.identity import Match
from retention.requests.model import State
from retention.requests.taking_in import inbox, inbox_files
from retention.requests.taking_in.inbox import Taken, take_in
from tests.engine.small import Small
from tests.inbox_support import (
    CERTAIN,
    NOTHING,
    NOW,
    drop,
    found,
    installation,
    lies,
    pristine,
    requests,
    small,
)
from tests.intake_support import CANARY, good, mangled, spoiled

VERIFIED = {"by": "customer area", "how": "logged in"}

__all__ = ["found", "installation", "pristine", "small"]


@pytest.mark.parametrize(
    "name",
    [
        b"a b\n\x1b[31m;$(x).json", b"\xff\xfe\xe9.json", "é" * 100 + ".json", "x" * 250 + ".json",
        b"-rf.json", b"a..json.json", "\u202egpj.json",
    ],
)  # fmt: skip
def test_names_are_not_trusted(
    small: Small, installation: Installation, found: list[Match], name: str | bytes
) -> None:
    drop(small, name, b"not json")
    (taken,) = take_in(installation, NOW)
    (_, reason) = lies(small)["rejected"]
    assert taken.file.isascii() and taken.file.isprintable() and " " not in taken.file
    assert reason == f"{taken.file}.reason.txt"


def _link(folder: Path) -> None:
    (folder.parent / "secret.json").write_text(json.dumps(good()))
    (folder / "x.json").symlink_to(folder.parent / "secret.json")


def _dangling(folder: Path) -> None:
    (folder / "x.json").symlink_to(folder / "nowhere")


def _folder(folder: Path) -> None:
    (folder / "x.json").mkdir()
    (folder / "x.json" / "y.json").write_text(json.dumps(good()))


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "x.json")


def _large(folder: Path) -> None:
    (folder / "x.json").write_text(json.dumps(good(message="x" * 1_000_001)))


@pytest.mark.parametrize("make", [_link, _dangling, _folder, _pipe, _large])
def test_what_is_no_file_of_a_sane_size_is_rejected(
    small: Small, installation: Installation, found: list[Match], make: Callable[[Path], None]
) -> None:
    (small.home / "inbox").mkdir()
    make(small.home / "inbox")
    (taken,) = take_in(installation, NOW)
    assert taken.request_id is None and taken.reasons
    assert lies(small) == {**NOTHING, "rejected": ["x.json", "x.json.reason.txt"]}
    assert take_in(installation, NOW) == []
    assert requests(installation) == []


def test_a_folder_that_leads_out_is_refused(small: Small, installation: Installation) -> None:
    (small.home / "inbox").mkdir()
    (small.home / "elsewhere").mkdir()
    (small.home / "inbox" / "done").symlink_to(small.home / "elsewhere")
    with pytest.raises(ConfigurationError, match="a link leads out of the inbox"):
        take_in(installation, NOW)


def test_an_inbox_that_cannot_be_used_is_named(small: Small, installation: Installation) -> None:
    (small.home / "inbox").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"requests\.inbox: .*inbox"):
        take_in(installation, NOW)


class Crash(BaseException):
    """The process is gone: nothing catches this."""


STEPS = [
    (inbox_files, "claim"), (inbox_files, "keep_number"), (inbox, "_read"), (casebook, "add"), (inbox, "settle"),
    (identity, "resolve"), (casebook, "put_subjects"), (casebook, "verify"),
    (inbox_files, "replace"), (inbox_files, "move"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[name for _, name in STEPS])
def test_a_crash_anywhere_makes_no_second_request_and_loses_none(
    small: Small, found: list[Match], monkeypatch: pytest.MonkeyPatch, module: Any, step: str,
    after: Any,
) -> None:  # fmt: skip
    small.change_settings(requests={"inbox_may_verify": True})
    found.append(CERTAIN)
    drop(small, "r1.json", good(verified=VERIFIED))
    drop(small, "r2.json", good(kind="access", email="b@b.fr", customer_ref="8"))
    true_step = getattr(module, step)

    def broken(*arguments: Any, **named: Any) -> Any:
        if after:
            true_step(*arguments, **named)
        raise Crash

    with small.reopened() as installation:
        with monkeypatch.context() as patch:
            patch.setattr(module, step, broken)
            with pytest.raises(Crash):
                take_in(installation, NOW, by="sensor")
            with suppress(Crash):  # some steps are not come to again
                take_in(installation, NOW, by="sensor")
        take_in(installation, NOW + timedelta(minutes=5), by="Ada")
        take_in(installation, NOW + timedelta(minutes=6))

        made = casebook.listed(installation)
        assert sorted((item.kind, item.state) for item in made) == [
            ("access", State.received),
            ("erasure", State.verified),
        ]
        assert lies(small) == {**NOTHING, "done": ["r1.json", "r2.json"]}
        for item in made:
            subjects = casebook.subjects(installation, item.request_id)
            assert [subject.token for subject in subjects] == [CERTAIN.token]


def test_a_system_out_of_reach_keeps_the_request_and_is_tried_again(
    small: Small, installation: Installation, found: list[Match], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> list[Match]:
        raise SourceError("crm: cannot be reached")

    drop(small, "r1.json", good())
    with monkeypatch.context() as patch:
        patch.setattr(identity, "resolve", unreachable)
        for _ in range(2):
            (taken,) = take_in(installation, NOW)
            assert taken.request_id is not None
            assert "crm: cannot be reached" in taken.reasons[0]
    found.append(CERTAIN)
    assert take_in(installation, NOW) == [Taken("r1.json", taken.request_id)]
    assert casebook.persons(installation, taken.request_id or "") == [("crm.customers", (1,))]
    assert len(requests(installation)) == 1


def test_a_fault_over_one_request_does_not_stop_the_others_and_says_nothing(
    small: Small, installation: Installation, found: list[Match], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any, asked: Any) -> list[Match]:
        if asked.first_name == CANARY:
            raise KeyError(CANARY)
        return [CERTAIN]

    monkeypatch.setattr(identity, "resolve", broken)
    drop(small, "r1.json", good())
    drop(small, "r2.json", good(first_name="Ada", email="a@b.fr"))
    first, second = take_in(installation, NOW)
    assert "KeyError" in first.reasons[0] and "anari" not in first.reasons[0]
    assert second.reasons == ()
    assert lies(small)["done"] == ["r2.json"]


def test_a_store_out_of_reach_leaves_the_file_for_later(
    small: Small, installation: Installation, found: list[Match], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("store 'cases': it is locked")

    drop(small, "r1.json", good())
    with monkeypatch.context() as patch:
        patch.setattr(casebook, "add", broken)
        with pytest.raises(StoreError):
            take_in(installation, NOW)
    assert [item.reasons for item in take_in(installation, NOW)] == [()]


def test_ten_thousand_malformed_files_make_no_request(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    rng = random.Random(11)
    folder = small.home / "inbox"
    for number in range(10_000):
        data = mangled(rng) if number % 4 == 0 else json.dumps(spoiled(rng)).encode()
        drop(small, f"{number:05}.json", data)
    drop(small, "99999.json", good())

    taken = take_in(installation, NOW)

    assert len(taken) == 10_001
    assert all(item.reasons and item.request_id is None for item in taken[:-1])
    assert len(lies(small)["rejected"]) == 20_000
    told = "".join(path.read_text() for path in (folder / "rejected").glob("*.reason.txt"))
    assert "anari" not in told
    (made,) = casebook.listed(installation)
    assert made.request_id == taken[-1].request_id
