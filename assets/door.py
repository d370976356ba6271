"""How an asset gets at the engine, and how the engine's errors leave it.

Whatever is raised in a step ends up in Dagster's event log. The engine's own errors are safe
to show; any other may quote a row, so only its kind and its place are passed on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from typing import Protocol

import dagster as dg

from retention.catalogue.drift_report import DriftReport
from retention.errors import LeaseHeld, RetentionError
from retention.execution.reporting import find_run
from retention.execution.run import end, resume
from retention.execution.work import Stopped, Work
from retention.installation import Installation
from retention.unexpected import EXIT_CODE as UNEXPECTED
from retention.unexpected import unexpected_text

EXIT_CODE = "exit_code"
"""The metadata key under which a failure says what the command line would exit with."""

_LOG_EVERY_SECONDS = 10.0


class Door(Protocol):
    """The resource ``retention``: the one place where Dagster's side meets the engine."""

    plan_digest: str | None
    """The digest of the plan that this run is to execute; any plan where it is ``None``."""

    def installation(self) -> Installation: ...
    def now(self) -> datetime: ...
    def today(self) -> date: ...
    def day(self) -> date: ...
    def drift(self, system: str) -> DriftReport: ...
    def stopping(self) -> AbstractContextManager[Callable[[], bool]]: ...
    def announce(self, stage: str, table: str, rows: int) -> None: ...


def failure(error: RetentionError) -> dg.Failure:
    """The engine's error as Dagster shows it: one line, not retried."""
    return dg.Failure(
        description=str(error), metadata={EXIT_CODE: error.exit_code}, allow_retries=False
    )


def unexpected(error: BaseException) -> dg.Failure:
    """Kind and place of an error whose text may hold values of rows, and not its text."""
    return dg.Failure(
        description=unexpected_text(error), metadata={EXIT_CODE: UNEXPECTED}, allow_retries=False
    )


@contextmanager
def safe_errors() -> Iterator[None]:
    """Let nothing but a ``dg.Failure`` with a safe text out of a step."""
    try:
        yield
    except dg.Failure:
        raise
    except RetentionError as error:
        raise failure(error) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not be shown
        raise unexpected(error) from None


@contextmanager
def at_work(context: dg.AssetExecutionContext, door: Door, stage: str) -> Iterator[Work]:
    """The run that ``plan`` began, taken up for one step.

    An error closes the run's ledger, as ``run_all`` does; one that nobody foresaw only gives
    the lease back, and the next run repairs what is unfinished.
    """
    with safe_errors(), door.stopping() as stop_asked:
        installation = door.installation()
        found = find_run(installation.stores.control, context.run.run_id)
        if found is None:
            raise dg.Failure(
                description="no plan was made in this run: launch the job 'daily_retention' as a"
                " whole; it goes on where an earlier run broke off",
                metadata={EXIT_CODE: 2},
                allow_retries=False,
            )
        work = resume(installation, found.run_id, found.plan_digest, door.now)
        work.progress = chunk_log(context, door)
        work.stop_asked = stop_asked
        door.announce(stage, _table(context), 0)
        try:
            work.between_chunks()
            yield work
        except (LeaseHeld, dg.Failure):
            raise
        except Stopped as stopped:
            end(work, str(stopped), status="stopped")
            raise dg.DagsterExecutionInterruptedError(str(stopped)) from None
        except RetentionError as error:
            end(work, str(error), status="failed")
            raise
        except BaseException:
            work.lease.release()
            raise


def chunk_log(context: dg.AssetExecutionContext, door: Door) -> Callable[[str, str, int], None]:
    """Report each chunk at the door, and now and then in Dagster's log."""
    last = time.monotonic()
    rows_since = 0

    def report(stage: str, table: str, rows: int) -> None:
        nonlocal last, rows_since
        door.announce(stage, table, rows)
        rows_since += rows
        if time.monotonic() - last >= _LOG_EVERY_SECONDS:
            context.log.info("%s %s: %s more rows", stage, table, rows_since)
            last, rows_since = time.monotonic(), 0

    return report


def _table(context: dg.AssetExecutionContext) -> str:
    return ".".join(context.asset_key.path[1:])
