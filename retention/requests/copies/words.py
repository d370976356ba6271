"""Words of a package, in English and French: kinds of data, phases, headings, the note beside it."""

from __future__ import annotations

from collections.abc import Mapping

from retention.requests.answering.wording import Lang
from retention.requests.copies.records import Withheld

_CATEGORIES: Mapping[str, tuple[str, str]] = {
    "system": ("Technical entry", "Donnée technique"),
    "user": ("Personal data", "Donnée personnelle"),
    "user.account": ("Account", "Compte"),
    "user.account.username": ("User name", "Nom d'utilisateur"),
    "user.authorization": ("Means of authentication", "Moyen d'authentification"),
    "user.behavior": ("Activity", "Activité"),
    "user.behavior.browsing_history": ("Pages visited", "Pages consultées"),
    "user.behavior.purchase_history": ("Purchases and services", "Achats et prestations"),
    "user.biometric": ("Biometric data", "Donnée biométrique"),
    "user.contact": ("Contact details", "Coordonnées"),
    "user.contact.address": ("Postal address", "Adresse postale"),
    "user.contact.address.city": ("Town", "Ville"),
    "user.contact.address.country": ("Country", "Pays"),
    "user.contact.address.postal_code": ("Postcode", "Code postal"),
    "user.contact.address.street": ("Street", "Rue"),
    "user.contact.email": ("E-mail address", "Adresse électronique"),
    "user.contact.fax_number": ("Fax number", "Numéro de télécopie"),
    "user.contact.phone_number": ("Telephone number", "Numéro de téléphone"),
    "user.content": ("Content and messages", "Contenus et messages"),
    "user.demographic": ("About the person", "Données sur la personne"),
    "user.demographic.date_of_birth": ("Date of birth", "Date de naissance"),
    "user.demographic.gender": ("Title or gender", "Civilité ou genre"),
    "user.demographic.language": ("Language", "Langue"),
    "user.demographic.profile": ("Profile", "Profil"),
    "user.device": ("Device and connection", "Appareil et connexion"),
    "user.device.cookie": ("Cookie", "Cookie"),
    "user.device.cookie_id": ("Cookie's identifier", "Identifiant de cookie"),
    "user.device.ip_address": ("IP address", "Adresse IP"),
    "user.financial": ("Payments and amounts", "Paiements et montants"),
    "user.financial.bank_account": ("Bank account", "Compte bancaire"),
    "user.financial.credit_card": ("Payment card", "Carte de paiement"),
    "user.government_id": ("Official identifier", "Identifiant officiel"),
    "user.health": ("Health", "Santé"),
    "user.health_and_medical": ("Health", "Santé"),
    "user.job_title": ("Profession", "Profession"),
    "user.location": ("Location", "Localisation"),
    "user.name": ("Name", "Nom"),
    "user.name.first": ("First name", "Prénom"),
    "user.name.last": ("Family name", "Nom de famille"),
    "user.payment": ("Payments and amounts", "Paiements et montants"),
    "user.privacy_preferences": ("Consent and objections", "Consentements et oppositions"),
    "user.professional_information": ("Professional life", "Vie professionnelle"),
    "user.social": ("Social networks", "Réseaux sociaux"),
    "user.social_activity": ("Social networks", "Réseaux sociaux"),
    "user.telemetry": ("Measurements of use", "Mesures d'utilisation"),
    "user.unique_id": ("Reference number", "Numéro de référence"),
    "user.workplace": ("Employer", "Employeur"),
}
"""Data categories (Fides taxonomy) as a person would call them; below, the parent's word serves."""


def category_label(category: str, lang: Lang) -> str:
    """What a data category is called where its person reads."""
    name = category
    while name and name not in _CATEGORIES:
        name = name.rpartition(".")[0]
    return _CATEGORIES[name or "user"][lang == "fr"]


PHASE: Mapping[Lang, Mapping[str, str]] = {
    "en": {
        "active": "in use",
        "review": "a person has to look at it",
        "archive": "archived, access restricted",
        "expired": "due: it goes at the next run",
    },
    "fr": {
        "active": "en cours d'utilisation",
        "review": "à examiner par une personne",
        "archive": "archivé, accès restreint",
        "expired": "échu : il disparaît au prochain passage",
    },
}

PLACE: Mapping[Lang, Mapping[str, str]] = {
    "en": {"active": "in the system in use", "archive": "in the restricted archive"},
    "fr": {"active": "dans le système courant", "archive": "dans les archives à accès restreint"},
}

WITHHELD: Mapping[Lang, Mapping[Withheld, str]] = {
    "en": {
        Withheld.secret: "held, not shown: a secret that serves to check a login",
        Withheld.other_person: "held, not shown: it is about another person",
        Withheld.undescribed: "held, not shown: ask us for it",
    },
    "fr": {
        Withheld.secret: "détenu, non montré : un secret qui sert à vérifier une connexion",
        Withheld.other_person: "détenu, non montré : il concerne une autre personne",
        Withheld.undescribed: "détenu, non montré : demandez-le-nous",
    },
}

