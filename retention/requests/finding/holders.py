"""Whether two records under one key are one person's. Pure: keyed fingerprints, no values.

A key says nothing of who has it: databases give a number again once its row is gone, and a
restored sequence does. What a row says of its person tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

Prints = frozenset[tuple[str, str]]
"""Fields (``identities.FIELDS``) and fingerprints of what a record says of whose it is."""

_TELLING = frozenset(("email", "phone", "full_name", "address", "iban"))
_NAMES = frozenset(("family_name", "first_name", "full_name"))
SAYS_WHO = _TELLING | _NAMES
"""The fields that say whose a record is; its own number does not."""


class Relation(StrEnum):
    """What one record is to another under the same key."""

    same = "same"
    other = "other"
    """Both are named, and nothing at all is common to them."""
    unclear = "unclear"


@dataclass(frozen=True)
class Group:
    """What an archived record says of whose it is."""

    prints: Prints
    is_own_row: bool
    """It is the person's own row; else one that belongs to them, or carries them along."""


def relation(one: Prints, two: Prints) -> Relation:
    """Whether two records may be one person's; where one says nothing, nothing speaks against it."""
    shared = {field for field, _ in one & two}
    fields = [{field for field, _ in item} & SAYS_WHO for item in (one, two)]
    if shared & _TELLING or not all(fields):
        return Relation.same
    named = fields[0] & fields[1] & {"family_name", "full_name"}
    return Relation.other if named and not shared & _NAMES else Relation.unclear


def whose(person: Prints, groups: Sequence[Group], *, in_source: bool) -> Relation:
    """Whether what the archive has under a key is the person's who is known by ``person``.

    ``unclear``: some of it is, or may be, and some is another's who had the key.
    ``in_source``: the person's own row is not in the archive, but where it was.
    """
    known, left = person, list(groups)
    if left and not (in_source and says_who(known)) and not _fitting(known, left):
        known = left[0].prints  # chosen in spite of what was said: are they of one person at all?
    while mine := _fitting(known, left):
        known = known.union(*(item.prints for item in mine))
        left = [item for item in left if item not in mine]
    found = {item: relation(known, item.prints) for item in left}
    foreign = [item for item in left if _is_foreign(item, found[item], in_source=in_source)]
    if not foreign:
        return Relation.same
    former = any(item.is_own_row and found[item] is Relation.other for item in foreign)
    all_of_it = len(foreign) == len(groups)
    return Relation.other if former and all_of_it else Relation.unclear


def says_who(prints: Prints) -> bool:
    """Whether there is anything by which to tell whose it is."""
    return any(field in SAYS_WHO for field, _ in prints)


def _fitting(known: Prints, groups: Iterable[Group]) -> list[Group]:
    """Those that have something telling in common with what is known of a person."""
    return [item for item in groups if {field for field, _ in known & item.prints} & _TELLING]


def _is_foreign(item: Group, found: Relation, *, in_source: bool) -> bool:
    """Another's; an e-mail alone may have changed, unless the row would be in two places."""
    return found is Relation.other or (in_source and item.is_own_row and found is Relation.unclear)
