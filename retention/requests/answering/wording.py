"""Words for the persons themselves, in English and French: days, durations, reasons, outcomes.

What a letter or a package says is put together elsewhere; only its phrases are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from retention.policy.calendar import Period
from retention.requests.model import Kind, Outcome

Lang = Literal["en", "fr"]
LANGS: tuple[Lang, ...] = ("fr", "en")
"""The person's language first."""

_MONTHS: Mapping[Lang, tuple[str, ...]] = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August",
        "September", "October", "November", "December",
    ),
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août",
        "septembre", "octobre", "novembre", "décembre",
    ),
}  # fmt: skip

_UNITS: Mapping[Lang, Mapping[str, tuple[str, str]]] = {
    "en": {"year": ("year", "years"), "month": ("month", "months"), "day": ("day", "days")},
    "fr": {"year": ("an", "ans"), "month": ("mois", "mois"), "day": ("jour", "jours")},
}


def written(day: date, lang: Lang) -> str:
    """A day in full: ``1 March 2027``, ``1er mars 2027``."""
    number = "1er" if lang == "fr" and day.day == 1 else str(day.day)
    return f"{number} {_MONTHS[lang][day.month - 1]} {day.year}"


def duration(period: Period, lang: Lang) -> str:
    """A period in full: ``3 years``, ``1 an et 1 mois``."""
    years, months = divmod(period.months, 12)
    counted = {"year": years, "month": months, "day": period.days}
    parts = [
        f"{number} {_UNITS[lang][unit][number != 1 and not (lang == 'fr' and number == 0)]}"
        for unit, number in counted.items()
        if number
    ]
    return (" et " if lang == "fr" else " and ").join(parts) or f"0 {_UNITS[lang]['day'][1]}"


def records(number: int, lang: Lang) -> str:
    """``1 record``, ``2 enregistrements``."""
    word = {"en": "record", "fr": "enregistrement"}[lang]
    plural = number != 1 if lang == "en" else number > 1
    return f"{number} {word}{'s' if plural else ''}"


def spaced(text: str) -> str:
    """French text with the spaces that no line may break at."""
    for sign in (":", ";", "?", "!", "»"):
        text = text.replace(f" {sign}", f"\N{NO-BREAK SPACE}{sign}")
    return text.replace("« ", "«\N{NO-BREAK SPACE}")


BECAUSE: Mapping[Lang, Mapping[str, str]] = {
    "en": {
        "contract_in_force": "a contract with you is in force",
        "statute": "the law obliges us to keep these data (GDPR art. 17(3)(b))",
        "claims": (
            "these data may be needed to establish, exercise or defend legal claims, within the "
            "time that the law gives for them (GDPR art. 17(3)(e))"
        ),
        "legal_hold": "these data are kept as evidence in legal proceedings, or for an authority",
        "restriction": "their use is restricted: they are neither used nor changed",
        "other_purpose": "these data are still needed for another purpose",
        "undecidable": "a date is missing or contradicts another; a person will decide",
        "out_of_reach": "the system that holds these data could not be reached, or has changed",
        "evidence": "an accounting document may not be altered afterwards",
        "quoted": "a text written earlier quotes the former value, and we do not rewrite texts",
        "identifier": (
            "you sign in with it, or we recognise the record by it; tell us if it should change too"
        ),
    },
    "fr": {
        "contract_in_force": "un contrat avec vous est en cours",
        "statute": "la loi nous oblige à conserver ces données (RGPD, art. 17.3.b)",
        "claims": (
            "ces données peuvent être nécessaires à la constatation, à l'exercice ou à la défense "
            "de droits en justice, dans les délais que fixe la loi (RGPD, art. 17.3.e)"
        ),
        "legal_hold": (
            "ces données sont conservées à titre de preuve, pour une procédure ou une autorité"
        ),
        "restriction": "l'utilisation de ces données est limitée : elles ne sont ni utilisées ni modifiées",
        "other_purpose": "ces données restent nécessaires à une autre finalité",
        "undecidable": ("une date manque ou en contredit une autre ; une personne en décidera"),
        "out_of_reach": (
            "le système qui contient ces données n'a pas pu être atteint, ou a été modifié"
        ),
        "evidence": "une pièce comptable ne peut pas être modifiée après coup",
        "quoted": (
            "un texte écrit auparavant cite l'ancienne valeur, et nous ne réécrivons pas les textes"
        ),
        "identifier": (
            "il s'agit de votre identifiant de connexion ou de la référence de l'enregistrement ; "
            "dites-nous s'il faut la changer aussi"
        ),
    },
}
"""Every reason of ``model.BECAUSE``, as it is said to the person."""

