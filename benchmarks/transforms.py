"""Throughput of pseudonyms, generalisation rules and scrubbing, beside the obvious way to do each.

    python -m benchmarks.transforms [--rows 1000000] [--texts 20000] [--runs 5] [--json FILE]

Every figure is the median of several runs in processor time, on one core. Texts are made up
(``tests/labelled_texts.py``, ``demo/phrases.py``); what is found in them is counted against
what was put in: recall is the share of identifiers that are covered whole, precision the share
of what was found that is an identifier.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import platform
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from anonymizers.frame_pseudonyms import FrameKey, pseudonymise  # noqa: E402
from anonymizers.pseudonyms import Pseudonymiser, hmac_digests  # noqa: E402
from anonymizers.rules.declared import (  # noqa: E402
    ByAddress,
    ByBands,
    ByDate,
    ByPostcode,
    ByUserAgent,
    Rule,
)
from anonymizers.texts.patterns import KINDS, find  # noqa: E402
from anonymizers.texts.scrubbing import Scrubber, scrub  # noqa: E402
from demo.people import Population  # noqa: E402
from tests.labelled_texts import Writer  # noqa: E402

KEY = bytes(range(32))

# What one writes in an hour: one expression a kind, one pass a kind.
NAIVE = {
    "email": r"[\w.+-]+@[\w-]+\.[\w.-]+",
    "phone": r"(?:\+33|0)\s?[1-9](?:[\s.-]?\d{2}){4}",
    "iban": r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,3})?\b",
    "nir": r"\b[12]\s?\d{2}\s?\d{2}\s?\d{2}\s?\d{3}\s?\d{3}\s?\d{2}\b",
    "siret": r"\b\d{3}\s?\d{3}\s?\d{3}\s?\d{5}\b",
    "siren": r"\b\d{3}\s?\d{3}\s?\d{3}\b",
    "card": r"\b(?:\d{4}[\s-]?){3}\d{4}\b",
    "date": r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b|\b\d{4}-\d{2}-\d{2}\b",
    "street": r"\b\d+\s?(?:bis|ter)?,?\s(?:rue|avenue|boulevard|chemin|impasse|place)\s[^,.;\n]+",
    "postcode": r"\b\d{5}\s[A-ZÉÈ][\w-]+",
    "ip": r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}\b",
    "url": r"https?://\S+",
    "name": r"\b(?:M\.|Mme|Mlle|Monsieur|Madame|Dr)\s[A-ZÉÈ][\w-]+(?:\s[A-ZÉÈ][\w-]+)?",
}
NAIVE_PATTERNS = [(kind, re.compile(pattern)) for kind, pattern in NAIVE.items()]


class Bench:
    """Times functions and keeps what it found."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.figures: dict[str, float] = {}

    def __call__(self, name: str, unit: str, count: int, work: Callable[[], object]) -> None:
        took = []
        for _ in range(self.runs):
            start = time.process_time()
            work()
            took.append(time.process_time() - start)
        rate = count / statistics.median(took)
        self.figures[name] = rate
        shown = f"{rate / 1e6:8.2f} M {unit}/s" if rate >= 1e6 else f"{rate:10,.0f} {unit}/s"
        print(f"  {name:58s} {shown}", flush=True)


