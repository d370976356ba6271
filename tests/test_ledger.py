"""The ledger shows every change of it, and its Merkle trees are RFC 6962's."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, text, update

from retention import merkle
from retention.errors import StoreError
from retention.ledger import GENESIS, LedgerEntry, append, export_head, verify
from retention.stores.control import ledger
from retention.stores.open import Stores

NOW = datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC)
ROOT = merkle.EMPTY_ROOT.hex()


def write(engine: Engine, count: int, start: int = 0) -> list[LedgerEntry]:
    entries = []
    for number in range(start, start + count):
        with engine.begin() as connection:
            entries.append(
                append(
                    connection,
                    run_id=f"run-{number}",
                    table_name="crm.customers",
                    transition="archive",
                    as_of=date(2026, 11, 24),
                    counts={"rows": number, "skipped": 0},
                    merkle_root=ROOT,
                    now=NOW + timedelta(minutes=number),
                )
            )
    return entries


def test_entries_are_chained_from_the_genesis_on(own_stores: Stores) -> None:
    first, second, third = write(own_stores.control, 3)
    assert (first.sequence, second.sequence, third.sequence) == (1, 2, 3)
    assert first.previous == GENESIS
    assert second.previous == first.hash
    assert third.previous == second.hash
    found = verify(own_stores.control, None)
    assert (found.entries, found.head, found.problem) == (3, third.hash, None)


def test_an_empty_ledger_holds(own_stores: Stores, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    assert verify(own_stores.control, head).problem is None
    export_head(own_stores.control, head)
    found = verify(own_stores.control, head)
    assert (found.entries, found.head, found.problem) == (0, GENESIS, None)
    write(own_stores.control, 1)
    assert verify(own_stores.control, head).problem is None


def test_an_entry_of_a_transaction_that_fails_is_not_there(own_stores: Stores) -> None:
    write(own_stores.control, 1)
    with own_stores.control.connect() as connection:
        append(
            connection,
            run_id="r",
            table_name="t",
            transition="archive",
            as_of=NOW.date(),
            counts={},
            merkle_root=ROOT,
            now=NOW,
        )
        connection.rollback()
    assert verify(own_stores.control, None).entries == 1


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "run-x"},
        {"table_name": "crm.prospects"},
        {"transition": "dispose"},
        {"as_of": date(2026, 11, 23)},
        {"counts": {"rows": 2, "skipped": 0}},
        {"counts": {"rows": 1}},
        {"counts": {"rows": True, "skipped": 0}},
        {"merkle_root": "0" * 64},
        {"recorded_at": NOW + timedelta(minutes=1, microseconds=1)},
        {"previous": "0" * 64},
        {"hash": "0" * 64},
        {"sequence": 9},
    ],
    ids="-".join,
)
def test_an_entry_that_was_changed_is_found(own_stores: Stores, change: dict[str, object]) -> None:
    write(own_stores.control, 3)
    with own_stores.control.begin() as connection:
        connection.execute(update(ledger).where(ledger.c.sequence == 2).values(**change))
    found = verify(own_stores.control, None)
    assert found.problem is not None
    assert found.problem.startswith("entry 2 ")
    assert found.entries == 1


def test_an_entry_that_cannot_be_read_any_more_is_found(own_stores: Stores) -> None:
    write(own_stores.control, 3)
    statement = text("UPDATE control_ledger SET counts = 'null' WHERE sequence = 2")
    with own_stores.control.begin() as connection:
        connection.execute(statement)
    assert verify(own_stores.control, None).problem == "entry 2 cannot be read"


@pytest.mark.parametrize("gone", [1, 2])
def test_an_entry_that_was_removed_is_found(own_stores: Stores, gone: int) -> None:
    write(own_stores.control, 3)
    with own_stores.control.begin() as connection:
        connection.execute(delete(ledger).where(ledger.c.sequence == gone))
    problem = verify(own_stores.control, None).problem
    assert problem is not None
    assert f"entry {gone} is missing" in problem


def test_entries_that_changed_places_are_found(own_stores: Stores) -> None:
    write(own_stores.control, 3)
    with own_stores.control.begin() as connection:
        for old, new in ((2, 9), (3, 2), (9, 3)):
            connection.execute(update(ledger).where(ledger.c.sequence == old).values(sequence=new))
    problem = verify(own_stores.control, None).problem
    assert problem == "entry 2 does not follow the one before it"


def test_entries_cut_off_the_end_are_found_with_the_exported_head(
    own_stores: Stores, tmp_path: Path
) -> None:
    head = tmp_path / "out" / "head.json"
    write(own_stores.control, 3)
    export_head(own_stores.control, head)
    assert verify(own_stores.control, head).problem is None
    with own_stores.control.begin() as connection:
        connection.execute(delete(ledger).where(ledger.c.sequence > 1))
    assert verify(own_stores.control, None).problem is None
    problem = verify(own_stores.control, head).problem
    assert problem is not None
    assert problem.startswith("entries 2 to 3 are missing")


def test_a_ledger_written_anew_is_found_and_its_head_is_not_exported(
    own_stores: Stores, tmp_path: Path
) -> None:
    head = tmp_path / "head.json"
    write(own_stores.control, 3)
    export_head(own_stores.control, head)
    exported = head.read_bytes()
    with own_stores.control.begin() as connection:
        connection.execute(delete(ledger))
    write(own_stores.control, 5, start=7)
    assert verify(own_stores.control, None).problem is None
    assert verify(own_stores.control, head).problem == (
        "entry 3 is not the one whose hash was exported"
    )
    with pytest.raises(StoreError, match="lacks entry 3"):
        export_head(own_stores.control, head)
    assert head.read_bytes() == exported


def test_the_exported_head_may_be_behind(own_stores: Stores, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    write(own_stores.control, 2)
    export_head(own_stores.control, head)
    last = write(own_stores.control, 2, start=2)[-1]
    found = verify(own_stores.control, head)
    assert (found.entries, found.head, found.problem) == (4, last.hash, None)
    export_head(own_stores.control, head)
    assert json.loads(head.read_text()) == {"sequence": 4, "hash": last.hash}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["head.json"]


@pytest.mark.parametrize("content", [None, "", "{}", '{"sequence": 0, "hash": "x"}', "é"])
def test_a_head_that_is_missing_or_damaged_is_a_problem(
    own_stores: Stores, tmp_path: Path, content: str | None
) -> None:
    head = tmp_path / "head.json"
    if content is not None:
        head.write_text(content, encoding="utf-8")
    write(own_stores.control, 1)
    problem = verify(own_stores.control, head).problem
    assert problem is not None
    assert str(head) in problem


def test_the_hash_covers_the_instant_and_not_how_it_is_written(own_stores: Stores) -> None:
    (entry,) = write(own_stores.control, 1)
    abroad = NOW.astimezone(timezone(timedelta(hours=-5)))
    fields = {**vars(entry), "recorded_at": abroad}
    assert LedgerEntry(**fields).computed_hash() == entry.hash


def test_counts_are_whole_numbers_and_roots_are_hashes(own_stores: Stores) -> None:
    with own_stores.control.begin() as connection:
        for counts, root in (({"rows": 1.5}, ROOT), ({"rows": True}, ROOT), ({"rows": 1}, "x")):
            with pytest.raises(ValueError):
                append(
                    connection,
                    run_id="r",
                    table_name="t",
                    transition="archive",
                    as_of=NOW.date(),
                    counts=counts,  # type: ignore[arg-type]
                    merkle_root=root,
                    now=NOW,
                )
    assert verify(own_stores.control, None).entries == 0


# The test vectors of the reference implementation of RFC 6962 (certificate-transparency).
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("count", range(9))
def test_the_tree_is_that_of_rfc_6962(count: int) -> None:
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES[:count]]
    assert merkle.root(leaves).hex() == ROOTS[count]


LEAVES = st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=40, unique=True).map(
    lambda entries: [merkle.leaf(b"salt", entry) for entry in entries]
)


@given(LEAVES, st.data())
def test_every_leaf_is_proved_by_its_path_and_no_other(
    leaves: list[bytes], data: st.DataObject
) -> None:
    root = merkle.root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.path(leaves, index)
    assert merkle.verify(leaves[index], path, root)
    assert len(path) <= (len(leaves) - 1).bit_length()
    other = data.draw(st.integers(0, len(leaves) - 1))
    if other != index:
        assert not merkle.verify(leaves[other], path, root)
        assert merkle.path(leaves, other) != path


@given(LEAVES, st.data())
def test_a_path_changed_anywhere_proves_nothing(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle.root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = list(merkle.path(leaves, index))
    if not path:
        return
    at = data.draw(st.integers(0, len(path) - 1))
    side, sibling = path[at]
    swapped = merkle.Step("left" if side == "right" else "right", sibling)
    changed = merkle.Step(side, bytes([sibling[0] ^ 1]) + sibling[1:])
    for forged in ([swapped], [changed], [], [("up", sibling)]):
        assert not merkle.verify(leaves[index], [*path[:at], *forged, *path[at + 1 :]], root)


@given(LEAVES, st.data())
def test_a_root_changes_with_any_leaf_and_their_order(
    leaves: list[bytes], data: st.DataObject
) -> None:
    root = merkle.root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    assert merkle.root([*leaves[:index], *leaves[index + 1 :]]) != root
    if len(leaves) > 1:
        assert merkle.root(leaves[::-1]) != root
    assert merkle.root([*leaves, leaves[-1]]) != root


def test_a_leaf_tells_its_parts_and_its_salt_apart() -> None:
    assert (
        len(
            {
                merkle.leaf(b"s", b"ab"),
                merkle.leaf(b"s", b"a", b"b"),
                merkle.leaf(b"sa", b"b"),
                merkle.leaf(b"s", b"ab", b""),
                merkle.leaf(b"t", b"ab"),
            }
        )
        == 5
    )


def test_there_is_no_path_to_a_leaf_that_is_not_there() -> None:
    for index in (-1, 2):
        with pytest.raises(IndexError):
            merkle.path([b"a" * 32, b"b" * 32], index)
