"""Which département, région and country a French postcode belongs to.

Sources: La Poste's numbering (the first two digits are the département's, three overseas; a
CEDEX code begins with its département's; 00 is the armed forces'; 980 is Monaco's), INSEE's
codes of départements and collectivités, and the régions of the law of 16 January 2015, in force
since 1 January 2016. A few dozen border communes are served by the neighbouring département's
post office: a postcode alone does not tell, and they go where their postcode says.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FRANCE, MONACO, ARMED_FORCES = "France", "Monaco", "Armées"
COLLECTIVITIES = "Collectivités d'outre-mer"

REGIONS: dict[str, tuple[str, ...]] = {
    "Auvergne-Rhône-Alpes": (
        "01", "03", "07", "15", "26", "38", "42", "43", "63", "69", "73", "74",
    ),
    "Bourgogne-Franche-Comté": ("21", "25", "39", "58", "70", "71", "89", "90"),
    "Bretagne": ("22", "29", "35", "56"),
    "Centre-Val de Loire": ("18", "28", "36", "37", "41", "45"),
    "Corse": ("2A", "2B"),
    "Grand Est": ("08", "10", "51", "52", "54", "55", "57", "67", "68", "88"),
    "Guadeloupe": ("971",),
    "Guyane": ("973",),
    "Hauts-de-France": ("02", "59", "60", "62", "80"),
    "Île-de-France": ("75", "77", "78", "91", "92", "93", "94", "95"),
    "La Réunion": ("974",),
    "Martinique": ("972",),
    "Mayotte": ("976",),
    "Normandie": ("14", "27", "50", "61", "76"),
    "Nouvelle-Aquitaine": (
        "16", "17", "19", "23", "24", "33", "40", "47", "64", "79", "86", "87",
    ),
    "Occitanie": (
        "09", "11", "12", "30", "31", "32", "34", "46", "48", "65", "66", "81", "82",
    ),
    "Pays de la Loire": ("44", "49", "53", "72", "85"),
    "Provence-Alpes-Côte d'Azur": ("04", "05", "06", "13", "83", "84"),
    # Not régions: collectivities with a status of their own, too small to stand alone.
    COLLECTIVITIES: ("975", "977", "978", "984", "986", "987", "988"),
}  # fmt: skip
"""The eighteen régions with their départements, and the overseas collectivities together."""

REGION_OF = {department: region for region, group in REGIONS.items() for department in group}

# Saint-Barthélemy and Saint-Martin left Guadeloupe in 2007 and kept its postcodes.
_LEFT_GUADELOUPE = {"97133": "977", "97150": "978"}
_CORSICA = {"200": "2A", "201": "2A"} | dict.fromkeys(("202", "203", "204", "205", "206"), "2B")
_SHAPE = re.compile(r"(?:FR?\s?-?\s?)?([0-9]{2})\s?([0-9]{3})(?:\s+CEDEX(?:\s+[0-9]{1,2})?)?")


class Place(NamedTuple):
    """What a postcode says, from the finest to the coarsest."""

    postcode: str
    department: str
    region: str
    country: str


def place(text: str) -> Place | None:
    """The place of a postcode as people write it ("75 011", "F-75011", "75011 CEDEX 11").

    ``None`` where it is not a French one: another country's, a typing error, four digits (a
    lost zero, or Belgium).
    """
    shape = _SHAPE.fullmatch(text.strip().upper())
    if shape is None:
        return None
    postcode = shape[1] + shape[2]
    department = _department(postcode)
    if department is None:
        return None
    if department == MONACO:
        return Place(postcode, MONACO, MONACO, MONACO)
    region = REGION_OF.get(department, ARMED_FORCES)
    return Place(postcode, department, region, FRANCE)


def _department(postcode: str) -> str | None:
    two, three = postcode[:2], postcode[:3]
    if two == "00":
        return ARMED_FORCES if postcode != "00000" else None
    if three == "980":
        return MONACO
    if two == "20":
        return _CORSICA.get(three)
    if two in {"97", "98"}:
        department = _LEFT_GUADELOUPE.get(postcode, three)
        return department if department in REGION_OF else None
    return two if two in REGION_OF else None
