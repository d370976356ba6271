"""The catalogue: which systems, tables and columns hold personal data, and what they mean.

Only the shape of the document belongs here. Whether it fits the policy is ``coherence``;
whether it fits the live databases is ``drift``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

from pydantic import BeforeValidator, Field, model_validator

from retention.documents import StrictModel, read_document
from retention.policy.table import TimeZone

TableName = NewType("TableName", str)
"""``system.table``, unique in a catalogue."""

Scalar = str | int | float | bool


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class DateFormat(StrEnum):
    """How a column writes its dates, where its SQL type does not say."""

    native = "native"
    """The database's own date or timestamp type; on SQLite, ISO text."""
    epoch_seconds = "epoch_seconds"
    epoch_milliseconds = "epoch_milliseconds"


class Sentinels(StrictModel):
    """Values that are no dates: ``unknown`` reads as absent, ``open`` as "no end"."""

    unknown: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _written_as_dates(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {
                key: [str(item) for item in value] if isinstance(value, list) else value
                for key, value in data.items()
            }
        return data


class Pseudonymise(StrEnum):
    """What happens to a column when its row is pseudonymised in place."""

    keep = "keep"
    token = "token"  # noqa: S105 - a pseudonym, not a secret
    clear = "clear"


class Column(StrictModel):
    """One column of a governed table."""

    category: str
    """A data category of the Fides taxonomy, or one the policy declares as custom."""
    identifies: bool = False
    """Whether the value can identify the person: such columns are sealed in the vault."""
    purposes: tuple[str, ...] = ()
    """The purposes that need this column; empty means every purpose of the table."""
    archive: Literal["keep", "drop"] = "keep"
    pseudonymise: Pseudonymise = Pseudonymise.keep
    cleared_as: Scalar | None = None
    """What a cleared column holds; null unless the column cannot hold one."""
    format: DateFormat = DateFormat.native
    time_zone: TimeZone | None = None
    """The zone naive instants are local to; by default the system's."""
    sentinels: Sentinels = Sentinels()
    on_update_clock: bool = False
    """The database rewrites this column whenever the row changes; its old value is put back."""


class Owner(StrictModel):
    """The table whose rows own this table's rows, and the columns that point at it."""

    table: str
    """A table of the same system."""
    via: Names
    """This table's columns, in the order of the owner's key."""
    carry: tuple[str, ...] = ()
    """Owner's columns that an archived row takes along, since it may outlive its owner."""


class Reference(StrictModel):
    """A foreign key that is not ownership: a row still referred to is not deleted."""

    table: str
    via: Names


class EventSource(StrictModel):
    """Where the days of an event are found: a column, or a start/end pair.

    Without ``table`` the columns are the row's own. ``table`` names a table of the same
    system owned by this one. With ``link`` they are those of the link's far table (or of a
    ``table`` that it owns) in another system.
    """

    column: str | None = None
    start: str | None = None
    end: str | None = None
    table: str | None = None
    link: str | None = None

    @model_validator(mode="after")
    def _column_or_pair(self) -> EventSource:
        pair = self.start is not None and self.end is not None
        if (self.column is not None) == pair or (self.start is None) != (self.end is None):
            raise ValueError("give either 'column', or 'start' and 'end'")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.column, self.start, self.end) if name)


class Condition(StrictModel):
    """When a purpose applies to a row: a comparison of one of its columns."""

    column: str
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] = ()
    is_null: bool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if sum((self.equals is not None, bool(self.one_of), self.is_null is not None)) != 1:
            raise ValueError("give one of 'equals', 'one_of' and 'is_null'")
        return self


def _condition(value: Any) -> Any:
    return None if value == "always" else value


PurposeCondition = Annotated[Condition | None, BeforeValidator(_condition)]


class Dimension(StrictModel):
    """A coordinate of an accumulator's cells."""

    column: str
    by: Literal["value", "year", "month"] = "value"


class Accumulator(StrictModel):
    """Restricted counts and sums that keep a table's history once its rows have left."""

    by: tuple[Dimension, ...]
    sums: tuple[str, ...] = ()


class Role(StrEnum):
    """How a table's rows come by their phase."""

    subject = "subject"
    """Persons, with clocks of their own."""
    evidence = "evidence"
    """Owned by a person, with clocks of its own: it can outlive its owner in the archive."""
    dependant = "dependant"
    """Owned, and following its owner in everything."""
    event = "event"
    """A clock per row and no owner, such as a connection log."""


