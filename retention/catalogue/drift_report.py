"""The findings of a check of one system, apart by what they are about."""

from __future__ import annotations

from dataclasses import dataclass

from retention.catalogue.drift import ROWS_THAT_NEED_AN_INDEX, Finding, check_system
from retention.catalogue.drift_keys import key_findings
from retention.catalogue.live import has_more_rows, read_live
from retention.catalogue.model import Catalogue, TableName
from retention.catalogue.sources import Sources


@dataclass(frozen=True)
class DriftReport:
    """What ``check_system`` finds: about foreign keys, and about everything else."""

    schema: tuple[Finding, ...]
    foreign_keys: tuple[Finding, ...]

    def of(self, name: TableName) -> DriftReport:
        """The findings that concern one table."""
        return DriftReport(
            tuple(finding for finding in self.schema if finding.table == name),
            tuple(finding for finding in self.foreign_keys if finding.table == name),
        )


def drift_report(sources: Sources, catalogue: Catalogue, system: str) -> DriftReport:
    """Check one system.

    Raises:
        SourceError: the database cannot be reached or read.
    """
    declared = catalogue.systems[system]
    with sources.begin(system) as connection:
        live = read_live(connection, declared.db_schema, frozenset(declared.tables))

        def large(table: str) -> bool:
            return has_more_rows(connection, table, declared.db_schema, ROWS_THAT_NEED_AN_INDEX)

        about_keys = frozenset(key_findings(catalogue, system, live, large))
    findings = check_system(sources, catalogue, system)
    return DriftReport(
        schema=tuple(finding for finding in findings if finding not in about_keys),
        foreign_keys=tuple(finding for finding in findings if finding in about_keys),
    )
