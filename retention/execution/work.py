"""What the stages of one run share: the installation, the day, the lease and the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from retention import merkle
from retention.catalogue.bound import BoundTable, LentAfar
from retention.catalogue.model import TableName
from retention.encoding import encode
from retention.errors import RetentionError
from retention.execution.aim import POLICY, Aim
from retention.execution.counting import Counting
from retention.execution.journal import Journal
from retention.holds import HeldRows, held_rows
from retention.installation import Installation
from retention.lease import Lease
from retention.planning.facts import Key
from retention.planning.judge import Candidates, Judged, Row, candidates, judge
from retention.planning.memory import remembered
from retention.planning.plan import Plan, Transition

Clock = Callable[[], datetime]


class Stopped(RetentionError):
    """A person asked the run to stop; it stopped between two chunks and can go on later."""


@dataclass
class Work:
    """One run at work."""

    installation: Installation
    plan: Plan
    journal: Journal
    lease: Lease
    clock: Clock
    stop_asked: Callable[[], bool] = lambda: False
    progress: Callable[[str, str, int], None] = lambda _stage, _table, _rows: None
    """Called after each chunk with the stage, the table and the rows done in it."""
    pause: Callable[[float], None] = time.sleep
    aim: Aim = POLICY
    """What the run is for: the policy of the day, or a person's request."""
    _bound: dict[TableName, Candidates] = field(default_factory=dict)
    _afar: dict[TableName, tuple[LentAfar, ...]] = field(default_factory=dict)
    _counting: Counting | None = None

    @property
    def as_of(self) -> date:
        return self.plan.as_of

    @property
    def chunk_rows(self) -> int:
        return self.installation.settings.chunk_rows

    def candidates(self, name: TableName) -> Candidates:
        """The candidates of a table, bound once a run."""
        if name not in self._bound:
            bound = self.installation.binder(self.as_of).bind(name)
            self._bound[name] = candidates(bound, self.as_of, self.installation.sources)
        return self._bound[name]

    def lent_afar(self, name: TableName) -> tuple[LentAfar, ...]:
        """What rows of ``name``'s tree hold for rows elsewhere, to be remembered of them.

        Of what a person's request takes out nothing is: it was not the policy that ended it.
        """
        if not self.aim.daily:
            return ()
        if name not in self._afar:
            self._afar[name] = self.installation.binder(self.as_of).lent_afar(name)
        return self._afar[name]

    @property
    def counting(self) -> Counting:
        """What works out what leaving rows add to the accumulators."""
        if self._counting is None:
            self._counting = Counting(self.installation)
        return self._counting

    def held(self) -> HeldRows:
        """Who is held now: asked anew for each chunk, since a hold can come at any time."""
        found = held_rows(self.installation)
        return replace(found, tokens=self.aim.held(found))

    def moving(self, name: TableName) -> sa.ColumnElement[bool]:
        """Rows of a table that may have to leave it."""
        return self.aim.moving(self.candidates(name))

    def judge(self, connection: Connection, bound: BoundTable, rows: Sequence[Row]) -> list[Judged]:
        """Decide on ``rows`` with all that is known now: evidence, memory, holds, the aim."""
        found = self.held()
        judged = judge(
            connection, bound, rows, self.as_of, self.installation.sources,
            found.keys(connection, bound, rows),
            remembered(self.installation, connection, bound, rows),
            found.frozen(connection, bound, rows),
        )  # fmt: skip
        return self.aim.decided(bound, judged)

    def between_chunks(self) -> None:
        """The only place where a run may stop: renews the lease, hears a request to stop.

        Raises:
            LeaseHeld: another run has taken the lease. Stopped: a stop was asked for.
        """
        self.lease.renew(self.clock())
        if self.stop_asked():
            raise Stopped(
                "the run was asked to stop and stopped between two chunks; run it again to go on"
            )

    def window_open(self, name: TableName) -> bool:
        """Whether the maintenance window of the table's system is open now."""
        pace = self.installation.settings.pace.get(name.partition(".")[0])
        if not self.aim.daily or pace is None or pace.window_from is None or pace.window_to is None:
            return True
        hour = self.clock().astimezone(self.installation.zone).hour
        if pace.window_from <= pace.window_to:
            return pace.window_from <= hour < pace.window_to
        return hour >= pace.window_from or hour < pace.window_to

    def allowance(self, table: str) -> int | None:
        """How many more rows of ``table`` may leave in this run; ``None`` means no quota."""
        backlog = self.installation.settings.backlog
        if backlog is None or not self.aim.daily:
            return None
        return max(0, backlog.daily_rows - self.journal.moved_on(self.as_of, table))

    def leaf(
        self,
        table: str,
        transition: Transition,
        key: Key,
        *,
        values: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    ) -> bytes:
        """The salted commitment to one row; with ``values``, to what it held before and after.

        Of these only keyed digests are committed to (POLICY.md: rectification).
        """
        digests = [self.installation.keyring.row_digest(side) for side in values or ()]
        salt = self.journal.salt(table, transition)
        return merkle.leaf(salt, encode([table, *key, *digests]))

    def pace(self, name: TableName, rows: int, seconds: float) -> None:
        """Keep to the system's rows a second by waiting after a chunk."""
        pace = self.installation.settings.pace.get(name.partition(".")[0])
        if pace and pace.rows_per_second:
            self.pause(max(0.0, rows / pace.rows_per_second - seconds))
