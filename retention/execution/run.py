"""A run from its beginning to its end: plan, guards, stages, ledger.

Dagster calls the pieces step by step; ``run_all`` calls them in order in one process.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal
from uuid import uuid4

from retention import ledger
from retention.catalogue.drift import check_system, stopped_tables
from retention.catalogue.model import TableName
from retention.errors import ConfigurationError, RetentionError, RunFailed, SourceError, StoreError
from retention.execution.aim import POLICY, Aim
from retention.execution.archive_stage import archive_table
from retention.execution.chunks import Status
from retention.execution.counting import redeclared
from retention.execution.delete_stage import delete_table
from retention.execution.expiry_stage import expire_archive
from retention.execution.guards import (
    check_approval,
    check_day,
    load_plan,
    save_plan,
    too_much_in_review,
)
from retention.execution.in_place_stage import change_in_place
from retention.execution.journal import Journal
from retention.execution.reassessing import reassess
from retention.execution.recovery import recover
from retention.execution.work import Clock, Stopped, Work
from retention.holds import refresh
from retention.installation import Installation
from retention.lease import Lease, process_alive
from retention.planning.daily import make_plan
from retention.planning.plan import Plan
from retention.settings import Mode

Stage = Literal["archive", "pseudonymise", "delete"]

STAGES: dict[Stage, Callable[[Work, TableName], Counter[str]]] = {
    "archive": archive_table,
    "pseudonymise": change_in_place,
    "delete": delete_table,
}
"""The three repeatable stages, in order."""


Planner = Callable[[dict[TableName, str]], Plan]


def new_run_id() -> str:
    """A fresh opaque id."""
    return uuid4().hex


def plan_day(
    installation: Installation,
    as_of: date,
    *,
    waiting: dict[TableName, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Plan:
    """The plan for a day, with every owner tree left out that is not fit to be touched."""
    stopped = unfit_or_waiting(installation, waiting or {})
    plan = make_plan(installation, as_of, stopped=stopped, progress=progress)
    reasons = dict(plan.stopped)
    for table, reason in too_much_in_review(plan, installation.settings).items():
        reasons |= {str(name): reason for name in installation.catalogue.tree_of(TableName(table))}
    for table, reason in plan.stopped.items():
        reasons |= {
            str(name): reasons.get(str(name), reason) for name in _tree(installation, table)
        }
    items = tuple(item for item in plan.items if item.table not in reasons)
    return plan.model_copy(update={"stopped": reasons, "items": items})


def unfit_or_waiting(
    installation: Installation, waiting: Mapping[TableName, str]
) -> dict[TableName, str]:
    """The tables whose owner tree must not be touched: those ``waiting`` for a repair too."""
    stopped = unfit(installation)
    for name, reason in waiting.items():
        stopped |= dict.fromkeys(installation.catalogue.tree_of(name), reason)
    return stopped


def _tree(installation: Installation, table: str) -> set[TableName]:
    """The owner tree of a table; empty for what is no governed table."""
    if table not in dict(installation.catalogue.tables()):
        return set()
    return installation.catalogue.tree_of(TableName(table))


def unfit(installation: Installation) -> dict[TableName, str]:
    """The tables whose owner tree must not be touched, and why: drift, or out of reach."""
    stopped: dict[TableName, str] = {}
    for system in installation.catalogue.systems:
        try:
            findings = check_system(installation.sources, installation.catalogue, system)
        except SourceError as error:
            names = [name for name, _ in installation.catalogue.tables()]
            stopped |= {n: str(error) for n in names if n.partition(".")[0] == system}
            continue
        stopped |= stopped_tables(installation.catalogue, findings)
        # what nobody governs belongs to no owner tree: it stops none, yet the run must fail
        stopped |= {
            TableName(finding.place): f"{finding.place}: {finding.problem}"
            for finding in findings
            if finding.table is None and finding.severity == "error"
        }
    for table, reason in redeclared(installation).items():
        stopped |= dict.fromkeys(installation.catalogue.tree_of(table), reason)
    return stopped


def acquire_lease(installation: Installation, run_id: str, clock: Clock) -> Lease:
    """Take the one lease for writing, or go on with it where the run has it already.

    Raises:
        LeaseHeld: another run has it.
    """
    return Lease.acquire(
        installation.stores.control,
        holder=run_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        now=clock(),
        seconds=installation.settings.lease_seconds,
        alive=process_alive,
    )


def begin(
    installation: Installation,
    as_of: date,
    *,
    today: date,
    clock: Clock,
    run_id: str,
    expected: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    aim: Aim = POLICY,
    planner: Planner | None = None,
    lease: Lease | None = None,
) -> Work:
    """Start a run: lease, repair of what earlier runs left, plan, guards.

    ``expected`` is the digest of the plan the caller wants executed. ``aim`` and ``planner``
    (from the tables that must not be touched, with reasons, to a plan) are a request's; by
    default the policy of the day is planned. A ``lease`` that is given is held already.

    Raises:
        ConfigurationError: the day, or another digest than expected. LeaseHeld: another run
            is at work. ApprovalNeeded: the plan must be approved first. Nothing of the plan
            has been touched then.
    """
    check_day(installation, as_of, today)
    lease = lease or acquire_lease(installation, run_id, clock)
    try:
        journal = Journal(installation.stores.control, installation.keyring, run_id)
        work = Work(installation, _empty(installation, as_of), journal, lease, clock)
        waiting: dict[TableName, str] = {}
        if installation.settings.mode is Mode.execute:
            check_master_key(installation)
            check_ledger(installation)
            _, waiting = recover(work)
            refresh(installation)
            reassess(installation, as_of)
        if planner is None:
            plan = plan_day(installation, as_of, waiting=waiting, progress=progress)
        else:
            plan = planner(unfit_or_waiting(installation, waiting))
        save_plan(installation.stores.control, plan, clock())
        if expected and plan.digest != expected:
            raise ConfigurationError(
                f"the plan for {as_of} is {plan.digest}, not {expected}: policy, catalogue or "
                "day differ; look at it with 'retention plan'"
            )
        if installation.settings.mode is Mode.execute:
            check_approval(installation, plan)
        journal.begin_run(plan, installation.settings.mode, clock())
        journal.stop_by_table(plan.stopped)
    except RetentionError:
        lease.release()
        raise
    return Work(installation, plan, journal, lease, clock, aim=aim)


def check_master_key(installation: Installation) -> None:
    """The master key must be the one that earlier runs used, or nothing could be found again.

    The first run seals a value under it.

    Raises:
        StoreError: it is another.
    """
    installation.keyring.ensure_units([hashlib.sha256(b"retention master key").hexdigest()])


def check_ledger(installation: Installation) -> None:
    """The ledger must be whole before anything is added to it.

    Raises:
        StoreError: an entry was changed or removed, or the exported head is not in it.
    """
    head = installation.settings.ledger_head
    path = installation.settings.path(head) if head else None
    if path is not None and not path.exists():
        path = None
    problem = ledger.verify(installation.stores.control, path).problem
    if problem:
        raise StoreError(f"the ledger is not sound, nothing was touched: {problem}")


def resume(installation: Installation, run_id: str, digest: str, clock: Clock) -> Work:
    """Take up a run that ``begin`` started, for one more of its steps."""
    lease = acquire_lease(installation, run_id, clock)
    journal = Journal(installation.stores.control, installation.keyring, run_id)
    plan = load_plan(installation.stores.control, digest)
    return Work(installation, plan, journal, lease, clock)


def _empty(installation: Installation, as_of: date) -> Plan:
    return Plan(
        as_of=as_of,
        policy=installation.policy.policy,
        policy_digest=installation.policy.digest(as_of),
        catalogue_digest="",
        predicates={},
        tables=(),
        items=(),
    )


def tables_to_do(work: Work) -> list[TableName]:
    """The tables of a run, owned ones before their owners; none where it only observes."""
    if work.installation.settings.mode is Mode.observe:
        return []
    return work.installation.catalogue.clocked_tables()


def do_stage(work: Work, stage: Stage, name: TableName) -> Counter[str]:
    """One stage of one table. A source's failure stops its owner tree, and only that.

    Returns the stage's counts; empty where the table is stopped (``Journal.stopped``).

    Raises:
        StoreError, LeaseHeld, Stopped: the whole run has to stop.
    """
    if name in work.journal.stopped() or work.installation.settings.mode is Mode.observe:
        return Counter()
    try:
        return STAGES[stage](work, name)
    except (SourceError, ValueError) as error:
        reason = str(error) if isinstance(error, SourceError) else f"{name}: {error}"
        work.journal.stop_tables(work.installation.catalogue.tree_of(name), reason)
        return Counter()


def end(work: Work, note: str | None = None, *, status: Status | None = None) -> dict[str, str]:
    """Close the ledger of the run, export its head, and let the lease go.

    Returns the tables that were stopped, and why; the run then counts as failed.
    """
    stopped = work.journal.stopped()
    if status is None:
        status = "failed" if stopped else "done"
    work.journal.close_transitions(work.journal.run_id, work.as_of, work.clock())
    reason = note or next(iter(stopped.values()), None)
    work.journal.close_run(work.journal.run_id, status, reason, work.clock())
    head = work.installation.settings.ledger_head
    if head is not None:
        ledger.export_head(work.installation.stores.control, work.installation.settings.path(head))
    work.lease.release()
    return stopped


def run_all(work: Work) -> None:
    """Every stage of every table, then the archive's expiry, then the ledger.

    A table that fails stops its owner tree; the others go on.

    Raises:
        RunFailed: a tree was stopped. Stopped: a stop was asked for.
    """
    try:
        for name in tables_to_do(work):
            for stage in STAGES:
                do_stage(work, stage, name)
        if work.installation.settings.mode is Mode.execute:
            expire_archive(work)
    except Stopped as asked:
        end(work, str(asked), status="stopped")
        raise
    except RetentionError as error:
        end(work, str(error), status="failed")
        raise
    stopped = end(work)
    if stopped:
        raise RunFailed(failure_text(work, stopped))


def failure_text(work: Work, stopped: Mapping[str, str]) -> str:
    """One line that says how many owner trees were stopped, and the first reason."""
    trees = {
        frozenset(_tree(work.installation, name)) or frozenset({TableName(name)})
        for name in stopped
    }
    first = next(iter(stopped.values()))
    return f"{len(trees)} owner tree(s) were stopped, the others went on; the first: {first}"
