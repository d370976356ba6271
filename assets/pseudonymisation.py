"""Stage 4: rows changed where they lie: pseudonymised, and columns cleared."""

import dagster as dg

from assets import naming
from assets.blueprint import Blueprint
from assets.stage import stage_asset
from retention.catalogue.declarations import Pseudonymise
from retention.catalogue.model import TableName


def pseudonymisation_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``pseudonymised/<system>/<table>`` for each table with clocks of its own."""
    return [
        stage_asset(
            blueprint,
            name,
            prefix="pseudonymised",
            group=naming.PSEUDONYMISATION,
            stage="pseudonymise",
            chunk_stage="pseudonymise",
            # an owned row takes columns of its owner along: it is copied before they change
            deps=[
                *(naming.of_table("archived", each) for each in (name, *blueprint.before(name))),
                *(naming.of_table("deleted", each) for each in _prolonged(blueprint, name)),
            ],
            description=_description(blueprint, name),
        )
        for name in blueprint.catalogue.clocked_tables()
    ]


def _prolonged(blueprint: Blueprint, name: TableName) -> list[TableName]:
    """Whom rows prolong elsewhere is decided on before the columns that say so are changed."""
    columns = blueprint.catalogue.table(name).columns
    changed = {c for c, spec in columns.items() if spec.pseudonymise is not Pseudonymise.keep}
    links = blueprint.catalogue.links.values()
    linked = {link.far_column for link in links if link.far_table == name}
    return blueprint.prolonged(name) if changed & linked else []


def _description(blueprint: Blueprint, name: TableName) -> str:
    columns = blueprint.catalogue.table(name).columns
    tokens = [c for c, spec in columns.items() if spec.pseudonymise is Pseudonymise.token]
    emptied = [c for c, spec in columns.items() if spec.pseudonymise is Pseudonymise.clear]
    single = [c for c, spec in columns.items() if spec.purposes]
    parts = [f"{blueprint.title(name)}: rows changed where they lie."]
    if tokens or emptied:
        replaced = f"{', '.join(tokens)} replaced by pseudonyms" if tokens else ""
        cleared = f"{', '.join(emptied)} cleared" if emptied else ""
        what = ", ".join(filter(None, (replaced, cleared)))
        parts.append(f"Where the archive phase is kept in place: {what}.")
    if single:
        parts.append(f"Cleared once no purpose needs them: {', '.join(single)}.")
    if len(parts) == 1:
        parts.append("The catalogue asks for nothing here.")
    return " ".join([*parts, "(Pseudonymisation.)"])
