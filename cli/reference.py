"""``python -m cli.reference``: writes ``docs/cli.md`` from the commands themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

from typer.main import get_command

from cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

OPENING = """\
# The command line

<!-- Written by `python -m cli.reference` from the commands themselves: change those. -->
"""


def reference() -> str:
    """The whole page, in Markdown."""
    return "\n".join([OPENING, *_described("retention", get_command(app))]).rstrip() + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Each command and group by its full name, in the order of ``--help``."""
    yield from _walk("retention", get_command(app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child in getattr(command, "commands", {}).values():
        yield from _walk(f"{name} {child.name}", child)


def _described(root: str, command: Any) -> Iterator[str]:
    for name, item in _walk(root, command):
        yield f"## `{name}`\n"
        yield f"    {_usage(name, item)}\n"
        yield f"{cleandoc(item.help or '')}\n"
        rows = [row for param in item.params if (row := _row(param))]
        if rows:
            yield "| argument or option | default | what it is |"
            yield "| --- | --- | --- |"
            yield from rows
            yield ""


def _usage(name: str, item: Any) -> str:
    parts = [name]
    options = [param for param in item.params if param.param_type_name == "option"]
    if [param for param in options if not param.required]:
        parts.append("[OPTIONS]")
    parts += [_spelled(param.opts[-1:], param) for param in options if param.required]
    for param in item.params:
        if param.param_type_name == "argument":
            parts.append(f"{_called(param)}{'...' if param.nargs == -1 else ''}")
    if getattr(item, "commands", None):
        parts.append("COMMAND")
    return " ".join(parts)


def _spelled(names: Sequence[str], param: Any) -> str:
    """An option as it is typed: with its value, or with its opposite."""
    if param.is_flag:
        return " / ".join([", ".join(names), *param.secondary_opts])
    return f"{', '.join(names)} {param.metavar or 'TEXT'}"


def _called(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _row(param: Any) -> str | None:
    if getattr(param, "hidden", False) or param.name == "help":
        return None
    is_argument = param.param_type_name == "argument"
    name = _called(param) if is_argument else _spelled(param.opts, param)
    default = "required" if param.required else _default(param)
    return f"| `{_escaped(name)}` | {default} | {_escaped(param.help or '')} |"


def _default(param: Any) -> str:
    if param.default is None or param.default is False:
        return ""
    return str(param.default)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {sum(1 for _ in commands())} commands\n")


if __name__ == "__main__":
    main()
