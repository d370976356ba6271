"""Closing a run whose process ended without saying so."""

from __future__ import annotations

import os
import socket

import sqlalchemy as sa

from retention.errors import LeaseHeld
from retention.execution.chunks import Status
from retention.execution.reporting import find_run
from retention.execution.run import end, resume
from retention.execution.work import Clock
from retention.installation import Installation
from retention.lease import Lease
from retention.stores import control
from retention.stores.open import reading


def close_broken(
    installation: Installation, run_id: str, clock: Clock, note: str, *, status: Status = "failed"
) -> str | None:
    """Close the ledger and give back the lease of a run that no process works on any more.

    A run with a chunk that is not finished keeps its ledger open: its rows must first be
    asked at the source, which the next run does before anything else. Repeatable.

    Returns what was done, in one line; ``None`` where there was nothing to do.
    """
    found = find_run(installation.stores.control, run_id)
    held = _has_lease(installation, run_id)
    if found is None or found.status != "running":
        if held:
            _release(installation, run_id, clock)
            return "its lease was given back"
        return None
    if _unfinished(installation, run_id):
        if held:
            _release(installation, run_id, clock)
        return "its lease was given back; the next run repairs the chunk it left and goes on"
    try:
        end(resume(installation, run_id, found.plan_digest, clock), note, status=status)
    except LeaseHeld:
        return None  # another run is at work: it has repaired this one before it began
    return "its ledger was closed and its lease given back"


def _has_lease(installation: Installation, run_id: str) -> bool:
    statement = sa.select(control.lease.c.epoch).where(control.lease.c.holder == run_id)
    with reading(installation.stores.control) as connection:
        return connection.execute(statement).first() is not None


def _release(installation: Installation, run_id: str, clock: Clock) -> None:
    Lease.acquire(
        installation.stores.control,
        holder=run_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        now=clock(),
        seconds=installation.settings.lease_seconds,
        alive=lambda _host, _pid: True,
    ).release()


def _unfinished(installation: Installation, run_id: str) -> bool:
    at = control.chunks.c
    statement = sa.select(at.chunk_id).where(
        at.run_id == run_id, at.state.in_(("open", "archived", "intended"))
    )
    with reading(installation.stores.control) as connection:
        return connection.execute(statement.limit(1)).first() is not None