class Table(StrictModel):
    """One governed table."""

    label: str
    label_fr: str = ""
    subject: str | None = None
    """``customer``, ``prospect``, …: what kind of person a row of this table is."""
    key: Names
    owner: Owner | None = None
    references: tuple[Reference, ...] = ()
    purposes: dict[str, PurposeCondition] = Field(default_factory=dict)
    events: dict[str, Annotated[tuple[EventSource, ...], BeforeValidator(_as_list)]] = Field(
        default_factory=dict
    )
    columns: dict[str, Column]
    accumulators: dict[str, Accumulator] = Field(default_factory=dict)
    description: str = ""

    @property
    def role(self) -> Role:
        if self.owner:
            return Role.evidence if self.purposes else Role.dependant
        return Role.subject if self.subject else Role.event

    @property
    def identifying(self) -> tuple[str, ...]:
        return tuple(name for name, column in self.columns.items() if column.identifies)

    @model_validator(mode="after")
    def _coherent(self) -> Table:
        def known(name: str, where: str) -> None:
            if name not in self.columns:
                raise ValueError(f"{where} names column '{name}', which is not annotated")

        if not self.owner and not self.purposes:
            raise ValueError("a table without an owner needs 'purposes'")
        if self.owner and self.subject:
            raise ValueError("a table is either owned or a subject's own")
        if not self.key:
            raise ValueError("a table without a key cannot be governed")
        for name in self.key:
            known(name, "'key'")
        for reference in (*([self.owner] if self.owner else []), *self.references):
            for name in reference.via:
                known(name, f"the reference to '{reference.table}'")
        for purpose, condition in self.purposes.items():
            if condition:
                known(condition.column, f"purpose '{purpose}'")
        if self.purposes and all(self.purposes.values()):
            raise ValueError("at least one purpose must be 'always', or a row could have none")
        for kind, sources in self.events.items():
            for source in sources:
                if source.table is None and source.link is None:
                    for name in source.columns:
                        known(name, f"event '{kind}'")
        for label, accumulator in self.accumulators.items():
            for name in (*(item.column for item in accumulator.by), *accumulator.sums):
                known(name, f"accumulator '{label}'")
        return self


class System(StrictModel):
    """A source system: one database."""

    label: str
    url: str | None = None
    """A SQLAlchemy URL without secrets; a relative SQLite path is relative to the catalogue."""
    url_env: str | None = None
    """The environment variable whose URL goes before ``url``."""
    db_schema: str | None = Field(default=None, alias="schema")
    time_zone: TimeZone
    out_of_scope: dict[str, str] = Field(default_factory=dict)
    """Tables (shell patterns allowed) that hold nothing to govern, and why."""
    tables: dict[str, Table]

    @model_validator(mode="after")
    def _has_address(self) -> System:
        if not (self.url or self.url_env):
            raise ValueError("give 'url' or 'url_env'")
        return self


class Link(StrictModel):
    """Two columns of two systems that name the same person when equal after a normaliser."""

    near: str
    """``system.table.column`` of the table whose records are prolonged."""
    far: str
    """``system.table.column`` of the table where the evidence is."""
    normaliser: Literal["exact", "email", "digits"] = "exact"

    @model_validator(mode="after")
    def _three_parts(self) -> Link:
        for end in (self.near, self.far):
            if len(end.split(".")) != 3:
                raise ValueError(f"{end!r} is not of the form system.table.column")
        return self

    @property
    def near_table(self) -> TableName:
        return TableName(self.near.rpartition(".")[0])

    @property
    def far_table(self) -> TableName:
        return TableName(self.far.rpartition(".")[0])

    @property
    def near_column(self) -> str:
        return self.near.rpartition(".")[2]

    @property
    def far_column(self) -> str:
        return self.far.rpartition(".")[2]


