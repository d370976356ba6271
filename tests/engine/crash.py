"""A process that dies at a chosen boundary, and what another one finds afterwards.

A boundary is the moment before a statement, before a commit, or after it, on any engine: both
sources and all five stores. From the crash on nothing can be written any more, since a dead
process does not tidy up: ``finally`` blocks that try are refused too. Open transactions are
rolled back, as the database does when a connection breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from retention.execution.work import Work
from retention.installation import Installation
from retention.stores.open import STORE_NAMES
from tests.engine.lives import AS_OF
from tests.engine.small import LONG_AFTER, START, Small, stage_by_stage

EVERYWHERE = -1
"""Crash nowhere: only count."""


class Crash(BaseException):
    """The process is dead."""


@dataclass
class Crasher:
    """Counts boundaries and raises ``Crash`` at number ``at``, and at all later ones."""

    at: int = EVERYWHERE
    passed: int = 0
    dead: bool = False
    stage: str = "begin"
    places: list[str] = field(default_factory=list)
    """The stage of each boundary passed."""
    moments: list[int] = field(default_factory=list)
    """The boundaries right before a commit that changes something. Whatever happens between
    two of them is undone by the crash, so that these stand for all boundaries."""

    def boundary(self) -> None:
        if self.dead:
            raise Crash
        self.places.append(self.stage)
        if self.passed == self.at:
            self.dead = True
            raise Crash
        self.passed += 1

    def watch(self, engine: sa.Engine) -> None:
        """Count on ``engine``."""
        changed = False

        def before(
            _connection: Any, _cursor: Any, _text: Any, _values: Any, context: Any, *_: Any
        ) -> None:
            nonlocal changed
            self.boundary()
            changed |= bool(context and (context.isinsert or context.isupdate or context.isdelete))

        commit = engine.dialect.do_commit

        def watched(connection: Any) -> None:
            nonlocal changed
            if changed and not self.dead:
                self.moments.append(self.passed)
            self.boundary()
            commit(connection)
            changed = False
            self.boundary()

        sa.event.listen(engine, "before_cursor_execute", before)
        engine.dialect.do_commit = watched  # type: ignore[method-assign]

    def enter(self, stage: str, name: str, _work: Work) -> None:
        self.stage = f"{stage} {name}".strip()


@contextmanager
def watched(small: Small, crasher: Crasher) -> Iterator[Installation]:
    """The installation, opened, with every engine watched."""
    with small.reopened() as installation:
        for name in STORE_NAMES:
            engine = getattr(installation.stores, name)
            crasher.watch(engine)
        for system in installation.catalogue.systems:
            crasher.watch(installation.sources.engine(system))
        yield installation


def run_until(small: Small, at: int, *, as_of: date = AS_OF, attempt: int = 0) -> Crasher:
    """Run, and die at boundary ``at``. The n-th attempt comes when earlier leases are over."""
    crasher = Crasher(at)
    with watched(small, crasher) as installation:
        try:
            work = small.begin(installation, as_of, START + attempt * LONG_AFTER)
            stage_by_stage(work, before=crasher.enter)
        except Crash:
            pass
    return crasher


def count(small: Small, as_of: date = AS_OF, attempt: int = 0) -> Crasher:
    """Every boundary of a run that does not crash."""
    return run_until(small, EVERYWHERE, as_of=as_of, attempt=attempt)


def finish(small: Small, attempt: int, as_of: date = AS_OF) -> None:
    """Run once more, to the end."""
    small.run(as_of, start=START + attempt * LONG_AFTER)
