"""The sentences of a letter, in English and French."""

from __future__ import annotations

from collections.abc import Mapping

from retention.requests.answering.wording import Lang
from retention.requests.model import Kind

SUBJECT: Mapping[Lang, str] = {
    "en": "Your {kind}, received on {received}\nOur reference: {reference}",
    "fr": "Votre {kind}, reçue le {received}\nNotre référence : {reference}",
}

OBJECTION: Mapping[Lang, str] = {
    "en": "objection to the use of your data for {purposes}",
    "fr": "opposition à l'utilisation de vos données pour {purposes}",
}
"""Where it names purposes; else it is one to prospecting."""

GREETING: Mapping[Lang, str] = {"en": "Dear Sir or Madam,", "fr": "Madame, Monsieur,"}

OPENING: Mapping[Lang, Mapping[Kind, str]] = {
    "en": {
        Kind.access: (
            "We hold data about you. We have made a copy of them, from every system and from our "
            "archive; it says of each record what it is held for and on what legal basis, where "
            "it comes from, who has received it, and on which day it will go."
        ),
        Kind.portability: (
            "We have made a copy of the data that you supplied and that we process by your "
            "consent or under a contract, in a form that other programs can read."
        ),
        Kind.objection: (
            "We have taken note of your objection. This is what became of the data we hold about "
            "you:"
        ),
        Kind.rectification: (
            "We have dealt with your request in every system that holds the data you wrote about:"
        ),
        Kind.erasure: (
            "We have dealt with your request. This is what became of the data we held about you, "
            "for each purpose:"
        ),
        Kind.restriction: (
            "We have dealt with your request. This is what became of the data we hold about you:"
        ),
    },
    "fr": {
        Kind.access: (
            "Nous détenons des données vous concernant. Nous en avons fait une copie, à partir de "
            "tous nos systèmes et de nos archives ; elle indique pour chaque enregistrement à "
            "quelle finalité et sur quelle base légale il est détenu, d'où il vient, qui l'a reçu "
            "et quel jour il disparaîtra."
        ),
        Kind.portability: (
            "Nous avons fait une copie des données que vous nous avez fournies et que nous "
            "traitons avec votre consentement ou en exécution d'un contrat, dans un format que "
            "d'autres programmes peuvent lire."
        ),
        Kind.objection: (
            "Nous avons pris acte de votre opposition. Voici ce qu'il est advenu des données vous "
            "concernant :"
        ),
        Kind.rectification: (
            "Nous avons traité votre demande dans tous les systèmes qui contiennent les données "
            "en question :"
        ),
        Kind.erasure: (
            "Nous avons traité votre demande. Voici, pour chaque finalité, ce qu'il est advenu "
            "des données vous concernant :"
        ),
        Kind.restriction: (
            "Nous avons traité votre demande. Voici ce qu'il est advenu des données vous "
            "concernant :"
        ),
    },
}

NOBODY: Mapping[Lang, str] = {
    "en": (
        "We have searched every system and our archive by what you told us about yourself, and "
        "found nothing about you. If we may know you under another name, e-mail address or "
        "customer reference, please tell us, and we will search again."
    ),
    "fr": (
        "Nous avons cherché dans tous nos systèmes et dans nos archives à partir de ce que vous "
        "nous avez indiqué, et n'avons rien trouvé vous concernant. Si nous pouvons vous "
        "connaître sous un autre nom, une autre adresse électronique ou une autre référence "
        "client, dites-le-nous et nous chercherons de nouveau."
    ),
}

UNTOUCHED: Mapping[Lang, str] = {
    "en": "We hold data about you, but none that your request concerns.",
    "fr": "Nous détenons des données vous concernant, mais aucune que votre demande vise.",
}

LATER: Mapping[Lang, str] = {
    "en": (
        "What could not be done yet has not been forgotten: your request is taken up again as "
        "soon as nothing stands in its way, and we will then write to you again."
    ),
    "fr": (
        "Ce qui n'a pas encore pu être fait n'est pas oublié : votre demande sera reprise dès que "
        "plus rien ne s'y opposera, et nous vous écrirons alors de nouveau."
    ),
}

