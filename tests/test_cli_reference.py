"""The commands' help and ``docs/cli.md``: nothing is undocumented, nothing is out of date."""

from __future__ import annotations

from typing import Any

import pytest

from cli.reference import PAGE, commands, reference
from tests.cli_support import call

COMMANDS = dict(commands())
LEAVES = {name: c for name, c in COMMANDS.items() if not getattr(c, "commands", None)}
EXPECTED = {
    "demo", "check", "decide", "plan", "run", "approve", "explain", "forecast", "hold add",
    "hold list", "hold release", "review list", "review resolve", "ledger verify", "policy show",
}  # fmt: skip


def test_every_command_that_was_asked_for_is_there() -> None:
    assert {f"retention {name}" for name in EXPECTED} <= set(LEAVES)


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m cli.reference"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_parameters_is_described(name: str) -> None:
    command: Any = COMMANDS[name]
    assert command.help
    assert command.help.splitlines()[0].endswith((".", ":"))
    assert [param.name for param in command.params if not param.help] == []


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_speaks_json(name: str) -> None:
    assert "--json" in {opt for param in LEAVES[name].params for opt in param.opts}


@pytest.mark.parametrize("name", [name for name in LEAVES if name != "retention demo"])
def test_every_command_takes_a_configuration(name: str) -> None:
    assert "--config" in {opt for param in LEAVES[name].params for opt in param.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_shown_without_a_configuration(name: str) -> None:
    answer = call(*name.split()[1:], "--help")
    assert answer.code == 0
    assert f"Usage: {name}" in answer.out
