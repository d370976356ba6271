"""The catalogue: which systems, tables and columns hold personal data, and what they mean.

Only the shape of the document belongs here. Whether it fits the policy is ``coherence``;
whether it fits the live databases is ``drift``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Literal, NewType

from pydantic import Field, model_validator

from retention.catalogue.declarations import (
    Accumulator,
    Column,
    EventSource,
    EventSources,
    Names,
    Owner,
    PurposeCondition,
    Recipient,
    Reference,
    Scalar,
)
from retention.catalogue.ordering import in_order
from retention.documents import Misplaced, Place, StrictModel, read_document
from retention.policy.table import TimeZone

TableName = NewType("TableName", str)
"""``system.table``, unique in a catalogue."""


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
    events: dict[str, EventSources] = Field(default_factory=dict)
    columns: dict[str, Column]
    accumulators: dict[str, Accumulator] = Field(default_factory=dict)
    on_objection: dict[str, Scalar] = Field(default_factory=dict)
    """What an objection to prospecting writes into a row: ``{withdrawn_at: today, opt_in: 0}``."""
    origin: str = ""
    """Where the data come from, in words: said to a person who asks for access."""
    origin_fr: str = ""
    description: str = ""

    @property
    def role(self) -> Role:
        if self.owner:
            return Role.evidence if self.purposes else Role.dependant
        return Role.subject if self.subject else Role.event

    @property
    def pointers(self) -> tuple[Reference, ...]:
        """Every declared foreign key, the owner's first."""
        return (self.owner, *self.references) if self.owner else self.references

    @property
    def identifying(self) -> tuple[str, ...]:
        return tuple(name for name, column in self.columns.items() if column.identifies)

    @model_validator(mode="after")
    def _has_a_clock_and_a_key(self) -> Table:
        if not self.owner and not self.purposes:
            raise ValueError("a table without an owner needs 'purposes'")
        if self.owner and self.subject:
            raise ValueError("a table is either owned or a subject's own")
        if not self.key:
            raise ValueError("a table without a key cannot be governed")
        if self.purposes and all(self.purposes.values()):
            raise ValueError("at least one purpose must be 'always', or a row could have none")
        return self

    @model_validator(mode="after")
    def _names_only_annotated_columns(self) -> Table:
        for where, name in self._named_columns():
            if name not in self.columns:
                raise ValueError(f"{where} names column '{name}', which is not annotated")
        for label, accumulator in self.accumulators.items():
            for dimension in accumulator.by:
                if self.columns[dimension.column].identifies and dimension.raw:
                    raise ValueError(
                        f"accumulator '{label}': '{dimension.column}' identifies a person"
                    )
            if accumulator.subject and self.owner:
                raise ValueError(
                    f"accumulator '{label}': rows that are owned belong to their owner; "
                    "'subject' is for tables without one"
                )
        return self

    def _named_columns(self) -> Iterator[tuple[str, str]]:
        """Every mention of one of the table's own columns, and where it stands."""
        yield from (("'key'", name) for name in self.key)
        for reference in self.pointers:
            where = f"the reference to '{reference.table}'"
            yield from ((where, name) for name in reference.via)
        for purpose, condition in self.purposes.items():
            if condition:
                yield f"purpose '{purpose}'", condition.column
        for kind, sources in self.events.items():
            own = [source for source in sources if source.table is None and source.link is None]
            yield from ((f"event '{kind}'", name) for source in own for name in source.columns)
        yield from (("'on_objection'", name) for name in self.on_objection)
        for label, accumulator in self.accumulators.items():
            names = [*(item.column for item in accumulator.by), *accumulator.sums]
            names += accumulator.subject or ()
            yield from ((f"accumulator '{label}'", name) for name in names)


