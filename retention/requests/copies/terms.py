"""How long a purpose keeps data, in the person's words: the criteria of GDPR art. 15(1)(d).

A record under a contract in force has no day yet on which it goes; what decides on the day is said
instead. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from retention.policy.calendar import Period
from retention.policy.table import ActiveRule, ArchiveRule, Policy, Purpose, Rule
from retention.requests.answering import wording
from retention.requests.answering.wording import Lang

_WORDS: Mapping[Lang, Mapping[str, str]] = {
    "en": {
        "active": "in use: {term}",
        "archive": "in the restricted archive: {term}",
        "in_place": "under a pseudonym: {term}",
        "latest": "{lasts} from the latest of: {events}",
        "until": "until the latest of: {events}",
        "first": "{lasts} from the first of: {events}",
        "since": "{lasts} from the first of: {events}, since: {since}",
        "year": "{lasts} from the end of the financial year of: {events}",
        "ended": "{term}; at once ended by: {events}",
        "interval": "{label} (its end)",
    },
    "fr": {
        "active": "en base active : {term}",
        "archive": "dans les archives à accès restreint : {term}",
        "in_place": "sous pseudonyme : {term}",
        "latest": "{lasts} à compter du dernier de ces événements : {events}",
        "until": "jusqu'au dernier de ces événements : {events}",
        "first": "{lasts} à compter du premier événement : {events}",
        "since": "{lasts} à compter du premier événement : {events}, depuis : {since}",
        "year": "{lasts} à compter de la clôture de l'exercice de cet événement : {events}",
        "ended": "{term} ; prend fin dès cet événement : {events}",
        "interval": "{label} (sa fin)",
    },
}


def kept(purpose: Purpose, policy: Policy, lang: Lang) -> str:
    """How long the purpose keeps data, in use and in the archive, and from when on."""
    return (" ; " if lang == "fr" else "; ").join(_phases(purpose, policy, lang))


def _phases(purpose: Purpose, policy: Policy, lang: Lang) -> Iterator[str]:
    words = _WORDS[lang]
    if purpose.active:
        yield words["active"].format(term=_active(purpose.active, policy, lang))
    if purpose.archive:
        place = "in_place" if purpose.archive.in_place else "archive"
        yield words[place].format(term=_term(purpose.archive, policy, lang))


def _active(rule: ActiveRule, policy: Policy, lang: Lang) -> str:
    term = _term(rule, policy, lang)
    if not rule.ended_by:
        return term
    events = _events(rule.ended_by, policy, lang)
    return _WORDS[lang]["ended"].format(term=term, events=events)


def _term(rule: Rule, policy: Policy, lang: Lang) -> str:
    kinds: tuple[str, ...]
    if rule.from_first:
        name, kinds = "since" if rule.since_latest else "first", (rule.from_first,)
    elif isinstance(rule, ArchiveRule) and rule.counted_from == "end_of_financial_year":
        name, kinds = "year", rule.from_latest
    else:
        name, kinds = "latest" if rule.lasts != Period() else "until", rule.from_latest
    return _WORDS[lang][name].format(
        lasts=wording.duration(rule.lasts, lang),
        events=_events(kinds, policy, lang),
        since=_events(filter(None, [rule.since_latest]), policy, lang),
    )


def _events(kinds: Iterable[str], policy: Policy, lang: Lang) -> str:
    labels = []
    for event in (policy.events[kind] for kind in kinds):
        label = event.label_fr if lang == "fr" else event.label
        labels.append(_WORDS[lang]["interval"].format(label=label) if event.interval else label)
    return ", ".join(labels)
