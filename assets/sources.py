"""Stage 1: every governed table as its database holds it. Only reads, and only counts.

A system that cannot be reached is reported, not failed: the plan stops its owner trees, and
all others go on.
"""

import dagster as dg
import sqlalchemy as sa

from assets import naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from retention.catalogue.declarations import Column
from retention.catalogue.live import read_live
from retention.catalogue.model import Catalogue, TableName
from retention.errors import SourceError
from retention.installation import Installation


def source_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``source/<system>/<table>`` for every governed table."""
    return [_source(blueprint, name) for name, _ in blueprint.catalogue.tables()]


def _source(blueprint: Blueprint, name: TableName) -> dg.AssetsDefinition:
    @dg.asset(
        key=naming.of_table("source", name),
        group_name=naming.SOURCE,
        owners=naming.OWNERS,
        kinds={blueprint.kind_of(name)},
        tags=blueprint.tags(name),
        description=_description(blueprint, name),
    )
    def source(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with safe_errors():
            installation = retention.installation()
            retention.announce("source", name, 0)
            try:
                rows, schema = _look(installation, name)
            except SourceError as error:
                context.log.error("%s: not read: %s", name, error)  # noqa: TRY400 - no traceback
                return dg.MaterializeResult(metadata={"not_read": str(error)})
            return dg.MaterializeResult(
                metadata={"dagster/row_count": rows, "dagster/column_schema": schema}
            )

    return source


def _description(blueprint: Blueprint, name: TableName) -> str:
    table = blueprint.catalogue.table(name)
    parts = [f"{blueprint.title(name)}."]
    if table.description:
        parts.append(table.description)
    if blueprint.purposes(name):
        parts.append(f"Held for: {', '.join(blueprint.purposes(name))}.")
    else:
        parts.append(f"Follows its owner, {blueprint.catalogue.clock_of(name)}, in everything.")
    return " ".join(parts)


def _look(installation: Installation, name: TableName) -> tuple[int, dg.TableSchema]:
    system, _, short = name.partition(".")
    schema = installation.catalogue.systems[system].db_schema
    with installation.sources.begin(system) as connection:
        live = read_live(connection, schema, frozenset({short})).tables.get(short)
        if live is None:
            raise SourceError(f"{name}: there is no such table")
        counted = sa.select(sa.func.count()).select_from(installation.sources.table(name))
        rows = connection.execute(counted).scalar_one()
        types = {
            column: found.type.compile(connection.dialect) for column, found in live.columns.items()
        }
        nullable = {column: found.nullable for column, found in live.columns.items()}
    return rows, _schema(installation.catalogue, name, types, nullable)


def _schema(
    catalogue: Catalogue, name: TableName, types: dict[str, str], nullable: dict[str, bool]
) -> dg.TableSchema:
    annotated = catalogue.table(name).columns
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column,
                types[column],
                description=_meaning(annotated.get(column)),
                tags=_column_tags(annotated.get(column)),
                constraints=dg.TableColumnConstraints(nullable=nullable[column]),
            )
            for column in types
        ]
    )


def _meaning(column: Column | None) -> str:
    if column is None:
        return "not annotated"
    parts = [column.category]
    if column.identifies:
        parts.append("can identify the person: sealed in the vault when archived")
    if column.purposes:
        parts.append(f"needed only for {', '.join(column.purposes)}: cleared with the last of them")
    if column.archive == "drop":
        parts.append("left out of the archive")
    return "; ".join(parts)


def _column_tags(column: Column | None) -> dict[str, str]:
    if column is None:
        return {"annotated": "no"}
    return {"category": column.category} | ({"identifies": "yes"} if column.identifies else {})