class System(StrictModel):
    """A source system: one database."""

    label: str
    url: str | None = None
    """A SQLAlchemy URL without secrets; a relative SQLite path starts at ``retention.yaml``."""
    url_env: str | None = None
    """The environment variable whose URL goes before ``url``."""
    db_schema: str | None = Field(default=None, alias="schema")
    time_zone: TimeZone
    out_of_scope: dict[str, str] = Field(default_factory=dict)
    """Tables (shell patterns allowed) that hold nothing to govern, and why.
    Those of a schema that no system names with it: ``newsletter.*``."""
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
    recipients: dict[str, Recipient] = Field(default_factory=dict)
    systems: dict[str, System]

    @model_validator(mode="after")
    def _references_resolve(self) -> Catalogue:
        for name, table in self.tables():
            self._check_pointers(name, table)
            for kind, sources in table.events.items():
                for source in sources:
                    self._check_source(name, kind, source)
        known = {f"{name}.{column}" for name, table in self.tables() for column in table.columns}
        for label, link in self.links.items():
            for end in (link.near, link.far):
                if end not in known:
                    raise Misplaced(("links", label), f"there is no column {end}")
        for label, recipient in self.recipients.items():
            if unknown := set(recipient.tables) - {name for name, _ in self.tables()}:
                raise Misplaced(("recipients", label), f"there is no table {min(unknown)}")
        self._refuse_owner_cycles()
        return self

    def _check_pointers(self, name: TableName, table: Table) -> None:
        system = name.partition(".")[0]
        tables = self.systems[system].tables
        for reference in table.pointers:
            target = tables.get(reference.table)
            if target is None:
                raise Misplaced(
                    _place(name), f"refers to '{reference.table}', not a table of {system}"
                )
            if len(reference.via) != len(target.key):
                raise Misplaced(
                    _place(name),
                    f"'via' must name as many columns as the key of '{reference.table}'",
                )
        if table.owner:
            unknown = set(table.owner.carry) - set(tables[table.owner.table].columns)
            if unknown:
                raise Misplaced(_place(name), f"carries '{min(unknown)}', unknown to its owner")

    def _check_source(self, name: TableName, kind: str, source: EventSource) -> None:
        system = name.partition(".")[0]
        if source.link is not None:
            link = self.links.get(source.link)
            if link is None:
                raise Misplaced(
                    _place(name), f"event '{kind}' names link '{source.link}', not declared"
                )
            if link.near_table != name:
                raise Misplaced(
                    _place(name), f"link '{source.link}' does not start from this table"
                )
            base, system = link.far_table, link.far_table.partition(".")[0]
        else:
            base = name
        far = self.systems[system].tables
        target_name = source.table or base.partition(".")[2]
        target = far.get(target_name)
        if target is None:
            raise Misplaced(
                _place(name), f"event '{kind}': there is no table {system}.{target_name}"
            )
        owner = f"{system}.{target.owner.table}" if target.owner else None
        if source.table and base not in (f"{system}.{source.table}", owner):
            raise Misplaced(
                _place(name), f"event '{kind}': {system}.{source.table} is not owned by {base}"
            )
        for column in source.columns:
            if column not in target.columns:
                raise Misplaced(
                    _place(name), f"event '{kind}': no column {system}.{target_name}.{column}"
                )

    def _refuse_owner_cycles(self) -> None:
        for name, _ in self.tables():
            seen, at = [name], self.owner_of(name)
            while at:
                if at in seen:
                    raise Misplaced(_place(name), "the chain of owners goes round in a circle")
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
        """The dependants that go where ``name``'s rows go.

        A table stands after every table it points at, so that the reverse is an order in
        which rows can be deleted.
        """
        tree = self._dependants(name)
        system = name.partition(".")[0]
        order: list[TableName] = []
        while len(order) < len(tree):
            free = [
                other
                for other in tree
                if other not in order
                and not {
                    TableName(f"{system}.{reference.table}")
                    for reference in self.table(other).pointers
                }
                & (set(tree) - set(order) - {other})
            ]
            order += free or [other for other in tree if other not in order]
        return order

    def _dependants(self, name: TableName) -> list[TableName]:
        found: list[TableName] = []
        for other, table in self.tables():
            if table.role is Role.dependant and self.owner_of(other) == name:
                found += [other, *self._dependants(other)]
        return found

    def clocked_tables(self) -> list[TableName]:
        """Tables with clocks of their own, owned ones before their owners (order of a run).

        What evidence in another system prolongs goes before that evidence: what leaves there
        today still counts here today, or a run would take more than its plan has counted.
        """
        names = [name for name, table in self.tables() if table.role is not Role.dependant]
        return in_order(names, self.held_by, self.prolonged_by)

    def held_by(self, name: TableName) -> set[TableName]:
        """Tables with clocks of their own whose rows hold those of ``name`` in place."""
        system = name.partition(".")[0]
        return {
            TableName(f"{system}.{other}")
            for other, table in self.systems[system].tables.items()
            if table.role is not Role.dependant and f"{system}.{other}" != name
            for pointer in table.pointers
            if self.clock_of(TableName(f"{system}.{pointer.table}")) == name
        }

    def prolonged_by(self, name: TableName) -> set[TableName]:
        """Tables that rows of ``name`` prolong from another system."""
        return {
            near
            for near, table in self.tables()
            for sources in table.events.values()
            for source in sources
            if source.link is not None and near != name
            for read in self.read_through(source)
            if self.clock_of(read) == name
        }

    def read_through(self, source: EventSource) -> set[TableName]:
        """The tables that an event is read from through its link."""
        far = self.links[source.link or ""].far_table
        system, _, short = far.partition(".")
        return {far, TableName(f"{system}.{source.table or short}")}


def _place(name: TableName) -> Place:
    system, _, table = name.partition(".")
    return ("systems", system, "tables", table)


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue.

    Raises:
        ConfigurationError: naming file, line and key of each fault.
    """
    return read_document(path, Catalogue)
