"""Schemas of a database that no system names: what is in them is neither governed nor searched."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from sqlalchemy.engine import URL, Connection

from retention.catalogue.findings import Finding
from retention.catalogue.live_postgresql import schema_at, tables_by_schema
from retention.catalogue.model import Catalogue
from retention.catalogue.sources import Sources
from retention.errors import SourceError
from retention.stores import archive, cases, control, keys, vault

_STORES = {"archive": archive, "cases": cases, "control": control, "keys": keys, "vault": vault}
_OWN = frozenset(
    name
    for store, module in _STORES.items()
    for name in (*module.metadata.tables, f"{store}_alembic_version")
)
"""The program's own tables, where a store is in the database of a source."""


def schema_findings(
    sources: Sources, catalogue: Catalogue, system: str, connection: Connection
) -> Iterator[Finding]:
    """One warning a schema, said by the first of the systems that are in the same database.

    A pattern with the schema's name in ``out_of_scope`` of any of them silences it.
    """
    if connection.dialect.name == "sqlite":
        return
    together = [system, *_beside(sources, catalogue, system)]
    if min(together, key=list(catalogue.systems).index) != system:
        return
    named = {_schema_of(sources, catalogue, other) for other in together}
    patterns = [
        pattern
        for other in together
        for pattern in catalogue.systems[other].out_of_scope
        if "." in pattern
    ]
    for schema, tables in sorted(tables_by_schema(connection).items()):
        left = [
            name
            for name in tables
            if name not in _OWN
            and not any(fnmatchcase(f"{schema}.{name}", pattern) for pattern in patterns)
        ]
        if schema not in named and left:
            problem = (
                f"no system names schema '{schema}' of this database, so that its tables are "
                f"neither governed nor searched ({len(left)}): declare it as a system, or put it "
                f"out of scope here ('{schema}.*', and why)"
            )
            yield Finding(system, problem, "warning", None)


def _beside(sources: Sources, catalogue: Catalogue, system: str) -> Iterator[str]:
    """The other systems that are in the same database, as far as they can be reached."""
    place = _place(sources.engine(system).url)
    for other in catalogue.systems:
        if other == system:
            continue
        try:
            url = sources.engine(other).url
        except SourceError:
            continue
        if _place(url) == place:
            yield other


def _place(url: URL) -> tuple[str | None, int, str | None]:
    host = None if url.host in (None, "localhost", "127.0.0.1", "::1") else url.host
    return host, url.port or 5432, url.database


def _schema_of(sources: Sources, catalogue: Catalogue, system: str) -> str:
    declared = catalogue.systems[system].db_schema
    if declared is not None:
        return declared
    with sources.begin(system) as connection:
        return schema_at(connection)
