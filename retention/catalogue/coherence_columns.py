"""Whether each column fits the policy: its category, its purposes, and what may change it."""

from __future__ import annotations

from collections.abc import Iterator

from retention.catalogue.declarations import Column, EventSource, Owner, Pseudonymise, Reference
from retention.catalogue.findings import Finding
from retention.catalogue.model import Catalogue, Role, Table, TableName
from retention.catalogue.taxonomy import falls_under, is_category
from retention.policy.table import Policy

Problem = tuple[str, str]


def column_problems(
    catalogue: Catalogue, policy: Policy, name: TableName, table: Table
) -> Iterator[Problem]:
    """The faults of a table's columns, as (place in the document, problem)."""
    system, _, short = name.partition(".")
    clock = catalogue.clock_of(name)
    allowed = catalogue.table(clock).purposes
    fixed = fixed_columns(catalogue, name)
    referring = {column for reference in table.references for column in reference.via}
    in_place = is_pseudonymised_in_place(catalogue, policy, clock)
    for column_name, column in table.columns.items():
        place = f"systems.{system}.tables.{short}.columns.{column_name}"
        for problem in (
            *_category_problems(column, policy),
            *_purpose_problems(column, clock, tuple(allowed)),
            *_dependant_problems(catalogue, name, column),
            *(_in_place_problems(table, column) if in_place else ()),
        ):
            yield place, problem
        role = fixed.get(column_name)
        changed = in_place and column.pseudonymise is not Pseudonymise.keep
        if role and is_cleared(catalogue, name, column):
            yield place, f"it is {role} and cannot be cleared while its row stays"
        elif role and changed:
            yield place, f"it is {role} and cannot be changed while its row stays"
        elif changed and column_name in referring and column.pseudonymise is Pseudonymise.token:
            yield place, "it refers to another table; a pseudonym would refer to nothing: clear it"


def is_cleared(catalogue: Catalogue, name: TableName, column: Column) -> bool:
    """Whether the column can be emptied while its row stays, for want of a live purpose."""
    held = catalogue.table(catalogue.clock_of(name)).purposes
    return bool(column.purposes) and set(column.purposes) != set(held)


def becomes_empty(catalogue: Catalogue, name: TableName, column: Column) -> bool:
    """Whether the column is emptied while its row stays, for whatever reason."""
    return column.pseudonymise is Pseudonymise.clear or is_cleared(catalogue, name, column)


def is_pseudonymised_in_place(catalogue: Catalogue, policy: Policy, name: TableName) -> bool:
    """Whether some version of some purpose keeps the rows' archive where they lie."""
    return any(
        purpose.archive is not None and purpose.archive.in_place
        for version in policy.versions
        for label, purpose in version.purposes.items()
        if label in catalogue.table(name).purposes
    )


def fixed_columns(catalogue: Catalogue, name: TableName) -> dict[str, str]:
    """The columns that the decision on a row, or the way to it, depends on, and how.

    A reference that is not ownership is none of them: once cleared, the row belongs to nobody.
    """
    table = catalogue.table(name)
    fixed: dict[str, str] = {}
    for condition in filter(None, table.purposes.values()):
        fixed[condition.column] = "what a purpose's condition reads"
    for other, column in event_columns(catalogue):
        if other == name:
            fixed[column] = "an event's date"
    if table.owner:
        fixed.update(
            dict.fromkeys(table.owner.via, f"what points at its owner '{table.owner.table}'")
        )
    fixed.update(dict.fromkeys(table.key, "part of the key"))
    return fixed


def references_of(table: Table) -> tuple[Owner | Reference, ...]:
    """The reference to the owner, where there is one, and all others."""
    return (*((table.owner,) if table.owner else ()), *table.references)


def event_columns(catalogue: Catalogue) -> Iterator[tuple[TableName, str]]:
    """Every column in which an event's date is looked for, with its table."""
    for name, table in catalogue.tables():
        for sources in table.events.values():
            for source in sources:
                holder = event_table(catalogue, name, source)
                yield from ((holder, column) for column in source.columns)


def event_table(catalogue: Catalogue, name: TableName, source: EventSource) -> TableName:
    """The table that holds an event's columns, as declared by ``name``."""
    base = catalogue.links[source.link].far_table if source.link else name
    if source.table is None:
        return base
    return TableName(f"{base.partition('.')[0]}.{source.table}")


def _category_problems(column: Column, policy: Policy) -> Iterator[str]:
    category = column.category
    if not is_category(category, policy.custom_categories):
        yield f"'{category}' is no data category; see the Fides taxonomy and the policy's custom ones"
    elif falls_under(category, "user") and not any(
        falls_under(category, known) for known in _known_to_notice(policy)
    ):
        yield f"policy '{policy.policy}' has no category of data that covers '{category}'"


def _known_to_notice(policy: Policy) -> Iterator[str]:
    for covering in policy.data_categories.values():
        yield from covering.covers
    for uncovered in policy.uncovered.values():
        yield from uncovered.categories
    yield from policy.custom_categories


def _purpose_problems(column: Column, clock: TableName, allowed: tuple[str, ...]) -> Iterator[str]:
    for purpose in column.purposes:
        if purpose not in allowed:
            yield f"{clock} is not held for purpose '{purpose}'"


def _dependant_problems(catalogue: Catalogue, name: TableName, column: Column) -> Iterator[str]:
    """A dependant has no clock by which one of its columns could go before its owner."""
    if catalogue.table(name).role is Role.dependant and is_cleared(catalogue, name, column):
        yield (
            "fewer purposes than its owner's would clear it early; give the table 'purposes' of "
            "its own, so that it has a clock"
        )


def _in_place_problems(table: Table, column: Column) -> Iterator[str]:
    """Pseudonymised in place: no identity may be left, and the row must stay findable."""
    if not column.identifies:
        return
    if table.role is Role.dependant:
        yield "it identifies, yet its owner is pseudonymised in place and its own row is not changed"
    elif column.pseudonymise is Pseudonymise.keep:
        yield "it identifies and its row is pseudonymised in place; say 'pseudonymise: token' or 'clear'"


def column_warnings(catalogue: Catalogue, policy: Policy) -> Iterator[Finding]:
    """Data without a duration, and links that clearing a column would cut."""
    for name, table in catalogue.tables():
        for column_name, column in table.columns.items():
            for label, uncovered in policy.uncovered.items():
                if any(falls_under(column.category, item) for item in uncovered.categories):
                    yield Finding(
                        f"{name}.{column_name}",
                        f"the policy has no duration for '{label}': the rows go to review",
                        "warning",
                        name,
                    )
    for label, link in catalogue.links.items():
        ends = ((link.near_table, link.near_column), (link.far_table, link.far_column))
        for name, column_name in ends:
            if is_cleared(catalogue, name, catalogue.table(name).columns[column_name]):
                problem = f"link '{label}' finds nobody by it once it is cleared"
                yield Finding(f"{name}.{column_name}", problem, "warning", name)
