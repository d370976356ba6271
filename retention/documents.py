"""Reading YAML documents into strict models, with errors that name file, line and key.

The policy table, the catalogue and the settings are all read here. What the models
mean does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from retention.errors import ConfigurationError


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Place = tuple[str | int, ...]

_WANTED = {
    "list_type": "a list is wanted",
    "tuple_type": "a list is wanted",
    "dict_type": "keys with values are wanted",
    "model_type": "keys with values are wanted",
}
"""What YAML calls a thing, where pydantic names a type of Python."""

_QUICK: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's own packages bring libyaml; where a system's lacks it, Python reads."""


class Misplaced(ValueError):
    """A fault that a validator found further down than where it stands.

    ``place`` is the way from the validated model down to the fault.
    """

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


M = TypeVar("M", bound=BaseModel)


def read_document(path: Path, model: type[M]) -> M:
    """Read the YAML file at ``path`` as a ``model``.

    Raises:
        ConfigurationError: the file is missing, is not YAML, has a key twice, or does not
            fit the model. Every fault is named with file, line and dotted key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot be read: {reason}") from error
    data, lines = _parse(path, text)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(list(_problems(path, error, lines))) from None


def place_problems(path: Path, problems: Iterable[tuple[Place, str]]) -> list[str]:
    """Faults found after a document was read, each as ``file:line: key: what is wrong``."""
    _, lines = _parse(path, path.read_text(encoding="utf-8"))
    return [
        f"{path}:{lines.get(_known_place(place, lines), 1)}: {_dotted(place)}: {problem}"
        for place, problem in problems
    ]


def _parse(path: Path, text: str) -> tuple[Any, dict[Place, int]]:
    """The document's data, and the line of each of its places.

    libyaml is ten times as fast as the parser in Python, but puts faults in words that depend
    on its release: what it refuses is read again in Python, and refused in those words.
    """
    try:
        return _read(path, text, _QUICK)
    except (yaml.YAMLError, ValueError):
        pass
    try:
        return _read(path, text, yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise ConfigurationError(f"{path}:{line}: not valid YAML: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{path}:1: not valid YAML: {error}") from None


def _read(
    path: Path, text: str, kind: type[yaml.SafeLoader | yaml.CSafeLoader]
) -> tuple[Any, dict[Place, int]]:
    loader = kind(text)
    try:
        root = loader.get_single_node()
        lines: dict[Place, int] = {}
        if root is None:
            raise ConfigurationError(f"{path}:1: the file is empty")
        _note_lines(path, root, (), lines)
        return loader.construct_document(root), lines
    finally:
        loader.dispose()


def _note_lines(
    path: Path,
    node: yaml.Node,
    place: Place,
    lines: dict[Place, int],
    above: frozenset[int] = frozenset(),
) -> None:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise ConfigurationError(f"{path}:{line}: {_dotted(place)}: an alias inside its own anchor")
    above = above | {id(node)}
    lines.setdefault(place, line)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            line = key.start_mark.line + 1
            if name in seen:
                raise ConfigurationError(f"{path}:{line}: {_dotted((*place, name))}: given twice")
            seen.add(name)
            lines[(*place, name)] = line
            _note_lines(path, value, (*place, name), lines, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(path, value, (*place, index), lines, above)


def _problems(path: Path, error: ValidationError, lines: dict[Place, int]) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        cause = fault.get("ctx", {}).get("error")
        further = cause.place if isinstance(cause, Misplaced) else ()
        place = _known_place((*fault["loc"], *further), lines)
        message = _WANTED.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        if fault["type"] == "extra_forbidden":
            message = "unknown key"
        elif fault["type"] == "missing":
            message = f"key '{fault['loc'][-1]}' is required"
        yield f"{path}:{lines.get(place, 1)}: {_dotted(place) or 'document'}: {message}"


def _known_place(location: Place, lines: dict[Place, int]) -> Place:
    """Drop what pydantic adds (union tags, ``[key]``) and what is absent from the file.

    A tag can be called as a key beside it is: of several ways to read the location, the one
    that leads furthest down, and if several do the one that goes on to its end.
    """
    places: list[Place] = [()]
    for part in location:
        further = [(*place, name) for place in places for name in (part, str(part))]
        places += [place for place in further if place in lines and place not in places]
    return max(reversed(places), key=len)


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
