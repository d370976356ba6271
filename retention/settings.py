"""The settings of an installation: where its files and stores are, and how bold it may be.

``retention.yaml`` is read once, at the door; nothing else reads the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from retention.documents import StrictModel, read_document
from retention.errors import ConfigurationError


class Mode(StrEnum):
    """Whether a run executes its plan, or only reports it."""

    execute = "execute"
    observe = "observe"


class StoreAddress(StrictModel):
    """Where a store is: a URL, or the environment variable that holds it."""

    url: str | None = None
    url_env: str | None = None

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if not (self.url or self.url_env):
            raise ValueError("give 'url' or 'url_env'")
        return self


class Stores(StrictModel):
    """The five stores. In production archive, vault and keys have servers of their own."""

    control: StoreAddress
    cases: StoreAddress
    archive: StoreAddress
    vault: StoreAddress
    keys: StoreAddress


class MasterKey(StrictModel):
    """Where the 32-byte master key is found, in base64: a file or an environment variable."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either 'file' or 'env'")
        return self


class Caps(StrictModel):
    """How many rows of one table a run may archive, pseudonymise or dispose of without approval.

    The same caps hold for units of the archive that would expire; the absolute one for rows
    that would lose a column.
    """

    rows: int = Field(default=100_000, ge=0)
    share: float = Field(default=0.5, ge=0, le=1)
    """Of the table's rows, or the archive's units; applies above ``share_from_rows`` due."""
    share_from_rows: int = Field(default=1_000, ge=0)


class Backlog(StrictModel):
    """Working off years of backlog under a daily quota instead of the caps."""

    daily_rows: int = Field(ge=1)
    """Rows of each table a day, archive and disposal together."""


class SystemPace(StrictModel):
    """How a system may be worked on: hours of the day (policy zone) and rows a second.

    A chunk is begun from ``window_from`` o'clock until before ``window_to``; 22 to 6 goes
    over midnight. What is not done by then is left to the next run.
    """

    window_from: int | None = Field(default=None, ge=0, le=23)
    window_to: int | None = Field(default=None, ge=0, le=24)
    rows_per_second: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _whole_window(self) -> Self:
        if (self.window_from is None) != (self.window_to is None):
            raise ValueError("give both 'window_from' and 'window_to', or neither")
        if self.window_from is not None and self.window_from == self.window_to:
            raise ValueError("a window from an hour to the same hour is never open")
        return self


class Statistics(StrictModel):
    """Anonymised statistics: what is declared, and where releases are written."""

    declaration: Path
    """The document that declares the releases."""
    folder: Path = Path("statistics")
    """Where published releases are: ``<folder>/<release>/<month>``."""
    quarantine: Path = Path("quarantine")
    """Where a release waits for its audit. Keep it away from the readers of ``folder``."""
    epsilon_per_year: float = Field(default=12, gt=0)
    """The privacy budget that one release may spend within any twelve months."""
    delta_per_year: float = Field(default=1e-5, ge=0, lt=1)
    """The same for delta."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.folder == self.quarantine:
            raise ValueError("'folder' and 'quarantine' are the same place")
        return self


class Requests(StrictModel):
    """Data subjects' requests."""

    inbox: Path = Path("inbox")
    """The folder where request files are dropped; read ones go to ``done/`` or ``rejected/``."""
    inbox_may_verify: bool = False
    """Whether a file may say that the person's identity is verified (a customer area that asks
    for a login before it writes one)."""
    region: str = "FR"
    """The country of phone numbers written without one."""
    max_rows: int = Field(default=10_000, ge=1)
    """More rows than this for one person wait for a person's approval of that plan."""
    redo_returned: bool = True
    """Whether the daily run has an erasure carried out again on the very rows that a restored
    backup has brought back. If not, it shows them."""
    max_per_run: int = Field(default=200, ge=1)
    """Requests that one run carries out at most, the most urgent first. They share one search by
    value."""


class Settings(StrictModel):
    """One installation."""

    policy: Path
    catalogue: Path
    stores: Stores
    master_key: MasterKey
    mode: Mode = Mode.execute
    chunk_rows: int = Field(default=1_000, ge=1, le=100_000)
    max_review_share: float = Field(default=0.01, ge=0, le=1)
    caps: Caps = Caps()
    backlog: Backlog | None = None
    pace: dict[str, SystemPace] = Field(default_factory=dict)
    keys_backup_days: int = Field(default=30, ge=0)
    """How long backups of the keys store are kept; certificates name it."""
    max_clock_jump_days: int = Field(default=40, ge=1)
    """A run dated further than this from the last one stops and asks for approval."""
    lease_seconds: int = Field(default=300, ge=10)
    ledger_head: Path | None = None
    """A file outside the database to which the head of the ledger is exported."""
    dagster_home: Path = Path("dagster")
    requests: Requests = Requests()
    statistics: Statistics | None = None
    """Anonymised releases; without it none are made."""

    folder: Path = Field(default=Path(), exclude=True)
    """The folder of the settings file; relative paths are relative to it."""
    environment: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    def path(self, path: Path) -> Path:
        return (self.folder / path).resolve()

    def address(self, url: str | None, url_env: str | None) -> str:
        """The database URL: the environment variable's where it is set, else ``url``.

        A relative SQLite path is made relative to the settings file's folder.

        Raises:
            ConfigurationError: the variable is not set and there is no ``url``, or the URL
                cannot be read (the URL itself is never shown; it may hold a password).
        """
        text = self.environment.get(url_env or "") or url
        if not text:
            raise ConfigurationError(f"the environment variable {url_env} is not set")
        try:
            parsed = make_url(text)
        except ArgumentError:
            place = f"the environment variable {url_env}" if url_env else "a 'url'"
            raise ConfigurationError(f"{place} is not a database URL") from None
        if parsed.drivername.startswith("sqlite") and parsed.database not in (None, "", ":memory:"):
            parsed = parsed.set(database=str(self.path(Path(str(parsed.database)))))
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return parsed.render_as_string(hide_password=False)


def read_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read ``retention.yaml``. ``environment`` is the only place variables are looked up.

    Raises:
        ConfigurationError: naming file, line and key of each fault.
    """
    settings = read_document(path, Settings)
    return settings.model_copy(
        update={"folder": path.resolve().parent, "environment": dict(environment)}
    )
