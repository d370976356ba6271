"""An installation, opened: settings, policy, catalogue, sources, stores and keyring together.

This is the door through which the engine is used, by Dagster, the command line and tests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from retention.catalogue.binding import Binder
from retention.catalogue.coherence import coherent
from retention.catalogue.model import Catalogue, read_catalogue
from retention.catalogue.sources import Sources
from retention.keys import Keyring, read_master_key
from retention.policy.calendar import zone
from retention.policy.table import Policy, read_policy
from retention.settings import Settings, read_settings
from retention.stores.open import Stores, migrate, open_stores


@dataclass(frozen=True)
class Installation:
    """Everything a run works with. Close it with ``close`` or use ``opened``."""

    settings: Settings
    policy: Policy
    catalogue: Catalogue
    sources: Sources
    stores: Stores
    keyring: Keyring

    @property
    def zone(self) -> ZoneInfo:
        return zone(self.policy.time_zone)

    @property
    def catalogue_folder(self) -> Path:
        """Where files that the catalogue names are looked for."""
        return self.settings.path(self.settings.catalogue).parent

    def binder(self, as_of: date) -> Binder:
        return Binder(self.catalogue, self.policy, as_of, self.sources)

    def catalogue_digest(self) -> str:
        """A SHA-256 over the catalogue's meaning, in hex."""
        text = json.dumps(self.catalogue.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def close(self) -> None:
        self.sources.dispose()
        self.stores.dispose()


def open_installation(config: Path, environment: Mapping[str, str]) -> Installation:
    """Open the installation that ``config`` (a ``retention.yaml``) describes.

    Reads and checks policy, catalogue and master key, opens the stores and brings their
    schemas up to date. No source system is contacted yet.

    Raises:
        ConfigurationError: naming the faults; StoreError: a store cannot be used.
    """
    settings = read_settings(config, environment)
    policy = read_policy(settings.path(settings.policy))
    catalogue_path = settings.path(settings.catalogue)
    catalogue = read_catalogue(catalogue_path)
    coherent(catalogue, policy, catalogue_path)
    master = read_master_key(settings)
    stores = open_stores(settings)
    migrate(stores)
    return Installation(
        settings=settings,
        policy=policy,
        catalogue=catalogue,
        sources=Sources(catalogue, zone(policy.time_zone), settings.address),
        stores=stores,
        keyring=Keyring(master, stores.keys),
    )


@contextmanager
def opened(config: Path, environment: Mapping[str, str]) -> Iterator[Installation]:
    """``open_installation``, closed at the end."""
    installation = open_installation(config, environment)
    try:
        yield installation
    finally:
        installation.close()