def pseudonyms(bench: Bench, rows: int) -> None:
    print(f"Pseudonyms (HMAC-SHA256), {rows:,} distinct values, then as many rows of 10,000 values")
    values = [f"client{number}@exemple.fr" for number in range(rows)]
    messages = [value.encode() for value in values]
    column = pd.Series(values, dtype="str")
    key, cached = FrameKey(1, KEY), 65_536

    def tokens() -> None:
        make = Pseudonymiser(KEY, "d", cache=cached)
        for value in values:
            make(value)

    def naive() -> None:
        [hmac.new(KEY, message, hashlib.sha256).digest() for message in messages]

    bench("hmac.new, one call a value", "values", rows, naive)
    bench(
        "hmac.digest, one call a value", "values", rows,
        lambda: [hmac.digest(KEY, message, "sha256") for message in messages],
    )  # fmt: skip
    bench(
        "hmac_digests: exact HMAC, bytes in, bytes out",
        "values",
        rows,
        lambda: hmac_digests(KEY, messages),
    )
    bench(
        "frame pseudonyms: column in, column out",
        "values",
        rows,
        lambda: pseudonymise(column, key, "d"),
    )
    bench("tokens with check bytes (Pseudonymiser)", "values", rows, tokens)
    places = np.random.default_rng(1).integers(0, min(rows, 10_000), rows)
    repeated = column.take(places).reset_index(drop=True)
    bench(
        "hmac.new by Series.map, values repeat", "rows", rows,
        lambda: repeated.map(lambda v: hmac.new(KEY, v.encode(), hashlib.sha256).hexdigest()),
    )  # fmt: skip
    bench("frame pseudonyms, values repeat", "rows", rows, lambda: pseudonymise(repeated, key, "d"))


def rules(bench: Bench, rows: int) -> None:
    print(f"Rules, {rows:,} rows")
    chance = np.random.default_rng(2)
    people = Population(2)
    agents = pd.Series([people.browser(random.Random(n)) for n in range(500)], dtype="str")
    octets = chance.integers(1, 255, (10_000, 4))
    cases: list[tuple[str, Rule, str, pd.Series, Callable[[pd.Series], object] | None]] = [
        (
            "times to months", ByDate(), "month",
            pd.Series(np.datetime64("2020-01-01", "s") + chance.integers(0, 10**8, rows)),
            lambda times: times.dt.strftime("%Y-%m"),
        ),
        (
            "ISO days to quarters", ByDate(), "quarter",
            pd.Series(pd.date_range("2000-01-01", periods=9_000).strftime("%Y-%m-%d"), dtype="str"),
            lambda days: pd.to_datetime(days).dt.to_period("Q").astype("str"),
        ),
        (
            "postcodes to régions", ByPostcode(), "region",
            pd.Series([f"{n:05d}" for n in chance.integers(1_000, 96_000, 6_000)], dtype="str"),
            None,
        ),
        (
            "ages to bands", ByBands((18, 25, 35, 50, 65), whole=True), "band",
            pd.Series(chance.integers(0, 110, rows)),
            lambda ages: pd.cut(ages, [-np.inf, 18, 25, 35, 50, 65, np.inf], right=False).astype("str"),
        ),
        (
            "amounts (distinct floats) to bands", ByBands(width=100), "band",
            pd.Series(chance.gamma(2, 400, rows)),
            lambda amounts: pd.cut(amounts, np.arange(0, 20_000, 100), right=False).astype("str"),
        ),
        ("user agents to device classes", ByUserAgent(), "device", agents, None),
        (
            "addresses to networks", ByAddress(), "network",
            pd.Series([".".join(map(str, octet)) for octet in octets], dtype="str"),
            lambda addresses: addresses.str.replace(r"\.\d+$", ".0/24", regex=True),
        ),
    ]  # fmt: skip
    for name, rule, level, values, obvious in cases:
        places = chance.integers(0, len(values), rows)
        column = values if len(values) == rows else values.take(places).reset_index(drop=True)
        if obvious is not None:
            bench(f"{name}: pandas", "rows", rows, lambda v=column, f=obvious: f(v))
        bench(f"{name}: rule", "rows", rows, lambda v=column, r=rule, at=level: r.label(v, at))


