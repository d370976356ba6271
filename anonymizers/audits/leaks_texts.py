"""Audits of what texts look like: identifiers by pattern, pseudonyms, digests, disguises.

What the texts are compared with comes from elsewhere (``leaks_sources``); here they speak for
themselves. Only texts that are no declared label are looked at.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote

import pandas as pd

from anonymizers.audits.findings import Figure, Finding
from anonymizers.audits.leaks_shape import open_numbers, open_texts, whole_number
from anonymizers.pseudonyms import TOKEN_LENGTH, TOKEN_PREFIX, is_pseudonym, looks_like_pseudonym
from anonymizers.texts.folding import fold
from anonymizers.texts.patterns import count_hits

_OWN = re.compile(rf"{re.escape(TOKEN_PREFIX)}[a-z2-7]{{{TOKEN_LENGTH - len(TOKEN_PREFIX)}}}")
_OWN_BARE = re.compile(rf"(?<![a-z2-7])[a-z2-7]{{{TOKEN_LENGTH - len(TOKEN_PREFIX)}}}(?![a-z2-7])")
_OPAQUE = (
    ("pseudonyms of a column", re.compile(r"hmac[0-9]+_[0-9a-f]{64}")),
    ("UUIDs", re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b")),
    ("digests", re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})(?![0-9a-f])")),
)  # fmt: skip

_HEX = re.compile(r"(?:0x|\\x)?((?:[0-9a-f]{2}){3,})", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")
_BASE32 = re.compile(r"[A-Za-z2-7]{8,}={0,6}")
_MANY_NUMBERS = 3
_SEEN = 0.5
"""A number with a valid checksum is an identifier once in ten (Luhn): most must have one."""
_LONG = 10**8


def identifier_patterns(
    frame: pd.DataFrame, closed: Mapping[str, Collection[str]]
) -> list[Finding]:
    """Values with the shape (and the checksum) of an e-mail address, a phone number, an IBAN …

    Texts: one is enough. Numbers of nine digits and more, which may be sums: only where at least
    three, and most of the column's, have the shape. The kinds are those of ``patterns``.
    """
    found = []
    for name, texts in open_texts(frame, closed):
        hits = count_hits(pd.Series(texts, dtype="str"))
        found += [_hit(name, kind, count) for kind, count in hits.items()]
    for name, numbers in open_numbers(frame):
        whole = [number for number in map(whole_number, numbers) if number and number >= _LONG]
        hits = count_hits(pd.Series(whole, dtype=object))
        least = max(_MANY_NUMBERS, _SEEN * len(numbers))
        found += [_hit(name, kind, count) for kind, count in hits.items() if count >= least]
    return found


def _hit(name: str, kind: str, count: int) -> Finding:
    figures: dict[str, Figure] = {"column": name, "kind": kind, "values": count}
    problem = "values that look like an identifier"
    return Finding("leaks.identifier_patterns", problem, figures)


def pseudonyms(
    frame: pd.DataFrame,
    closed: Mapping[str, Collection[str]],
    keys: Mapping[str, bytes] | None = None,
) -> list[Finding]:
    """Pseudonyms and what else stands for one person: UUIDs, digests.

    A pseudonym is personal data (GDPR, recital 26). ``keys``: secrets by name; what is proven to
    be made with one of them is said to be, the token's prefix taken off or not.
    """
    found = []
    for name, texts in open_texts(frame, closed):
        folded = [fold(text).lower for text in texts]
        tokens = [any(map(looks_like_pseudonym, _OWN.findall(text))) for text in folded]
        proven: dict[str, int] = {}
        for key_name, key in (keys or {}).items():
            made = sum(any(is_pseudonym(key, token) for token in _bare(text)) for text in folded)
            if made:
                proven[key_name] = made
        if any(tokens):
            found.append(_opaque(name, "pseudonyms", sum(tokens)))
        for key_name, made in proven.items():
            figures: dict[str, Figure] = {"column": name, "key": key_name, "values": made}
            problem = "pseudonyms that can be made again with a key at hand"
            found.append(Finding("leaks.pseudonyms", problem, figures))
        for what, shape in _OPAQUE:
            if count := sum(shape.search(text) is not None for text in folded):
                found.append(_opaque(name, what, count))
    return found


def _bare(text: str) -> Iterator[str]:
    """The pseudonyms that a text may hold, whether or not their prefix was taken off."""
    for body in _OWN_BARE.findall(text):
        yield TOKEN_PREFIX + body
    yield from _OWN.findall(text)


def _opaque(name: str, what: str, count: int) -> Finding:
    figures: dict[str, Figure] = {"column": name, "kind": what, "values": count}
    return Finding("leaks.pseudonyms", "values that each stand for one person", figures)


def disguises(text: str) -> Iterator[tuple[str, str]]:
    """What a text says once it is decoded, and how: "hexadecimal", "base64", "reversed" …"""
    stripped = text.strip()
    yield "reversed", stripped[::-1]
    yield "rotated letters", codecs.decode(stripped, "rot13")
    if "%" in stripped:
        yield "percent-encoded", unquote(stripped)
    if digits := _HEX.fullmatch(stripped):
        yield from _decoded("hexadecimal", bytes.fromhex(digits[1]))
    if _BASE64.fullmatch(stripped):
        bare = stripped.rstrip("=").replace("-", "+").replace("_", "/")
        yield from _unpadded("base64", base64.b64decode, bare, 4)
    if _BASE32.fullmatch(stripped):
        yield from _unpadded("base32", base64.b32decode, stripped.rstrip("=").upper(), 8)


def _unpadded(how: str, decode: object, text: str, block: int) -> Iterator[tuple[str, str]]:
    try:
        data = decode(text + "=" * (-len(text) % block))  # type: ignore[operator]
    except (binascii.Error, ValueError):
        return
    yield from _decoded(how, data)


def _decoded(how: str, data: bytes) -> Iterator[tuple[str, str]]:
    for encoding in ("utf-8", "utf-16-le"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(text) > 2 and text.isprintable():
            yield how, text
