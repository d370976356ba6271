"""The resource ``retention``: the door at which clock and environment are read."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from assets.stopping import handled_by, handlers_now, heeding_signals
from retention.catalogue.drift_report import DriftReport, drift_report
from retention.errors import ConfigurationError
from retention.installation import Installation, open_installation
from retention.policy.calendar import day_in

RETENTION = "retention"
"""The resource's key."""

OnEvent = Callable[[str, str, int], None]
"""Told stage, table and rows: no rows at the start of a step, then after each chunk."""


class RetentionResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """An installation, opened when it is first asked for and closed at the end of the run.

    Its fields are what a person may choose for one run. Where the installation is, and what
    the environment holds, is handed in by ``retention_resource``: it is no run's choice, and
    must not be written into a run's configuration.
    """

    as_of: str | None = None
    """The day to run for, ``YYYY-MM-DD``; without it today, in the policy's zone."""
    plan_digest: str | None = None
    """Execute this very plan, and refuse any other."""

    _installation: Installation | None = PrivateAttr(default=None)
    _asked: list[int] = PrivateAttr(default_factory=list)
    _drift: dict[str, DriftReport] = PrivateAttr(default_factory=dict)

    def open(self) -> Installation:
        """Open the installation."""
        raise NotImplementedError("make the resource with 'retention_resource'")

    def stopping(self) -> AbstractContextManager[Callable[[], bool]]:
        """For the time of a step: yields whether the run was asked to stop."""
        return heeding_signals(self._asked)

    def announce(self, stage: str, table: str, rows: int) -> None:
        """Told at the start of each step (no rows) and after each chunk."""

    def now(self) -> datetime:
        """The instant it is, in UTC."""
        return datetime.now(UTC)

    def installation(self) -> Installation:
        """The installation, the same for all steps of a process.

        Raises:
            ConfigurationError: naming the faults; StoreError: a store cannot be used.
        """
        if self._installation is None:
            self._installation = self.open()
        return self._installation

    def today(self) -> date:
        """Today, in the policy's zone."""
        return day_in(self.now(), self.installation().zone)

    def day(self) -> date:
        """The day this run is for.

        Raises:
            ConfigurationError: ``as_of`` is no date.
        """
        if self.as_of is None:
            return self.today()
        try:
            return date.fromisoformat(self.as_of)
        except ValueError:
            raise ConfigurationError("as_of: give a date as YYYY-MM-DD") from None

    def drift(self, system: str) -> DriftReport:
        """What is wrong between catalogue and database, checked once a run and system.

        Raises:
            SourceError: the system cannot be reached.
        """
        if system not in self._drift:
            installation = self.installation()
            self._drift[system] = drift_report(installation.sources, installation.catalogue, system)
        return self._drift[system]

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Close the installation's connections."""
        self.close()

    def close(self) -> None:
        """Close the installation's connections; asked again, it is opened again."""
        if self._installation is not None:
            self._installation.close()
            self._installation = None


def retention_resource(
    config: Path,
    environment: Mapping[str, str] = os.environ,
    on_event: OnEvent | None = None,
    stop_asked: Callable[[], bool] | None = None,
) -> RetentionResource:
    """The resource for the installation at ``config``, told what ``on_event`` wants to hear.

    With ``stop_asked`` the caller's own signal handlers, as they are now, stay in force in
    the steps, and the run stops between two chunks once it says so.
    """
    handlers = handlers_now()

    class Opened(RetentionResource):
        def open(self) -> Installation:
            return open_installation(config, environment)

        @contextmanager
        def stopping(self) -> Iterator[Callable[[], bool]]:
            if stop_asked is None:
                with heeding_signals(self._asked) as asked:
                    yield asked
            else:
                with handled_by(handlers):
                    yield stop_asked

        def announce(self, stage: str, table: str, rows: int) -> None:
            if on_event is not None:
                on_event(stage, table, rows)

    return Opened()
