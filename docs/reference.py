"""``python docs/reference.py``: writes the reference pages from the models themselves.

``catalogue.md``, ``settings.md``, ``policy.md`` and ``statistics.md`` list every key of the four
documents a user writes. What a key means is its docstring in the model; ``reference_notes.yaml`` says
it where the name was thought to speak for itself. ``tests/test_docs.py`` fails where a page is out of date.
"""

# ruff: noqa: INP001 - a script beside the pages it writes

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from retention.catalogue.model import Catalogue
from retention.policy.calendar import Period
from retention.policy.table import Policy, Term
from retention.releases.model import Releases
from retention.settings import Settings

FOLDER = Path(__file__).resolve().parent

NOT_WRITTEN = {"Settings": {"folder", "environment"}, "Purpose": {"id", "financial_year_end"}}
"""Fields the program fills in itself."""

UNKNOWN = (
    "A key that is not listed here is an error, and so is one that is missing where *required* "
    "stands. Faults are named with file, line and key."
)

NOTES: dict[str, str] = yaml.safe_load(
    (Path(__file__).parent / "reference_notes.yaml").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Page:
    """One reference page."""

    file: str
    title: str
    opening: str
    root: type[BaseModel]


PAGES = (
    Page(
        "catalogue.md",
        "The catalogue",
        "`catalogue.yaml` says where personal data are: systems, tables, columns, and what each "
        "means. [Concepts](concepts.md) explains the words, [Add a source](how-to/add-a-source.md) "
        "how to write one; `demo/catalogue.yaml` is an example of everything. Data categories are "
        "names of the Fides taxonomy (`user.contact.email`), or the policy's own.",
        Catalogue,
    ),
    Page(
        "settings.md",
        "The settings",
        "`retention.yaml` describes one installation: where its files and stores are, and how "
        "bold it may be. The command line and Dagster find it by `RETENTION_CONFIG`.",
        Settings,
    ),
    Page(
        "policy.md",
        "The policy table",
        "The policy says how long each purpose may keep data, and which line of a notice or of "
        "law says so. [Change a duration](how-to/change-a-duration.md) shows how to edit it; "
        "`policies/callimedia.yaml` is the whole of one.",
        Policy,
    ),
    Page(
        "statistics.md",
        "The statistics",
        "`statistics.yaml` declares what is published of the data: anonymised releases, each with "
        "its privacy model. The settings name it (`statistics.declaration`); "
        "[Concepts](concepts.md) explains the words, `demo/statistics.yaml` is an example.",
        Releases,
    ),
)


def page(wanted: Page) -> str:
    """The whole page, in Markdown."""
    lines = [
        f"# {wanted.title}\n",
        "<!-- Written by `python docs/reference.py` from the models themselves: change those. -->\n",
        f"{wanted.opening}\n",
        f"{UNKNOWN}\n",
    ]
    for model in models(wanted.root):
        lines += [f"## {model.__name__}\n", f"{_about(model)}\n"]
        lines += ["| key | what it holds | default | what it is |", "| --- | --- | --- | --- |"]
        for name, field in _written(model):
            cells = (f"`{name}`", _type(field.annotation), _default(field), described(model, name))
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """``root`` and every model that can stand in it, in the order of their first mention."""
    found = [root]
    for model in found:  # grows while it is read
        for _, field in _written(model):
            found += [item for item in _models_in(field.annotation) if item not in found]
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _written(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys a user writes, with their fields."""
    left_out = NOT_WRITTEN.get(model.__name__, set())
    for name, field in model.model_fields.items():
        if name not in left_out:
            yield field.alias or name, field


def described(model: type[BaseModel], key: str) -> str:
    """What a key means: its docstring, or the note on it here.

    Raises:
        LookupError: there is neither.
    """
    for owner in model.__mro__:
        if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
            continue
        names = [name for name, field in owner.model_fields.items() if (field.alias or name) == key]
        texts = _docstrings(owner)
        for text in (NOTES.get(f"{owner.__name__}.{key}"), *(texts.get(name) for name in names)):
            if text:
                return text
    raise LookupError(f"{model.__name__}.{key}: neither a docstring nor a note says what it is")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The strings that stand below the fields in the class's source."""
    if not model.__module__.startswith("retention."):
        return {}
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = _plain(str(after.value.value))
    return found


def _about(model: type[BaseModel]) -> str:
    return _plain(inspect.cleandoc(model.__doc__ or ""))


def _plain(text: str) -> str:
    """A docstring as Markdown: single backquotes, one line a paragraph."""
    paragraphs = text.replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


_NAMES = {
    str: "text", int: "whole number", float: "number", Decimal: "number", bool: "true or false",
    Path: "path",
}  # fmt: skip


def _type(annotation: Any) -> str:
    """A type in words, as a writer of YAML understands it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        kinds = [_type(part) for part in parts if part is not NoneType]
        return " or ".join(dict.fromkeys(kinds))
    if origin is dict:
        inner = parts[1]
        always = NoneType in get_args(inner) or NoneType in get_args((get_args(inner) or (0,))[0])
        return f"by name: {_type(inner)}{' or `always`' if always else ''}"
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{item.value}`" for item in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if annotation is Period:
        return "duration"
    return _NAMES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, Term):
        return f"`{value.lasts}`"
    if isinstance(value, BaseModel):
        return "its defaults" if value.model_fields_set == set() else str(value)
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Write the pages."""
    for wanted in PAGES:
        (FOLDER / wanted.file).write_text(page(wanted), encoding="utf-8")
        sys.stdout.write(f"docs/{wanted.file}: {len(models(wanted.root))} models\n")


if __name__ == "__main__":
    main()
