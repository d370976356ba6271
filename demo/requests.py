"""Requests of made-up persons, as the customer area drops them into the inbox.

One of each kind, of persons whose answers are instructive, and one about which a person has to
decide. Who asks follows from the lives, hence from the seed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from demo.dirt import DIRT
from demo.lives import NEVER, OPEN, UNREADABLE, Customer, Life, When
from demo.people import Person, Population, spelled
from demo.rows import person_of

INBOX = "inbox"
"""The folder of the request files, as the settings have it when they do not say otherwise."""

VERIFIED = {
    "by": "customer area",
    "how": "logged in, with a code sent to the e-mail address on record",
}

Document = dict[str, Any]

VERIFIED_BY_LINK = {
    "by": "preferences page",
    "how": "followed a link sent to the e-mail address on record",
}
"""Who is no customer cannot log in."""

LATELY = timedelta(days=900)
"""Within the shortest active phase of a person's record, three years, and a margin."""

_DIRTY = frozenset(archetype.__name__ for _, kinds in DIRT for archetype in kinds)


@dataclass(frozen=True)
class _Part:
    """A part to be given: the file's name, how well a life suits it (0: not at all), the text.

    Fuller lives make better answers, so a life's score is how much there is to see in it.
    """

    name: str
    suits: Callable[[Life, date], int]
    asks: Callable[[Life, Person], Document]


def documents(
    lives: Sequence[Life], population: Population, as_of: date, seed: int
) -> Iterator[tuple[str, Document]]:
    """File names and what stands in the files; a part that no life suits is left out."""
    taken: set[int] = set()
    for part in PARTS:
        scores = {
            life.number: part.suits(life, as_of)
            for life in lives
            if life.number not in taken and life.archetype not in _DIRTY
        }
        best = max(scores, key=lambda number: (scores[number], -number), default=0)
        if not scores.get(best):
            continue
        taken.add(best)
        life = next(life for life in lives if life.number == best)
        yield part.name, part.asks(life, person_of(life, population, seed))


def write_requests(folder: Path, found: Iterator[tuple[str, Document]]) -> int:
    """Write the request files into ``folder``; returns how many."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = 0
    for name, document in found:
        text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        count += 1
    return count


# --- whom a part suits -------------------------------------------------------------------


def _customer(life: Life) -> Customer | None:
    """The life's only customer record, where its address is the person's own."""
    one = life.customers[0] if len(life.customers) == 1 else None
    return one if one and one.mailbox == "home" else None


def _in_force(life: Life) -> Customer | None:
    customer = _customer(life)
    ends = [contract.end.script for contract in customer.contracts] if customer else []
    return customer if OPEN in ends else None


def _over(life: Life, as_of: date) -> Customer | None:
    """A customer whose last contract ended in the last years, and who is not archived yet."""
    customer = _customer(life)
    if customer is None or not customer.contracts:
        return None
    ends = [contract.end.script or "" for contract in customer.contracts]
    first, last = as_of - LATELY, as_of - timedelta(days=60)
    return customer if first.isoformat() < max(ends) < last.isoformat() else None


def _has_account(life: Life, as_of: date) -> bool:
    """Whether there is one that the day's run leaves: somebody has logged in lately."""
    return any(
        _lately([account.last_login, *(row.when for row in account.logins)], as_of)
        for account in life.accounts
        if account.mailbox == "home"
    )


def _lately(days: Iterable[When], as_of: date) -> bool:
    since = (as_of - LATELY).isoformat()
    return any(
        when.script not in (OPEN, UNREADABLE) and since < (when.script or "") for when in days
    )


def _fullness(customer: Customer, life: Life) -> int:
    """How many kinds of records there are."""
    kinds = (
        customer.contracts, customer.orders, customer.contacts, customer.tickets,
        customer.invoices, customer.bank, life.accounts,
    )  # fmt: skip
    return 1 + sum(bool(kind) for kind in kinds)


def _known_everywhere(life: Life, as_of: date) -> int:
    """A customer who was a prospect, and has an account: all three systems answer."""
    customer = _in_force(life)
    if customer is None or len(life.prospects) != 1 or life.intended != "active":
        return 0
    return _fullness(customer, life) + 10 * _has_account(life, as_of)


def _with_a_contract(life: Life, as_of: date) -> int:
    customer = _in_force(life)
    if customer is None or life.prospects or life.intended != "active":
        return 0
    return _fullness(customer, life) + 10 * _has_account(life, as_of)


