"""Request documents for tests: a good one, and ways to spoil it that cannot but be noticed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date
from typing import Any

TODAY = date(2026, 11, 24)
CANARY = "Zéphyrine-Canari"
"""Stands in every value of a person that a spoiled document holds."""

Document = dict[str, Any]
Spoil = Callable[[Document, random.Random], Any]


def good(**changes: Any) -> Document:
    """A request as a web form would write it; ``changes`` replace or, with None, null a field."""
    return {
        "kind": "erasure",
        "received_on": "2026-11-20",
        "family_name": "Lefèvre",
        "first_name": CANARY,
        "email": "canari@courriel.example",
        "phone": "06 39 98 12 34",
        "address": "3 rue des Oiseaux\n75011 Paris",
        "customer_ref": "4711",
        **changes,
    }


def _put(name: str, *values: Any) -> Spoil:
    def spoil(document: Document, rng: random.Random) -> Document:
        return {**document, name: rng.choice(values)}

    return spoil


def _anonymous(document: Document, rng: random.Random) -> Document:
    kept = rng.choice([("family_name", "first_name"), ("address",), ("first_name", "address"), ()])
    gone = {"family_name", "first_name", "address", "email", "phone", "customer_ref"} - set(kept)
    return {name: value for name, value in document.items() if name not in gone}


WRONG_TYPES: tuple[Any, ...] = (0, 1.5, True, False, [], [CANARY], {}, {"value": CANARY}, 10**400)
NO_TEXT = (*WRONG_TYPES, "", "   ", "\u00a0")
HIDDEN = tuple(
    f"Can{char}ari" for char in "\x00\x07\x1b\x7f\x85\u200b\u202e\u2066\ufeff\ue000\ud800\udfff"
)

SPOILED: tuple[Spoil, ...] = (
    _put("kind", *NO_TEXT, None, "Erasure", "erase", "erasure ", "delete", CANARY, "x" * 10_000),
    _put("received_on", *NO_TEXT, "2026-11-25", "9999-12-31", "0000-00-00", "2025-11-22"),
    _put("received_on", "2026-02-30", "20261120", "2026-W47-5", "24/11/2026", "２０２６-11-20"),
    _put("family_name", *NO_TEXT, *HIDDEN, "x" * 201),
    _put("first_name", *NO_TEXT, *HIDDEN, "x" * 201, "a\nb"),
    _put("email", *NO_TEXT, *HIDDEN, CANARY, "a@b", "a@@b.fr", f"a@{'x' * 250}.fr", "a@b.fr, c@d.fr"),
    _put("email", "Canari <a@b.fr>", "a@b..fr", "a b@c.fr", "a@b.fr\nBcc: c@d.fr", "%@b.fr;--"),
    _put("phone", *NO_TEXT, *HIDDEN, CANARY, "12", "+33 6", "+999 12345678", "0" * 41, "06 39 98 1x"),
    _put("address", *NO_TEXT, *HIDDEN, "x" * 501),
    _put("customer_ref", *NO_TEXT, *HIDDEN, "x" * 101),
    _put("message", *NO_TEXT, "a\x00b", "\ud800", "x" * 10_001),
    _put("corrections", *WRONG_TYPES[:6], {"user.contact.email": "new@b.fr"}),
    _put("verified", *WRONG_TYPES, {"by": "a"}, {"how": "b"}, {"by": "a", "how": 1}, {"by": "", "how": "b"}),
    _put("verified", {"by": "a", "how": "b", CANARY: 1}, "yes"),
    _put(CANARY, "x", None, 1),
    _put("Email", "a@b.fr"),
    _put("family name", "x"),
    _anonymous,
    lambda document, _: [document],
    lambda document, _: json.dumps(document),
    lambda _document, rng: rng.choice([None, True, 0, "", [], {}, CANARY]),
)  # fmt: skip
"""Each makes of a good document one that must be rejected."""


def spoiled(rng: random.Random) -> Any:
    """A document with one fault or several."""
    document: Any = {
        name: value
        for name, value in good().items()
        if name in ("kind", "email") or rng.random() < 0.8
    }
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not isinstance(document, dict):
            break
        document = rng.choice(SPOILED)(document, rng)
    return document


def mangled(rng: random.Random) -> bytes:
    """The bytes of a document, damaged so that they are no JSON object any more."""
    data = json.dumps(good(), ensure_ascii=rng.random() < 0.5).encode()
    where = rng.randrange(len(data))
    return rng.choice(
        (
            data[:where],
            data + data[where:],
            b"[" * 100_000 + data,
            data[:where] + b"\xff\xfe" + data[where:],
            data[:-1] + b', "email": "a@b.fr"}',
            data[:-1] + b', "x": NaN}',
            data[:-1] + b', "x": ' + b"9" * 5_000 + b"}",
            data.decode().encode("utf-16"),
            b"",
            b"\x00" * 100,
        )
    )
