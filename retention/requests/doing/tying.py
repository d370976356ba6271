"""Whether a corrected value would tie a person's record to somebody else's.

A link says that two records are of one person where a value is equal. Whoever has their e-mail
address corrected to that of another person's account would be found with it from then on, and
be shown or have erased what is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from retention.catalogue.model import Link
from retention.catalogue.normalise import normalise
from retention.holds import Person, subject_token
from retention.installation import Installation
from retention.requests.doing.fitting import Rows
from retention.requests.finding.likeness import Sought
from retention.requests.finding.linking import Links
from retention.requests.finding.searching import persons_tables
from retention.requests.finding.searching_archive import Crowded
from retention.requests.model import Asked, RequestError


def refuse_new_ties(
    installation: Installation,
    changes: Rows,
    persons: Sequence[Person],
    tokens: Collection[str],
) -> None:
    """No record may be tied by what it becomes to one that is not known to be the person's.

    Raises:
        RequestError: one would; it names the tables, never the value. SourceError: a system is
            out of reach.
    """
    own = {*tokens, *(subject_token(installation.keyring, *person) for person in persons)}
    tables = set(persons_tables(installation))
    sought = Sought.of(Asked(), installation.settings.requests.region)
    links = Links(installation, sought, {}, set())
    for link in installation.catalogue.links.values():
        if not {link.near_table, link.far_table} <= tables:
            continue
        for far in (True, False):
            here, there = _ends(link, far=far)
            for value in _values(link, changes, far=far):
                if not _only_own(links, link, value, own, far=far):
                    raise RequestError(
                        f"the corrected value ties {here} to a record of {there} that is not "
                        "known to be this person's; nothing was changed: if it is theirs, take in "
                        "a request that says the right value and the customer reference, and "
                        "choose both records"
                    )


def _ends(link: Link, *, far: bool) -> tuple[str, str]:
    ends = (link.near_table, link.far_table)
    return ends if far else ends[::-1]


def _values(link: Link, changes: Rows, *, far: bool) -> set[str]:
    """What a link compares of the rows at its other end, as they become."""
    table, column = (
        (link.near_table, link.near_column) if far else (link.far_table, link.far_column)
    )
    found = (
        normalise(values[column], link.normaliser)
        for (name, _), values in changes.items()
        if name == table and column in values
    )
    return {value for value in found if value is not None}


def _only_own(links: Links, link: Link, value: str, own: Collection[str], *, far: bool) -> bool:
    try:
        return all(item.token in own for item in links.at_end(link, value, far=far))
    except Crowded:
        return True  # a placeholder ties nobody