PURPOSE: Mapping[Lang, str] = {
    "en": "{table}, held for the purpose “{purpose}”",
    "fr": "{table}, pour la finalité « {purpose} »",
}

ALONG: Mapping[Lang, str] = {
    "en": "Along with “{table}”: {items}",
    "fr": "Avec « {table} » : {items}",
}
"""Before what goes, or stays, because what it belongs to does."""

UNTIL: Mapping[Lang, str] = {
    "en": ", until {day} inclusive",
    "fr": ", jusqu'au {day} inclus",
}

BECAUSE: Mapping[Lang, str] = {
    "en": ", because {reason}",
    "fr": ", au motif suivant : {reason}",
}

STAYS_BECAUSE: Mapping[Lang, str] = {
    "en": "; the rest stays, because {reason}",
    "fr": " ; le reste est conservé, au motif suivant : {reason}",
}
"""After what was changed: the reason is why it was not deleted."""

UNTIL_LIFTED: Mapping[Lang, str] = {
    "en": "Before we lift the restriction, we will inform you (GDPR art. 18(3)).",
    "fr": "Avant de lever la limitation, nous vous en informerons (RGPD, art. 18.3).",
}

ALSO_HELD: Mapping[Lang, str] = {
    "en": (
        "Besides, the file of each request that you make stays with us, access restricted, for "
        "{files} after our answer, as evidence of it; and if you have objected to prospecting or "
        "asked for erasure, a fingerprint of your e-mail address and of your telephone number "
        "may stand on our opposition list for {opposition}, so that you are not solicited."
    ),
    "fr": (
        "Nous conservons en outre, sous accès restreint, le dossier de chacune de vos demandes "
        "pendant {files} après notre réponse, à titre de preuve ; et si vous vous êtes opposé à la "
        "prospection ou avez demandé un effacement, une empreinte de votre adresse électronique "
        "et de votre numéro de téléphone peut figurer sur notre liste d'opposition pendant "
        "{opposition}, pour que vous ne soyez pas sollicité."
    ),
}
"""What the systems do not hold, and the copy therefore does not show (GDPR art. 15(1))."""

PACKAGE: Mapping[Lang, Mapping[Kind, str]] = {
    "en": {
        Kind.access: (
            "The copy holds a page to read (index.html), a table for each kind of record, and one "
            "file for programs. We keep it for you, encrypted, until {day} inclusive; after that "
            "it is destroyed and you may ask for another."
        ),
        Kind.portability: (
            "The copy holds a JSON file and a CSV table for each kind of record. We keep it for "
            "you, encrypted, until {day} inclusive; after that it is destroyed and you may ask "
            "for another."
        ),
    },
    "fr": {
        Kind.access: (
            "La copie contient une page à lire (index.html), un tableau par type "
            "d'enregistrement et un fichier destiné aux programmes. Nous la tenons à votre "
            "disposition, chiffrée, jusqu'au {day} inclus ; elle est ensuite détruite et vous "
            "pouvez en demander une autre."
        ),
        Kind.portability: (
            "La copie contient un fichier JSON et un tableau CSV par type d'enregistrement. Nous "
            "la tenons à votre disposition, chiffrée, jusqu'au {day} inclus ; elle est ensuite "
            "détruite et vous pouvez en demander une autre."
        ),
    },
}

OPPOSITION: Mapping[Lang, str] = {
    "en": (
        "So that you are not solicited by mistake, a fingerprint of your e-mail address and of "
        "your telephone number, as far as we know them, stays on our opposition list for {lasts}. "
        "They cannot be read from it, and it serves no other purpose."
    ),
    "fr": (
        "Pour que vous ne receviez pas de sollicitation par erreur, une empreinte de votre adresse "
        "électronique et de votre numéro de téléphone, pour autant que nous les connaissions, "
        "reste sur notre liste d'opposition pendant {lasts}. On ne peut pas les en déduire, et "
        "elle ne sert à rien d'autre."
    ),
}

