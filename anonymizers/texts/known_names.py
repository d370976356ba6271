"""What is known of a row's person, found in the row's own text.

The person's names and addresses are in the columns beside the text: no model is needed to know
them again, in any letter case, with or without accents, hyphens and apostrophes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from anonymizers.texts.folding import Folded, fold, spaced
from anonymizers.texts.spans import Span

# Words that are parts of names and of everything else.
_COMMON = frozenset(
    [
        *("des", "les", "del", "der", "den", "dos", "von", "van", "ben", "aux", "sur", "sous"),
        *("mme", "mlle", "madame", "monsieur", "mademoiselle", "docteur", "maitre"),
        *("rue", "avenue", "boulevard", "chemin", "sarl", "sas", "sasu", "eurl", "sci"),
    ]
)
_MOST_WORDS = 5


def needles(values: Iterable[object]) -> tuple[str, ...]:
    """The forms in which ``values`` of one person may stand in a text, the longest first.

    A name of several words is looked for as a whole, in one word, and each word (of three
    letters or more) by itself; of an e-mail address the whole and the part before "@", where
    that is not a plain word. One letter, and numbers below four digits, would hit anything.
    """
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            found.update(_forms(value))
        elif value is not None and value == value:  # noqa: PLR0124 - NaN is not
            found.update(_forms(str(value)))
    return tuple(sorted(found, key=lambda needle: (-len(needle), needle)))


def _forms(value: str) -> frozenset[str]:
    lower = fold(value.strip()).lower
    forms = {_plain(lower)}
    if "@" in lower:
        local = _plain(lower.partition("@")[0])
        if " " in local or not local.isalpha():
            forms.add(local)
    else:
        words = _plain(lower).split()
        if len(words) > 1:
            forms.add("".join(words))
        if len(words) <= _MOST_WORDS and not any(word.isdigit() for word in words):
            forms.update(word for word in words if len(word) > 2 and word not in _COMMON)
    return frozenset(form for form in forms if len(form) > (3 if form.isdigit() else 1))


def known_spans(folded: Folded, known: Iterable[str]) -> Iterator[Span]:
    """Where ``needles`` stand in a folded text, as whole words."""
    text = f" {spaced(folded.lower)} "
    for needle in known:
        word = f" {needle} "
        at = text.find(word)
        while at >= 0:
            end = at + len(needle)
            # Two letters are a name only where they are written as one.
            if len(needle) > 2 or folded.cased[at].isupper():
                yield Span("name", at, end)
            at = text.find(word, end)


def _plain(text: str) -> str:
    return " ".join(spaced(text).split())
