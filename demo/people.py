"""Made-up French people, addresses and texts, drawn from pools that Faker fills once.

Nothing here can reach anybody: e-mail addresses are in the reserved ``example`` domains, phone
numbers in the ranges the regulator keeps for fiction, IP addresses in documentation blocks.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta

from faker import Faker

from demo.phrases import CAMPAIGNS, LINES, MESSAGES, OFFERS, SUBJECTS, SUMMARIES, TICKETS

__all__ = ["CAMPAIGNS", "LINES", "OFFERS", "Person", "Population", "spelled"]

DOMAINS = ("example.org", "example.com", "example.net", "courriel.example", "mail.example")
PHONES = ("01 99 00", "02 61 91", "03 53 01", "04 65 71", "05 36 49", "06 39 98")
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")


@dataclass(frozen=True, slots=True)
class Person:
    """Who a life belongs to."""

    civility: str
    last_name: str
    first_name: str
    mail_name: str
    domain: str
    phone: str
    street: str
    postcode: str
    city: str
    birth_date: date
    job_title: str
    company: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    def email(self, mailbox: str, spelling: str = "plain") -> str:
        suffix = "" if mailbox == "home" else f".{mailbox}"
        return spelled(f"{self.mail_name}{suffix}@{self.domain}", spelling)


def spelled(email: str, spelling: str) -> str:
    """The same address as another form would have kept it."""
    if spelling == "capitals":
        return email.upper()
    if spelling == "blanks":
        return f" {email} "
    if spelling == "mixed":
        return f"{email.title()} "
    return email


class Population:
    """A seeded source of persons and of what is written about them."""

    def __init__(self, seed: int) -> None:
        fake = Faker("fr_FR")
        fake.seed_instance(seed)
        self._last = [fake.last_name() for _ in range(600)]
        self._women = [fake.first_name_female() for _ in range(150)]
        self._men = [fake.first_name_male() for _ in range(150)]
        self._streets = [fake.street_address() for _ in range(800)]
        self._cities = [(fake.postcode(), fake.city()) for _ in range(300)]
        self._jobs = [fake.job() for _ in range(120)]
        self._companies = [fake.company() for _ in range(250)]
        self._agents = [f"{fake.first_name()} {fake.last_name()}" for _ in range(12)]
        self._browsers = [fake.user_agent() for _ in range(60)]

    def person(self, number: int, rng: random.Random) -> Person:
        """The person of life ``number``, whose e-mail address nobody else has."""
        woman = rng.random() < 0.5
        first, last = rng.choice(self._women if woman else self._men), rng.choice(self._last)
        postcode, city = rng.choice(self._cities)
        return Person(
            civility="Mme" if woman else "M.",
            last_name=last.upper() if rng.random() < 0.3 else last,
            first_name=first,
            mail_name=f"{_ascii(first)}.{_ascii(last)}{number}",
            domain=rng.choice(DOMAINS),
            phone=self.phone(rng),
            street=rng.choice(self._streets),
            postcode=postcode,
            city=city,
            birth_date=date(1940, 1, 1) + timedelta(days=rng.randint(0, 24_000)),
            job_title=rng.choice(self._jobs),
            company=rng.choice(self._companies) if rng.random() < 0.4 else "",
        )

    def phone(self, rng: random.Random) -> str:
        number = f"{rng.choice(PHONES)} {rng.randint(0, 99):02d} {rng.randint(0, 99):02d}"
        style = rng.random()
        if style < 0.2:
            return number.replace(" ", "")
        return "+33 " + number[1:] if style < 0.35 else number

    def agent(self, rng: random.Random) -> str:
        return rng.choice(self._agents)

    def browser(self, rng: random.Random) -> str:
        return rng.choice(self._browsers)

    def summary(self, person: Person, rng: random.Random) -> str:
        return self._told(rng.choice(SUMMARIES), person, rng)

    def ticket(self, person: Person, rng: random.Random) -> tuple[str, str]:
        subject, body = rng.choice(SUBJECTS), rng.choice(TICKETS)
        return self._told(subject, person, rng), self._told(body, person, rng)

    def message(self, person: Person, rng: random.Random) -> str:
        return self._told(rng.choice(MESSAGES), person, rng)

    def _told(self, phrase: str, person: Person, rng: random.Random) -> str:
        return phrase.format(
            name=person.name,
            civil=f"{person.civility} {person.last_name}",
            email=person.email("home"),
            phone=person.phone,
            street=person.street,
            city=person.city,
            agent=self.agent(rng),
        )


def bank_account(rng: random.Random) -> tuple[str, str]:
    """A French IBAN whose two checksums are right, and a BIC; the bank codes are not assigned."""
    bank, bic = rng.choice((("99001", "DEMOFRPP"), ("99002", "ESSAFRP1"), ("99003", "FICTFR22")))
    branch = f"{rng.randint(0, 99_999):05d}"
    number = f"{rng.randint(0, 10**11 - 1):011d}"
    rib = 97 - (89 * int(bank) + 15 * int(branch) + 3 * int(number)) % 97
    bban = f"{bank}{branch}{number}{rib:02d}"
    check = 98 - int(f"{bban}152700") % 97
    return f"FR{check:02d}{bban}", bic


def ip_address(rng: random.Random) -> str:
    if rng.random() < 0.15:
        return f"2001:db8:{rng.randint(0, 0xFFFF):x}::{rng.randint(1, 0xFFFF):x}"
    return f"{rng.choice(NETWORKS)}.{rng.randint(1, 254)}"


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum() or letter == "-")
