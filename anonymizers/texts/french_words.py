"""French words by which addresses and names are known, in lower case and without accents."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


WAYS_BY_THEMSELVES = words("""
    rue avenue boulevard impasse allee allees faubourg ruelle quai venelle sentier lotissement
    esplanade rond-point lieu-dit lieudit chemin square
""")
"""Ways that begin a street line with a name after them."""

WAYS_WITH_NUMBER = words("""
    residence hameau montee traverse r bd bld blvd boul av ave imp all chem ch fg fbg pl rte res
    za zi zac lot place route cours passage cite voie villa clos domaine parc pont cour promenade mail
    sente cote chaussee parvis galerie mas
""")
"""Words of other uses, which begin a street line after a number."""

WAYS_BEFORE_CAPITALS = words("place route cours passage cite za zi zac")
"""Such of them as a name with a capital is enough for."""

WAYS_OF_CAPITALS = words("""
    place route passage cite voie villa clos domaine pont promenade cours cour parc mail galerie
    lot residence
""")
"""Such of them as are counted too ("3 places"): their names have a capital, or an article."""

WAY_WORDS = frozenset(
    word for way in WAYS_BY_THEMSELVES | WAYS_WITH_NUMBER for word in way.split("-")
)
"""Words of which one is in every street line."""

CIVILITY_WORDS = words("""
    m mm mr mme mmes mlle monsieur madame mademoiselle dr docteur maitre pr professeur
""")
"""Words of which one is before every name that a civility gives away."""

PARTICLES = words("d de du des la le les l au aux en sur sous et von van der den ben el")
"""Words that lead to a name and are none."""

HONOURS = words("""
    saint sainte saints st ste general gal marechal mal docteur dr president pdt abbe capitaine
    commandant colonel professeur pr amiral lieutenant sergent cardinal eveque frere freres pere
    soeur mere doyen maitre
""")
"""Words that lead to a name, and may be one."""

MONTHS = words("""
    janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
""")

NOT_A_NAME = words("""
    a ai alors apres attendre aucun au aussi avait avant avec avez bien bonjour bonsoir car ce
    cela ces cet cette chez comme cordialement d dans de depuis des donc du elle elles en encore
    entre est et etait etant etre eu ici il ils j je jusqu l la le les leur lors lui ma mais me
    merci mes mme mlle mon monsieur madame mademoiselle mr n ne ni nos notre nous on ont ou par
    pas pendant plus pour pourriez pouvez puis qu quand que qui quoi s sa sans se ses si son sont
    sous souhaite suite sur t ta te tel telephone telephonez tes toujours tres tu un une vers
    veuillez voici voila vos votre vous y bureau directeur directrice gerant gerante president
    presidente responsable docteur demande appelle rappelle rappeler facture commande client
    cliente contrat email mail fax mobile portable euros euro eur ttc ht fois appels lignes
    clients jours heures mois ans minutes maire ministre juge cedex demain hier aujourd'hui ferme
    fermee ouvert ouverte annulee kg km m2 postes exemplaires unites pieces
""")
"""Words that follow a name without being part of it, and such as begin a sentence."""
