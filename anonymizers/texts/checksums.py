"""Check digits of identifiers: what tells a number that means somebody from any other number.

All take digits (and letters where the number has some) without separators.
"""

from __future__ import annotations

from typing import Final

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_LA_POSTE: Final = "356000000"
_LA_POSTE_ITSELF: Final = "35600000000048"

# ISO 13616 registry: characters of an IBAN by country, its two letters included.
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "no", 16: "be", 18: "dk fi fk fo gl nl sd", 19: "mk si", 20: "at ba ee kz lt lu mn xk",
        21: "ch hr li lv", 22: "bg bh cr de gb ge ie me rs va", 23: "ae gi il iq om so tl",
        24: "ad cz es md pk ro sa se sk tn vg", 25: "ly pt st", 26: "is tr",
        27: "bi dj fr gr it mc mr sm", 28: "al az by cy do gt hn hu lb ni pl sv", 29: "br eg ps qa ua",
        30: "jo kw mu ye", 31: "mt sc", 32: "lc", 33: "ru",
    }.items()
    for country in countries.split()
}  # fmt: skip


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def is_siren(digits: str) -> bool:
    """A company's nine digits."""
    return len(digits) == 9 and digits != "000000000" and luhn(digits)


def is_siret(digits: str) -> bool:
    """An establishment's fourteen digits; La Poste's offices have a rule of their own."""
    if len(digits) != 14 or not is_siren(digits[:9]):
        return False
    if digits.startswith(_LA_POSTE) and digits != _LA_POSTE_ITSELF:
        return sum(map(int, digits)) % 5 == 0
    return luhn(digits)


def is_nir(text: str) -> bool:
    """A person's thirteen characters at the social security, and their key of two digits.

    Corsica's 2A and 2B count as 19 and 18.
    """
    number, key = text[:13].lower(), text[13:]
    if len(text) != 15 or not key.isdigit():
        return False
    plain = number.replace("2a", "19", 1) if number[5:7] == "2a" else number
    plain = plain.replace("2b", "18", 1) if number[5:7] == "2b" else plain
    return plain.isdigit() and 97 - int(plain) % 97 == int(key)


def iban_length(country: str) -> int | None:
    """How many characters an IBAN of a country (two lower-case letters) has."""
    return _IBAN_LENGTHS.get(country)


def is_iban(text: str) -> bool:
    """An account's number under ISO 13616: the country's length, and 1 modulo 97."""
    text = text.lower()
    if len(text) != iban_length(text[:2]) or not text.isascii() or not text.isalnum():
        return False
    return _number(text[4:] + text[:4]) % 97 == 1


def is_rib(text: str) -> bool:
    """A French account's bank, branch, number and key: 23 characters."""
    letters = dict(zip("abcdefghijklmnopqrstuvwxyz", "12345678912345678923456789", strict=True))
    digits = "".join(letters.get(letter, letter) for letter in text.lower())
    return (
        len(digits) == 23
        and digits.isdigit()
        and int(digits) > 0
        and (
            89 * int(digits[:5])
            + 15 * int(digits[5:10])
            + 3 * int(digits[10:21])
            + int(digits[21:])
        )
        % 97
        == 0
    )


def is_card(digits: str) -> bool:
    """A payment card's number: a scheme's prefix and length, and Luhn's digit."""
    return _is_of_scheme(digits) and luhn(digits)


def _is_of_scheme(digits: str) -> bool:
    size, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return size in {13, 16, 19}
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two in {34, 37}:
        return size == 15
    if two in {36, 38, 39} or 300 <= int(digits[:3]) <= 305:
        return 14 <= size <= 19
    if (
        3528 <= four <= 3589
        or four == 6011
        or two in {60, 65, 62, 81}
        or 644 <= int(digits[:3]) <= 649
    ):
        return 16 <= size <= 19
    return (two == 50 or 56 <= two <= 69) and 13 <= size <= 19


def _number(text: str) -> int:
    return int("".join(str(int(letter, 36)) for letter in text))