def _prospect_and_customer(life: Life, as_of: date) -> int:
    """One who may be solicited, and has a contract: only the soliciting stops.

    Best is who may be in two systems, as a customer and as a prospect.
    """
    if life.intended != "active" or len(life.prospects) > 1:
        return 0
    customer = _in_force(life)
    as_prospect = any(
        prospect.withdrawn is NEVER
        and _lately([prospect.collected, *(row.when for row in prospect.responses)], as_of)
        for prospect in life.prospects
    )
    if customer is None:
        return int(as_prospect)
    willing = customer.opt_in and customer.withdrawn is NEVER
    as_customer = willing and _lately([customer.collected, customer.consent], as_of)
    score = 40 * as_prospect + 20 * bool(as_customer)
    return score and score + _fullness(customer, life)


def _with_a_bank_account(life: Life, as_of: date) -> int:
    """A customer whose name stands in several tables, and on invoices that stay as they are."""
    customer = _in_force(life)
    score = _with_a_contract(life, as_of)
    return score if customer and customer.bank and customer.invoices and not life.prospects else 0


def _with_invoices_and_no_contract(life: Life, as_of: date) -> int:
    """A customer under duties of archiving only: some of it goes, some goes to the archive."""
    customer = _over(life, as_of)
    if customer is None or not customer.invoices or life.prospects:
        return 0
    return _fullness(customer, life) + 5 * bool(customer.bank) + 5 * customer.opt_in


def _only_a_prospect(life: Life, as_of: date) -> int:
    """One about whom there is no duty at all: everything goes."""
    if life.customers or life.accounts or len(life.prospects) != 1 or life.intended != "active":
        return 0
    (prospect,) = life.prospects
    if prospect.collected.script == (as_of + timedelta(days=1)).isoformat():
        return 0
    return 1 + bool(prospect.responses) + bool(prospect.opens) + bool(prospect.opt_ins)


# --- what they ask -----------------------------------------------------------------------


def _asks(kind: str, life: Life, person: Person, message: str, **more: object) -> Document:
    return {
        "kind": kind,
        "family_name": person.last_name,
        "first_name": person.first_name,
        "email": person.email("home"),
        **more,
        "message": message,
        "verified": VERIFIED if life.customers else VERIFIED_BY_LINK,
    }


def _access(life: Life, person: Person) -> Document:
    text = "Je souhaite savoir quelles données vous détenez sur moi, et en recevoir une copie."
    # As people write: another spelling of the same address is the same address.
    return _asks("access", life, person, text, email=spelled(person.email("home"), "capitals"))


def _portability(life: Life, person: Person) -> Document:
    text = "Je change de prestataire : merci de m'envoyer mes données dans un format réutilisable."
    return _asks("portability", life, person, text, customer_ref=str(life.customers[0].key))


def _objection(life: Life, person: Person) -> Document:
    return _asks("objection", life, person, "Je ne veux plus recevoir de publicité de votre part.")


def _rectification(life: Life, person: Person) -> Document:
    text = "J'ai changé de nom et d'adresse électronique. Merci de corriger vos fichiers."
    right = {
        "user.name.last": _another_name(person),
        "user.contact.email": f"nouvelle.adresse{life.number}@example.org",
    }
    return _asks("rectification", life, person, text, corrections=right)


def _another_name(person: Person) -> str:
    return "Delmas" if person.last_name.casefold() != "delmas" else "Vidal"


def _erasure(life: Life, person: Person) -> Document:
    text = "Mon contrat est terminé : merci d'effacer toutes mes données."
    return _asks("erasure", life, person, text, customer_ref=str(life.customers[0].key))


def _erasure_of_a_prospect(life: Life, person: Person) -> Document:
    return _asks(
        "erasure", life, person, "Je n'ai jamais été client chez vous. Effacez mes données."
    )


def _restriction(life: Life, person: Person) -> Document:
    text = "Je conteste une facture. Gardez mes données, sans les utiliser, jusqu'à la décision."
    return _asks("restriction", life, person, text)


def _doubtful(life: Life, person: Person) -> Document:
    """Somebody else writes from the address, of the same household perhaps."""
    other = "Dominique" if person.first_name != "Dominique" else "Camille"
    return _asks("erasure", life, person, "Merci d'effacer mes données.", first_name=other)


# The rarest lives are given away first.
PARTS: Sequence[_Part] = (
    _Part("3-objection.json", _prospect_and_customer, _objection),
    _Part("1-access.json", _known_everywhere, _access),
    _Part("2-portability.json", _with_a_contract, _portability),
    _Part("4-rectification.json", _with_a_bank_account, _rectification),
    _Part("5-erasure.json", _with_invoices_and_no_contract, _erasure),
    _Part("6-erasure-of-a-prospect.json", _only_a_prospect, _erasure_of_a_prospect),
    _Part("7-restriction.json", _with_a_contract, _restriction),
    _Part("8-in-doubt.json", _with_a_contract, _doubtful),
)
