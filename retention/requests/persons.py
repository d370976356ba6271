"""Everything that belongs to a person: rows in every system, and records in the archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from retention.catalogue.bound import BoundTable
from retention.catalogue.model import TableName
from retention.execution.trees import Tree
from retention.holds import Person
from retention.installation import Installation
from retention.planning.facts import Key
from retention.planning.judge import Judged


@dataclass(frozen=True)
class PersonTable:
    """A person's rows of one table with clocks of its own, each with its dependants.

    ``trees`` and ``judged`` (what the policy says of each, today) have the same keys.
    """

    name: TableName
    bound: BoundTable
    trees: Mapping[Key, Tree]
    judged: Mapping[Key, Judged]


@dataclass(frozen=True)
class Archived:
    """A record of the archive, unsealed: for restricted eyes only.

    A record whose columns expire on several days comes in as many parts.
    """

    table: TableName
    record_token: str
    unit_id: str
    subject_token: str
    expires_on: date
    purposes: tuple[str, ...]
    """The purposes that keep it."""
    values: Mapping[str, Any]
    """Columns; those of the owner that it carries along are called ``owner.NAME``."""


def read_person(
    installation: Installation, persons: Sequence[Person], as_of: date
) -> Iterator[PersonTable]:
    """What every system holds of ``persons``, in the order in which a run takes the tables.

    A table in which nothing is theirs is left out. Raises SourceError: a system is out of reach.
    """
    raise NotImplementedError


def archived_of(installation: Installation, tokens: Sequence[str]) -> Iterator[Archived]:
    """The records of the archive that belong to the subjects ``tokens``, unsealed.

    Raises StoreError: a record cannot be unsealed.
    """
    raise NotImplementedError
