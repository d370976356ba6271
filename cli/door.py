"""The door: the only place where the command line reads the clock and the environment.

Every command gets a ``Door``: which configuration, which day, which moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from retention.errors import ConfigurationError

if TYPE_CHECKING:
    from retention.installation import Installation

CONFIG_VARIABLE = "RETENTION_CONFIG"


def utc_now() -> datetime:
    """This moment, as an aware UTC datetime."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Door:
    """What a command is given from outside."""

    config: Path | None = None
    """The settings file, where ``--config`` or ``RETENTION_CONFIG`` names one."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables; values may be secrets and are never shown."""

    def required_config(self) -> Path:
        """The settings file.

        Raises:
            ConfigurationError: none is named.
        """
        if self.config is None:
            raise ConfigurationError(
                f"which installation? give --config FILE or set {CONFIG_VARIABLE} "
                "(retention demo DIR makes one to try)"
            )
        return self.config

    @contextmanager
    def installation(self) -> Iterator[Installation]:
        """The installation, open for the length of the command.

        Raises:
            ConfigurationError: naming the faults. StoreError: a store cannot be used.
        """
        from retention.installation import opened

        with opened(self.required_config(), self.environment) as installation:
            yield installation


def door(ctx: typer.Context, config: Path | None = None) -> Door:
    """The door of a command: its own ``--config``, else the program's, else the variable."""
    environment = dict(os.environ)
    named = environment.get(CONFIG_VARIABLE)
    chosen = config or ctx.find_root().params.get("config") or (Path(named) if named else None)
    return Door(chosen, environment)


def today(installation: Installation) -> date:
    """Today in the policy's time zone."""
    return utc_now().astimezone(installation.zone).date()
