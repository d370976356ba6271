"""What an audit has found wrong with a release.

A finding can be logged, shown and kept: it names a check, a column, counts and shares, never
a value of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Figure = float | int | str
"""A number, or a word of the declaration (a column, a cube, a level)."""


@dataclass(frozen=True)
class Finding:
    """One fault of a release. A check that finds nothing returns no finding."""

    check: str
    """The check's name, such as ``leaks.undeclared_columns``."""
    problem: str
    """A plain sentence."""
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))

    def __reduce__(self) -> tuple[type[Finding], tuple[str, str, dict[str, Figure]]]:
        # A mapping proxy cannot be pickled; processes hand findings to each other.
        return Finding, (self.check, self.problem, dict(self.figures))

    def __str__(self) -> str:
        figures = ", ".join(f"{name} = {value}" for name, value in self.figures.items())
        return f"{self.check}: {self.problem}" + (f" ({figures})" if figures else "")
