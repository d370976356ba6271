"""The lease: the one lock on writing, for the Dagster job and the command line alike.

It is a row of the control store. Each change of holder raises its *epoch*; a holder that
slept through the end of its lease finds a higher epoch and must stop (``confirm``).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, and_, select, update

from retention.errors import LeaseHeld
from retention.stores.control import lease as table
from retention.stores.errors import store_errors
from retention.stores.open import reading
from retention.stores.sql import insert_if_absent

_NAME = "writer"
_FREE = ""
_ATTEMPTS = 5


def process_alive(host: str, pid: int) -> bool:
    """Whether the process runs. Of another host nothing is known: it counts as running."""
    if host != socket.gethostname():
        return True
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    try:
        # A process that has ended, and that its parent has not asked about yet, is no longer
        # at work. Where there is no /proc, the signal's answer stands.
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return True
    return not state or state[0] not in (b"Z", b"X")


@dataclass(frozen=True)
class Lease:
    """A lease that this process holds, until ``release`` or until another takes it over."""

    engine: Engine
    holder: str
    epoch: int
    seconds: int

    @classmethod
    def acquire(
        cls,
        engine: Engine,
        *,
        holder: str,
        host: str,
        pid: int,
        now: datetime,
        seconds: int,
        alive: Callable[[str, int], bool],
    ) -> Self:
        """Take the lease for ``seconds`` from ``now``.

        It is given when it is free or has lapsed, when ``holder`` has it already (its epoch
        then stays: the steps of one run share it), or when its holder's process ran on this
        ``host`` and is not ``alive``.

        Raises:
            LeaseHeld: another holder has it.
            StoreError: the control store cannot be read or written.
        """
        if not holder:
            raise ValueError("the holder of a lease has a name")
        until = now + timedelta(seconds=seconds)
        for _ in range(_ATTEMPTS):
            found = _read(engine)
            if found is not None and found.holder != holder and _taken(found, host, now, alive):
                break
            same = found is not None and found.holder == holder
            epoch = (0 if found is None else found.epoch) + (0 if same else 1)
            values: dict[str, Any] = {
                "holder": holder,
                "host": host,
                "pid": pid,
                "epoch": epoch,
                "acquired_at": found.acquired_at if same and found is not None else now,
                "expires_at": until,
            }
            if _write(engine, found, values):
                return cls(engine, holder, epoch, seconds)
        raise LeaseHeld(_explanation(found))

    def renew(self, now: datetime) -> None:
        """Prolong the lease to ``seconds`` after ``now``.

        Raises:
            LeaseHeld: another holder has taken it over.
        """
        change = (
            update(table)
            .where(self._ours())
            .values(expires_at=now + timedelta(seconds=self.seconds))
        )
        with store_errors("control"), self.engine.begin() as connection:
            count = connection.execute(change).rowcount
        if count != 1:
            self._lost()

    def confirm(self, connection: Connection | None = None) -> None:
        """Make sure that the lease is still ours, before something irrevocable.

        With ``connection`` on the control store the answer holds until its transaction ends:
        nobody can take the lease over in between.

        Raises:
            LeaseHeld: another holder has taken it over.
        """
        query = select(table.c.epoch).where(self._ours())
        with store_errors("control"):
            if connection is not None:
                found = connection.execute(query.with_for_update()).first()
            else:
                with reading(self.engine) as own:
                    found = own.execute(query).first()
        if found is None:
            self._lost()

    def release(self) -> None:
        """Give the lease back. Where another holds it by now, nothing happens."""
        with store_errors("control"), self.engine.begin() as connection:
            connection.execute(update(table).where(self._ours()).values(holder=_FREE))

    def shared(self) -> Lease:
        """The same lease for one of several pieces of work, which must not give it back."""
        return _Shared(self.engine, self.holder, self.epoch, self.seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _ours(self) -> Any:
        return and_(
            table.c.name == _NAME, table.c.holder == self.holder, table.c.epoch == self.epoch
        )

    def _lost(self) -> None:
        raise LeaseHeld(
            "this run has lost its lease and stops; " + _explanation(_read(self.engine))
        )


@dataclass(frozen=True)
class _Shared(Lease):
    def release(self) -> None:
        """Left to whoever acquired it."""


def at_work(
    engine: Engine,
    holder: str,
    *,
    host: str,
    now: datetime,
    alive: Callable[[str, int], bool],
) -> bool:
    """Whether ``holder`` has the lease and, as far as ``host`` can tell, still works.

    On this ``host`` the process decides, though its lease may have lapsed; of another host
    only the lease is known.

    Raises:
        StoreError: the control store cannot be read.
    """
    found = _read(engine)
    if found is None or found.holder != holder:
        return False
    return alive(found.host, found.pid) if found.host == host else found.expires_at > now


def busy(
    engine: Engine, *, host: str, now: datetime, alive: Callable[[str, int], bool]
) -> str | None:
    """Who has the lease now and when it ends, in one line; none where it could be acquired.

    Only to look before one leaps: the answer may be another a moment later.

    Raises:
        StoreError: the control store cannot be read.
    """
    found = _read(engine)
    if found is None or not _taken(found, host, now, alive):
        return None
    return _explanation(found)


def _taken(found: Row[Any], host: str, now: datetime, alive: Callable[[str, int], bool]) -> bool:
    """Whether somebody has the lease who is still there, as far as ``host`` can tell."""
    return not (
        found.holder == _FREE
        or found.expires_at <= now
        or (found.host == host and not alive(found.host, found.pid))
    )


def _read(engine: Engine) -> Row[Any] | None:
    with store_errors("control"), reading(engine) as connection:
        return connection.execute(select(table).where(table.c.name == _NAME)).first()


def _write(engine: Engine, found: Row[Any] | None, values: dict[str, Any]) -> bool:
    """Put ``values`` where the lease still is what was ``found``; of two writers one succeeds."""
    with store_errors("control"), engine.begin() as connection:
        if found is None:
            return insert_if_absent(connection, table, {"name": _NAME, **values}, ["name"])
        unchanged = [table.c[name] == value for name, value in found._mapping.items()]  # noqa: SLF001 - the public accessor of a Row
        return connection.execute(update(table).where(*unchanged).values(values)).rowcount == 1


def _explanation(found: Row[Any] | None) -> str:
    if found is None or found.holder == _FREE:
        return "the lease was free a moment ago and others are after it: try again"

    def text(at: datetime) -> str:
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    return (
        f"another run is at work since {text(found.acquired_at)} on {found.host}"
        f" (process {found.pid}): wait for it, or stop it; left alone, its lease ends"
        f" {text(found.expires_at)}"
    )
