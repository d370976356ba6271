"""Where and how a person is named on an envelope: street lines, postcodes with towns, names.

A name has no checksum: what gives it away is what stands beside it (a kind of way, a civility,
five digits), and that it is written with capitals. Patterns run on both forms of a folded text
(``folding``): lower case for words that are known, ``cased`` where capitals tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from anonymizers.rules.french_postcodes import place
from anonymizers.texts.folding import Folded
from anonymizers.texts.french_words import (
    HONOURS,
    MONTHS,
    NOT_A_NAME,
    PARTICLES,
    WAYS_BEFORE_CAPITALS,
    WAYS_BY_THEMSELVES,
    WAYS_OF_CAPITALS,
    WAYS_WITH_NUMBER,
)
from anonymizers.texts.spans import Span, matches

_WAYS = "|".join(sorted(WAYS_BY_THEMSELVES | WAYS_WITH_NUMBER, key=lambda way: (-len(way), way)))
_WAY = re.compile(
    r"(?<![0-9a-z])(?:(?P<number>[0-9]{1,4} ?(?:bis|ter|quater|[a-h](?![a-z]))?"
    r"(?: ?[-/] ?[0-9]{1,4})?)[ ,]{1,3})?"
    rf"(?P<way>{_WAYS})(?![a-z\-])\.?(?= )"
)
_WORD = re.compile(r" {0,2}((?:[dl]')?[^\W_][\w'.\-]*)")
_MOST_WORDS = 12

_ARTICLE = re.compile(r" (?:de la|de l'|du|des) ?")
_POSTCODE = re.compile(
    r"[0-9](?:(?<![0-9a-z_.,+\-/].)|(?<=\bf-.)|(?<=\bfr-.))[0-9] ?[0-9]{3}"
    r"(?![0-9])(?![.,\-/][0-9])"
)
_AFTER_POSTCODE = re.compile(r",? {1,2}(?=[^\W\d_])")
_COUNTED_BEFORE = re.compile(
    r"(?:factures?|commandes?|n°|no|num|numero|ref|reference|dossiers?|tickets?|devis|contrats?"
    r"|clients?|lots?|articles?|id|identifiant|bons?|colis|appels?|demandes?|incidents?|bp|cs"
    r"|dont|total|environ|soit)[ .:#°]{0,4}\Z"
)
_PLACED_BEFORE = re.compile(
    r"(?:\ba|\bau|,|\bcp|\bcode postal|\badresse|\bhabite|\bhabitant|\bdomicilie[e]?|\bville)"
    r"[ :]{0,3}(?:fr?-)?\Z"
)
_CALLED_POSTCODE = re.compile(r"(?:\bcp|\bcode postal)[ .:]{0,3}(?:fr?-)?\Z")
_IN_BRACKETS = re.compile(r"[A-Z][\w'\-]{1,40} ?\([0-9]{5}\)")
_CEDEX = re.compile(r" {1,2}cedex(?: [0-9]{1,2})?(?![\w])", re.IGNORECASE)
_TOWN_AFTER = re.compile(r"(?:, ?| - | a )(?=[A-Z])")
_BARE_POSTCODE = re.compile(r"(?:,? {1,2}| - )[0-9]{5}(?![0-9])")

_CIVILITY = re.compile(
    r"[MmDP](?<![\w.'].)(?:(?<=M)M?\.|(?<=M)M?(?= [A-Z])|(?<=M)(?:R|ME)\.?"
    r"|(?<=[Mm])(?:r\.?|mes?\.?|lle\.?|onsieur|adame|ademoiselle)|(?<=M)aitre"
    r"|(?<=D)(?:r\.?|octeur)|(?<=P)(?:r\.|rofesseur))(?= )"
)


def street_spans(folded: Folded) -> Iterator[Span]:
    """Street lines: "12 bis, rue de la Paix", "avenue Foch", with a town or postcode after them."""
    for match in _WAY.finditer(folded.lower):
        numbered, way = match["number"] is not None, match["way"]
        if not numbered and way in WAYS_WITH_NUMBER and way not in WAYS_BEFORE_CAPITALS:
            continue
        lower_case = numbered and (
            way not in WAYS_OF_CAPITALS or _ARTICLE.match(folded.lower, match.end()) is not None
        )
        end = _name_end(folded.cased, match.end(), lower_case=lower_case)
        if end is not None:
            yield Span("street", match.start(), _with_town(folded, end))


def postcode_spans(folded: Folded) -> Iterator[Span]:
    """Postcodes with their town; alone only where the text calls them so."""
    for match in matches(_POSTCODE, folded.lower, lambda match: place(match[0]) is not None):
        before = max(0, match.start() - 24), match.start()
        if _COUNTED_BEFORE.search(folded.lower, *before):
            continue
        placed = _PLACED_BEFORE.search(folded.lower, *before) is not None
        # "75 011" is a postcode where an address is told, and an amount elsewhere.
        if not placed and " " in match[0]:
            continue
        end = _town_end(folded.cased, match.end(), lower_case=placed)
        if end is not None:
            yield Span("postcode", match.start(), end)
        elif _CALLED_POSTCODE.search(folded.lower, *before):
            yield Span("postcode", *match.span())
    if "(" not in folded.cased:
        return
    for match in _IN_BRACKETS.finditer(folded.cased):
        digits = match[0][-6:-1]
        if place(digits) and match[0].partition("(")[0].strip().lower() not in NOT_A_NAME:
            yield Span("postcode", *match.span())


def name_spans(folded: Folded) -> Iterator[Span]:
    """Names after a civility: "Mme Le Goff", "Dr. Jean Petit"."""
    for match in _CIVILITY.finditer(folded.cased):
        lower_case = match[0].rstrip(".").lower() in {"mme", "mlle", "mr"}
        end = _name_end(folded.cased, match.end(), lower_case=lower_case, words=1)
        if end is not None:
            yield Span("name", match.start(), end)


def _name_end(text: str, at: int, *, lower_case: bool, words: int = 2) -> int | None:
    """Where a name that begins at ``at`` ends, ``None`` where there is none.

    Words with a capital are the name, particles ("de la") and honours ("Général") lead to it.
    With ``lower_case`` a name may also be that many ``words`` without a capital.
    """
    end, capitals, small = None, False, 0
    for _ in range(_MOST_WORDS):
        match = _WORD.match(text, at)
        if match is None:
            break
        word = match[1].rstrip(".'-")
        bare = word[2:] if word[1:2] == "'" else word
        plain, sentence_ends = bare.lower(), match[1].endswith(".") and len(word) > 2
        if word.isdigit():
            day = _named_day(text, match)
            if day is None:
                break
            end = at = day
            continue
        if plain in HONOURS or plain in PARTICLES:
            at = match.end()
            # "Maréchal" is an honour before a name, and a name where none follows.
            if plain not in PARTICLES and plain not in NOT_A_NAME and bare[:1].isupper():
                end = match.start(1) + len(word)
            continue
        if plain in NOT_A_NAME:
            break
        if bare[:1].isupper():
            capitals = True
        elif lower_case and not capitals and small < words:
            small += 1
        else:
            break
        end, at = match.start(1) + len(word), match.end()
        if sentence_ends:
            break
    return end


def _named_day(text: str, number: re.Match[str]) -> int | None:
    """The end of a day that a street is named after ("8 mai 1945")."""
    month = _WORD.match(text, number.end())
    if month is None or month[1].lower() not in MONTHS:
        return None
    year = _WORD.match(text, month.end())
    return year.end() if year and year[1].isdigit() and len(year[1]) == 4 else month.end()


def _town_end(text: str, at: int, *, lower_case: bool) -> int | None:
    """Where the town after a postcode ends, with its CEDEX; ``None`` where no town follows."""
    after = _AFTER_POSTCODE.match(text, at)
    end = _name_end(text, after.end(), lower_case=lower_case, words=1) if after else None
    cedex = _CEDEX.match(text, at if end is None else end)
    return cedex.end() if cedex else end


def _with_town(folded: Folded, end: int) -> int:
    """The end of a street line with the postcode or the town that follows it."""
    if postcode := _BARE_POSTCODE.match(folded.lower, end):
        town = _town_end(folded.cased, postcode.end(), lower_case=True)
        return postcode.end() if town is None else town
    if town_after := _TOWN_AFTER.match(folded.cased, end):
        town = _name_end(folded.cased, town_after.end(), lower_case=False)
        return end if town is None else town
    return end
