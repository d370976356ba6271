"""What agents and customers write: French sentences with names and addresses in them.

Placeholders are those of ``people.Population``; the texts exist so that personal data sit
where nobody looks for them.
"""

from __future__ import annotations

OFFERS = (
    "Accueil téléphonique",
    "Standard externalisé",
    "Prise de rendez-vous",
    "Permanence médicale",
    "Enquête de satisfaction",
    "Télésecrétariat",
)

CAMPAIGNS = (
    ("Rentrée des indépendants", "email"),
    ("Offre permanence d'été", "email"),
    ("Salon des entrepreneurs", "salon"),
    ("Relance devis", "telephone"),
    ("Lettre d'information", "email"),
    ("Parrainage", "courrier"),
)

LINES = (
    "Forfait mensuel accueil téléphonique",
    "Appels traités hors forfait",
    "Mise en service de la ligne",
    "Prise de rendez-vous en ligne",
    "Permanence du samedi",
    "Campagne d'appels sortants",
)

SUMMARIES = (
    "Appel de {civil}, souhaite être rappelé(e) au {phone}.",
    "{name} demande une copie de sa facture à {email}.",
    "Réclamation sur le délai de réponse, vue avec {agent}.",
    "A déménagé: nouvelle adresse {street}, {city}.",
    "Point annuel avec {civil}, satisfait(e) du service.",
    "Message laissé sur le répondeur du {phone}.",
    "Demande de devis pour une permanence de nuit.",
)

SUBJECTS = (
    "Facture non reçue",
    "Changement d'adresse de {civil}",
    "Horaires d'accueil à modifier",
    "Erreur de prélèvement",
    "Accès à l'espace client",
    "Résiliation demandée par {name}",
)

TICKETS = (
    "Bonjour, je n'ai pas reçu ma dernière facture. Merci de l'envoyer à {email}. {name}",
    "Bonjour, ma nouvelle adresse est {street} à {city}. Vous pouvez me joindre au {phone}. {name}",
    "Mes clients me disent que le standard ne répond pas avant 9 h. Rappelez-moi au {phone}.",
    "Un prélèvement est passé deux fois ce mois-ci. Cordialement, {civil}",
    "Je ne peux plus me connecter avec {email}, le mot de passe est refusé.",
    "Pouvez-vous transférer mes appels sur le {phone} pendant mes congés? {name}",
)

MESSAGES = (
    "Bonjour {civil}, nous avons bien reçu votre demande. {agent}",
    "La facture vient de partir à {email}.",
    "Merci, tout est en ordre. {name}",
    "Nous avons essayé de vous joindre au {phone}, sans succès. {agent}",
    "Votre adresse est à jour: {street}, {city}.",
    "Pouvez-vous confirmer par écrit? Bien à vous, {agent}",
)