def tickets(count: int) -> tuple[list[str], pd.DataFrame]:
    """The demonstration's tickets, and what is known of their people."""
    people, chance = Population(3), random.Random(1)
    texts, known = [], []
    for number in range(count // 4):
        person = people.person(number, chance)
        told = people.summary(person, chance), *people.ticket(person, chance)
        texts += [*told, people.message(person, chance)]
        known += [(person.first_name, person.last_name, person.email("home"))] * 4
    return texts, pd.DataFrame(known, columns=["first", "last", "email"])


def naive_scrub(text: str) -> str:
    for kind, pattern in NAIVE_PATTERNS:
        text = pattern.sub(f"[{kind}]", text)
    return text


def scrubbing(bench: Bench, count: int) -> None:
    texts, known = tickets(count)
    distinct = list(dict.fromkeys(texts))
    column, own = pd.Series(texts, dtype="str"), known
    print(
        f"Scrubbing, {len(texts):,} tickets of the demonstration ({len(distinct):,} distinct, "
        f"{statistics.mean(map(len, texts)):.0f} characters each)"
    )
    bench(
        "re.sub, one expression a kind",
        "texts",
        len(distinct),
        lambda: [*map(naive_scrub, distinct)],
    )
    bench("scrub, distinct texts", "texts", len(distinct), lambda: [*map(scrub, distinct)])
    bench(
        "Scrubber, a column as it comes", "texts", len(texts), lambda: Scrubber().transform(column)
    )
    bench(
        "Scrubber with what is known of each row's person", "texts", len(texts),
        lambda: Scrubber().transform(column, own),
    )  # fmt: skip
    labelled = [text.text for text in Writer(1).texts(count // 4)]
    print(
        f"Scrubbing, {len(labelled):,} texts full of identifiers "
        f"({statistics.mean(map(len, labelled)):.0f} characters each)"
    )
    bench("re.sub on labelled texts", "texts", len(labelled), lambda: [*map(naive_scrub, labelled)])
    bench("scrub on labelled texts", "texts", len(labelled), lambda: [*map(scrub, labelled)])


def naive_find(text: str) -> list[tuple[int, int]]:
    return [match.span() for _, pattern in NAIVE_PATTERNS for match in pattern.finditer(text)]


def quality(bench: Bench, count: int) -> None:
    texts = Writer(20261124).texts(count)
    ours, theirs = Counter[str](), Counter[str]()
    meant, right = Counter[str](), Counter[str]()
    found = naive_found = naive_right = 0
    for text in texts:
        spans = [(span.start, span.end) for span in find(text.text)]
        naive = naive_find(text.text)
        labels = [(label.start, label.end) for label in text.labels]
        for label in text.labels:
            meant[label.kind] += 1
            ours[label.kind] += _covered(text.text, label.start, label.end, spans)
            theirs[label.kind] += _covered(text.text, label.start, label.end, naive)
        found += len(spans)
        right["all"] += sum(_touches(span, labels) for span in spans)
        naive_found += len(naive)
        naive_right += sum(_touches(span, labels) for span in naive)
    print(
        f"Found in {count:,} labelled texts with {sum(meant.values()):,} identifiers (re.sub in brackets)"
    )
    for kind in KINDS:
        recall, naive_recall = ours[kind] / meant[kind], theirs[kind] / meant[kind]
        print(f"  {kind:10s} {meant[kind]:6,d}   recall {recall:.4f}  ({naive_recall:.4f})")
        bench.figures[f"recall {kind}"] = recall
    recall, naive_recall = (
        sum(ours.values()) / sum(meant.values()),
        sum(theirs.values()) / sum(meant.values()),
    )
    precision, naive_precision = right["all"] / found, naive_right / naive_found
    print(
        f"  all: recall {recall:.4f} ({naive_recall:.4f}), precision {precision:.4f} ({naive_precision:.4f})"
    )
    bench.figures |= {"recall": recall, "precision": precision}


def _covered(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    shown = set(range(start, end)).difference(*(range(first, last) for first, last in spans))
    return not "".join(text[at] for at in sorted(shown)).strip(" ,-")


def _touches(span: tuple[int, int], labels: list[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in labels)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--texts", type=int, default=20_000)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    print(f"Python {platform.python_version()}, pandas {pd.__version__}, {platform.machine()}")
    bench = Bench(given.runs)
    pseudonyms(bench, given.rows)
    rules(bench, given.rows)
    scrubbing(bench, given.texts)
    quality(bench, given.texts // 2)
    if given.json:
        given.json.write_text(json.dumps(bench.figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
