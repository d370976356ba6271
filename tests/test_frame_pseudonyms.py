"""Pseudonyms of columns are exact HMACs, unlinkable between domains and versions, and rotate."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizers import frame_pseudonyms
from anonymizers.frame_pseudonyms import (
    FrameKey,
    RotationError,
    frame_pseudonym,
    pseudonymise,
    remap,
    rotate,
    rotation_table,
    version_counts,
)
from anonymizers.pseudonyms import hmac_digests, pseudonym

OLD = FrameKey(3, bytes(range(32)))
NEW = FrameKey(4, bytes(range(100, 132)))
DOMAIN = "customer_statistics.email"
VALUES = st.lists(st.none() | st.text(max_size=8), max_size=30)

# RFC 4231, section 4: key, data, HMAC-SHA-256.
RFC_4231 = [
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]


def texts(*values: object) -> pd.Series:
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(("key", "message", "digest"), RFC_4231)
def test_the_digests_are_those_of_rfc_4231(key: bytes, message: bytes, digest: str) -> None:
    assert hmac_digests(key, [message]).hex() == digest
    assert hmac_digests(key, [message, b"", message])[64:].hex() == digest


def test_a_pseudonym_is_what_its_definition_says() -> None:
    domain_key = hmac.new(OLD.secret, f"pseudonym/frame/1/3/{DOMAIN}".encode(), hashlib.sha256)
    expected = hmac.new(domain_key.digest(), "zoé@example.org".encode(), hashlib.sha256)

    assert frame_pseudonym("zoé@example.org", OLD, DOMAIN) == f"hmac3_{expected.hexdigest()}"


def test_a_pseudonym_never_changes_between_releases() -> None:
    assert frame_pseudonym("zoe@example.org", OLD, DOMAIN) == (
        "hmac3_fb4f6692b8cea197c9f39a50dc31a0a79ffe74cf6c812c66b01f117eb38d5ca6"
    )


@given(VALUES, st.sampled_from(["str", "object", "category"]))
def test_every_row_has_the_pseudonym_of_its_value(values: list[str | None], dtype: str) -> None:
    series = pd.Series(values, dtype="object").astype(dtype)
    series.index = pd.Index(range(5, 5 + len(values)))

    found = pseudonymise(series, OLD, DOMAIN)

    assert found.dtype == "str"
    assert found.index.equals(series.index)
    assert [None if pd.isna(text) else text for text in found] == [
        None if value is None else frame_pseudonym(value, OLD, DOMAIN) for value in values
    ]


@pytest.mark.parametrize("repeats", [True, False])
def test_looking_for_repeats_changes_nothing(
    repeats: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = texts(*(f"client {number % 5_000}" for number in range(9_000)))
    monkeypatch.setattr(frame_pseudonyms, "_repeats", lambda _: repeats)

    found = pseudonymise(values, OLD, DOMAIN)

    assert found.nunique() == 5_000
    assert found[8_999] == found[3_999] == frame_pseudonym("client 3999", OLD, DOMAIN)


def test_repeats_are_seen_where_they_pay() -> None:
    distinct = frame_pseudonyms.arrow_strings(texts(*map(str, range(20_000))))
    twice = frame_pseudonyms.arrow_strings(texts(*(str(n // 2) for n in range(20_000))))

    assert not frame_pseudonyms._repeats(distinct)
    assert frame_pseudonyms._repeats(twice)


def test_a_number_and_its_text_have_one_pseudonym() -> None:
    expected = frame_pseudonym("7", OLD, DOMAIN)
    for series in (
        pd.Series([7]),
        pd.Series([7.0, np.nan]),
        pd.Series([7, None], dtype="Int64"),
        pd.Series([7], dtype="uint64"),
        pd.Series([b"7"]),
        pd.Series(["7"]),
    ):
        assert pseudonymise(series, OLD, DOMAIN)[0] == expected
    assert (
        pseudonymise(pd.Series([date(2027, 2, 28)]), OLD, DOMAIN)[0]
        == (pseudonymise(pd.Series(pd.to_datetime(["2027-02-28"])), OLD, DOMAIN)[0])
    )


def test_domains_versions_and_the_archive_cannot_be_linked() -> None:
    other_version = FrameKey(4, OLD.secret)
    forms = [
        frame_pseudonym("v", OLD, "a"),
        frame_pseudonym("v", OLD, "b"),
        frame_pseudonym("v", other_version, "a"),
        frame_pseudonym("v", NEW, "a"),
        pseudonym(OLD.secret, "a", "v"),
    ]
    bodies = {form.partition("_")[2][:12] for form in forms}
    assert len(bodies) == 5
    # "1" and "1/a" as versions and domains do not run into each other.
    assert (
        frame_pseudonym("v", FrameKey(1, OLD.secret), "1/a")[6:]
        != (frame_pseudonym("v", FrameKey(11, OLD.secret), "a")[7:])
    )


@given(VALUES)
def test_rotation_with_both_keys_and_the_values(values: list[str | None]) -> None:
    series = pd.Series(values, dtype="object")
    old = pseudonymise(series, OLD, DOMAIN)

    renewed = rotate(old, series, OLD, NEW, DOMAIN)

    pd.testing.assert_series_equal(renewed, pseudonymise(series, NEW, DOMAIN))
    # A rotation that was interrupted, half of it done, is run again.
    half = old.where(pd.Series(range(len(old))) % 2 == 0, renewed)
    pd.testing.assert_series_equal(rotate(half, series, OLD, NEW, DOMAIN), renewed)


@given(VALUES)
def test_rotation_by_a_table_without_the_values(values: list[str | None]) -> None:
    series = pd.Series(values, dtype="object")
    table = rotation_table(pd.Series([*values, "another"], dtype="object"), OLD, NEW, DOMAIN)

    renewed = remap(pseudonymise(series, OLD, DOMAIN), table)

    pd.testing.assert_series_equal(renewed, pseudonymise(series, NEW, DOMAIN))
    pd.testing.assert_series_equal(remap(renewed, table), renewed)
    # Its order tells nothing of the values'.
    assert table["old"].is_monotonic_increasing


def test_rotation_keeps_the_frame_s_index_and_name() -> None:
    values = texts("a", "b").set_axis([7, 9])
    old = pseudonymise(values, OLD, DOMAIN).rename("who")

    assert rotate(old, values, OLD, NEW, DOMAIN).index.tolist() == [7, 9]
    assert rotate(old, values, OLD, NEW, DOMAIN).name == "who"
    assert remap(old, rotation_table(values, OLD, NEW, DOMAIN)).index.tolist() == [7, 9]


def test_rotation_refuses_what_it_cannot_prove() -> None:
    values = texts("a", "b", "c")
    old = pseudonymise(values, OLD, DOMAIN)
    forged = FrameKey(3, bytes(32))

    for wrong in (
        pseudonymise(values, OLD, "another domain"),
        pseudonymise(values, forged, DOMAIN),
        old[::-1],
        old.where([True, True, False]),
        values,
    ):
        with pytest.raises(RotationError, match="of 3 pseudonyms are not those") as refused:
            rotate(wrong, values, OLD, NEW, DOMAIN)
        assert "hmac" not in str(refused.value)
    with pytest.raises(RotationError, match="3 pseudonyms for 2 values"):
        rotate(old, values[:2], OLD, NEW, DOMAIN)
    with pytest.raises(RotationError, match="1 of 3 distinct pseudonyms are not in the"):
        remap(old, rotation_table(values[:2], OLD, NEW, DOMAIN))
    table = rotation_table(values, OLD, NEW, DOMAIN)
    with pytest.raises(RotationError, match="more than once"):
        remap(old, table.assign(new=table["new"].iloc[0]))


def test_a_new_key_comes_later_and_is_another() -> None:
    values = texts("a")
    with pytest.raises(ValueError, match="does not come after"):
        rotation_table(values, NEW, OLD, DOMAIN)
    with pytest.raises(ValueError, match="has the secret of version 3"):
        rotation_table(values, OLD, FrameKey(5, OLD.secret), DOMAIN)


def test_versions_are_counted() -> None:
    mixed = pd.concat(
        [pseudonymise(texts("a", "b", "a"), OLD, "d"), pseudonymise(texts("a"), NEW, "d")]
    )

    assert version_counts(mixed) == {3: 3, 4: 1}
    with pytest.raises(ValueError, match="1 of 2 rows hold no frame pseudonym") as refused:
        version_counts(texts(mixed.iloc[0], "zoe@example.org"))
    assert "zoe" not in str(refused.value)


def test_keys_are_checked_and_never_shown() -> None:
    assert "secret" not in repr(OLD)
    assert repr(OLD.secret) not in repr(OLD)
    with pytest.raises(ValueError, match="at least 32 bytes, not 16"):
        FrameKey(1, bytes(16))
    for version in (0, -1, 10**9):
        with pytest.raises(ValueError, match="from 1 on"):
            FrameKey(version, bytes(32))
    with pytest.raises(ValueError, match="needs a domain"):
        OLD.for_domain("")


def test_the_values_given_are_not_changed() -> None:
    values = texts("a", None, "b")
    before = values.copy(deep=True)

    pseudonymise(values, OLD, DOMAIN)

    pd.testing.assert_series_equal(values, before)
