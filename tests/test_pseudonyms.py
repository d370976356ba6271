"""Pseudonyms are stable, unlinkable between domains, and cannot be made up."""

from __future__ import annotations

import hashlib
import hmac
import random
from base64 import b32encode

from hypothesis import given
from hypothesis import strategies as st

from anonymizers import pseudonyms
from anonymizers.pseudonyms import (
    TOKEN_LENGTH,
    TOKEN_PREFIX,
    Pseudonymiser,
    is_pseudonym,
    looks_like_pseudonym,
    pseudonym,
)

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
TEXT = st.text(st.characters(exclude_categories=()))


@given(TEXT, TEXT)
def test_a_pseudonym_has_its_shape_and_is_recognised(domain: str, value: str) -> None:
    token = pseudonym(KEY, domain, value)
    assert len(token) == TOKEN_LENGTH
    assert token.startswith(TOKEN_PREFIX)
    assert looks_like_pseudonym(token)
    assert is_pseudonym(KEY, token)
    assert not is_pseudonym(OTHER, token)


@given(TEXT, TEXT, TEXT, TEXT)
def test_the_same_pseudonym_means_the_same_value_and_domain(a: str, x: str, b: str, y: str) -> None:
    assert (pseudonym(KEY, a, x) == pseudonym(KEY, b, y)) == ((a, x) == (b, y))


@given(st.binary(min_size=12, max_size=12), st.binary(min_size=4, max_size=4))
def test_a_pseudonym_is_base32(body: bytes, check: bytes) -> None:
    expected = TOKEN_PREFIX + b32encode(body + check).decode().rstrip("=").lower()
    assert pseudonyms._token(body, check) == expected


def test_a_pseudonym_never_changes_between_releases() -> None:
    assert pseudonym(KEY, "erp.customers.email", "zoe@example.org") == (
        "psn1_lhfwm6rru6sakl2abdsuk3nck4"
    )


def test_a_look_alike_is_not_recognised() -> None:
    chance = random.Random(7)
    for _ in range(2_000):
        text = TOKEN_PREFIX + b32encode(chance.randbytes(16))[:26].decode().lower()
        assert looks_like_pseudonym(text)
        assert not is_pseudonym(KEY, text)


def test_a_pseudonym_with_any_character_changed_is_not_recognised() -> None:
    token = pseudonym(KEY, "d", "value")
    for place in range(len(token)):
        for letter in "abz27_A":
            if token[place] != letter:
                assert not is_pseudonym(KEY, token[:place] + letter + token[place + 1 :])


def test_other_texts_and_values_are_not_pseudonyms() -> None:
    token = pseudonym(KEY, "d", "value")
    for text in ("", "psn1_", token.upper(), token + "\n", " " + token, token[:-1], None, 7, b"x"):
        assert not is_pseudonym(KEY, text)


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=200))
def test_the_prepared_hmac_is_hmac(key: bytes, message: bytes) -> None:
    expected = hmac.new(key, message, hashlib.sha256).digest()
    assert pseudonyms._prepared_hmac(key)(message) == expected


@given(st.lists(TEXT, max_size=30), st.integers(0, 4))
def test_the_fast_path_gives_the_same_with_a_cache_of_any_size(
    values: list[str], size: int
) -> None:
    fast = Pseudonymiser(KEY, "d", cache=size)
    for value in [*values, *values]:
        assert fast(value) == pseudonym(KEY, "d", value)
        assert len(fast._known) <= size


def test_a_pseudonymiser_recognises_its_key_only() -> None:
    fast = Pseudonymiser(KEY, "d")
    assert fast.recognises(pseudonym(KEY, "another", "v"))
    assert not fast.recognises(pseudonym(OTHER, "d", "v"))


def test_a_pseudonymiser_shows_neither_key_nor_values() -> None:
    fast = Pseudonymiser(KEY, "d")
    fast("Zoé Canari")
    assert "Canari" not in repr(fast)
    assert repr(KEY) not in repr(fast)
