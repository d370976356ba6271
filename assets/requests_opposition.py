"""Checks that nobody who objected to prospecting is back: on each table that holds prospects."""

import dagster as dg

from assets import naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from retention.catalogue.model import TableName
from retention.errors import SourceError
from retention.requests.doing.opposition import count_opposed, tables_to_watch

_ABOUT = (
    "Nobody whose e-mail or phone is on the opposition list is up for prospecting: an import may "
    "bring such a person back. The list holds keyed fingerprints. (Liste d’opposition.)"
)


def opposition_checks(blueprint: Blueprint) -> list[dg.AssetChecksDefinition]:
    """One check on each table that an objection is about, by any version of the policy."""
    watched = {
        name
        for version in blueprint.policy.versions
        for name in tables_to_watch(blueprint.catalogue, version.purposes)
    }
    return [_check(name) for name, _ in blueprint.catalogue.tables() if name in watched]


def _check(name: TableName) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=naming.OPPOSITION_IS_RESPECTED,
        asset=naming.of_table("source", name),
        description=_ABOUT,
    )
    def respected(retention: dg.ResourceParam[Door]) -> dg.AssetCheckResult:
        with safe_errors():
            retention.announce("check", name, 0)
            try:
                rows = count_opposed(retention.installation(), name, retention.day())
            except SourceError as error:
                return dg.AssetCheckResult(passed=False, description=str(error))
            return dg.AssetCheckResult(
                passed=rows == 0,
                description=_said(name, rows) if rows else None,
                metadata={"rows": rows},
            )

    return respected


def _said(name: TableName, rows: int) -> str:
    return (
        f"{rows} row(s) of {name} are up for prospecting although their owner objected, brought "
        "back perhaps by an import: mark them as withdrawn there, and stop the import; who has "
        "consented anew since is taken off the list by 'retention opposition remove'"
    )
