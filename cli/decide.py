"""``retention decide``: decisions on facts from standard input, without any database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.door import Door, door
from cli.failure import warn
from cli.options import Config, Json

PACKAGED_POLICY = Path(__file__).resolve().parent.parent / "policies" / "callimedia.yaml"


def decide(
    ctx: typer.Context,
    *,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The policy table; by default the installation's, else CALLIMEDIA's own.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="An event or a key that is not known is an error.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Decide on facts given as JSON lines on standard input.

    A line has the keys id, as_of, purposes and events, and may have flags (legal_hold,
    restricted), location (active, pseudonymised, archive) and uncovered (true where data are
    held for which the policy has no duration); expected is passed over. For each line the answer is one line with id, phase, action, changes_on and live_purposes. A
    line that cannot be answered is named on standard error, the others are answered, and the
    exit code is 1. No database is needed. The answer is always JSON.
    """
    del as_json  # it writes nothing else
    if not answer(sys.stdin.buffer, policy_file(door(ctx, config), policy), strict=strict):
        raise typer.Exit(1)


def policy_file(at: Door, given: Path | None) -> Path:
    """The policy to use: the one given, else the installation's, else the packaged one.

    Raises:
        ConfigurationError: the installation's settings cannot be read.
    """
    if given is not None:
        return given
    if at.config is None:
        return PACKAGED_POLICY
    from retention.settings import read_settings

    settings = read_settings(at.config, at.environment)
    return settings.path(settings.policy)


def answer(lines: Iterable[bytes], policy_path: Path, *, strict: bool) -> bool:
    """Write one decision a line; return whether every line could be answered."""
    # No other command's start waits for these, nor this one's for SQLAlchemy.
    from cli.facts import BadLine, read_case
    from retention.policy.decide import decide as decide_on
    from retention.policy.table import read_policy

    policy = read_policy(policy_path)
    warned: set[str] = set()

    def doubt(problem: str) -> None:
        if strict:
            raise BadLine(problem.removesuffix(" is passed over"))
        if problem not in warned:
            warned.add(problem)
            warn(f"warning: {problem} (said once; --strict makes it an error)")

    sound = True
    for number, line in _numbered(lines):
        try:
            case = read_case(_text(line), policy, doubt)
            decision = decide_on(
                case.purposes,
                case.facts,
                case.as_of,
                location=case.location,
                held=case.held,
                uncovered=case.uncovered,
            )
        except UnicodeDecodeError:
            sound = _refuse(number, "it is not UTF-8 text")
        except (ValueError, OverflowError) as fault:
            plain = str(fault) if isinstance(fault, ValueError) else "a date is out of range"
            sound = _refuse(number, plain)
        else:
            sys.stdout.write(
                json.dumps(
                    {
                        "id": case.id,
                        "phase": decision.phase,
                        "action": decision.action,
                        "changes_on": decision.changes_on and decision.changes_on.isoformat(),
                        "live_purposes": list(decision.live_purposes),
                    }
                )
                + "\n"
            )
    return sound


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _text(line: bytes) -> str:
    return line.decode("utf-8")


def _refuse(number: int, fault: str) -> bool:
    sys.stdout.flush()  # so that answers and faults come in the order of the lines
    warn(f"line {number}: {fault}")
    return False
