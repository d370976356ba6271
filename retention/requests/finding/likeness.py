"""How far a record's identities are those of the person who asks. Pure; no key, no database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product

from retention.identities import normal, postcode, words
from retention.requests.model import Asked

KEYS = ("customer_ref", "email", "phone")
"""The fields that can decide whose a record is, in this order; the others are likenesses."""

NAMES = ("family_name", "first_name")

_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}

Values = Mapping[str, frozenset[str]]
"""A record's normal forms by field; ``postcode`` is one more."""


@dataclass(frozen=True)
class Sought:
    """What a request says of who is asking, in normal form."""

    said: Mapping[str, str]
    """The fields of the request that are given and can be read."""
    unreadable: frozenset[str]
    """Those that cannot: no record agrees with them."""
    full_name: str | None
    postcode: str | None
    region: str

    @property
    def references(self) -> frozenset[str]:
        """The customer reference in every spelling: the letters of a UUID have no case."""
        said = self.said.get("customer_ref")
        if said is None:
            return frozenset()
        return frozenset((said, said.lower(), said.upper()) if _UUID.fullmatch(said) else (said,))

    @classmethod
    def of(cls, asked: Asked, region: str) -> Sought:
        given = asked.said()
        # Some keyboards write wide digits; a database's numbers have none.
        if reference := given.get("customer_ref"):
            given["customer_ref"] = reference.translate(_NARROW)
        forms = ((field, normal(field, text, region)) for field, text in given.items())
        # No database holds what cannot be printed; some cannot even be asked for it.
        said = {field: form for field, form in forms if form and form.isprintable()}
        both = " ".join(said[field] for field in NAMES) if set(NAMES) <= set(said) else None
        unreadable = frozenset(given) - frozenset(said)
        return cls(said, unreadable, normal("full_name", both), postcode(asked.address), region)


@dataclass(frozen=True)
class Likeness:
    """Fields of the request that agree with a record, that contradict it, and that are ``like``.

    Like are an initial, and a name of two words of which one is given. What only one side
    has is in none of the three.
    """

    agrees: frozenset[str] = frozenset()
    contradicts: frozenset[str] = frozenset()
    like: frozenset[str] = frozenset()

    @property
    def disagrees(self) -> frozenset[str]:
        return self.contradicts | self.like

    @property
    def clean(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.disagrees

    @property
    def worth_a_look(self) -> bool:
        """Whether it is to be shown to a person at all: a key agrees, or name and address do."""
        if not self.agrees.isdisjoint(KEYS):
            return True
        named = "family_name" in self.agrees | self.like and "first_name" not in self.contradicts
        return named and "address" in self.agrees


class _Relation(IntEnum):
    same = 0
    like = 1
    other = 2


def compare(sought: Sought, values: Values) -> Likeness:
    """How far a record with ``values`` is the person's.

    A customer reference that is another is not said to contradict: other tables number their
    rows on their own.
    """
    said = sought.said
    found: dict[str, _Relation | None] = dict(_names(sought, values))
    if "address" in said:
        found["address"] = _address(sought, values)
    for field in ("email", "phone"):
        if field in said and values.get(field):
            same = said[field] in values[field]
            found[field] = _Relation.same if same else _Relation.other
    if sought.references & values.get("customer_ref", frozenset()):
        found["customer_ref"] = _Relation.same
    for field in sought.unreadable:
        if values.get(field) or (field in NAMES and values.get("full_name")):
            found[field] = _Relation.other
    by_relation = {
        relation: frozenset(field for field, what in found.items() if what is relation)
        for relation in _Relation
    }
    return Likeness(
        by_relation[_Relation.same], by_relation[_Relation.other], by_relation[_Relation.like]
    )


_Pair = tuple[_Relation | None, _Relation | None]


def _names(sought: Sought, values: Values) -> Mapping[str, _Relation | None]:
    given = {field: frozenset(words(sought.said.get(field, ""))) for field in NAMES}
    family, first = given["family_name"], given["first_name"]
    if sought.full_name and sought.full_name in values.get("full_name", ()):
        return dict.fromkeys(NAMES, _Relation.same)
    lasts, firsts = values.get("family_name", ()), values.get("first_name", ())
    pairs: list[_Pair] = []
    if lasts or firsts:
        for last_name, first_name in product(lasts or ("",), firsts or ("",)):
            last, other = frozenset(last_name.split()), frozenset(first_name.split())
            pairs.append((_part(family, last), _first(first, other)))
            if last and other:  # some write the family name where the first name belongs
                pairs.append((_part(family, other), _first(first, last)))
    else:
        pairs += [_whole(family, first, name.split()) for name in values.get("full_name", ())]
    best = min(pairs, key=_distance, default=(None, None))
    return dict(zip(NAMES, best, strict=True))


def _distance(pair: _Pair) -> tuple[int, int]:
    numbers = [relation for relation in pair if relation is not None]
    return max(numbers, default=0), sum(numbers)


def _part(asked: frozenset[str], stored: frozenset[str]) -> _Relation | None:
    if not asked or not stored:
        return None
    if asked == stored:
        return _Relation.same
    return _Relation.like if asked < stored or stored < asked else _Relation.other


def _first(asked: frozenset[str], stored: frozenset[str]) -> _Relation | None:
    found = _part(asked, stored)
    return _Relation.like if found is _Relation.other and _initials(asked, stored) else found


def _whole(family: frozenset[str], first: frozenset[str], stored: Sequence[str]) -> _Pair:
    """As ``_part`` for both names, of a column that holds the whole name."""
    found = frozenset(stored)
    family_is: _Relation | None = None
    if family:
        family_is = _Relation.same if family <= found else _part(family, found)
    rest = found - family
    first_is = _first(first, rest)
    if not family and first and first < found:
        first_is = _Relation.same
    return family_is, first_is


def _initials(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether every word of the shorter spelling is, or is the initial of, one of the other."""

    def short_for(short: Iterable[str], long: Iterable[str]) -> bool:
        whole = list(long)
        return all(
            any(word == item or (len(word) == 1 and item.startswith(word)) for item in whole)
            for word in short
        )

    return short_for(one, other) or short_for(other, one)


def _address(sought: Sought, values: Values) -> _Relation | None:
    stored = values.get("address")
    if not stored:
        return None
    towns = values.get("postcode", frozenset())
    if sought.postcode and towns and sought.postcode not in towns:
        return _Relation.other
    asked = frozenset(sought.said["address"].split())
    alike = any(_same_street(asked, frozenset(street.split())) for street in stored)
    return _Relation.same if alike else _Relation.other


def _same_street(one: frozenset[str], other: frozenset[str]) -> bool:
    """One may say more (a floor, a building); both have the same numbers."""
    numbers = [{word for word in words_ if word.isdecimal()} for words_ in (one, other)]
    return (one <= other or other <= one) and numbers[0] == numbers[1] and len(one & other) > 1