RECIPIENTS: Mapping[Lang, str] = {
    "en": "Those outside our company who had received these data are told as well: {names}.",
    "fr": (
        "Ceux qui, hors de notre entreprise, avaient reçu ces données en sont également "
        "informés : {names}."
    ),
}

REFUSED: Mapping[Lang, str] = {
    "en": "We do not act on your request, for this reason:\n\n{reason}",
    "fr": "Nous ne donnons pas suite à votre demande, pour le motif suivant :\n\n{reason}",
}

EXTENDED: Mapping[Lang, str] = {
    "en": (
        "We have received your request and are working on it, but cannot answer it within one "
        "month of its receipt. Because of its complexity, or of the number of requests, we need "
        "up to two further months (GDPR art. 12(3)), for this reason:\n\n{reason}\n\n"
        "You will have our answer by {day} at the latest."
    ),
    "fr": (
        "Nous avons bien reçu votre demande et nous la traitons, mais nous ne pouvons pas y "
        "répondre dans le mois qui suit sa réception. Compte tenu de sa complexité ou du nombre "
        "de demandes, ce délai est prolongé de deux mois (RGPD, art. 12.3), pour le motif "
        "suivant :\n\n{reason}\n\nNotre réponse vous parviendra au plus tard le {day}."
    ),
}

DOUBTED: Mapping[Lang, str] = {
    "en": (
        "Before we act on your request, we have to be sure that it comes from the person whose "
        "data it is about, and we have reasonable doubts about that (GDPR art. 12(6)). Please "
        "tell us something by which we can recognise you: your customer reference, for instance, "
        "or the number and date of an invoice; or write to us from the e-mail address that you "
        "gave us, if you gave us any. Do not send a copy of an identity document unless we ask "
        "you for one. We will deal with your request as soon as we are sure; until then the time "
        "for our answer does not run."
    ),
    "fr": (
        "Avant de donner suite à votre demande, nous devons être certains qu'elle émane de la "
        "personne dont elle vise les données, et nous avons des doutes raisonnables à ce sujet "
        "(RGPD, art. 12.6). Merci de nous indiquer de quoi vous reconnaître : votre référence "
        "client, par exemple, ou le numéro et la date d'une facture ; ou de nous écrire depuis "
        "l'adresse électronique que vous nous avez donnée, si tel est le cas. N'envoyez pas de "
        "copie d'une pièce d'identité si nous ne vous en demandons pas. Nous traiterons votre "
        "demande dès que nous en serons certains ; d'ici là, le délai de notre réponse ne court "
        "pas."
    ),
}
"""Nothing of what is doubted: whoever reads it may be somebody else."""

TO_BE_LIFTED: Mapping[Lang, str] = {
    "en": (
        "The use of data about you is restricted at your request. We inform you, before doing "
        "so, that we are going to lift this restriction (GDPR art. 18(3)), for this reason:"
        "\n\n{reason}\n\n"
        "The data will be put back exactly as they were and be used again for the purposes that "
        "we hold them for; those whose time has ended meanwhile will go."
    ),
    "fr": (
        "L'utilisation de données vous concernant est limitée à votre demande. Nous vous "
        "informons, avant d'y procéder, que nous allons lever cette limitation (RGPD, art. 18.3), "
        "pour le motif suivant :\n\n{reason}\n\n"
        "Les données seront remises exactement dans leur état d'origine et de nouveau utilisées "
        "pour les finalités pour lesquelles nous les détenons ; celles dont la durée de "
        "conservation s'est achevée entre-temps disparaîtront."
    ),
}

HUMAN: Mapping[Lang, str] = {
    "en": (
        "If you disagree with any of this, or would like it explained, write to us: a member of "
        "our staff will look at it.\n{controller}"
    ),
    "fr": (
        "Si vous n'êtes pas d'accord, ou souhaitez une explication, écrivez-nous : une personne "
        "de notre équipe examinera votre dossier.\n{controller}"
    ),
}

CLOSING: Mapping[Lang, str] = {
    "en": "Yours faithfully,\n{name}",
    "fr": "Veuillez agréer, Madame, Monsieur, l'expression de nos salutations distinguées.\n{name}",
}
