"""Keys: where the master key is read, what is derived from it, and what destruction leaves."""

from __future__ import annotations

import base64
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, select
from sqlalchemy.sql.elements import quoted_name

from retention.errors import ConfigurationError, StoreError
from retention.keys import (
    Keyring,
    UnitDestroyed,
    new_master_key,
    read_master_key,
    seal_with,
    unseal_with,
)
from retention.settings import Settings, read_settings
from retention.stores.keys import units
from retention.stores.open import Stores, migrate, open_store

MASTER = bytes(range(32))
OTHER = bytes(range(1, 33))
NOW = datetime(2026, 11, 24, tzinfo=UTC)
NOWHERE = create_engine("sqlite://")
"""For what needs no store."""


def settings(folder: Path, place: str, environment: dict[str, str] | None = None) -> Settings:
    stores = "".join(
        f"  {name}: {{url: 'sqlite:///x.db'}}\n"
        for name in ("control", "cases", "archive", "vault", "keys")
    )
    path = folder / "retention.yaml"
    path.write_text(
        f"policy: p.yaml\ncatalogue: c.yaml\nmaster_key: {{{place}}}\nstores:\n{stores}"
    )
    return read_settings(path, environment or {})


def ids(count: int) -> list[str]:
    keyring = Keyring(MASTER, NOWHERE)
    return [keyring.unit_id(f"s{number}", date(2030, 1, 1)) for number in range(count)]


def test_the_master_key_is_read_from_a_file_beside_the_settings(tmp_path: Path) -> None:
    text = new_master_key()
    (tmp_path / "master.key").write_text(text + "\n")
    assert read_master_key(settings(tmp_path, "file: master.key")) == base64.b64decode(text)


def test_the_master_key_is_read_from_the_environment_handed_in(tmp_path: Path) -> None:
    text = new_master_key()
    found = read_master_key(settings(tmp_path, "env: THE_KEY", {"THE_KEY": text}))
    assert found == base64.b64decode(text)


def test_new_master_keys_differ() -> None:
    assert len({new_master_key() for _ in range(50)}) == 50


@pytest.mark.parametrize("content", ["", "sekret", "é", "c2VrcmV0", "A" * 44, "=" * 44])
def test_a_master_key_of_another_form_is_refused_and_not_shown(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "master.key").write_text(content, encoding="utf-8")
    for where in (
        settings(tmp_path, "file: master.key"),
        settings(tmp_path, "env: THE_KEY", {"THE_KEY": content}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            read_master_key(where)
        said = str(caught.value)
        assert "master.key" in said or "THE_KEY" in said
        assert not content or content not in said


def test_a_master_key_that_is_missing_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"master_key\.file: .*/master\.key: no such file"):
        read_master_key(settings(tmp_path, "file: master.key"))
    with pytest.raises(ConfigurationError, match="variable THE_KEY is not set"):
        read_master_key(settings(tmp_path, "env: THE_KEY"))


PART = st.one_of(st.none(), st.integers(), st.text(), st.dates(), st.binary())


@given(st.text(), st.lists(PART, max_size=4), st.text(), st.lists(PART, max_size=4))
def test_a_token_stands_for_its_domain_and_parts_alone(
    a: str, x: list[object], b: str, y: list[object]
) -> None:
    keyring = Keyring(MASTER, NOWHERE)
    token = keyring.token(a, *x)
    assert len(token) == 64
    assert set(token) <= set("0123456789abcdef")
    assert (token == Keyring(MASTER, NOWHERE).token(b, *y)) == ((a, x) == (b, y))
    assert token != Keyring(OTHER, NOWHERE).token(a, *x)


def test_derived_keys_never_change_between_releases() -> None:
    keyring = Keyring(MASTER, NOWHERE)
    assert keyring.token("subject", "crm.customers", 7) == (
        "bd008947f41a9ff6ac00a684b029ce0f4201d737de88d2028f9598ce30e7c548"
    )
    assert keyring.row_digest({"id": 7, "name": "Zoé"}).hex() == (
        "519084e02d59c538e788a00c43dd72e402127547bf632794b3a0f1d15b6351f6"
    )
    assert keyring.pseudonym_key.hex() == (
        "9d9a44d3d18ee5e8ade6605438570ba5610295524084c5e2672e653411b98308"
    )


def test_a_row_digest_changes_with_values_names_and_types_but_not_with_order() -> None:
    keyring = Keyring(MASTER, NOWHERE)
    digest = keyring.row_digest({"a": 1, "b": "x"})
    assert len(digest) == 32
    assert keyring.row_digest({"b": "x", "a": 1}) == digest
    assert keyring.row_digest({quoted_name("a", None): 1, "b": "x"}) == digest
    others: list[dict[str, object]] = [
        {"a": 2, "b": "x"},
        {"a": 1.0, "b": "x"},
        {"a": True, "b": "x"},
        {"a": 1},
    ]
    others += [{"a": 1, "c": "x"}, {"a": "x", "b": 1}, {"a": 1, "b": "x", "c": None}]
    assert digest not in {keyring.row_digest(other) for other in others}
    assert Keyring(OTHER, NOWHERE).row_digest({"a": 1, "b": "x"}) != digest


@given(st.text(), st.binary(max_size=200))
def test_what_was_sealed_is_unsealed_in_its_context_alone(context: str, data: bytes) -> None:
    keyring = Keyring(MASTER, NOWHERE)
    blob = keyring.seal(context, data)
    assert len(blob) == len(data) + 29
    assert keyring.unseal(context, blob) == data
    assert keyring.seal(context, data) != blob
    for ring, place in ((keyring, context + "x"), (Keyring(OTHER, NOWHERE), context)):
        with pytest.raises(StoreError, match="cannot be unsealed"):
            ring.unseal(place, blob)


def test_a_blob_changed_anywhere_cannot_be_unsealed_and_shows_nothing() -> None:
    blob = seal_with(MASTER, "place", b"Zoe Canari")
    assert unseal_with(MASTER, "place", blob) == b"Zoe Canari"
    changed = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(len(blob))]
    for bad in (*changed, *(blob[:end] for end in range(len(blob))), blob + b"\0"):
        with pytest.raises(StoreError, match="cannot be unsealed") as caught:
            unseal_with(MASTER, "place", bad)
        assert "Canari" not in str(caught.value)
    assert b"Canari" not in blob