PAGE: Mapping[Lang, Mapping[str, str]] = {
    "en": {
        "title": "Your data",
        "intro": (
            "This is a copy of the data we held about you on {day}, from every system and from "
            "our archive. We received your request on {received}; our reference is {reference}."
        ),
        "contents": "What we hold",
        "table": "Data",
        "number": "Records",
        "last": "All gone by",
        "purposes": "What we hold them for",
        "purpose": "Purpose",
        "basis": "Legal basis",
        "kept": "How long",
        "origin": "Where they come from",
        "recipients": "Who has received them",
        "nobody": "nobody outside our company",
        "outside_eu": "outside the European Union, under this safeguard: {safeguard}",
        "record": "Record",
        "where": "Where",
        "held_for": "Held for",
        "until": "until {day} inclusive",
        "goes": "Will be gone on",
        "due": "due now",
        "no_day": "no day yet",
        "earlier": "gone on {day} already",
        "nothing": "We hold no data about you.",
        "rights": "Your rights",
        "rights_text": (
            "You may ask us to correct or complete these data, to erase them, to restrict their "
            "use, or to give those you supplied to you in a form for other programs. You may "
            "object to their use for prospecting at any time, and withdraw a consent. No decision "
            "about you is taken by a machine alone. Write to us; a member of our staff will "
            "answer."
        ),
        "other": "Version française",
    },
    "fr": {
        "title": "Vos données",
        "intro": (
            "Ceci est une copie des données que nous détenions vous concernant le {day}, dans "
            "tous nos systèmes et dans nos archives. Nous avons reçu votre demande le {received} ; "
            "notre référence est {reference}."
        ),
        "contents": "Ce que nous détenons",
        "table": "Données",
        "number": "Enregistrements",
        "last": "Tout aura disparu le",
        "purposes": "À quoi elles servent",
        "purpose": "Finalité",
        "basis": "Base légale",
        "kept": "Combien de temps",
        "origin": "D'où elles viennent",
        "recipients": "Qui les a reçues",
        "nobody": "personne hors de notre entreprise",
        "outside_eu": "hors de l'Union européenne, sous cette garantie : {safeguard}",
        "record": "Enregistrement",
        "where": "Lieu",
        "held_for": "Finalités",
        "until": "jusqu'au {day} inclus",
        "goes": "Aura disparu le",
        "due": "échu",
        "no_day": "pas encore de date",
        "earlier": "aura disparu dès le {day}",
        "nothing": "Nous ne détenons aucune donnée vous concernant.",
        "rights": "Vos droits",
        "rights_text": (
            "Vous pouvez nous demander de rectifier ou de compléter ces données, de les effacer, "
            "de limiter leur utilisation, ou de vous remettre celles que vous avez fournies dans "
            "un format destiné à d'autres programmes. Vous pouvez à tout moment vous opposer à "
            "leur utilisation pour la prospection et retirer un consentement. Aucune décision "
            "vous concernant n'est prise par une machine seule. Écrivez-nous : une personne de "
            "notre équipe vous répondra."
        ),
        "other": "English version",
    },
}

README = """\
{controller}

FRANÇAIS

Copie des données vous concernant, faite le {day_fr}. Notre référence : {reference}
{page_fr}
  data.json      tout, pour les programmes ; les valeurs y sont exactes
  tables/*.csv   un tableau par type d'enregistrement (UTF-8, virgules, RFC 4180)

Dans data.json, une valeur null signifie « rien », « inconnu » ou « sans fin » ; les nombres
décimaux exacts et les dates sont du texte ; les octets sont en base64. Dans les tableaux, une
apostrophe est placée devant tout texte qu'un tableur prendrait pour une formule.{columns_fr}

Ces fichiers contiennent vos données personnelles : gardez-les en lieu sûr.

ENGLISH

A copy of the data about you, made on {day_en}. Our reference: {reference}
{page_en}
  data.json      everything, for programs; the values there are exact
  tables/*.csv   a table for each kind of record (UTF-8, commas, RFC 4180)

In data.json a null means "none", "unknown" or "without end"; exact decimal numbers and dates are
text; bytes are base64. In the tables an apostrophe stands before any text that a spreadsheet
would take for a formula.{columns_en}

These files hold your personal data: keep them in a safe place.
"""

README_PAGE = {
    "en": "\n  index.html     a page to read: open it with any browser, no connection is needed",
    "fr": "\n  index.html     une page à lire : ouvrez-la avec un navigateur, sans connexion",
}

README_COLUMNS = {
    "en": """

"goes_on" is the first day on which a record is no longer kept; where there is none, "because"
says why: contract_in_force (a contract is in force), undecidable (a date is missing or
contradicts another; a person decides), legal_hold (kept as evidence), restriction (its use is
restricted). "withheld" names what is held and not shown, and why: secret (it serves to check a
login), other_person (it is about somebody else), undescribed (ask us for it).""",
    "fr": """

« goes_on » est le premier jour où un enregistrement n'est plus conservé ; s'il n'y en a pas,
« because » dit pourquoi : contract_in_force (un contrat est en cours), undecidable (une date
manque ou en contredit une autre ; une personne en décide), legal_hold (conservé à titre de
preuve), restriction (utilisation limitée). « withheld » nomme ce qui est détenu sans être
montré, et pourquoi : secret (sert à vérifier une connexion), other_person (concerne une autre
personne), undescribed (demandez-le-nous).""",
}
