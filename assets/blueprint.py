"""What the graph is made from: policy, catalogue and releases, read once at definition time.

No database is contacted to define the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from retention.catalogue.model import Catalogue, TableName
from retention.policy.table import Policy
from retention.releases.model import Release, Releases


@dataclass(frozen=True)
class Blueprint:
    """An installation's policy and catalogue, and the kind of each system's database."""

    policy: Policy
    catalogue: Catalogue
    kinds: Mapping[str, str]
    """``sqlite`` or ``postgres`` by system, as Dagster's pages show it."""
    releases: Releases | None = None
    """``None`` where the settings name no declaration of statistics."""

    @property
    def first_month(self) -> date:
        """The first month of which there can be a release: that of the policy's first version."""
        return self.policy.versions[0].effective_from.replace(day=1)

    def release(self, name: str) -> Release:
        """The declaration of a release."""
        assert self.releases is not None
        return self.releases.releases[name]

    @property
    def release_names(self) -> tuple[str, ...]:
        """Every declared release."""
        return tuple(self.releases.releases) if self.releases else ()

    def feeding(self, name: str) -> list[TableName]:
        """The tables that feed a release, each once."""
        tables = [TableName(part.table) for _, part in self.release(name).parts]
        return list(dict.fromkeys(tables))

    def release_title(self, name: str) -> str:
        """``Customers (Clients)``: what a release is about, in English and French."""
        return bilingual(self.release(name))

    def kind_of(self, name: TableName) -> str:
        return self.kinds.get(name.partition(".")[0], "sql")

    def title(self, name: TableName) -> str:
        """``Customers (Clients)``: what a table holds, in English and French."""
        return bilingual(self.catalogue.table(name))

    def purposes(self, name: TableName) -> list[str]:
        """The purposes a table's rows are held for, in English and French."""
        latest = self.policy.versions[-1].purposes
        found = (latest.get(purpose) for purpose in self.catalogue.table(name).purposes)
        return [f"{item.label} ({item.label_fr})" for item in found if item]

    def companions(self, name: TableName) -> str:
        """A sentence that says which dependants go along with the rows of ``name``."""
        followers = self.catalogue.followers(name)
        if not followers:
            return "No other table's rows go along."
        return f"Their dependants go along: {', '.join(followers)}."

    def before(self, name: TableName) -> list[TableName]:
        """Tables with clocks of their own whose rows must be gone before those of ``name``.

        They are owned by ``name``, or refer to it: their rows keep its rows in place.
        """
        return self._earlier(name, self.catalogue.held_by(name))

    def prolonged(self, name: TableName) -> list[TableName]:
        """Tables that rows of ``name`` prolong, and that are decided on while these are there."""
        return self._earlier(name, self.catalogue.prolonged_by(name))

    def _earlier(self, name: TableName, wanted: set[TableName]) -> list[TableName]:
        """Those of ``wanted`` that a run takes before ``name``: no other can be waited for."""
        order = self.catalogue.clocked_tables()
        return [other for other in order[: order.index(name)] if other in wanted]

    def tags(self, name: TableName) -> dict[str, str]:
        """Dagster tags of an asset of ``name``."""
        table = self.catalogue.table(name)
        tags = {"system": name.partition(".")[0], "role": str(table.role)}
        return tags | ({"subject": table.subject} if table.subject else {})


class Labelled(Protocol):
    """What has a name in English, and perhaps one in French."""

    @property
    def label(self) -> str: ...
    @property
    def label_fr(self) -> str: ...


def bilingual(item: Labelled) -> str:
    """``Customers (Clients)``: the English name, and the French one where it is another."""
    french = f" ({item.label_fr})" if item.label_fr and item.label_fr != item.label else ""
    return f"{item.label}{french}"
