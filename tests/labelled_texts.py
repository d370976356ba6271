"""French tickets with the place and kind of every identifier in them, made up from a seed.

Faker makes the identifiers; each is written in one of the ways people write it. Sentences hold
decoys too (order numbers, amounts, rates, hours, versions): numbers that mean nobody.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from faker import Faker

from anonymizers.texts.spans import Span

SENTENCES = (
    "Bonjour, je n'ai pas reçu ma facture {decoy}, merci de l'envoyer à {email}.",
    "Vous pouvez me joindre au {phone} après {hour}.",
    "Mon numéro est le {phone}, celui de ma femme le {phone}.",
    "Rappeler {name} au {phone} avant le {date}.",
    "Nouvelle adresse: {street}, {postcode}.",
    "J'habite {street} depuis le {date}",
    "Merci de livrer au {street}, {postcode}, code {decoy}.",
    "Le prélèvement de {amount} sur {iban} est passé deux fois.",
    "Mon IBAN: {iban}.",
    "Numéro de sécurité sociale {nir}, né le {date}.",
    "Assurée {nir}, mutuelle à {rate}",
    "Notre SIRET est {siret}, TVA à {rate}.",
    "SIREN {siren}, commande {decoy}",
    "La carte {card} a été débitée de {amount} le {date}.",
    "Paiement refusé ({card})",
    "Connexion depuis {ip} à {hour}, version {version}.",
    "Le lien {url} ne marche plus.",
    "Écrire à {email} ou {email}, objet: dossier {decoy}",
    "Commande {decoy} du {date} pour {amount} TTC, remise de {rate}.",
    "Reçu {count} appels entre {hour} et {hour}, aucun pour {name}.",
    "Il manque {count} lignes sur la facture {decoy}, soit {amount}.",
    "Le standard ne répond pas avant {hour}; voir le ticket {decoy}.",
    "Cordialement, {name}",
    "Demande de devis pour {count} postes, budget {amount}.",
    "Mise à jour {version} faite, {count} clients concernés, {rate} d'erreurs.",
    "{name} a déménagé au {street}, {postcode}; téléphone {phone}",
    "Je suis à {postcode} depuis le {date}, le colis {decoy} est perdu",
    "Livraison {postcode} impossible",
    "Adresse: {postcode}",
    "Facture {decoy} Merci de la renvoyer au service Comptabilité.",
    "Colis {decoy} Bordereau {decoy} signé {hour}",
    "Article {decoy}, format {size}, ouvert {range}",
    "Page {size}, référence {decoy} Bien à vous",
    "L'appel du {date} a duré {count} secondes, dossier {decoy} Service Client",
)
MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
    "octobre", "novembre", "décembre",
)  # fmt: skip


@dataclass
class Labelled:
    """A text and what is in it."""

    text: str = ""
    labels: list[Span] = field(default_factory=list)

    def add(self, part: str, kind: str | None = None) -> None:
        if kind is not None:
            self.labels.append(Span(kind, len(self.text), len(self.text) + len(part)))
        self.text += part


class Writer:
    """Writes labelled texts; the same seed writes the same ones."""

    def __init__(self, seed: int) -> None:
        self.fake = Faker("fr_FR")
        self.fake.seed_instance(seed)
        self.rng = random.Random(seed)
        self.identifiers: dict[str, Callable[[], str]] = {
            "email": self._email, "phone": self._phone, "iban": self._iban, "nir": self._nir,
            "siret": self._siret, "siren": self._siren, "card": self._card, "date": self._date,
            "street": self._street, "postcode": self._postcode, "ip": self._ip, "url": self._url,
            "name": self._name,
        }  # fmt: skip
        self.decoys: dict[str, Callable[[], str]] = {
            "decoy": self._decoy, "amount": self._amount, "rate": self._rate, "hour": self._hour,
            "version": self._version, "count": self._count, "size": self._size,
            "range": self._range,
        }  # fmt: skip

    def texts(self, count: int) -> list[Labelled]:
        return [self.text() for _ in range(count)]

    def text(self) -> Labelled:
        """One to three sentences."""
        written = Labelled()
        for number in range(self.rng.choice((1, 1, 2, 2, 3))):
            if number:
                written.add(self.rng.choice((" ", "\n")))
            self._sentence(self.rng.choice(SENTENCES), written)
        return written

    def _sentence(self, sentence: str, written: Labelled) -> None:
        for piece in sentence.replace("}", "{").split("{"):
            if piece in self.identifiers:
                written.add(self.identifiers[piece](), piece)
            elif piece in self.decoys:
                written.add(self.decoys[piece]())
            else:
                written.add(piece)

    def _grouped(self, digits: str, *sizes: int) -> str:
        gap = self.rng.choice((" ", " ", "\u00a0", "\u202f", "-"))
        parts, at = [], 0
        for size in sizes:
            parts.append(digits[at : at + size])
            at += size
        return gap.join([*parts, digits[at:]] if digits[at:] else parts)

    def _either(self, digits: str, *sizes: int) -> str:
        return digits if self.rng.random() < 0.4 else self._grouped(digits, *sizes)

    def _email(self) -> str:
        address = self.fake.email() if self.rng.random() < 0.5 else self.fake.company_email()
        style = self.rng.random()
        if style < 0.05:
            return address.replace("@", " (at) ").replace(".", " (dot) ")
        if style < 0.1:
            return address.replace("@", " arobase ").replace(".", " point ")
        if style < 0.15:
            return address.replace("@", "[at]")
        return address.upper() if style < 0.2 else address

    def _phone(self) -> str:
        style, two = self.rng.random(), self.rng.choice
        pairs = [f"0{two('1234567')}", *(f"{self.rng.randint(0, 99):02d}" for _ in range(4))]
        if style < 0.3:
            return " ".join(pairs)
        if style < 0.5:
            return two((".", "-", "\u00a0", "")).join(pairs)
        if style < 0.6:
            digits = "".join(pairs)
            return f"{digits[:4]} {digits[4:7]} {digits[7:]}"
        if style < 0.65:
            wide = str.maketrans("0123456789", "０１２３４５６７８９")
            return " ".join(pairs).translate(wide)
        if style < 0.72:
            return two(
                ("+44 20 7946 0958", "+32 2 555 12 12", "+41 22 767 61 11", "0049 30 901820")
            )
        return self.fake.phone_number()

    def _iban(self) -> str:
        return self._either(self.fake.iban(), 4, 4, 4, 4, 4, 4)

    def _nir(self) -> str:
        return self._either(self.fake.ssn(), 1, 2, 2, 2, 3, 3)

    def _siret(self) -> str:
        return self._either(self.fake.siret().replace(" ", ""), 3, 3, 3)

    def _siren(self) -> str:
        return self._either(self.fake.siren().replace(" ", ""), 3, 3, 3)

    def _card(self) -> str:
        number = self.fake.credit_card_number("visa16" if self.rng.random() < 0.5 else "mastercard")
        return self._either(number, 4, 4, 4)

    def _date(self) -> str:
        day = self.fake.date_object()
        first = "1er" if day.day == 1 else str(day.day)
        return self.rng.choice((
            f"{day:%d/%m/%Y}", f"{day:%d/%m/%y}", day.isoformat(), f"{day:%d.%m.%Y}",
            f"{first} {MONTHS[day.month - 1]} {day.year}", f"{first} {MONTHS[day.month - 1]}",
        ))  # fmt: skip

    def _street(self) -> str:
        street = self.fake.street_address()
        if not street[0].isdigit() and self.rng.random() < 0.7:
            street = f"{self.rng.randint(1, 200)}{self.rng.choice(('', ' bis', ' ter'))} {street}"
        if street[0].isdigit() and self.rng.random() < 0.1:
            street = street.lower()
        return street.replace(", ", " ", 1) if self.rng.random() < 0.5 else street

    def _postcode(self) -> str:
        town = self.fake.city()
        code = self.rng.choice(("75011", "69003", "13008", "20090", "97400", "06000", "33000"))
        style = self.rng.random()
        if style < 0.1:
            return f"{code} {town.upper()} CEDEX 0{self.rng.randint(1, 9)}"
        return f"{code} {town.upper() if style < 0.3 else town}"

    def _ip(self) -> str:
        return self.fake.ipv6() if self.rng.random() < 0.3 else self.fake.ipv4()

    def _url(self) -> str:
        secret = self.fake.sha1()
        return self.rng.choice((
            f"https://portail.example/reset?token={secret[:20]}",
            f"https://zoe:{secret[:8]}@portail.example/factures",
            "https://portail.example/f?id=7&email=zoe%40example.org",
            f"http://portail.example/s/{secret}",
        ))  # fmt: skip

    def _name(self) -> str:
        title = self.rng.choice(("M.", "Mme", "Monsieur", "Madame", "Mlle", "Dr"))
        first = f"{self.fake.first_name()} " if self.rng.random() < 0.4 else ""
        last = self.fake.last_name()
        return f"{title} {first}{last.upper() if self.rng.random() < 0.2 else last}"

    def _decoy(self) -> str:
        number = self.rng.randint(10_000, 99_999)
        return self.rng.choice((
            f"n° {number}", f"CMD-{number}", f"FA-2026-{number}", f"2026-{number:06d}",
            f"n°{number * 7}", f"{number}", f"#{number}", f"REF{number * 99}", f"n° {number * 9_973}",
            f"{self.rng.randint(10**8, 10**9 - 1)}", f"n° {self.rng.randint(10**9, 10**10 - 1)}",
            f"{self.rng.randint(1_700_000_000_000, 1_790_000_000_000)}", self.fake.ean13(),
            f"6A{number * 99_991}", f"LP{self.rng.randint(10**8, 10**9 - 1)}FR",
            f"2026/{number}", f"RG 26/{number}", f"{number}-{number % 97:02d}",
        ))  # fmt: skip

    def _amount(self) -> str:
        euros = self.rng.choice((self.rng.randint(1, 99), self.rng.randint(1_000, 99_999)))
        text = f"{euros:,}".replace(",", self.rng.choice((" ", "\u202f", "")))
        return f"{text},{self.rng.randint(0, 99):02d} {self.rng.choice(('€', 'euros', 'EUR'))}"

    def _rate(self) -> str:
        return self.rng.choice(("20 %", "5,5 %", "2,10 %", "10%", "8.5 %"))

    def _hour(self) -> str:
        hour = self.rng.randint(0, 23)
        return self.rng.choice(
            (f"{hour} h", f"{hour}h{self.rng.randint(10, 59)}", f"{hour:02d}:30")
        )

    def _version(self) -> str:
        return self.rng.choice(("3.11.7", "v2.0", "2026.1", "10.4.1"))

    def _count(self) -> str:
        return self.rng.choice((str(self.rng.randint(2, 400)), "1 500", "12000"))

    def _size(self) -> str:
        return self.rng.choice(("120x80", "3/4", "12/24", "1/2", "A4", "24/7", "10-12"))

    def _range(self) -> str:
        return self.rng.choice(
            ("9h-18h", "de 9 h à 18 h", "du lundi au vendredi", "7j/7", "24h/24")
        )
