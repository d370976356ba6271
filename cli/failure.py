"""How a command fails: one line for each fault on standard error, and an exit code.

A ``RetentionError`` is safe to print. Of any other exception only the type is shown, since
a driver's message may quote rows.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

from retention.errors import ConfigurationError, RetentionError

if TYPE_CHECKING:
    from pipelines.launch import LaunchResult, StatisticsResult

UNEXPECTED = 70
"""The exit code of a fault of the program itself (``EX_SOFTWARE``)."""


def warn(line: str) -> None:
    """One line on standard error."""
    text = " ".join(line.split())
    sys.stderr.write(f"retention: {text}\n")
    sys.stderr.flush()


def exit_unless(result: LaunchResult | StatisticsResult) -> None:
    """After a run that failed: a line for each failure, and the run's exit code."""
    if result.success:
        return
    for failure in result.failures or ("the run failed; Dagster's log says more",):
        warn(failure)
    raise typer.Exit(result.exit_code or 1)


class Command(TyperGroup):
    """The program: runs a command and turns what it raises into lines and an exit code."""

    def invoke(self, ctx: typer.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RetentionError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            _fail(error)
        except (typer.Exit, typer.Abort, EOFError):
            raise
        except Exception as error:
            if hasattr(error, "format_message") or isinstance(error, BrokenPipeError):
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            warn(
                f"unexpected {type(error).__name__}; 'retention --debug …' shows where "
                "(a traceback may quote data)"
            )
            raise typer.Exit(UNEXPECTED) from None

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        extra["standalone_mode"] = False
        try:
            code = super().main(args=args, prog_name=prog_name or "retention", **extra)
        except (typer.Exit, typer.Abort) as error:
            code = getattr(error, "exit_code", 1)
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            code = _misused(error)
        if code == 130:
            warn("interrupted")
        sys.exit(code if isinstance(code, int) else 0)


def _fail(error: RetentionError) -> NoReturn:
    lines = error.problems if isinstance(error, ConfigurationError) else (str(error),)
    for line in lines:
        warn(line)
    raise typer.Exit(error.exit_code) from None


def _misused(error: Any) -> int:
    """A command line that cannot be read: what is wrong with it, and where help is."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if message and context is not None:
        warn(f"{message} (try '{context.command_path} --help')")
    elif message:
        warn(message)
    return int(getattr(error, "exit_code", 2))
