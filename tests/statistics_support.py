"""What the tests of releases share: a demonstration with a declaration small enough for tests."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.launch import StatisticsResult, run_statistics
from retention.execution.run import begin, new_run_id, run_all
from retention.installation import opened
from tests.dagster_support import AS_OF, Demo

MONTH = "2026-11"

DECLARATION = """\
statistics: for tests
releases:
  customers:
    label: Customers
    label_fr: Clients
    description: Customers and their orders.
    cubes:
      by_region:
        label: Customers by region and civility
        table: crm.customers
        accumulator: customers_by_region
        dimensions:
          - {name: region, column: postcode, rule: {kind: postcode}, level: region}
          - {name: civility, column: civility}
        margins: [[region], [civility], []]
        protection: {kind: threshold, threshold: 5, dominance: null}
      turnover:
        label: Orders by year
        table: crm.orders
        accumulator: turnover
        dimensions:
          - {name: ordered, column: ordered_at, rule: {kind: date}, level: year}
        measures:
          - {name: amount, column: amount, round: 10}
        margins: [[]]
        protection: {kind: threshold, threshold: 5}
    utility: {max_suppressed: 0.9, min_cells: 1}
  people:
    label: Prospects, one by one
    label_fr: Prospects, un par ligne
    microdata:
      rows:
        label: Prospects
        table: marketing.prospects
        quasi_identifiers:
          - {name: collected, column: collected_at, rule: {kind: date}, level: month}
          - {name: consented, column: consent_at, rule: {kind: date}, level: quarter}
        sensitive:
          - {name: source, column: source}
        models: {k: 5, l: 1.5, t: 0.4}
    utility: {max_suppressed: 0.9, min_cells: 1}
  audience:
    label: Audience
    label_fr: Audience
    cubes:
      by_month:
        label: Connections by month and device
        table: web.connections
        subject: [account_id, ip]
        dimensions:
          - {name: month, column: connected_at, rule: {kind: date}, level: month}
          - {name: device, column: user_agent, rule: {kind: user_agent}, level: device}
        margins: [[month]]
        protection:
          {kind: differential_privacy, epsilon: 1, max_cells: 2, max_rows: 5, period: month, reach: 2}
"""


def now() -> datetime:
    return datetime.now(UTC)


class StatisticsDemo(Demo):
    """A demonstration whose rows have moved for the day, with the declaration above."""

    def __init__(self, folder: Path, people: int) -> None:
        super().__init__(folder, people)
        # Whom the control group of the attacks holds follows from the key: the same in each test
        (folder / "master.key").write_text(base64.b64encode(bytes(range(32))).decode() + "\n")
        self.declare(DECLARATION)

    def declare(self, text: str) -> None:
        (self.folder / "statistics.yaml").write_text(text, encoding="utf-8")

    def table(self, database: str, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / database)) as connection:
            return connection.execute(query).fetchall()

    def run_the_day(self) -> None:
        """Rows leave for the archive, and the accumulators are filled; without Dagster."""
        with opened(self.config, {}) as installation:
            work = begin(installation, AS_OF, today=AS_OF, clock=now, run_id=new_run_id())
            run_all(work)

    def publish(self, *releases: str, as_of: date = AS_OF, **more: object) -> StatisticsResult:
        return run_statistics(self.config, {}, as_of=as_of, releases=releases, **more)  # type: ignore[arg-type]

    @property
    def statistics(self) -> Path:
        return self.folder / "statistics"

    def out(self, release: str) -> dict[str, bytes]:
        """The files of a release as readers find them."""
        folder = self.statistics / release / MONTH
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    def quarantined(self, release: str) -> Path:
        """The folder of the latest build of a release in quarantine."""
        builds = (self.folder / "quarantine" / release / MONTH).iterdir()
        return max(builds, key=lambda folder: folder.stat().st_mtime_ns)