def test_a_unit_is_of_one_subject_day_and_generation() -> None:
    keyring = Keyring(MASTER, NOWHERE)
    unit = keyring.unit_id("s", date(2030, 1, 1))
    assert unit == keyring.unit_id("s", date(2030, 1, 1), 0)
    others = {
        keyring.unit_id("t", date(2030, 1, 1)),
        keyring.unit_id("s", date(2030, 1, 2)),
        keyring.unit_id("s", date(2030, 1, 1), 1),
    }
    assert len(others | {unit}) == 4


def test_units_are_made_once_and_opened_ever_after(own_stores: Stores) -> None:
    keyring = Keyring(MASTER, own_stores.keys)
    names = ids(1_203)
    made = keyring.ensure_units(names[:700])
    assert set(made) == set(names[:700])
    assert {len(key) for key in made.values()} == {32}
    assert len(set(made.values())) == 700
    again = keyring.ensure_units([*names, *names])
    assert set(again) == set(names)
    assert all(again[name] == key for name, key in made.items())
    assert Keyring(MASTER, own_stores.keys).open_units([*names, "unknown"]) == again
    assert keyring.ensure_units([]) == {}
    assert keyring.open_units([]) == {}


def test_keys_are_stored_wrapped_and_bound_to_their_unit(own_stores: Stores) -> None:
    keyring = Keyring(MASTER, own_stores.keys)
    one, two = ids(2)
    made = keyring.ensure_units([one, two])
    with own_stores.keys.begin() as connection:
        rows = {row.unit_id: row for row in connection.execute(select(units))}
        assert all(key not in rows[name].wrapped for name, key in made.items())
        assert rows[one].created_at.tzinfo is UTC
        swap = units.update().where(units.c.unit_id == one).values(wrapped=rows[two].wrapped)
        connection.execute(swap)
    with pytest.raises(StoreError, match="cannot be unsealed"):
        keyring.open_units([one])
    with pytest.raises(StoreError, match="cannot be unsealed"):
        keyring.ensure_units([one])
    with pytest.raises(StoreError, match="cannot be unsealed"):
        Keyring(OTHER, own_stores.keys).open_units([two])


def test_a_destroyed_unit_is_never_opened_nor_made_again(own_stores: Stores) -> None:
    keyring = Keyring(MASTER, own_stores.keys)
    names = ids(1_100)
    keyring.ensure_units(names[:-1])
    assert keyring.destroyed(names) == set()
    assert keyring.destroy_units([*names[:600], names[0], names[-1]], NOW) == 600
    assert keyring.destroy_units(names[:600], NOW) == 0
    assert keyring.destroyed(names) == set(names[:600])
    assert set(keyring.open_units(names)) == set(names[600:-1])
    with own_stores.keys.connect() as connection:
        kept = select(func.count()).where(units.c.wrapped.is_not(None))
        assert connection.execute(kept).scalar_one() == 499
        marked = select(func.count()).where(units.c.destroyed_at == NOW)
        assert connection.execute(marked).scalar_one() == 600
    with pytest.raises(UnitDestroyed, match="1 of 2 archive units were destroyed"):
        keyring.ensure_units([names[0], names[-1]])
    assert names[-1] not in keyring.open_units(names)


def test_nothing_of_a_destroyed_key_stays_in_the_files(tmp_path: Path) -> None:
    engine = open_store("keys", f"sqlite:///{tmp_path}/keys.db")
    migrate(Stores(*[open_store("x", f"sqlite:///{tmp_path}/keys.db")] * 5))
    keyring = Keyring(MASTER, engine)
    names = ids(50)
    keyring.ensure_units(names)
    with engine.connect() as connection:
        wrapped = dict(connection.execute(select(units.c.unit_id, units.c.wrapped)).all())

    def found(name: str) -> bool:
        return any(wrapped[name] in path.read_bytes() for path in tmp_path.iterdir())

    assert all(found(name) for name in names)
    keyring.destroy_units(names[10:], NOW)
    assert [name for name in names if found(name)] == names[:10]
    assert len(keyring.open_units(names)) == 10
    engine.dispose()


def test_two_who_make_the_same_unit_get_the_same_key(own_stores: Stores) -> None:
    names = ids(40)
    barrier = threading.Barrier(4)
    outcomes: list[dict[str, bytes]] = []

    def make() -> None:
        keyring = Keyring(MASTER, own_stores.keys)
        barrier.wait()
        outcomes.append(keyring.ensure_units(names))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_keyring_shows_no_key() -> None:
    keyring = Keyring(MASTER, NOWHERE)
    assert MASTER.hex() not in repr(keyring)
    assert repr(MASTER) not in repr(keyring)


def test_a_master_key_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="32 bytes"):
        Keyring(b"short", NOWHERE)
