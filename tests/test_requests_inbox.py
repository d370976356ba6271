"""The inbox: each file becomes one request or a reason."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.finding import identity
from retention.requests.finding.identity import Match
from retention.requests.model import RequestError, State
from retention.requests.taking_in import inbox_files, receiving
from retention.requests.taking_in.inbox import Taken, take_in
from retention.requests.taking_in.intake import read_request
from retention.requests.taking_in.receiving import NotLookedUp, receive
from tests.engine.small import Small
from tests.inbox_support import (
    CERTAIN,
    DOUBTFUL,
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
from tests.intake_support import CANARY, TODAY, good

__all__ = ["found", "installation", "pristine", "small"]


def test_a_file_becomes_a_request_and_a_receipt(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    found.append(CERTAIN)
    drop(small, "r1.json", good())

    (taken,) = take_in(installation, NOW)

    assert taken.file == "r1.json" and taken.reasons == ()
    request = casebook.get(installation, taken.request_id or "")
    assert (request.state, request.channel) == (State.received, "inbox")
    assert request.asked is not None and request.asked.first_name == CANARY
    assert [item.chosen for item in casebook.subjects(installation, request.request_id)] == [True]
    assert lies(small) == {**NOTHING, "done": ["r1.json"]}
    receipt = small.home / "inbox" / "done" / "r1.json"
    assert json.loads(receipt.read_text())["request_id"] == request.request_id
    assert receipt.stat().st_mode & 0o777 == 0o600


def test_nothing_of_the_person_stays_in_the_folder_of_what_is_done(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    drop(small, "r1.json", good(message="Ich heiße Canari"))
    take_in(installation, NOW)
    for path in (small.home / "inbox").rglob("*"):
        assert not path.is_file() or b"anari" not in path.read_bytes(), path


def test_an_empty_inbox_is_made_and_gives_nothing(small: Small, installation: Installation) -> None:
    assert take_in(installation, NOW) == []
    assert lies(small) == NOTHING
    assert (small.home / "inbox").stat().st_mode & 0o777 == 0o700


def test_a_rejected_file_keeps_its_bytes_and_gets_its_reasons(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    drop(small, "r1.json", good(kind="forget me", phone="12"))
    data = (small.home / "inbox" / "r1.json").read_bytes()

    (taken,) = take_in(installation, NOW)

    assert taken.request_id is None and len(taken.reasons) == 2
    rejected = small.home / "inbox" / "rejected"
    assert (rejected / "r1.json").read_bytes() == data
    assert (rejected / "r1.json.reason.txt").read_text().splitlines() == list(taken.reasons)
    assert {path.stat().st_mode & 0o777 for path in rejected.iterdir()} == {0o600}
    assert requests(installation) == []


def test_files_are_taken_in_the_order_of_their_names(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    for name in ("b.json", "c.JSON", "a.json"):
        drop(small, name, good(email=f"{name[0]}@b.fr"))
    for name in ("x.txt", ".d.json", "e.json.part"):
        drop(small, name, good(email="nobody@b.fr"))

    assert [item.file for item in take_in(installation, NOW, most=2)] == ["a.json", "b.json"]
    assert [item.file for item in take_in(installation, NOW)] == ["c.json"]
    assert lies(small)[""] == [".d.json", "e.json.part", "x.txt"]
    assert len(requests(installation)) == 3


@pytest.mark.parametrize("content", [b"", b'{"kind": "erasure", "em', b"\xff"])
def test_a_file_that_is_still_being_written_is_left(
    small: Small, installation: Installation, found: list[Match], content: bytes
) -> None:
    written = NOW - timedelta(seconds=59)
    drop(small, "r1.json", content, written=written.timestamp())
    assert take_in(installation, NOW) == []
    assert lies(small) == {**NOTHING, "": ["r1.json"]}
    (taken,) = take_in(installation, NOW + timedelta(seconds=2))
    assert taken.reasons and lies(small)["rejected"] == ["r1.json", "r1.json.reason.txt"]


def test_a_file_that_is_whole_is_not_waited_for(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    drop(small, "r1.json", good(), written=NOW.timestamp())
    drop(small, "r2.json", ["wrong", "and whole"], written=NOW.timestamp())
    assert [item.request_id is None for item in take_in(installation, NOW)] == [False, True]


def test_a_broken_file_from_the_future_is_not_waited_for_for_ever(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    drop(small, "r1.json", b"{", written=(NOW + timedelta(days=900)).timestamp())
    assert take_in(installation, NOW)[0].reasons


@pytest.mark.parametrize(
    ("written", "received_on"),
    [
        (NOW - timedelta(days=3), date(2026, 11, 21)),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), date(2026, 11, 23)),  # in Paris it is
        (NOW + timedelta(days=3), TODAY),
        (datetime(1970, 1, 1, tzinfo=UTC), TODAY),
    ],
)
def test_without_a_day_the_clock_starts_when_the_file_was_written(
    small: Small, installation: Installation, found: list[Match], written: datetime,
    received_on: date,
) -> None:  # fmt: skip
    drop(small, "r1.json", good(received_on=None), written=written.timestamp())
    take_in(installation, NOW)
    assert [item[1] for item in requests(installation)] == [received_on]


VERIFIED = {"by": "customer area", "how": "logged in"}


@pytest.mark.parametrize(
    ("allowed", "matches", "state"),
    [
        (True, [CERTAIN], State.verified),
        (True, [], State.verified),
        (True, [CERTAIN, DOUBTFUL], State.received),
        (False, [CERTAIN], State.received),
    ],
)
def test_a_file_may_verify_only_where_it_is_allowed_and_nothing_is_in_doubt(
    small: Small, found: list[Match], allowed: Any, matches: list[Match], state: State
) -> None:
    small.change_settings(requests={"inbox_may_verify": allowed})
    found += matches
    drop(small, "r1.json", good(verified=VERIFIED))
    with small.reopened() as installation:
        take_in(installation, NOW)
        assert [item[0] for item in requests(installation)] == [state]


def test_a_file_that_does_not_say_so_is_not_verified(small: Small, found: list[Match]) -> None:
    small.change_settings(requests={"inbox_may_verify": True})
    drop(small, "r1.json", good())
    with small.reopened() as installation:
        take_in(installation, NOW)
        assert [item[0] for item in requests(installation)] == [State.received]


def test_the_same_request_again_is_rejected_and_names_the_open_one(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    drop(small, "r1.json", good())
    drop(small, "r2.json", good(email="CANARI@courriel.example "))
    first, second = take_in(installation, NOW)
    assert second.request_id is None
    assert first.request_id is not None and first.request_id in second.reasons[0]
    assert len(requests(installation)) == 1


def test_the_same_words_after_the_answer_are_a_request_of_their_own(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    drop(small, "r1.json", good())
    (first,) = take_in(installation, NOW)
    casebook.refuse(installation, first.request_id or "", by="Ada", reason="no", now=NOW)
    drop(small, "r1.json", good())
    (second,) = take_in(installation, NOW + timedelta(hours=1))
    assert second.request_id not in (None, first.request_id)
    assert lies(small)["done"] == ["r1-2.json", "r1.json"]


def test_a_name_that_is_taken_is_never_overwritten(
    small: Small, installation: Installation, found: list[Match]
) -> None:
    for _ in range(3):
        drop(small, "r1.json", b"not json")
        take_in(installation, NOW)
    assert lies(small)["rejected"] == [
        name + end for name in ("r1-2", "r1-3", "r1") for end in (".json", ".json.reason.txt")
    ]


def test_the_shared_path_names_the_request_that_could_not_be_looked_up(
    installation: Installation, found: list[Match], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> list[Match]:
        raise SourceError("web: cannot be reached")

    monkeypatch.setattr(identity, "resolve", unreachable)
    new = read_request(good(), "FR", today=TODAY)
    with pytest.raises(NotLookedUp) as caught:
        receive(installation, new, channel="command line", by="Ada", now=NOW)
    made = casebook.get(installation, caught.value.request_id)
    assert made.state is State.received
    assert made.request_id in str(caught.value) and "anari" not in str(caught.value)


def test_what_comes_in_later_is_found_when_the_request_is_verified(
    installation: Installation, found: list[Match]
) -> None:
    new = read_request(good(), "FR", today=TODAY)
    request = receive(installation, new, channel="command line", by="Ada", now=NOW)
    assert casebook.subjects(installation, request.request_id) == []
    found.append(DOUBTFUL)
    with pytest.raises(RequestError, match="choose first"):
        receiving.verify(installation, request.request_id, by="Ada", how="called", now=NOW)
    found[:] = [CERTAIN]
    done = receiving.verify(installation, request.request_id, by="Ada", how="called", now=NOW)
    assert done.state is State.verified
    assert casebook.tokens(installation, request.request_id) == [CERTAIN.token]


@pytest.mark.parametrize("yes", [True, False])
def test_the_links_of_a_record_are_followed_once_a_person_has_chosen_it(
    installation: Installation, found: list[Match], monkeypatch: pytest.MonkeyPatch, yes: Any
) -> None:
    account = Match(TableName("web.accounts"), (7,), "c" * 64, "link", exact=True)
    asked_with = []

    def linked(_: Any, __: Any, persons: list[Any]) -> list[Match]:
        asked_with.append(persons)
        return [account]

    monkeypatch.setattr(identity, "linked", linked)
    found.append(DOUBTFUL)
    new = read_request(good(), "FR", today=TODAY)
    request = receive(installation, new, channel="command line", by="Ada", now=NOW)
    assert asked_with == []
    receiving.choose(
        installation, request.request_id, "crm.customers", DOUBTFUL.token[:6], yes=yes, by="Ada",
        now=NOW,
    )  # fmt: skip
    assert asked_with == ([[("crm.customers", (2,))]] if yes else [])
    wanted = [("crm.customers", (2,)), ("web.accounts", (7,))] if yes else []
    assert casebook.persons(installation, request.request_id) == wanted


def test_two_at_once_make_each_request_once(small: Small, found: list[Match]) -> None:
    for number in range(20):
        drop(small, f"{number:02}.json", good(email=f"a{number}@b.fr"))

    def take(_: int) -> list[Taken]:
        with small.reopened() as installation:
            return take_in(installation, NOW)

    with small.reopened():  # reads the documents once, before the threads
        pass
    with ThreadPoolExecutor(4) as pool:
        taken = [item for some in pool.map(take, range(4)) for item in some]

    assert sorted(item.file for item in taken) == [f"{number:02}.json" for number in range(20)]
    assert all(item.request_id and not item.reasons for item in taken)
    with small.reopened() as installation:
        assert len(requests(installation)) == 20


def test_what_was_rejected_goes_after_a_while_and_nothing_else(tmp_path: Path) -> None:
    rejected, outside = tmp_path / "rejected", tmp_path / "outside.json"
    rejected.mkdir()
    outside.write_text("{}")
    old, young, link = (rejected / name for name in ("old.json", "young.json", "link.json"))
    for path in (old, young):
        path.write_text("what somebody wrote of themselves")
    link.symlink_to(outside)
    now = datetime.now(UTC)
    assert inbox_files.forget(rejected, now - timedelta(days=30)) == 0
    assert inbox_files.forget(rejected, now + timedelta(days=1)) == 3
    assert outside.read_text() == "{}"
    assert list(rejected.iterdir()) == []
    assert inbox_files.forget(tmp_path / "nowhere", now) == 0
