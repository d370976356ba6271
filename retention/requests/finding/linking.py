"""Following the catalogue's links from records that are the person's to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from retention.catalogue.model import Link, Role, TableName
from retention.catalogue.normalise import normalise
from retention.identities import field_of, fingerprint, names_nobody, normal
from retention.installation import Installation
from retention.requests.finding.likeness import NAMES, Sought
from retention.requests.finding.searching import CROWD, Candidate, by_link, persons_tables
from retention.requests.finding.searching_archive import Crowded, by_prints
from retention.requests.model import RequestError

_MOST_OF_A_LOG = 200_000
"""Rows of a log that one person may have."""


def _logs(installation: Installation) -> set[TableName]:
    persons = set(persons_tables(installation))
    return {
        name
        for name, table in installation.catalogue.tables()
        if table.role is Role.event and not table.references and name not in persons
    }


def log_links(installation: Installation) -> list[tuple[Link, bool]]:
    """The links from a table of persons to a log, each with whether the log is its far end."""
    persons, logs = set(persons_tables(installation)), _logs(installation)
    return [
        (link, far)
        for link in installation.catalogue.links.values()
        for far in (True, False)
        if person_end(link, far=far)[0] in persons and person_end(link, far=not far)[0] in logs
    ]


class Links:
    """What is ``found``, by token, and which tokens are ``exact``; both grow.

    Links between tables of persons are followed: what a person owns goes along with them. So are
    links from a person to a log, each row of which is theirs; they lead nowhere further.
    """

    def __init__(
        self,
        installation: Installation,
        sought: Sought,
        found: dict[str, Candidate],
        exact: set[str],
    ) -> None:
        self._installation = installation
        self._sought = sought
        self.found = found
        self.exact = exact
        self._persons = set(persons_tables(installation))
        self._logs = _logs(installation)

    def follow(self) -> None:
        """Follow every link, both ways, from every exact record, and on from what is reached.

        Raises:
            SourceError: a system cannot be reached.
            RequestError: more rows of a log are one person's than can be dealt with.
        """
        tables = self._persons | self._logs
        links = [
            link
            for link in self._installation.catalogue.links.values()
            if {link.near_table, link.far_table} <= tables
        ]
        todo = sorted(self.exact)
        while todo:
            item = self.found[todo.pop()]
            if item.table in self._logs:
                continue
            for link in links:
                if link.near_table == item.table:
                    todo += self._reach(item, link, far=True)
                if link.far_table == item.table:
                    todo += self._reach(item, link, far=False)

    def _reach(self, item: Candidate, link: Link, *, far: bool) -> list[str]:
        """The tokens that a link makes exact, from ``item`` to its ``far`` end."""
        column = link.near_column if far else link.far_column
        value = normalise(item.links.get(column), link.normaliser)
        declared = self._installation.catalogue.table(item.table).columns[column]
        if item.key and (value is None or names_nobody(declared, value, self._sought.region)):
            return []
        if item.key and value is not None:
            return self._reach_from(link, value, far=far)
        try:
            reached = self._archived(link, self._prints_of(item, column), far=far)
        except Crowded:
            return []  # a placeholder says of nobody that a record is theirs
        return [other.token for other in reached if self._is_new(other, disputed=bool(reached))]

    def _reach_from(self, link: Link, value: str, *, far: bool) -> list[str]:
        try:
            reached = self.at_end(link, value, far=far)
            disputed = bool(reached) and self._disputed(link, value, far=far)
        except Crowded as crowded:
            there = link.far_table if far else link.near_table
            if there in self._logs and not self._disputed(link, value, far=far):
                raise RequestError(f"{crowded} are one person's, by the link") from None
            return []  # as above
        return [other.token for other in reached if self._is_new(other, disputed=disputed)]

    def follow_to_logs(self, held: Mapping[tuple[TableName, str], Iterable[object]]) -> None:
        """Follow links to rows of logs only, from what the person's records hold or held.

        ``held`` is by table and column; ``exact`` are the records' tokens.

        Raises:
            SourceError, RequestError: as ``follow``.
        """
        for link, far in log_links(self._installation):
            here, column = person_end(link, far=far)
            declared = self._installation.catalogue.table(here).columns[column]
            for item in held.get((here, column), ()):
                value = normalise(item, link.normaliser)
                if value and not names_nobody(declared, value, self._sought.region):
                    self._reach_from(link, value, far=far)

    def at_end(self, link: Link, value: str, *, far: bool) -> list[Candidate]:
        """The records at one end of a link: those in their source, and those in the archive only.

        Raises:
            Crowded: they are far too many.
        """
        there = link.far_table if far else link.near_table
        most = _MOST_OF_A_LOG if there in self._logs else CROWD
        rows = by_link(self._installation, link, value, self._sought, far=far)
        live = list(islice(rows, most + 1))
        if len(live) > most:
            raise Crowded(f"{link.far if far else link.near}: more than {most:,} records")
        known = {other.token for other in live}
        archived = self._archived(link, self._prints_from(link, value, far=far), far=far)
        return [*live, *(other for other in archived if other.token not in known)]

    def _is_new(self, other: Candidate, *, disputed: bool) -> bool:
        """Take note of a record that was reached; whether it is exact only now."""
        known = self.found.setdefault(other.token, other)
        named = known.likeness.agrees >= set(NAMES)
        if other.token in self.exact or not known.likeness.clean or (disputed and not named):
            return False
        self.exact.add(other.token)
        return True

    def _disputed(self, link: Link, value: str, *, far: bool) -> bool:
        """Whether the link leads to the same records from somebody else too."""
        try:
            here = self.at_end(link, value, far=not far)
        except Crowded:
            return True
        return any(other.token not in self.exact for other in here)

    def _archived(
        self, link: Link, prints: Iterable[tuple[str, str]], *, far: bool
    ) -> list[Candidate]:
        """Persons at the other end of a link who are in the archive only."""
        table = link.far_table if far else link.near_table
        found = by_prints(self._installation, prints, self._sought)
        return [item for item in found if item.table == table]

    def _prints_from(self, link: Link, value: str, *, far: bool) -> list[tuple[str, str]]:
        table, column = person_end(link, far=not far)
        field = self._field(table, column)
        form = normal(field, value, self._sought.region) if field else None
        keyring = self._installation.keyring
        return [(field, fingerprint(keyring, field, form))] if field and form else []

    def _prints_of(self, item: Candidate, column: str) -> list[tuple[str, str]]:
        field = self._field(item.table, column)
        return [(what, one) for what, one in item.prints if what == field]

    def _field(self, table: TableName, column: str) -> str | None:
        declared = self._installation.catalogue.table(table)
        return field_of(declared.columns[column])


def person_end(link: Link, *, far: bool) -> tuple[TableName, str]:
    """Table and column of the end that leads to the other, which is the ``far`` one or not."""
    if far:
        return link.near_table, link.near_column
    return link.far_table, link.far_column