LEGAL_BASIS: Mapping[Lang, Mapping[str, str]] = {
    "en": {
        "consent": "your consent (GDPR art. 6(1)(a))",
        "contract": "the performance of a contract (GDPR art. 6(1)(b))",
        "legal_obligation": "a legal obligation (GDPR art. 6(1)(c))",
        "legitimate_interest": "our legitimate interest (GDPR art. 6(1)(f))",
        "not_applicable": "none is needed",
    },
    "fr": {
        "consent": "votre consentement (RGPD, art. 6.1.a)",
        "contract": "l'exécution d'un contrat (RGPD, art. 6.1.b)",
        "legal_obligation": "une obligation légale (RGPD, art. 6.1.c)",
        "legitimate_interest": "notre intérêt légitime (RGPD, art. 6.1.f)",
        "not_applicable": "aucune n'est nécessaire",
    },
}

KIND: Mapping[Lang, Mapping[Kind, str]] = {
    "en": {
        Kind.access: "request for access to your data",
        Kind.portability: "request for portability of your data",
        Kind.objection: "objection to prospecting",
        Kind.rectification: "request for rectification of your data",
        Kind.erasure: "request for erasure of your data",
        Kind.restriction: "request for restriction of the use of your data",
    },
    "fr": {
        Kind.access: "demande d'accès à vos données",
        Kind.portability: "demande de portabilité de vos données",
        Kind.objection: "opposition à la prospection",
        Kind.rectification: "demande de rectification de vos données",
        Kind.erasure: "demande d'effacement de vos données",
        Kind.restriction: "demande de limitation de l'utilisation de vos données",
    },
}

_OUTCOME: Mapping[Lang, Mapping[Outcome, str]] = {
    "en": {
        Outcome.deleted: "Deleted:",
        Outcome.archived: "Kept in our restricted archive only, and then deleted:",
        Outcome.kept: "Left as it is:",
        Outcome.held: "Nothing may be changed for now:",
        Outcome.review: "A member of our staff has to decide first:",
        Outcome.stopped: "Could not be done yet:",
        Outcome.corrected: "Corrected:",
        Outcome.restricted: "Taken out of use, and sealed unchanged until the restriction ends:",
        Outcome.restored: "Put back exactly as it was, since the restriction has ended:",
        Outcome.copied: "Copied for you:",
    },
    "fr": {
        Outcome.deleted: "Supprimé :",
        Outcome.archived: "Conservé seulement dans nos archives à accès restreint, puis supprimé :",
        Outcome.kept: "Laissé en l'état :",
        Outcome.held: "Rien ne peut être modifié pour l'instant :",
        Outcome.review: "Une personne de notre équipe doit d'abord en décider :",
        Outcome.stopped: "Pas encore exécuté :",
        Outcome.corrected: "Rectifié :",
        Outcome.restricted: (
            "Retiré de toute utilisation, et scellé tel quel jusqu'à la fin de la limitation :"
        ),
        Outcome.restored: "Remis exactement dans son état d'origine, la limitation étant levée :",
        Outcome.copied: "Copié pour vous :",
    },
}

_OF_KIND: Mapping[Lang, Mapping[tuple[Kind, Outcome], str]] = {
    "en": {
        (Kind.erasure, Outcome.kept): "Not deleted; we refuse this part of your request:",
        (Kind.rectification, Outcome.kept): "Not changed; we refuse this part of your request:",
        (Kind.rectification, Outcome.corrected): "Corrected or completed:",
        (
            Kind.objection,
            Outcome.corrected,
        ): "Your objection is noted, and prospecting has stopped:",
        (Kind.objection, Outcome.kept): "Kept, but not for what you object to:",
        (Kind.objection, Outcome.held): "Nothing may be deleted for now:",
    },
    "fr": {
        (
            Kind.erasure,
            Outcome.kept,
        ): "Non supprimé ; nous refusons cette partie de votre demande :",
        (Kind.rectification, Outcome.kept): (
            "Non modifié ; nous refusons cette partie de votre demande :"
        ),
        (Kind.rectification, Outcome.corrected): "Rectifié ou complété :",
        (Kind.objection, Outcome.corrected): (
            "Votre opposition est enregistrée, et la prospection a cessé :"
        ),
        (Kind.objection, Outcome.kept): "Conservé, mais pas pour ce que vise votre opposition :",
        (Kind.objection, Outcome.held): "Rien ne peut être supprimé pour l'instant :",
    },
}


def outcome(kind: Kind, what: Outcome, lang: Lang) -> str:
    """The heading over what came of a request in this way."""
    return _OF_KIND[lang].get((kind, what)) or _OUTCOME[lang][what]


CNIL: Mapping[Lang, str] = {
    "en": (
        "You may lodge a complaint with the French supervisory authority, the Commission "
        "nationale de l'informatique et des libertés (CNIL), 3 place de Fontenoy, TSA 80715, "
        "75334 Paris Cedex 07, www.cnil.fr, and you may go to court."
    ),
    "fr": (
        "Vous pouvez introduire une réclamation auprès de la Commission nationale de "
        "l'informatique et des libertés (CNIL), 3 place de Fontenoy, TSA 80715, 75334 Paris "
        "Cedex 07, www.cnil.fr, et former un recours devant les tribunaux."
    ),
}
"""The right to complain, and to a judicial remedy (GDPR art. 12(4), 77, 79)."""
