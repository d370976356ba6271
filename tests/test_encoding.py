"""Values survive the way into bytes and back, exactly and the same way each time."""

from __future__ import annotations

import math
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from ipaddress import ip_address, ip_interface, ip_network
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.encoding import decode, encode

OFFSETS = st.integers(-86_399, 86_399).map(lambda s: timezone(timedelta(seconds=s)))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=OFFSETS),
    st.times(),
    st.times(timezones=OFFSETS),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text(), inner)
    ),
    max_leaves=20,
)


def same(left: object, right: object) -> bool:
    """Equality that tells types, zero's signs, exponents and offsets apart."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return left.as_tuple() == right.as_tuple()
    if isinstance(left, datetime | time) and isinstance(right, datetime | time):
        return left == right and left.utcoffset() == right.utcoffset()
    return left == right


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    assert same(decode(encode(value)), value)


@given(VALUES, VALUES)
def test_two_values_have_the_same_bytes_only_if_they_are_the_same(a: object, b: object) -> None:
    assert (encode(a) == encode(b)) == same(a, b)


@pytest.mark.parametrize("value", [math.nan, Decimal("NaN"), Decimal("-sNaN12")])
def test_not_a_number_comes_back_as_not_a_number(value: float | Decimal) -> None:
    back = decode(encode(value))
    assert type(back) is type(value)
    assert str(back) == str(value)


def test_one_as_integer_float_truth_decimal_and_text_differ() -> None:
    assert len({encode(value) for value in (1, 1.0, True, Decimal(1), Decimal("1.0"), "1")}) == 6


def test_a_dict_that_looks_like_a_tag_stays_a_dict() -> None:
    for value in ({"date": "2024-02-29"}, {"map": ["a", 1]}, {"tuple": [1]}, [{"bytes": "AAAA"}]):
        assert same(decode(encode(value)), value)


def test_the_order_of_keys_does_not_matter() -> None:
    assert encode({"b": 1, "a": 2}) == encode({"a": 2, "b": 1})


def test_surrogate_halves_written_apart_are_not_joined() -> None:
    halves = "\ud83d" + "\ude00"
    assert decode(encode(halves)) == halves
    assert encode(halves) != encode("\U0001f600")


def test_an_integer_of_ten_thousand_digits_comes_back() -> None:
    assert decode(encode(-(10**10_000))) == -(10**10_000)


def test_views_of_bytes_are_bytes() -> None:
    assert encode(memoryview(b"\x00\xff")) == encode(b"\x00\xff") == encode(bytearray(b"\x00\xff"))


def test_network_addresses_of_all_kinds_come_back() -> None:
    for value in (
        ip_address("192.0.2.1"),
        ip_address("2001:db8::1"),
        ip_interface("192.0.2.1/24"),
        ip_interface("2001:db8::1/64"),
        ip_network("192.0.2.0/24"),
        ip_network("2001:db8::/32"),
    ):
        assert same(decode(encode(value)), value)


def test_a_zone_is_kept_as_its_offset() -> None:
    paris = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))
    back = decode(encode(paris))
    assert back.utcoffset() == timedelta(hours=1)
    assert back.astimezone(UTC) == paris.astimezone(UTC)


class _Level(IntEnum):
    high = 3


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, _Level.high, 1j, {"deep": [frozenset()]}, OrderedDict(), {1: "a"}],
    ids=lambda value: type(value).__name__,
)
def test_an_unknown_type_is_refused_without_showing_the_value(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be encoded"):
        encode(value)


def test_the_refusal_names_the_type_only() -> None:
    class Person:
        def __repr__(self) -> str:
            return "Zoé Canari"

    with pytest.raises(TypeError) as caught:
        encode([Person()])
    assert "Person" in str(caught.value)
    assert "Canari" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b'{"date":"x"}', b'{"who":1}', b"{}", b'{"a":1,"b":2}']
)
def test_bytes_that_are_no_encoding_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an encoded value"):
        decode(data)


@given(st.builds(date, st.integers(1, 9999), st.integers(1, 12), st.integers(1, 28)))
def test_a_date_is_not_a_datetime(day: date) -> None:
    assert encode(day) != encode(datetime.combine(day, time()))


def test_a_uuid_is_not_its_text() -> None:
    value = uuid.UUID(int=7)
    assert encode(value) != encode(str(value))
