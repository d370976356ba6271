"""What a release is once it is written: its files, its digest, where it stands.

Everything here can be shown: names, counts, digests. Nothing of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

Figure = float | int | str

MANIFEST = "manifest.json"
DICTIONARY = "dictionary.json"


class Status(StrEnum):
    """How far the bytes of a release have come."""

    quarantined = "quarantined"
    audited = "audited"
    """An audit is on record, passed or not (``Record.passed``)."""
    publishing = "publishing"
    """About to be moved into place; what broke off here is finished by publishing again."""
    published = "published"
    withdrawn = "withdrawn"
    """Was published; another revision has taken its place."""


@dataclass(frozen=True)
class Built:
    """A release in quarantine. ``digest`` (64 hex) covers every byte of its data files."""

    release: str
    month: str
    """``YYYY-MM``."""
    as_of: date
    digest: str
    folder: Path
    """``<quarantine>/<release>/<month>/<digest>``."""
    files: tuple[str, ...]
    """Names of the Parquet files in ``folder``, one for each cube, or the microdata."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Rows, cells, suppressed share …: what a page may show."""


@dataclass(frozen=True)
class Record:
    """What the control store knows of one revision of a release."""

    release: str
    month: str
    digest: str
    revision: int | None
    """``None`` until it is published."""
    status: Status
    as_of: date
    built_at: datetime
    audited_at: datetime | None
    passed: bool | None
    figures: Mapping[str, Figure]
    """The audit's figures, by ``check.figure``."""
    published_at: datetime | None


@dataclass(frozen=True)
class Published:
    """A release that is out: ``folder`` is ``<statistics>/<release>/<month>``."""

    release: str
    month: str
    revision: int
    digest: str
    folder: Path
    files: tuple[str, ...]
    published_at: datetime
    passed_at: datetime