class Catalogue(StrictModel):
    """Everything that is governed."""

    catalogue: str
    demo: bool = False
    """Whether this is a demonstration: only then may a run be dated in the future."""
    links: dict[str, Link] = Field(default_factory=dict)
    systems: dict[str, System]

    @model_validator(mode="after")
    def _references_resolve(self) -> Catalogue:
        for name, table in self.tables():
            system = name.partition(".")[0]
            tables = self.systems[system].tables
            for reference in (*([table.owner] if table.owner else []), *table.references):
                if reference.table not in tables:
                    raise ValueError(f"{name}: refers to '{reference.table}', not a table of {system}")
                target = tables[reference.table]
                if len(reference.via) != len(target.key):
                    raise ValueError(
                        f"{name}: 'via' must name as many columns as the key of '{reference.table}'"
                    )
            if table.owner:
                for column in table.owner.carry:
                    if column not in tables[table.owner.table].columns:
                        raise ValueError(f"{name}: carries '{column}', unknown in '{table.owner.table}'")
            for kind, sources in table.events.items():
                for source in sources:
                    self._check_source(name, kind, source)
        for label, link in self.links.items():
            for end, column in ((link.near_table, link.near_column), (link.far_table, link.far_column)):
                table_or_none = dict(self.tables()).get(end)
                if table_or_none is None or column not in table_or_none.columns:
                    raise ValueError(f"link '{label}': there is no column {end}.{column}")
        self._refuse_owner_cycles()
        return self

    def _check_source(self, name: TableName, kind: str, source: EventSource) -> None:
        system = name.partition(".")[0]
        if source.link is not None:
            link = self.links.get(source.link)
            if link is None:
                raise ValueError(f"{name}: event '{kind}' names link '{source.link}', not declared")
            if link.near_table != name:
                raise ValueError(f"{name}: link '{source.link}' does not start from this table")
            base, system = link.far_table, link.far_table.partition(".")[0]
        else:
            base = name
        far = self.systems[system].tables
        target_name = source.table or base.partition(".")[2]
        target = far.get(target_name)
        if target is None:
            raise ValueError(f"{name}: event '{kind}': there is no table {system}.{target_name}")
        if source.table and f"{system}.{source.table}" != base:
            if target.owner is None or f"{system}.{target.owner.table}" != base:
                raise ValueError(f"{name}: event '{kind}': {system}.{source.table} is not owned by {base}")
        for column in source.columns:
            if column not in target.columns:
                raise ValueError(f"{name}: event '{kind}': no column {system}.{target_name}.{column}")

    def _refuse_owner_cycles(self) -> None:
        for name, _ in self.tables():
            seen, at = [name], self.owner_of(name)
            while at:
                if at in seen:
                    raise ValueError(f"{name}: the chain of owners goes round in a circle")
                seen.append(at)
                at = self.owner_of(at)

    def tables(self) -> Iterator[tuple[TableName, Table]]:
        """Every governed table with its full name, in the order of the document."""
        for system_name, system in self.systems.items():
            for table_name, table in system.tables.items():
                yield TableName(f"{system_name}.{table_name}"), table

    def table(self, name: str) -> Table:
        """The table called ``system.table``; ``KeyError`` where there is none."""
        system, _, table = name.partition(".")
        return self.systems[system].tables[table]

    def owner_of(self, name: TableName) -> TableName | None:
        table = self.table(name)
        return TableName(f"{name.partition('.')[0]}.{table.owner.table}") if table.owner else None

    def clock_of(self, name: TableName) -> TableName:
        """The table whose clocks decide on ``name``: itself, or the owner a dependant follows."""
        while self.table(name).role is Role.dependant:
            owner = self.owner_of(name)
            assert owner is not None
            name = owner
        return name

    def tree_of(self, name: TableName) -> set[TableName]:
        """Every table of the owner tree ``name`` belongs to."""

        def top(at: TableName) -> TableName:
            while owner := self.owner_of(at):
                at = owner
            return at

        return {other for other, _ in self.tables() if top(other) == top(name)}

    def followers(self, name: TableName) -> list[TableName]:
        """The dependants that go where ``name``'s rows go, owners before owned."""
        found: list[TableName] = []
        for other, table in self.tables():
            if table.role is Role.dependant and self.owner_of(other) == name:
                found += [other, *self.followers(other)]
        return found

    def clocked_tables(self) -> list[TableName]:
        """Tables with clocks of their own, owned ones before their owners (order of a run)."""
        names = [name for name, table in self.tables() if table.role is not Role.dependant]
        order: list[TableName] = []

        def visit(name: TableName) -> None:
            if name in order:
                return
            system = name.partition(".")[0]
            for other in names:
                table = self.table(other)
                points_at = {reference.table for reference in table.references}
                points_at |= {table.owner.table} if table.owner else set()
                targets = {self.clock_of(TableName(f"{system}.{target}")) for target in points_at
                           if other.startswith(f"{system}.")}
                if other != name and name in targets:
                    visit(other)
            if name not in order:
                order.append(name)

        for name in names:
            visit(name)
        return order


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue.

    Raises:
        ConfigurationError: naming file, line and key of each fault.
    """
    return read_document(path, Catalogue)
