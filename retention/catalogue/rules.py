"""How a column is generalised: the rules that accumulators and releases declare alike.

What a rule does is ``anonymizers.rules.declared``; here are its name and settings, as YAML has them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from retention.documents import Misplaced, StrictModel
from retention.errors import ConfigurationError

if TYPE_CHECKING:
    from anonymizers.rules.declared import Rule

EVERYTHING = "*"
"""The last level of every rule: it says nothing any more."""


class ValueRule(StrictModel):
    """The value as it is. Levels: value."""

    LEVELS: ClassVar[tuple[str, ...]] = ("value", EVERYTHING)
    kind: Literal["value"] = "value"
    values: tuple[str, ...] = ()
    """The values there are; any other is shown as `(unknown)`. By default there is no end of them."""

    @property
    def levels(self) -> tuple[str, ...]:
        return self.LEVELS


class DateRule(StrictModel):
    """Civil days in the policy's zone. Levels: day, month, quarter, year."""

    LEVELS: ClassVar[tuple[str, ...]] = ("day", "month", "quarter", "year", EVERYTHING)
    kind: Literal["date"]

    @property
    def levels(self) -> tuple[str, ...]:
        return self.LEVELS


class PostcodeRule(StrictModel):
    """French postcodes. Levels: postcode, department, region, country."""

    LEVELS: ClassVar[tuple[str, ...]] = ("postcode", "department", "region", "country", EVERYTHING)
    kind: Literal["postcode"]

    @property
    def levels(self) -> tuple[str, ...]:
        return self.LEVELS


class BandsRule(StrictModel):
    """Numbers in bands, given by their edges or equally wide. Levels: value, band."""

    LEVELS: ClassVar[tuple[str, ...]] = ("value", "band", EVERYTHING)
    kind: Literal["bands"]
    edges: tuple[float, ...] = ()
    width: float | None = Field(default=None, gt=0)

    @property
    def levels(self) -> tuple[str, ...]:
        return self.LEVELS

    @model_validator(mode="after")
    def _one_way(self) -> BandsRule:
        if bool(self.edges) == (self.width is not None):
            raise ValueError("give either 'edges' or 'width'")
        if list(self.edges) != sorted(set(self.edges)):
            raise Misplaced(("edges",), "edges must rise")
        return self


class UserAgentRule(StrictModel):
    """What browsers call themselves. Levels: agent, family, device."""

    LEVELS: ClassVar[tuple[str, ...]] = ("agent", "family", "device", EVERYTHING)
    kind: Literal["user_agent"]

    @property
    def levels(self) -> tuple[str, ...]:
        return self.LEVELS


class AddressRule(StrictModel):
    """IP addresses. Levels: address, network (/24, or /48 of IPv6), version."""

    LEVELS: ClassVar[tuple[str, ...]] = ("address", "network", "version", EVERYTHING)
    kind: Literal["address"]

    @property
    def levels(self) -> tuple[str, ...]:
        return self.LEVELS


class TableRule(StrictModel):
    """A hierarchy of one's own: a CSV file, each line a path from the value upwards."""

    kind: Literal["table"]
    file: Path
    """Relative to the folder of the document that names it."""
    levels: tuple[str, ...] = Field(min_length=2)
    """The levels' names, the value's first."""
    separator: str = Field(default=";", min_length=1, max_length=1)

    @model_validator(mode="after")
    def _ends_in_everything(self) -> TableRule:
        if len(set(self.levels)) < len(self.levels):
            raise Misplaced(("levels",), "a level is named twice")
        return self


RuleDeclaration = Annotated[
    ValueRule | DateRule | PostcodeRule | BandsRule | UserAgentRule | AddressRule | TableRule,
    Field(discriminator="kind"),
]


class Coordinate(StrictModel):
    """A column on a level of a rule."""

    column: str
    rule: RuleDeclaration = ValueRule()
    level: str | None = None
    """A level of the rule; by default its first, which is the value itself."""

    @model_validator(mode="after")
    def _known_level(self) -> Coordinate:
        if self.level is not None and self.level not in self.rule.levels:
            known = ", ".join(level for level in self.rule.levels if level != EVERYTHING)
            raise Misplaced(
                ("level",), f"rule '{self.rule.kind}' has no level '{self.level}', but {known}"
            )
        return self

    @property
    def at(self) -> str:
        """The level, written or by default."""
        return self.level or self.rule.levels[0]

    @property
    def raw(self) -> bool:
        """Whether it is the value itself."""
        return self.at == self.rule.levels[0]


def make_rule(declared: RuleDeclaration, folder: Path) -> Rule:
    """The rule that ``declared`` names; files are looked for from ``folder``.

    Raises:
        ConfigurationError: the hierarchy's file cannot be read, or has a hole.
    """
    # pandas is slow to import, and most commands need no rule
    from anonymizers.hierarchies import Hierarchy, HierarchyError  # noqa: PLC0415
    from anonymizers.rules import declared as rules  # noqa: PLC0415

    match declared:
        case ValueRule():
            return rules.ByValue(frozenset(declared.values) if declared.values else None)
        case DateRule():
            return rules.ByDate()
        case PostcodeRule():
            return rules.ByPostcode()
        case BandsRule():
            if declared.width is not None:
                return rules.ByBands(width=declared.width)
            return rules.ByBands(edges=declared.edges)
        case UserAgentRule():
            return rules.ByUserAgent()
        case AddressRule():
            return rules.ByAddress()
        case TableRule():
            try:
                rows = _rows(folder / declared.file, declared.separator)
                hierarchy = Hierarchy.from_rows(declared.file.stem, rows, declared.levels)
                return rules.ByTable(hierarchy, unknown="label")
            except HierarchyError as error:
                raise ConfigurationError(f"{folder / declared.file}: {error}") from None


def _rows(path: Path, separator: str) -> list[list[str]]:
    import csv  # noqa: PLC0415 - only where a table is declared

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [row for row in csv.reader(file, delimiter=separator) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "not a CSV file in UTF-8"
        raise ConfigurationError(f"{path}: cannot be read: {why}") from None


def meaning(coordinates: tuple[Coordinate, ...], folder: Path) -> str:
    """A SHA-256 over what the coordinates mean, the contents of hierarchy files included.

    Raises:
        ConfigurationError: a hierarchy's file cannot be read.
    """
    described = []
    for item in coordinates:
        rule = item.rule.model_dump(mode="json", exclude={"file"})
        if isinstance(item.rule, TableRule):
            rule["rows"] = _rows(folder / item.rule.file, item.rule.separator)
        described.append([item.column, rule, item.at])
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
