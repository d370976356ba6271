"""What the tests of releases share: a demonstration run day by day, and its rows as they were."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from demo.write import write_demo
from retention.catalogue.model import read_catalogue
from retention.catalogue.sources import Sources
from retention.errors import RunFailed
from retention.execution import run
from retention.installation import Installation, open_installation
from retention.keys import Keyring, read_master_key
from retention.policy.calendar import zone
from retention.policy.table import read_policy
from retention.releases.auditing import CheckResult, audit, checks_of, record_audit
from retention.releases.building import build, declaration_folder
from retention.releases.built import Built, Published
from retention.releases.model import Releases
from retention.releases.parts import Making
from retention.releases.publishing import publish
from retention.releases.reading import declared_releases
from retention.review import review_cases
from retention.settings import read_settings
from retention.stores.open import open_stores

AS_OF = date(2026, 11, 24)


_TICKS = itertools.count()
_READ: dict[tuple[str, ...], Any] = {}


def _once(read: Callable[[Path], Any], path: Path, *more: Path) -> Any:
    """A document read, once for all copies that are alike: YAML is slow to read."""
    key = (read.__qualname__, *(item.read_text(encoding="utf-8") for item in (path, *more)))
    if key not in _READ:
        _READ[key] = read(path)
    return _READ[key]


def clock_on(day: date) -> Callable[[], datetime]:
    """A clock that goes a millisecond on whenever it, or another one, is looked at."""
    start = datetime.combine(day, time(8), tzinfo=UTC)
    return lambda: start + timedelta(milliseconds=next(_TICKS))


@dataclass
class Statistics:
    """A demonstration, its releases, and what its sources held before anything ran."""

    folder: Path
    before: dict[str, pd.DataFrame] = field(default_factory=dict)
    runs: Iterator[int] = field(default_factory=itertools.count)

    @property
    def config(self) -> Path:
        return self.folder / "retention.yaml"

    @contextmanager
    def opened(self) -> Iterator[Installation]:
        """The installation; stores are migrated at the first opening only, which takes long."""
        if not (self.folder / "stores" / "control.sqlite").exists():
            open_installation(self.config, {}).close()
        settings = read_settings(self.config, {})
        policy = _once(read_policy, settings.path(settings.policy))
        catalogue = _once(read_catalogue, settings.path(settings.catalogue))
        stores = open_stores(settings)
        sources = Sources(catalogue, zone(policy.time_zone), settings.address)
        keyring = Keyring(read_master_key(settings), stores.keys)
        installation = Installation(settings, policy, catalogue, sources, stores, keyring)
        try:
            yield installation
        finally:
            installation.close()

    def copied(self, folder: Path) -> Statistics:
        """The same as it stands now, in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Statistics(folder, self.before)

    def declare(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the declaration of releases."""
        self._change("statistics.yaml", change)

    def catalogue(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the catalogue."""
        self._change("catalogue.yaml", change)

    def settings(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the settings."""
        self._change("retention.yaml", change)

    def _change(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / name
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(
            yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )

    def table(self, name: str) -> pd.DataFrame:
        """A source table as it stands now."""
        system, _, table = name.partition(".")
        with sqlite3.connect(self.folder / f"{system}.sqlite") as connection:
            found = pd.read_sql_query(f"SELECT * FROM {table}", connection)
        connection.close()
        return found

    def execute(self, system: str, statement: str, *values: object) -> None:
        """What another program does to a source."""
        with sqlite3.connect(self.folder / f"{system}.sqlite") as connection:
            connection.execute(statement, values)
        connection.close()

    # --- the daily run -----------------------------------------------------------------

    def run_day(self, installation: Installation, day: date) -> None:
        """One whole daily run; trees that cannot be decided on stop, the others go on."""
        clock = clock_on(day)
        work = run.begin(
            installation, day, today=day, clock=clock, run_id=f"run-{day}-{next(self.runs)}"
        )
        try:
            run.run_all(work)
        except RunFailed:
            raise AssertionError("a tree was stopped") from None

    def undecided(self, installation: Installation, table: str) -> set[Any]:
        """The keys of a table's rows that are in review."""
        return {case.key[0] for case in review_cases(installation) if case.table == table}

    # --- releases ----------------------------------------------------------------------

    def releases(self, installation: Installation) -> Releases:
        def read(_: Path) -> Releases:
            found = declared_releases(installation)
            assert found is not None
            return found

        return _once(read, self.folder / "statistics.yaml", self.folder / "catalogue.yaml")

    def making(self, installation: Installation, release: str, day: date) -> Making:
        folder = declaration_folder(installation)
        return Making(installation, folder, release, f"{day:%Y-%m}", day)

    def build(self, installation: Installation, release: str, day: date) -> Built:
        return build(
            installation,
            self.releases(installation),
            release,
            day,
            clock=clock_on(day),
            run_id=f"build-{next(self.runs)}",
        )

    def audited(self, installation: Installation, built: Built, *, passed: bool = True) -> None:
        """Audit a build and record the outcome, which must be ``passed``."""
        releases = self.releases(installation)
        report = audit(installation, releases, built)
        red = {r.check: [str(f) for f in r.findings] for r in report.results if not r.passed}
        assert report.passed is passed, red
        recorded = record_audit(
            installation, releases, built, report.results, clock_on(built.as_of)()
        )
        assert recorded is passed

    def waved_through(self, installation: Installation, built: Built) -> None:
        """Record an audit that passed without attacking anything: for what comes after it."""
        releases = self.releases(installation)
        wanted = checks_of(releases.releases[built.release])
        results = tuple(CheckResult(name, passed=True) for name in wanted)
        assert record_audit(installation, releases, built, results, clock_on(built.as_of)())

    def publish(self, installation: Installation, built: Built) -> Published:
        return publish(
            installation,
            self.releases(installation),
            built,
            clock=clock_on(built.as_of),
            run_id=f"publish-{next(self.runs)}",
        )

    def release(self, installation: Installation, name: str, day: date) -> Published:
        """Build and publish, the audit waved through."""
        built = self.build(installation, name, day)
        self.waved_through(installation, built)
        return self.publish(installation, built)


def make_statistics(folder: Path, people: int) -> Statistics:
    """A demonstration of so many people that nothing was done to yet."""
    write_demo(folder, people=people, as_of=AS_OF, seed=3)
    made = Statistics(folder)
    for table in ("crm.customers", "crm.orders", "crm.invoices", "marketing.prospects",
                  "web.connections"):  # fmt: skip
        made.before[table] = made.table(table)
    return made
