"""The cast: how many lives of each archetype there are, and the making of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date

from demo.customers import CUSTOMERS
from demo.dirt import DIRT
from demo.links import LINKS
from demo.lives import Life
from demo.prospects import PROSPECTS
from demo.scene import Ids, Scene
from demo.visitors import VISITORS

Archetype = Callable[[Scene], None]

ARCHETYPES: tuple[tuple[Archetype, int], ...] = (*CUSTOMERS, *LINKS, *PROSPECTS, *VISITORS)


def write_lives(
    people: int, as_of: date, seed: int, bad_text_in: frozenset[str] = frozenset()
) -> Iterator[Life]:
    """``people`` lives in a mixed order, the same for the same arguments.

    ``bad_text_in`` names the systems whose databases let a date column hold any text.
    """
    ids = Ids()
    cast = _cast(people, seed)
    for number, archetype in enumerate(cast, start=1):
        life = Life(number, archetype.__name__)
        rng = random.Random(f"life/{seed}/{number}/{archetype.__name__}")
        archetype(Scene(life, as_of, rng, ids, bad_text_in))
        yield life


def _cast(people: int, seed: int) -> list[Archetype]:
    """Each archetype its share; dirty ones in turn, so that all occur among 5,000 people."""
    cast: list[Archetype] = []
    for share, kinds in DIRT:
        cast += [kinds[i % len(kinds)] for i in range(int(share * people))]
    clean = people - len(cast)
    total = sum(weight for _, weight in ARCHETYPES)
    shares = [(weight * clean / total, archetype) for archetype, weight in ARCHETYPES]
    counts = [int(share) or 1 for share, _ in shares]
    rest = [share - int(share) for share, _ in shares]
    by_rest = sorted(range(len(counts)), key=lambda i: rest[i], reverse=True)
    at = 0
    while sum(counts) < clean:
        counts[by_rest[at % len(counts)]] += 1
        at += 1
    for count, (_, archetype) in zip(counts, shares, strict=True):
        cast += [archetype] * count
    random.Random(f"cast/{seed}").shuffle(cast)
    return cast[:people]
