"""Values of the sources are found in a release, however they got there; chance is no leak."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizers.audits.leaks import source_identifiers
from anonymizers.audits.leaks_sources import compacted, folded, identifier_text

CLOSED = {"region": ("Bretagne", "Corse", "Île-de-France")}
NAMES = ["Jeanne Martin", "Élodie Lefèvre", "Bretagne", "Li", "O'Neill", "Noël"]
MAILS = ["jeanne.martin@example.org", "e.lefevre@example.fr"]
PHONES = ["0612345678", "+33 7 98 76 54 32"]
NUMBERS = [*np.random.default_rng(0).integers(10**7, 10**9, 400).tolist(), 481_516_234]
CODES = ["KX-4711-B", "C48213"]
SOURCES: list[tuple[str, Iterable[Any]]] = [
    ("name", NAMES), ("mail", MAILS), ("phone", PHONES), ("number", NUMBERS), ("code", CODES),
    ("born", [date(1980, 5, 12)]),
]  # fmt: skip


def release(**columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "region": list(CLOSED["region"]) * 20,
            "month": [f"2024-{at % 12 + 1:02d}" for at in range(60)],
            "rows": random.integers(10, 9_000, 60),
            "spent": random.integers(100, 90_000, 60) * 10 / 100,
        }
    )
    return frame.assign(**columns)


def one(value: object, column: str = "month") -> pd.DataFrame:
    frame = release()
    frame[column] = frame[column].astype(object)
    frame.loc[17, column] = value
    return frame


def found(frame: pd.DataFrame) -> set[tuple[str, str]]:
    return {
        (str(finding.figures["column"]), str(finding.figures["source column"]))
        for finding in source_identifiers(frame, SOURCES, CLOSED)
    }


def test_a_clean_release_has_no_finding() -> None:
    assert source_identifiers(release(), SOURCES, CLOSED) == []
    assert source_identifiers(release().iloc[:0], SOURCES, CLOSED) == []
    assert source_identifiers(release(), [], CLOSED) == []


MAIL = MAILS[0].encode()
LEAKS: dict[str, tuple[pd.DataFrame, tuple[str, str]]] = {
    "a name": (one("Jeanne Martin"), ("month", "name")),
    "a name in capitals without accents": (one("ELODIE LEFEVRE"), ("month", "name")),
    "a name with odd spaces": (one("  Jeanne\u00a0 Martin "), ("month", "name")),
    "a name with an invisible character": (one("Jean\u200bne Martin"), ("month", "name")),
    "a short name": (one("li"), ("month", "name")),
    "a name inside a text": (one("seen by jeanne martin, again"), ("month", "name")),
    "an address inside a text": (one("2024-05/jeanne.martin@EXAMPLE.org!"), ("month", "mail")),
    "a phone number otherwise punctuated": (one("06.12.34.56.78"), ("month", "phone")),
    "a phone number without punctuation": (one("+33798765432"), ("month", "phone")),
    "a code without its dashes": (one("kx4711b"), ("month", "code")),
    "a code inside a text": (one("ref:c48213/2"), ("month", "code")),
    "a number as text": (one("481516234"), ("month", "number")),
    "a number inside a text": (one("client 481516234 called"), ("month", "number")),
    "a day of birth": (one("1980-05-12"), ("month", "born")),
    "a name in a column of another vocabulary": (
        one("Bretagne"), ("month", "name"),
    ),
    "a value outside the vocabulary": (one("Noël", "region"), ("region", "name")),
    "a name of bytes": (one(b"Jeanne Martin"), ("month", "name")),
    "a name in base64": (one(base64.b64encode(MAIL).decode()), ("month", "mail")),
    "a name in base64 for addresses": (
        one(base64.urlsafe_b64encode("Élodie Lefèvre".encode()).decode().rstrip("=")),
        ("month", "name"),
    ),
    "a name in base32": (one(base64.b32encode(MAIL).decode()), ("month", "mail")),
    "a name in hexadecimal": (one(MAIL.hex()), ("month", "mail")),
    "a name in UTF-16": (one("Jeanne Martin".encode("utf-16-le").hex()), ("month", "name")),
    "a name percent-encoded": (one("jeanne.martin%40example.org"), ("month", "mail")),
    "a name in reverse": (one("nitraM ennaeJ"), ("month", "name")),
    "a name in rot13": (one("Wrnaar Znegva"), ("month", "name")),
    "an md5": (one(hashlib.md5(MAIL).hexdigest()), ("month", "mail")),
    "a sha1": (one("x" + hashlib.sha1(MAIL).hexdigest().upper()), ("month", "mail")),
    "a sha256": (one(hashlib.sha256(MAIL).hexdigest()), ("month", "mail")),
    "a sha256 in base64": (
        one(base64.b64encode(hashlib.sha256(MAIL).digest()).decode()), ("month", "mail"),
    ),
    "a sha256 cut short": (one(hashlib.sha256(MAIL).hexdigest()[:16]), ("month", "mail")),
    "the md5 of a number": (one(hashlib.md5(b"481516234").hexdigest()), ("month", "number")),
    "a hexadecimal number": (one(f"{481_516_234:#x}"), ("month", "number")),
    "a number among counts": (one(481_516_234, "rows"), ("rows", "number")),
    "a number among sums": (one(481_516_234.0, "spent"), ("spent", "number")),
    "a number in a fraction": (one(12.481516234, "spent"), ("spent", "number")),
    "a number beyond the precision": (one(12.5 + 4.81516234e-5, "spent"), ("spent", "number")),
    "a number in a decimal": (one(Decimal("31.250000481516234"), "spent"), ("spent", "number")),
    "a number times a thousand": (one(481_516_234_000, "rows"), ("rows", "number")),
    "a number at the end of another": (one(7_000_481_516_234, "rows"), ("rows", "number")),
    "a column of numbers": (release(rows=NUMBERS[:60]), ("rows", "number")),
    "a column of numbers as text": (
        release(month=[str(number) for number in NUMBERS[:60]]), ("month", "number"),
    ),
    "a category that no row has": (
        release(month=pd.Categorical(["2024-01"] * 60, ["2024-01", "Jeanne Martin"])),
        ("month", "name"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(leak: str) -> None:
    frame, where = LEAKS[leak]
    assert where in found(frame)


def test_no_finding_holds_a_value() -> None:
    for frame, _ in LEAKS.values():
        for finding in source_identifiers(frame, SOURCES, CLOSED):
            shown = str(finding).lower()
            assert not any(secret in shown for secret in ("martin", "48151", "4711", "example"))


def test_a_declared_label_is_no_leak_where_it_is_declared() -> None:
    assert found(release(region="Bretagne")) == set()


def test_a_name_of_letters_is_found_as_a_word_only() -> None:
    sources = [("name", ["Marin", "Petit-Jean"])]
    assert source_identifiers(one("une marine"), sources, {}) == []
    assert source_identifiers(one("une petit-jeannette"), sources, {}) == []
    assert source_identifiers(one("le marin"), sources, {})


def test_a_number_in_a_longer_number_or_an_edge_is_another() -> None:
    sources = [("code", ["48213", "10000"])]
    for text in ("client 1482137", "[10000, 20000)", "75011", "10000"):
        assert source_identifiers(one(text), sources, {}) == [], text


@pytest.mark.parametrize(
    "numbers",
    [
        range(1, 301),
        range(1, 100_000),
        range(1_000, 11_000, 5),
        range(0, 20_000, 10),
        range(0, 10_000_000, 1_000),
    ],
    ids=["few", "many", "fives", "tens", "thousands"],
)
def test_counts_that_happen_to_be_numbers_are_no_leak(numbers: range) -> None:
    sources = [("number", list(numbers))]
    assert source_identifiers(release(), sources, CLOSED) == []
    small = release(rows=np.random.default_rng(2).integers(10, 290, 60))
    assert source_identifiers(small, sources, CLOSED) == []
    rounded = release(rows=np.random.default_rng(2).integers(1, 600, 60) * 10)
    assert source_identifiers(rounded, sources, CLOSED) == []
    assert source_identifiers(release().head(1), sources, CLOSED) == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.001, 0.05, 0.3])
def test_random_numbers_are_no_leak_of_random_counts(seed: int, share: float) -> None:
    random = np.random.default_rng(seed + 100)
    numbers = np.flatnonzero(random.random(100_000) < share)
    frame = release(rows=random.integers(10, 90_000, 60))
    assert source_identifiers(frame, [("number", numbers)], CLOSED) == []


def test_batches_may_be_of_anything_that_holds_values() -> None:
    frame = one("Jeanne Martin")
    for batch in (
        iter(NAMES), tuple(NAMES), pd.Series(NAMES), np.array(NAMES, dtype=object),
        pd.Series([None, pd.NA, float("nan"), 3.5, *NAMES], dtype=object),
    ):  # fmt: skip
        assert source_identifiers(frame, [("name", batch)], CLOSED)
    numbers = one(481_516_234, "rows")
    for many in (np.array(NUMBERS), pd.Series(NUMBERS), [None, *NUMBERS], map(str, NUMBERS),
                 map(Decimal, NUMBERS), map(float, NUMBERS)):  # fmt: skip
        assert source_identifiers(numbers, [("number", many)], CLOSED)


def test_several_batches_are_as_good_as_one() -> None:
    frame = release(rows=NUMBERS[:60], month=NAMES * 10)
    batches = [("number", NUMBERS[at : at + 7]) for at in range(0, len(NUMBERS), 7)]
    batches += [("name", [name]) for name in NAMES]
    whole = [("number", NUMBERS), ("name", NAMES)]
    assert source_identifiers(frame, batches, {}) == source_identifiers(frame, whole, {})


LETTERS = st.text("abé É-", min_size=1, max_size=7)


@settings(max_examples=80, deadline=None)
@given(st.lists(LETTERS, min_size=1, max_size=6), st.lists(LETTERS, min_size=1, max_size=6))
def test_texts_are_compared_as_a_plain_search_does(
    cells: list[str], identifiers: list[str]
) -> None:
    def plain(text: str) -> str:
        return " ".join(text.lower().replace("é", "e").split())

    def inside(short: str, long: str) -> bool:
        around = f"-{long}-"
        starts = [at for at in range(len(around)) if around.startswith(short, at)]
        letters = short.replace("-", "").replace(" ", "").isalpha()
        return any(
            not letters or not (around[at - 1].isalpha() or around[at + len(short)].isalpha())
            for at in starts
            if 0 < at < len(around) - len(short)
        )

    expected = any(
        (len(name) >= 2 and name == cell)
        or (len(name) >= 5 and len(cell) > len(name) and inside(name, cell))
        for name in map(plain, identifiers)
        for cell in map(plain, cells)
    )
    frame = pd.DataFrame({"label": cells})
    hits = source_identifiers(frame, [("name", identifiers)], {})
    as_text = [hit for hit in hits if hit.figures["found as"] in ("text", "inside text")]
    assert bool(as_text) == expected


@given(st.lists(st.text(max_size=12), max_size=6))
def test_a_batch_is_folded_as_its_texts_are(batch: list[str]) -> None:
    alone = [text for value in batch if (text := identifier_text(value)) is not None]
    assert [text for text in folded(batch) if len(text) > 1] == alone
    assert compacted(alone) == [text for each in alone for text in compacted([each])]


def test_a_million_identifiers_take_seconds() -> None:
    batches = [
        ("mail", [f"person{at}@example.org" for at in range(start, start + 50_000)])
        for start in range(0, 200_000, 50_000)
    ]
    frame = release()
    source_identifiers(frame, batches[:1], CLOSED)
    started = time.process_time()
    assert source_identifiers(frame, batches, CLOSED) == []
    assert time.process_time() - started < 1  # a fifth of a million; 0.1 s on a quiet machine
