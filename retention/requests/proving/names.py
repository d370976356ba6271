"""Names among the words of a text: what belongs together, and what only looks like a person."""

from __future__ import annotations

from collections.abc import Sequence

from retention.requests.proving.texts import folded

_CIVILITIES = frozenset(
    ["m", "mr", "mme", "mlle", "monsieur", "madame", "mademoiselle", "dr", "me"]
)

_GAP = 2
"""At most so many of ``_LABELS`` stand between two parts: ``MARTIN, prénom : Marie``."""
_LABELS = _CIVILITIES | frozenset(
    [
        "nom",
        "prenom",
        "prenoms",
        "usage",
        "first",
        "last",
        "name",
        "firstname",
        "lastname",
        "given",
        "family",
        "surname",
        "ne",
        "nee",
        "epouse",
        "dit",
    ]
)
_STREETS = frozenset(
    [
        "rue",
        "avenue",
        "boulevard",
        "chemin",
        "impasse",
        "place",
        "route",
        "square",
        "allee",
        "quai",
        "cours",
        "passage",
        "residence",
        "sentier",
        "ruelle",
        "esplanade",
        "faubourg",
        "villa",
    ]
)
"""Of what comes after one of these, a street has its name."""
_PARTICLES = frozenset(
    ["de", "du", "des", "la", "le", "les", "l", "d", "saint", "sainte", "docteur", "general"]
)


def name_words(text: str) -> tuple[str, ...]:
    """The words of a name, without a form of address before them."""
    words = folded(text)
    return tuple(words[1:] if len(words) > 1 and words[0] in _CIVILITIES else words)


def is_name(words: Sequence[str]) -> bool:
    """Whether words are long enough, and of letters only, to be half of a name."""
    letters = "".join(words)
    return len(letters) >= 2 and letters.isalpha()


def side_by_side(
    words: Sequence[str], place: int, first: tuple[str, ...], second: tuple[str, ...]
) -> bool:
    """Whether two parts of a name stand side by side, in any order, around ``place``."""
    size, other = len(first), len(second)
    for start in range(max(0, place - size + 1), place + 1):
        if tuple(words[start : start + size]) != first:
            continue
        for gap in range(_GAP + 1):
            after, before = start + size + gap, start - gap - other
            behind = _is_gap(words[start + size : after]) and (
                tuple(words[after : after + other]) == second
            )
            if behind and not of_a_street(words, start):
                return True
            ahead = before >= 0 and _is_gap(words[before + other : start])
            if (
                ahead
                and tuple(words[before : before + other]) == second
                and not of_a_street(words, before)
            ):
                return True
    return False


def _is_gap(words: Sequence[str]) -> bool:
    return all(word in _LABELS or len(word) == 1 for word in words)


def of_a_street(words: Sequence[str], start: int) -> bool:
    """Whether the words from ``start`` on are the name of a street."""
    while start > 0 and words[start - 1] in _PARTICLES:
        start -= 1
    return start > 0 and words[start - 1] in _STREETS
